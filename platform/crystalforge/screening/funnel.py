"""From drawn to stable, unique and novel: shares of the samples drawn, with their intervals, as the view ``funnel``
counts them.

Where the reference has no compound in a system, an energy above hull may be too low. So each share that rests on it is
told three ways (``Counting``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crystalforge.catalog.query import open_catalog
from crystalforge.errors import UsageError
from crystalforge.home import Home

CONFIDENCE = 0.95


class Counting(StrEnum):
    """What is done with crystals in systems that the reference does not cover."""

    LOWER = "uncovered as not stable"
    """Of all drawn: a lower bound."""
    COVERED = "uncovered left out"
    """Of the drawn less the converged that are uncovered; what was rejected or did not converge stays in."""
    FACE = "uncovered as judged"
    """Of all drawn; flatters where the reference has gaps."""


@dataclass(frozen=True)
class Step:
    """One line of the funnel."""

    name: str
    count: str
    """Column of the view; with ``_covered`` behind it where only covered systems count."""
    counting: Counting | None = None
    """None: the line rests on no energy above hull."""


PLAIN_STEPS = (
    Step("accepted", "n_accepted"),
    Step("relaxed to the end", "n_converged"),
    Step("with an energy above hull", "n_judged"),
    Step("the same, in covered systems", "n_covered"),
    Step("unique (relaxed)", "n_unique"),
    Step("novel (relaxed, not in the dataset)", "n_novel"),
    Step("new formula (not in the dataset nor the reference)", "n_new_formula"),
    Step("not P1", "n_symmetric"),
)
JUDGED = {
    "within 0.1 eV/atom": "n_nearly_stable",
    "at most 0 eV/atom": "n_stable",
    "M.S.U.N. (within 0.1, unique, novel)": "n_msun",
    "S.U.N. (at most 0, unique, novel)": "n_sun",
    "M.S.S.U.N. (M.S.U.N., not P1)": "n_mssun",
    "S.S.U.N. (S.U.N., not P1)": "n_ssun",
}
NEW_FORMULA = Step("M.S.U.N. of a new formula", "n_msun_new_formula", Counting.FACE)
STEPS = (*PLAIN_STEPS, *(Step(name, column, way) for name, column in JUDGED.items() for way in Counting), NEW_FORMULA)


@dataclass(frozen=True)
class Share:
    """k of n, with the interval of Wilson at 95 %; all NaN-free: None where n is 0."""

    step: str
    counting: str | None
    k: int
    n: int
    share: float | None
    low: float | None
    high: float | None


def read_funnel(home: Home, screenings: Sequence[str] = (), reference: str | None = None) -> list[dict[str, Any]]:
    """Rows of the view ``funnel``, pooled rows before those of the space groups.

    Args:
        home: the home.
        screenings: only these; all by default.
        reference: only this one; all by default.

    Raises:
        UsageError: nothing fits.
        DamagedFileError: a file is damaged.
    """
    sql = (
        "SELECT * FROM funnel WHERE ($reference IS NULL OR reference = $reference) "
        "AND (len($screenings) = 0 OR list_contains($screenings, screening_id)) "
        "ORDER BY source, generation_id, screening_id, reference, space_group_number NULLS FIRST"
    )
    with open_catalog(home) as catalog:
        rows = catalog.query(sql, {"reference": reference, "screenings": list(screenings)}).to_pylist()
    absent = sorted(set(screenings) - {row["screening_id"] for row in rows})
    if absent or not rows:
        raise UsageError(
            f"No raw samples were judged{' in screening ' + ', '.join(absent) if absent else ''}: expected a "
            "screening with --source samples, or of a null, against a reference. Run `platform screen --source "
            "samples --generation ID` after one with --source materials, which fits the scale."
        )
    return rows


def shares(row: Mapping[str, Any]) -> list[Share]:
    """Every line of the funnel of one row of the view."""
    return [share_of(step, row) for step in STEPS]


def share_of(step: Step, row: Mapping[str, Any]) -> Share:
    """One line of the funnel."""
    covered_only = step.counting in (Counting.LOWER, Counting.COVERED)
    k = int(row[f"{step.count}_covered" if covered_only else step.count])
    n = int(row["n_drawn"])
    if step.counting is Counting.COVERED:
        n -= int(row["n_converged"]) - int(row["n_covered"])
    low, high = interval(k, n)
    counting = step.counting.value if step.counting else None
    return Share(step.name, counting, k, n, k / n if n else None, low, high)


def interval(k: int, n: int) -> tuple[float | None, float | None]:
    """Wilson's interval of a share, 95 %."""
    from scipy.stats import binomtest

    if not n:
        return None, None
    found = binomtest(k, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
