"""The table of elements against pymatgen itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pymatgen.core import Element

from crystalforge.crystals import elements
from crystalforge.crystals.element_table import PROPERTIES, TABLE_PATH, build_table, write_table
from crystalforge.errors import UsageError


def test_the_shipped_table_is_what_pymatgen_says() -> None:
    shipped, made = json.loads(TABLE_PATH.read_text()), build_table()
    assert shipped["symbols"] == made["symbols"]
    assert shipped["values"] == made["values"]


def test_writing_the_table_again_gives_the_same_values(tmp_path) -> None:
    write_table(tmp_path / "elements.json")
    assert (
        json.loads((tmp_path / "elements.json").read_text())["values"] == json.loads(TABLE_PATH.read_text())["values"]
    )


def test_raw_values_of_iron_and_oxygen() -> None:
    for symbol in ("Fe", "O"):
        element = Element(symbol)
        number = element.Z
        assert elements.atomic_radii()[number] == element.atomic_radius
        assert elements.atomic_masses()[number] == pytest.approx(float(element.atomic_mass))
        assert elements.electronegativities()[number] == element.X
        assert elements.raw_element_property("sum_of_ionic_radii")[number] == pytest.approx(
            sum(element.ionic_radii.values())
        )
        assert elements.raw_element_property("mean_common_oxidation_state")[number] == pytest.approx(
            np.mean(element.common_oxidation_states)
        )


def test_properties_are_scaled_and_without_gaps() -> None:
    properties = elements.element_properties()
    assert properties.shape == (119, 23) and properties.dtype == np.float32
    assert len(elements.ELEMENT_PROPERTY_NAMES) == len(PROPERTIES) == 23
    assert np.isfinite(properties).all()
    np.testing.assert_allclose(properties[1:].min(axis=0), -1)
    np.testing.assert_allclose(properties[1:].max(axis=0), 1)
    assert not properties[0].any()
    assert properties[26, elements.ELEMENT_PROPERTY_NAMES.index("is_transition_metal")] == 1
    assert elements.element_properties() is properties and not properties.flags.writeable


def test_symbols_and_numbers_are_inverse() -> None:
    everything = np.arange(1, 119)
    assert np.array_equal(elements.atomic_number(elements.symbols(everything)), everything)
    assert elements.atomic_number([["Sr", "Ti", "O"], ["Li", "Al", "Si"]]).tolist() == [[38, 22, 8], [3, 13, 14]]


def test_unknown_elements_are_named() -> None:
    with pytest.raises(UsageError, match='"Qq"'):
        elements.atomic_number(["Fe", "Qq"])
    with pytest.raises(UsageError, match="119"):
        elements.symbols([119])


def test_order_by_electronegativity_puts_unknown_last_and_breaks_ties_by_number() -> None:
    numbers = np.array([[8, 22, 38], [2, 54, 10], [39, 26, 105]])
    ordered = np.take_along_axis(numbers, elements.order_by_electronegativity(numbers), axis=1)
    assert ordered.tolist() == [[38, 22, 8], [54, 2, 10], [39, 26, 105]]
    tied = np.array([[77, 44, 46]])  # Ir, Ru, Pd: all 2.20
    assert np.take_along_axis(tied, elements.order_by_electronegativity(tied), axis=1).tolist() == [[44, 46, 77]]
    assert elements.order_by_electronegativity([[50, 50, 8]]).tolist() == [[0, 1, 2]]
