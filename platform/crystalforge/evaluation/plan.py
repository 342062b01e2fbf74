"""What an evaluation will judge: the generation, what stands beside it, and the real crystals: read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crystalforge.errors import UsageError
from crystalforge.evaluation.generations import Drawn, read_generation
from crystalforge.evaluation.nulls import NULLS
from crystalforge.evaluation.real_crystals import RealCrystals, real_crystals
from crystalforge.evaluation.samples import GENERATED, TRAINING, VALIDATION, SampleSet
from crystalforge.home import EVALUATION_FILE, Home


@dataclass(frozen=True)
class EvaluationPlan:
    """An evaluation that can be made.

    Attributes:
        drawn: the generation.
        beside: the generations that stand beside it.
        baselines: their samples of the generation's space groups, under names that differ.
        real: the real crystals it is measured against.
        path: file of the figures.
    """

    drawn: Drawn
    beside: list[Drawn]
    baselines: list[SampleSet]
    real: RealCrystals
    path: Path

    @property
    def sizes(self) -> dict[str, int]:
        """Source → its samples or crystals, in the order in which they are judged."""
        n_drawn = len(self.drawn.samples)
        return {
            GENERATED: n_drawn,
            **{samples.source: len(samples) for samples in self.baselines},
            VALIDATION: len(self.real.set_aside),
            TRAINING: len(self.real.training),
            **dict.fromkeys(NULLS, n_drawn),
        }


def plan_evaluation(
    home: Home,
    generation_id: str | None = None,
    *,
    reference: str | None = None,
    validation_share: float = 0.1,
    baselines: Sequence[str] = (),
    limit: int | None = None,
    output: Path | None = None,
) -> EvaluationPlan:
    """Read what will be judged; nothing is written.

    Args:
        home: where everything lies.
        generation_id: the generation; the newest by default.
        reference: a person's own crystals; by default the validation part of the training's dataset.
        validation_share: of that part, by formula.
        baselines: generations that stand beside it.
        limit: at most so many samples of each space group, of every generation.
        output: file of the figures; by default in the generation's folder.

    Raises:
        GenerationError: no such generation, or one without samples.
        SourceError: the reference cannot be used.
        UsageError: a baseline has no space group of the generation, or the split leaves nothing.
    """
    drawn = read_generation(home, generation_id, limit=limit)
    beside = [read_generation(home, name, limit=limit, baseline=True) for name in baselines]
    real = real_crystals(home, drawn, reference, validation_share)
    groups = np.unique(drawn.samples.space_group_number).tolist()
    _refuse_unknown_groups(drawn, groups, real)
    restricted = _unlike([_restricted(other, groups) for other in beside])
    return EvaluationPlan(drawn, beside, restricted, real, output or drawn.folder / EVALUATION_FILE)


def _refuse_unknown_groups(drawn: Drawn, groups: list[int], real: RealCrystals) -> None:
    absent = sorted(set(groups) - set(real.seen.space_group_number.tolist()))
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
