"""Draws from a trained generator of method ``paper``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.crystals.elements import element_properties
from crystalforge.gan.compositions import sample_compositions
from crystalforge.gan.data import radius_table
from crystalforge.gan.model import Model, RawSamples
from crystalforge.gan.networks import Generator
from crystalforge.gan.paper_recipe import PaperRecipe
from crystalforge.gan.request import NOTHING_ASKED, Request
from crystalforge.gan.stretch import Stretch
from crystalforge.gan.tensors import load_weights


@dataclass(frozen=True)
class PaperModel(Model):
    """Generator, recipe and statistics of one space group, ready to draw."""

    recipe: PaperRecipe
    generator: Generator

    @classmethod
    def from_tensors(
        cls,
        space_group_number: int,
        recipe: PaperRecipe,
        tensors: dict[str, Tensor],
        statistics: dict[str, Tensor],
        device: torch.device,
    ) -> PaperModel:
        """The model of a checkpoint."""
        generator = Generator(space_group_number, recipe.networks)
        load_weights(generator, "generator", tensors)
        return cls(space_group_number, recipe, statistics, device, generator.to(device).eval())

    @property
    def lengths_angstrom(self) -> tuple[float, Sequence[float]]:
        """Least cell length, and greatest a, b, c, of the generator."""
        networks = self.recipe.networks
        return networks.length_minimum_angstrom, networks.length_maximum_angstrom

    def draw_compositions(self, n: int, random: np.random.Generator) -> NDArray[np.int64]:
        """(n, 3) atomic numbers by the recipe's sampler."""
        counts = self.statistics["element_counts"].cpu().numpy()
        return sample_compositions(self.recipe.sampling.compositions, counts, n, random)

    def draw(
        self,
        n: int,
        seed: np.random.SeedSequence,
        stretch: Stretch | None = None,  # noqa: ARG002
        request: Request = NOTHING_ASKED,
    ) -> RawSamples:
        """Draw n samples; the same seed gives the same samples on the same kind of device.

        Args:
            n: number of samples, drawn in one batch.
            seed: decides elements and noise.
            stretch: not used: the paper draws elements by chance.
            request: must be empty.

        Raises:
            CompositionError: something is asked for.
        """
        if not request.is_empty:
            self.capacity(request)
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
