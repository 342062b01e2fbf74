"""The training of one space group, as every method does it. Knows nothing of Ray.

Its random numbers come from (seed, space group, stream) alone, so that a training continued from the checkpoint of any
epoch takes the same steps as one that was never interrupted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.gan.model import Model
from crystalforge.gan.recipe_base import Recipe

AUGMENTATION_STREAM, NETWORK_STREAM, EPOCH_STREAM = range(3)
"""Independent streams of one training's seed."""

RecipeKind = TypeVar("RecipeKind", bound=Recipe)
Data = TypeVar("Data")
"""What a method makes of the training crystals, once, on the device."""


def seed_stream(seed: int, space_group_number: int, *path: int) -> np.random.SeedSequence:
    """The seed of one stream of one space group's training."""
    return np.random.SeedSequence([seed, space_group_number, *path])


def torch_seed(sequence: np.random.SeedSequence) -> int:
    """A seed for torch from one of NumPy's."""
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


class TrainingCrystals(Protocol):
    """The crystals of one space group as a dataset hands them over (``dataset.TrainingTable``)."""

    @property
    def crystals(self) -> CrystalBatch:
        """(n_materials) crystals, sites by ascending electronegativity."""

    @property
    def orbit_coords(self) -> NDArray[np.float32]:
        """(n_materials, 3 elements, max_multiplicity, 3 axes), fractional, padded."""


class Trainer(ABC, Generic[RecipeKind, Data]):
    """What is trained of one space group, and how far it has come.

    A method is one subclass of this and one of ``Model``, named in ``gan.methods``. ``epoch`` and ``generator_steps``
    count what is done; a checkpoint keeps both beside the tensors.
    """

    space_group_number: int
    recipe: RecipeKind
    seed: int
    epoch: int
    generator_steps: int

    @classmethod
    @abstractmethod
    def create(
        cls, space_group_number: int, recipe: RecipeKind, seed: int, device: torch.device | str = "cpu"
    ) -> Trainer[RecipeKind, Data]:
        """A training that has not begun; the seed decides its first weights."""

    @classmethod
    @abstractmethod
    def restore(
        cls,
        space_group_number: int,
        recipe: RecipeKind,
        seed: int,
        tensors: dict[str, Tensor],
        state: dict[str, Tensor],
        device: torch.device | str = "cpu",
    ) -> Trainer[RecipeKind, Data]:
        """The training that gave ``model_tensors`` and ``state_tensors``; its caller sets epoch and generator steps.

        Raises:
            RuntimeError, KeyError: the tensors do not fit the recipe.
        """

    @staticmethod
    @abstractmethod
    def prepare(training: TrainingCrystals, recipe: RecipeKind, seed: int) -> Data:
        """What ``train_epoch`` reads, from the crystals to learn from.

        It lies on the CPU; ``to_device`` brings it to where the training is.
        """

    @staticmethod
    def to_device(data: Data, device: torch.device) -> Data:
        """The prepared data on the device of the training."""
        return data.to(device) if hasattr(data, "to") else data

    @property
    def finished(self) -> bool:
        """Whether the recipe's steps are done."""
        return self.generator_steps >= self.recipe.total_steps

    @property
    @abstractmethod
    def crystals_per_step(self) -> int:
        """Crystals that are worked on in one generator step, with all that belongs to it."""

    @abstractmethod
    def train_epoch(self, data: Data) -> dict[str, float]:
        """Train until the next report, and count epoch and generator steps.

        Returns:
            The mean of every loss term over the epoch, and any other figure worth a curve.

        Raises:
            DivergedError: a term is infinite or not a number; the networks are then unfit and not to be saved.
        """

    @abstractmethod
    def model_tensors(self) -> dict[str, Tensor]:
        """What sampling needs, by name."""

    @abstractmethod
    def state_tensors(self) -> dict[str, Tensor]:
        """What only a continued training needs, by name."""

    @abstractmethod
    def model(self, statistics: dict[str, Tensor]) -> Model:
        """What would be drawn from now. It may share the trainer's networks: valid until the next epoch."""


AnyTrainer = Trainer[Any, Any]
