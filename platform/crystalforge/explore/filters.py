"""Which crystals the page shows: each filter as a condition in SQL with its values apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from crystalforge.crystals.elements import atomic_number, order_by_electronegativity
from crystalforge.export.composition import formula_text
from crystalforge.gan.constraints import Stoichiometry, anonymous_formula


class Source(StrEnum):
    """Which crystals at all."""

    CANDIDATES = "candidates"
    """Drawn and accepted, one row per crystal."""
    MATERIALS = "materials"
    """The real crystals of the datasets."""


@dataclass(frozen=True)
class Condition:
    """A condition on a row of ``crystals``."""

    sql: str
    """With ``$name`` where a value stands."""
    values: dict[str, Any]
    """By name."""


@dataclass(frozen=True)
class Filters:
    """What is asked; the defaults ask for every candidate."""

    source: Source = Source.CANDIDATES
    elements: tuple[str, ...] = ()
    """Symbols that each crystal has."""
    only: bool = False
    """Whether it has no others."""
    without: tuple[str, ...] = ()
    """Symbols that none has."""
    formula: str | None = None
    """Exact, in any order ("LiFeO2"), or anonymous ("ABX3")."""
    space_groups: tuple[int, ...] = ()
    max_energy_above_hull: float | None = None
    """eV/atom."""
    screened: bool = False
    """Only those with an energy above hull."""
    covered: bool = False
    """Only those for whose systems the hull has compounds."""
    computed: bool = False
    """Only those with an energy above hull by a calculation."""
    new: bool = False
    """Only those of a formula and space group that no real crystal has."""
    one_of_each: bool = False
    """Of those of one formula in one space group only the best, ``BEST_OF_EACH``."""
    min_atoms: int | None = None
    max_atoms: int | None = None
    """In the primitive cell."""
    origin: str | None = None
    """A generation, or a dataset."""
    where: str | None = None
    """A condition in SQL, as it was typed."""

    def without_filter(self, name: str) -> Filters:
        """These without one of them: what its own choices are counted in."""
        return replace(self, **{name: getattr(EVERYTHING, name)})

    def conditions(self) -> list[Condition]:
        """All but ``where``, which is SQL already, in the order of ``CONDITIONS``."""
        asked = {name: getattr(self, name) for name in CONDITIONS}
        found = [
            Condition(sql, {name: _plain(value)} if f"${name}" in sql else {})
            for name, sql in CONDITIONS.items()
            if (value := asked[name]) not in (None, False, ())
        ]
        if self.elements and self.only:
            found.append(Condition("list_has_all($allowed, elements)", {"allowed": list(self.elements)}))
        if self.formula:
            found.append(_formula_condition(Stoichiometry.parse(self.formula)))
        return found


EVERYTHING = Filters()
BEST_OF_EACH = """row_number() OVER (
    PARTITION BY reduced_formula, space_group_number
    ORDER BY energy_above_hull NULLS LAST, abs(min_contact_ratio - 1), source_id, origin
  ) = 1"""
"""Of crystals that are often alike: which one stands for them."""
CONDITIONS = {
    "source": "source = $source",
    "elements": "list_has_all(elements, $elements)",
    "without": "NOT list_has_any(elements, $without)",
    "space_groups": "space_group_number IN $space_groups",
    "max_energy_above_hull": "energy_above_hull <= $max_energy_above_hull",
    "min_atoms": "n_atoms_primitive >= $min_atoms",
    "max_atoms": "n_atoms_primitive <= $max_atoms",
    "screened": "energy_above_hull IS NOT NULL",
    "covered": "systems_without_reference IS NULL",
    "computed": "computed_energy_above_hull IS NOT NULL",
    "new": "NOT is_known",
    "origin": "origin = $origin",
}
"""Filter → what it asks of a row, where it asks for anything."""


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, str) else value


def _formula_condition(asked: Stoichiometry) -> Condition:
    if asked.elements is None:
        return Condition("anonymous_formula = $formula", {"formula": anonymous_formula(asked.counts)})
    counts = dict(zip(asked.elements, asked.counts, strict=True))
    order = order_by_electronegativity(atomic_number(list(counts))[None])[0]
    text = formula_text(counts, [asked.elements[i] for i in order])
    return Condition("reduced_formula = $formula", {"formula": text})
