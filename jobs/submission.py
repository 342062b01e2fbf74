"""A command as a job of a cluster: sent to Ray's Jobs API, found again by its name, followed, stopped.

Ray knows a job by its submission id. Here it is made from the command, so that who gives the same command again finds
the job, from whichever machine. An id serves once; a job that failed is tried again under the same with a number.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import ray
from ray.job_submission import JobStatus, JobSubmissionClient
from ray.util.state.exception import RayStateApiException

from crystalforge.errors import ClusterError, UsageError
from crystalforge.files import fingerprint
from crystalforge.jobs.authentication import refused, use_token
from crystalforge.jobs.cluster import HEAD, NODE_LABEL
from crystalforge.settings import shared_setting

logger = logging.getLogger(__name__)

POLL_S = 1.0
PATIENCE_S = 60.0
"""A dashboard that does not answer for so long is gone."""
SHELL_FOUND_NOTHING = 127
DASHBOARD = "Expected Ray's dashboard there, as http://HEAD:8265; its head must run with it (`ray[default]`)."
NO_AGENT = (
    "Its head has no agent that takes jobs, most often because another Ray of that machine holds the port 52365; "
    "start the head with another by `ray start --head --dashboard-agent-listen-port=PORT`."
)


@dataclass(frozen=True)
class Request:
    """What is asked of the cluster."""

    words: tuple[str, ...]
    """The command, such as ``("validate", "run")``."""
    arguments: tuple[str, ...]
    """Its options as they are written, with all that settings of this machine add."""
    values: Mapping[str, Any]
    """What they mean, defaults included: two ways to write one request have one id."""
    python: str = "python"
    """Of the cluster's machines."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """Of the driver: CPU, GPU, memory or custom ones; none leaves it to ``driver_place``."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment of the job; no secrets, as Ray's dashboard shows it."""

    @property
    def submission_id(self) -> str:
        """The same for the same request."""
        return f"crystalforge-{'-'.join(self.words)}-{fingerprint([self.words, dict(self.values)])}"

    @property
    def entrypoint(self) -> str:
        """The line that a shell of the cluster runs."""
        return shlex.join([self.python, "-m", "crystalforge.jobs", *self.words, *self.arguments])


@dataclass(frozen=True)
class Job:
    """A job as the cluster knows it."""

    submission_id: str
    status: str
    """``PENDING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``STOPPED``."""
    exit_code: int | None
    """Of the command; None while it runs, and if its driver was lost."""
    message: str
    found: bool = False
    """Whether it was there already."""

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return JobStatus(self.status).is_terminal()

    @property
    def lost(self) -> bool:
        """Whether its driver ended without a word, as when its node is lost: to try again may help."""
        return self.status == JobStatus.FAILED.value and self.exit_code is None


@dataclass
class _Log:
    """What a job said, as far as it is shown."""

    write: Callable[[str], object]
    shown: int = 0
    """Characters."""


class Submitter:
    """Speaks with the Jobs API of the cluster that the setting ``ray_address`` names."""

    def __init__(self) -> None:
        setting = shared_setting("ray_address")
        if setting is None:
            raise UsageError(
                "No cluster is named: expected RAY_ADDRESS=http://HEAD:8265, the address of its dashboard, or "
                "HOST:PORT on a machine of the cluster. To work on this machine, leave out `submit`."
            )
        self.address = str(setting.value)
        use_token(make=False)
        # Ray tells at each call where it asks, as information; and its C++ core each try that fails, as a warning.
        logging.getLogger("ray.dashboard").setLevel(logging.ERROR)
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        with self._errors():
            self._client = JobSubmissionClient(self.address)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What Ray raises, as one message."""
        try:
            yield
        except ray.exceptions.AuthenticationError as error:
            raise ClusterError(refused(f"at RAY_ADDRESS={self.address}")) from error
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError, RayStateApiException) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            repair = NO_AGENT if "No available agent" in first else DASHBOARD
            raise ClusterError(
                f"The Jobs API of the cluster at RAY_ADDRESS={self.address} cannot be used: {first}. {repair}"
            ) from error

    def attempts(self, submission_id: str) -> list[Job]:
        """Every try of a request, the oldest first."""
        with self._errors():
            known = {job.submission_id: job for job in self._client.list_jobs() if job.submission_id}
        found: list[Job] = []
        while (name := _numbered(submission_id, len(found) + 1)) in known:
            found.append(_job(known[name]))
        return found

    def submit(self, request: Request, *, again: bool = False) -> Job:
        """Send a request, unless it is there: a job that waits, runs or succeeded is found and not sent a second time.

        Args:
            request: the command.
            again: whether to send it once more where it succeeded.
        """
        tries = self.attempts(request.submission_id)
        last = tries[-1] if tries else None
        if last and (not last.ended or (last.status == JobStatus.SUCCEEDED.value and not again)):
            return Job(last.submission_id, last.status, last.exit_code, last.message, found=True)
        name = _numbered(request.submission_id, len(tries) + 1)
        try:
            with self._errors():
                self._client.submit_job(
                    entrypoint=request.entrypoint,
                    submission_id=name,
                    metadata={"crystalforge": " ".join(request.words)},
                    runtime_env={"env_vars": dict(request.variables)} if request.variables else None,
                    **self.driver_place(request),
                )
        except ClusterError:
            if any(job.submission_id == name for job in self.attempts(request.submission_id)):
                return self.submit(request)  # another submitted it at the same moment
            raise
        return self.look(name)

    def driver_place(self, request: Request) -> dict[str, Any]:
        """Where the driver runs: where its resources are, else on a worker node if the head was started without CPUs.

        Without a word Ray would take the head, which has enough to do.
        """
        amounts = {kind: amount for kind, amount in request.resources.items() if amount}
        if amounts:
            plain = {"CPU": "entrypoint_num_cpus", "GPU": "entrypoint_num_gpus", "MEMORY": "entrypoint_memory"}
            place: dict[str, Any] = {plain[kind]: n for kind, n in amounts.items() if kind in plain}
            if "entrypoint_memory" in place:
                place["entrypoint_memory"] = int(place["entrypoint_memory"])
            custom = {kind: n for kind, n in amounts.items() if kind not in plain}
            return place | ({"entrypoint_resources": custom} if custom else {})
        nodes = self._nodes()
        heads = [node["node_id"] for node in nodes if node["is_head"] and not node["CPU"]]
        if not heads or len(nodes) == len(heads):
            return {}
        return {"entrypoint_label_selector": {NODE_LABEL: f"!{heads[0]}"}}

    def _nodes(self) -> list[dict[str, Any]]:
        from ray.util.state import list_nodes

        with self._errors():
            nodes = list_nodes(
                address=self._client._address,
                filters=[("state", "=", "ALIVE")],
                limit=10_000,
                raise_on_missing_output=False,  # Ray counts the nodes that the filter leaves out as missing
            )
        return [
            {
                "node_id": node.node_id,
                "is_head": HEAD in (node.resources_total or {}) or node.is_head_node,
                "CPU": (node.resources_total or {}).get("CPU", 0),
            }
            for node in nodes
        ]

    def look(self, name: str) -> Job:
        """How a job is now."""
        with self._errors():
            return _job(self._client.get_job_info(name))

    def follow(self, name: str, write: Callable[[str], object]) -> Job:
        """Write what a job says as it says it, until it ends; a connection that breaks is taken up where it was."""
        log = _Log(write)
        while True:
            job = self._look_patiently(name)
            try:
                asyncio.run(self._tail(name, log))
            except (aiohttp.ClientError, OSError, RuntimeError):
                logger.debug("event=log_broken job=%s", name, exc_info=True)
            if job.ended:
                return job
            time.sleep(POLL_S)

    async def _tail(self, name: str, log: _Log) -> None:
        """Write the log from where it was left; the cluster sends it from its beginning."""
        seen = 0
        async for text in self._client.tail_job_logs(name):
            new = text[max(0, log.shown - seen) :]
            seen += len(text)
            if new:
                log.write(new)
                log.shown = seen

    def _look_patiently(self, name: str) -> Job:
        """How a job is now; a dashboard that is away for a moment is waited for."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.look(name)
            except ClusterError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)

    def stop(self, name: str) -> bool:
        """Ask a job to end in good order; False if it had ended."""
        with self._errors():
            return bool(self._client.stop_job(name))


def explain(job: Job) -> str:
    """What became of a job, with what to do; one line."""
    if job.status == JobStatus.SUCCEEDED.value:
        return f"Job {job.submission_id} succeeded."
    if job.status == JobStatus.STOPPED.value:
        return f"Job {job.submission_id} was stopped; the same command goes on."
    if not job.ended:
        return f"Job {job.submission_id} is {job.status.lower()}."
    if job.exit_code == SHELL_FOUND_NOTHING:
        return f"Job {job.submission_id} failed: its Python was not found on the cluster; name it by --python."
    if job.lost:
        return f"Job {job.submission_id} lost its driver: {job.message.strip() or 'Ray says no more.'}"
    return f"Job {job.submission_id} failed with exit code {job.exit_code}; the same command goes on."


def _numbered(submission_id: str, attempt: int) -> str:
    return submission_id if attempt == 1 else f"{submission_id}-{attempt}"


def _job(details: Any) -> Job:
    message = str(details.message or "")
    return Job(str(details.submission_id), str(details.status.value), details.driver_exit_code, message)


def parse_resources(texts: Sequence[str]) -> dict[str, float]:
    """Read ``CPU=1,driver=0.01``; upper and lower case of CPU, GPU and MEMORY are one.

    Raises:
        UsageError: another form, or no amount.
    """
    amounts = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        kind, _, amount = part.partition("=")
        kind = kind.upper() if kind.upper() in ("CPU", "GPU", "MEMORY") else kind
        try:
            amounts[kind] = float(amount)
        except ValueError:
            kind = ""
        if not kind or not 0 <= amounts[kind] < float("inf"):
            raise UsageError(f"--driver-resources expects amounts as CPU=1,driver=0.01, got '{part}'.")
    return amounts
