"""A trained model of one space group: draws raw samples in batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.crystals.elements import element_properties
from crystalforge.gan.checkpoint import Checkpoint, load_generator, open_checkpoint
from crystalforge.gan.compositions import count_elements, sample_compositions
from crystalforge.gan.data import radius_table
from crystalforge.gan.networks import Generator
from crystalforge.gan.recipe import Recipe

VOLUME_MARGIN = 1.5
"""Volumes per atom are accepted up to this factor beyond the range of the training crystals."""


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
class Model:
    """Generator, recipe and statistics of one space group, ready to draw."""

    space_group_number: int
    recipe: Recipe
    generator: Generator
    statistics: dict[str, Tensor]
    device: torch.device

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> Model:
        """Read the model of a checkpoint folder.

        Raises:
            DamagedFileError: the checkpoint is missing, foreign or changed.
        """
        return cls.from_checkpoint(open_checkpoint(folder), device)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, device: torch.device | str = "cpu") -> Model:
        """The model of a checkpoint that was opened already."""
        generator, statistics = load_generator(checkpoint, device)
        return cls(checkpoint.space_group_number, checkpoint.recipe, generator, statistics, torch.device(device))

    @property
    def volume_window(self) -> tuple[float, float]:
        """Accepted volumes per atom (Å³): the training range, widened by ``VOLUME_MARGIN``."""
        low, high = self.statistics["volume_per_atom_range"].tolist()
        return low / VOLUME_MARGIN, high * VOLUME_MARGIN

    def draw_compositions(self, n: int, random: np.random.Generator) -> NDArray[np.int64]:
        """(n, 3) atomic numbers by the recipe's sampler."""
        counts = self.statistics["element_counts"].cpu().numpy()
        return sample_compositions(self.recipe.sampling.compositions, counts, n, random)

    def draw(self, n: int, seed: np.random.SeedSequence) -> RawSamples:
        """Draw n samples; the same seed gives the same samples on the same kind of device.

        Args:
            n: number of samples, drawn in one batch.
            seed: decides elements and noise.
        """
        random = np.random.default_rng(seed)
        atomic_numbers = self.draw_compositions(n, random)
        noise = torch.as_tensor(
            random.standard_normal((n, self.generator.noise_size), dtype=np.float32), device=self.device
        )
        properties = torch.as_tensor(element_properties()[atomic_numbers], device=self.device)
        with torch.inference_mode():
            frac_coords, lattice_parameters = self.generator.draw_first_set(noise, properties)
        return RawSamples(
            atomic_numbers=atomic_numbers,
            frac_coords=frac_coords.double().cpu().numpy(),
            lattice_parameters=lattice_parameters.double().cpu().numpy(),
            radii=radius_table().double().numpy()[atomic_numbers],
        )
