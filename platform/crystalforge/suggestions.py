"""The nearest known name to a mistyped one, as the end of an error message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LIKENESS = 0.5
"""Least share of common letters (``difflib``'s ratio): lower values suggest names that nobody meant."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known name, which begins with a space; empty where none is near."""
    nearest = difflib.get_close_matches(word, list(known), n=1, cutoff=LIKENESS)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def hint(word: str, known: Iterable[str]) -> str:
    """The nearest known name, or where none is near all of them."""
    names = list(known)
    return did_you_mean(word, names) or f" Known: {', '.join(names)}."
