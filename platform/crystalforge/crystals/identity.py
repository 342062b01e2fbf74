"""Identity: equal crystals get equal ids, whichever member of an orbit and whichever order of sites is given.

Not yet recognised as equal: one crystal in two settings of its group (another origin allowed by the Euclidean
normaliser); those need a structure matcher.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import N_SITES, CrystalBatch
from crystalforge.crystals.images import axis_forms

COORDINATE_STEPS = 10_000
"""Steps of the rounded fractional coordinates in a cell edge (1e-4)."""
LATTICE_STEPS = 1_000
"""Steps of the rounded lattice parameters in 1 Å and in 1 degree (1e-3)."""
_OFFSET = 0.5371
"""Rounding bounds lie off the decimals of 5 digits that people write: noise of 1e-16 must not change an id."""
_CHUNK_VALUES = 1 << 17  # as in contacts.py
DIGEST_BYTES = 16


def crystal_ids(batch: CrystalBatch) -> list[str]:
    """Id of each crystal: hash of its canonical content, 16 bytes as 32 hex digits.

    Canonical content: space group number; sites in the order of (atomic number, Wyckoff letter, place), each as the
    lexicographically least member of its orbit, rounded to 1e-4 with 1 ≡ 0; lattice parameters rounded to 1e-3.

    Raises:
        ValueError: a site has no place (NaN): such a crystal has no identity.
    """
    if not np.isfinite(batch.frac_coords).all() or not np.isfinite(batch.lattice_parameters).all():
        raise ValueError("crystal_ids: expected finite cells and sites, got NaN; select batch.is_placed first.")
    content = _canonical_content(batch)
    return [hashlib.blake2b(row, digest_size=DIGEST_BYTES).hexdigest() for row in content]


def _canonical_content(batch: CrystalBatch) -> NDArray[np.int64]:
    """(n, 1 + 3·3 + 6) integers that are equal for equal crystals."""
    letters = batch.wyckoff_letter.astype("U1").view(np.uint32).reshape(-1, N_SITES).astype(np.int64)
    places = orbit_keys(batch)
    order = np.lexsort((places, letters, batch.atomic_numbers), axis=-1)
    sites = np.stack([batch.atomic_numbers, letters, places], axis=2)
    sites = np.take_along_axis(sites, order[:, :, None], axis=1).reshape(len(batch), 3 * N_SITES)
    lattice = np.floor(batch.lattice_parameters * LATTICE_STEPS + _OFFSET).astype(np.int64)
    content = np.hstack([batch.space_group_number[:, None], sites, lattice])
    return np.ascontiguousarray(content, dtype="<i8")


def orbit_keys(batch: CrystalBatch) -> NDArray[np.int64]:
    """One integer per orbit (n, 3): the least member (x, y, z) in steps of 1e-4, as the digits of a number."""
    keys = np.empty((len(batch), N_SITES), dtype=np.int64)
    for number, members in batch.by_space_group():
        sites = batch.frac_coords[members].reshape(-1, 3)
        size = max(1, _CHUNK_VALUES // len(axis_forms(number)[0].of_operation))
        chunks = [_least_keys(number, sites[start : start + size]) for start in range(0, len(sites), size)]
        keys[members] = np.concatenate(chunks).reshape(-1, N_SITES)
    return keys


def _least_keys(space_group_number: int, sites: NDArray[np.float64]) -> NDArray[np.int64]:
    key = np.zeros((1, len(sites)), dtype=np.int64)
    for form in axis_forms(space_group_number):
        steps = np.floor(form.values(sites) * COORDINATE_STEPS + _OFFSET).astype(np.int64) % COORDINATE_STEPS
        key = key * COORDINATE_STEPS + steps[form.of_operation]
    return key.min(axis=0)
