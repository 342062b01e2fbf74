"""Draws from a trained model of method ``forge``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.gan.compositions import CompositionSampler, capacity, draw_requested
from crystalforge.gan.compositions import from_state as compositions_from_state
from crystalforge.gan.data import radius_table
from crystalforge.gan.forge.crystals import find_donors
from crystalforge.gan.forge.drawing import best_of_candidates
from crystalforge.gan.forge.knowledge import Knowledge
from crystalforge.gan.forge.networks import Critic, Generator
from crystalforge.gan.forge_recipe import ForgeRecipe
from crystalforge.gan.model import NOTHING_ASKED, Model, RawSamples
from crystalforge.gan.request import Capacity, Request
from crystalforge.gan.stretch import Stretch
from crystalforge.gan.tensors import load_weights, without_prefix
from crystalforge.gan.volume import site_order

AT_ONCE = 1000
"""Crystals made together: memory does not grow with the batch."""


@dataclass(frozen=True)
class ForgeModel(Model):
    """Networks, knowledge and composition sampler of one space group, ready to draw."""

    recipe: ForgeRecipe
    generator: Generator
    critic: Critic
    knowledge: Knowledge
    compositions: CompositionSampler

    @classmethod
    def from_tensors(
        cls,
        space_group_number: int,
        recipe: ForgeRecipe,
        tensors: dict[str, Tensor],
        statistics: dict[str, Tensor],
        device: torch.device,
    ) -> ForgeModel:
        """The model of a checkpoint."""
        knowledge = Knowledge.from_state(space_group_number, without_prefix("knowledge", tensors)).to(device)
        generator = Generator(knowledge.n_letters, recipe.networks)
        critic = Critic(knowledge.n_letters, recipe.networks)
        load_weights(generator, "generator", tensors)
        load_weights(critic, "critic", tensors)
        compositions = compositions_from_state(recipe.sampling.compositions, without_prefix("compositions", tensors))
        return cls(
            space_group_number,
            recipe,
            statistics,
            device,
            generator.to(device).eval(),
            critic.to(device).eval(),
            knowledge,
            compositions,
        )

    def draw(
        self,
        n: int,
        seed: np.random.SeedSequence,
        stretch: Stretch | None = None,
        request: Request = NOTHING_ASKED,
    ) -> RawSamples:
        """Draw n samples; the same seed gives the same samples on the same kind of device.

        Args:
            n: number of samples.
            seed: decides noise, and compositions if they are drawn by chance.
            stretch: where they lie in a generation, if compositions are to be spread evenly over it.
            request: what they must be.
        """
        random, sampling = np.random.default_rng(seed), self.recipe.sampling
        drawn = draw_requested(
            self.compositions,
            n,
            random,
            request,
            temperature=sampling.temperature,
            stretch=stretch,
            even=sampling.even,
        )
        return self.structures_for(drawn.letters, drawn.atomic_numbers, random)

    def capacity(self, request: Request) -> Capacity:
        """How much of the compositions meets a request.

        Raises:
            CompositionError: nothing does.
        """
        return capacity(self.compositions, request, self.recipe.sampling.temperature)

    def structures_for(
        self, letters: NDArray[np.str_], atomic_numbers: NDArray[np.int64], random: np.random.Generator | None = None
    ) -> RawSamples:
        """Crystals of given templates and compositions.

        Args:
            letters: (n, 3) Wyckoff letters of the sites, of templates that the training crystals have.
            atomic_numbers: (n, 3), in the canonical order of elements.
            random: decides the noise; None: none, the middle of what would be drawn.

        Returns:
            n raw samples, sites in the order given.
        """
        n_candidates, noise_size = self.recipe.donors.n_candidates, self.recipe.networks.noise_size
        shape = (len(letters), n_candidates, noise_size)
        noise = np.zeros(shape, np.float32) if random is None else random.standard_normal(shape, dtype=np.float32)
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(letters), AT_ONCE)] or [slice(0, 0)]
        made = [self._make(letters[part], atomic_numbers[part], noise[part]) for part in parts]
        frac_coords, edges = (np.concatenate(pieces) for pieces in zip(*made, strict=True))
        angles = np.array([90.0, 90.0, 120.0 if self.knowledge.hexagonal else 90.0])
        return RawSamples(
            atomic_numbers=np.asarray(atomic_numbers),
            frac_coords=frac_coords,
            lattice_parameters=np.column_stack([edges, np.broadcast_to(angles, (len(edges), 3))]),
            radii=radius_table().double().numpy()[atomic_numbers],
        )

    def _make(
        self, letters: NDArray[np.str_], atomic_numbers: NDArray[np.int64], noise: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sites (n, 3, 3) and edges (n, 3)."""
        if len(letters) == 0:
            return np.empty((0, 3, 3)), np.empty((0, 3))
        order = site_order(letters)
        slots = np.take_along_axis(letters, order, axis=1), np.take_along_axis(atomic_numbers, order, axis=1)
        with torch.inference_mode():
            composition = self.knowledge.compose(*slots)
            donors = find_donors(self.knowledge.known, composition.code, composition.atomic_numbers, noise.shape[1])
            made = best_of_candidates(
                self.knowledge,
                self.generator,
                self.critic,
                composition,
                donors,
                torch.as_tensor(noise, device=self.device),
                self.recipe.networks.nearest_contacts,
            )
            sites = self.knowledge.exact_sites(slots[0], made.parameters)
            edges = self.knowledge.edges(composition.code, made).double().cpu().numpy()
        return np.take_along_axis(sites, np.argsort(order, axis=1)[:, :, None], axis=1), self._equal_edges(edges)

    def _equal_edges(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Edges that the crystal system makes equal, equal to the last bit."""
        is_free = self.knowledge.free_ratios.cpu().numpy().astype(bool)
        equal = edges.copy()
        for axis in (1, 2):
            if not is_free[axis - 1]:
                equal[:, axis] = edges[:, 0]
        return equal
