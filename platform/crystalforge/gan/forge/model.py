"""Draws from a trained model of method ``forge``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.gan.compositions import CompositionSampler, capacity, draw_requested
from crystalforge.gan.compositions import from_state as compositions_from_state
from crystalforge.gan.compositions.new_templates import with_new_templates
from crystalforge.gan.data import radius_table
from crystalforge.gan.forge.crystals import find_donors
from crystalforge.gan.forge.drawing import best_of_modes
from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures
from crystalforge.gan.forge.networks import Critic, Generator
from crystalforge.gan.forge.new_templates import Search, find_structures, random_starts
from crystalforge.gan.forge.starts import find_starts
from crystalforge.gan.forge_recipe import ForgeRecipe
from crystalforge.gan.model import Model, RawSamples
from crystalforge.gan.request import NOTHING_ASKED, Capacity, Request
from crystalforge.gan.stretch import Stretch
from crystalforge.gan.tensors import load_weights, without_prefix
from crystalforge.gan.volume import site_order

AT_ONCE = 1000
"""Crystals made together: memory does not grow with the batch."""
SEARCH = Search()


@dataclass(frozen=True)
class ForgeModel(Model):
    """Networks, knowledge and composition sampler of one space group, ready to draw."""

    recipe: ForgeRecipe
    generator: Generator
    critic: Critic
    knowledge: Knowledge
    compositions: CompositionSampler
    with_new_templates: dict[str, CompositionSampler] = field(default_factory=dict, repr=False, compare=False)
    """By kind, each made when it is first asked for."""

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
        sampler, request_of_it = self._sampler(request)
        drawn = draw_requested(
            sampler,
            n,
            random,
            request_of_it,
            temperature=sampling.temperature,
            stretch=stretch,
            even=sampling.even,
        )
        if request.new_templates:
            return self.new_structures_for(drawn.letters, drawn.atomic_numbers, random)
        return self.structures_for(drawn.letters, drawn.atomic_numbers, random)

    def capacity(self, request: Request) -> Capacity:
        """How much of the compositions meets a request.

        Raises:
            CompositionError: nothing does.
        """
        return capacity(*self._sampler(request), self.recipe.sampling.temperature)

    def _sampler(self, request: Request) -> tuple[CompositionSampler, Request]:
        """Which sampler is asked, and what is left to ask of it."""
        if not request.new_templates:
            return self.compositions, request
        kind = request.compositions or self.compositions.kind
        if kind not in self.with_new_templates:
            self.with_new_templates[kind] = with_new_templates(self.compositions.of_kind(kind))
        return self.with_new_templates[kind], replace(request, compositions=None)

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
        n_modes, noise_size = self.recipe.donors.n_modes, self.recipe.networks.noise_size
        shape = (len(letters), n_modes, noise_size)
        noise = np.zeros(shape, np.float32) if random is None else random.standard_normal(shape, dtype=np.float32)
        return self._in_parts(
            letters, atomic_numbers, lambda composition, part: self._from_donors(composition, noise[part])
        )

    def new_structures_for(
        self,
        letters: NDArray[np.str_],
        atomic_numbers: NDArray[np.int64],
        random: np.random.Generator,
        search: Search = SEARCH,
    ) -> RawSamples:
        """Crystals of templates that no training crystal has, of letters that some have.

        Args:
            letters: (n, 3) Wyckoff letters of the sites.
            atomic_numbers: (n, 3), in the canonical order of elements.
            random: decides the starts.
            search: how much is tried for each.

        Returns:
            n raw samples, sites in the order given.
        """

        def make(composition: Composition, _: slice) -> Structures:
            starts = random_starts(self.knowledge, composition, search.n_starts, random)
            nearest = self.recipe.networks.nearest_contacts
            return find_structures(self.knowledge, self.critic, composition, starts, nearest, search)

        return self._in_parts(letters, atomic_numbers, make)

    def _in_parts(
        self,
        letters: NDArray[np.str_],
        atomic_numbers: NDArray[np.int64],
        make: Callable[[Composition, slice], Structures],
    ) -> RawSamples:
        """Raw samples of compositions (n, 3), made at most ``AT_ONCE`` together."""
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(letters), AT_ONCE)] or [slice(0, 0)]
        made = [self._make(letters[part], atomic_numbers[part], part, make) for part in parts]
        frac_coords, edges = (np.concatenate(pieces) for pieces in zip(*made, strict=True))
        angles = np.array([90.0, 90.0, 120.0 if self.knowledge.hexagonal else 90.0])
        return RawSamples(
            atomic_numbers=np.asarray(atomic_numbers),
            frac_coords=frac_coords,
            lattice_parameters=np.column_stack([edges, np.broadcast_to(angles, (len(edges), 3))]),
            radii=radius_table().double().numpy()[atomic_numbers],
        )

    def _make(
        self,
        letters: NDArray[np.str_],
        atomic_numbers: NDArray[np.int64],
        part: slice,
        make: Callable[[Composition, slice], Structures],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sites (n, 3, 3) and edges (n, 3)."""
        if len(letters) == 0:
            return np.empty((0, 3, 3)), np.empty((0, 3))
        order = site_order(letters)
        slots = np.take_along_axis(letters, order, axis=1), np.take_along_axis(atomic_numbers, order, axis=1)
        with torch.no_grad():
            composition = self.knowledge.compose(*slots)
            made = make(composition, part)
            sites = self.knowledge.exact_sites(slots[0], made.parameters)
            edges = self.knowledge.edges(composition.code, made).double().cpu().numpy()
        return np.take_along_axis(sites, np.argsort(order, axis=1)[:, :, None], axis=1), self._equal_edges(edges)

    def _from_donors(self, composition: Composition, noise: NDArray[np.float32]) -> Structures:
        """What the generator makes of what the nearest known crystals support."""
        knowledge, recipe = self.knowledge, self.recipe
        donors = find_donors(knowledge.known, composition.code, composition.atomic_numbers, recipe.donors.n_donors)
        return best_of_modes(
            knowledge,
            self.generator,
            self.critic,
            composition,
            find_starts(knowledge, composition, donors, recipe.donors.n_modes),
            torch.as_tensor(noise, device=self.device),
            nearest_contacts=recipe.networks.nearest_contacts,
            trust=recipe.donors.trust,
        )

    def _equal_edges(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Edges that the crystal system makes equal, equal to the last bit."""
        is_free = self.knowledge.free_ratios.cpu().numpy().astype(bool)
        equal = edges.copy()
        for axis in (1, 2):
            if not is_free[axis - 1]:
                equal[:, axis] = edges[:, 0]
        return equal
