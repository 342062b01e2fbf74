"""What the shell completes for a value: names of the home, recipes, closed sets. Quick, silent, never an error.

A shell asks at each press of Tab: nothing heavy is imported here, and no file is read but small records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from textwrap import shorten
from typing import Any

import typer

from crystalforge.errors import CrystalforgeError
from crystalforge.home import DATASET_RECORD, GENERATION_RECORD, SCREENING_RECORD, TRAINING_RECORD, Home

Items = list[tuple[str, str]]
"""Values, each with a word on it."""
Complete = Callable[[typer.Context, str], Items]

BALANCES = {"training": "as the crystals of the dataset", "equal": "as many of each"}
COMPOSITION_KINDS = {
    "uniform": "every composition alike",
    "marginals": "each site by its elements",
    "swap": "real compositions with elements exchanged",
    "autoregressive": "one site after the other",
    "mixture": "of the other kinds",
}
SCREENED = {
    "candidates": "accepted crystals",
    "samples": "all that were drawn, rejected or not",
    "materials": "real crystals, which fit the scale",
    "noise": "null: noise",
    "random_triples": "null: random elements",
    "real_cells": "null: real cells with other elements",
}
COMPUTED = {"candidates": "accepted crystals", "materials": "real crystals"}
EXPORTED = {
    "candidates": "accepted crystals",
    "samples": "all that were drawn",
    "materials": "real crystals",
    "crystals": "candidates and real crystals",
    "relaxations": "cells as a screening relaxed them",
    "stabilities": "relaxed crystals on a hull",
    "discoveries": "raw samples with their verdicts",
    "validations": "cells as calculations left them",
}
SOURCES = {
    "bundled": "real crystals that come with the package",
    "materials-project": "the Materials Project; key in MP_API_KEY",
    "optimade:": "a provider or URL behind it, as optimade:mp",
}
TABLE_WITHOUT_VIEW = "generations"
MOST_LETTERS = 70
"""Of a word on a value: typer folds longer ones, and a shell takes each line for a value."""


def datasets(context: typer.Context, incomplete: str) -> Items:
    """Datasets of the home."""
    records = _records(context, "datasets", DATASET_RECORD)
    return _fitting(((name, f"{record.get('n_materials')} crystals") for name, record in records), incomplete)


def trainings(context: typer.Context, incomplete: str) -> Items:
    """Trainings of the home."""
    records = _records(context, "trainings", TRAINING_RECORD)
    return _fitting(((name, f"recipe {record.get('recipe')}") for name, record in records), incomplete)


def generations(context: typer.Context, incomplete: str) -> Items:
    """Generations of the home."""
    records = _records(context, "generations", GENERATION_RECORD)
    found = ((name, f"{record.get('count')} samples of {record.get('training_id')}") for name, record in records)
    return _fitting(found, incomplete)


def screenings(context: typer.Context, incomplete: str) -> Items:
    """Screenings of the home."""
    records = _records(context, "screenings", SCREENING_RECORD)
    found = ((name, f"{record.get('count')} {record.get('source')}") for name, record in records)
    return _fitting(found, incomplete)


def space_groups(context: typer.Context, incomplete: str) -> Items:
    """Numbers behind commas: those that the newest dataset has crystals of; without a dataset all 230."""
    before, comma, last = incomplete.rpartition(",")
    given = set(before.split(","))
    newest = next(_records(context, "datasets", DATASET_RECORD), None)
    if newest is None:
        known = [(str(number), "") for number in range(1, 231)]
    else:
        counts = sorted(newest[1].get("counts", {}).items(), key=lambda item: -item[1])
        known = [(number, f"{count} crystals in {newest[0]}") for number, count in counts if count]
    free = [(number, what) for number, what in known if number not in given]
    return [(f"{before}{comma}{number}", what) for number, what in _fitting(free, last)]


def training_recipes(_context: typer.Context, incomplete: str) -> Items:
    """Recipes of training that come with the package; a path is left to the shell."""
    return _fitting(_recipes("gan"), incomplete)


def calculation_recipes(_context: typer.Context, incomplete: str) -> Items:
    """Recipes of calculations that come with the package; a path is left to the shell."""
    return _fitting(_recipes("validation"), incomplete)


def potentials(_context: typer.Context, incomplete: str) -> Items:
    """Potentials that are known here or that a package offers."""
    from crystalforge.screening.potentials import KNOWN, known_potentials

    return _fitting(((name, KNOWN[name].install if name in KNOWN else "") for name in known_potentials()), incomplete)


def tables(_context: typer.Context, incomplete: str) -> Items:
    """Tables of SQL."""
    folder = _package_folder("crystalforge.schemas")
    names = [TABLE_WITHOUT_VIEW, *(path.stem for path in folder.glob("*.sql"))]
    return _fitting(((name, "") for name in sorted(names)), incomplete)


def calculation_states(_context: typer.Context, incomplete: str) -> Items:
    """States of calculations."""
    from crystalforge.validation.states import CalculationState

    return _fitting(((state.value, "") for state in CalculationState), incomplete)


def one_of(known: dict[str, str]) -> Complete:
    """A closed set of values, each with a word on it."""

    def complete(_context: typer.Context, incomplete: str) -> Items:
        return _fitting(known.items(), incomplete)

    return complete


def _fitting(known: Iterable[tuple[str, str]], incomplete: str) -> Items:
    return [
        (name, shorten(what, MOST_LETTERS, placeholder=" …")) for name, what in known if name.startswith(incomplete)
    ]


def _records(context: typer.Context, room: str, record: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and record of what a room of the home holds, the newest first; what cannot be read is left out."""
    try:
        folder: Path = getattr(Home.locate(context.params.get("home")), room)
        paths = sorted(folder.glob(f"*/{record}"), key=lambda path: path.stat().st_mtime, reverse=True)
    except (CrystalforgeError, OSError):
        return
    for path in paths:
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(content, dict):
            yield path.parent.name, content


def _recipes(package: str) -> Iterator[tuple[str, str]]:
    """Name and first sentence of each recipe that a package bundles."""
    for path in sorted(
        (_package_folder("crystalforge") / package / "recipes").glob("*.toml"), key=lambda path: path.stem
    ):
        lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
        comment = " ".join(line.lstrip("# ") for line in lines)
        yield path.stem, comment.partition(". ")[0].rstrip(".")


def _package_folder(name: str) -> Path:
    """Folder of a package, without importing it."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else Path()
