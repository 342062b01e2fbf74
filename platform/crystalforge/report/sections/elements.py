"""Which elements stand on the sites: a heat map of the periodic table, and another of the ratio to real crystals."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from crystalforge.report.context import ReportContext
from crystalforge.report.formats import percent
from crystalforge.report.section import Absent, Section
from crystalforge.viewer import Scale, periodic_table

COUNTS = """
SELECT element, count(*) AS sites FROM (SELECT unnest(elements) AS element FROM {table} WHERE {owner})
GROUP BY ALL ORDER BY sites DESC
"""
# Of the draws, not of the different crystals: a crystal that is drawn often weighs what it was drawn.
DRAWN = COUNTS.format(table="samples", owner="generation_id = $generation AND status = 'accepted'")
REAL = COUNTS.format(table="materials", owner="dataset_id = $dataset AND list_contains($groups, space_group_number)")
LEAST_RATIO = 1.0
"""log2: the strongest shade is a factor of 2 at least."""
LEAST_SITES = 20
"""Of the drawn and the real together, for a ratio: fewer are chance."""


def make(context: ReportContext) -> Section:
    """Two maps: share of the sites, and log2 of that share over the real one."""
    title = "Elements"
    drawn = _sites(context.rows(DRAWN))
    if not drawn:
        command = "platform generate --count 50000"
        return Section("elements", title, absent=Absent("No sample of this generation was accepted.", (command,)))
    real = _sites(context.rows(REAL, groups=list(context.counts)))
    n_drawn, n_real = sum(drawn.values()), sum(real.values())
    shares = {symbol: n / n_drawn for symbol, n in drawn.items()}
    details = {
        symbol: f"{drawn.get(symbol, 0):,} of {n_drawn:,} sites drawn; {real.get(symbol, 0):,} of {n_real:,} real"
        for symbol in {*drawn, *real}
    }
    maps = {
        "share": periodic_table(
            shares, caption="Share of the sites of accepted samples", scale=Scale.LOGARITHMIC,
            text_of=percent, details=details,
        )
    }  # fmt: skip
    if real:
        maps["ratio"] = periodic_table(
            _ratios(drawn, real), caption="log₂ of the share drawn over the real share: +1 is twice as often",
            scale=Scale.DIVERGING, text_of=_signed, details=details, least_most=LEAST_RATIO,
        )  # fmt: skip
    values: dict[str, Any] = {
        "maps": {name: Markup(html) for name, html in maps.items()},  # noqa: S704 (made and escaped by periodic_table)
        "n_drawn": n_drawn,
        "n_real": n_real,
        "absent": sorted(set(real) - set(drawn)),
        "least_sites": LEAST_SITES,
    }
    return Section("elements", title, "What the three sites of the accepted samples are made of.", values)


def _sites(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {row["element"]: row["sites"] for row in rows}


def _ratios(drawn: dict[str, int], real: dict[str, int]) -> dict[str, float | None]:
    n_drawn, n_real = sum(drawn.values()), sum(real.values())
    return {
        symbol: math.log2((n / n_drawn) / (real[symbol] / n_real))
        for symbol, n in drawn.items()
        if symbol in real and n + real[symbol] >= LEAST_SITES
    }


def _signed(value: float) -> str:
    text = f"{value:+.2f}".replace("-", "−")
    return "0" if text[1:] == "0.00" else text
