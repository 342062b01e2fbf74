"""How stable computed crystals are: formation energies within one recipe, and energies above a reference's hull.

A formation energy is E/atom plus the recipe's correction, less Σ x_i μ_i with the energies μ_i of the elements **by the
same recipe**: energies of different recipes never meet. Where an element has no result, there is no formation energy,
and the element is named. The hull is a named reference's, as in screening.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crystalforge.screening.compositions import fractions_of
from crystalforge.screening.hull import NEARLY_STABLE, ROUNDING, ReferenceHull
from crystalforge.validation.corrections import correction_per_atom
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines import ENGINES
from crystalforge.validation.ledger import Ledger, move
from crystalforge.validation.states import CalculationState

_DONE_SQL = """
SELECT c.calculation_id, c.recipe_hash, c.formula, c.element, c.crystal, c.formation_energy_per_atom,
  c.missing_elements, c.energy_above_hull, c.hull_reference, a.energy_ev / a.n_atoms AS energy_per_atom,
  json_extract(r.content, '$.physics.correction') AS correction
FROM calculations c JOIN recipes r USING (recipe_hash)
JOIN attempts a ON a.calculation_id = c.calculation_id AND a.state = 'accepted'
"""
_MARKS = ", ".join("?" for engine in ENGINES.values() if engine.counts_from_elements)
_COMPOUNDS_SQL = f"{_DONE_SQL} WHERE r.engine IN ({_MARKS}) AND c.element IS NULL"
_OPEN_SQL = f"{_COMPOUNDS_SQL} AND c.energy_above_hull IS NULL"
"""Those that stand on no hull yet: a queue asks again and again, and each row carries its crystal."""
_ELEMENTS_SQL = f"{_DONE_SQL} WHERE r.engine IN ({_MARKS}) AND c.element IS NOT NULL"


@dataclass(frozen=True)
class Stability:
    """What is known of one computed crystal."""

    formation_energy_per_atom: float | None
    """eV/atom; None where an element is missing."""
    energy_above_hull: float | None
    """eV/atom; None where it was not judged, or the hull lacks an element."""
    hull_reference: str | None
    """Reference and correction of the hull."""
    missing_elements: tuple[str, ...]
    """Without a result by this recipe, or unknown to the hull."""
    systems_without_reference: tuple[str, ...]
    """Systems in which the hull's reference has no compound: it may be too high there."""


def judge(ledger: Ledger, hull: ReferenceHull | None, *, again: bool = False, limit: float = NEARLY_STABLE) -> int:
    """Note the stability of every computed crystal that can now be judged, or judged better.

    Args:
        ledger: the ledger.
        hull: of a reference; None: formation energies only.
        again: also those that stand on a hull already.
        limit: highest energy above hull of a ``validated`` crystal (eV/atom); above it is ``unstable``.

    Returns:
        how many calculations changed.
    """
    names = [engine.name for engine in ENGINES.values() if engine.counts_from_elements]
    references: dict[str, dict[str, float]] = {}
    for row in ledger.rows(_ELEMENTS_SQL, names):
        references.setdefault(row["recipe_hash"], {})[row["element"]] = row["energy_per_atom"]
    judged = [
        (row, found)
        for row in ledger.rows(_COMPOUNDS_SQL if again else _OPEN_SQL, names)
        if (found := _stability(row, references.get(row["recipe_hash"], {}), hull)) is not None
    ]
    if judged:
        with ledger.transaction() as connection:
            for row, found in judged:
                _note(connection, row["calculation_id"], found, limit)
    return len(judged)


def _stability(row: sqlite3.Row, elements: Mapping[str, float], hull: ReferenceHull | None) -> Stability | None:
    """What can be said of a crystal; None if no more than what is noted already."""
    fractions = fractions_of(row["formula"])
    missing = tuple(symbol for symbol in fractions if symbol not in elements)
    if missing:
        known = Stability(None, None, None, missing, ())
        return known if _text(missing) != row["missing_elements"] else None
    formation = row["formation_energy_per_atom"]
    if formation is None:
        counted = sum(share * elements[symbol] for symbol, share in fractions.items())
        crystal = Crystal.from_json(json.loads(row["crystal"]))
        formation = row["energy_per_atom"] + correction_per_atom(crystal, row["correction"]) - counted
    elif hull is None or _name(hull) == row["hull_reference"]:
        return None
    if hull is None:
        return Stability(formation, None, None, (), ())
    found = hull.energy_above_hull(row["formula"], formation)
    return Stability(
        formation, found.energy_above_hull, _name(hull), found.missing_terminals, found.systems_without_reference
    )


def _name(hull: ReferenceHull) -> str:
    return f"{hull.reference.name} ({hull.reference.correction})"


def _text(names: tuple[str, ...]) -> str | None:
    return ", ".join(names) or None


def _note(connection: sqlite3.Connection, calculation_id: int, found: Stability, limit: float) -> None:
    energy = found.energy_above_hull
    stable = energy is None or energy <= limit + ROUNDING
    move(connection, calculation_id, CalculationState.VALIDATED if stable else CalculationState.UNSTABLE)
    values: dict[str, Any] = {
        "formation_energy_per_atom": found.formation_energy_per_atom,
        "energy_above_hull": energy,
        "hull_reference": found.hull_reference,
        "missing_elements": _text(found.missing_elements),
        "systems_without_reference": _text(found.systems_without_reference),
    }
    marks = ", ".join(f"{name} = ?" for name in values)
    connection.execute(
        f"UPDATE calculations SET {marks} WHERE calculation_id = ?",  # noqa: S608 (names of ours)
        (*values.values(), calculation_id),
    )
