"""What a trained model of method ``forge`` knows besides its networks: crystals to start from, cells, compositions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.crystals.elements import element_properties
from crystalforge.gan.data import radius_table
from crystalforge.gan.forge.crystals import SlotCrystals, letter_codes
from crystalforge.gan.forge.geometry import PAIRS, cell_edges, contact_distances, site_coordinates
from crystalforge.gan.forge.networks import CONTACT_CENTRES, CONTACT_WIDTH
from crystalforge.gan.forge.positions import Positions, make_positions
from crystalforge.gan.tensors import prefixed, without_prefix
from crystalforge.gan.volume import VolumeModel
from crystalforge.symmetry import CrystalSystem, sites_of, space_group

MAX_RATIO = 3.0
"""Contact ratios beyond this are all alike."""
_FREE_RATIOS = {CrystalSystem.CUBIC: (0.0, 0.0), CrystalSystem.ORTHORHOMBIC: (1.0, 1.0)}
"""Whether b/a and c/a are free; in every other system only c/a."""


@dataclass(frozen=True)
class Structures:
    """What is free in n crystals, given templates and elements: see ``SlotCrystals``."""

    parameters: Tensor
    log_volume: Tensor
    log_ratios: Tensor

    def take(self, rows: Tensor | tuple[Tensor, Tensor]) -> Structures:
        """Those at the rows; of several for each composition, (n, m, …), those at rows and columns."""
        return Structures(self.parameters[rows], self.log_volume[rows], self.log_ratios[rows])

    def to(self, device: torch.device | str) -> Structures:
        """The same on another device."""
        return Structures(*(value.to(device) for value in vars(self).values()))

    @staticmethod
    def joined(parts: Iterable[Structures], dim: int | None = None) -> Structures:
        """Parts one after the other; with ``dim``, beside each other along a new dimension."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return Structures(*(torch.cat(column) if dim is None else torch.stack(column, dim=dim) for column in columns))


@dataclass(frozen=True)
class Composition:
    """Templates and elements of n crystals, and the cell that ``VolumeModel`` suggests for them.

    Attributes:
        code: (n, 3) letters of the slots.
        atomic_numbers: (n, 3).
        log_volume: (n,) suggested.
        log_ratios: (n, 2) suggested.
    """

    code: Tensor
    atomic_numbers: Tensor
    log_volume: Tensor
    log_ratios: Tensor

    def __len__(self) -> int:
        return len(self.code)

    def take(self, rows: Tensor) -> Composition:
        """Those at the rows."""
        return Composition(self.code[rows], self.atomic_numbers[rows], self.log_volume[rows], self.log_ratios[rows])

    def to(self, device: torch.device | str) -> Composition:
        """The same on another device."""
        return Composition(*(value.to(device) for value in vars(self).values()))


@dataclass(frozen=True)
class Knowledge:
    """Of one space group, on one device.

    Attributes:
        space_group_number: 1 to 230.
        known: the training crystals, sites of equal letters in every order (``slot_orders``).
        suggested: their compositions with the cells that the others suggest (leave one out).
        scale: (3,) spread of the errors of the suggested log volume and log ratios.
        contact_window: (3,) least contact ratio that is not widened; 5 % and 95 % of the training crystals' ratios.
        volumes: suggests cells for other compositions.
    """

    space_group_number: int
    known: SlotCrystals
    suggested: Composition
    scale: Tensor
    contact_window: Tensor
    volumes: VolumeModel

    def to(self, device: torch.device | str) -> Knowledge:
        """The same on another device; ``volumes`` stays on the CPU."""
        return Knowledge(
            self.space_group_number,
            self.known.to(device),
            self.suggested.to(device),
            self.scale.to(device),
            self.contact_window.to(device),
            self.volumes,
        )

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.scale.device

    @cached_property
    def position_codes(self) -> Tensor:
        """(n_positions,) letters that occur."""
        return self.known.code.unique()

    @cached_property
    def positions(self) -> Positions:
        """Their tables."""
        letters = np.array([chr(code) for code in self.position_codes.tolist()])
        return make_positions(self.space_group_number, letters).to(self.device)

    @cached_property
    def hexagonal(self) -> bool:
        """Whether γ is 120°."""
        system = space_group(self.space_group_number).crystal_system
        return system in (CrystalSystem.TRIGONAL, CrystalSystem.HEXAGONAL)

    @cached_property
    def free_ratios(self) -> Tensor:
        """(2,) 1 where b/a or c/a is free."""
        system = space_group(self.space_group_number).crystal_system
        return torch.tensor(_FREE_RATIOS.get(system, (0.0, 1.0)), device=self.device)

    @cached_property
    def properties(self) -> Tensor:
        """(119, 23) scaled element properties."""
        return torch.tensor(element_properties(), dtype=torch.float32, device=self.device)

    @cached_property
    def radii(self) -> Tensor:
        """(119,) Å."""
        return radius_table().to(self.device)

    def position(self, code: Tensor) -> Tensor:
        """Index of the positions with these letters, of the same shape."""
        return torch.searchsorted(self.position_codes, code)

    def condition(self, composition: Composition) -> Tensor:
        """What the networks are told of templates and elements: (n, condition_size)."""
        kinds = torch.nn.functional.one_hot(self.position(composition.code), self.n_letters).float().flatten(1)
        return torch.cat([kinds, self.properties[composition.atomic_numbers].flatten(1)], dim=1)

    @cached_property
    def n_letters(self) -> int:
        """Width of the one-hot letters: all positions of the space group, so that networks fit any dataset."""
        return len(space_group(self.space_group_number).wyckoff_positions)

    def free(self, code: Tensor) -> Tensor:
        """(n, 9) 1 where a parameter is free."""
        return self.positions.free[self.position(code)].flatten(1).float()

    def edges(self, code: Tensor, structures: Structures) -> Tensor:
        """Cell edges (n, 3) in Å."""
        n_atoms = self.positions.multiplicity[self.position(code)].sum(dim=1)
        return cell_edges(structures.log_volume, structures.log_ratios, n_atoms, hexagonal=self.hexagonal)

    def sites(self, code: Tensor, parameters: Tensor) -> Tensor:
        """Representative sites (n, 3, 3), fractional."""
        return site_coordinates(self.positions, self.position(code), parameters)

    def exact_sites(self, letters: NDArray[np.str_], parameters: Tensor) -> NDArray[np.float64]:
        """Representative sites (n, 3, 3) in double precision: special positions are exact."""
        values = parameters.double().cpu().numpy().reshape(-1, 3)
        return sites_of(self.space_group_number, letters.ravel(), values).reshape(-1, 3, 3)

    def contact_ratios(self, composition: Composition, structures: Structures, n_nearest: int) -> Tensor:
        """The least distances of each pair of sites over the sum of their radii, (n, 6, n_nearest), ascending."""
        code = composition.code
        distances = contact_distances(
            self.positions,
            self.position(code),
            self.sites(code, structures.parameters),
            self.edges(code, structures),
            hexagonal=self.hexagonal,
            n_nearest=n_nearest,
        )
        radii = self.radii[composition.atomic_numbers]
        sums = torch.stack([radii[:, i] + radii[:, j] for i, j in PAIRS], dim=1)
        return (distances / sums[..., None]).clamp_max(MAX_RATIO)

    def features(self, composition: Composition, structures: Structures, ratios: Tensor) -> Tensor:
        """What the critic sees of crystals besides template and elements; ``ratios`` are their contact ratios."""
        angles = 2 * math.pi * structures.parameters.flatten(1)
        waves = [wave(k * angles) * self.free(composition.code) for k in (1, 2) for wave in (torch.sin, torch.cos)]
        cell = torch.cat(
            [
                (structures.log_volume - composition.log_volume)[:, None],
                structures.log_ratios - composition.log_ratios,
            ],
            dim=1,
        )
        centres = CONTACT_CENTRES.to(ratios)
        histogram = torch.exp(-(((ratios[..., None] - centres) / CONTACT_WIDTH) ** 2) / 2).sum(dim=2)
        return torch.cat([*waves, cell / self.scale, ratios.flatten(1), histogram.flatten(1)], dim=1)

    def compose(self, letters: NDArray[np.str_], atomic_numbers: NDArray[np.int64]) -> Composition:
        """Compositions in slots (n, 3), with the cells suggested for them."""
        multiplicity = self.multiplicities(letters)
        cells = self.volumes.predict_cells(letters, atomic_numbers, multiplicity)
        ratios = torch.as_tensor(cells.log_ratios, dtype=torch.float32, device=self.device) * self.free_ratios
        return Composition(
            torch.as_tensor(letter_codes(letters), device=self.device),
            torch.as_tensor(atomic_numbers, device=self.device),
            torch.as_tensor(cells.log_volume, dtype=torch.float32, device=self.device),
            ratios,
        )

    def multiplicities(self, letters: NDArray[np.str_]) -> NDArray[np.int64]:
        """How often each letter's site occurs in the conventional cell, in the shape of ``letters``."""
        by_letter = {p.letter: p.multiplicity for p in space_group(self.space_group_number).wyckoff_positions}
        return np.vectorize(by_letter.__getitem__, otypes=[np.int64])(letters)

    def state(self) -> dict[str, Tensor]:
        """As named tensors, for a checkpoint."""
        suggested = {"log_volume": self.suggested.log_volume, "log_ratios": self.suggested.log_ratios}
        plain = {"scale": self.scale, "contact_window": self.contact_window}
        return (
            prefixed("known", self.known.state())
            | prefixed("suggested", suggested)
            | prefixed("volumes", self.volumes.state())
            | plain
        )

    @classmethod
    def from_state(cls, space_group_number: int, state: dict[str, Tensor]) -> Knowledge:
        """What ``state`` gave.

        Raises:
            KeyError, TypeError: a tensor is missing or unknown.
        """
        known = SlotCrystals(**without_prefix("known", state))
        suggested = Composition(known.code, known.atomic_numbers, **without_prefix("suggested", state))
        volumes = VolumeModel.from_state(without_prefix("volumes", state))
        return cls(space_group_number, known, suggested, state["scale"], state["contact_window"], volumes)


def periodic(difference: Tensor) -> Tensor:
    """Differences of fractional coordinates reduced to [-1/2, 1/2]."""
    return difference - difference.detach().round()
