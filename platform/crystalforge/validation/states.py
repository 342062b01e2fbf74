"""States of calculations and attempts, and the one table of which may follow which."""

from __future__ import annotations

from enum import StrEnum


class CalculationState(StrEnum):
    """Where a calculation (one crystal by one recipe) stands."""

    READY = "ready"
    """Waits to be dispatched, perhaps until a time."""
    DISPATCHING = "dispatching"
    """An attempt is intended; whether it began is not yet known."""
    RUNNING = "running"
    """An attempt was seen to begin."""
    VALIDATED = "validated"
    """Has its one accepted result; as far as is known the crystal is stable."""
    UNSTABLE = "unstable"
    """Has its one accepted result, which lies too far above the hull."""
    FAILED = "failed"
    """Its error is one that another attempt would meet again, or that was met too often."""
    QUARANTINED = "quarantined"
    """Harms those who work on it, or gives what cannot be: a person should look."""
    PAUSED = "paused"
    """Held back by a person."""
    CANCELLED = "cancelled"
    """Given up by a person."""


_S = CalculationState
TRANSITIONS: dict[CalculationState, frozenset[CalculationState]] = {
    _S.READY: frozenset({_S.DISPATCHING, _S.PAUSED, _S.CANCELLED}),
    _S.DISPATCHING: frozenset(
        {_S.RUNNING, _S.READY, _S.VALIDATED, _S.UNSTABLE, _S.FAILED, _S.QUARANTINED, _S.CANCELLED}
    ),
    _S.RUNNING: frozenset({_S.READY, _S.VALIDATED, _S.UNSTABLE, _S.FAILED, _S.QUARANTINED, _S.CANCELLED}),
    _S.VALIDATED: frozenset({_S.UNSTABLE}),
    _S.UNSTABLE: frozenset({_S.VALIDATED}),
    _S.FAILED: frozenset({_S.READY}),
    _S.QUARANTINED: frozenset({_S.READY}),
    _S.PAUSED: frozenset({_S.READY, _S.CANCELLED}),
    _S.CANCELLED: frozenset({_S.READY}),
}
"""From a state to those that may follow. A calculation that has its result never runs again."""

IN_FLIGHT = (_S.DISPATCHING, _S.RUNNING)
"""Those with an attempt under way."""
DONE = (_S.VALIDATED, _S.UNSTABLE)
"""Those with an accepted result."""


def sources_of(target: CalculationState) -> tuple[CalculationState, ...]:
    """The states from which one may come to a state."""
    return tuple(state for state, following in TRANSITIONS.items() if target in following)


class AttemptState(StrEnum):
    """What became of an attempt."""

    INTENDED = "intended"
    """Written down before it was dispatched."""
    RUNNING = "running"
    """Seen to begin."""
    ACCEPTED = "accepted"
    """Gave the one result of its calculation."""
    FAILED = "failed"
    """Ended with an error, which is classed."""
    SUPERSEDED = "superseded"
    """Another was begun in its place, or its calculation was cancelled; its result, if any, is evidence only."""


class Structure(StrEnum):
    """Which cell of a crystal is computed."""

    GENERATED = "generated"
    """As it was drawn, or as a dataset tabulates it."""
    RELAXED = "relaxed"
    """As a screening relaxed it."""
    REFERENCE = "reference"
    """Of an element, from a table."""


class ErrorClass(StrEnum):
    """Why an attempt gave no result; ``retries.RULES`` says what follows on each."""

    WORKER_LOST = "worker_lost"
    """Its worker died, or the machine did."""
    DISPATCHER_LOST = "dispatcher_lost"
    """The dispatcher died and left no result of it."""
    WALLTIME = "walltime"
    """It ran longer than the recipe allows and was ended."""
    OUT_OF_MEMORY = "out_of_memory"
    """It took more memory than the recipe allows, or the machine's kernel ended it."""
    DISK_FULL = "disk_full"
    """No space for its files or its result."""
    CRASHED = "crashed"
    """The program ended by a signal that was not ours."""
    EXITED = "exited"
    """The program ended with an exit code other than 0 and no error that the engine knows."""
    NO_OUTPUT = "no_output"
    """The program ended as if all were well, and left nothing or a part."""
    NOT_A_NUMBER = "not_a_number"
    """An energy, force or length is infinite or not a number."""
    SCF_NOT_CONVERGED = "scf_not_converged"
    """The electrons did not settle in the steps allowed."""
    RELAXATION_NOT_CONVERGED = "relaxation_not_converged"
    """The atoms did not settle in the steps allowed."""
    IMPOSSIBLE_RESULT = "impossible_result"
    """Finite numbers that no crystal has, or those of another crystal."""
    UNSUITABLE_INPUT = "unsuitable_input"
    """The engine cannot compute this crystal: an element without a data set, too many atoms."""
    ENGINE_MISSING = "engine_missing"
    """The engine is not installed where the attempt ran."""
    NO_RESOURCES = "no_resources"
    """No machine of the cluster has what the recipe, with its corrections, asks for."""
    INTERNAL = "internal"
    """An error of ours; its text is kept."""
