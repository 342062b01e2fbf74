from __future__ import annotations

from pathlib import Path

import pytest

from crystalforge.validation.retries import RULES, Answer, decide
from crystalforge.validation.states import (
    DONE,
    IN_FLIGHT,
    TRANSITIONS,
    CalculationState,
    ErrorClass,
    sources_of,
)

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("error", ErrorClass)
def test_each_class_is_given_up_after_as_many_as_its_rule_allows(error: ErrorClass) -> None:
    rule = RULES[error]
    errors: list[ErrorClass] = []
    corrections: dict[str, float] = {}
    for _ in range(20):
        errors.append(error)
        decision = decide(errors, corrections)
        if decision.state is not CalculationState.READY:
            break
        corrections = dict(decision.corrections)
    assert len(errors) == max(1, rule.at_most)
    assert decision.state is rule.then
    repeats = len(errors) - 1
    changes = rule.answer is Answer.CHANGED and repeats
    assert corrections == {name: factor**repeats for name, factor in rule.corrections.items() if changes}


def test_the_wait_doubles_and_corrections_of_other_errors_stay() -> None:
    rule = RULES[ErrorClass.DISK_FULL]
    waits = [decide([ErrorClass.DISK_FULL] * times, {}).wait_s for times in (1, 2, 3)]
    assert waits == [rule.wait_s, 2 * rule.wait_s, 4 * rule.wait_s]
    decision = decide([ErrorClass.WALLTIME, ErrorClass.OUT_OF_MEMORY], {"walltime": 2.0})
    assert decision.corrections == {"walltime": 2.0, "memory": 2.0}


def test_no_rule_repeats_without_end_and_every_state_has_a_row() -> None:
    assert set(RULES) == set(ErrorClass)
    assert set(TRANSITIONS) == set(CalculationState)
    assert all(rule.at_most <= 10 for rule in RULES.values())


def test_a_calculation_with_a_result_never_runs_again() -> None:
    reachable, waiting = set(), list(DONE)
    while waiting:
        for state in TRANSITIONS[waiting.pop()]:
            if state not in reachable:
                reachable.add(state)
                waiting.append(state)
    assert reachable == set(DONE)
    assert set(sources_of(CalculationState.VALIDATED)) == {*IN_FLIGHT, CalculationState.UNSTABLE}


@pytest.mark.parametrize("error", ErrorClass)
def test_the_documented_table_is_the_one_that_holds(error: ErrorClass) -> None:
    lines = (REPOSITORY / "docs" / "validation.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    (row,) = [row for row in rows if len(row) == 5 and error.value in row[0].split(", ")]
    rule = RULES[error]
    assert row[2] == (str(rule.at_most) if rule.at_most else "")
    assert row[3].split(" s")[0] == (f"{rule.wait_s:g}" if rule.wait_s else "")
    assert row[4] == rule.then
    assert (row[1] == "none") == (rule.answer is Answer.GIVE_UP)
    assert (row[1] == "same") == (rule.answer is Answer.SAME)
