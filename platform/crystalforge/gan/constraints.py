"""What the compositions of a draw must be: elements in and out, formula, size, channel, novelty."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from math import gcd

import numpy as np

from crystalforge.crystals.elements import SYMBOLS
from crystalforge.errors import CompositionError

WILDCARD = "*"
CHANNELS = {
    "charge_balanced": "neutral with one common oxidation state per element, cations less electronegative than anions",
    "intermetallic": "three metals",
}
_PART = re.compile(r"([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True)
class Constraints:
    """Conditions on compositions; all of them hold at once. Checked against a space group when it draws."""

    elements_in: tuple[str, ...] = ()
    """Symbols that each composition has; the wildcard ``*`` stands for any other."""
    elements_out: tuple[str, ...] = ()
    """Symbols that none has."""
    formula: str | None = None
    """Anonymous ("ABX3", "A2BX6": the letters are any three elements) or exact ("LiFeO2")."""
    max_atoms: int | None = None
    """Most atoms in the primitive cell."""
    channel: str | None = None
    """A key of ``CHANNELS``."""
    novel: bool = False
    """No composition and template of the training crystals."""

    @classmethod
    def parse(
        cls,
        elements: str = "",
        without: str = "",
        formula: str | None = None,
        max_atoms: int | None = None,
        channel: str | None = None,
        novel: bool = False,
    ) -> Constraints:
        """From a person's words: ``elements`` "Li,*,O", ``without`` "Pb,Hg".

        Raises:
            CompositionError: something is no element, no formula of three elements, or contradicts another.
        """
        constraints = cls(_split(elements), _split(without), formula, max_atoms, channel, novel)
        constraints.check()
        return constraints

    @property
    def required(self) -> tuple[str, ...]:
        """Symbols that must be in, each once, without wildcards."""
        return tuple(dict.fromkeys(symbol for symbol in self.elements_in if symbol != WILDCARD))

    def describe(self) -> str:
        """In words; empty without conditions."""
        parts = [
            f"with {', '.join(self.required)}" if self.required else "",
            f"without {', '.join(self.elements_out)}" if self.elements_out else "",
            f"formula {self.formula}" if self.formula else "",
            f"at most {self.max_atoms} atoms in the primitive cell" if self.max_atoms else "",
            (self.channel or "").replace("_", "-"),
            "compositions unlike those of training" if self.novel else "",
        ]
        return "; ".join(part for part in parts if part)

    def check(self) -> None:
        """Refuse what no space group could meet.

        Raises:
            CompositionError: says which condition and what would be possible.
        """
        for symbol in (*self.required, *self.elements_out):
            if symbol not in SYMBOLS[1:]:
                raise CompositionError(f"Unknown element '{symbol}': expected symbols such as 'Fe', or * for any.")
        twice = sorted({symbol for symbol in self.required if self.elements_in.count(symbol) > 1})
        if twice:
            raise CompositionError(
                f"{', '.join(twice)} stands twice in the elements, but a crystal has three different ones: name each "
                "once, and * for any other."
            )
        if len(self.elements_in) > 3:
            raise CompositionError(
                f"Crystals have three elements, but {len(self.elements_in)} were asked for "
                f"({', '.join(self.elements_in)}): name at most three, as 'Li,*,O'."
            )
        both = sorted(set(self.required) & set(self.elements_out))
        if both:
            raise CompositionError(f"{', '.join(both)} must be both in and out: take it from one of the two.")
        if self.channel is not None and self.channel not in CHANNELS:
            raise CompositionError(f"Unknown channel '{self.channel}': expected one of {', '.join(CHANNELS)}.")
        if self.max_atoms is not None and self.max_atoms < 3:
            raise CompositionError(f"At most {self.max_atoms} atoms cannot hold three elements: allow 3 or more.")
        if self.formula is not None:
            Stoichiometry.parse(self.formula)


@dataclass(frozen=True)
class Stoichiometry:
    """A formula of three elements, reduced."""

    elements: tuple[str, ...] | None
    """Their symbols, or None if the formula is anonymous."""
    counts: tuple[int, ...]
    """Atoms of each in the formula unit."""

    @classmethod
    def parse(cls, formula: str) -> Stoichiometry:
        """Read "LiFeO2" as exact and "ABX3" as anonymous: a formula with a letter that is no element, as A or X.

        Raises:
            CompositionError: it is not a formula of three different elements or letters.
        """
        parts = _PART.findall(formula)
        names = [name for name, _ in parts]
        counts = [int(count or 1) for _, count in parts]
        complete = "".join(name + count for name, count in parts) == formula
        if not complete or len(names) != 3 or len(set(names)) != 3 or min(counts) < 1:
            raise CompositionError(
                f"'{formula}' is no formula of three elements: expected elements, as 'LiFeO2', or any three capital "
                "letters of which one is no element, as 'ABX3' or 'A2BX6'."
            )
        divisor = gcd(*counts)
        reduced = tuple(count // divisor for count in counts)
        unknown = [name for name in names if name not in SYMBOLS[1:]]
        if not unknown:
            return cls(tuple(names), reduced)
        if any(len(name) > 1 for name in names):
            raise CompositionError(
                f"'{formula}' mixes elements and unknown symbols ({', '.join(unknown)}): write all three as elements, "
                "or all three as single letters."
            )
        return cls(None, reduced)


def reduced_counts(multiplicity: np.ndarray) -> np.ndarray:
    """Multiplicities (n, 3) over their greatest common divisor: atoms of each slot in a formula unit."""
    return np.asarray(multiplicity // np.gcd.reduce(multiplicity, axis=1)[:, None])


def anonymous_formula(counts: tuple[int, ...]) -> str:
    """Counts as a formula, as (3, 1, 1) → "ABX3", (2, 1, 1) → "ABX2"."""
    return "".join(
        letter + (str(count) if count > 1 else "") for letter, count in zip("ABX", sorted(counts), strict=True)
    )


def same_stoichiometry(counts: tuple[int, ...], others: tuple[int, ...]) -> bool:
    """Whether two formulas are the same up to which element is which."""
    return Counter(counts) == Counter(others)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[\s,;-]+", text) if part)
