"""The order of steps of the published chain (PGCGM's generation code), for comparison in prototype_recovery.py.

Coordinates are rounded to 0.01 and expanded by all operations; spglib must find the requested group (symprec 0.1 Å) or
the crystal is dropped; it is written as spglib symmetrised it; then the atoms of each element are clustered by single
linkage, and over 100 atoms clustered again with three radii. The chain's last tests (the group again, contacts) are
left out, in its favour; so are its CIF texts, which change nothing but the time.
"""

from __future__ import annotations

import warnings
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from recovery_matching import matcher

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.elements import symbols
from crystalforge.crystals.lattice import lattice_matrices
from crystalforge.crystals.structures import to_structure
from crystalforge.symmetry import space_group

if TYPE_CHECKING:
    from pymatgen.core import Lattice, Structure

FloatArray = NDArray[np.float64]

SYMPREC = 0.1
"""Å."""
MERGE_RATIO = 0.5
"""Atoms of one element closer than this share of twice their radius are merged."""
SECOND_MERGE_RATIO = 1.5
SECOND_MERGE_ABOVE = 100
"""Atoms."""
SAME_ATOM = 1e-4
"""Fractional: images of a site that a reader of CIF files takes for one atom."""


class Outcome(StrEnum):
    """What became of a trial."""

    NO_GROUP = "no_group"
    """spglib finds none: it refuses atoms closer than symprec."""
    OTHER_GROUP = "other_group"
    """spglib finds another group than the requested one."""
    OTHER_CRYSTAL = "other_crystal"
    """It passed the test, and the merged crystal does not match the original."""
    MATCHED = "matched"


def published_outcomes(originals: CrystalBatch, frac_coords: FloatArray) -> list[Outcome]:
    """Outcome of each trial.

    Args:
        originals: n crystals.
        frac_coords: (n, 3, 3) their moved sites.
    """
    return [_outcome(originals.select([row]), frac_coords[row]) for row in range(len(originals))]


def _outcome(original: CrystalBatch, sites: FloatArray) -> Outcome:
    number = int(original.space_group_number[0])
    found = _symmetrised(original, np.round(sites, 2))
    if found is None:
        return Outcome.NO_GROUP
    if found[0] != number:
        return Outcome.OTHER_GROUP
    structure = _merged(found[1], MERGE_RATIO)
    if len(structure) > SECOND_MERGE_ABOVE:
        structure = _merged(structure, SECOND_MERGE_RATIO)
    return Outcome.MATCHED if matcher().fit(to_structure(original), structure) else Outcome.OTHER_CRYSTAL


def _symmetrised(original: CrystalBatch, sites: FloatArray) -> tuple[int, Structure] | None:
    """Space group by spglib, and the crystal as it puts it into standard form."""
    import spglib
    from pymatgen.core import Structure

    positions, numbers = _expanded(original, sites)
    cell = (lattice_matrices(original.lattice_parameters)[0], positions, numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # spglib 2.8 warns at every call
        found = spglib.get_symmetry_dataset(cell, symprec=SYMPREC, angle_tolerance=5.0)
    if found is None:
        return None
    return found.number, Structure(found.std_lattice, symbols(found.std_types).tolist(), found.std_positions)


def _expanded(original: CrystalBatch, sites: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """All images of the sites, those at one place once, and their elements."""
    group = space_group(int(original.space_group_number[0]))
    positions, numbers = [], []
    for site, number in zip(sites, original.atomic_numbers[0], strict=True):
        images = (group.rotations @ site + group.translations) % 1.0
        images = np.where(images > 1.0 - SAME_ATOM, 0.0, images)
        distinct = images[np.sort(np.unique(np.rint(images / SAME_ATOM), axis=0, return_index=True)[1])]
        positions.append(distinct)
        numbers.append(np.full(len(distinct), number))
    return np.concatenate(positions), np.concatenate(numbers)


def _merged(structure: Structure, ratio: float) -> Structure:
    """Atoms of each element merged by hierarchical clustering; a cluster's centre by nearest images to its mean."""
    from pymatgen.core import Structure

    elements, places = [], []
    for element in sorted(set(structure.species)):
        cloud = structure.frac_coords[[site.specie == element for site in structure]]
        centres = _cluster_centres(structure.lattice, cloud, ratio * 2 * float(element.atomic_radius))
        elements += [element] * len(centres)
        places.append(centres)
    return Structure(structure.lattice, elements, np.concatenate(places))


def _cluster_centres(lattice: Lattice, cloud: FloatArray, cutoff: float) -> FloatArray:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(cloud) == 1:
        return cloud
    distances = np.array(lattice.get_all_distances(cloud, cloud))
    np.fill_diagonal(distances, 0.0)
    labels = fcluster(linkage(squareform((distances + distances.T) / 2), method="single"), cutoff, "distance")
    return np.stack([_running_mean(cloud[labels == label]) for label in np.unique(labels)])


def _running_mean(points: FloatArray) -> FloatArray:
    mean = points[0]
    for count, point in enumerate(points[1:], start=2):
        offset = point - mean
        mean = mean + (offset - np.round(offset)) / count
    return mean
