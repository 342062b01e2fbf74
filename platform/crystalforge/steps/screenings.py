"""Crystals relaxed and put on a hull: ``screen``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from crystalforge.errors import UsageError
from crystalforge.home import Home
from crystalforge.jobs.screen import ScreeningSummary, read_relaxations, relax_with, summarise
from crystalforge.jobs.screen import screen as run
from crystalforge.jobs.screening_plans import keep_screening, load_screening, screening_of
from crystalforge.screening.choosing import choose_inputs
from crystalforge.screening.judging import Judgement, judge, read_elements
from crystalforge.screening.plan import DEFAULT_SHARD_SIZE, ScreeningPlan
from crystalforge.screening.potentials import load_potential
from crystalforge.screening.reference import choose_reference
from crystalforge.screening.relaxation import RelaxationLimits
from crystalforge.steps.homes import as_home


@dataclass(frozen=True)
class Screening:
    """What a ``screen`` came to."""

    screening: ScreeningSummary
    """The relaxations."""
    hull: Judgement
    """What the reference hull says of them."""
    generation_id: str | None
    """Of raw samples and nulls: the generation that they stand for."""


def screen(
    *,
    source: str = "candidates",
    generation: str | None = None,
    where: str | None = None,
    order_by: str | None = None,
    limit: int = 100,
    seed: int = 0,
    potential: str = "chgnet",
    model: str | Path | None = None,
    max_force: float = RelaxationLimits.max_force,
    max_steps: int = RelaxationLimits.max_steps,
    max_seconds: float = RelaxationLimits.max_seconds,
    shard_size: int = DEFAULT_SHARD_SIZE,
    workers: int | None = None,
    resume: str | None = None,
    judge_only: bool = False,
    reference: str | Path | None = None,
    correction: str | None = None,
    elements: str | Path | None = None,
    home: str | Path | Home | None = None,
    on_start: Callable[[ScreeningPlan], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Screening:
    """Relax crystals with a machine-learned potential and judge them against a reference hull.

    Args:
        source: ``candidates``, ``samples`` (all that were drawn), ``materials`` (real crystals, which fit the scale of
            the potential's energies), or a null: ``noise``, ``random_triples``, ``real_cells``.
        generation: only of this one; samples and nulls need it.
        where: SQL condition on the crystals.
        order_by: SQL order; at random by default.
        limit: most crystals.
        seed: of the random draw.
        potential: ``chgnet``, ``mace``, ``mattersim``, ``orb``, ``sevennet``, ``emt``, or an installed one.
        model: file of weights, for potentials that bring none.
        max_force: converged below (eV/Å).
        max_steps: of each of the two stages.
        max_seconds: time of one crystal (s).
        shard_size: crystals in one file.
        workers: processes, one for each CPU by default; 1 works without Ray.
        resume: continue this screening with the plan it has.
        judge_only: with ``resume``: relax no more, judge what is relaxed.
        reference: Parquet file of formation energies; the newest dataset by default.
        correction: functional and corrections of the reference's energies; not stated by default.
        elements: Parquet file of elemental energies of its source.
        home: folder of datasets, trainings and generations; by default as the commands find it.
        on_start: called once with the plan.
        progress: called with (crystals done, crystals in all).

    Returns:
        the relaxations, and what the hull says of them.

    Raises:
        UsageError: no such source, no crystal fits, or a file of energies cannot be used.
        MissingDependencyError: the potential's package is not installed.
        ScreeningError: shards failed; what is done is kept, the same call does the rest.
        BusyError: another command is at the same screening.

    Example:
        >>> found = crystalforge.screen(limit=100, where="space_group_number = 225", reference="hull.parquet")
        >>> found.hull.n_nearly_stable
    """
    if judge_only and not resume:
        raise UsageError("--judge-only judges a screening that is there: name it by --resume.")
    place = as_home(home)
    hull = choose_reference(place, _path(reference), correction)
    energies = read_elements(Path(elements)) if elements else None
    if resume:
        plan = load_screening(place, resume)
    else:
        plan, inputs = plan_screen(
            source=source,
            generation=generation,
            where=where,
            order_by=order_by,
            limit=limit,
            seed=seed,
            potential=potential,
            model=model,
            max_force=max_force,
            max_steps=max_steps,
            max_seconds=max_seconds,
            shard_size=shard_size,
            home=place,
        )
        keep_screening(place, plan, inputs)
    if on_start:
        on_start(plan)
    relax = relax_with(workers)
    summary = summarise(place, plan) if judge_only else run(place, plan, relax=relax, progress=progress)
    found = judge(place, plan, read_relaxations(place, plan.screening_id), hull, energies)
    return Screening(summary, found, plan.generation_id)


def plan_screen(
    *,
    source: str,
    generation: str | None,
    where: str | None,
    order_by: str | None,
    limit: int,
    seed: int,
    potential: str,
    model: str | Path | None,
    max_force: float,
    max_steps: int,
    max_seconds: float,
    shard_size: int,
    home: Home,
) -> tuple[ScreeningPlan, pa.Table]:
    """The plan of a screening and its crystals, from the choices of a person; nothing is written.

    Raises:
        UsageError: no such source, or no crystal fits.
        MissingDependencyError: the potential's package is not installed.
    """
    loaded = load_potential(potential, _path(model))
    inputs = choose_inputs(
        home,
        source=source,
        generations=[generation] if generation else None,
        where=where,
        order_by=order_by,
        limit=limit,
        seed=seed,
    )
    limits = RelaxationLimits(max_force=max_force, max_steps=max_steps, max_seconds=max_seconds)
    plan = screening_of(inputs, loaded, source=source, model=_path(model), limits=limits, shard_size=shard_size)
    return plan, inputs


def _path(path: str | Path | None) -> Path | None:
    return Path(path) if path else None
