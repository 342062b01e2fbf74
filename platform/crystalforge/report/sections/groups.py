"""A row per space group: what was learned from, drawn, accepted, screened and computed."""

from __future__ import annotations

from typing import Any

from crystalforge.report.context import ReportContext
from crystalforge.report.section import Section
from crystalforge.report.sources import source_of
from crystalforge.screening.funnel import Counting, Step, share_of
from crystalforge.symmetry import crystal_system_of

DRAWN = """
SELECT space_group_number, count(*) AS drawn, count_if(status = 'accepted')::BIGINT AS accepted,
  count(DISTINCT crystal_id) FILTER (WHERE status = 'accepted') AS crystals,
  median(volume_per_atom) FILTER (WHERE status = 'accepted') AS volume_per_atom
FROM samples WHERE generation_id = $generation GROUP BY ALL
"""
REAL = """
SELECT space_group_number, count(*) AS real, median(volume_per_atom) AS real_volume_per_atom
FROM materials WHERE dataset_id = $dataset GROUP BY ALL
"""
SCREENED = """
SELECT funnel.*, median_energy
FROM funnel LEFT JOIN (
  SELECT space_group_number, median(energy_above_hull) AS median_energy FROM discoveries
  WHERE screening_id = $screening AND reference = $reference GROUP BY ALL
) USING (space_group_number)
WHERE screening_id = $screening AND reference = $reference AND space_group_number IS NOT NULL
"""
COMPUTED = """
WITH ours AS (
  SELECT DISTINCT crystal_id, space_group_number FROM samples WHERE generation_id = $generation AND status = 'accepted'
)
SELECT ours.space_group_number,
  count(DISTINCT crystal_id) FILTER (WHERE state IN ('validated', 'unstable')) AS computed,
  count(DISTINCT crystal_id) FILTER (WHERE state = 'validated') AS validated
FROM validations JOIN ours USING (crystal_id)
WHERE element IS NULL AND engine <> 'stand-in' GROUP BY ALL
"""
COLUMNS = ("real", "real_volume_per_atom", "drawn", "accepted", "crystals", "volume_per_atom", "computed", "validated")
MSUN = Step("M.S.U.N.", "n_msun", Counting.FACE)


def make(context: ReportContext) -> Section:
    """All space groups of the generation."""
    leading = next((row for row in context.screened if row["source"] == "samples"), None)
    screened = (
        _by_group(context.rows(SCREENED, screening=leading["screening_id"], reference=leading["reference"]))
        if leading
        else {}
    )
    drawn, real, computed = (_by_group(context.rows(sql)) for sql in (DRAWN, REAL, COMPUTED))
    nulls = _null_shares(context)
    rows = [
        {
            "space_group_number": number,
            "crystal_system": crystal_system_of(number),
            "nulls": nulls.get(number, {}),
            **dict.fromkeys(COLUMNS),
            **real.get(number, {}),
            **drawn.get(number, {}),
            **computed.get(number, {}),
            "screened": screened.get(number),
            "msun": share_of(MSUN, screened[number]) if number in screened else None,
        }
        for number in sorted(context.counts, key=lambda number: -context.counts[number])
    ]
    values = {
        "rows": rows,
        "null_sources": [source_of(samples.source) for samples in context.nulls],
        "is_screened": bool(screened),
        "is_computed": bool(computed),
    }
    lead = "Each model learned one space group. Click a heading to sort."
    return Section("groups", "Space groups", lead, values)


def _by_group(rows: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {int(row["space_group_number"]): row for row in rows}


def _null_shares(context: ReportContext) -> dict[int, dict[str, tuple[int, int]]]:
    """Space group → null → accepted and drawn."""
    shares: dict[int, dict[str, tuple[int, int]]] = {}
    for samples in context.nulls:
        for number in context.counts:
            mine = samples.space_group_number == number
            if mine.any():
                shares.setdefault(number, {})[samples.source] = (int(samples.accepted[mine].sum()), int(mine.sum()))
    return shares
