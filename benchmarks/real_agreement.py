"""Whether every real crystal is found again from its representative sites: the dataset and spglib as judges."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib
from fast_oracle import cell_vectors
from numpy.typing import NDArray
from oracle_cases import RealCrystals, real_crystals

from crystalforge.symmetry import SpaceGroup, expand_orbits, merge_overlapping_sites, space_group, wyckoff_letters

CUTOFF = 0.1
"""Å. Sites as relaxed lie within this of their positions."""
SYMPRECS = (0.01, 1e-4)
"""Å. The second for crystals that have, within the first, more symmetry than their group."""
MAX_EXAMPLES = 5


@dataclass(frozen=True)
class Verdict:
    """What spglib says of one crystal.

    Attributes:
        text: "agree", or what differs.
        symprec: Å, at which spglib found the group.
        in_place: whether spglib's standard cell has the crystal's own origin and axes.
    """

    text: str
    symprec: float
    in_place: bool


def judge_real(space_group_number: int, part: int, n_parts: int, limit: int | None = None) -> dict[str, Any]:
    """Judge every n_parts-th real crystal of a group, from the part-th on; spglib sees the first ``limit`` of them."""
    start, group = time.process_time(), space_group(space_group_number)
    crystals = real_crystals(space_group_number)
    crystals = RealCrystals(*(values[part::n_parts] for values in vars(crystals).values()))
    n = len(crystals.n_atoms)
    sites, cells = crystals.frac_coords.reshape(-1, 3), np.repeat(crystals.lattice_parameters, 3, axis=0)
    merged = merge_overlapping_sites(group.number, sites, cells, CUTOFF)
    orbits = expand_orbits(group.number, merged.frac_coords)
    stated = crystals.multiplicity.ravel()
    verdicts, examples = [], []
    ends = np.cumsum(orbits.multiplicity)[2::3]
    for row in range(n if limit is None else min(n, limit)):
        atoms = slice(ends[row - 1] if row else 0, ends[row])
        verdict = judge_letters(
            group,
            crystals.lattice_parameters[row],
            orbits.frac_coords[atoms],
            orbits.site_index[atoms] - 3 * row,
            merged.wyckoff_letter[3 * row : 3 * row + 3],
        )
        verdicts.append(verdict)
        if verdict.text != "agree":
            examples.append(f"{group.number}: {verdict.text}, sites {sites[3 * row :][:3].tolist()}")
    return {
        "space_group_number": group.number,
        "n": n,
        "multiplicities_as_stated": _whole(orbits.multiplicity == stated, merged.multiplicity == stated),
        "atoms_as_stated": int((np.bincount(orbits.site_index // 3, minlength=n) == crystals.n_atoms).sum()),
        "letters_as_stated": _whole(merged.wyckoff_letter == crystals.wyckoff_letter.ravel()),
        "letters_without_merging_as_stated": _whole(
            wyckoff_letters(group.number, sites)[0] == crystals.wyckoff_letter.ravel()
        ),
        "n_spglib": len(verdicts),
        "spglib_agrees": sum(verdict.text == "agree" for verdict in verdicts),
        "spglib_in_place": sum(verdict.in_place for verdict in verdicts),
        "spglib_at_finer_symprec": sum(verdict.symprec != SYMPRECS[0] for verdict in verdicts),
        "examples": examples[:MAX_EXAMPLES],
        "cpu_s": time.process_time() - start,
    }


def judge_letters(
    group: SpaceGroup,
    lattice_parameters: NDArray[np.float64],
    frac_coords: NDArray[np.float64],
    orbit: NDArray[np.int64],
    letters: NDArray[np.str_],
) -> Verdict:
    """Verdict on the letters (k,) of the k orbits that the atoms (n_atoms, 3) belong to.

    Letters depend on the origin, and spglib may choose another than the crystal stands in. So our letter is asked for
    the atoms where spglib puts them in its standard cell, and must be spglib's; and where it leaves them in place, the
    letters of the crystal as it stands must be.
    """
    cell = (cell_vectors(lattice_parameters), frac_coords, orbit + 1)
    for symprec in SYMPRECS:
        # Without a Hall number: asked for one that does not fit, spglib searches for seconds. It takes the same one.
        dataset = spglib.get_symmetry_dataset(cell, symprec=symprec)
        if dataset is not None and dataset.hall_number == group.hall_number:
            break
    else:
        return Verdict("not this group", symprec, False)
    theirs = np.array(dataset.wyckoffs)
    shift = dataset.origin_shift - np.round(dataset.origin_shift)
    in_place = bool(np.allclose(dataset.transformation_matrix, np.eye(3), atol=1e-6) and np.abs(shift).max() < 1e-6)
    standard = frac_coords @ dataset.transformation_matrix.T + dataset.origin_shift
    ours, multiplicity = wyckoff_letters(group.number, standard, tolerance=1e-4)
    if (ours != theirs).any() or (in_place and (letters[orbit] != theirs).any()):
        return Verdict("letters differ", symprec, in_place)
    orbits = dataset.crystallographic_orbits
    counted = np.bincount(orbits, minlength=len(orbit))[orbits]
    same = (counted == multiplicity).all()
    return Verdict("agree" if same else "multiplicities differ", symprec, in_place)


def _whole(*agrees: NDArray[np.bool_]) -> int:
    """Crystals of which all three sites agree."""
    return int(np.logical_and.reduce(agrees).reshape(-1, 3).all(axis=1).sum())
