"""What stands beside what: sources of figures, each with the words and the colour that it has everywhere."""

from __future__ import annotations

from dataclasses import dataclass

from crystalforge.evaluation.samples import (
    BASELINE,
    GENERATED,
    NOISE,
    RANDOM_TRIPLES,
    REAL_CELLS,
    TRAINING,
    VALIDATION,
)


@dataclass(frozen=True)
class Source:
    """A source as it is shown. Its colour is the CSS variable ``--source-ROLE``."""

    name: str
    label: str
    role: str
    is_null: bool = False


_KNOWN = (
    Source(GENERATED, "this generation", "generated"),
    Source("samples", "this generation", "generated"),
    Source("materials", "real crystals", "real"),
    Source(VALIDATION, "real, set aside", "real"),
    Source(TRAINING, "real, training", "training"),
    Source(RANDOM_TRIPLES, "null: random elements", "triples", True),
    Source(REAL_CELLS, "null: random sites", "cells", True),
    Source(NOISE, "null: noise", "noise", True),
)
ORDER = ("generated", "real", "training", "triples", "cells", "noise", "baseline")
"""Of the roles, wherever sources stand beside each other."""
SOURCES = {source.name: source for source in _KNOWN}
NULL_WORDS = {
    NOISE: "random coordinates, cells and elements",
    RANDOM_TRIPLES: "random elements on the cells and sites of real crystals",
    REAL_CELLS: "random coordinates in real cells, with their elements",
}


def source_of(name: str) -> Source:
    """The source of that name; a baseline, or one of another kind, keeps its own name."""
    known = SOURCES.get(name)
    return known or Source(name, name.removeprefix(BASELINE), "baseline")
