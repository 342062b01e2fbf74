"""How a crystal came to be, as sentences: dataset, training, draw, checks, relaxation, hull, calculation."""

from __future__ import annotations

from typing import Any

from crystalforge.catalog.lineage import Lineage
from crystalforge.report.formats import fixed, integer

Step = dict[str, Any]
SHORT = 12
"""Digits of a checksum that are shown."""


def lineage_steps(
    row: dict[str, Any],
    lineage: Lineage,
    relaxed: dict[str, Any] | None,
    judgements: list[dict[str, Any]],
    calculations: list[dict[str, Any]],
) -> list[Step]:
    """Steps in time, each ``name``, ``words`` and whether it was ``done``.

    Args:
        row: of the view ``crystals``.
        lineage: of the crystal.
        relaxed: its relaxation, if there is one.
        judgements: its rows of ``stabilities``, lowest energy above hull first.
        calculations: its rows of ``validations``.
    """
    steps = [*_learned(lineage), *_drawn(row, lineage)]
    steps.append(_relaxation(relaxed, lineage))
    steps.append(_hull(judgements))
    steps += [_calculation(calculation) for calculation in calculations] or [
        _step("calculated", "not in the queue of calculations", done=False)
    ]
    return steps


def _step(name: str, words: str, *, done: bool = True) -> Step:
    return {"name": name, "words": words, "done": done}


def _learned(lineage: Lineage) -> list[Step]:
    steps = [
        _step("dataset", f"{one['dataset_id']}" + (f", licence {one['licence']}" if one.get("licence") else ""))
        for one in lineage.datasets
    ]
    return steps + [
        _step("training", f"{one['training_id']}, recipe {one.get('recipe') or 'not known'}, seed {one.get('seed')}")
        for one in lineage.trainings
    ]


def _drawn(row: dict[str, Any], lineage: Lineage) -> list[Step]:
    if not lineage.samples:
        return []
    first = lineage.samples[0]
    times = "once" if lineage.n_samples == 1 else f"{integer(lineage.n_samples)} times"
    return [
        _step(
            "draw",
            f"sample {first['sample_id']}: seed {first['seed']}, shard {first['shard']}, index {first['index']}, model "
            f"{first['model_checksum'][:SHORT]}…; this crystal was drawn {times}",
        ),
        _step("checks", f"accepted: least contact {fixed(row['min_contact_ratio'], 3)} of the sum of the atomic radii"),
    ]


def _relaxation(relaxed: dict[str, Any] | None, lineage: Lineage) -> Step:
    if relaxed is None:
        tried = ", ".join(sorted({row["status"] for row in lineage.relaxations}))
        return _step("relaxation", f"did not end well: {tried}" if tried else "not relaxed", done=False)
    broken = ", and gave up its symmetry" if relaxed["symmetry_broken"] else ", its symmetry kept"
    return _step(
        "relaxation",
        f"{relaxed['potential']} {relaxed['potential_version']}: {relaxed['steps_symmetric'] + relaxed['steps_free']} "
        f"steps, atoms moved {fixed(relaxed['rmsd'], 3)} Å, volume changed by "
        f"{_percent(relaxed['volume_change'])}{broken}; "
        f"space group found after it {relaxed['space_group_after_loose'] or 'none'} (symprec 0.1 Å)",
    )


def _hull(judgements: list[dict[str, Any]]) -> Step:
    best = judgements[0] if judgements else None
    if best is None or best["energy_above_hull"] is None:
        return _step("hull", "no energy above hull", done=False)
    words = f"{fixed(best['energy_above_hull'], 3)} eV/atom above the hull of {best['reference']}"
    if best["decomposition"]:
        words += f"; beside it stand {best['decomposition']}"
    if best["systems_without_reference"]:
        words += f". No known compound in {best['systems_without_reference']}: the true hull may lie lower"
    if best["is_unique"] is not None:
        unique = "first of its kind" if best["is_unique"] else "equal to an earlier one"
        known = (
            f"matches {best['known_as']} of the dataset" if best["known_as"] else "no crystal of the dataset matches"
        )
        words += f". Among the screened: {unique}; {known}"
    return _step("hull", words)


def _calculation(row: dict[str, Any]) -> Step:
    name = f"{row['recipe']} ({row['engine']})"
    if row["energy_above_hull"] is None:
        words = row["state"] + (f": {row['reason']}" if row["reason"] else "")
        return _step(name, words, done=False)
    words = (
        f"{row['state']}: {fixed(row['energy_above_hull'], 3)} eV/atom above the hull, {row['structure']} cell, "
        f"{integer(row['cpu_s'])} s of CPU"
    )
    if row["systems_without_reference"]:
        words += f"; no known compound in {row['systems_without_reference']}"
    return _step(name, words)


def _percent(share: float | None) -> str:
    return f"{fixed(None if share is None else 100 * share, 1)} %"
