"""Real prototypes, written down, and a plain reference that shares no code with the package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spglib
from pymatgen.core import Element, Lattice, Structure

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.elements import atomic_number

Site = tuple[str, tuple[float, float, float], int, str]
"""Element, fractional coordinates, multiplicity, Wyckoff letter."""


@dataclass(frozen=True)
class Prototype:
    """One crystal in its Hall setting."""

    name: str
    space_group_number: int
    hall_number: int
    lattice_parameters: tuple[float, float, float, float, float, float]
    sites: tuple[Site, Site, Site]
    formula: str


def _cubic(a: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, a, 90.0, 90.0, 90.0)


def _tetragonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, c, 90.0, 90.0, 90.0)


def _hexagonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, c, 90.0, 90.0, 120.0)


T, S = 1 / 3, 2 / 3
PROTOTYPES = (
    Prototype(
        "full Heusler",
        225,
        523,
        _cubic(5.95),
        (("Al", (0, 0, 0), 4, "a"), ("Mn", (0.5, 0.5, 0.5), 4, "b"), ("Cu", (0.25, 0.25, 0.25), 8, "c")),
        "AlMnCu2",
    ),
    Prototype(
        "K2PtCl6, rocksalt of K and PtCl6",
        225,
        523,
        _cubic(9.755),
        (("K", (0.25, 0.25, 0.25), 8, "c"), ("Pt", (0, 0, 0), 4, "a"), ("Cl", (0.24, 0, 0), 24, "e")),
        "K2PtCl6",
    ),
    Prototype(
        "perovskite",
        221,
        517,
        _cubic(3.905),
        (("Sr", (0, 0, 0), 1, "a"), ("Ti", (0.5, 0.5, 0.5), 1, "b"), ("O", (0, 0.5, 0.5), 3, "c")),
        "SrTiO3",
    ),
    Prototype(
        "spinel, origin choice 1",
        227,
        525,
        _cubic(8.083),
        (("Mg", (0, 0, 0), 8, "a"), ("Al", (0.625, 0.625, 0.625), 16, "d"), ("O", (0.3873, 0.3873, 0.3873), 32, "e")),
        "Mg2Al4O8",
    ),
    Prototype(
        "half Heusler",
        216,
        512,
        _cubic(5.93),
        (("Li", (0.5, 0.5, 0.5), 4, "b"), ("Al", (0, 0, 0), 4, "a"), ("Si", (0.25, 0.25, 0.25), 4, "c")),
        "LiAlSi",
    ),
    Prototype(
        "TiNiSi",
        62,
        292,
        (6.335, 3.733, 7.039, 90.0, 90.0, 90.0),
        (
            ("Sc", (0.48066, 0.75, 0.81448), 4, "c"),
            ("Ni", (0.64067, 0.25, 0.56103), 4, "c"),
            ("P", (0.76753, 0.25, 0.88264), 4, "c"),
        ),
        "Sc4Ni4P4",
    ),
    Prototype(
        "MAX phase",
        194,
        488,
        _hexagonal(3.04, 13.6),
        (("Ti", (T, S, 0.084), 4, "f"), ("Al", (T, S, 0.75), 2, "d"), ("C", (0, 0, 0), 2, "a")),
        "Ti4Al2C2",
    ),
    Prototype(
        "delafossite stacking of LiCoO2, a layered rocksalt",
        166,
        458,
        _hexagonal(2.816, 14.05),
        (("Li", (0, 0, 0.5), 3, "b"), ("Co", (0, 0, 0), 3, "a"), ("O", (0, 0, 0.2605), 6, "c")),
        "LiCoO2",
    ),
    Prototype(
        "CaAl2Si2",
        164,
        456,
        _hexagonal(4.13, 7.145),
        (("Ca", (0, 0, 0), 1, "a"), ("Al", (T, S, 0.63), 2, "d"), ("Si", (T, S, 0.27), 2, "d")),
        "CaAl2Si2",
    ),
    Prototype(
        "ThCr2Si2",
        139,
        424,
        _tetragonal(3.963, 13.017),
        (("Ba", (0, 0, 0), 2, "a"), ("Fe", (0, 0.5, 0.25), 4, "d"), ("As", (0, 0, 0.3545), 4, "e")),
        "BaFe2As2",
    ),
    Prototype(
        "zircon, origin choice 1",
        141,
        426,
        _tetragonal(6.607, 5.982),
        (("Zr", (0, 0, 0), 4, "a"), ("Si", (0, 0, 0.5), 4, "b"), ("O", (0, 0.184, 0.320), 16, "h")),
        "Zr2Si2O8",
    ),
    Prototype(
        "ordered tetragonal CuAu",
        123,
        400,
        _tetragonal(3.95, 4.4),
        (("Zn", (0, 0, 0), 1, "a"), ("Cu", (0.5, 0.5, 0), 1, "c"), ("Au", (0, 0.5, 0.5), 2, "e")),
        "ZnCuAu2",
    ),
    Prototype(
        "Immm, K2PdAs2-like chains",
        71,
        337,
        (3.1, 6.2, 13.9, 90.0, 90.0, 90.0),
        (("K", (0, 0, 0.35), 4, "i"), ("Pd", (0, 0, 0), 2, "a"), ("As", (0, 0.33, 0.5), 4, "h")),
        "K2PdAs2",
    ),
)
HALL_NUMBERS = {prototype.space_group_number: prototype.hall_number for prototype in PROTOTYPES}


def batch_of(prototypes: tuple[Prototype, ...] = PROTOTYPES) -> CrystalBatch:
    """The prototypes as one batch of mixed space groups."""
    sites = [prototype.sites for prototype in prototypes]
    return CrystalBatch(
        space_group_number=np.array([prototype.space_group_number for prototype in prototypes]),
        lattice_parameters=np.array([prototype.lattice_parameters for prototype in prototypes]),
        atomic_numbers=atomic_number([[site[0] for site in three] for three in sites]),
        frac_coords=np.array([[site[1] for site in three] for three in sites]),
        multiplicity=np.array([[site[2] for site in three] for three in sites]),
        wyckoff_letter=np.array([[site[3] for site in three] for three in sites]),
    )


def expand_plainly(hall_number: int, site: np.ndarray) -> np.ndarray:
    """The orbit of one site by a loop over spglib's operations: (multiplicity, 3)."""
    operations = spglib.get_symmetry_from_database(hall_number)
    images = (operations["rotations"] @ site + operations["translations"]) % 1.0
    kept: list[np.ndarray] = []
    for image in images:
        if not kept or np.abs((d := image - np.array(kept)) - np.rint(d)).max(axis=1).min() > 1e-6:
            kept.append(image)
    return np.array(kept)


def reference_structure(batch: CrystalBatch, index: int, hall_number: int | None = None) -> Structure:
    """All atoms of one crystal, by ``expand_plainly``."""
    hall_number = hall_number or HALL_NUMBERS[int(batch.space_group_number[index])]
    orbits = [expand_plainly(hall_number, site) for site in batch.frac_coords[index]]
    species = [
        Element.from_Z(int(number))
        for number, orbit in zip(batch.atomic_numbers[index], orbits, strict=True)
        for _ in orbit
    ]
    lattice = Lattice.from_parameters(*batch.lattice_parameters[index])
    return Structure(lattice, species, np.vstack(orbits))


def reference_contacts(structure: Structure) -> tuple[float, float]:
    """Least distance and least contact ratio by pymatgen's neighbour search, widened until it must hold both."""
    radii = np.array([float(site.specie.atomic_radius) for site in structure])
    reach = 0.5
    while not len(distances := structure.get_neighbor_list(reach, numerical_tol=1e-6, exclude_self=True)[3]):
        reach *= 1.5
    min_distance = distances.min()
    first, second, _, distances = structure.get_neighbor_list(reach, numerical_tol=1e-6, exclude_self=True)
    bound = (distances / (radii[first] + radii[second])).min() * 2 * radii.max() + 1e-3
    first, second, _, distances = structure.get_neighbor_list(bound, numerical_tol=1e-6, exclude_self=True)
    return min_distance, (distances / (radii[first] + radii[second])).min()
