"""Energy above hull: of the screened samples, their nulls and real crystals; and the screening beside calculations."""

from __future__ import annotations

from typing import Any

from crystalforge.evaluation.samples import NOISE
from crystalforge.report.context import ReportContext
from crystalforge.report.figures import DIGITS, Figure, Trace, cumulative, figure, steps, vertical
from crystalforge.report.section import Absent, Section
from crystalforge.report.sources import ORDER, source_of

SCREENED = "SELECT energy_above_hull FROM discoveries WHERE screening_id = $screening AND reference = $reference"
REAL = """
SELECT energy_above_hull FROM stabilities
WHERE source = 'materials' AND reference = $reference AND potential = $potential AND energy_above_hull IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY source_id ORDER BY energy_above_hull) = 1
"""
PAIRS = """
SELECT formula, space_group_number, recipe, source, structure, screened_energy_above_hull, energy_above_hull
FROM calibration_pairs
WHERE source = 'materials' OR crystal_id IN (SELECT crystal_id FROM samples WHERE generation_id = $generation)
ORDER BY recipe, source, formula
"""
CALIBRATIONS = "SELECT * FROM calibrations WHERE space_group_number IS NULL ORDER BY n DESC, recipe, source"
AXIS = (-0.4, 1.0)
"""eV/atom; what lies outside is said in words."""
BIN = 0.02
NEARLY_STABLE = 0.1
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


def make(context: ReportContext) -> Section:
    """Two pictures of one quantity, and the calibration where there is one."""
    title = "Energy above hull"
    pairs = context.rows(PAIRS)
    if not context.screened and not pairs:
        why = "No sample of this generation was relaxed and put on a hull."
        commands = (
            "platform screen --source materials --limit 200 --reference HULL.parquet",
            *screen_commands(context),
        )
        return Section("energies", title, absent=Absent(why, commands))
    pools = _pools(context)
    figures: dict[str, Figure] = {}
    if pools:
        figures |= {"energy-cumulative": _cumulative(pools), "energy-histogram": _histogram(pools)}
    if pairs:
        figures["energy-calibration"] = _calibration(pairs)
    values = {
        "pools": [pool | {"outside": _outside(pool["values"])} for pool in pools],
        "screened": context.screened[0] if context.screened else None,
        "calibrations": context.rows(CALIBRATIONS),
        "axis": AXIS,
    }
    lead = "How far above the convex hull of known crystals a relaxed crystal lies; below 0 it is under that hull."
    return Section("energies", title, lead, values, figures)


def screen_commands(context: ReportContext) -> list[str]:
    """Commands that relax and judge raw samples of the generation, and of a null."""
    return [
        f"platform screen --source {source} --generation {context.generation_id} --limit 1000 --reference HULL.parquet"
        for source in ("samples", NOISE)
    ]


def _pools(context: ReportContext) -> list[dict[str, Any]]:
    """Each source with its energies and the number of its samples that were drawn for screening."""
    pools = []
    for row in context.screened:
        found = context.rows(SCREENED, screening=row["screening_id"], reference=row["reference"])
        values = [one["energy_above_hull"] for one in found if one["energy_above_hull"] is not None]
        pools.append({"source": source_of(row["source"]), "values": values, "n": len(found)})
    if context.screened:
        leading = context.screened[0]
        real = context.rows(REAL, reference=leading["reference"], potential=leading["potential"])
        if real:
            values = [row["energy_above_hull"] for row in real]
            pools.append({"source": source_of("materials"), "values": values, "n": len(values)})
    return sorted(pools, key=lambda pool: ORDER.index(pool["source"].role))


def _lines() -> dict[str, Any]:
    shapes, words = zip(vertical(0.0, "hull", "right"), vertical(NEARLY_STABLE, "0.1"), strict=True)
    return {"shapes": list(shapes), "annotations": list(words)}


def _cumulative(pools: list[dict[str, Any]]) -> Figure:
    return figure(
        [cumulative(pool["source"], pool["values"], pool["n"]) for pool in pools],
        x="energy above hull (eV/atom)",
        y="share of the samples drawn",
        described="Cumulative share of the samples drawn that lie at most so far above the hull, by source.",
        x_axis={"range": list(AXIS)},
        y_axis={"range": [0, 1.02], "tickformat": ".0%"},
        **_lines(),
    )


def _histogram(pools: list[dict[str, Any]]) -> Figure:
    n_bins = round((AXIS[1] - AXIS[0]) / BIN)
    centres = [AXIS[0] + (place + 0.5) * BIN for place in range(n_bins)]
    traces = []
    for pool in pools:
        counts = [0] * n_bins
        for value in pool["values"]:
            if AXIS[0] <= value < AXIS[1]:
                counts[min(int((value - AXIS[0]) / BIN), n_bins - 1)] += 1
        traces.append(steps(pool["source"], counts, len(pool["values"]), centres))
    return figure(
        traces,
        x="energy above hull (eV/atom)",
        y=f"share per {BIN:g} eV/atom",
        described="Histogram of the energy above hull of the relaxed crystals, by source.",
        x_axis={"range": list(AXIS)},
        y_axis={"rangemode": "tozero", "tickformat": ".0%"},
        **_lines(),
    )


def _outside(values: list[float]) -> int:
    return sum(not AXIS[0] <= value < AXIS[1] for value in values)


def _calibration(pairs: list[dict[str, Any]]) -> Figure:
    """A mark for each crystal that was both screened and computed."""
    values = [row[name] for row in pairs for name in ("screened_energy_above_hull", "energy_above_hull")]
    ends = [min(values) - 0.02, max(values) + 0.02]
    diagonal: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": ends,
        "y": ends,
        "line": {"color": "role:soft", "width": 1, "dash": "dot"},
        "showlegend": False,
        "hoverinfo": "skip",
    }
    keys = list(dict.fromkeys((row["recipe"], row["source"]) for row in pairs))
    recipes = list(dict.fromkeys(recipe for recipe, _ in keys))
    return figure(
        [
            diagonal,
            *(_marks(pairs, recipe, source, SYMBOLS[recipes.index(recipe) % len(SYMBOLS)]) for recipe, source in keys),
        ],
        x="calculated energy above hull (eV/atom)",
        y="screened (eV/atom)",
        described="Energy above hull by the potential of the screening against that of the calculation.",
        height=400,
        x_axis={"range": ends},
        y_axis={"range": ends},
    )


def _marks(pairs: list[dict[str, Any]], recipe: str, source: str, mark: str) -> Trace:
    mine = [row for row in pairs if (row["recipe"], row["source"]) == (recipe, source)]
    is_real = source == "materials"
    role = "real" if is_real else "generated"
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [round(row["energy_above_hull"], DIGITS) for row in mine],
        "y": [round(row["screened_energy_above_hull"], DIGITS) for row in mine],
        "text": [f"{row['formula']}, {row['space_group_number']}, {row['structure']}" for row in mine],
        "name": f"{recipe}, {'real' if is_real else 'drawn'} (n = {len(mine)})",
        "marker": {
            "color": f"role:{role}",
            "size": 9,
            "symbol": f"{mark}-open" if is_real else mark,
            "line": {"width": 1.4, "color": f"role:{role}"},
            "opacity": 0.85,
        },
        "hovertemplate": "%{text}<br>calculated %{x:.3f}, screened %{y:.3f} eV/atom<extra></extra>",
    }
