"""A trained model of one space group: draws raw samples in batches. What is common to all methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.errors import CompositionError
from crystalforge.gan.compositions import count_elements
from crystalforge.gan.recipe_base import Recipe
from crystalforge.gan.request import NOTHING_ASKED, Capacity, Request
from crystalforge.gan.stretch import Stretch

VOLUME_MARGIN = 1.5
"""Volumes per atom are accepted up to this factor beyond the range of the training crystals."""
LENGTHS_ANGSTROM: tuple[float, Sequence[float]] = (1.0, (21.0, 21.0, 45.0))
"""Least cell length, and greatest a, b, c: the range of PGCGM's generator."""


@dataclass(frozen=True)
class RawSamples:
    """Crystals as drawn, before merging; all of one space group."""

    atomic_numbers: NDArray[np.int64]
    """(n, 3)."""
    frac_coords: NDArray[np.float64]
    """(n, 3, 3) representative sites."""
    lattice_parameters: NDArray[np.float64]
    """(n, 6), Å and degrees."""
    radii: NDArray[np.float64]
    """(n, 3) atomic radii, Å."""


def training_statistics(atomic_numbers: NDArray[np.int64], volumes_per_atom: NDArray[np.float64]) -> dict[str, Tensor]:
    """What sampling needs of the training crystals: element counts by site and the range of volumes per atom (Å³)."""
    return {
        "element_counts": torch.as_tensor(count_elements(atomic_numbers)),
        "volume_per_atom_range": torch.tensor([volumes_per_atom.min(), volumes_per_atom.max()], dtype=torch.float64),
    }


@dataclass(frozen=True)
class Model(ABC):
    """What is drawn from: one space group, its recipe and statistics. Each method adds its own networks or tables."""

    space_group_number: int
    recipe: Recipe
    statistics: dict[str, Tensor]
    device: torch.device

    @classmethod
    @abstractmethod
    def from_tensors(
        cls,
        space_group_number: int,
        recipe: Any,
        tensors: dict[str, Tensor],
        statistics: dict[str, Tensor],
        device: torch.device,
    ) -> Model:
        """The model that the method's ``Trainer.model_tensors`` and the statistics make.

        Raises:
            RuntimeError, KeyError: the tensors do not fit the recipe; ``checkpoint.load_model`` says so to the user.
        """

    @abstractmethod
    def draw(
        self,
        n: int,
        seed: np.random.SeedSequence,
        stretch: Stretch | None = None,
        request: Request = NOTHING_ASKED,
    ) -> RawSamples:
        """Draw n samples in one batch; the same seed gives the same samples on the same kind of device.

        Args:
            n: number of samples.
            seed: decides the draw.
            stretch: where they lie in a generation; None: nowhere, all is drawn by chance.
            request: what they must be, as ``capacity`` allowed it.
        """

    def capacity(self, request: Request) -> Capacity:
        """How much of what the model draws meets a request; a method without choice of compositions meets none.

        Raises:
            CompositionError: nothing does, or the method cannot.
        """
        raise CompositionError(
            f"The recipe {self.recipe.name} draws any elements and sites and cannot be asked for: "
            f"{request.describe()}. Use a training of recipe forge, or the baselines donor and swap."
        )

    @property
    def volume_window(self) -> tuple[float, float]:
        """Accepted volumes per atom (Å³): the training range, widened by ``VOLUME_MARGIN``."""
        low, high = self.statistics["volume_per_atom_range"].tolist()
        return low / VOLUME_MARGIN, high * VOLUME_MARGIN

    @property
    def lengths_angstrom(self) -> tuple[float, Sequence[float]]:
        """Least cell length, and greatest a, b, c, of the noise that stands beside the model's samples."""
        return LENGTHS_ANGSTROM
