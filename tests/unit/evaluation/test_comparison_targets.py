"""What the comparison of models makes of figures: chance, targets and cells of its tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

from comparison_figures import Figures, chance
from comparison_tables import group_table, number, spread
from comparison_targets import verdicts

MODELS = {"g0": "forge", "g1": "forge", "d": "donor"}
SEEDS = {"g0": 0, "g1": 1, "d": 0}


def _row(metric: str, source: str, value: float | None, group: int | None = None) -> dict[str, Any]:
    generation = source if source in MODELS else None
    return {
        "metric": metric,
        "source": source,
        "source_generation_id": generation,
        "space_group_number": group,
        "value": value,
        "n": 10,
        "unit": "1",
    }


def _of_groups(metric: str, source: str, values: dict[int | None, float]) -> list[dict[str, Any]]:
    return [_row(metric, source, value, group) for group, value in values.items()]


@pytest.fixture
def figures() -> Figures:
    contact = "valid_pgcgm_novel_formula"
    return Figures.of(
        [
            *_of_groups(contact, "g0", {None: 0.99, 62: 0.97, 71: 0.96}),
            *_of_groups(contact, "g1", {None: 0.985, 62: 0.94, 71: 0.96}),
            *_of_groups("structure_match", "g0", {None: 0.96, 62: 0.95, 71: 1.0}),
            *_of_groups("structure_match", "g1", {None: 0.96, 62: 0.95, 71: 1.0}),
            *_of_groups("structure_match", "d", {None: 0.95, 62: 0.95, 71: 1.0}),
            _row("rediscovered", "g0", None),
        ],
        MODELS,
        SEEDS,
    )


def test_a_target_holds_if_every_seed_holds_it(figures: Figures) -> None:
    found = {verdict.text: verdict for verdict in verdicts(figures, figures, neutral_share=0.94)}
    assert found["contact ≥ 0.75·(r_i + r_j), novel formulas"].holds
    worst = found["contact ≥ 0.75·(r_i + r_j), novel formulas, worst group"]
    assert (worst.values, worst.holds, worst.detail) == ([0.96, 0.94], False, "71, 62")
    assert not found["SMACT without it, `--charge-balanced`"].holds
    assert "rediscovered" not in found, "nothing was measured"


def test_above_the_donor_copy_in_every_group_allows_a_tie_only_at_one(figures: Figures) -> None:
    found = {verdict.text: verdict for verdict in verdicts(figures, figures, neutral_share=None)}
    assert found["structure match, composition and template given, pooled"].holds
    pooled = found["structure match, composition and template given, pooled"]
    assert (pooled.beside, pooled.n) == ((0.95, None, None), 10), "donor, real crystals, null"
    every = found["structure match, every group"]
    assert (every.holds, every.detail) == (False, "1 of 2; not 62")


def test_chance_and_one_single_template() -> None:
    found = chance([0.9, 0.1], n=1)
    assert found.coverage == pytest.approx(0.9**2 + 0.1**2)
    assert (found.distance_of_one, found.coverage_of_one) == (pytest.approx(0.1), 0.9)
    assert found.distance == pytest.approx(0.9 * 0.1 + 0.1 * 0.9, abs=0.1)
    many = chance([0.9, 0.1], n=100_000)
    assert many.distance < 0.002
    assert many.coverage == pytest.approx(1.0)


def test_cells_say_mean_and_spread(figures: Figures) -> None:
    assert spread([0.97, 0.94], "share") == "95.5 (94.0 to 97.0)"
    assert (spread([]), number(0.9991, "share"), number(1.0, "share"), number(None)) == ("–", "99.91", "100.0", "–")
    lines = group_table(figures, [("forge", "valid_pgcgm_novel_formula", "forge")]).splitlines()
    assert lines[2:] == [
        "| 62 | 10 | 95.5 (94.0 to 97.0) |",
        "| 71 | 10 | 96.0 (96.0 to 96.0) |",
        "| all | 10 | 98.8 (98.5 to 99.0) |",
    ]
