"""How values are written: the filters of the templates."""

from __future__ import annotations

import math
import re
from html import escape
from typing import Any

from markupsafe import Markup

from crystalforge.symmetry import space_group

NOTHING = "–"
_COUNT = re.compile(r"(\d+(?:\.\d+)?)")
_ROTOINVERSION = re.compile(r"-(\d)")
_SCREW = re.compile(r"_(\d)")
LEAST_DIGITS_BELOW = 0.1
"""Shares below 10 % have a digit more."""


def integer(value: float | None) -> str:
    """50000 as ``50,000``, with a thin space."""
    return NOTHING if value is None else f"{value:,.0f}".replace(",", "\u202f")


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.{digits}g}".replace("-", "−") if abs(value) < 10**digits else integer(value)


def fixed(value: float | None, places: int = 3) -> str:
    """A number with so many places behind the point, with a true minus sign."""
    if value is None:
        return NOTHING
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def percent(value: float | None) -> str:
    """A share as per cent, one place more below 10 %."""
    if value is None:
        return NOTHING
    places = 0 if value in (0, 1) else 2 if value < LEAST_DIGITS_BELOW / 10 else 1
    return f"{100 * value:.{places}f}\u202f%"


def formula(text: str | None) -> Markup:
    """A formula with its counts as subscripts; a count of 1 is left out."""
    if not text:
        return Markup.escape(NOTHING)
    return Markup(_COUNT.sub(r"<sub>\1</sub>", escape(text)))  # noqa: S704 (escaped)


def symbol(space_group_number: int) -> Markup:
    """The international symbol, rotoinversions with their bar: ``Fm3̅m``."""
    text = escape(space_group(space_group_number).international_symbol)
    barred = _ROTOINVERSION.sub(r'<span class="bar">\1</span>', text)
    screwed = _SCREW.sub(r"<sub>\1</sub>", barred)
    return Markup(f'<span class="hm">{screwed}</span>')  # noqa: S704 (escaped)


def day(moment: str | None) -> str:
    """The day and minute of an ISO 8601 time."""
    return NOTHING if not moment else moment[:16].replace("T", " ") + " UTC"


FILTERS: dict[str, Any] = {
    "integer": integer,
    "number": number,
    "fixed": fixed,
    "percent": percent,
    "formula": formula,
    "symbol": symbol,
    "day": day,
}
