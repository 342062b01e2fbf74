"""A heat map on the periodic table as HTML: no script, readable in print, in dark and by a screen reader."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from html import escape

from crystalforge.crystals.elements import SYMBOLS, atomic_number

N_COLUMNS = 18
PERIOD_ENDS = (0, 2, 10, 18, 36, 54, 86, 118)
"""Atomic numbers of the noble gases that end the periods."""
F_BLOCK = {6: (57, 71), 7: (89, 103)}
"""First and last element of the rows below the table, by period."""
F_BLOCK_ROW = 9
"""Row of the lanthanides; the actinides follow, and a gap stands above."""
F_BLOCK_COLUMN = 3
LEGEND_STEPS = 24


class Scale(StrEnum):
    """How a value becomes a shade."""

    LINEAR = "linear"
    """0 is the palest, the largest value the strongest."""
    LOGARITHMIC = "logarithmic"
    """From the least value above 0 to the largest."""
    DIVERGING = "diverging"
    """0 is neutral; as much below as above has the same strength in another colour."""


def element_position(number: int) -> tuple[int, int]:
    """Row and column, from 1, of an atomic number in the table of 18 columns; the f block stands in rows 9 and 10."""
    period = next(row for row, end in enumerate(PERIOD_ENDS) if number <= end)
    first, last = F_BLOCK.get(period, (0, -1))
    if first <= number <= last:
        return F_BLOCK_ROW + period - 6, F_BLOCK_COLUMN + number - first
    from_start, from_end = number - PERIOD_ENDS[period - 1], PERIOD_ENDS[period] - number
    is_left = from_start <= (1 if period == 1 else 2)
    return period, from_start if is_left else N_COLUMNS - from_end


def periodic_table(
    values: Mapping[str, float | None],
    *,
    caption: str,
    unit: str = "",
    scale: Scale = Scale.LINEAR,
    text_of: Callable[[float], str] = "{:.3g}".format,
    details: Mapping[str, str] | None = None,
    least_most: float = 0.0,
) -> str:
    """A periodic table whose cells are shaded by a value.

    Each cell is a ``div`` with ``data-symbol``, so that a page can make it a choice. Shades are mixed by the browser
    from the page's colours (``static/periodic_table.css``).

    Args:
        values: by symbol; an element that is absent or None is shown without a shade.
        caption: what is shown, for the legend and for screen readers.
        unit: of the values, for the legend.
        scale: how a value becomes a shade.
        text_of: how a value is written.
        details: more words by symbol, shown when a pointer rests on the cell.
        least_most: the strongest shade stands for this value at least, so that small values look small.

    Raises:
        UsageError: a symbol is no element's.
    """
    known = {symbol: float(value) for symbol, value in values.items() if value is not None and math.isfinite(value)}
    atomic_number(list(known) or ["H"])
    least, most = _ends(known, scale, least_most)
    cells = []
    for number, symbol in enumerate(SYMBOLS[1:], start=1):
        row, column = element_position(number)
        value = known.get(symbol)
        said = "no value" if value is None else f"{text_of(value)} {unit}".strip()
        more = (details or {}).get(symbol)
        title = escape(f"{symbol}: {said}" + (f"\n{more}" if more else ""), quote=True)
        shade = "" if value is None else _shade(value, least, most, scale)
        kind = "element" if value is not None else "element element-none"
        shown = "" if value is None else f"<small>{escape(text_of(value))}</small>"
        cells.append(
            f'<div class="{kind}" role="listitem" data-symbol="{symbol}" title="{title}" '
            f'style="grid-area:{row}/{column};{shade}"><sup>{number}</sup><b>{symbol}</b>{shown}</div>'
        )
    legend = _legend(caption, unit, least, most, scale, text_of) if known else f"{escape(caption)}: no values"
    return (
        f'<figure class="periodic-table periodic-{scale}"><div class="elements" role="list" '
        f'aria-label="{escape(caption, quote=True)}">{"".join(cells)}</div><figcaption>{legend}</figcaption></figure>'
    )


def _ends(known: Mapping[str, float], scale: Scale, least_most: float) -> tuple[float, float]:
    if scale is Scale.DIVERGING:
        most = max([least_most, *(abs(value) for value in known.values())])
        return -most, most
    positive = [value for value in known.values() if value > 0]
    least = min(positive, default=0.0) if scale is Scale.LOGARITHMIC else 0.0
    return least, max([least_most, *positive])


def _fraction(value: float, least: float, most: float, scale: Scale) -> float:
    """Of the way from the least to the most: 0 to 1; of a diverging scale -1 to 1."""
    if scale is Scale.DIVERGING:
        return value / most if most else 0.0
    if value <= 0 or most <= least:
        return float(value > 0)
    if scale is Scale.LOGARITHMIC:
        return math.log(value / least) / math.log(most / least)
    return value / most


def _shade(value: float, least: float, most: float, scale: Scale) -> str:
    """CSS variables: the strength in per cent, its side, and whether the text must be light on it."""
    fraction = _fraction(value, least, most, scale)
    strength = abs(fraction) if scale is not Scale.LOGARITHMIC or value <= 0 else 0.08 + 0.92 * fraction
    side = "var(--heat-below)" if fraction < 0 else "var(--heat-above)"
    ink = "var(--heat-ink-strong)" if strength > 0.52 else "var(--heat-ink)"
    return f"--strength:{100 * strength:.1f}%;--side:{side};color:{ink}"


def _legend(caption: str, unit: str, least: float, most: float, scale: Scale, text_of: Callable[[float], str]) -> str:
    steps = [step / (LEGEND_STEPS - 1) for step in range(LEGEND_STEPS)]
    if scale is Scale.LOGARITHMIC and most > least > 0:
        values = [least * (most / least) ** step for step in steps]
    else:
        values = [least + (most - least) * step for step in steps]
    bar = "".join(f'<i style="{_shade(value, least, most, scale)}"></i>' for value in values)
    suffix = f" ({scale})" if scale is Scale.LOGARITHMIC else ""
    ends = [f"{text_of(value)} {unit}".strip() for value in (least, most)]
    return (
        f'<span class="heat-caption">{escape(caption + suffix)}</span> <span class="heat-ends">{escape(ends[0])}</span>'
        f'<span class="heat-bar" aria-hidden="true">{bar}</span><span class="heat-ends">{escape(ends[1])}</span>'
    )
