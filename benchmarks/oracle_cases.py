"""Random sites, cells and cut-offs on which the merge is judged, and the real crystals that some of them come from.

Array dimensions: ``n`` cases of one space group.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fast_oracle import cell_vectors
from numpy.typing import NDArray

from crystalforge.symmetry import CrystalSystem, SpaceGroup, space_group

KINDS = (
    "uniform",
    "real site + noise",
    "midpoint of two sites",
    "grid of 1/48",
    "near a special position",
    "cut-off beside a distance",
)
CELL_RANGE = (3.0, 13.0)
"""Å, random edges; real sites stand in their own cell in every other case."""
CUTOFF_RANGE = (0.4, 3.2)
"""Å."""
NOISE_RANGE = (0.003, 0.05)
"""Standard deviation of the noise on real sites and on special positions, fractional."""

BESIDE = 1e-7
"""Å. The last kind has its cut-off this much above or below the distance of two sites of the orbit."""

_CELL = tuple(f"conv_{name}" for name in ("a", "b", "c", "alpha", "beta", "gamma"))


@dataclass(frozen=True)
class Cases:
    """Cases of one space group.

    Attributes:
        frac_coords: (n, 3).
        lattice_parameters: (n, 6) Å and degrees.
        cutoff: (n,) Å.
        kind: (n,) index in KINDS.
    """

    frac_coords: NDArray[np.float64]
    lattice_parameters: NDArray[np.float64]
    cutoff: NDArray[np.float64]
    kind: NDArray[np.int64]


@dataclass(frozen=True)
class RealCrystals:
    """Real crystals of one space group, as the dataset states them.

    Attributes:
        frac_coords: (n, 3, 3) representative sites.
        lattice_parameters: (n, 6) Å and degrees.
        wyckoff_letter, multiplicity: (n, 3).
        n_atoms: (n,) of the conventional cell.
    """

    frac_coords: NDArray[np.float64]
    lattice_parameters: NDArray[np.float64]
    wyckoff_letter: NDArray[np.str_]
    multiplicity: NDArray[np.int64]
    n_atoms: NDArray[np.int64]


def draw_cases(space_group_number: int, n: int, rng: np.random.Generator) -> Cases:
    """Cases of all KINDS in turn."""
    group, kind = space_group(space_group_number), np.arange(n) % len(KINDS)
    cells = random_cells(group.crystal_system, n, rng)
    sites = rng.random((n, 3))
    noise = rng.normal(0.0, 1.0, (n, 3)) * rng.uniform(*NOISE_RANGE, (n, 1))
    is_real, is_midpoint, is_grid, is_special, is_beside = (kind == KINDS.index(name) for name in KINDS[1:])
    real_sites, real_cells = _real_sites(space_group_number, int(is_real.sum()), rng)
    sites[is_real] = real_sites + noise[is_real]
    own = np.flatnonzero(is_real)[::2]
    cells[own] = real_cells[::2]
    sites[is_midpoint] = _midpoints(group, sites[is_midpoint], rng)
    sites[is_grid] = rng.integers(0, 48, (int(is_grid.sum()), 3)) / 48
    sites[is_special] = special_sites(group, sites[is_special], rng) + noise[is_special]
    cutoff = rng.uniform(*CUTOFF_RANGE, n)
    for row in np.flatnonzero(is_beside):
        cutoff[row] = _beside_a_distance(group, sites[row], cells[row], cutoff[row], rng)
    return Cases(sites, cells, cutoff, kind)


def random_cells(system: CrystalSystem, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Cells (n, 6) of a crystal system with edges in CELL_RANGE; trigonal groups in hexagonal axes."""
    lengths, angles = rng.uniform(*CELL_RANGE, (n, 3)), np.full((n, 3), 90.0)
    if system is CrystalSystem.CUBIC:
        lengths[:] = lengths[:, :1]
    elif system in (CrystalSystem.TETRAGONAL, CrystalSystem.TRIGONAL, CrystalSystem.HEXAGONAL):
        lengths[:, 1] = lengths[:, 0]
    if system in (CrystalSystem.TRIGONAL, CrystalSystem.HEXAGONAL):
        angles[:, 2] = 120.0
    elif system is CrystalSystem.MONOCLINIC:
        angles[:, 1] = rng.uniform(60, 120, n)
    elif system is CrystalSystem.TRICLINIC:
        angles[:] = rng.uniform(75, 115, (n, 3))
    return np.concatenate([lengths, angles], axis=1)


def special_sites(group: SpaceGroup, free: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Sites (n, 3) on Wyckoff positions drawn evenly, with free coordinates from (n, 3)."""
    positions = group.wyckoff_positions
    chosen = rng.integers(len(positions), size=len(free))
    linear, constant = (np.array([getattr(p, name) for p in positions])[chosen] for name in ("linear", "constant"))
    return np.einsum("nij,nj->ni", linear, free) + constant


def _midpoints(group: SpaceGroup, sites: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Half way from each site to one of its images, in any of the cells around."""
    operation = rng.integers(group.order, size=len(sites))
    images = np.einsum("nij,nj->ni", group.rotations[operation], sites) + group.translations[operation]
    return (sites + images + rng.integers(-1, 2, sites.shape)) / 2


def _beside_a_distance(
    group: SpaceGroup,
    site: NDArray[np.float64],
    lattice_parameters: NDArray[np.float64],
    cutoff: float,
    rng: np.random.Generator,
) -> float:
    """A cut-off just above or below the distance, in CUTOFF_RANGE, of the site and an image; without one, as it was."""
    difference = group.rotations @ site + group.translations - site
    difference -= np.round(difference)
    length = np.linalg.norm(difference @ cell_vectors(lattice_parameters), axis=1)
    length = length[(length > CUTOFF_RANGE[0] + BESIDE) & (length < CUTOFF_RANGE[1] - BESIDE)]
    return float(rng.choice(length) + rng.choice([-BESIDE, BESIDE])) if len(length) else cutoff


def _real_sites(
    space_group_number: int, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    crystals = real_crystals(space_group_number)
    if not len(crystals.n_atoms):  # a group without data: its special positions instead
        group = space_group(space_group_number)
        return special_sites(group, rng.random((n, 3)), rng), random_cells(group.crystal_system, n, rng)
    crystal, site = rng.integers(len(crystals.n_atoms), size=n), rng.integers(3, size=n)
    return crystals.frac_coords[crystal, site], crystals.lattice_parameters[crystal]


def real_crystals(space_group_number: int) -> RealCrystals:
    """All real crystals of a space group."""
    table = _real_table()
    table = table.filter(pc.equal(table["space_group_number"], space_group_number))
    return RealCrystals(
        np.array(table["base_frac_coords"].to_pylist(), dtype=float).reshape(-1, 3, 3),
        np.stack([table[name].to_numpy() for name in _CELL], axis=1),
        np.array(table["base_wyckoff"].to_pylist()).reshape(-1, 3),
        np.array(table["base_multiplicity"].to_pylist(), dtype=int).reshape(-1, 3),
        table["conv_n_atoms"].to_numpy(),
    )


def real_source() -> str:
    """Which real crystals these are, in words."""
    name = "the larger set that is not in the repository" if _shared_file().is_file() else "bundled with the package"
    return f"{len(_real_table()):,} real crystals, {name}"


@cache
def _real_table() -> pa.Table:
    path = _shared_file()
    if path.is_file():
        return pq.read_table(path)
    with as_file(files("crystalforge.dataset") / "bundled" / "materials.parquet") as bundled:
        return pq.read_table(bundled)


def _shared_file() -> Path:
    folder = os.environ.get("CRYSTALFORGE_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    return Path(folder) / "data" / "mp_ternary_12sg.parquet"
