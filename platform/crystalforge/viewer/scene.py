"""A crystal as the viewer's script reads it: cells with all their atoms, and how its elements look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crystalforge.crystals.elements import symbols
from crystalforge.crystals.lattice import lattice_matrices
from crystalforge.crystals.primitive import primitive_cells
from crystalforge.crystals.structures import crystal_from_row
from crystalforge.errors import UsageError
from crystalforge.symmetry import expand_orbits, space_group
from crystalforge.viewer.element_styles import element_styles

DIGITS = 5
"""Of coordinates and lengths: 1e-5 Å is less than a pixel."""


def crystal_scene(row: Mapping[str, Any], relaxed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A crystal for ``CrystalViewer.show``; plain values, for JSON.

    Args:
        row: of ``samples``, ``candidates`` or ``materials``, with merged sites.
        relaxed: row of ``relaxations`` of the same crystal, whose final cell is shown too.

    Returns:
        ``name``, ``space_group``, ``elements`` (``element_styles``) and ``cells``: name to ``lattice`` (3, 3) in Å,
        ``species`` (n_atoms), ``frac_coords`` (n_atoms, 3), ``labels`` (n_atoms, such as ``Sr 1a``).

    Raises:
        UsageError: the row has no merged sites, or lacks a column.
    """
    batch = crystal_from_row(row)
    if not batch.is_placed[0]:
        raise UsageError("The crystal has sites without a place (NaN): expected merged sites. Take an accepted one.")
    number = int(batch.space_group_number[0])
    orbits = expand_orbits(number, batch.frac_coords[0])
    species = symbols(batch.atomic_numbers[0])
    sites = [
        f"{element} {multiplicity}{letter}"
        for element, multiplicity, letter in zip(species, batch.multiplicity[0], batch.wyckoff_letter[0], strict=True)
    ]
    conventional = _cell(
        lattice_matrices(batch.lattice_parameters)[0],
        species[orbits.site_index].tolist(),
        orbits.frac_coords,
        [sites[index] for index in orbits.site_index],
    )
    cells = {"conventional": conventional}
    _, primitive = next(primitive_cells(batch))
    if len(primitive.atomic_numbers) < len(conventional["species"]):
        label_of = dict(zip(species.tolist(), sites, strict=True))
        of_primitive = symbols(primitive.atomic_numbers).tolist()
        cells["primitive"] = _cell(
            primitive.lattice, of_primitive, primitive.frac_coords, [label_of[name] for name in of_primitive]
        )
    if relaxed and relaxed.get("lattice"):
        cells["relaxed"] = relaxed_cell(relaxed)
    group = space_group(number)
    return {
        "name": row.get("formula") or "".join(species.tolist()),
        "space_group": f"{group.international_symbol} ({number})",
        "elements": element_styles(name for cell in cells.values() for name in cell["species"]),
        "cells": cells,
    }


def relaxed_cell(row: Mapping[str, Any]) -> dict[str, Any]:
    """The final primitive cell of a row of ``relaxations``."""
    lattice = np.asarray(row["lattice"], dtype=np.float64).reshape(3, 3)
    frac_coords = np.asarray(row["frac_coords"], dtype=np.float64).reshape(-1, 3)
    species = list(row["species"])
    return _cell(lattice, species, frac_coords, species)


def _cell(lattice: ArrayLike, species: Sequence[str], frac_coords: ArrayLike, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "lattice": np.round(np.asarray(lattice), DIGITS).tolist(),
        "species": list(species),
        "frac_coords": np.round(np.asarray(frac_coords) % 1.0, DIGITS).tolist(),
        "labels": list(labels),
    }
