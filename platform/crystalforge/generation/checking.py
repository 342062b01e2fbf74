"""Merge the sites of raw samples and judge each crystal: accepted, or rejected with its reason."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.crystals.contacts import Contacts, least_contacts
from crystalforge.gan.model import RawSamples
from crystalforge.gan.recipe_base import Merging
from crystalforge.schemas import RejectReason
from crystalforge.symmetry import merge_overlapping_sites

MINIMUM_DISTANCE = 0.5
"""Å; holds also for pairs of elements without a known radius (the floor of CDVAE's structural validity)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Floors:
    """What a crystal must meet to be accepted."""

    sampling: Merging
    """Has the cut-off below which atoms of one orbit merge."""
    min_contact_ratio: float
    """Least distance over the sum of the two atomic radii."""
    volume_window: tuple[float, float]
    """Volumes per atom (Å³)."""


@dataclass(frozen=True)
class Verdicts:
    """What became of each raw sample."""

    reasons: NDArray[np.str_]
    """(n,) a ``RejectReason``, or "" where accepted."""
    has_crystal: NDArray[np.bool_]
    """(n,) whether the sites could be merged."""
    crystals: CrystalBatch
    """The merged crystals, in order of the samples that have one."""
    contacts: Contacts
    """Least contacts of the merged crystals."""

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """(n,) whether the sample was accepted."""
        return self.reasons == ""


def judge(space_group_number: int, raw: RawSamples, floors: Floors) -> Verdicts:
    """Merge and check a batch; a crystal that raises an error is a rejected sample, not the end of the batch.

    Args:
        space_group_number: space group of all samples.
        raw: n samples as drawn.
        floors: what an accepted crystal must meet.
    """
    try:
        return _judge(space_group_number, raw, floors)
    except Exception as error:  # noqa: BLE001 - the named boundary: whatever one crystal does, the others go on
        n = len(raw.atomic_numbers)
        if n > 1:
            halves = np.array_split(np.arange(n), 2)
            return _join([judge(space_group_number, _take(raw, half), floors) for half in halves])
        logger.warning(
            "event=crystal_failed space_group_number=%d elements=%s error=%r",
            space_group_number,
            raw.atomic_numbers[0].tolist(),
            error,
        )
        return _failed()


def _judge(space_group_number: int, raw: RawSamples, floors: Floors) -> Verdicts:
    n = len(raw.atomic_numbers)
    reasons = np.full(n, "", dtype="<U24")
    finite = np.isfinite(raw.frac_coords).all(axis=(1, 2)) & np.isfinite(raw.lattice_parameters).all(axis=1)
    reasons[~finite] = RejectReason.NOT_FINITE
    candidates = np.flatnonzero(finite)
    crystals, percolates = merge_samples(space_group_number, _take(raw, candidates), floors.sampling)
    reasons[candidates[percolates]] = RejectReason.PERCOLATES
    merged = candidates[~percolates]
    contacts = least_contacts(crystals)
    reasons[merged] = floor_reasons(contacts, volumes_per_atom(crystals), floors)
    has_crystal = np.zeros(n, dtype=bool)
    has_crystal[merged] = True
    return Verdicts(reasons, has_crystal, crystals, contacts)


def floor_reasons(contacts: Contacts, volumes: NDArray[np.float64], floors: Floors) -> NDArray[np.str_]:
    """Which floor each merged crystal does not meet: (n,) a ``RejectReason``, or "".

    Args:
        contacts: of n crystals.
        volumes: (n,) per atom (Å³).
        floors: what they must meet.
    """
    reasons = np.full(len(volumes), "", dtype="<U24")
    low, high = floors.volume_window
    # The later assignment wins, so the reasons stand in reverse order of their rank.
    reasons[(volumes < low) | (volumes > high)] = RejectReason.VOLUME_OUT_OF_RANGE
    # Written so that an unknown ratio (no radius known) does not pass.
    far_enough = (contacts.min_contact_ratio >= floors.min_contact_ratio) & (contacts.min_distance >= MINIMUM_DISTANCE)
    reasons[~far_enough] = RejectReason.ATOMS_TOO_CLOSE
    return reasons


def merge_samples(
    space_group_number: int, raw: RawSamples, sampling: Merging
) -> tuple[CrystalBatch, NDArray[np.bool_]]:
    """The merged crystals of the samples that do not percolate, and which do: ``(n,)``."""
    n = len(raw.atomic_numbers)
    sites = merge_overlapping_sites(
        space_group_number,
        raw.frac_coords.reshape(-1, 3),
        np.repeat(raw.lattice_parameters, 3, axis=0),
        sampling.merge_cutoff(raw.radii.reshape(-1)),
        repeat=True,  # so that no two atoms of an orbit stay closer than the cut-off
    )
    percolates = np.asarray(sites.percolates.reshape(n, 3).any(axis=1))
    whole = CrystalBatch(
        space_group_number=np.full(n, space_group_number),
        lattice_parameters=raw.lattice_parameters,
        atomic_numbers=raw.atomic_numbers,
        frac_coords=sites.frac_coords.reshape(n, 3, 3),
        multiplicity=sites.multiplicity.reshape(n, 3),
        wyckoff_letter=sites.wyckoff_letter.reshape(n, 3),
    )
    return whole.select(~percolates), percolates


def _take(raw: RawSamples, rows: NDArray[np.int64]) -> RawSamples:
    return RawSamples(raw.atomic_numbers[rows], raw.frac_coords[rows], raw.lattice_parameters[rows], raw.radii[rows])


def _join(parts: list[Verdicts]) -> Verdicts:
    return Verdicts(
        np.concatenate([part.reasons for part in parts]),
        np.concatenate([part.has_crystal for part in parts]),
        CrystalBatch.concatenate([part.crystals for part in parts]),
        Contacts(
            np.concatenate([part.contacts.min_distance for part in parts]),
            np.concatenate([part.contacts.min_contact_ratio for part in parts]),
        ),
    )


def _failed() -> Verdicts:
    reasons = np.array([RejectReason.FAILED.value])
    return Verdicts(reasons, np.zeros(1, dtype=bool), CrystalBatch.empty(), Contacts(np.zeros(0), np.zeros(0)))
