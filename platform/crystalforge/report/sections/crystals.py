"""The best crystals: chosen by SQL, each as a scene for the viewer, with its data and how it came to be."""

from __future__ import annotations

from typing import Any

from crystalforge.catalog.lineage import Lineage, trace_in
from crystalforge.errors import QueryError, UsageError
from crystalforge.export import cif_text
from crystalforge.report.alike import Different, first_different
from crystalforge.report.context import ReportContext
from crystalforge.report.lineage_steps import lineage_steps
from crystalforge.report.section import Absent, Section
from crystalforge.viewer import crystal_scene

DEFAULT_WHERE = "NOT is_known"
DEFAULT_ORDER = (
    "CASE validation_state WHEN 'validated' THEN 0 WHEN 'unstable' THEN 2 ELSE 1 END, "
    "systems_without_reference IS NOT NULL, coalesce(computed_energy_above_hull, energy_above_hull) NULLS LAST, "
    "abs(min_contact_ratio - 1)"
)
ORDER_IN_WORDS = (
    "first those that a calculation found within 0.1 eV/atom of the hull, last those that it did not; among the others "
    "those whose hull has a known compound in every system of their elements; then by energy above hull; without any "
    "energy those whose least contact is nearest to the sum of the atomic radii"
)
MOST = 100
"""Crystals in a report: each has its cells and its CIF in the page."""
LOOKED_AT = 50
"""Rows that are looked at for each crystal that is wanted, where those that are alike are left out."""
CHOSEN = """
SELECT * FROM crystals WHERE source = 'candidates' AND origin = $generation AND (
{where}
)
ORDER BY {order_by}
, crystal_id LIMIT {limit}
"""
ACCEPTED = "SELECT count(*) AS n FROM samples WHERE generation_id = $generation AND status = 'accepted'"
CALCULATIONS = """
SELECT recipe, engine, state, structure, energy_above_hull, reason, cpu_s, systems_without_reference
FROM validations WHERE crystal_id = $crystal ORDER BY calculation_id
"""
JUDGEMENTS = """
SELECT stabilities.*, is_unique, is_novel, is_new_formula, known_as
FROM stabilities LEFT JOIN discoveries USING (relaxation_id, reference)
WHERE stabilities.crystal_id = $crystal ORDER BY stabilities.energy_above_hull NULLS LAST
"""


def make(context: ReportContext) -> Section:
    """The chosen crystals.

    Raises:
        UsageError: more crystals than a page should hold, or none.
        QueryError: the condition or the order is refused or wrong.
    """
    title = "The best crystals"
    found = _choose(context)
    if not found.rows:
        if context.choice.where:
            raise UsageError(
                f"No candidate of generation {context.generation_id} WHERE {context.choice.where}: expected at least "
                "one. Look with `platform sql`: columns of the view crystals."
            )
        return Section("crystals", title, absent=_why_none(context))
    left_out = sum(found.alike)
    if left_out:
        context.say(
            f"Of the {found.looked_at} best crystals {left_out} equal a better one: left out (--alike has them)."
        )
    context.say(f"Tracing {len(found.rows)} crystals.")
    crystals = [
        _crystal(context, rank, row) | {"alike": alike}
        for rank, (row, alike) in enumerate(zip(found.rows, found.alike, strict=True), start=1)
    ]
    values = {
        "crystals": crystals,
        "where": context.choice.where or DEFAULT_WHERE,
        "order": context.choice.order_by or ORDER_IN_WORDS,
        "is_default_order": context.choice.order_by is None,
        "has_energies": any(row["energy_above_hull"] is not None for row in found.rows),
        "looked_at": found.looked_at,
        "left_out": left_out,
        "screen_command": f"platform screen --generation {context.generation_id} --limit 1000 --reference HULL.parquet",
    }
    data = [{key: crystal[key] for key in ("scene", "cif", "name", "sql")} for crystal in crystals]
    lead = "Drag to turn, scroll or pinch to zoom, choose another from the list."
    return Section("crystals", title, lead, values, data=data)


def _why_none(context: ReportContext) -> Absent:
    if not context.rows(ACCEPTED)[0]["n"]:
        return Absent("No sample of this generation was accepted.", ("platform generate --count 50000",))
    return Absent(
        "Every candidate of this generation has a formula that the dataset has in its space group.",
        (f"platform report --generation {context.generation_id} --where true",),
    )


def _choose(context: ReportContext) -> Different:
    choice = context.choice
    if not 1 <= choice.top <= MOST:
        raise UsageError(f"--top {choice.top}: expected 1 to {MOST} crystals; more belong in `platform export`.")
    # The texts of the user are SQL on purpose; the catalog lets them read its tables and do nothing else.
    limit = choice.top if choice.alike else LOOKED_AT * choice.top
    sql = CHOSEN.format(
        where=choice.where or DEFAULT_WHERE, order_by=choice.order_by or DEFAULT_ORDER, limit=int(limit)
    )
    try:
        table = context.table(sql)
    except QueryError as error:
        if not (choice.where or choice.order_by):
            raise
        raise QueryError(f"--where or --order-by of the best crystals: {error}") from error
    if choice.alike:
        return Different(table.to_pylist(), [0] * table.num_rows, table.num_rows)
    return first_different(context.catalog, table, choice.top)


def _crystal(context: ReportContext, rank: int, row: dict[str, Any]) -> dict[str, Any]:
    crystal_id = row["crystal_id"]
    lineage = trace_in(context.catalog, context.home, crystal_id)
    judgements = context.rows(JUDGEMENTS, crystal=crystal_id)
    calculations = context.rows(CALCULATIONS, crystal=crystal_id)
    relaxed = _relaxed(lineage, judgements)
    return {
        "rank": rank,
        "row": row,
        "name": f"{rank:02d}-{row['reduced_formula']}-{row['space_group_number']}",
        "scene": crystal_scene(row, relaxed),
        "cif": cif_text(row, properties={"crystal_id": crystal_id, "sample_id": row["source_id"]}),
        "sql": f"SELECT * FROM crystals WHERE crystal_id = '{crystal_id}'",  # noqa: S608 (a text to copy)
        "judgement": judgements[0] if judgements else None,
        "calculations": calculations,
        "relaxed": relaxed,
        "steps": lineage_steps(row, lineage, relaxed, judgements, calculations),
        "neighbours": lineage.neighbours,
        "sites": list(
            zip(row["elements"], row["wyckoff_letters"], row["multiplicities"], row["base_frac_coords"], strict=True)
        ),
    }


def _relaxed(lineage: Lineage, judgements: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The relaxation that the lowest energy above hull is of; else the first that ended well."""
    converged = {row["relaxation_id"]: row for row in lineage.relaxations if row["status"] == "converged"}
    judged = [converged[row["relaxation_id"]] for row in judgements if row["relaxation_id"] in converged]
    return next(iter([*judged, *converged.values()]), None)
