"""Crystals and sample sets written by hand, to know every figure beforehand."""

from __future__ import annotations

import numpy as np

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.elements import atomic_number
from crystalforge.evaluation.samples import SampleSet, in_one_setting

Sites = tuple[tuple[str, tuple[float, float, float], int, str], ...]
Crystal = tuple[int, tuple[float, ...], Sites]


def perovskite(a: float = 3.905, x: str = "Sr", y: str = "Ti", z: str = "O") -> Crystal:
    sites = ((x, (0, 0, 0), 1, "a"), (y, (0.5, 0.5, 0.5), 1, "b"), (z, (0, 0.5, 0.5), 3, "c"))
    return 221, (a, a, a, 90, 90, 90), sites


def shifted_perovskite(a: float = 3.905) -> Crystal:
    """SrTiO3 with Ti at the origin: the same crystal, its origin moved by (1/2, 1/2, 1/2)."""
    sites = (("Ti", (0, 0, 0), 1, "a"), ("Sr", (0.5, 0.5, 0.5), 1, "b"), ("O", (0.5, 0, 0), 3, "d"))
    return 221, (a, a, a, 90, 90, 90), sites


def tinisi(x: float = 0.48066, scale: float = 1.0) -> Crystal:
    """ScNiP in 62, with another x of Sc."""
    sites = (
        ("Sc", (x, 0.75, 0.81448), 4, "c"),
        ("Ni", (0.64067, 0.25, 0.56103), 4, "c"),
        ("P", (0.76753, 0.25, 0.88264), 4, "c"),
    )
    return 62, (6.335 * scale, 3.733 * scale, 7.039 * scale, 90, 90, 90), sites


def batch_of(*crystals: Crystal) -> CrystalBatch:
    """Crystals as a batch, elements in the canonical order."""
    sites = [crystal[2] for crystal in crystals]
    return in_one_setting(
        CrystalBatch(
            space_group_number=np.array([crystal[0] for crystal in crystals]),
            lattice_parameters=np.array([crystal[1] for crystal in crystals], dtype=float),
            atomic_numbers=atomic_number([[site[0] for site in three] for three in sites]),
            frac_coords=np.array([[site[1] for site in three] for three in sites], dtype=float),
            multiplicity=np.array([[site[2] for site in three] for three in sites]),
            wyckoff_letter=np.array([[site[3] for site in three] for three in sites]),
        )
    )


def set_of(source: str, *crystals: Crystal, percolated: int = 0, too_close: tuple[int, ...] = ()) -> SampleSet:
    """A sample set of crystals and, behind them, samples of group 221 that percolate."""
    batch = batch_of(*crystals)
    reasons = np.array([""] * len(batch) + ["percolates"] * percolated, dtype="<U24")
    reasons[list(too_close)] = "atoms_too_close"
    numbers = np.concatenate([batch.space_group_number, np.full(percolated, 221)]).astype(np.int64)
    return SampleSet(source, numbers, reasons, batch, np.arange(len(batch)))
