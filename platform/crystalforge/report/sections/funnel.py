"""From drawn to validated: counts of all samples, shares of those screened beside their nulls, calculations."""

from __future__ import annotations

from typing import Any

from crystalforge.report.context import ReportContext
from crystalforge.report.section import Section
from crystalforge.report.sections.energies import screen_commands
from crystalforge.report.sources import NULL_WORDS, ORDER, source_of
from crystalforge.screening.funnel import JUDGED, PLAIN_STEPS, Counting, Share, Step, interval, share_of

DRAWN = """
SELECT count(*) AS drawn, count(base_frac_coords) AS merged, count_if(status = 'accepted')::BIGINT AS accepted
FROM samples WHERE generation_id = $generation
"""
# Of this generation alone: an equal crystal of another home's generation does not count here.
DISTINCT = """
SELECT count(DISTINCT crystal_id) AS crystals,
  count(DISTINCT crystal_id) FILTER (WHERE NOT EXISTS (
    SELECT 1 FROM materials WHERE materials.reduced_formula = samples.reduced_formula
    AND materials.space_group_number = samples.space_group_number)) AS new_formulas
FROM samples WHERE generation_id = $generation AND status = 'accepted'
"""
SCREENED = (
    "SELECT * FROM funnel WHERE space_group_number IS NULL AND screening_id = $screening AND reference = $reference"
)
COMPUTED = """
WITH ours AS (SELECT DISTINCT crystal_id FROM samples WHERE generation_id = $generation AND status = 'accepted')
SELECT recipe, engine, count(*) AS queued,
  count_if(state IN ('validated', 'unstable'))::BIGINT AS computed,
  count_if(state = 'validated')::BIGINT AS validated,
  count_if(state = 'unstable')::BIGINT AS unstable,
  count_if(state IN ('failed', 'quarantined'))::BIGINT AS failed,
  count_if(state IN ('ready', 'dispatching', 'running', 'paused'))::BIGINT AS waiting
FROM validations JOIN ours USING (crystal_id)
WHERE element IS NULL AND engine <> 'stand-in'
GROUP BY ALL ORDER BY computed DESC, recipe
"""
CRYSTALS_COMPUTED = """
WITH ours AS (SELECT DISTINCT crystal_id FROM samples WHERE generation_id = $generation AND status = 'accepted')
SELECT count(DISTINCT crystal_id) FILTER (WHERE state IN ('validated', 'unstable')) AS computed,
  count(DISTINCT crystal_id) FILTER (WHERE state = 'validated') AS validated
FROM validations JOIN ours USING (crystal_id)
WHERE element IS NULL AND engine <> 'stand-in'
"""
SHOWN_PLAIN = ("n_accepted", "n_converged", "n_unique", "n_novel", "n_new_formula")
SHOWN_JUDGED = ("n_nearly_stable", "n_stable", "n_msun", "n_sun")
WORDS = {
    "n_accepted": ("accepted", "passed the geometric checks of the generation"),
    "n_converged": ("relaxed to the end", "the potential's forces fell below the limit"),
    "n_unique": ("unique", "first of its kind among the relaxed crystals"),
    "n_novel": ("novel", "no crystal of the dataset matches it after relaxation"),
    "n_new_formula": ("new formula", "neither dataset nor reference has its formula"),
    "n_nearly_stable": ("within 0.1 eV/atom of the hull", ""),
    "n_stable": ("on or under the hull", "at most 0 eV/atom"),
    "n_msun": ("M.S.U.N.", "within 0.1 eV/atom, unique and novel"),
    "n_sun": ("S.U.N.", "at most 0 eV/atom, unique and novel"),
}


def make(context: ReportContext) -> Section:
    """The strip of numbers, and the steps of the screened samples."""
    drawn = context.rows(DRAWN)[0] | context.rows(DISTINCT)[0]
    pools = sorted((_pool(context, row) for row in context.screened), key=lambda pool: ORDER.index(pool["source"].role))
    computed = context.rows(COMPUTED)
    crystals = context.rows(CRYSTALS_COMPUTED)[0]
    values = {
        "drawn": drawn,
        "nulls": _null_acceptance(context),
        "null_words": NULL_WORDS,
        "screened": context.screened,
        "pools": pools,
        "steps": [_step(count, pools) for count in (*SHOWN_PLAIN, *SHOWN_JUDGED)] if pools else [],
        "computed": computed,
        "strip": _strip(drawn, pools, crystals),
        "screen_commands": screen_commands(context),
        "validate_command": "platform validate enqueue --recipe gpaw-quick --limit 12",
    }
    lead = "What is left of the samples at each step, from the first draw to a calculation."
    return Section("funnel", "From drawn to validated", lead, values)


def _pool(context: ReportContext, screened: dict[str, Any]) -> dict[str, Any]:
    row = context.rows(SCREENED, screening=screened["screening_id"], reference=screened["reference"])[0]
    return {"source": source_of(screened["source"]), "row": row}


def _step(count: str, pools: list[dict[str, Any]]) -> dict[str, Any]:
    """One step with its share in every pool; where the hull has gaps, the lower bound and the share as judged."""
    judged = {column: name for name, column in JUDGED.items()}
    plain = {step.count: step for step in PLAIN_STEPS}
    name, words = WORDS[count]
    shares = []
    for pool in pools:
        if count in plain:
            low = high = share_of(plain[count], pool["row"])
        else:
            low, high = (
                share_of(Step(judged[count], count, way), pool["row"]) for way in (Counting.LOWER, Counting.FACE)
            )
        shares.append({"source": pool["source"], "lower": low, "face": high})
    return {"name": name, "words": words, "rests_on_hull": count in judged, "shares": shares}


def _null_acceptance(context: ReportContext) -> list[dict[str, Any]]:
    found = []
    for samples in context.nulls:
        k, n = int(samples.accepted.sum()), len(samples)
        low, high = interval(k, n)
        found.append({"source": source_of(samples.source), "share": Share("accepted", None, k, n, k / n, low, high)})
    return found


def _strip(drawn: dict[str, Any], pools: list[dict[str, Any]], crystals: dict[str, Any]) -> list[dict[str, Any]]:
    """The numbers at the head: what is counted, how many, of what."""
    strip = [
        {"n": drawn["drawn"], "name": "drawn", "words": "samples of the models"},
        {"n": drawn["accepted"], "name": "accepted", "words": "room between the atoms"},
        {"n": drawn["crystals"], "name": "different", "words": "no crystal twice"},
    ]
    if pools and pools[0]["source"].role == "generated":
        row = pools[0]["row"]
        strip += [
            {"n": row["n_drawn"], "name": "screened", "words": "of the drawn, at random"},
            {"n": row["n_msun"], "name": "M.S.U.N.", "words": "near the hull, unique and novel, of these"},
        ]
    strip += [
        {"n": crystals["computed"], "name": "computed", "words": "by density functional theory"},
        {"n": crystals["validated"], "name": "validated", "words": "within 0.1 eV/atom there too"},
    ]
    return strip
