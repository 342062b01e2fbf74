"""All shares of a small sample set that can be counted on the fingers."""

from __future__ import annotations

import numpy as np
import pytest
from written_crystals import perovskite, set_of, tinisi

from crystalforge.evaluation.intervals import Figure
from crystalforge.evaluation.judging import Yardsticks, judge_samples
from crystalforge.evaluation.metrics import METRICS, OF_MODELS
from crystalforge.evaluation.workers import Workers, workers

SEEN = set_of("training", perovskite(), perovskite(y="Zr", a=4.1), tinisi())
SET_ASIDE = set_of(
    "validation", perovskite(x="Ba", a=4.0), perovskite(x="Ca", a=3.8), perovskite(x="Ba", y="Zr"), tinisi(0.30)
)
GENERATED = set_of(
    "generated",
    perovskite(3.95),  # known: the volume does not matter
    perovskite(x="Ba", a=4.2),  # set aside, 5 % longer edges
    perovskite(x="Ba", a=4.0),  # the same once more, closer
    perovskite(x="Cs", y="I", z="F", a=2.0),  # far too dense
    tinisi(),  # known; formula and template of one set aside, but not its structure
    percolated=3,
    too_close=(3,),
)


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    """Pooled figures of the samples."""
    with workers(1) as here:
        found = judge_samples(GENERATED, Yardsticks(SEEN, SET_ASIDE, here))
        return {figure.metric: figure for figure in found if figure.space_group_number is None}


@pytest.mark.parametrize(
    ("metric", "holds", "n"),
    [
        ("accepted", 4, 8),
        ("percolated", 3, 8),
        ("too_close", 1, 8),
        ("volume_out_of_range", 0, 8),
        ("otherwise_rejected", 0, 8),
        ("valid_cdvae", 5, 8),
        ("valid_pgcgm", 4, 8),
        ("valid_pgcgm_novel_formula", 2, 3),
        ("group_equal_0.1", 5, 8),
        ("group_failed_0.01", 3, 8),
        ("smact", 4, 5),
        ("distinct", 4, 8),
        ("distinct_accepted", 3, 8),
        ("distinct_by_id", 5, 8),
        ("novel_formula", 3, 5),
        ("novel_template", 0, 5),
        ("novel", 2, 4),
        ("distinct_novel", 1, 8),
        ("rediscovered_formula", 2, 4),
        ("rediscovered_template", 2, 4),
        ("rediscovered", 1, 4),
        ("match_of_hits", 1, 2),
        ("match_of_first_hit", 1, 2),
        ("template_coverage", 3, 3),
    ],
)
def test_shares(figures: dict[str, Figure], metric: str, holds: int, n: int) -> None:
    assert (figures[metric].value, figures[metric].n) == (pytest.approx(holds / n), n)


def test_the_volume_error_is_of_the_first_hit(figures: dict[str, Figure]) -> None:
    # BaTiO3: the first sample has 4.2 Å against 4.0 Å; ScNiP has the cell of the one set aside.
    assert figures["volume_error_of_first_hit"].value == pytest.approx(3 * np.log(4.2 / 4.0) / 2)


def test_every_metric_is_there_and_of_real_crystals_those_that_say_something(
    figures: dict[str, Figure], here: Workers
) -> None:
    assert set(figures) == set(METRICS) - set(OF_MODELS)
    yardsticks = Yardsticks(SEEN, SET_ASIDE, here)
    of_validation = {figure.metric for figure in judge_samples(SET_ASIDE, yardsticks)}
    of_training = {figure.metric for figure in judge_samples(SEEN, yardsticks)}
    assert {"distinct", "template_distance"} <= of_validation
    assert "rediscovered" not in of_validation
    assert "wasserstein_density" in of_training
    assert "novel" not in of_training


def test_a_crystal_of_no_known_formula_is_not_compared(here: Workers) -> None:
    nothing = set_of("generated", perovskite(x="Cs", y="Pb", z="I", a=6.3))
    found = {f.metric: f for f in judge_samples(nothing, Yardsticks(SEEN, SET_ASIDE, here))}
    assert found["rediscovered"].value == 0.0
    assert found["match_of_hits"].n == 0
