"""``platform generate``."""

from __future__ import annotations

from typing import Annotated

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import json_of, note, note_nodes, show_dry_run, show_json
from crystalforge.cli.options import (
    ASKED,
    MAX_SEED,
    DryRunOption,
    ElementsOption,
    ExcludeElementsOption,
    HomeOption,
    JsonOption,
    SpaceGroupsOption,
    parse_space_groups,
)

PLAN_CHOICES = (
    "count",
    "training",
    "recipe",
    "space_groups",
    "balance",
    "seed",
    "shard_size",
    "min_contact_ratio",
    "elements",
    "exclude_elements",
    "formula",
    "max_atoms",
    "charge_balanced",
    "intermetallic",
    "temperature",
    "compositions",
    "distinct",
    "new_templates",
)


def generate(
    context: typer.Context,
    count: Annotated[int, typer.Option(help="Samples to draw, all space groups together.")] = 50_000,
    training: Annotated[
        str | None,
        typer.Option(help="Training, by identifier; the newest by default.", autocompletion=complete.trainings),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="The newest training of this recipe; the baselines donor and swap are fitted where needed.",
            autocompletion=complete.training_recipes,
        ),
    ] = None,
    space_groups: SpaceGroupsOption = None,
    balance: Annotated[
        str,
        typer.Option(
            help="training: as the crystals of the dataset; equal: as many of each.",
            autocompletion=complete.one_of(complete.BALANCES),
        ),
    ] = "training",
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Decides every draw.")] = 0,
    shard_size: Annotated[int, typer.Option(min=1, help="Samples in one file.")] = 1000,
    min_contact_ratio: Annotated[
        float,
        typer.Option(min=0.0, help="Least distance over the sum of the atomic radii that an accepted crystal has."),
    ] = 0.75,
    elements: ElementsOption = None,
    exclude_elements: ExcludeElementsOption = None,
    formula: Annotated[
        str | None,
        typer.Option(help="Exact, as LiAlSi, or anonymous, as ABX3.", metavar="FORMULA", rich_help_panel=ASKED),
    ] = None,
    max_atoms: Annotated[
        int | None, typer.Option(min=3, help="Most atoms in the primitive cell.", rich_help_panel=ASKED)
    ] = None,
    charge_balanced: Annotated[
        bool,
        typer.Option(
            "--charge-balanced",
            help="Only compositions that common oxidation states make neutral.",
            rich_help_panel=ASKED,
        ),
    ] = False,
    intermetallic: Annotated[
        bool, typer.Option("--intermetallic", help="Only compositions of three metals.", rich_help_panel=ASKED)
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Of the compositions: above 1 flatter, below 1 more of the likely.",
            show_default="the recipe's",
            rich_help_panel=ASKED,
        ),
    ] = None,
    compositions: Annotated[
        str | None,
        typer.Option(
            help="Kind of the composition sampler: uniform, marginals, swap, autoregressive, mixture.",
            metavar="KIND",
            show_default="the recipe's",
            rich_help_panel=ASKED,
            autocompletion=complete.one_of(complete.COMPOSITION_KINDS),
        ),
    ] = None,
    distinct: Annotated[
        bool,
        typer.Option("--distinct", help="No composition of a Wyckoff template twice.", rich_help_panel=ASKED),
    ] = False,
    new_templates: Annotated[
        bool,
        typer.Option(
            "--new-templates", help="Only Wyckoff templates that no training crystal has.", rich_help_panel=ASKED
        ),
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(help="Continue this generation with the plan it has.", autocompletion=complete.generations),
    ] = None,
    shard_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=1e6,
            help="Seconds after which a worker that still draws one shard is ended; three times, then the shard is set "
            "aside.",
            show_default="600",
        ),
    ] = None,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw crystals from the trained models, merge and check them, and write every sample to Parquet.

    The same command continues an interrupted generation and ends with the same bytes.

    [dim]Examples:[/dim]

      platform generate --count 50000

      platform generate --count 10000 --balance equal --seed 3

      platform generate --recipe donor --count 10000

      platform generate --elements "Li,*,O" --exclude-elements Pb,Hg --charge-balanced --count 1000

      platform generate --formula ABX3 --max-atoms 10 --distinct --count 1000

      platform generate --elements "Ti,O,*" --space-groups 221 --dry-run
    """
    from crystalforge.cli.progress import progress
    from crystalforge.home import Home
    from crystalforge.jobs.generate import generate as run
    from crystalforge.jobs.generation_plans import load_plan
    from crystalforge.jobs.shard_worker import SHARD_TIMEOUT_S
    from crystalforge.steps.generations import plan_generate, request_of

    where = Home.locate(home, store=True)
    if resume:
        _refuse_choices(context)
        plan = load_plan(where, resume)
    else:
        plan = plan_generate(
            count,
            training=training,
            recipe=recipe,
            space_groups=parse_space_groups(space_groups),
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
            home=where,
            say=note,
            fit=not dry_run,
        )
    note(
        f"Generation {plan.generation_id}: {plan.count} samples of {len(plan.counts)} space groups from training "
        f"{plan.training_id}."
    )
    if not plan.request.is_empty:
        shared = ", ".join(f"{n} of {number}" for number, n in plan.counts.items())
        note(f"Asked for: {plan.request.describe()}. By space group: {shared}.")
    if dry_run:
        from crystalforge.cli.dry_runs import dry_generation

        show_dry_run(dry_generation(where, plan), as_json=as_json)
        return
    with progress("samples", plan.count) as update:
        summary = run(
            where,
            plan,
            shard_timeout_s=shard_timeout or SHARD_TIMEOUT_S,
            progress=lambda done, _, accepted: update(done, f"accepted {accepted / done:.1%}"),
        )
    note_nodes(summary.nodes)
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
    flags = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    given = [f"--{name.replace('_', '-')}" for name in flags]
    if given:
        raise UsageError(f"--resume continues a generation with the plan it has: leave out {', '.join(given)}.")
