"""The training loop: reproducible to the bit, continued as if never interrupted, and divergence is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crystalforge.errors import DivergedError
from crystalforge.gan.checkpoint import load_trainer, open_checkpoint, save_checkpoint
from crystalforge.gan.data import TrainingData
from crystalforge.gan.paper_training import PaperTrainer
from crystalforge.gan.recipe import Recipe, recipe_from_values

TERMS = {
    "wasserstein_distance",
    "gradient_penalty",
    "generator_loss",
    "physics_distance_inter",
    "physics_distance_intra",
    "physics_cell",
}


def _weights(trainer: PaperTrainer) -> dict[str, torch.Tensor]:
    return {
        **{f"g.{k}": v for k, v in trainer.generator.state_dict().items()},
        **{f"c.{k}": v for k, v in trainer.critic.state_dict().items()},
    }


def _assert_equal(first: PaperTrainer, second: PaperTrainer) -> None:
    other = _weights(second)
    for name, value in _weights(first).items():
        assert torch.equal(value, other[name]), name


def test_an_epoch_reports_every_term_and_moves_both_networks(tiny_recipe: Recipe, data_62: TrainingData) -> None:
    trainer = PaperTrainer.create(62, tiny_recipe, seed=0)
    before = {name: value.clone() for name, value in _weights(trainer).items()}
    terms = trainer.train_epoch(data_62)
    assert set(terms) == TERMS
    assert (trainer.epoch, trainer.generator_steps) == (1, 2)
    after = _weights(trainer)
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("g."))
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("c."))


def test_the_same_seed_gives_the_same_bits(tiny_recipe: Recipe, data_62: TrainingData) -> None:
    first, second, other = (PaperTrainer.create(62, tiny_recipe, seed=seed) for seed in (4, 4, 5))
    assert first.train_epoch(data_62) == second.train_epoch(data_62)
    _assert_equal(first, second)
    assert other.train_epoch(data_62) != first.train_epoch(data_62)


def test_a_training_continued_from_a_checkpoint_is_the_uninterrupted_one(
    tiny_recipe: Recipe, data_62: TrainingData, tmp_path: Path
) -> None:
    whole, stopped = (PaperTrainer.create(62, tiny_recipe, seed=0) for _ in range(2))
    whole.train_epoch(data_62)
    stopped.train_epoch(data_62)
    save_checkpoint(tmp_path / "c", stopped, {}, {})
    continued = load_trainer(open_checkpoint(tmp_path / "c"))
    assert (continued.epoch, continued.generator_steps, continued.finished) == (1, 2, False)
    assert whole.train_epoch(data_62) == continued.train_epoch(data_62)
    _assert_equal(whole, continued)
    assert whole.finished
    assert continued.finished


def test_a_last_epoch_may_be_short(tiny_recipe: Recipe, data_62: TrainingData) -> None:
    trainer = PaperTrainer.create(62, tiny_recipe.with_steps(3), seed=0)
    trainer.train_epoch(data_62)
    trainer.train_epoch(data_62)
    assert (trainer.epoch, trainer.generator_steps, trainer.finished) == (2, 3, True)


def test_divergence_ends_the_training_with_step_and_terms(tiny_recipe: Recipe, data_62: TrainingData) -> None:
    values = tiny_recipe.model_dump()
    values["optimisation"]["critic_learning_rate"] = 1e30
    trainer = PaperTrainer.create(62, recipe_from_values(values, "wild"), seed=0)
    with pytest.raises(
        DivergedError, match=r"space group 62 diverged between generator steps 0 and 2.*gradient_penalty"
    ):
        trainer.train_epoch(data_62)


def test_the_critic_learns_to_tell_real_from_drawn(tiny_recipe: Recipe, data_62: TrainingData) -> None:
    values = tiny_recipe.model_dump()
    values["optimisation"] |= {"generator_steps": 30, "steps_per_epoch": 10, "generator_learning_rate": 1e-9}
    values["optimisation"] |= {"physics_learning_rate": 1e-9, "critic_learning_rate": 1e-3}
    trainer = PaperTrainer.create(62, recipe_from_values(values, "critic only"), seed=0)
    distances = [trainer.train_epoch(data_62)["wasserstein_distance"] for _ in range(3)]
    assert distances[2] > max(0.1, distances[0])
