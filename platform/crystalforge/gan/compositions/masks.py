"""Constraints as masks over the compositions of a space group."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.elements import SYMBOLS, atomic_number, symbols
from crystalforge.crystals.oxidation import can_be_neutral, is_metal
from crystalforge.errors import CompositionError
from crystalforge.gan.compositions.space import N_SLOTS, CompositionSpace
from crystalforge.gan.constraints import (
    Constraints,
    Stoichiometry,
    anonymous_formula,
    reduced_counts,
    same_stoichiometry,
)
from crystalforge.symmetry import space_group


class ConstraintMask:
    """Which compositions of a space meet the constraints, template by template."""

    def __init__(self, space: CompositionSpace, constraints: Constraints) -> None:
        """Check the constraints against the space.

        Raises:
            CompositionError: a condition that no composition of the space meets, with what would be possible.
        """
        constraints.check()
        self._space, self._constraints = space, constraints
        self._stoichiometry = None if constraints.formula is None else Stoichiometry.parse(constraints.formula)
        self._neutral: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        self._check_elements()
        self._check_templates()

    def __call__(self, template: int) -> NDArray[np.bool_] | None:
        """(n_elements³,) whether each composition of a template is allowed; None where all are."""
        if not self._fitting_templates[template]:
            return np.zeros(int(np.prod(self._space.shape[1:])), dtype=np.bool_)
        counts = tuple(self._counts[template].tolist())
        parts = [self._elements(), self._exact(counts), self._channel(counts), self._novel(template)]
        masks = [part for part in parts if part is not None]
        return np.logical_and.reduce(masks).reshape(-1) if masks else None

    def refuse_empty(self) -> CompositionError:
        """The error of constraints that can be met one by one but not together."""
        return CompositionError(
            f"Space group {self._space.space_group_number} has no composition that meets all of: "
            f"{self._constraints.describe()}. Its formulas are {', '.join(self._formulas(self._fitting_templates))}. "
            "Loosen one of the conditions, or leave this space group out."
        )

    @cached_property
    def _counts(self) -> NDArray[np.int64]:
        return reduced_counts(self._space.multiplicity)

    @cached_property
    def _n_atoms(self) -> NDArray[np.int64]:
        """(n_templates,) atoms in the primitive cell."""
        return self._space.multiplicity.sum(axis=1) // len(space_group(self._space.space_group_number).centrings)

    @cached_property
    def _fitting_templates(self) -> NDArray[np.bool_]:
        """(n_templates,) by stoichiometry and size."""
        fitting = np.ones(len(self._counts), dtype=np.bool_)
        if self._stoichiometry is not None:
            wanted = self._stoichiometry.counts
            fitting &= [same_stoichiometry(tuple(row), wanted) for row in self._counts.tolist()]
        if self._constraints.max_atoms is not None:
            fitting &= self._n_atoms <= self._constraints.max_atoms
        return fitting

    @property
    def _known_elements(self) -> str:
        """Those that a training crystal has; where they are most, told by those that none has."""
        known = set(symbols(self._space.elements).tolist())
        last = int(self._space.elements.max())
        absent = [symbol for symbol in SYMBOLS[1 : last + 1] if symbol not in known]
        if len(absent) >= len(known):
            return " ".join(symbols(self._space.elements).tolist())
        return f"all up to {SYMBOLS[last]}" + (f" but {' '.join(absent)}" if absent else "")

    def _formulas(self, templates: NDArray[np.bool_]) -> list[str]:
        return sorted({anonymous_formula(tuple(row)) for row in self._counts[templates].tolist()})

    def _check_elements(self) -> None:
        exact = self._stoichiometry.elements if self._stoichiometry else None
        wanted = (*self._constraints.required, *(exact or ()))
        missing = [symbol for symbol in wanted if int(atomic_number(symbol)) not in self._space.elements]
        if missing:
            raise CompositionError(
                f"No training crystal of space group {self._space.space_group_number} contains {', '.join(missing)}, "
                f"so nothing is known of its compositions there. Possible: {self._known_elements}."
            )
        surplus = [symbol for symbol in self._constraints.required if exact and symbol not in exact]
        excluded = [symbol for symbol in self._constraints.elements_out if symbol in (exact or ())]
        if surplus or excluded:
            raise CompositionError(
                f"The formula {self._constraints.formula} does not contain {', '.join(surplus)}: take it from the "
                "elements or the formula."
                if surplus
                else f"The formula {self._constraints.formula} contains {', '.join(excluded)}, which must be out."
            )

    def _check_templates(self) -> None:
        if self._fitting_templates.any():
            return
        formula, most = self._constraints.formula, self._constraints.max_atoms
        wanted = [f"the formula {formula}"] if formula else []
        wanted += [f"at most {most} atoms in the primitive cell"] if most is not None else []
        every = np.ones(len(self._counts), dtype=np.bool_)
        raise CompositionError(
            f"No Wyckoff template of space group {self._space.space_group_number} has {' and '.join(wanted)}. Possible "
            f"formulas: {', '.join(self._formulas(every))}; the smallest primitive cell has {self._n_atoms.min()} "
            "atoms."
        )

    def _slot_is(self, which: NDArray[np.bool_], slot: int) -> NDArray[np.bool_]:
        """Mask over elements (n_elements,) at one slot, to be broadcast over the other two."""
        return np.expand_dims(which, tuple(other for other in range(N_SLOTS) if other != slot))

    def _elements(self) -> NDArray[np.bool_] | None:
        required, out = self._constraints.required, self._constraints.elements_out
        if not required and not out:
            return None
        allowed = np.ones(self._space.shape[1:], dtype=np.bool_)
        for slot in range(N_SLOTS):
            allowed &= self._slot_is(~np.isin(self._space.elements, atomic_number(np.array(out, dtype=str))), slot)
        for symbol in required:
            allowed &= self._stands(symbol, (0, 1, 2))
        return allowed

    def _stands(self, symbol: str, slots: tuple[int, ...]) -> NDArray[np.bool_]:
        """Whether an element stands in one of the slots."""
        which = self._space.elements == int(atomic_number(symbol))
        found = np.zeros(self._space.shape[1:], dtype=np.bool_)
        for slot in slots:
            found |= self._slot_is(which, slot)
        return found

    def _exact(self, counts: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """Each element of an exact formula in a slot of its count."""
        if self._stoichiometry is None or self._stoichiometry.elements is None:
            return None
        allowed = np.ones(self._space.shape[1:], dtype=np.bool_)
        for symbol, count in zip(self._stoichiometry.elements, self._stoichiometry.counts, strict=True):
            allowed &= self._stands(symbol, tuple(slot for slot in range(N_SLOTS) if counts[slot] == count))
        return allowed

    def _channel(self, counts: tuple[int, ...]) -> NDArray[np.bool_] | None:
        if self._constraints.channel == "charge_balanced":
            if counts not in self._neutral:
                self._neutral[counts] = can_be_neutral(self._space.elements, (counts[0], counts[1], counts[2]))
            return self._neutral[counts]
        if self._constraints.channel == "intermetallic":
            metal = is_metal()[self._space.elements]
            return metal[:, None, None] & metal[:, None] & metal
        return None

    def _novel(self, template: int) -> NDArray[np.bool_] | None:
        if not self._constraints.novel:
            return None
        n_cells = int(np.prod(self._space.shape[1:]))
        known = self._space.training_cells
        allowed = np.ones(n_cells, dtype=np.bool_)
        allowed[known[known // n_cells == template] % n_cells] = False
        return allowed.reshape(self._space.shape[1:])
