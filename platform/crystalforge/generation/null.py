"""The null: random input in place of a trained model, for the figure that stands beside every other."""

from __future__ import annotations

import numpy as np

from crystalforge.gan.compositions import sample_compositions
from crystalforge.gan.data import radius_table
from crystalforge.gan.model import Model, RawSamples


def draw_null(model: Model, n: int, seed: np.random.SeedSequence) -> RawSamples:
    """Draw n crystals of pure noise for a model's space group.

    Coordinates are uniform, lengths log-uniform over the generator's range and equal where the crystal system says so,
    elements any three of the training crystals.

    Args:
        model: gives the space group, the range of lengths and the elements.
        n: number of crystals.
        seed: decides the draw.
    """
    import torch

    from crystalforge.gan.geometry import average_lengths

    random = np.random.default_rng(seed)
    networks = model.recipe.networks
    ratio = np.array(networks.length_maximum_angstrom) / networks.length_minimum_angstrom
    lengths = networks.length_minimum_angstrom * ratio ** random.random((n, 3))
    equal = average_lengths(torch.as_tensor(lengths), model.generator.crystal_system).numpy()
    counts = model.statistics["element_counts"].cpu().numpy()
    atomic_numbers = sample_compositions("uniform", counts, n, random)
    return RawSamples(
        atomic_numbers=atomic_numbers,
        frac_coords=random.random((n, 3, 3)),
        lattice_parameters=np.hstack([equal, np.tile(model.generator.angles, (n, 1))]),
        radii=radius_table().double().numpy()[atomic_numbers],
    )
