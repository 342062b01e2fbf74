"""What a person asks of the ledger: enqueue, pause, resume, retry, cancel. Short transactions, at any time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from crystalforge.errors import UsageError
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines import find_engine
from crystalforge.validation.ledger import Ledger, move
from crystalforge.validation.recipe import CalculationRecipe
from crystalforge.validation.states import CalculationState


@dataclass(frozen=True)
class Enqueued:
    """What became of the crystals that were to be enqueued."""

    recipe_hash: str
    added: int
    known: int
    """In the ledger already, by the same recipe: left as they are."""
    refused: tuple[str, ...]
    """Why the engine cannot compute some, with their formulas."""


def enqueue(
    ledger: Ledger, crystals: Iterable[Crystal], recipe: CalculationRecipe, *, priority: float = 0.0
) -> Enqueued:
    """Put crystals into the ledger, once for each recipe; the earlier come first among those of equal priority.

    Raises:
        RecipeError: the recipe names no engine that there is.
    """
    engine = find_engine(recipe.engine)
    now, added, known, refused = time.time(), 0, 0, []
    with ledger.transaction() as connection:
        connection.execute(
            "INSERT INTO recipes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, "
            "content = excluded.content",
            (recipe.recipe_hash, recipe.name, recipe.engine, recipe.model_dump_json()),
        )
        for crystal in crystals:
            if why := engine.refusal(crystal, recipe):
                refused.append(f"{crystal.formula}: {why}")
                continue
            inserted = connection.execute(
                "INSERT INTO calculations (crystal_id, recipe_hash, state, priority, formula, space_group_number, "
                "crystal, ready_at, enqueued_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                (
                    crystal.crystal_id,
                    recipe.recipe_hash,
                    CalculationState.READY,
                    priority,
                    crystal.formula,
                    crystal.space_group_number,
                    json.dumps(crystal.to_json(), allow_nan=False),
                    now,
                    now,
                    now,
                ),
            )
            added += inserted.rowcount
            known += 1 - inserted.rowcount
    return Enqueued(recipe.recipe_hash, added, known, tuple(refused))


class Request(StrEnum):
    """What may be asked for calculations that are there."""

    RETRY = "retry"
    """Those that failed, were quarantined, paused or cancelled are ready again; earlier errors are forgiven."""
    PAUSE = "pause"
    """Those that are ready are held back."""
    CANCEL = "cancel"
    """Those that wait or run are given up; a running one is ended by the dispatcher."""


TARGETS = {
    Request.RETRY: CalculationState.READY,
    Request.PAUSE: CalculationState.PAUSED,
    Request.CANCEL: CalculationState.CANCELLED,
}
SOURCES = {
    Request.RETRY: (
        CalculationState.FAILED,
        CalculationState.QUARANTINED,
        CalculationState.PAUSED,
        CalculationState.CANCELLED,
    ),
    Request.PAUSE: (CalculationState.READY,),
    Request.CANCEL: (
        CalculationState.READY,
        CalculationState.DISPATCHING,
        CalculationState.RUNNING,
        CalculationState.PAUSED,
    ),
}
"""Those that a request means, where it does not name them."""


def change(ledger: Ledger, request: Request, calculation_ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """Do what is asked for the named calculations, as far as their states allow.

    Returns:
        the changed, and those left as they are.

    Raises:
        UsageError: there is no such calculation.
    """
    changed, left = [], []
    with ledger.transaction() as connection:
        for number in calculation_ids:
            row = connection.execute("SELECT state FROM calculations WHERE calculation_id = ?", (number,)).fetchone()
            if row is None:
                raise UsageError(f"No calculation {number} in the ledger. `platform validate status` lists them.")
            meant = CalculationState(row["state"]) in SOURCES[request]
            if meant and move(connection, number, TARGETS[request], f"{request} by a person"):
                changed.append(number)
            else:
                left.append(number)
        if request is Request.RETRY:
            connection.executemany(
                "UPDATE calculations SET retried_after = n_attempts, ready_at = ?, reason = NULL, corrections = '{}' "
                "WHERE calculation_id = ?",
                [(time.time(), number) for number in changed],
            )
    return changed, left


def record_stability(
    ledger: Ledger,
    calculation_id: int,
    *,
    formation_energy_per_atom: float,
    energy_above_hull: float | None,
    hull_reference: str,
    limit: float = 0.1,
) -> CalculationState:
    """Note how stable a computed crystal is; beyond the limit it is ``unstable``.

    Args:
        ledger: the ledger.
        calculation_id: one that has its result.
        formation_energy_per_atom: (eV/atom), by elemental references of the same recipe.
        energy_above_hull: (eV/atom); None where the hull lacks something.
        hull_reference: name of the reference and correction.
        limit: highest energy above hull of a ``validated`` crystal (eV/atom).

    Returns:
        its state after it.

    Raises:
        UsageError: it has no result.
    """
    stable = energy_above_hull is None or energy_above_hull <= limit
    target = CalculationState.VALIDATED if stable else CalculationState.UNSTABLE
    with ledger.transaction() as connection:
        row = connection.execute(
            "SELECT state FROM calculations WHERE calculation_id = ?", (calculation_id,)
        ).fetchone()
        if row is None or row["state"] not in (CalculationState.VALIDATED, CalculationState.UNSTABLE):
            raise UsageError(f"Calculation {calculation_id} has no result: expected one that is validated or unstable.")
        move(connection, calculation_id, target)
        connection.execute(
            "UPDATE calculations SET formation_energy_per_atom = ?, energy_above_hull = ?, hull_reference = ? "
            "WHERE calculation_id = ?",
            (formation_energy_per_atom, energy_above_hull, hull_reference, calculation_id),
        )
    return target
