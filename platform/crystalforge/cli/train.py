"""``platform train-all``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import (
    add_row,
    json_of,
    new_table,
    note,
    note_nodes,
    show_dry_run,
    show_json,
    show_table,
)
from crystalforge.cli.options import (
    MAX_SEED,
    DryRunOption,
    HomeOption,
    JsonOption,
    SpaceGroupsOption,
    parse_space_groups,
)

if TYPE_CHECKING:
    from crystalforge.jobs.train_all import TrainingSummary


def train_all(
    dataset: Annotated[
        str | None,
        typer.Option(help="Dataset, by name or identifier; the newest by default.", autocompletion=complete.datasets),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="Recipe: forge, paper, quick, donor, swap, or the path of a TOML file.",
            autocompletion=complete.training_recipes,
        ),
    ] = "forge",
    space_groups: SpaceGroupsOption = None,
    steps: Annotated[int | None, typer.Option(help="Generator steps, in place of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Decides first weights, augmentation and draws.")] = 0,
    resources: Annotated[
        str | None,
        typer.Option(help="Of each trainer, as CPU=1,GPU=0.25. By default the GPUs are shared, else one CPU each."),
    ] = None,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train one GAN for each space group, in parallel, tracked in MLflow.

    The same command continues an interrupted training and repeats only what failed.

    [dim]Examples:[/dim]

      platform train-all

      platform train-all --dry-run

      platform train-all --recipe paper --space-groups 225,221 --steps 2000 --seed 7
    """
    from crystalforge.cli.progress import progress
    from crystalforge.dataset import find_dataset
    from crystalforge.gan.recipe import load_recipe
    from crystalforge.home import Home
    from crystalforge.jobs.resources import TrainerResources
    from crystalforge.jobs.train_all import train_all as run

    where = Home.locate(home, store=True)
    chosen, crystals = load_recipe(recipe).with_steps(steps), find_dataset(where, dataset)
    groups = parse_space_groups(space_groups)
    if dry_run:
        from crystalforge.cli.dry_runs import dry_training

        show_dry_run(dry_training(where, crystals, chosen, seed=seed, space_groups=groups), as_json=as_json)
        return
    n_steps = chosen.total_steps
    steps_done: dict[int, int] = {}
    with progress("generator steps", total=0) as update:

        def started(training_id: str, missing: list[int], done: list[int]) -> None:
            note(
                f"Training {training_id} on {crystals.dataset_id}: {len(missing)} space groups to train, "
                f"{len(done)} trained already."
            )
            steps_done.update(dict.fromkeys(missing, 0) | dict.fromkeys(done, n_steps))
            if missing:
                update(len(done) * n_steps, total=len(steps_done) * n_steps)

        def epoch_ended(space_group_number: int, generator_steps: int, terms: dict[str, float]) -> None:
            steps_done[space_group_number] = generator_steps
            word = f"{space_group_number}: accepted {terms['accepted_share']:.0%}"
            update(sum(steps_done.values()), f"{word} (noise {terms['accepted_share_null']:.0%})")

        summary = run(
            where,
            crystals,
            chosen,
            seed=seed,
            space_groups=groups,
            resources=TrainerResources.parse(resources) if resources else None,
            progress=epoch_ended,
            on_start=started,
        )
    note_nodes(summary.nodes)
    _show(summary, as_json=as_json)
    summary.raise_if_failed()


def _show(summary: TrainingSummary, *, as_json: bool) -> None:
    if as_json:
        show_json(json_of(summary))
        return
    numbers = ("space group", "crystals", "steps", "start (s)", "training (s)", "end (s)")
    table = new_table("", *numbers, "model", right=numbers)
    for record in sorted(summary.trained, key=lambda record: record["space_group_number"]):
        seconds = record["seconds"]
        add_row(
            table,
            record["space_group_number"],
            record["n_materials"],
            record["generator_steps"],
            seconds["start"],
            seconds["loop"],
            seconds["end"],
            record["model_checksum"][:12],
        )
    if summary.trained:
        show_table(table)
    typer.echo(
        f"Training {summary.training_id}: {len(summary.trained)} space groups trained in {summary.seconds:.0f} s, "
        f"{len(summary.already_trained)} were trained already, {len(summary.failed)} failed."
    )
    if summary.not_tracked:
        lacking = ", ".join(map(str, summary.not_tracked))
        note(
            f"The store of the runs, {summary.tracking_uri}, has not taken all of {lacking}. "
            "Nothing is lost: the same command offers it again."
        )
