"""A section of the report: what its template shows, or why there is nothing to show and which command makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Absent:
    """Why a section has no data, and the commands that make them."""

    why: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One section, by the name of its template ``templates/KEY.html``."""

    key: str
    title: str
    lead: str = ""
    """What is seen, in one or two sentences."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """For the template."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Name of a figure to what ``charts.js`` draws (``figures.py``)."""
    data: Any = None
    """For a script of the section's own; plain values."""
    absent: Absent | None = None
