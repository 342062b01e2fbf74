"""New crystals drawn: ``generate``."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crystalforge.errors import UsageError
from crystalforge.gan.constraints import Constraints
from crystalforge.gan.request import Request
from crystalforge.generation.plan import (
    DEFAULT_MIN_CONTACT_RATIO,
    DEFAULT_SHARD_SIZE,
    Balance,
    GenerationPlan,
)
from crystalforge.home import Home
from crystalforge.jobs.generate import GenerationSummary
from crystalforge.jobs.generate import generate as run
from crystalforge.jobs.generation_plans import load_plan, plan_generation
from crystalforge.jobs.recipe_models import models_of_recipe
from crystalforge.jobs.shard_worker import SHARD_TIMEOUT_S
from crystalforge.jobs.trained_models import find_models
from crystalforge.steps.homes import as_home

WITH_RESUME = ("resume", "shard_timeout", "home", "progress")
"""Arguments that are no part of a plan."""
logger = logging.getLogger(__name__)


def generate(
    count: int = 50_000,
    *,
    training: str | None = None,
    recipe: str | None = None,
    space_groups: Sequence[int] | None = None,
    balance: str = "training",
    seed: int = 0,
    shard_size: int = DEFAULT_SHARD_SIZE,
    min_contact_ratio: float = DEFAULT_MIN_CONTACT_RATIO,
    elements: str | None = None,
    exclude_elements: str | None = None,
    formula: str | None = None,
    max_atoms: int | None = None,
    charge_balanced: bool = False,
    intermetallic: bool = False,
    temperature: float | None = None,
    compositions: str | None = None,
    distinct: bool = False,
    new_templates: bool = False,
    resume: str | None = None,
    shard_timeout: float | None = None,
    home: str | Path | Home | None = None,
    progress: Callable[[int, int, int], None] | None = None,
) -> GenerationSummary:
    """Draw crystals from the trained models, merge and check them, and write every sample to Parquet.

    Args:
        count: samples to draw, all space groups together.
        training: identifier; the newest by default.
        recipe: in place of ``training``: the newest of this recipe. ``donor`` and ``swap`` are fitted where needed.
        space_groups: numbers; all of the training by default.
        balance: ``training`` shares as the crystals of the dataset, ``equal`` draws as many of each.
        seed: decides every draw.
        shard_size: samples in one file.
        min_contact_ratio: least distance over the sum of the atomic radii that an accepted crystal has.
        elements: of every crystal, ``*`` is any: ``"Li,*,O"``.
        exclude_elements: of no crystal: ``"Pb,Hg"``.
        formula: exact, as ``LiAlSi``, or anonymous, as ``ABX3``.
        max_atoms: most atoms in the primitive cell.
        charge_balanced: only compositions that common oxidation states make neutral.
        intermetallic: only compositions of three metals.
        temperature: of the compositions, above 1 flatter; the recipe's by default.
        compositions: kind of the composition sampler; the recipe's by default.
        distinct: no composition of a Wyckoff template twice.
        new_templates: only Wyckoff templates that no training crystal has.
        resume: continue this generation with the plan it has, without any of the choices above.
        shard_timeout: seconds after which a worker that still draws one shard is ended; 600 by default.
        home: folder of datasets, trainings and generations; by default as the commands find it.
        progress: called with (samples done, samples in all, accepted so far).

    Returns:
        the generation's identifier, its folder, rows and accepted rows.

    Raises:
        ModelNotFoundError: no trained model for what was asked.
        UsageError: choices that contradict each other or that no model can meet; the message names them.
        GenerationError: a shard could not be made; all others are kept.
        BusyError: another command is drawing the same generation.

    Example:
        >>> generation = crystalforge.generate(10_000, elements="Li,*,O", charge_balanced=True)
        >>> crystalforge.sql("SELECT * FROM candidates", generations=[generation.generation_id])
    """
    given = dict(locals())
    place = as_home(home)
    if resume:
        _refuse_choices(given)
        plan = load_plan(place, resume)
    else:
        plan = plan_generate(
            count,
            training=training,
            recipe=recipe,
            space_groups=space_groups,
            balance=balance,
            seed=seed,
            shard_size=shard_size,
            min_contact_ratio=min_contact_ratio,
            request=request_of(
                elements=elements,
                exclude_elements=exclude_elements,
                formula=formula,
                max_atoms=max_atoms,
                charge_balanced=charge_balanced,
                intermetallic=intermetallic,
                temperature=temperature,
                compositions=compositions,
                distinct=distinct,
                new_templates=new_templates,
            ),
            home=place,
        )
    return run(place, plan, shard_timeout_s=shard_timeout or SHARD_TIMEOUT_S, progress=progress)


def _refuse_choices(given: dict[str, Any]) -> None:
    """A generation that is continued has its plan; to take another choice without a word would be wrong."""
    defaults = {name: each.default for name, each in inspect.signature(generate).parameters.items()}
    chosen = [name for name, value in given.items() if name not in WITH_RESUME and value != defaults[name]]
    if chosen:
        raise UsageError(f"resume= continues a generation with the plan it has: leave out {', '.join(chosen)}.")


def plan_generate(
    count: int,
    *,
    training: str | None,
    recipe: str | None,
    space_groups: Sequence[int] | None,
    balance: str,
    seed: int,
    shard_size: int,
    min_contact_ratio: float,
    request: Request,
    home: Home,
    say: Callable[[str], None] = logger.info,
    fit: bool = True,
) -> GenerationPlan:
    """Everything that decides the bytes of a generation, from the choices of a person.

    Args:
        say: told of what is left out, and of what is fitted first.
        fit: whether a baseline that has no training is fitted first.

    Raises:
        UsageError: choices that contradict each other or that no model can meet.
        ModelNotFoundError: no trained model for what was asked.
    """
    if balance not in set(Balance):
        raise UsageError(f"--balance must be one of {', '.join(Balance)}, got '{balance}'.")
    if training and recipe:
        raise UsageError("--training names the training, --recipe takes the newest of a recipe: give one of them.")
    return plan_generation(
        models_of_recipe(home, recipe, say, fit=fit) if recipe else find_models(home, training),
        count,
        seed=seed,
        balance=Balance(balance),
        space_groups=space_groups,
        shard_size=shard_size,
        min_contact_ratio=min_contact_ratio,
        request=request,
        say=say,
    )


def request_of(
    *,
    elements: str | None,
    exclude_elements: str | None,
    formula: str | None,
    max_atoms: int | None,
    charge_balanced: bool,
    intermetallic: bool,
    temperature: float | None,
    compositions: str | None,
    distinct: bool,
    new_templates: bool,
) -> Request:
    """What is asked of the samples, from a person's words.

    Raises:
        CompositionError: something is no element or no formula, or contradicts another.
        UsageError: two channels, or a temperature that is none.
    """
    if charge_balanced and intermetallic:
        raise UsageError("--charge-balanced and --intermetallic are two channels: give one of them.")
    channel = "charge_balanced" if charge_balanced else "intermetallic" if intermetallic else None
    constraints = Constraints.parse(elements or "", exclude_elements or "", formula, max_atoms, channel)
    request = Request(constraints, compositions, temperature, distinct, new_templates)
    request.check()
    return request
