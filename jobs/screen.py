"""``platform screen``: relaxations over a pool of workers that hold the potential; a manifest line commits each shard.

Interrupted anywhere, the same command relaxes what is missing.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard, write_shard
from crystalforge.errors import CrystalforgeError, DamagedFileError, ScreeningError
from crystalforge.files import (
    TEMPORARY_SUFFIX,
    exclusive,
    path_within,
    read_record,
    sha256_of_file,
    utc_now,
    write_json,
)
from crystalforge.generation.plan import Shard
from crystalforge.home import Home
from crystalforge.jobs.shard_pool import PoolLostError, work_off
from crystalforge.jobs.shard_worker import Attempts
from crystalforge.schemas.relaxations import RELAXATIONS
from crystalforge.screening.plan import (
    DEFAULT_SHARD_SIZE,
    INPUTS_FILE,
    PLANNED,
    SCREENING_RECORD,
    ScreeningPlan,
    ScreeningShard,
)
from crystalforge.screening.potentials import Potential, load_potential
from crystalforge.screening.relaxation import RelaxationLimits

logger = logging.getLogger(__name__)

SPARE_TIME_S = 120.0
"""For loading and for a step that runs over, on top of the limits of a shard's crystals, before its worker is ended."""


@dataclass(frozen=True)
class ScreeningSummary:
    """What a ``screen`` came to."""

    screening_id: str
    folder: Path
    rows: int
    by_status: dict[str, int]
    shards_written: int
    """By this command."""
    shards_kept: int
    """By earlier ones."""
    seconds: float


def plan_screening(
    home: Home,
    inputs: pa.Table,
    potential: Potential,
    *,
    source: str,
    model: Path | None = None,
    limits: RelaxationLimits | None = None,
    shard_size: int = DEFAULT_SHARD_SIZE,
) -> ScreeningPlan:
    """Freeze the crystals of a screening in its folder; the same crystals and choices give the same one.

    Raises:
        StorageError: the folder cannot be written.
    """
    from crystalforge.catalog.shards import encode_shard

    _, record = encode_shard(INPUTS_FILE, inputs)
    plan = ScreeningPlan(
        source=source,
        count=inputs.num_rows,
        inputs_sha256=record.sha256,
        potential=potential.name,
        potential_version=potential.version,
        model=str(model.resolve()) if model else None,
        limits=limits or RelaxationLimits(),
        shard_size=shard_size,
        generation_id=str(inputs["generation_id"][0]) if "generation_id" in inputs.column_names else None,
    )
    folder = path_within(home.screenings, plan.screening_id, source=home.screenings)
    if not (folder / SCREENING_RECORD).is_file():
        write_shard(folder, INPUTS_FILE, inputs)
        write_json(folder / SCREENING_RECORD, plan.to_json() | {"created_at": utc_now()})
    return plan


def load_screening(home: Home, screening_id: str) -> ScreeningPlan:
    """The plan of an earlier screening, to continue it.

    Raises:
        ScreeningError: there is none of that name.
        DamagedFileError: its record is damaged.
    """
    known = {record.parent.name: record for record in sorted(home.screenings.glob(f"*/{SCREENING_RECORD}"))}
    if screening_id not in known:
        raise ScreeningError(
            f"No screening '{screening_id}' in {home.screenings}: it has {', '.join(known) or 'none'}."
        )
    plan = ScreeningPlan.from_json(read_record(known[screening_id], PLANNED))
    if plan.screening_id != screening_id:
        raise DamagedFileError(
            f"{known[screening_id]} is damaged: expected the plan of screening {screening_id}, got that of "
            f"{plan.screening_id}. Restore it, or screen anew."
        )
    return plan


class Relax(Protocol):
    """A way to relax shards: yields a line for each as it ends, made or failed."""

    def __call__(self, folder: Path, plan: ScreeningPlan, missing: list[ScreeningShard]) -> Iterator[dict[str, Any]]:
        """Relax the missing shards."""


def relax_here(folder: Path, plan: ScreeningPlan, missing: list[ScreeningShard]) -> Iterator[dict[str, Any]]:
    """Relax in this process, without Ray: for a few crystals."""
    worker = ScreeningWorker(str(folder), plan.to_json())
    for shard in missing:
        yield worker(asdict(shard))


def relax_with(workers: int | None) -> Relax:
    """The way to relax with so many workers: 1 works in this process, more on Ray; None takes every CPU."""
    return relax_here if workers == 1 else partial(relax_on_ray, most_workers=workers)


def relax_on_ray(
    folder: Path, plan: ScreeningPlan, missing: list[ScreeningShard], *, most_workers: int | None = None
) -> Iterator[dict[str, Any]]:
    """Relax on a pool of Ray's workers.

    Raises:
        ScreeningError: Ray itself gave up.
    """
    try:
        yield from work_off(ScreeningWorker, (str(folder), plan.to_json()), missing, most_workers)
    except PoolLostError as error:
        raise ScreeningError(
            f"Ray gave up on screening {plan.screening_id}: {error} "
            "What is done is kept; the same command does the rest."
        ) from error


def screen(
    home: Home,
    plan: ScreeningPlan,
    *,
    relax: Relax = relax_on_ray,
    progress: Callable[[int, int], None] | None = None,
) -> ScreeningSummary:
    """Relax what is missing of a plan; interrupted anywhere, the same call continues.

    Args:
        home: where the screening is kept.
        plan: which crystals, by which potential.
        relax: where the shards are relaxed.
        progress: called with crystals done and crystals in all.

    Raises:
        BusyError: another command is at the same screening.
        MissingDependencyError: the potential's package is not installed.
        ScreeningError: shards failed, or the potential is of another version; what is done is kept.
    """
    started = time.time()
    folder = path_within(home.screenings, plan.screening_id, source=home.screenings)
    with exclusive(folder, f"The screening {plan.screening_id}"):
        for left_over in folder.rglob(f"*{TEMPORARY_SUFFIX}"):  # of a process that was killed
            left_over.unlink(missing_ok=True)
        manifest = ShardManifest(folder)
        shards = {shard.file: shard for shard in plan.shards()}
        lines = {
            line["file"]: line for line in manifest.records() if line["file"] in shards and _is_whole(folder, line)
        }
        kept = len(lines)
        missing = [shard for name, shard in shards.items() if name not in lines]
        failed: dict[str, str] = {}
        if missing:
            _same_potential(plan)  # before any worker starts: an absent package is one message, not one per shard
            for line in relax(folder, plan, missing):
                if error := line.pop("error"):
                    failed[line["file"]] = error
                    continue
                manifest.append(line)
                lines[line["file"]] = line
                if progress:
                    progress(sum(each["rows"] for each in lines.values()), plan.count)
    if failed:
        name, reason = next(iter(failed.items()))
        raise ScreeningError(
            f"{len(failed)} shards of screening {plan.screening_id} failed, the first of them {name}: {reason} "
            "All others are kept; the same command tries these again."
        )
    return summarise(home, plan, written=len(lines) - kept, kept=kept, seconds=time.time() - started)


def summarise(
    home: Home, plan: ScreeningPlan, *, written: int = 0, kept: int | None = None, seconds: float = 0.0
) -> ScreeningSummary:
    """What is committed of a screening, finished or not.

    Args:
        home: where the screening is kept.
        plan: the screening.
        written: shards that this command wrote.
        kept: shards that were there; None for all that are.
        seconds: that this command took.
    """
    relaxations = read_relaxations(home, plan.screening_id)
    return ScreeningSummary(
        screening_id=plan.screening_id,
        folder=home.screenings / plan.screening_id,
        rows=relaxations.num_rows,
        by_status=dict(sorted(Counter(relaxations["status"].to_pylist()).items())),
        shards_written=written,
        shards_kept=len(_relaxation_lines(home.screenings / plan.screening_id)) if kept is None else kept,
        seconds=seconds,
    )


def read_relaxations(home: Home, screening_id: str) -> pa.Table:
    """All committed rows of a screening, in the order of its inputs.

    Raises:
        DamagedFileError: a shard is not what its manifest line says.
    """
    folder = home.screenings / screening_id
    repair = f"Run `platform screen --resume {screening_id}` to relax its crystals again."
    records = [ShardRecord.from_line(line) for line in _relaxation_lines(folder)]
    tables = [read_shard(folder, record, RELAXATIONS, repair=repair) for record in records]
    return pa.concat_tables([RELAXATIONS.empty_table(), *tables]).unify_dictionaries()


def _relaxation_lines(folder: Path) -> list[dict[str, Any]]:
    lines = ShardManifest(folder).records()
    return sorted(
        (line for line in lines if line.get("schema", "").startswith("relaxations/")), key=lambda line: line["file"]
    )


def _is_whole(folder: Path, line: dict[str, Any]) -> bool:
    path = folder / line["file"]
    if path.is_file() and sha256_of_file(path) == line["sha256"]:
        return True
    logger.warning("event=shard_damaged file=%s: its crystals are relaxed again", path)
    return False


def _same_potential(plan: ScreeningPlan) -> Potential:
    """The plan's potential, in the version that it was made for."""
    potential = load_potential(plan.potential, Path(plan.model) if plan.model else None)
    if potential.version != plan.potential_version:
        raise ScreeningError(
            f"Screening {plan.screening_id} was begun with {plan.potential} {plan.potential_version}, installed is "
            f"{potential.version}: energies of two versions never share a table. Start a new screening."
        )
    return potential


class ScreeningWorker:
    """Relaxes shards in a worker process; keeps the potential it has loaded."""

    def __init__(self, folder: str, plan: dict[str, Any]) -> None:
        import torch

        torch.set_num_threads(1)
        self.folder = Path(folder)
        self.plan = ScreeningPlan.from_json(plan)
        record = ShardRecord(INPUTS_FILE, self.plan.count, self.plan.inputs_sha256, 0)
        self.inputs = read_shard(self.folder, record, repair="Start a new screening.")
        self.calculator = _same_potential(self.plan).calculator()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Relax and write one shard; what goes wrong comes back in the line, so that Ray does not end the run."""
        from crystalforge.screening.rows import relax_shard

        shard = ScreeningShard(**row)
        attempts = Attempts(self.folder, Shard(0, shard.number, shard.first_index, shard.n_crystals))
        timeout_s = SPARE_TIME_S + shard.n_crystals * self.plan.limits.max_seconds
        try:
            attempts.begin(timeout_s)
            with attempts.watched(timeout_s):
                record = write_shard(
                    self.folder, shard.file, relax_shard(self.inputs, self.plan, shard, self.calculator)
                )
            attempts.forget()
            return {"shard": shard.number, **vars(record), "error": ""}
        except CrystalforgeError as error:
            nothing = {"file": shard.file, "rows": 0, "sha256": "", "bytes": 0, "schema": ""}
            return {"shard": shard.number, **nothing, "error": str(error)}
