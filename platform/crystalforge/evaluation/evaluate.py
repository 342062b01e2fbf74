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
from crystalforge.errors import UsageError
from crystalforge.evaluation.asked import ask, null_answers, structure_figures
from crystalforge.evaluation.generations import Drawn, read_generation
from crystalforge.evaluation.intervals import Figure
from crystalforge.evaluation.judging import Yardsticks, judge_samples
from crystalforge.evaluation.nulls import draw_nulls, judged_crystals, make_groups
from crystalforge.evaluation.real_crystals import RealCrystals, real_crystals
from crystalforge.evaluation.samples import TRAINING, VALIDATION, SampleSet
from crystalforge.evaluation.tables import figures_table, occurrences_table
from crystalforge.evaluation.workers import workers
from crystalforge.home import EVALUATION_FILE, OCCURRENCES_FILE, Home

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
    generation_id: str | None = None,
    *,
    reference: str | None = None,
    validation_share: float = 0.1,
    baselines: Sequence[str] = (),
    limit: int | None = None,
    output: Path | None = None,
    n_processes: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Judge a generation and write its figures.

    Args:
        home: where everything lies.
        generation_id: the generation; the newest by default.
        reference: a person's own crystals; by default the validation part of the training's dataset.
        validation_share: of that part, by formula.
        baselines: generations that stand beside it.
        limit: at most so many samples of each space group, of every generation.
        output: file of the figures; by default in the generation's folder.
        n_processes: of the work on structures; all CPUs by default.
        seed: of the nulls.
        progress: called with sources done, sources in all, and the next one.

    Raises:
        GenerationError: no such generation, or one without samples.
        SourceError: the reference cannot be used.
        UsageError: a baseline has no space group of the generation, or the split leaves nothing.
    """
    started = time.monotonic()
    drawn = read_generation(home, generation_id, limit=limit)
    beside = [read_generation(home, name, limit=limit, baseline=True) for name in baselines]
    real = real_crystals(home, drawn, reference, validation_share)
    sets, yardstick_sets = _sets(drawn, beside, real, seed)
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
    if progress:
        progress(len(sets), len(sets), "done")
    table = figures_table(drawn.generation_id, real, sets, figures)
    occurrences = occurrences_table(drawn.generation_id, sets)
    path = output or drawn.folder / EVALUATION_FILE
    write_parquet(table, path)
    write_parquet(occurrences, path.with_name(_name_beside(path)))
    return Evaluation(
        drawn,
        real,
        table,
        occurrences,
        path,
        [samples.source for samples in sets],
        _notes(drawn, beside, real),
        time.monotonic() - started,
    )


def _name_beside(path: Path) -> str:
    """Name of the second table: in the generation's folder its own, else after the file that was asked for."""
    return OCCURRENCES_FILE if path.name == EVALUATION_FILE else f"{path.stem}.{OCCURRENCES_FILE}"


def _sets(
    drawn: Drawn, beside: Sequence[Drawn], real: RealCrystals, seed: int
) -> tuple[list[SampleSet], tuple[SampleSet, SampleSet]]:
    """Everything that is judged, and what it is judged by: crystals seen in training, and those set aside."""
    groups = make_groups(real.seen, drawn.min_contact_ratio)
    _refuse_unknown_groups(drawn, list(groups))
    training = judged_crystals(TRAINING, real.training, groups)
    set_aside = judged_crystals(VALIDATION, real.set_aside, groups)
    seen = training if real.seen is real.training else judged_crystals(TRAINING, real.seen, groups)
    numbers, counts = np.unique(drawn.samples.space_group_number, return_counts=True)
    nulls = draw_nulls(groups, dict(zip(numbers.tolist(), counts.tolist(), strict=True)), seed)
    baselines = [_restricted(other, numbers.tolist()) for other in beside]
    return [drawn.samples, *_unlike(baselines), set_aside, training, *nulls], (seen, set_aside)


def _refuse_unknown_groups(drawn: Drawn, groups: list[int]) -> None:
    absent = sorted(set(drawn.samples.space_group_number.tolist()) - set(groups))
    if absent:
        raise UsageError(
            f"Dataset {drawn.dataset_id} has no training crystal of space groups {absent} of generation "
            f"{drawn.generation_id}: expected the dataset of its training. Restore it."
        )


def _restricted(other: Drawn, groups: list[int]) -> SampleSet:
    """A baseline's samples of the generation's space groups."""
    fitting = np.isin(other.samples.space_group_number, groups)
    if not fitting.any():
        theirs = np.unique(other.samples.space_group_number).tolist()
        raise UsageError(
            f"--baseline {other.generation_id} has no space group of the generation: expected some of {groups}, it "
            f"has {theirs}. Draw it with the same --space-groups."
        )
    return other.samples.select(fitting)


def _unlike(baselines: Sequence[SampleSet]) -> list[SampleSet]:
    """Baselines under names that differ: of one recipe, the generation's identifier is added."""
    names = [samples.source for samples in baselines]
    return [
        samples
        if names.count(samples.source) == 1
        else SampleSet(
            f"{samples.source}-{samples.generation_id}",
            samples.space_group_number,
            samples.reject_reason,
            samples.crystals,
            samples.sample_index,
            samples.generation_id,
        )
        for samples in baselines
    ]


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
