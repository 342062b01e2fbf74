"""Computes the figures of one sample set: each function one family of metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.lattice import cell_volumes
from crystalforge.crystals.validity import structural_validity
from crystalforge.evaluation.compositional_validity import smact_validity
from crystalforge.evaluation.distances import elements_of, templates_of, variation_figures, wasserstein_figures
from crystalforge.evaluation.intervals import Figure, median_figures, share_figures
from crystalforge.evaluation.matching import Indices, any_match, equal_classes, index_by
from crystalforge.evaluation.metrics import SYMPRECS
from crystalforge.evaluation.samples import GENERATED, TRAINING, VALIDATION, SampleSet
from crystalforge.evaluation.symmetry_agreement import Agreement, agreements
from crystalforge.evaluation.workers import Workers
from crystalforge.schemas import RejectReason

SEARCHED_BESIDE = 6000
"""Samples whose symmetry and formula are judged, of sources that only stand beside."""
REASONS = {
    "percolated": (RejectReason.PERCOLATES,),
    "too_close": (RejectReason.ATOMS_TOO_CLOSE,),
    "volume_out_of_range": (RejectReason.VOLUME_OUT_OF_RANGE,),
    "otherwise_rejected": (RejectReason.NOT_FINITE, RejectReason.FAILED),
}
"""Metric → reasons that it counts."""
Figures = Iterator[Figure]


@dataclass(frozen=True)
class Yardsticks:
    """What every sample set is measured against."""

    seen: SampleSet
    """Crystals that the training saw."""
    set_aside: SampleSet
    """Crystals to judge by."""
    workers: Workers


@dataclass(frozen=True, eq=False)
class Case:
    """A sample set before its judges."""

    samples: SampleSet
    yardsticks: Yardsticks

    @cached_property
    def classes(self) -> Indices:
        """(n_crystals,) the first crystal that each equals, within its formula, space group and template."""
        samples = self.samples
        return equal_classes(samples.crystals, samples.crystal_ids, samples.prototype_keys, self.yardsticks.workers)


def judge_samples(samples: SampleSet, yardsticks: Yardsticks) -> Figures:
    """All figures of one sample set; of real crystals those that say something."""
    families: list[Callable[[Case], Figures]] = [_checks, _symmetry, _compositions]
    if samples.source != TRAINING:
        families += [_novelty, _occurrences]
    if samples.source != VALIDATION:
        families += [_wasserstein, _rediscovery]
    case = Case(samples, yardsticks)
    for family in families:
        yield from family(case)


def _checks(case: Case) -> Figures:
    samples, yardsticks = case.samples, case.yardsticks
    numbers, source = samples.space_group_number, samples.source
    yield from share_figures("accepted", source, numbers, samples.accepted)
    for metric, reasons in REASONS.items():
        yield from share_figures(metric, source, numbers, np.isin(samples.reject_reason, reasons))
    volumes = cell_volumes(samples.crystals.lattice_parameters)
    valid = structural_validity(samples.contacts, volumes, samples.densities)
    scales = {"valid_cdvae": valid.cdvae, "valid_lemat": valid.lemat_genbench, "valid_pgcgm": valid.pgcgm}
    for metric, holds in scales.items():
        yield from share_figures(metric, source, numbers, samples.per_sample(holds))
    is_novel = ~np.isin(samples.formula_keys, yardsticks.seen.formula_keys)
    yield from share_figures(
        "valid_pgcgm_novel_formula", source, numbers, samples.per_sample(valid.pgcgm), samples.per_sample(is_novel)
    )


def _symmetry(case: Case) -> Figures:
    samples, yardsticks = case.samples, case.yardsticks
    searched = _searched(samples)
    _, first, inverse = np.unique(searched.crystal_ids, return_index=True, return_inverse=True)
    for symprec in SYMPRECS:
        found = np.full(len(searched), int(Agreement.FAILED))
        distinct = agreements(searched.crystals.select(first), symprec, yardsticks.workers)
        found[searched.sample_index] = distinct[inverse]
        for agreement in Agreement:
            metric = f"group_{agreement.name.lower()}_{symprec}"
            yield from share_figures(metric, samples.source, searched.space_group_number, found == agreement)


def _compositions(case: Case) -> Figures:
    samples, yardsticks = case.samples, case.yardsticks
    judged = _searched(samples)
    with_alloys, without = smact_validity(judged.formulas, yardsticks.workers)
    for metric, holds in {"smact": with_alloys, "smact_without_alloys": without}.items():
        yield from share_figures(metric, samples.source, judged.crystals.space_group_number, holds)


def _searched(samples: SampleSet) -> SampleSet:
    """All samples of the generation that is judged; of others some, as a search takes a millisecond."""
    return samples if samples.source == GENERATED else samples.spread(SEARCHED_BESIDE)


def _novelty(case: Case) -> Figures:
    samples, yardsticks = case.samples, case.yardsticks
    numbers, source, seen = samples.space_group_number, samples.source, yardsticks.seen
    accepted = samples.crystal_accepted
    classes = case.classes
    first, first_accepted = _is_first(classes), _is_first(classes, accepted)
    yield from share_figures("distinct", source, numbers, samples.per_sample(first))
    yield from share_figures("distinct_accepted", source, numbers, samples.per_sample(first_accepted))
    by_id = _is_first(np.unique(samples.crystal_ids, return_inverse=True)[1])
    yield from share_figures("distinct_by_id", source, numbers, samples.per_sample(by_id))

    of_crystals = samples.crystals.space_group_number
    new_formula = ~np.isin(samples.formula_keys, seen.formula_keys)
    new_template = ~np.isin(samples.templates, seen.templates)
    yield from share_figures("novel_formula", source, of_crystals, new_formula)
    yield from share_figures("novel_template", source, of_crystals, new_template)
    first_of_template = _is_first(np.unique(samples.templates, return_inverse=True)[1], accepted & new_template)
    yield from share_figures("new_templates", source, numbers, samples.per_sample(first_of_template), scale=1000.0)

    asked = np.flatnonzero(first_accepted)
    known = _matches_seen(samples, asked, yardsticks)
    is_known = np.zeros(len(samples.crystals), dtype=bool)
    is_known[classes[asked]] = known
    novel = ~is_known[classes]
    yield from share_figures("novel", source, numbers, samples.per_sample(novel), samples.accepted)
    yield from share_figures("distinct_novel", source, numbers, samples.per_sample(first_accepted & novel))


def _is_first(classes: NDArray[np.int64], counted: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """(n,) whether a crystal is the first of its class among those counted."""
    rows = np.arange(len(classes)) if counted is None else np.flatnonzero(counted)
    first = np.zeros(len(classes), dtype=bool)
    first[rows[np.unique(classes[rows], return_index=True)[1]]] = True
    return first


def _matches_seen(samples: SampleSet, asked: Indices, yardsticks: Yardsticks) -> NDArray[np.bool_]:
    """(n_asked,) whether a training crystal of the same formula and space group matches."""
    seen = yardsticks.seen
    by_formula = index_by(seen.formula_keys)
    candidates = [
        _likeliest_first(by_formula.get(key, _NONE), seen.letters, letters)
        for key, letters in zip(samples.formula_keys[asked].tolist(), samples.letters[asked].tolist(), strict=True)
    ]
    return any_match(samples.crystals.select(asked), seen.crystals, candidates, yardsticks.workers)


_NONE = np.zeros(0, dtype=np.int64)


def _likeliest_first(rows: Indices, letters: NDArray[np.str_], wanted: str) -> Indices:
    """Rows of the wanted Wyckoff letters before the others."""
    same = letters[rows] == wanted
    return np.concatenate([rows[same], rows[~same]])


def _occurrences(case: Case) -> Figures:
    samples, yardsticks = case.samples, case.yardsticks
    seen, source = yardsticks.seen, samples.source
    yield from variation_figures("template_distance", source, templates_of(samples), templates_of(seen))
    yield from variation_figures("element_distance", source, elements_of(samples), elements_of(seen))
    covered = np.isin(seen.templates, samples.templates)
    yield from share_figures("template_coverage", source, seen.space_group_number, covered)


def _wasserstein(case: Case) -> Figures:
    samples, yardsticks = case.samples, case.yardsticks
    yield from wasserstein_figures(samples, yardsticks.set_aside)


def _rediscovery(case: Case) -> Figures:
    samples, yardsticks = case.samples, case.yardsticks
    real, source = yardsticks.set_aside, samples.source
    numbers = real.crystals.space_group_number
    of_formula, of_prototype = index_by(samples.formula_keys), index_by(samples.prototype_keys)
    hits = [of_formula.get(key, _NONE) for key in real.formula_keys.tolist()]
    first_hits = [of_prototype.get(key, _NONE)[:1] for key in real.prototype_keys.tolist()]
    template_hit = np.array([len(rows) > 0 for rows in first_hits], dtype=bool)
    ordered = [
        _likeliest_first(rows, samples.letters, letters)
        for rows, letters in zip(hits, real.letters.tolist(), strict=True)
    ]
    # The matcher is asked about the first of each kind only: of a collapsed group the others would take hours.
    found = any_match(real.crystals, samples.crystals, ordered, yardsticks.workers, _is_first(case.classes))
    first_found = any_match(real.crystals, samples.crystals, first_hits, yardsticks.workers)
    formula_hit = np.array([len(rows) > 0 for rows in hits], dtype=bool)
    yield from share_figures("rediscovered_formula", source, numbers, formula_hit)
    yield from share_figures("rediscovered_template", source, numbers, template_hit)
    yield from share_figures("rediscovered", source, numbers, found)
    yield from share_figures("match_of_hits", source, numbers, found, template_hit)
    yield from share_figures("match_of_first_hit", source, numbers, first_found, template_hit)
    errors = np.full(len(real.crystals), np.nan)
    errors[template_hit] = np.abs(
        np.log(samples.volumes_per_atom[[rows[0] for rows in first_hits if len(rows)]])
        - np.log(real.volumes_per_atom[template_hit])
    )
    yield from median_figures("volume_error_of_first_hit", source, numbers, errors)
