"""Makes ``oxidation.json``, the oxidation states that the package reads in place of importing pymatgen.

    python -m crystalforge.crystals.oxidation_table

writes the file again beside this module from the installed pymatgen; a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crystalforge.files import write_bytes

TABLE_PATH = Path(__file__).with_name("oxidation.json")


def build_table() -> dict[str, Any]:
    """Common oxidation states and whether an element is a metal, for elements 1 to 118."""
    from importlib.metadata import version

    from pymatgen.core import Element

    elements = [Element.from_Z(number) for number in range(1, 119)]
    return {
        "source": f"pymatgen-core {version('pymatgen-core')}, Element.common_oxidation_states and Element.is_metal; "
        "rows 1 to 118 by atomic number",
        "common_oxidation_states": [[int(state) for state in element.common_oxidation_states] for element in elements],
        "is_metal": [bool(element.is_metal) for element in elements],
    }


def write_table(path: Path = TABLE_PATH) -> None:
    """Write the table, one property a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in build_table().items()]
    write_bytes(path, ("{" + ",\n".join(lines) + "}\n").encode())


if __name__ == "__main__":
    write_table()
