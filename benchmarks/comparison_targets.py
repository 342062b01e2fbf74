"""The targets of the recipe forge: which figure, which bound, whether it holds for every seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from comparison_figures import Figures

FORGE, DISTINCT, DONOR, REAL = "forge", "forge --distinct", "donor", "validation"
RATIOS = tuple(f"wasserstein_ratio_{name}" for name in ("log_volume_per_atom", "density", "contact_ratio"))
NULLS = ("noise", "random_triples", "real_cells")
TIE = 1e-9


@dataclass(frozen=True)
class Verdict:
    """One line of the table of targets."""

    text: str
    bound: str
    values: list[float]
    """Of each seed."""
    holds: bool
    detail: str = ""
    """Which space groups."""
    kind: str = "share"
    beside: tuple[float | None, ...] = ()
    """Donor copy, real crystals set aside and the best null, pooled unless the target is of one group."""
    n: int | None = None
    """What the first seed's figure counts."""


def verdicts(by_share: Figures, equal: Figures, neutral_share: float | None) -> list[Verdict]:
    """All targets.

    Args:
        by_share: groups by their share of the training crystals.
        equal: as many samples of each group.
        neutral_share: SMACT without the rule for alloys in the charge-balanced channel.
    """
    f = by_share
    found = [
        _pooled(f, "valid_pgcgm_novel_formula", "contact ≥ 0.75·(r_i + r_j), novel formulas", 0.98),
        _worst(f, "valid_pgcgm_novel_formula", "contact ≥ 0.75·(r_i + r_j), novel formulas, worst group", 0.95),
        _pooled(f, "valid_lemat", "contact ≥ 0.5·(r_i + r_j)", 0.999),
        _rejected(f),
        _against_donor(f, "structure_match", "structure match, composition and template given, pooled", _above, True),
        _against_donor(f, "structure_match", "structure match, every group", _above, False),
        _pooled(f, "structure_match", "structure match, 62", 0.95, 62),
        _against_donor(f, "structure_volume_error", "median error of log volume, every group", _below, False),
        _pooled(f, "rediscovered", "rediscovered", 0.65),
        _pooled(equal, "rediscovered", "rediscovered, equal shares per group", 0.50),
        _pooled(f, "distinct", "distinct (StructureMatcher)", 0.60),
        _pooled(f, "distinct", "distinct where asked (`--distinct`)", 0.95, model=DISTINCT),
        *(_ratio(f, metric) for metric in RATIOS),
        _at_least_real(f, "smact", "SMACT with the rule for alloys"),
        _at_least_real(f, "smact_without_alloys", "SMACT without it"),
    ]
    if neutral_share is not None:
        found.append(Verdict("SMACT without it, `--charge-balanced`", "≥ 95 %", [neutral_share], neutral_share >= 0.95))
    return [verdict for verdict in found if verdict.values]


def _all(values: list[float], test: Callable[[float], bool]) -> bool:
    return bool(values) and all(test(value) for value in values)


def _beside(f: Figures, metric: str, *, lower: bool = False, group: int | None = None) -> dict[str, Any]:
    """What a target's figure stands beside; ``lower``: the best null is the least."""
    nulls = [value for null in NULLS for value in f.values(metric, null, group)]
    best = (min(nulls) if lower else max(nulls)) if nulls else None
    return {
        "beside": (f.mean(metric, DONOR, group), f.mean(metric, REAL, group), best),
        "n": f.n(metric, FORGE, group),
    }


def _pooled(f: Figures, metric: str, text: str, bound: float, group: int | None = None, model: str = FORGE) -> Verdict:
    values = f.values(metric, model, group)
    holds = _all(values, lambda value: value >= bound)
    return Verdict(text, f"≥ {bound * 100:g} %", values, holds, **_beside(f, metric, group=group))


def _by_seed(f: Figures, metric: str, pick: Callable[..., tuple[float, int]]) -> list[tuple[float, int]]:
    """The picked (value, group) of each seed."""
    found = []
    for seed in f.seeds(FORGE):
        rows = [(f.rows.get((metric, FORGE, seed, group), {}).get("value"), group) for group in f.groups]
        known = [(value, group) for value, group in rows if value is not None]
        if known:
            found.append(pick(known))
    return found


def _worst(f: Figures, metric: str, text: str, bound: float) -> Verdict:
    found = _by_seed(f, metric, min)
    values = [value for value, _ in found]
    holds = _all(values, lambda value: value >= bound)
    return Verdict(text, f"≥ {bound * 100:g} %", values, holds, _groups(found), beside=_worst_beside(f, metric, min))


def _ratio(f: Figures, metric: str) -> Verdict:
    found = _by_seed(f, metric, max)
    values = [value for value, _ in found]
    name = metric.removeprefix("wasserstein_ratio_").replace("_", " ")
    text = f"Wasserstein distance over that of two halves, {name}, worst group"
    holds = _all(values, lambda value: value <= 1.0)
    return Verdict(text, "≤ 1.0", values, holds, _groups(found), "number", _worst_beside(f, metric, max))


def _worst_beside(f: Figures, metric: str, worst: Callable[..., float]) -> tuple[float | None, ...]:
    """The worst group of the donor copy, of real crystals (the training ones for distances), and of the best null."""

    def of(model: str) -> float | None:
        known = [value for group in f.groups if (value := f.mean(metric, model, group)) is not None]
        return worst(known) if known else None

    best = min if worst is max else max
    nulls = [value for null in NULLS if (value := of(null)) is not None]
    real = of(REAL)
    return of(DONOR), of("training") if real is None else real, best(nulls) if nulls else None


def _groups(found: list[tuple[float, int]]) -> str:
    return ", ".join(str(group) for group in dict.fromkeys(group for _, group in found)) if found else ""


def _rejected(f: Figures) -> Verdict:
    values = [1.0 - value for value in f.values("accepted", FORGE)]
    known = _beside(f, "accepted")
    rejected = tuple(None if value is None else 1.0 - value for value in known["beside"])
    holds = _all(values, lambda value: value <= 0.01)
    return Verdict("percolated or otherwise rejected", "≤ 1 %", values, holds, beside=rejected, n=known["n"])


def _at_least_real(f: Figures, metric: str, text: str) -> Verdict:
    values, real = f.values(metric, FORGE), f.mean(metric, REAL) or 0.0
    return Verdict(text, "≥ real", values, _all(values, lambda value: value >= real), **_beside(f, metric))


def _above(ours: float, donors: float) -> bool:
    # At 1 nothing can be above; there a tie is all that can be had.
    return ours > donors + TIE or ours >= 1.0 - TIE


def _below(ours: float, donors: float) -> bool:
    return ours <= donors + TIE


def _against_donor(f: Figures, metric: str, text: str, better: Callable[[float, float], bool], pooled: bool) -> Verdict:
    """Mean over the seeds beside the donor copy, pooled or in every group; which groups miss it."""
    groups: list[int | None] = [None] if pooled else [*f.groups]
    pairs = {group: (f.mean(metric, FORGE, group), f.mean(metric, DONOR, group)) for group in groups}
    known = {g: (ours, donors) for g, (ours, donors) in pairs.items() if ours is not None and donors is not None}
    missed = [group for group, (ours, donors) in known.items() if not better(ours, donors)]
    bound = ("> donor" if better is _above else "≤ donor") + ("" if pooled else " (mean over seeds)")
    lower = better is _below
    detail = "" if pooled else f"{len(known) - len(missed)} of {len(known)}"
    if missed and not pooled:
        detail += f"; not {', '.join(map(str, missed))}"
    values, holds = f.values(metric, FORGE), bool(known) and not missed
    kind = "number" if lower else "share"
    return Verdict(text, bound, values, holds, detail, kind, **_beside(f, metric, lower=lower))
