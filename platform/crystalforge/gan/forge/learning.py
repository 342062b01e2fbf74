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
from crystalforge.gan.forge.crystals import SlotCrystals, find_donors, slot_crystals, slot_orders
from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures
from crystalforge.gan.forge.starts import Starts, find_starts
from crystalforge.gan.forge.validation import well_placed
from crystalforge.gan.forge_recipe import ForgeDonors, ForgeRecipe
from crystalforge.gan.training import AUGMENTATION_STREAM, seed_stream
from crystalforge.gan.volume import VolumeModel, site_order

FLOOR_QUANTILE, WINDOW = 0.01, (0.05, 0.95)
"""Quantiles of the training crystals' least contact ratios: between the window's the physics loss is 0."""
ACCEPTED_CONTACT = 0.76
"""A contact ratio just above the floor at which generations accept a crystal."""
LEAST_SCALE = 0.01
"""Spread of a cell's suggestion below which it is taken as this."""


@dataclass(frozen=True)
class ForgeData:
    """What the training of one space group reads. Rows are the known crystals, in every order of their slots.

    Attributes:
        knowledge: of the training crystals.
        compositions: sampler fitted to the training crystals.
        starts: of each known crystal, from others than itself.
        is_own_mode: (n, n_modes) whether a start is near the crystal itself: only there its sites teach the generator.
        conditions: (n, condition_size) what the networks are told of templates and elements.
        real_features: (n, n_features) what the critic sees of the real crystals.
        learned_rows: (n_learned,) rows that the networks learn from.
        judged: the other crystals, as compositions, structures and starts; they choose the epoch. None: there are none.
    """

    knowledge: Knowledge
    compositions: CompositionSampler
    starts: Starts
    is_own_mode: Tensor
    conditions: Tensor
    real_features: Tensor
    learned_rows: Tensor
    judged: tuple[Composition, Structures, Starts] | None

    def to(self, device: torch.device | str) -> ForgeData:
        """The same on another device."""
        judged = None
        if self.judged is not None:
            composition, real, starts = self.judged
            judged = composition.to(device), real.to(device), starts.to(device)
        return ForgeData(
            self.knowledge.to(device),
            self.compositions,
            self.starts.to(device),
            self.is_own_mode.to(device),
            self.conditions.to(device),
            self.real_features.to(device),
            self.learned_rows.to(device),
            judged,
        )


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


def forge_data(training: CrystalBatch, recipe: ForgeRecipe, seed: int) -> ForgeData:
    """Learn from the training crystals of one space group, and find where the generator starts for each."""
    number = int(training.space_group_number[0])
    knowledge = learn(training, recipe.networks.nearest_contacts)
    compositions = fit_compositions(
        recipe.sampling.compositions,
        training.wyckoff_letter,
        training.atomic_numbers,
        seed,
        space_group_number=number,
    )
    starts = _starts_of_known(knowledge, recipe.donors)
    known, suggested = structures_of(knowledge.known), knowledge.suggested
    ratios = knowledge.contact_ratios(suggested, known, recipe.networks.nearest_contacts)
    is_judged = _judged(knowledge.known, recipe.optimisation.judged_share, seed)
    rows = is_judged[: len(training)].nonzero()[:, 0]  # each crystal once, in the order of slots that it has
    every_mode = slice(None)
    return ForgeData(
        knowledge,
        compositions,
        starts,
        is_own_mode=_near(knowledge, starts),
        conditions=knowledge.condition(suggested),
        real_features=knowledge.features(suggested, known, ratios),
        learned_rows=(~is_judged).nonzero()[:, 0],
        judged=(suggested.take(rows), known.take(rows), starts.take(rows, every_mode)) if len(rows) else None,
    )


def _judged(known: SlotCrystals, share: float, seed: int) -> Tensor:
    """(n,) which known crystals the networks do not learn from: all of a share of the triples of elements."""
    triples, of_crystal = known.atomic_numbers.sort(dim=1).values.unique(dim=0, return_inverse=True)
    random = np.random.default_rng(seed_stream(seed, len(triples), AUGMENTATION_STREAM))
    chosen = torch.as_tensor(random.permutation(len(triples))[: round(share * len(triples))])
    return torch.isin(of_crystal, chosen)


def _starts_of_known(knowledge: Knowledge, recipe: ForgeDonors) -> Starts:
    """Starts of the known crystals from others. One that is alone in its template starts from itself."""
    known = knowledge.known
    donors = find_donors(known, known.code, known.atomic_numbers, recipe.n_donors, leave_out_same=True)
    starts = find_starts(knowledge, knowledge.suggested, donors, recipe.n_modes)
    alone = ~donors.exists[:, 0]
    starts.parameters[alone], starts.support[alone, 0] = known.parameters[alone, None], 1.0
    starts.log_ratios[alone] = known.log_ratios[alone, None]
    return starts


def _near(knowledge: Knowledge, starts: Starts) -> Tensor:
    """(n, n_modes) whether the sites of a start are well placed, seen from the known crystal itself."""
    known = structures_of(knowledge.known)
    modes = range(starts.support.shape[1])
    placed = [well_placed(knowledge, knowledge.known.code, starts.parameters[:, mode], known) for mode in modes]
    return torch.stack(placed, dim=1)


def asked(knowledge: Knowledge, crystals: CrystalBatch, recipe: ForgeDonors) -> tuple[Composition, Structures, Starts]:
    """Other crystals, those whose template some known crystal has: what they are, and the starts for them."""
    order = site_order(crystals.wyckoff_letter)
    letters = np.take_along_axis(crystals.wyckoff_letter, order, axis=1)
    slots = slot_crystals(crystals, np.log(volumes_per_atom(crystals)))
    donors = find_donors(knowledge.known, slots.code, slots.atomic_numbers, recipe.n_donors)
    rows = donors.exists[:, 0].nonzero()[:, 0]
    composition = knowledge.compose(letters[rows.numpy()], slots.atomic_numbers.numpy()[rows.numpy()])
    starts = find_starts(knowledge, composition, donors.take(rows), recipe.n_modes)
    return composition, structures_of(slots).take(rows), starts
