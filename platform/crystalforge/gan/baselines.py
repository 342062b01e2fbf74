"""The baselines ``donor`` and ``swap``: compositions are drawn, structures copied from training crystals.

A generator earns its place where it beats them (PHYSICS, section 4). Donor: the nearest crystal of the same template,
its cell scaled to the learned volume. Swap: a crystal with one element replaced, its cell scaled by the radii.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.errors import CompositionError
from crystalforge.gan import compositions
from crystalforge.gan.compositions import CompositionSampler
from crystalforge.gan.copy_recipe import CopyRecipe
from crystalforge.gan.data import radius_table
from crystalforge.gan.donors import Donors, find_donors
from crystalforge.gan.model import Model, RawSamples
from crystalforge.gan.request import NOTHING_ASKED, Capacity, Request
from crystalforge.gan.stretch import Stretch
from crystalforge.gan.tensors import prefixed, without_prefix
from crystalforge.gan.training import Trainer, TrainingCrystals
from crystalforge.gan.volume import VolumeModel


@dataclass(frozen=True)
class Fitted:
    """What is known of one space group."""

    crystals: CrystalBatch
    volume: VolumeModel
    sampler: CompositionSampler

    @classmethod
    def fit(cls, crystals: CrystalBatch, recipe: CopyRecipe, seed: int, device: torch.device | str) -> Fitted:
        """Learn volumes and compositions of training crystals in the canonical setting."""
        letters, numbers = crystals.wyckoff_letter, crystals.atomic_numbers
        edges = crystals.lattice_parameters[:, :3]
        return cls(
            crystals,
            VolumeModel.fit(letters, numbers, crystals.multiplicity, volumes_per_atom(crystals), edges, device),
            compositions.fit(
                recipe.sampling.compositions,
                letters,
                numbers,
                seed,
                space_group_number=int(crystals.space_group_number[0]),
            ),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name."""
        crystals = {
            "letters": torch.as_tensor(np.vectorize(ord, otypes=[np.int64])(self.crystals.wyckoff_letter)),
            "atomic_numbers": torch.tensor(self.crystals.atomic_numbers),
            "multiplicity": torch.tensor(self.crystals.multiplicity),
            "frac_coords": torch.tensor(self.crystals.frac_coords),
            "lattice_parameters": torch.tensor(self.crystals.lattice_parameters),
        }
        return (
            prefixed("crystals", crystals)
            | prefixed("volume", self.volume.state())
            | prefixed("compositions", self.sampler.state())
        )

    @classmethod
    def from_tensors(cls, space_group_number: int, recipe: CopyRecipe, tensors: dict[str, Tensor]) -> Fitted:
        """What gave the ``tensors``.

        Raises:
            KeyError: one is missing.
        """
        stored = {name: tensor.cpu().numpy() for name, tensor in without_prefix("crystals", tensors).items()}
        crystals = CrystalBatch(
            space_group_number=np.full(len(stored["letters"]), space_group_number),
            lattice_parameters=stored["lattice_parameters"],
            atomic_numbers=stored["atomic_numbers"],
            frac_coords=stored["frac_coords"],
            multiplicity=stored["multiplicity"],
            wyckoff_letter=np.vectorize(chr, otypes=["<U1"])(stored["letters"]),
        )
        volume = VolumeModel.from_state(without_prefix("volume", tensors))
        sampler = compositions.from_state(recipe.sampling.compositions, without_prefix("compositions", tensors))
        return cls(crystals, volume, sampler)


@dataclass(frozen=True)
class CopyModel(Model):
    """Draws compositions and copies structures."""

    recipe: CopyRecipe
    fitted: Fitted

    @classmethod
    def from_tensors(
        cls,
        space_group_number: int,
        recipe: CopyRecipe,
        tensors: dict[str, Tensor],
        statistics: dict[str, Tensor],
        device: torch.device,
    ) -> CopyModel:
        """The model of a checkpoint."""
        return cls(
            space_group_number, recipe, statistics, device, Fitted.from_tensors(space_group_number, recipe, tensors)
        )

    def draw(
        self,
        n: int,
        seed: np.random.SeedSequence,
        stretch: Stretch | None = None,
        request: Request = NOTHING_ASKED,
    ) -> RawSamples:
        """Draw n compositions by the recipe's sampler, by chance, and copy a structure for each."""
        drawn = compositions.draw_requested(
            self.fitted.sampler,
            n,
            np.random.default_rng(seed),
            request,
            temperature=self.recipe.sampling.temperature,
            stretch=stretch,
            even=False,
        )
        return self.structures_for(drawn.letters, drawn.atomic_numbers)

    def capacity(self, request: Request) -> Capacity:
        """How much of the compositions meets a request.

        Raises:
            CompositionError: nothing does, or templates are asked for that there is no crystal of to copy.
        """
        if request.new_templates:
            raise CompositionError(
                f"The recipe {self.recipe.name} copies training crystals, so it has no structure for Wyckoff templates "
                "that none of them has. Leave out --new-templates, or use a training of recipe forge."
            )
        return compositions.capacity(self.fitted.sampler, request, self.recipe.sampling.temperature)

    def structures_for(self, letters: NDArray[np.str_], atomic_numbers: NDArray[np.int64]) -> RawSamples:
        """Structures for given compositions and templates, (n, 3) each; NaN where no crystal has the template."""
        crystals, copying = self.fitted.crystals, self.recipe.copying
        donors = find_donors(crystals, letters, atomic_numbers, fewest_first=copying.donor == "fewest_replacements")
        frac_coords = np.take_along_axis(crystals.frac_coords[donors.crystal], donors.site[:, :, None], axis=1)
        multiplicity = np.take_along_axis(crystals.multiplicity[donors.crystal], donors.site, axis=1)
        scale = self._scale(donors, letters, atomic_numbers, multiplicity)
        lattice = crystals.lattice_parameters[donors.crystal]
        lattice = np.hstack([lattice[:, :3] * scale[:, None], lattice[:, 3:]])
        lacking = donors.crystal < 0
        frac_coords[lacking], lattice[lacking] = np.nan, np.nan
        return RawSamples(atomic_numbers, frac_coords, lattice, radius_table().double().numpy()[atomic_numbers])

    def _scale(
        self,
        donors: Donors,
        letters: NDArray[np.str_],
        atomic_numbers: NDArray[np.int64],
        multiplicity: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """(n,) by which the edges of the donors' cells are multiplied."""
        donor = self.fitted.crystals.select(donors.crystal)
        if self.recipe.copying.cell == "learned_volume":
            learned = self.fitted.volume.predict(letters, atomic_numbers, multiplicity)
            return (learned / volumes_per_atom(donor)) ** (1 / 3)
        radii = radius_table().double().numpy()
        return (radii[atomic_numbers] * multiplicity).sum(axis=1) / (
            radii[donor.atomic_numbers] * donor.multiplicity
        ).sum(axis=1)


class CopyTrainer(Trainer[CopyRecipe, CrystalBatch]):
    """Fits a baseline; its one epoch is the fit."""

    def __init__(
        self,
        space_group_number: int,
        recipe: CopyRecipe,
        seed: int,
        device: torch.device | str,
        fitted: Fitted | None = None,
    ) -> None:
        self.space_group_number, self.recipe, self.seed, self.device = space_group_number, recipe, seed, device
        self.epoch = self.generator_steps = 0
        self._fitted = fitted

    @classmethod
    def create(
        cls, space_group_number: int, recipe: CopyRecipe, seed: int, device: torch.device | str = "cpu"
    ) -> CopyTrainer:
        """Nothing is fitted yet."""
        return cls(space_group_number, recipe, seed, device)

    @classmethod
    def restore(
        cls,
        space_group_number: int,
        recipe: CopyRecipe,
        seed: int,
        tensors: dict[str, Tensor],
        state: dict[str, Tensor],  # noqa: ARG003 - the model is all there is
        device: torch.device | str = "cpu",
    ) -> CopyTrainer:
        """What a checkpoint holds is fitted."""
        return cls(space_group_number, recipe, seed, device, Fitted.from_tensors(space_group_number, recipe, tensors))

    @staticmethod
    def prepare(
        training: TrainingCrystals,
        recipe: CopyRecipe,  # noqa: ARG004
        seed: int,  # noqa: ARG004
    ) -> CrystalBatch:
        """The crystals themselves."""
        return training.crystals

    @property
    def fitted(self) -> Fitted:
        """What was fitted."""
        if self._fitted is None:
            raise RuntimeError("The baseline is not fitted: call train_epoch first.")
        return self._fitted

    @property
    def crystals_per_step(self) -> int:
        """All of them at once."""
        return len(self.fitted.crystals)

    def train_epoch(self, data: CrystalBatch) -> dict[str, float]:
        """Fit; returns the leave-one-out spread of the learned log volume and log ratios."""
        self._fitted = Fitted.fit(data, self.recipe, self.seed, self.device)
        self.epoch, self.generator_steps = 1, self.recipe.total_steps
        volume, b_over_a, c_over_a = self._fitted.volume.spread.tolist()
        return {"spread_log_volume": volume, "spread_log_b_over_a": b_over_a, "spread_log_c_over_a": c_over_a}

    def model_tensors(self) -> dict[str, Tensor]:
        """Crystals, volumes and compositions."""
        return self.fitted.tensors()

    def state_tensors(self) -> dict[str, Tensor]:
        """None."""
        return {}

    def model(self, statistics: dict[str, Tensor]) -> CopyModel:
        """The fitted baseline."""
        device: Any = torch.device(self.device)
        return CopyModel(self.space_group_number, self.recipe, statistics, device, self.fitted)
