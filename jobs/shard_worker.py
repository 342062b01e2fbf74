"""The worker of a generation: draws a shard in a process of its own and tells in its line what became of it.

Ray starts a worker that died again, with the shard that it was at, without end; and it waits for one that hangs without
end. So each begin of a shard is counted in a file beside the generation, and a watchdog ends a worker whose shard takes
too long: after ``MAX_ATTEMPTS`` begins the shard comes back as failed, with the reason.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystalforge.catalog.shards import write_shard
from crystalforge.errors import CrystalforgeError, GenerationError
from crystalforge.files import path_within, storage_errors
from crystalforge.generation.plan import GenerationPlan, Shard
from crystalforge.object_store import as_path, on_store

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
SHARD_TIMEOUT_S = 600.0
"""A shard of 1,000 samples takes about a second; one that takes so long hangs."""
ATTEMPTS_FOLDER = ".attempts"
OUR_FRAME = re.compile(r'File ".*/crystalforge/([^"]+)", line (\d+) in (\w+)')


class ShardWorker:
    """Draws shards; keeps the models it has loaded."""

    def __init__(
        self,
        folder: str,
        plan: dict[str, Any],
        models: dict[int, str],
        timeout_s: float = SHARD_TIMEOUT_S,
        attempts: str | None = None,
    ) -> None:
        import torch

        import crystalforge.generation.sampling  # noqa: F401 - here, as it takes seconds that no shard is charged for

        torch.set_num_threads(1)
        self.folder = as_path(folder)
        self.attempts = Path(attempts) if attempts else self.folder
        self.plan = GenerationPlan.from_json(plan)
        self.checkpoints = models
        self.timeout_s = timeout_s
        self.models: dict[int, Any] = {}
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Draw and write one shard; what goes wrong comes back in the line, so that Ray does not end the run."""
        shard = Shard(**row)
        attempts = Attempts(self.attempts, f"{shard.space_group_number}-{shard.number}")
        try:
            attempts.begin(self.timeout_s)
            with attempts.watched(self.timeout_s):
                line = self._write(shard)
            attempts.forget()
            return {**line, "error": ""}
        except CrystalforgeError as error:
            reason = str(error)
        except Exception as error:  # the named boundary: whatever one shard does, the others go on
            logger.exception("event=shard_failed file=%s", shard.file)
            reason = f"it raised {type(error).__name__}: {error}".rstrip(": ") + "."
        nothing = {"rows": 0, "accepted": 0, "sha256": "", "bytes": 0, "schema": ""}
        return {**_line(shard), **nothing, "error": reason}

    def _write(self, shard: Shard) -> dict[str, Any]:
        from crystalforge.generation.sampling import sample_shard

        model = self._model(shard.space_group_number)
        begun = time.monotonic()
        table = sample_shard(model, self.plan, shard)
        record = write_shard(self.folder, shard.file, table)
        seconds = round(time.monotonic() - begun, 3)
        return {**_line(shard), **vars(record), "accepted": table["reject_reason"].null_count, "seconds": seconds}

    def _model(self, space_group_number: int) -> Any:
        from crystalforge.gan.checkpoint import load_model

        if space_group_number not in self.models:
            self.models[space_group_number] = load_model(as_path(self.checkpoints[space_group_number]), self.device)
        return self.models[space_group_number]


def counting_folder(folder: Path) -> Path:
    """Where the begins of a folder's shards are counted: in it, or where it is on a store, on each worker's own disk.

    There it has another name for each command: what an earlier one left on another machine counts for nothing.
    """
    if not on_store(folder):
        return folder
    return Path(tempfile.gettempdir()) / f"crystalforge-attempts-{os.getuid()}-{secrets.token_hex(8)}"


def _line(shard: Shard) -> dict[str, Any]:
    return {"space_group_number": shard.space_group_number, "shard": shard.number, "file": shard.file}


@dataclass(frozen=True)
class Attempts:
    """How often a shard was begun, over the deaths of its workers."""

    folder: Path
    """Of the manifest, or one on the worker's own disk where that is on a store."""
    name: str
    """Of the shard, as no other of the folder has it."""

    @property
    def file(self) -> Path:
        """One byte for each time that the shard was begun; gone when it is written."""
        return path_within(self.folder, f"{ATTEMPTS_FOLDER}/{self.name}", source=self.folder)

    @property
    def stack_file(self) -> Path:
        """Where the worker was when the watchdog ended it."""
        return self.file.with_suffix(".stack")

    def begin(self, timeout_s: float) -> None:
        """Count one more.

        Raises:
            GenerationError: it was begun too often; tells whether its workers died or had to be ended.
        """
        with storage_errors(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("ab") as stream:
                stream.write(b".")
                n_attempts = stream.tell()
        if n_attempts > MAX_ATTEMPTS:
            raise GenerationError(self._why(timeout_s))

    def _why(self, timeout_s: float) -> str:
        with storage_errors(self.stack_file):
            stack = self.stack_file.read_text() if self.stack_file.is_file() else ""
        if not stack:
            return f"its worker died {MAX_ATTEMPTS} times while drawing it."
        frame = OUR_FRAME.search(stack)
        where = f"; it was in {frame[3]} ({frame[1]}, line {frame[2]})" if frame else ""
        return f"its worker was ended {MAX_ATTEMPTS} times as it took longer than {timeout_s:g} s{where}."

    @contextlib.contextmanager
    def watched(self, timeout_s: float) -> Iterator[None]:
        """End this process when what is in the ``with`` takes too long, even in compiled code that never returns."""
        with storage_errors(self.stack_file):
            stream = self.stack_file.open("w")
        with stream:
            faulthandler.dump_traceback_later(timeout_s, exit=True, file=stream)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()

    def forget(self) -> None:
        """The shard is written."""
        with storage_errors(self.file):
            self.file.unlink(missing_ok=True)
            self.stack_file.unlink(missing_ok=True)
