"""Every metric: what it is, what it is divided by, in what unit. The text of the table and of docs/evaluation.md."""

from __future__ import annotations

from dataclasses import dataclass

MATCHER = "StructureMatcher (ltol 0.2, stol 0.3, angle_tol 5)"
SMACT_SET = "oxidation states of ICSD24 (consensus 3, any commonality), Pauling test on"
DRAWN = "samples drawn, rejected ones included"
WHOLE = "samples whose sites could be merged"
ACCEPTED = "accepted samples"
SET_ASIDE = "real crystals set aside"
HIT = "real crystals set aside whose formula and template some sample has"
ASKED = "real crystals set aside, of space groups that the model has"
SYMPRECS = (0.1, 0.01)
QUANTITIES = {
    "log_volume_per_atom": ("natural logarithm of the volume per atom (Å³)", "1"),
    "density": ("density", "g/cm³"),
    "contact_ratio": ("least distance over the sum of the two atomic radii", "1"),
}
"""Quantity → what it is, unit."""


@dataclass(frozen=True)
class Metric:
    """One line of the list of metrics."""

    name: str
    definition: str
    denominator: str
    unit: str = "1"
    version: int = 1
    """Goes up with each change that gives other figures for the same samples."""


def _agreement(symprec: float) -> list[Metric]:
    search = f"moyopy on the primitive cell at symprec {symprec} Å"
    return [
        Metric(f"group_equal_{symprec}", f"{search} finds the group that was asked for", DRAWN),
        Metric(f"group_supergroup_{symprec}", f"{search} finds another group that has all its rotations", DRAWN),
        Metric(f"group_other_{symprec}", f"{search} finds a group that lacks some of its rotations", DRAWN),
        Metric(f"group_failed_{symprec}", f"no crystal, or {search} finds nothing", DRAWN),
    ]


def _distances(name: str, what: str, unit: str) -> list[Metric]:
    distance = f"Wasserstein distance of the {what} from the real crystals set aside"
    return [
        Metric(f"wasserstein_{name}", distance, WHOLE, unit),
        Metric(
            f"wasserstein_ratio_{name}",
            f"{distance}, over the mean of that between two random halves of these (50 halvings)",
            WHOLE,
        ),
    ]


_ALL = [
    Metric("accepted", "passed every check of the generation", DRAWN),
    Metric("percolated", "rejected: a cluster of merging atoms has no centre", DRAWN),
    Metric("too_close", "rejected: atoms too close for the generation's floor", DRAWN),
    Metric("volume_out_of_range", "rejected: volume per atom outside the window of the training crystals", DRAWN),
    Metric("otherwise_rejected", "rejected: not finite, or an error", DRAWN),
    Metric("valid_cdvae", "least distance ≥ 0.5 Å, lattice images included, and cell volume ≥ 0.1 Å³", DRAWN),
    Metric("valid_lemat", "least distance ≥ 0.5·(r_i + r_j) and density 0.01 to 25 g/cm³", DRAWN),
    Metric("valid_pgcgm", "least distance ≥ 0.75·(r_i + r_j)", DRAWN),
    Metric(
        "valid_pgcgm_novel_formula",
        "least distance ≥ 0.75·(r_i + r_j), of formulas unseen in training",
        "samples whose sites could be merged and whose reduced formula no training crystal has",
    ),
    *(metric for symprec in SYMPRECS for metric in _agreement(symprec)),
    Metric("smact", f"SMACT finds the reduced formula valid: {SMACT_SET}; alloys of metals pass", WHOLE),
    Metric("smact_without_alloys", f"SMACT finds the reduced formula valid: {SMACT_SET}; no rule for alloys", WHOLE),
    Metric("distinct", f"first of its kind by {MATCHER} among crystals of one formula, group and template", DRAWN),
    Metric("distinct_accepted", "the same, and accepted: first of its kind among the accepted", DRAWN),
    Metric("distinct_by_id", "first of its crystal_id: exact comparison", DRAWN),
    Metric("novel_formula", "no training crystal of the space group has its reduced formula", WHOLE),
    Metric("novel_template", "no training crystal has its space group and Wyckoff letters", WHOLE),
    Metric("new_templates", "different such templates among the accepted, per 1,000 samples", DRAWN, "per 1,000"),
    Metric("novel", f"no training crystal matches by {MATCHER}", ACCEPTED),
    Metric("distinct_novel", "accepted, first of its kind and novel", DRAWN),
    *(metric for name, (what, unit) in QUANTITIES.items() for metric in _distances(name, what, unit)),
    Metric("template_distance", "total variation distance of the Wyckoff templates from the training crystals'", WHOLE),
    Metric("element_distance", "total variation distance of the elements of sites from the training crystals'", WHOLE),
    Metric(
        "template_coverage",
        "templates of the training crystals that occur, weighted by these crystals",
        "training crystals",
    ),
    Metric("rediscovered_formula", "some sample has its reduced formula and space group", SET_ASIDE),
    Metric("rediscovered_template", "some sample has its reduced formula and template", SET_ASIDE),
    Metric("rediscovered", f"some sample of its reduced formula and space group matches it by {MATCHER}", SET_ASIDE),
    Metric("match_of_hits", f"some sample of its reduced formula and space group matches it by {MATCHER}", HIT),
    Metric("match_of_first_hit", f"the first sample of its formula and template matches it by {MATCHER}", HIT),
    Metric(
        "volume_error_of_first_hit",
        "median |ln(V_sample/V_real)| of the volume per atom, of the first sample of its formula and template",
        HIT,
    ),
    Metric(
        "structure_match",
        f"what the model makes when asked for its composition and Wyckoff template matches it by {MATCHER}; "
        "source real_cells: random coordinates on its Wyckoff positions, in its cell",
        ASKED,
    ),
    Metric(
        "structure_volume_error",
        "median |ln(V_made/V_real)| of the volume per atom, of the same; source real_cells: V_made is the median of "
        "the space group's training crystals",
        "those of which something was made",
    ),
]
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Name → metric, in the order in which they are shown."""
OF_MODELS = ("structure_match", "structure_volume_error")
"""Metrics of models, not of samples: only of sources whose model can be asked for a structure."""
