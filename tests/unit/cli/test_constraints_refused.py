"""What a model cannot meet is refused with the reason before anything is drawn; on copies fitted to real crystals."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home


@pytest.mark.parametrize(
    ("words", "exit_code", "parts"),
    [
        (
            ["--elements", "Xe"],
            2,
            [
                "No space group of training donor-",
                "No training crystal of the space group contains Xe, so nothing is known",
                "Name one by --space-groups",
            ],
        ),
        (
            ["--elements", "Xe", "--space-groups", "225"],
            2,
            ["No training crystal of space group 225 contains Xe", "Possible: "],
        ),
        (["--elements", "Li,Xx,O"], 2, ["Unknown element 'Xx'"]),
        (["--elements", "Li,Na,K,O"], 2, ["three elements, but 4 were asked for"]),
        (["--elements", "Li,Li,O"], 2, ["Li stands twice"]),
        (["--elements", "Li,O", "--exclude-elements", "O"], 2, ["O must be both in and out"]),
        (["--formula", "A4B4X9"], 2, ["No Wyckoff template of the space group has the formula A4B4X9"]),
        (
            ["--formula", "ABX3", "--space-groups", "225"],
            2,
            ["No Wyckoff template of space group 225 has the formula ABX3. Possible formulas: "],
        ),
        (["--formula", "NaCl"], 2, ["'NaCl' is no formula of three elements"]),
        (["--formula", "LiAlSi", "--elements", "O"], 2, ["does not contain O"]),
        (["--formula", "LiAlSi", "--exclude-elements", "Al"], 2, ["contains Al, which must be out"]),
        (["--space-groups", "71"], 1, ["no finished model for space group 71; it has 62"]),
        (["--space-groups", "231"], 2, ["1 to 230"]),
        (["--max-atoms", "3", "--space-groups", "62"], 2, ["smallest primitive cell has 12 atoms"]),
        (["--elements", "O,F,*", "--intermetallic"], 2, ["meets all of: with O, F; intermetallic"]),
        (["--elements", "Li,Na,K", "--charge-balanced"], 2, ["with Li, Na, K; charge-balanced"]),
        (["--charge-balanced", "--intermetallic"], 2, ["give one of them"]),
        (["--distinct", "--formula", "ABX", "--count", "1000000"], 2, ["not as many different compositions"]),
        (["--new-templates"], 2, ["copies training crystals"]),
        (["--compositions", "margnals"], 2, ["Did you mean 'marginals'?"]),
        (["--training", "donor-0000000000"], 1, ["Did you mean 'donor-"]),
    ],
)
def test_what_cannot_be_met_is_refused_before_anything_is_drawn(
    candidates: tuple[Home, GenerationPlan], words: list[str], exit_code: int, parts: list[str]
) -> None:
    home, plan = candidates
    before = sorted(home.generations.rglob("*"))
    training = [] if "--training" in words else ["--training", plan.training_id]
    result = CliRunner().invoke(app, ["generate", *training, *words, "--home", str(home.path)])
    assert result.exit_code == exit_code, result.output
    said = result.stderr.replace("\n", " ")
    for part in parts:
        assert part in said, said
    assert sorted(home.generations.rglob("*")) == before


def test_what_can_be_met_is_met_by_every_sample_that_is_planned(candidates: tuple[Home, GenerationPlan]) -> None:
    """One group can: the others are left out aloud, and the plan has samples of the first alone."""
    home, plan = candidates
    words = ["generate", "--training", plan.training_id, "--formula", "ABX6", "--count", "10", "--dry-run"]
    result = CliRunner().invoke(app, [*words, "--home", str(home.path)])
    assert result.exit_code == 0, result.output
    assert "left out: No Wyckoff template of " in result.stderr
    assert "has the formula ABX6" in result.stderr
    assert "samples by space group: 225 (10)" in result.stdout
