"""One model per space group: ``train_all``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from crystalforge.dataset import find_dataset
from crystalforge.gan.recipe import load_recipe
from crystalforge.home import Home
from crystalforge.jobs.resources import TrainerResources
from crystalforge.jobs.train_all import Progress, TrainingSummary
from crystalforge.jobs.train_all import train_all as run
from crystalforge.steps.homes import as_home


def train_all(
    *,
    dataset: str | None = None,
    recipe: str | Path = "forge",
    space_groups: Sequence[int] | None = None,
    steps: int | None = None,
    seed: int = 0,
    resources: str | None = None,
    home: str | Path | Home | None = None,
    check: bool = True,
    progress: Progress | None = None,
    on_start: Callable[[str, list[int], list[int]], None] | None = None,
) -> TrainingSummary:
    """Train one model for each space group in parallel on Ray; what is trained already stays.

    Args:
        dataset: name or identifier; the newest by default.
        recipe: ``forge``, ``paper``, ``quick``, ``donor``, ``swap``, or the path of a TOML file.
        space_groups: numbers; all that the dataset holds by default.
        steps: generator steps, in place of the recipe's.
        seed: decides first weights, augmentation and draws.
        resources: of each trainer, as ``CPU=1,GPU=0.25``; by default the GPUs are shared, else one CPU each.
        home: folder of datasets, trainings and generations; by default as the commands find it.
        check: raise an error when space groups failed; else they stand in ``failed`` of what is returned.
        progress: called with (space group, generator steps, losses) after each epoch of each group.
        on_start: called once with (training, groups to train, groups trained already).

    Returns:
        the training's identifier and the record of each model.

    Raises:
        DatasetNotFoundError: there is no such dataset.
        RecipeError: there is no such recipe, or a value of it does not fit.
        UsageError: a group has too few crystals in the dataset.
        TrainingError: space groups failed; all others are trained, the same call repeats only these.
        BusyError: another command is training the same configuration.

    Example:
        >>> training = crystalforge.train_all(recipe="quick", space_groups=[225, 221])
        >>> training.training_id
    """
    place = as_home(home)
    chosen = load_recipe(str(recipe)).with_steps(steps)
    summary = run(
        place,
        find_dataset(place, dataset),
        chosen,
        seed=seed,
        space_groups=space_groups,
        resources=TrainerResources.parse(resources) if resources else None,
        progress=progress,
        on_start=on_start,
    )
    if check:
        summary.raise_if_failed()
    return summary
