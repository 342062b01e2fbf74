"""The models of a recipe by its name: its newest training, which a baseline that has none gets at once."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crystalforge.dataset import find_dataset
from crystalforge.errors import ModelNotFoundError, TrainingError
from crystalforge.gan.recipe import load_recipe
from crystalforge.home import Home
from crystalforge.jobs.train_all import train_all
from crystalforge.jobs.trained_models import TrainedModels, find_models, known_models

logger = logging.getLogger(__name__)


def models_of_recipe(home: Home, recipe: str, say: Callable[[str], None], *, fit: bool = True) -> TrainedModels:
    """The newest training of a recipe; a recipe that is fitted in seconds is fitted first where there is none.

    Args:
        home: where trainings and datasets are.
        recipe: name of a recipe, or path of its file.
        say: told before something is fitted.
        fit: whether to fit what is fitted in seconds; else nothing is written.

    Raises:
        RecipeError: there is no such recipe.
        ModelNotFoundError: it was never trained, and is not fitted in seconds or may not be.
        TrainingError: the fit failed for some space groups.
    """
    chosen = load_recipe(recipe)
    if any(models.recipe == chosen.name and models.records for models in known_models(home)):
        return find_models(home, recipe=chosen.name)
    if not (chosen.fitted_at_once and fit):
        raise ModelNotFoundError(
            f"No training of recipe {chosen.name} in {home.trainings}. "
            f"Run `platform train-all --recipe {recipe}` first."
        )
    dataset = find_dataset(home)
    say(f"No training of recipe {chosen.name} yet: fitting it to {dataset.dataset_id}.")
    summary = train_all(home, dataset, chosen)
    if summary.failed:
        reasons = "\n".join(f"  {number}: {reason}" for number, reason in sorted(summary.failed.items()))
        raise TrainingError(
            f"The fit of recipe {chosen.name} failed for {len(summary.failed)} space groups; "
            f"`platform train-all --recipe {recipe}` repeats only them:\n{reasons}"
        )
    return find_models(home, summary.training_id)
