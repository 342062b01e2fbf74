"""One attempt, from its order to its result file: prepare, run, read, check, write. Runs in a worker.

The result file is the last thing written and says it all; the ledger learns it from there. An attempt whose result
file exists is over and is never run again.
"""

from __future__ import annotations

import marshal
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystalforge import __version__
from crystalforge.errors import CrystalforgeError
from crystalforge.files import NO_ROOM, read_record, sha256_of_file, storage_errors, utc_now, write_json
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines import find_engine
from crystalforge.validation.engines.contract import AttemptError, Command, Ending, Engine, Job, ending_to_json
from crystalforge.validation.leftovers import MARK, end_leftovers
from crystalforge.validation.recipe import recipe_from_values
from crystalforge.validation.result_checks import check_result
from crystalforge.validation.states import ErrorClass
from crystalforge.validation.supervisor import START, written

ORDER_FILE = "order.json"
"""Written first: who works on the attempt, where, and on what."""
RESULT_FILE = "result.json"
"""Written last: the commit of an attempt, with a result or an error."""
RESULT_KEYS = ("attempt_id", "token", "error_class", "error_text", "result")
SUPERVISOR = (sys.executable, "-I", "-S", "-c", START, str(Path(__file__).parent))
LARGEST_HASHED_BYTES = 50 * 2**20
LONGEST_TEXT = 2000


@dataclass(frozen=True)
class AttemptOrder:
    """What a worker is told; plain values, to travel."""

    attempt_id: str
    token: int
    """Grows with every attempt of the ledger: only the latest of a calculation can be accepted."""
    calculation_id: int
    number: int
    folder: str
    crystal: Mapping[str, Any]
    recipe: Mapping[str, Any]
    corrections: Mapping[str, float]

    def job(self) -> Job:
        """The order in the words of an engine."""
        return Job(
            folder=Path(self.folder),
            crystal=Crystal.from_json(self.crystal),
            recipe=recipe_from_values(self.recipe, f"of attempt {self.attempt_id}"),
            corrections=dict(self.corrections),
            number=self.number,
        )


def run_attempt(order: AttemptOrder) -> dict[str, Any]:
    """Run an attempt to its end and return what its result file says.

    Returns:
        the content of the result file; where that could not be written (a full disk), what it would have said, with
        the error of the writing.
    """
    folder = Path(order.folder)
    if (folder / RESULT_FILE).is_file():
        return read_record(folder / RESULT_FILE, RESULT_KEYS)
    report: dict[str, Any] = {
        "attempt_id": order.attempt_id,
        "token": order.token,
        "host": platform.node(),
        "started_at": utc_now(),
        "error_class": None,
        "error_text": None,
        "result": None,
    }
    try:
        _work(order, report)
    except AttemptError as error:
        report |= {"error_class": error.error_class.value, "error_text": str(error)}
    except CrystalforgeError as error:
        report |= {"error_class": _class_of(error).value, "error_text": str(error)}
    except Exception as error:  # noqa: BLE001 (the boundary of an attempt: an engine's bug is this attempt's error)
        report |= {"error_class": _class_of(error).value, "error_text": f"{type(error).__name__}: {error}"}
    return _commit(folder, report)


def _work(order: AttemptOrder, report: dict[str, Any]) -> None:
    job = order.job()
    with storage_errors(job.folder):
        job.folder.mkdir(parents=True, exist_ok=True)
    write_json(job.folder / ORDER_FILE, _plain(order) | {"host": report["host"], "pid": os.getpid()})
    engine = _able_engine(job)
    engine.prepare(job)
    ending = _run(engine.command(job), job, order.attempt_id)
    report["ending"] = ending_to_json(ending)
    report["provenance"] = engine.provenance(job) | {
        "crystalforge": __version__,
        "python": platform.python_version(),
        "recipe_hash": job.recipe.recipe_hash,
    }
    if ending.reason != "exited" or ending.exit_code != 0:
        raise AttemptError(engine.diagnose(job, ending), _text_of(job.folder, ending))
    result = engine.read(job)
    check_result(job, result)
    report["result"] = result.to_json()


def _plain(order: AttemptOrder) -> dict[str, Any]:
    return vars(order) | {"corrections": dict(order.corrections)}


def _able_engine(job: Job) -> Engine:
    engine = find_engine(job.recipe.engine)
    if why := engine.missing():
        raise AttemptError(ErrorClass.ENGINE_MISSING, f"{engine.name} on {platform.node()}: {why}")
    if why := engine.refusal(job.crystal, job.recipe):
        raise AttemptError(ErrorClass.UNSUITABLE_INPUT, why)
    return engine


def _run(command: Command, job: Job, attempt_id: str) -> Ending:
    """Run a command under the supervisor; when this process dies, the supervisor ends it."""
    resources = job.recipe.corrected(job.corrections)
    order = {
        "arguments": list(command.arguments),
        "environment": dict(command.environment) | {MARK: attempt_id},
        "walltime_s": resources.walltime_s,
        "grace_s": resources.grace_s,
        "memory_mb": resources.memory_mb,
    }
    with subprocess.Popen(
        SUPERVISOR,
        cwd=job.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the dispatcher, which ends what it wants ended
    ) as supervisor:
        if supervisor.stdin is None or supervisor.stdout is None:
            raise AttemptError(ErrorClass.INTERNAL, "The supervisor has no pipes.")
        supervisor.stdin.write(written(order))
        supervisor.stdin.flush()
        answer = supervisor.stdout.read()
    if not answer:
        end_leftovers(attempt_id)
        raise AttemptError(ErrorClass.WORKER_LOST, f"The supervisor ended by itself: code {supervisor.returncode}.")
    return Ending.from_json(marshal.loads(answer))  # noqa: S302 (of the supervisor, which is ours)


def _text_of(folder: Path, ending: Ending) -> str:
    how = {"walltime": "It was ended at its walltime", "memory": "It was ended for its memory"}
    told = how.get(ending.reason, f"It ended with code {ending.exit_code}")
    last = [line for line in tail(folder / "stderr.txt").splitlines() if line.strip()]
    return f"{told} after {ending.wall_s:.1f} s." + (f" Last on stderr: {last[-1].strip()}" if last else "")


def tail(path: Path, size: int = LONGEST_TEXT) -> str:
    """The end of a text file; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - size))
        return stream.read().decode(errors="replace")


def _class_of(error: Exception) -> ErrorClass:
    cause = error.__cause__ if isinstance(error, CrystalforgeError) else error
    full = isinstance(cause, OSError) and cause.errno in NO_ROOM
    if isinstance(cause, MemoryError):
        return ErrorClass.OUT_OF_MEMORY
    return ErrorClass.DISK_FULL if full else ErrorClass.INTERNAL


def _commit(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Write the result file; where that fails, say so in what is returned, without a result."""
    if report["error_text"]:
        report["error_text"] = report["error_text"][:LONGEST_TEXT]
    report["finished_at"] = utc_now()
    try:
        report["files"] = _checksums(folder)
        write_json(folder / RESULT_FILE, report)
    except (CrystalforgeError, OSError, ValueError) as error:
        return report | {"error_class": _class_of(error).value, "error_text": str(error), "result": None}
    return report


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of the inputs and outputs, without scratch files of many megabytes."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "heartbeat"]
    return {
        str(path.relative_to(folder)): sha256_of_file(path)
        for path in files
        if path.stat().st_size <= LARGEST_HASHED_BYTES
    }
