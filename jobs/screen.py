"""``platform screen``: relaxations over a pool of workers that hold the potential; a manifest line commits each shard.

Interrupted anywhere, the same command relaxes what is missing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard
from crystalforge.errors import ScreeningError
from crystalforge.files import path_within, remove_left_over, utc_now
from crystalforge.home import Home
from crystalforge.jobs.node_watch import NodeEvent, node_events
from crystalforge.jobs.screening_worker import ScreeningWorker, same_potential
from crystalforge.jobs.shard_pool import PoolLostError, work_off
from crystalforge.jobs.shard_worker import counting_folder
from crystalforge.locks import exclusive
from crystalforge.schemas.relaxations import RELAXATIONS
from crystalforge.screening.plan import ScreeningPlan, ScreeningShard


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
    nodes: list[NodeEvent] = field(default_factory=list)
    """Of the cluster, that joined or were lost meanwhile."""


class Relax(Protocol):
    """A way to relax shards: yields a line for each as it ends, made or failed."""

    def __call__(self, folder: Path, plan: ScreeningPlan, missing: list[ScreeningShard]) -> Iterator[dict[str, Any]]:
        """Relax the missing shards."""


def relax_here(folder: Path, plan: ScreeningPlan, missing: list[ScreeningShard]) -> Iterator[dict[str, Any]]:
    """Relax in this process, without Ray: for a few crystals."""
    worker = ScreeningWorker(str(folder), plan.to_json(), str(counting_folder(folder)))
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
        arguments = (str(folder), plan.to_json(), str(counting_folder(folder)))
        yield from work_off(folder, ScreeningWorker, arguments, missing, most_workers)
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
    started, began_at = time.time(), utc_now()
    folder = path_within(home.screenings, plan.screening_id, source=home.screenings)
    with exclusive(folder, f"The screening {plan.screening_id}"):
        remove_left_over(folder)
        manifest = ShardManifest(folder)
        shards = {shard.file: shard for shard in plan.shards()}
        lines = {
            line["file"]: line
            for line in manifest.records()
            if line["file"] in shards and manifest.has_whole(line, otherwise="its crystals are relaxed again")
        }
        kept = len(lines)
        missing = [shard for name, shard in shards.items() if name not in lines]
        failed: dict[str, str] = {}
        if missing:
            same_potential(plan)  # before any worker starts: an absent package is one message, not one per shard
            for line in relax(folder, plan, missing):
                if error := line.pop("error"):
                    failed[line["file"]] = error
                    continue
                manifest.append(line)
                lines[line["file"]] = line
                if progress:
                    progress(sum(each["rows"] for each in lines.values()), plan.count)
        manifest.sum_up()
    if failed:
        name, reason = next(iter(failed.items()))
        raise ScreeningError(
            f"{len(failed)} shards of screening {plan.screening_id} failed, the first of them {name}: {reason} "
            "All others are kept; the same command tries these again."
        )
    summary = summarise(home, plan, written=len(lines) - kept, kept=kept, seconds=time.time() - started)
    return replace(summary, nodes=node_events(folder, began_at))


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
