"""Ways to predict the volume of a crystal that was set aside: `python benchmarks/volume_models.py --home HOME`.

The newest dataset of the home; a tenth of the formulas set aside. Median absolute error of log volume per atom.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from harness import run_as_script
from numpy.typing import NDArray

TITLE = "Volumes of crystals set aside"
RIDGE_STRENGTHS = np.geomspace(1e-3, 1e2, 11)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", help="home folder with the dataset (CRYSTALFORGE_HOME)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Errors of each way, pooled and by space group."""
    from crystalforge.crystals.composition import volumes_per_atom
    from crystalforge.crystals.rows import batch_from_table
    from crystalforge.dataset import find_dataset, split_materials
    from crystalforge.evaluation.intervals import median_figures
    from crystalforge.home import Home

    dataset = find_dataset(Home.locate(options.home))
    seen, aside = (batch_from_table(part) for part in split_materials(dataset.materials()))
    errors = {name: np.full(len(aside), np.nan) for name in WAYS}
    for number, members in aside.by_space_group():
        known, wanted = seen.select(seen.space_group_number == number), aside.select(members)
        for name, way in WAYS.items():
            errors[name][members] = np.abs(way(known, wanted) - np.log(volumes_per_atom(wanted)))
    figures = [f for name in WAYS for f in median_figures("volume", name, aside.space_group_number, errors[name])]
    return {"dataset_id": dataset.dataset_id, "n": len(aside), "figures": [asdict(figure) for figure in figures]}


def _log_volumes(crystals: Any) -> NDArray[np.float64]:
    from crystalforge.crystals.composition import volumes_per_atom

    return np.log(volumes_per_atom(crystals))


def _median(known: Any, wanted: Any) -> NDArray[np.float64]:
    return np.full(len(wanted), np.median(_log_volumes(known)))


def _donor(known: Any, wanted: Any, *, by_radii: bool) -> NDArray[np.float64]:
    """The donor's own volume, or that by the sum of the radii cubed; NaN without a donor."""
    from crystalforge.gan.donors import find_donors

    found = find_donors(known, wanted.wyckoff_letter, wanted.atomic_numbers, fewest_first=False)
    copied = _log_volumes(known)[found.crystal]
    if by_radii:
        copied = copied + _log_packing(wanted) - _log_packing(known)[found.crystal]
    return np.where(found.crystal < 0, np.nan, copied)


def _log_packing(crystals: Any) -> NDArray[np.float64]:
    """Logarithm of the mean cube of the radii."""
    from crystalforge.gan.data import radius_table

    radii = radius_table().double().numpy()[crystals.atomic_numbers]
    return np.log((radii**3 * crystals.multiplicity).sum(axis=1) / crystals.multiplicity.sum(axis=1))


def _ridge(known: Any, wanted: Any) -> NDArray[np.float64]:
    """Template, element fractions, mean properties and radii; strength by leave-one-out in closed form."""
    features = _features(known, wanted)
    X, X_wanted = features[: len(known)], features[len(known) :]
    y = _log_volumes(known)
    centre, width, mean = X.mean(axis=0), X.std(axis=0) + 1e-9, y.mean()
    X, X_wanted = (X - centre) / width, (X_wanted - centre) / width
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    projected = U.T @ (y - mean)
    scores = []
    for strength in RIDGE_STRENGTHS:
        shrink = s**2 / (s**2 + strength)
        left_out = (y - mean - U @ (shrink * projected)) / (1 - (U**2 * shrink).sum(axis=1) - 1 / len(y))
        scores.append(np.square(left_out).mean())
    strength = RIDGE_STRENGTHS[int(np.argmin(scores))]
    return mean + X_wanted @ (Vt.T @ (s / (s**2 + strength) * projected))


def _features(known: Any, wanted: Any) -> NDArray[np.float64]:
    from crystalforge.crystals.batch import CrystalBatch
    from crystalforge.crystals.elements import element_properties

    crystals = CrystalBatch.concatenate([known, wanted])
    shares = crystals.multiplicity / crystals.multiplicity.sum(axis=1, keepdims=True)
    fractions = np.zeros((len(crystals), 119))
    np.add.at(fractions, (np.arange(len(crystals))[:, None], crystals.atomic_numbers), shares)
    properties = (element_properties()[crystals.atomic_numbers] * shares[:, :, None]).sum(axis=1)
    return np.hstack(
        [
            _one_hot(crystals.wyckoff_letter),
            _one_hot(np.sort(crystals.wyckoff_letter, axis=1)),
            fractions,
            properties,
            _log_packing(crystals)[:, None],
        ]
    )


def _one_hot(letters: NDArray[np.str_]) -> NDArray[np.float64]:
    templates, place = np.unique(letters, axis=0, return_inverse=True)
    return np.eye(len(templates))[place.reshape(-1)]


def _learned(known: Any, wanted: Any) -> NDArray[np.float64]:
    from crystalforge.gan.volume import VolumeModel

    model = VolumeModel.fit(known.wyckoff_letter, known.atomic_numbers, known.multiplicity, np.exp(_log_volumes(known)))
    return np.log(model.predict(wanted.wyckoff_letter, wanted.atomic_numbers, wanted.multiplicity))


WAYS: dict[str, Callable[[Any, Any], NDArray[np.float64]]] = {
    "median (null)": _median,
    "donor's own": lambda known, wanted: _donor(known, wanted, by_radii=False),
    "donor's, by radii": lambda known, wanted: _donor(known, wanted, by_radii=True),
    "ridge": _ridge,
    "VolumeModel": _learned,
}


def section(results: dict[str, Any]) -> str:
    """Text and table."""
    figures = {(f["source"], f["space_group_number"]): f for f in results["figures"]}
    lines = [f"| space group | n | {' | '.join(WAYS)} |", "|---" * (2 + len(WAYS)) + "|"]
    for group in sorted({f["space_group_number"] or 0 for f in results["figures"]}):
        row = [figures[name, group or None] for name in WAYS]
        cells = [f"{f['value']:.4f} ({f['low']:.4f} to {f['high']:.4f})" for f in row]
        lines.append(f"| {group or 'all'} | {max(f['n'] for f in row)} | {' | '.join(cells)} |")
    return (
        f"Median absolute error of log volume per atom, {results['n']} crystals set aside by formula; in brackets the "
        "95 % bootstrap interval.\n\n" + "\n".join(lines)
    )


if __name__ == "__main__":
    run_as_script(globals())
