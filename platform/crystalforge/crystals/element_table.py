"""Makes ``elements.json``, the table of element properties that the package reads in place of importing pymatgen.

    python -m crystalforge.crystals.element_table

writes the file again beside this module from the installed pymatgen; a test compares the two. Values are pymatgen's
own, unscaled; null where pymatgen knows none.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from crystalforge.files import write_bytes

TABLE_PATH = Path(__file__).with_name("elements.json")

PROPERTIES: dict[str, str] = {
    "atomic_number": "Z",
    "electronegativity": "X",
    "row": "row",
    "group": "group",
    "atomic_mass": "atomic_mass",
    "atomic_radius": "atomic_radius",
    "mendeleev_number": "mendeleev_no",
    "average_ionic_radius": "average_ionic_radius",
    "average_cationic_radius": "average_cationic_radius",
    "average_anionic_radius": "average_anionic_radius",
    "sum_of_ionic_radii": "ionic_radii",
    "max_oxidation_state": "max_oxidation_state",
    "min_oxidation_state": "min_oxidation_state",
    "mean_oxidation_state": "oxidation_states",
    "mean_common_oxidation_state": "common_oxidation_states",
    "is_noble_gas": "is_noble_gas",
    "is_transition_metal": "is_transition_metal",
    "is_post_transition_metal": "is_post_transition_metal",
    "is_metalloid": "is_metalloid",
    "is_alkali": "is_alkali",
    "is_alkaline_earth": "is_alkaline",
    "is_halogen": "is_halogen",
    "molar_volume": "molar_volume",
}
"""Our name → pymatgen's attribute of ``Element``, in the order of PGCGM's 23 properties."""


def raw_property(element: Any, name: str) -> float | None:
    """One property of a pymatgen ``Element`` as a number.

    Dictionaries of ionic radii are summed, tuples of oxidation states averaged (none: 0), flags become 0 and 1.
    """
    value = getattr(element, PROPERTIES[name])
    if isinstance(value, dict):
        value = sum(value.values())
    elif isinstance(value, tuple):
        value = sum(value) / len(value) if value else 0
    return None if value is None or math.isnan(value) else round(float(value), 6)


def build_table() -> dict[str, Any]:
    """The whole table: symbols of elements 1 to 118 and, per property, their 118 values."""
    import warnings
    from importlib.metadata import version

    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns for every electronegativity that it does not know
        elements = [Element.from_Z(number) for number in range(1, 119)]
        values = {name: [raw_property(element, name) for element in elements] for name in PROPERTIES}
    return {
        "source": f"pymatgen-core {version('pymatgen-core')}, Element attributes; rows 1 to 118 by atomic number",
        "symbols": [element.symbol for element in elements],
        "values": values,
    }


def write_table(path: Path = TABLE_PATH) -> None:
    """Write the table, one property a line."""
    import json

    table = build_table()
    lines = [f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in table["values"].items()]
    head = f'{{"source": {json.dumps(table["source"])},\n"symbols": {json.dumps(table["symbols"])},\n"values": {{\n'
    write_bytes(path, (head + ",\n".join(lines) + "\n}}\n").encode())


if __name__ == "__main__":
    write_table()
