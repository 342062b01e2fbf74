"""Knowledge from training crystals, and the data that the training of one space group reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.gan.compositions import CompositionSampler
from crystalforge.gan.compositions import fit as fit_compositions
from crystalforge.gan.forge.crystals import Donors, SlotCrystals, find_donors, slot_crystals, slot_orders
from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures
from crystalforge.gan.forge_recipe import ForgeRecipe
from crystalforge.gan.volume import VolumeModel, site_order

FLOOR_QUANTILE, WINDOW = 0.01, (0.05, 0.95)
"""Quantiles of the training crystals' least contact ratios: between the window's the physics loss is 0."""
ACCEPTED_CONTACT = 0.76
"""A contact ratio just above the floor at which generations accept a crystal."""
LEAST_SCALE = 0.01
"""Spread of a cell's suggestion below which it is taken as this."""


@dataclass(frozen=True)
class ForgeData:
    """What the training of one space group reads.

    Attributes:
        knowledge: of the training crystals.
        compositions: sampler fitted to the training crystals.
        donors: of each training crystal, others than itself.
        validation: compositions set aside, with their structures and donors; None where nothing was.
    """

    knowledge: Knowledge
    compositions: CompositionSampler
    donors: Donors
    validation: tuple[Composition, Structures, Donors] | None

    def to(self, device: torch.device | str) -> ForgeData:
        """The same on another device."""
        validation = None
        if self.validation is not None:
            composition, real, donors = self.validation
            validation = (
                Composition(*(value.to(device) for value in vars(composition).values())),
                Structures(*(value.to(device) for value in vars(real).values())),
                _moved(donors, device),
            )
        return ForgeData(self.knowledge.to(device), self.compositions, _moved(self.donors, device), validation)


def _moved(donors: Donors, device: torch.device | str) -> Donors:
    return Donors(donors.index.to(device), donors.exists.to(device))


def learn(crystals: CrystalBatch, nearest_contacts: int) -> Knowledge:
    """Knowledge of one space group from its training crystals in their canonical setting, self-augmented."""
    volumes = volumes_per_atom(crystals)
    plain = slot_crystals(crystals, np.log(volumes))
    rows, order = slot_orders(plain.code)
    known = plain.reordered(rows, order)
    model = VolumeModel.fit(
        crystals.wyckoff_letter,
        crystals.atomic_numbers,
        crystals.multiplicity,
        volumes,
        crystals.lattice_parameters[:, :3],
    )
    left_out = model.leave_one_out.float()[rows]
    suggested = Composition(known.code, known.atomic_numbers, left_out[:, 0], left_out[:, 1:])
    scale = model.spread.float().clamp_min(LEAST_SCALE)
    unjudged = Knowledge(int(crystals.space_group_number[0]), known, suggested, scale, torch.zeros(3), model)
    least = unjudged.contact_ratios(suggested, structures_of(known), nearest_contacts)[: len(plain), :, 0].amin(dim=1)
    rare, low, high = torch.quantile(least, torch.tensor([FLOOR_QUANTILE, *WINDOW]))
    # Below the floor a sample is widened: where 1 in 100 real crystals is, or up to 5 in 100 to be accepted.
    floor = torch.maximum(rare, low.clamp_max(ACCEPTED_CONTACT))
    return replace(unjudged, contact_window=torch.stack([floor, low, high]))


def structures_of(crystals: SlotCrystals) -> Structures:
    """What is free in the crystals."""
    return Structures(crystals.parameters, crystals.log_volume, crystals.log_ratios)


def forge_data(training: CrystalBatch, validation: CrystalBatch | None, recipe: ForgeRecipe, seed: int) -> ForgeData:
    """Learn from the training crystals of one space group, and look up the donors of all."""
    number = int(training.space_group_number[0])
    knowledge = learn(training, recipe.networks.nearest_contacts)
    compositions = fit_compositions(
        recipe.sampling.compositions,
        training.wyckoff_letter,
        training.atomic_numbers,
        seed,
        space_group_number=number,
    )
    known = knowledge.known
    donors = find_donors(known, known.code, known.atomic_numbers, recipe.donors.n_donors, leave_out_same=True)
    return ForgeData(knowledge, compositions, donors, _set_aside(knowledge, validation, recipe))


def _set_aside(
    knowledge: Knowledge, validation: CrystalBatch | None, recipe: ForgeRecipe
) -> tuple[Composition, Structures, Donors] | None:
    """Crystals set aside whose template the training crystals have."""
    if validation is None or len(validation) == 0:
        return None
    order = site_order(validation.wyckoff_letter)
    letters = np.take_along_axis(validation.wyckoff_letter, order, axis=1)
    slots = slot_crystals(validation, np.log(volumes_per_atom(validation)))
    donors = find_donors(knowledge.known, slots.code, slots.atomic_numbers, recipe.donors.n_candidates)
    has_donor = donors.exists[:, 0]
    if not has_donor.any():
        return None
    chosen = has_donor.numpy()
    composition = knowledge.compose(letters[chosen], slots.atomic_numbers.numpy()[chosen])
    real = Structures(*(value[has_donor] for value in vars(structures_of(slots)).values()))
    return composition, real, Donors(donors.index[has_donor], donors.exists[has_donor])


def periodic(difference: Tensor) -> Tensor:
    """Differences of fractional coordinates reduced to [-1/2, 1/2]."""
    return difference - difference.detach().round()
