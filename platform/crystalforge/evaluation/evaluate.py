"""``platform evaluate``: every metric of a generation, of its nulls, its baselines and the real crystals."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from crystalforge.catalog.output import write_parquet
from crystalforge.evaluation.asked import ask, null_answers, structure_figures
from crystalforge.evaluation.generations import Drawn
from crystalforge.evaluation.intervals import Figure
from crystalforge.evaluation.judging import Yardsticks, judge_samples
from crystalforge.evaluation.nulls import draw_nulls, judged_crystals, make_groups
from crystalforge.evaluation.plan import EvaluationPlan
from crystalforge.evaluation.real_crystals import RealCrystals
from crystalforge.evaluation.samples import TRAINING, VALIDATION, SampleSet
from crystalforge.evaluation.tables import figures_table, occurrences_table
from crystalforge.evaluation.workers import workers
from crystalforge.files import utc_now, write_json
from crystalforge.home import EVALUATION_FILE, EVALUATION_RECORD, OCCURRENCES_FILE, Home

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to.

    Attributes:
        drawn: the generation.
        real: the real crystals it was measured against.
        figures: table ``evaluations``.
        occurrences: table ``occurrences``.
        path: file of the figures.
        sources: those that were judged, in the order in which they are shown.
        notes: what a reader must know of these figures.
        seconds: wall time.
    """

    drawn: Drawn
    real: RealCrystals
    figures: pa.Table
    occurrences: pa.Table
    path: Path
    sources: list[str]
    notes: list[str]
    seconds: float


def evaluate(
    home: Home,
    plan: EvaluationPlan,
    *,
    n_processes: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Judge a generation and write its figures.

    Args:
        home: where everything lies.
        plan: what is judged (``plan_evaluation``).
        n_processes: of the work on structures; all CPUs by default.
        seed: of the nulls.
        progress: called with sources done, sources in all, and the next one.

    Raises:
        StorageError: the figures could not be written.
    """
    started = time.monotonic()
    drawn, beside, real = plan.drawn, plan.beside, plan.real
    sets, yardstick_sets = _sets(plan, seed)
    figures: list[Figure] = []
    with workers(n_processes) as pool:
        yardsticks = Yardsticks(*yardstick_sets, pool)
        for done, samples in enumerate(sets):
            if progress:
                progress(done, len(sets), samples.source)
            begun = time.monotonic()
            figures += judge_samples(samples, yardsticks)
            logger.info("event=judged source=%s seconds=%.1f", samples.source, time.monotonic() - begun)
        drawn_by = {samples.generation_id: samples.source for samples in sets if samples.generation_id}
        asked = [ask(home, one, drawn_by[one.generation_id], real.set_aside) for one in (drawn, *beside)]
        for answers in (*asked, null_answers(real.training, real.set_aside, seed)):
            if answers is not None:
                figures += structure_figures(answers, real.set_aside, pool)
        processes = pool.n_processes
    if progress:
        progress(len(sets), len(sets), "done")
    table = figures_table(drawn.generation_id, real, sets, figures)
    occurrences = occurrences_table(drawn.generation_id, sets)
    write_parquet(table, plan.path)
    write_parquet(occurrences, plan.path.with_name(_name_beside(plan.path)))
    seconds = time.monotonic() - started
    cost = {"generation_id": drawn.generation_id, "sizes": plan.sizes, "processes": processes, "seconds": seconds}
    write_json(drawn.folder / EVALUATION_RECORD, cost | {"file": str(plan.path), "finished_at": utc_now()})
    sources = [samples.source for samples in sets]
    return Evaluation(drawn, real, table, occurrences, plan.path, sources, _notes(drawn, beside, real), seconds)


def _name_beside(path: Path) -> str:
    """Name of the second table: in the generation's folder its own, else after the file that was asked for."""
    return OCCURRENCES_FILE if path.name == EVALUATION_FILE else f"{path.stem}.{OCCURRENCES_FILE}"


def _sets(plan: EvaluationPlan, seed: int) -> tuple[list[SampleSet], tuple[SampleSet, SampleSet]]:
    """Everything that is judged, and what it is judged by: crystals seen in training, and those set aside."""
    drawn, real = plan.drawn, plan.real
    groups = make_groups(real.seen, drawn.min_contact_ratio)
    training = judged_crystals(TRAINING, real.training, groups)
    set_aside = judged_crystals(VALIDATION, real.set_aside, groups)
    seen = training if real.seen is real.training else judged_crystals(TRAINING, real.seen, groups)
    numbers, counts = np.unique(drawn.samples.space_group_number, return_counts=True)
    nulls = draw_nulls(groups, dict(zip(numbers.tolist(), counts.tolist(), strict=True)), seed)
    return [drawn.samples, *plan.baselines, set_aside, training, *nulls], (seen, set_aside)


def _notes(drawn: Drawn, beside: Sequence[Drawn], real: RealCrystals) -> list[str]:
    notes = []
    if not real.held_out:
        notes.append(
            "The crystals set aside, or some of their formulas, were seen in training: rediscovery and distances "
            "flatter the samples. Train with a recipe that sets them aside."
        )
    if real.n_left_out:
        notes.append(f"{real.n_left_out} crystals of {real.reference} were left out: of other groups, or unfit.")
    notes += [
        f"Baseline {one.generation_id} ({one.recipe}) saw crystals in training that are set aside here: rediscovery "
        "and distances flatter it, and its novelty is told by the training crystals of the generation."
        for one in beside
        if one.validation_share < drawn.validation_share
    ]
    for one in (drawn, *beside):
        if one.dataset_id != drawn.dataset_id:
            notes.append(f"Baseline {one.generation_id} comes from another dataset, {one.dataset_id}.")
        missing = sorted(set(drawn.samples.space_group_number.tolist()) - set(one.samples.space_group_number.tolist()))
        if missing:
            notes.append(
                f"Baseline {one.generation_id} lacks space groups {missing}: its pooled figures leave them out."
            )
    return notes
