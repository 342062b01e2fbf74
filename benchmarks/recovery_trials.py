"""Trials of benchmarks/prototype_recovery.py: real crystals whose sites are moved a little, merged again, and judged.

``m`` chosen crystals, ``n`` trials (a crystal times its draws), three sites each. Nothing of cut-offs' families,
matchers or other chains belongs here.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import N_SITES, CrystalBatch
from crystalforge.crystals.contacts import SITE_PAIRS, pair_distances
from crystalforge.crystals.elements import atomic_radii
from crystalforge.crystals.lattice import lattice_matrices, metric_tensors
from crystalforge.crystals.rows import batch_from_table
from crystalforge.dataset import build_dataset, find_dataset
from crystalforge.home import Home
from crystalforge.symmetry import merge_overlapping_sites

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

AUTO = "auto"
SHARED_FILE = "mp_ternary_12sg.parquet"


@dataclass(frozen=True)
class Trials:
    """Crystals with sites that were moved.

    Attributes:
        crystal: (n,) index of the chosen crystal.
        originals: n crystals as they were.
        frac_coords: (n, 3, 3) the moved representative sites, not wrapped.
        reach: (n,) Å, the longest displacement that the noise can make.
        rms_displacement: (n,) Å, root of the mean square displacement that the noise makes: σ.
    """

    crystal: NDArray[np.int64]
    originals: CrystalBatch
    frac_coords: FloatArray
    reach: FloatArray
    rms_displacement: FloatArray

    def __len__(self) -> int:
        return len(self.crystal)

    def select(self, rows: NDArray[np.int64] | BoolArray) -> Trials:
        """Some of the trials."""
        return Trials(
            self.crystal[rows],
            self.originals.select(rows),
            self.frac_coords[rows],
            self.reach[rows],
            self.rms_displacement[rows],
        )


def load_crystals(given: str) -> tuple[str, CrystalBatch]:
    """Name and crystals of a dataset: a source of ``platform dataset build``, or the name of a built dataset.

    Args:
        given: ``bundled``, a path, a name in the home, or ``auto``: the shared crystals where they lie, else bundled.
    """
    shared = Path(os.environ.get("CRYSTALFORGE_SHARED") or "../shared") / "data" / SHARED_FILE
    if given == AUTO:
        given = str(shared) if shared.is_file() else "bundled"
    if given != "bundled" and not Path(given).exists():
        dataset = find_dataset(Home.locate(), given)
        return dataset.manifest.name, batch_from_table(dataset.materials())
    with tempfile.TemporaryDirectory() as folder:
        home = Home.locate(Path(folder) / "home")
        build_dataset(home, given)
        dataset = find_dataset(home)
        return dataset.manifest.name, batch_from_table(dataset.materials())


def templates(crystals: CrystalBatch) -> NDArray[np.str_]:
    """(n,) the Wyckoff letters of each crystal, sorted, as one word."""
    return np.array(["".join(letters) for letters in np.sort(crystals.wyckoff_letter, axis=1)])


def choose_crystals(
    crystals: CrystalBatch, per_group: int, random: np.random.Generator, *, many_templates: bool = True
) -> NDArray[np.int64]:
    """Indices of up to ``per_group`` crystals of each space group, at random or of as many Wyckoff templates as fit."""
    words, chosen = templates(crystals), []
    for _, members in crystals.by_space_group():
        shuffled = random.permutation(members)
        seen: dict[str, int] = {}
        turn = np.empty(len(shuffled), dtype=int)  # the first crystal of every template, then the second of every one
        for place, word in enumerate(words[shuffled]):
            turn[place] = seen[word] = seen.get(word, -1) + 1
        order = np.argsort(turn, kind="stable") if many_templates else np.arange(len(shuffled))
        chosen.append(shuffled[order][:per_group])
    return np.concatenate(chosen)


def draw_trials(chosen: CrystalBatch, noise: float, draws: int, random: np.random.Generator) -> Trials:
    """Move every representative site by uniform noise.

    Args:
        chosen: m crystals.
        noise: greatest change of each fractional coordinate.
        draws: trials of each crystal.
        random: source of the noise.
    """
    crystal = np.repeat(np.arange(len(chosen)), draws)
    originals = chosen.select(crystal)
    moves = random.uniform(-noise, noise, originals.frac_coords.shape)
    cells = lattice_matrices(originals.lattice_parameters)
    corners = np.array(list(product((-noise, noise), repeat=3)))
    reach = np.linalg.norm(corners @ cells, axis=2).max(axis=1)
    # The three components are independent, each with variance noise²/3.
    rms = noise * np.sqrt((cells**2).sum(axis=(1, 2)) / 3)
    return Trials(crystal, originals, originals.frac_coords + moves, reach, rms)


def draw_random_sites(chosen: CrystalBatch, draws: int, random: np.random.Generator) -> Trials:
    """The null: the same cells and elements, every site anywhere in the cell."""
    trials = draw_trials(chosen, 0.5, draws, random)
    anywhere = random.uniform(0, 1, trials.frac_coords.shape)
    return Trials(trials.crystal, trials.originals, anywhere, trials.reach, trials.rms_displacement)


def known_radii(atomic_numbers: NDArray[np.int64]) -> FloatArray:
    """Slater's radii (Å) as generation takes them: elements without one get the mean of the others."""
    radii = atomic_radii()
    return np.where(np.isnan(radii), np.nanmean(radii), radii)[atomic_numbers]


def merge_trials(trials: Trials, cutoff: FloatArray, frac_coords: FloatArray | None = None) -> CrystalBatch:
    """The n crystals after merging, as generation merges; NaN and multiplicity 0 where a site percolates.

    Args:
        trials: n trials.
        cutoff: (n, 3) Å.
        frac_coords: (n, 3, 3) other sites than the trials' own.
    """
    originals, sites = trials.originals, trials.frac_coords if frac_coords is None else frac_coords
    place = np.full(sites.shape, np.nan)
    multiplicity, letter = np.zeros(cutoff.shape, dtype=np.int64), np.full(cutoff.shape, "", dtype="<U1")
    for number, rows in originals.by_space_group():
        merged = merge_overlapping_sites(
            number,
            sites[rows].reshape(-1, 3),
            np.repeat(originals.lattice_parameters[rows], 3, axis=0),
            cutoff[rows].reshape(-1),
            repeat=True,
        )
        place[rows] = merged.frac_coords.reshape(-1, 3, 3)
        multiplicity[rows] = merged.multiplicity.reshape(-1, 3)
        letter[rows] = merged.wyckoff_letter.reshape(-1, 3)
    return CrystalBatch(
        originals.space_group_number,
        originals.lattice_parameters,
        originals.atomic_numbers,
        place,
        multiplicity,
        letter,
    )


def same_positions(originals: CrystalBatch, merged: CrystalBatch) -> BoolArray:
    """(n,) whether all three sites have the Wyckoff letter and the multiplicity of their original."""
    letters = merged.wyckoff_letter == originals.wyckoff_letter
    return np.asarray((letters & (merged.multiplicity == originals.multiplicity)).all(axis=1))


def site_distances(originals: CrystalBatch, merged: CrystalBatch) -> FloatArray:
    """(n, 3) Å from each site to its original. Exact where it is short: the noise keeps a site by its original."""
    offset = merged.frac_coords - originals.frac_coords
    offset -= np.rint(offset)
    metric = metric_tensors(originals.lattice_parameters)
    return np.sqrt(np.einsum("nsi,nij,nsj->ns", offset, metric, offset))


def recovered(trials: Trials, merged: CrystalBatch) -> BoolArray:
    """(n,) the strict criterion: the same letters and multiplicities, every site within the noise of its original."""
    near = (site_distances(trials.originals, merged) <= trials.reach[:, None] + 1e-9).all(axis=1)
    return same_positions(trials.originals, merged) & near


def null_recovered(null: Trials, merged: CrystalBatch, reach: FloatArray) -> BoolArray:
    """(n,) ``recovered`` for sites from anywhere: near any atom of the original's orbit will do.

    Args:
        null: n trials of random sites.
        merged: their crystals.
        reach: (n,) Å, how near.
    """
    answer = same_positions(null.originals, merged)
    for site in range(N_SITES):
        rows = np.flatnonzero(answer)
        originals = null.originals.select(rows)
        pairs = originals.frac_coords[:, [site] * N_SITES].copy()
        pairs[:, 1] = merged.frac_coords[rows, site]
        both = replace(originals, frac_coords=pairs)
        answer[rows] = pair_distances(both)[:, SITE_PAIRS.index((0, 1))] <= reach[rows] + 1e-9
    return answer
