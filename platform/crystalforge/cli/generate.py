"""``platform generate``."""

from __future__ import annotations

from typing import Annotated

import typer

from crystalforge.cli.console import json_of, note, show_json
from crystalforge.cli.options import MAX_SEED, HomeOption, JsonOption, SpaceGroupsOption, parse_space_groups

PLAN_CHOICES = ("count", "training", "recipe", "space_groups", "balance", "seed", "shard_size", "min_contact_ratio")
BALANCES = ("training", "equal")


def generate(
    context: typer.Context,
    count: Annotated[int, typer.Option(help="Samples to draw, all space groups together.")] = 50_000,
    training: Annotated[str | None, typer.Option(help="Training, by identifier; the newest by default.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="The newest training of this recipe; the baselines donor and swap are fitted where needed."),
    ] = None,
    space_groups: SpaceGroupsOption = None,
    balance: Annotated[
        str, typer.Option(help="training: as the crystals of the dataset; equal: as many of each.")
    ] = "training",
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Decides every draw.")] = 0,
    shard_size: Annotated[int, typer.Option(min=1, help="Samples in one file.")] = 1000,
    min_contact_ratio: Annotated[
        float,
        typer.Option(min=0.0, help="Least distance over the sum of the atomic radii that an accepted crystal has."),
    ] = 0.75,
    resume: Annotated[str | None, typer.Option(help="Continue this generation with the plan it has.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw crystals from the trained models, merge and check them, and write every sample to Parquet.

    The same command continues an interrupted generation and ends with the same bytes.

    [dim]Examples:[/dim]

      platform generate --count 50000

      platform generate --count 10000 --balance equal --seed 3

      platform generate --recipe donor --count 10000
    """
    from crystalforge.cli.progress import progress
    from crystalforge.errors import UsageError
    from crystalforge.generation.plan import Balance
    from crystalforge.home import Home
    from crystalforge.jobs.generate import generate as run
    from crystalforge.jobs.generate import load_plan, plan_generation
    from crystalforge.jobs.recipe_models import models_of_recipe
    from crystalforge.jobs.trained_models import find_models

    if balance not in BALANCES:
        raise UsageError(f"--balance must be one of {', '.join(BALANCES)}, got '{balance}'.")
    if training and recipe:
        raise UsageError("--training names the training, --recipe takes the newest of a recipe: give one of them.")
    where = Home.locate(home)
    if resume:
        _refuse_choices(context)
        plan = load_plan(where, resume)
    else:
        plan = plan_generation(
            models_of_recipe(where, recipe, note) if recipe else find_models(where, training),
            count,
            seed=seed,
            balance=Balance(balance),
            space_groups=parse_space_groups(space_groups),
            shard_size=shard_size,
            min_contact_ratio=min_contact_ratio,
        )
    note(
        f"Generation {plan.generation_id}: {plan.count} samples of {len(plan.counts)} space groups from training "
        f"{plan.training_id}."
    )
    with progress("samples", plan.count) as update:
        summary = run(where, plan, progress=lambda done, _, accepted: update(done, f"accepted {accepted / done:.1%}"))
    if as_json:
        show_json(json_of(summary))
        return
    typer.echo(
        f"Generation {summary.generation_id}: {summary.rows} rows, {summary.accepted} accepted "
        f"({summary.accepted / summary.rows:.1%}); {summary.shards_written} shards written in {summary.seconds:.0f} s, "
        f"{summary.shards_kept} were there already."
    )


def _refuse_choices(context: typer.Context) -> None:
    """A generation that is continued has its plan; to take another choice without a word would be wrong."""
    from crystalforge.errors import UsageError

    sources = {name: context.get_parameter_source(name) for name in PLAN_CHOICES}
    given = [f"--{name.replace('_', '-')}" for name, source in sources.items() if source and source.name != "DEFAULT"]
    if given:
        raise UsageError(f"--resume continues a generation with the plan it has: leave out {', '.join(given)}.")
