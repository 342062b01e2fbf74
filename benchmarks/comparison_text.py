"""The page of model_comparison.py: its sections in order, the verdict first."""

from __future__ import annotations

from typing import Any

import comparison_tables as tables
from comparison_figures import Figures
from comparison_targets import FORGE, Verdict, verdicts

HEUSLER = "abc"
"""225 with 4a, 4b, 8c."""
RECIPES_OF_PAPER = ("paper", "quick")


def page(results: dict[str, Any], by_share: Figures, equal: Figures, plots: list[str]) -> str:
    """The whole page as Markdown."""
    neutral = results["neutral"]
    found = verdicts(by_share, equal, neutral["smact_without_alloys"] if neutral else None)
    parts = [
        "# Models compared",
        "Made by `benchmarks/model_comparison.py`; do not edit it. The metrics: [evaluation.md](evaluation.md).",
        _verdict(found),
        "## What was compared",
        _compared(results, by_share),
        "## Targets",
        tables.targets_table(found),
        "Shares in percent, raw samples, before any filter. A target holds if every seed holds it. Wasserstein "
        "distances are of the samples as drawn, not of structures at training compositions, which would be easier. "
        "*Donor*, *real* (the crystals set aside; for these distances the training crystals) and the best of three "
        "nulls stand beside: pooled, or their own worst group, or the one group of the target.",
        _neutral(neutral),
        "## Contacts by space group",
        tables.contact_table(by_share),
        "Least contact ≥ 0.75·(r_i + r_j), percent of the samples whose formula no training crystal has; "
        "real: of all crystals set aside.",
        "## Structures asked for",
        tables.structure_table(by_share),
        "The model gets composition and Wyckoff template of each crystal set aside. Match in percent (volumes scaled), "
        "median error of log volume per atom. Null: random coordinates on the right positions in the right cell; for "
        "the volume, the group's median. `paper` and `quick` cannot be asked: they take no template.",
        "## Distributions",
        tables.ratio_table(by_share),
        "Wasserstein distance from the crystals set aside over that between two halves of these; at most 1 is the aim.",
        "## Rediscovery",
        tables.rediscovery_table(by_share, equal),
        f"Percent of the n crystals set aside that some of {results['count']:,} samples matches. `paper` and `quick` "
        "saw these crystals in training.",
        "## Mode collapse",
        *_collapse(results, plots),
        "## Every metric, pooled",
        tables.pooled_table(by_share),
        "Shares in percent. Over several seeds: mean (least to greatest).",
        "## Commands",
        _commands(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(found: list[Verdict]) -> str:
    held = [verdict for verdict in found if verdict.holds]
    missed = "; ".join(verdict.text for verdict in found if not verdict.holds)
    rest = f" Not: {missed}." if missed else ""
    return f"**{len(held)} of {len(found)} targets hold for every seed.**{rest}"


def _compared(results: dict[str, Any], figures: Figures) -> str:
    lines = []
    for generation, model in results["generations"].items():
        training = results["trainings"][generation]
        steps = ", ".join(f"{step:,}" for step in training["generator_steps"])
        lines.append((f"`{model}`", f"`{training['training_id']}`", steps, f"{training['seconds']:.0f}"))
    head = ("generation", "training", "generator steps of each group", "wall seconds in the training loops, all groups")
    text = (
        f"{results['count']:,} samples of each, groups by their share of the training crystals. Seeds of forge: "
        f"{', '.join(map(str, results['seeds']))}; everything else was trained and drawn once."
    )
    short = [
        training["generator_steps"]
        for training in results["trainings"].values()
        if training["recipe"] == "paper" and max(training["generator_steps"]) < 20_000
    ]
    if short:
        text += (
            f" `paper` was trained for {max(short[0]):,} of its 20,000 steps: the full length is out of reach without "
            "a GPU, so its figures tell what these steps give, not what the recipe "
            "can do. `quick` has the same printed equations in small networks, trained longer."
        )
    return f"{text}\n\n{tables.table(head, lines)}"


def _neutral(neutral: dict[str, Any] | None) -> str:
    if neutral is None:
        return ""
    return (
        f"The charge-balanced channel: SMACT finds {neutral['smact_without_alloys']:.1%} of {neutral['n']:,} samples "
        "valid without the rule for alloys."
    )


def _collapse(results: dict[str, Any], plots: list[str]) -> list[str]:
    pictures = [f"![{name.split('.')[0].replace('_', ' ')}](benchmarks/{name})" for name in plots]
    note = (
        "Total variation distances from the training crystals, 0 to 1. *Chance*: as many draws from the training "
        "crystals' own shares. *One template*: every sample has the commonest one. *Real, set aside* has few crystals, "
        "so chance alone takes it far. forge spreads its draws evenly, so it may come below chance."
    )
    return [tables.collapse_table(results["collapse"]), note, *pictures, _heusler(results), _hypothetical(results)]


def _share(results: dict[str, Any], group: int, source: str, template: str) -> str:
    return f"{100 * results['templates'].get(str(group), {}).get(source, {}).get(template, 0.0):.1f} %"


def _samples(results: dict[str, Any], group: int) -> str:
    return next((f"{row['n']:,}" for row in results["collapse"] if row["group"] == group), "no")


def _heusler(results: dict[str, Any]) -> str:
    sources = {"training": "the training crystals", "generated": FORGE, "baseline:paper": "paper"}
    known = results["templates"].get("225", {})
    shares = "; ".join(f"{text} {_share(results, 225, s, HEUSLER)}" for s, text in sources.items() if s in known)
    return (
        f"**225 is nearly all Heusler** (4a, 4b, 8c): {shares}. forge draws templates by their frequency and elements "
        "given the template, so the share stays as it is and the rare templates are still drawn; nothing is "
        "re-weighted. With 4a, 4b, 8c only the edge is free, so contacts and matches of 225 say little, and pooled "
        f"figures lean on it: {_samples(results, 225)} of {results['count']:,} samples. The tables by group and the "
        "equal shares (`--balance equal`) are the answer to that."
    )


def _hypothetical(results: dict[str, Any]) -> str:
    data = results["data"].get("71")
    if data is None:
        return ""
    known = results["templates"].get("71", {}).get("training", {})
    if not known:
        return ""
    main = max(known, key=lambda name: known[name])
    return (
        f"**71 is mostly hypothetical**: {100 * data['near_hull']:.1f} % of its {data['n']:,} crystals lie within 0.08 "
        f"eV/atom of the hull, the median is {data['median_hull']:.2f} eV/atom above it. "
        f"{_share(results, 71, 'training', main)} have the template {', '.join(main)} (A2BC), and "
        f"{_share(results, 71, 'generated', main)} of forge's samples. forge learns them like all "
        f"others, because no energy enters training: {_samples(results, 71)} samples are of 71. What is drawn there "
        "resembles crystals far above the hull; rank them by energy before use, or leave the group out by "
        "`--space-groups`."
    )


def _commands(results: dict[str, Any]) -> str:
    commands = "\n".join(results["commands"])
    total = sum(results["seconds"].get(command, 0.0) for command in results["commands"]) / 60
    return (
        "`python benchmarks/model_comparison.py --home HOME --make --seeds "
        f"{','.join(map(str, results['seeds']))}` runs these in one process, {total:.0f} min of wall time in all, "
        f"and writes this page:\n\n```\n{commands}\n```"
    )
