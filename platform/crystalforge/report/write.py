"""Writes the report of a generation: opens the catalog once, makes every section, writes one file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crystalforge.catalog.query import open_catalog
from crystalforge.errors import UsageError
from crystalforge.evaluation.generations import find_generation
from crystalforge.files import write_bytes
from crystalforge.home import Home
from crystalforge.report.context import Choice, ReportContext
from crystalforge.report.page import render
from crystalforge.report.section import Section
from crystalforge.report.sections import SECTIONS, crystals

DEFAULT_NAME = "report-{generation_id}.html"


@dataclass(frozen=True)
class ReportSummary:
    """What was written."""

    generation_id: str
    path: Path
    bytes: int
    sections: dict[str, str | None]
    """Key of each section; why it has nothing to show, or None."""
    commands: dict[str, list[str]]
    """Of those that have nothing to show: the commands that make it."""
    seconds: float


def write_report(
    home: Home,
    *,
    generation: str | None = None,
    out: Path | None = None,
    choice: Choice | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> ReportSummary:
    """Write one HTML file about a generation; what its home does not have yet, the page says how to make.

    Args:
        home: the home.
        generation: its identifier; the newest by default.
        out: the file, or a folder for it; ``report-GENERATION.html`` in the working folder by default.
        choice: which crystals are the best.
        say: told what is being done.

    Raises:
        GenerationError: there is no such generation.
        UsageError: the file's name does not end in .html, or no crystal fits the choice.
        QueryError: the choice is no SQL that the catalog takes.
        DamagedFileError: a file of the home is damaged.
        StorageError: the file could not be written; an older one of its name is still there.
    """
    started = time.monotonic()
    found = find_generation(home, generation)
    path = _path(out, found.generation_id)
    say(f"Opening the catalog of generation {found.generation_id}.")
    with open_catalog(home, generations=[found.generation_id]) as catalog:
        context = ReportContext(home, found, catalog, choice or Choice(), say)
        # What a user may have mistyped comes first, before any work.
        made = {make: make(context) for make in sorted(SECTIONS, key=lambda make: make is not crystals.make)}
        sections: list[Section] = [made[make] for make in SECTIONS]
        page = render(context, sections).encode()
    write_bytes(path, page)
    return ReportSummary(
        generation_id=found.generation_id,
        path=path,
        bytes=len(page),
        sections={section.key: section.absent.why if section.absent else None for section in sections},
        commands={section.key: list(section.absent.commands) for section in sections if section.absent},
        seconds=time.monotonic() - started,
    )


def _path(out: Path | None, generation_id: str) -> Path:
    name = DEFAULT_NAME.format(generation_id=generation_id)
    if out is None:
        return Path.cwd() / name
    if out.is_dir():
        return out.resolve() / name
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {out}: expected a name that ends in .html, or a folder that exists.")
    return out.resolve()
