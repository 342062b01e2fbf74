"""How a training of method ``forge`` ends: early, diverged, or the same again."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from crystalforge.dataset import training_table
from crystalforge.dataset.split import split_materials
from crystalforge.errors import DivergedError
from crystalforge.gan.checkpoint import load_trainer, open_checkpoint, save_checkpoint
from crystalforge.gan.forge.learning import ForgeData
from crystalforge.gan.forge.training import ForgeTrainer
from crystalforge.gan.recipe import Recipe, load_recipe, recipe_from_values

NUMBER = 164


def _recipe(**optimisation: float) -> Recipe:
    """Up to five epochs of two small steps."""
    values = load_recipe("forge").model_dump()
    values["sampling"]["compositions"] = "marginals"  # not asked for here, and quick to fit
    values["optimisation"] |= {"batch_size": 16, "generator_steps": 10, "steps_per_epoch": 2, "patience": 0}
    values["optimisation"] |= optimisation
    return recipe_from_values(values, "small")


@pytest.fixture(scope="module")
def forge_data(bundled_materials: pa.Table) -> ForgeData:
    """The bundled crystals of space group 164, a fifth of them set aside."""
    seen, _ = split_materials(bundled_materials, 0.2)
    return ForgeTrainer.prepare(training_table(seen, NUMBER), _recipe(), seed=0)


def _epochs(trainer: ForgeTrainer, data: ForgeData) -> list[dict[str, float]]:
    epochs = []
    while not trainer.finished:
        epochs.append(trainer.train_epoch(data))
    return epochs


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(forge_data: ForgeData) -> None:
    first, second, other = (_epochs(ForgeTrainer.create(NUMBER, _recipe(), seed), forge_data) for seed in (4, 4, 5))
    assert len(first) == 5
    assert first == second
    assert all(a["generator_loss"] != b["generator_loss"] for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("network", ["critic", "generator"])
def test_divergence_names_step_and_terms_and_leaves_the_last_checkpoint(
    forge_data: ForgeData, tmp_path: Path, network: str
) -> None:
    """The rate is beyond all reason from the second epoch on, so that the first is good."""
    trainer = ForgeTrainer.create(NUMBER, _recipe(), seed=0)
    trainer.train_epoch(forge_data)
    save_checkpoint(tmp_path, trainer, {}, {})
    good = {name: tensor.clone() for name, tensor in trainer.model_tensors().items()}
    (rates,) = trainer.optimisers[network].param_groups
    rates["lr"] = 1e30
    with pytest.raises(DivergedError, match=rf"group {NUMBER} diverged between generator steps 2 and 4.*(nan|inf)"):
        trainer.train_epoch(forge_data)
    assert (trainer.epoch, trainer.generator_steps) == (1, 2)
    kept = load_trainer(open_checkpoint(tmp_path))
    assert all(torch.equal(tensor, kept.model_tensors()[name]) for name, tensor in good.items())
    assert all(math.isfinite(value) for value in kept.train_epoch(forge_data).values())


def test_a_weight_that_is_not_a_number_is_divergence(forge_data: ForgeData) -> None:
    trainer = ForgeTrainer.create(NUMBER, _recipe(), seed=0)
    with torch.no_grad():
        next(trainer.generator.parameters())[0, 0] = math.nan
    with pytest.raises(DivergedError, match=r"steps 0 and 2: expected finite losses, got .*generator_loss nan"):
        trainer.train_epoch(forge_data)


def test_training_ends_when_no_epoch_was_better_for_as_long_as_the_patience(
    forge_data: ForgeData, tmp_path: Path
) -> None:
    patient, stopped = (ForgeTrainer.create(NUMBER, _recipe(patience=2), seed=0) for _ in range(2))
    for trainer in (patient, stopped):
        trainer.train_epoch(forge_data)
        assert (trainer.epochs_since_best, trainer.finished) == (0, False)
    stopped.best_score = math.inf  # no epoch beats this
    stopped.train_epoch(forge_data)
    assert (stopped.epochs_since_best, stopped.finished) == (1, False)
    save_checkpoint(tmp_path, stopped, {}, {})
    continued = load_trainer(open_checkpoint(tmp_path))
    assert len(_epochs(continued, forge_data)) == 1, "the checkpoint remembers the epoch without a better one"
    assert continued.generator_steps == 6 < continued.recipe.total_steps
    everlasting = ForgeTrainer.create(NUMBER, _recipe(), seed=0)
    everlasting.best_score = math.inf
    assert len(_epochs(everlasting, forge_data)) == 5, "without patience all steps are taken"
