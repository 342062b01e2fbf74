"""What follows on an error: a table from its class to the same again, the same with a correction, or no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from crystalforge.validation.states import CalculationState, ErrorClass


class Answer(StrEnum):
    """What to do about an error."""

    SAME = "same"
    """Try again as it was."""
    CHANGED = "changed"
    """Try again with a correction, which leaves the energies on the recipe's scale."""
    GIVE_UP = "give_up"
    """Do not try again."""


@dataclass(frozen=True)
class RetryRule:
    """What follows on one class of error."""

    answer: Answer
    at_most: int = 0
    """Attempts that may end so before it is given up; the last of them is not repeated."""
    wait_s: float = 0.0
    """Before the first repetition (s); doubled for each further one."""
    then: CalculationState = CalculationState.FAILED
    """State when it is given up."""
    corrections: Mapping[str, float] = field(default_factory=dict)
    """Factors on ``walltime`` and ``memory``, or a switch for the engine; each repetition multiplies the factors."""


_QUARANTINED = CalculationState.QUARANTINED
RULES: dict[ErrorClass, RetryRule] = {
    ErrorClass.DISPATCHER_LOST: RetryRule(Answer.SAME, at_most=10),
    ErrorClass.WORKER_LOST: RetryRule(Answer.SAME, at_most=3, wait_s=5.0, then=_QUARANTINED),
    ErrorClass.CRASHED: RetryRule(Answer.SAME, at_most=2, wait_s=5.0, then=_QUARANTINED),
    ErrorClass.DISK_FULL: RetryRule(Answer.SAME, at_most=5, wait_s=60.0),
    ErrorClass.WALLTIME: RetryRule(Answer.CHANGED, at_most=2, corrections={"walltime": 2.0}),
    ErrorClass.OUT_OF_MEMORY: RetryRule(
        Answer.CHANGED, at_most=3, wait_s=5.0, then=_QUARANTINED, corrections={"memory": 2.0}
    ),
    ErrorClass.SCF_NOT_CONVERGED: RetryRule(Answer.CHANGED, at_most=3, corrections={"slower_mixing": 2.0}),
    ErrorClass.RELAXATION_NOT_CONVERGED: RetryRule(Answer.CHANGED, at_most=2, corrections={"more_steps": 2.0}),
    ErrorClass.NO_OUTPUT: RetryRule(Answer.SAME, at_most=2, wait_s=1.0),
    ErrorClass.NOT_A_NUMBER: RetryRule(Answer.CHANGED, at_most=2, corrections={"slower_mixing": 2.0}),
    ErrorClass.EXITED: RetryRule(Answer.SAME, at_most=2, wait_s=1.0),
    ErrorClass.IMPOSSIBLE_RESULT: RetryRule(Answer.GIVE_UP, then=_QUARANTINED),
    ErrorClass.UNSUITABLE_INPUT: RetryRule(Answer.GIVE_UP),
    ErrorClass.ENGINE_MISSING: RetryRule(Answer.GIVE_UP),
    ErrorClass.NO_RESOURCES: RetryRule(Answer.GIVE_UP),
    ErrorClass.INTERNAL: RetryRule(Answer.GIVE_UP, then=_QUARANTINED),
}


@dataclass(frozen=True)
class Decision:
    """What becomes of a calculation whose attempt failed."""

    state: CalculationState
    """``ready``, ``failed`` or ``quarantined``."""
    wait_s: float = 0.0
    """Until it may be dispatched again (s)."""
    corrections: Mapping[str, float] = field(default_factory=dict)
    """Those of the next attempt, all together."""


def decide(
    errors: Sequence[ErrorClass], corrections: Mapping[str, float], rules: Mapping[ErrorClass, RetryRule] = RULES
) -> Decision:
    """What follows on the last of a calculation's errors.

    Args:
        errors: classes of all failed attempts since it was enqueued or retried by a person, the latest last.
        corrections: those that the latest attempt had.
        rules: the table.
    """
    rule = rules[errors[-1]]
    times = sum(error == errors[-1] for error in errors)
    if rule.answer is Answer.GIVE_UP or times >= rule.at_most:
        return Decision(rule.then)
    wait_s = rule.wait_s * 2 ** (times - 1)
    following = dict(corrections)
    if rule.answer is Answer.CHANGED:
        following |= {name: following.get(name, 1.0) * factor for name, factor in rule.corrections.items()}
    return Decision(CalculationState.READY, wait_s, following)
