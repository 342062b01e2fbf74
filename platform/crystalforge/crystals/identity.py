"""Identity: equal crystals get equal ids, in any setting of the group, with any members of the orbits, in any order.

What the canonical setting does not recognise as equal (``canonical``) has different ids here, and so have crystals that
differ by more than the rounding: those need a structure matcher. A crystal and its mirror image have one id.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import N_SITES, CrystalBatch
from crystalforge.crystals.canonical import canonical_sites, lattice_steps

DIGEST_BYTES = 16


def crystal_ids(batch: CrystalBatch) -> list[str]:
    """Id of each crystal: hash of its canonical content, 16 bytes as 32 hex digits.

    Canonical content: space group number; the sites of the canonical setting as (atomic number, Wyckoff position, free
    coordinates rounded to 1e-4 with 1 ≡ 0), in ascending order; its lattice parameters rounded to 1e-3.

    Raises:
        UsageError: a site has no place (NaN), or is not on the Wyckoff position of its letter: such a crystal has no
            identity.
    """
    content = _canonical_content(batch)
    return [hashlib.blake2b(row, digest_size=DIGEST_BYTES).hexdigest() for row in content]


def _canonical_content(batch: CrystalBatch) -> NDArray[np.int64]:
    """(n, 1 + 3·3 + 6) integers that are equal for equal crystals."""
    canonical = canonical_sites(batch)
    order = np.lexsort((canonical.keys, canonical.position, batch.atomic_numbers), axis=-1)
    sites = np.stack([batch.atomic_numbers, canonical.position, canonical.keys], axis=2)
    sites = np.take_along_axis(sites, order[:, :, None], axis=1).reshape(len(batch), 3 * N_SITES)
    content = np.hstack([batch.space_group_number[:, None], sites, lattice_steps(canonical.lattice_parameters)])
    return np.ascontiguousarray(content, dtype="<i8")
