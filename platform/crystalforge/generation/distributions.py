"""Sampled against real against noise: the few distributions that a training shows of its model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.gan.model import Model, RawSamples
from crystalforge.generation.checking import judge
from crystalforge.generation.null import draw_null
from crystalforge.generation.sampling import floors_of

QUANTITIES = {
    "a": "a (Å)",
    "volume_per_atom": "volume per atom (Å³)",
    "min_contact_ratio": "least distance / sum of radii",
}
"""Quantity (a column of ``materials``) and axis label."""

Distributions = dict[str, dict[str, list[float]]]
"""Quantity → ``real``, ``sampled`` or ``null`` → values."""


def compare_distributions(model: Model, materials: pa.Table, n: int, seed: np.random.SeedSequence) -> Distributions:
    """Cells, volumes and contacts of n samples and n crystals of noise beside those of the training crystals.

    Samples that could not be merged have no volume or contact and are left out.
    """
    sources = {
        "real": {quantity: materials[quantity].to_numpy() for quantity in QUANTITIES},
        "sampled": _quantities(model, model.draw(n, seed)),
        "null": _quantities(model, draw_null(model, n, seed)),
    }
    return {
        quantity: {name: np.round(of_source[quantity], 4).tolist() for name, of_source in sources.items()}
        for quantity in QUANTITIES
    }


def _quantities(model: Model, raw: RawSamples) -> dict[str, NDArray[np.float64]]:
    verdicts = judge(model.space_group_number, raw, floors_of(model))
    return {
        "a": raw.lattice_parameters[:, 0],
        "volume_per_atom": volumes_per_atom(verdicts.crystals),
        "min_contact_ratio": verdicts.contacts.min_contact_ratio,
    }


def draw_distributions(distributions: Distributions, title: str) -> Any:
    """A matplotlib figure with one panel for each quantity, on a logarithmic axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(distributions), 3.2), layout="constrained")
    for axes, (quantity, sources) in zip(figure.subplots(1, len(distributions)), distributions.items(), strict=True):
        everything = np.concatenate([np.asarray(values) for values in sources.values()])
        low, high = np.quantile(everything[everything > 0], [0.005, 0.995])
        bins = np.geomspace(low, high, 40)
        for name, values in sources.items():
            if values:
                axes.hist(
                    np.clip(values, bins[0], bins[-1]),
                    bins=bins,
                    density=True,
                    histtype="step",
                    label=f"{name} (n = {len(values)})",
                )
        axes.set(xlabel=QUANTITIES[quantity], xscale="log", yticks=[])
        axes.legend(fontsize=7)
    figure.suptitle(title)
    return figure
