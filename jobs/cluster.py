"""The one way to connect to Ray: a cluster by the setting ``ray_address``, or a quiet local one for this command."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from crystalforge.errors import ClusterError
from crystalforge.jobs.authentication import refused, use_token
from crystalforge.jobs.node_watch import NodeWatch
from crystalforge.jobs.versions import Versions, refuse_other_nodes, versions_here
from crystalforge.settings import Setting, shared_setting

ANSWER_S = 10.0
"""A cluster that is there accepts a connection within milliseconds."""
HEAD = "node:__internal_head__"
"""Resource by which Ray marks the head."""
NODE_LABEL = "ray.io/node-id"

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray Train polls its workers every 2 s by default, which costs about 4 s for each trainer's start and end.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # One thread for each worker: the workers share the cores, and sums keep one order.
    "OMP_NUM_THREADS": "1",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    # Ray Data's own actors make Ray's C++ core warn on stderr at every start; set it lower to look into Ray itself.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
LOCAL_ENVIRONMENT = {
    # A machine of one's own is not taken away; the watcher is a process for each trainer.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


@dataclass(frozen=True)
class Cluster:
    """What a command is connected to."""

    versions: Versions = field(default_factory=dict)
    """That every worker must have; empty on a Ray of this machine, whose workers are this installation."""

    def room(self) -> dict[str, float]:
        """CPUs, GPUs and other resources that it has; where it grows by itself, what it may grow to."""
        now: dict[str, float] = ray.cluster_resources()
        grown = ray._private.state.state.get_max_resources_from_cluster_config() or {}  # Ray Train's own way to ask
        return now | {kind: max(now.get(kind, 0.0), float(grown.get(kind, 0.0))) for kind in ("CPU", "GPU")}

    def off_the_head(self) -> dict[str, Any]:
        """Options of a task that takes no CPU but holds processes: not on a head that was started with none.

        What takes a CPU cannot run on such a head anyway. A head with CPUs is one node among others.
        """
        nodes = _alive()
        heads = [node["NodeID"] for node in nodes if HEAD in node["Resources"] and not node["Resources"].get("CPU")]
        if not heads or len(nodes) == len(heads):
            return {}
        return {"label_selector": {NODE_LABEL: f"!{heads[0]}"}}


@contextlib.contextmanager
def connected(*, num_cpus: int | None = None, folder: Path | None = None) -> Iterator[Cluster]:
    """Connect to Ray for the length of a ``with``; a cluster that is connected already is used and left alone.

    A cluster must have the versions of this process on every node. While it is connected, the nodes that join or are
    lost are logged, and SIGTERM, by which `ray job stop`, Slurm and Kubernetes end a command, is as Ctrl-C.

    Args:
        num_cpus: CPUs of a local cluster; all of the machine by default. Ignored when ``RAY_ADDRESS`` is set.
        folder: of what is worked at; nodes that join or are lost are noted in it.

    Raises:
        ClusterError: Ray does not start, the address does not answer or wants another token, or a node has other
            versions.
    """
    if ray.is_initialized():
        with _used(folder, alone=len(_alive()) == 1) as cluster:
            yield cluster
        return
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    ray._private.worker.print_to_stdstream = _print_to_standard_error
    setting = shared_setting("ray_address")
    try:
        if setting:
            _join(str(setting.value))
        else:
            _start_local(num_cpus or os.cpu_count() or 1)
    except ClusterError:
        raise
    except Exception as error:  # the named boundary: Ray raises whatever it met, a bare Exception too
        ray.shutdown()  # ends what had started
        raise _why(error, setting) from error
    try:
        with _used(folder, alone=setting is None) as cluster:
            yield cluster
    finally:
        ray.shutdown()


_print = ray._private.worker.print_to_stdstream


def _print_to_standard_error(data: dict[str, Any], ignore_prefix: bool) -> None:
    """What Ray has to say of its tasks; standard output, where it puts that, belongs to the results of a command."""
    _print({**data, "is_err": True}, ignore_prefix)  # there is no public way


@contextlib.contextmanager
def _used(folder: Path | None, *, alone: bool) -> Iterator[Cluster]:
    """A Ray of this machine as it is; a cluster only when its nodes have our versions, and watched."""
    with _ended_on_request():
        if alone:
            yield Cluster()
            return
        cluster = Cluster(versions_here())
        refuse_other_nodes(_alive(), cluster.versions)
        with NodeWatch(folder):
            yield cluster


def _alive() -> list[Mapping[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


@contextlib.contextmanager
def _ended_on_request() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: workers are ended, runs are marked, the same command goes on.

    Entered after Ray has started, which puts a handler of its own in place.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _join(address: str) -> None:
    if "://" in address:
        raise ClusterError(
            f"{address} is not the address of a cluster's control store: expected HOST:PORT, on a machine that is a "
            "node of it. From elsewhere, `platform submit` sends the command to the cluster."
        )
    use_token(make=False)
    _ask(address)
    ray.init(address=address, logging_level="ERROR", log_to_driver=False)


def _ask(address: str) -> None:
    """Raise at once what Ray would try for minutes: nothing listens at ``host:port``, or the token is another."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit() and "/" not in host):
        return
    socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    try:  # there is no public way to ask once
        ray._raylet.GcsClient(address=address).internal_kv_keys(b"", None, timeout=ANSWER_S)
    except ray.exceptions.AuthenticationError as error:
        raise ClusterError(refused(f"at RAY_ADDRESS={address}")) from error


def _start_local(num_cpus: int) -> None:
    for name, value in LOCAL_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    use_token(make=True)
    ray.init(
        address="local",  # not a cluster that somebody started on this machine: that one is asked for by RAY_ADDRESS
        num_cpus=num_cpus,
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
    )


def _why(error: Exception, setting: Setting | None) -> ClusterError:
    if isinstance(error, ray.exceptions.AuthenticationError):
        return ClusterError(refused(f"at RAY_ADDRESS={setting.value}" if setting else "on this machine"))
    where, repair = "on this machine", "Check its memory, its temporary folder and the limits on processes"
    if setting:
        where = f"at RAY_ADDRESS={setting.value}"
        in_file = not setting.origin.endswith("RAY_ADDRESS")
        leave_out = f"take ray_address out of {setting.origin}" if in_file else "unset RAY_ADDRESS"
        repair = f"Start that cluster, or {leave_out} to work without it"
    return ClusterError(f"Ray does not start {where}: {error}. {repair}; `platform doctor` looks.")
