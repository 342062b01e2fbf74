"""The null: random input in place of a trained model, for the figure that stands beside every other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crystalforge.crystals.lattice import apply_crystal_system
from crystalforge.gan.compositions import Counts, sample_compositions
from crystalforge.gan.data import radius_table
from crystalforge.gan.model import LENGTHS_ANGSTROM, Model, RawSamples


def draw_null(model: Model, n: int, seed: np.random.SeedSequence) -> RawSamples:
    """Draw n crystals of pure noise for a model's space group.

    Coordinates are uniform, lengths log-uniform over the generator's range and equal where the crystal system says so,
    elements any three of the training crystals.

    Args:
        model: gives the space group, the range of lengths and the elements.
        n: number of crystals.
        seed: decides the draw.
    """
    counts = model.statistics["element_counts"].cpu().numpy()
    return draw_noise(model.space_group_number, counts, n, seed, model.lengths_angstrom)


def draw_noise(
    space_group_number: int,
    element_counts: Counts,
    n: int,
    seed: np.random.SeedSequence,
    lengths: tuple[float, Sequence[float]] = LENGTHS_ANGSTROM,
) -> RawSamples:
    """Draw n crystals of pure noise for a space group, as ``draw_null`` without a model.

    Args:
        space_group_number: 1 to 230.
        element_counts: (3, 119) of the training crystals: any element that occurs may be drawn.
        n: number of crystals.
        seed: decides the draw.
        lengths: least cell length, and greatest a, b, c (Å).
    """
    random = np.random.default_rng(seed)
    ratio = np.array(lengths[1]) / lengths[0]
    drawn = np.hstack([lengths[0] * ratio ** random.random((n, 3)), np.full((n, 3), 90.0)])
    atomic_numbers = sample_compositions("uniform", element_counts, n, random)
    return RawSamples(
        atomic_numbers=atomic_numbers,
        frac_coords=random.random((n, 3, 3)),
        lattice_parameters=apply_crystal_system(drawn, space_group_number),
        radii=radius_table().double().numpy()[atomic_numbers],
    )
