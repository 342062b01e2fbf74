"""What a person asks of the ledger: enqueue, pause, resume, retry, cancel. Short transactions, at any time."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from crystalforge.crystals.elements import symbols
from crystalforge.errors import UsageError
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.elements import element_crystal
from crystalforge.validation.engines import find_engine
from crystalforge.validation.engines.contract import Engine
from crystalforge.validation.ledger import LEDGER_FILE, Ledger, move
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
    elements: int = 0
    """References of elements that were added besides."""
    elements_without_reference: tuple[str, ...] = ()
    """Crystals of these get no formation energy."""


def enqueue(
    ledger: Ledger, crystals: Iterable[Crystal], recipe: CalculationRecipe, *, priority: float = 0.0
) -> Enqueued:
    """Put crystals into the ledger, once for each recipe; the earlier come first among those of equal priority.

    Before them come the references of their elements by the same recipe, which their formation energies need; each is
    computed once, for all crystals.

    Raises:
        RecipeError: the recipe names no engine that there is.
    """
    suitable, refused, elements, without = _sorted_out(crystals, recipe)
    with ledger.transaction() as connection:
        connection.execute(
            "INSERT INTO recipes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, "
            "content = excluded.content",
            (recipe.recipe_hash, recipe.name, recipe.engine, recipe.model_dump_json()),
        )
        new_elements = sum(_insert(connection, crystal, recipe, priority) for crystal in elements)
        added = sum(_insert(connection, crystal, recipe, priority) for crystal in suitable)
    return Enqueued(
        recipe_hash=recipe.recipe_hash,
        added=added,
        known=len(suitable) - added,
        refused=refused,
        elements=new_elements,
        elements_without_reference=without,
    )


def would_enqueue(folder: Path, crystals: Iterable[Crystal], recipe: CalculationRecipe) -> Enqueued:
    """What ``enqueue`` would come to, without writing; ``folder`` need not have a ledger."""
    suitable, refused, elements, without = _sorted_out(crystals, recipe)
    known: set[str] = set()
    if (folder / LEDGER_FILE).is_file():
        with Ledger(folder) as ledger:
            rows = ledger.rows("SELECT crystal_id FROM calculations WHERE recipe_hash = ?", [recipe.recipe_hash])
        known = {row["crystal_id"] for row in rows}
    names = {crystal.crystal_id for crystal in suitable}
    new_elements = {crystal.crystal_id for crystal in elements} - known
    return Enqueued(
        recipe_hash=recipe.recipe_hash,
        added=len(names - known),
        known=len(suitable) - len(names - known),
        refused=refused,
        elements=len(new_elements),
        elements_without_reference=without,
    )


def _sorted_out(
    crystals: Iterable[Crystal], recipe: CalculationRecipe
) -> tuple[list[Crystal], tuple[str, ...], list[Crystal], tuple[str, ...]]:
    """Crystals that the engine can compute, why not the others, references of elements, and elements without one."""
    engine = find_engine(recipe.engine)
    refusals = [(crystal, engine.refusal(crystal, recipe)) for crystal in crystals]
    suitable = [crystal for crystal, why in refusals if why is None]
    elements, without = _references(engine, recipe, suitable)
    return suitable, tuple(f"{crystal.formula}: {why}" for crystal, why in refusals if why), elements, tuple(without)


def _references(
    engine: Engine, recipe: CalculationRecipe, crystals: Sequence[Crystal]
) -> tuple[list[Crystal], list[str]]:
    """References of all elements of some crystals, and the elements that have none."""
    if not engine.counts_from_elements:
        return [], []
    wanted = sorted({symbol for crystal in crystals for symbol in symbols(crystal.atomic_numbers).tolist()})
    found = {symbol: element_crystal(symbol) for symbol in wanted}
    there = [crystal for crystal in found.values() if crystal and engine.refusal(crystal, recipe) is None]
    return there, sorted(set(wanted) - {crystal.element for crystal in there})


def _insert(connection: sqlite3.Connection, crystal: Crystal, recipe: CalculationRecipe, priority: float) -> int:
    """1 if it is new, else 0."""
    now = time.time()
    values = {
        "crystal_id": crystal.crystal_id,
        "recipe_hash": recipe.recipe_hash,
        "state": CalculationState.READY,
        "priority": priority,
        "formula": crystal.formula,
        "space_group_number": crystal.space_group_number,
        "crystal": json.dumps(crystal.to_json(), allow_nan=False),
        "structure": crystal.structure,
        "element": crystal.element,
        "ready_at": now,
        "enqueued_at": now,
        "changed_at": now,
    }
    inserted = connection.execute(
        f"INSERT INTO calculations ({', '.join(values)}) "  # noqa: S608 (names of ours)
        f"VALUES ({', '.join('?' * len(values))}) ON CONFLICT DO NOTHING",
        tuple(values.values()),
    )
    return inserted.rowcount


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
