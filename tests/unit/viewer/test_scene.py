"""Scenes hold the whole crystal, as pymatgen has it, and colours that can be told apart."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from crystalforge.crystals import CrystalBatch, to_structure
from crystalforge.crystals.rows import batch_to_columns
from crystalforge.errors import UsageError
from crystalforge.viewer import crystal_scene, relaxed_cell
from crystalforge.viewer.element_styles import LEAST_COLOUR_DISTANCE, element_styles


def row_of(batch: CrystalBatch) -> dict[str, object]:
    row: dict[str, object] = pa.table(batch_to_columns(batch)).to_pylist()[0]
    return row


@pytest.fixture
def heusler() -> dict[str, object]:
    """LiAlSi-like: three sites of the face-centred group 216."""
    return row_of(
        CrystalBatch(
            space_group_number=np.array([216]),
            lattice_parameters=np.array([[5.93, 5.93, 5.93, 90.0, 90.0, 90.0]]),
            atomic_numbers=np.array([[3, 13, 14]]),
            frac_coords=np.array([[[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]]),
            multiplicity=np.array([[4, 4, 4]]),
            wyckoff_letter=np.array([["b", "a", "c"]]),
        )
    )


def test_conventional_cell_is_pymatgens(heusler: dict[str, object]) -> None:
    scene = crystal_scene(heusler)
    structure = to_structure(heusler)
    cell = scene["cells"]["conventional"]
    assert cell["species"] == [site.specie.symbol for site in structure]
    assert np.allclose(cell["lattice"], structure.lattice.matrix, atol=1e-5)
    gaps = np.array(cell["frac_coords"]) - structure.frac_coords
    assert np.abs(gaps - np.round(gaps)).max() < 1e-5
    assert cell["labels"][0] == "Li 4b"
    assert scene["space_group"] == "F-43m (216)"


def test_primitive_cell_has_a_quarter_of_the_atoms(heusler: dict[str, object]) -> None:
    cells = crystal_scene(heusler)["cells"]
    assert sorted(cells["primitive"]["species"]) == ["Al", "Li", "Si"]
    ratio = np.linalg.det(cells["conventional"]["lattice"]) / np.linalg.det(cells["primitive"]["lattice"])
    assert ratio == pytest.approx(4.0, abs=1e-4)
    assert "Al 4a" in cells["primitive"]["labels"]


def test_relaxed_cell_is_read_from_a_flat_row(heusler: dict[str, object]) -> None:
    relaxation = {
        "lattice": [4.0, 0, 0, 0, 4.0, 0, 0, 0, 4.0],
        "species": ["Cs", "Cl"],
        "frac_coords": [0.0, 0.0, 0.0, 0.5, 0.5, 0.5],
    }
    assert relaxed_cell(relaxation)["frac_coords"] == [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]
    scene = crystal_scene(heusler, relaxation)
    assert list(scene["cells"]) == ["conventional", "primitive", "relaxed"]
    assert set(scene["elements"]) == {"Li", "Al", "Si", "Cs", "Cl"}, "each atom that is drawn has its colour"
    assert "relaxed" not in crystal_scene(heusler, {"lattice": None})["cells"]


def test_scene_is_plain_json(heusler: dict[str, object]) -> None:
    assert json.loads(json.dumps(crystal_scene(heusler), allow_nan=False))["name"] == "LiAlSi"


def test_rejected_sample_is_refused(heusler: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="not a whole crystal"):
        crystal_scene(heusler | {"base_frac_coords": None, "reject_reason": "percolates"})


@pytest.mark.parametrize("elements", [("La", "Ce", "Pr"), ("Eu", "Gd", "Tb"), ("Xe", "He", "O"), ("Og", "Lr", "Fm")])
def test_elements_of_one_crystal_are_told_apart(elements: tuple[str, ...]) -> None:
    styles = element_styles(elements)
    colours = [[int(style["colour"][i : i + 2], 16) / 255 for i in (1, 3, 5)] for style in styles.values()]
    distances = [math.dist(one, other) for i, one in enumerate(colours) for other in colours[:i]]
    assert min(distances) >= LEAST_COLOUR_DISTANCE - 0.01
    assert all(style["radius"] > 0 for style in styles.values())
