"""CIF text of a crystal: cell, symmetry operations and representative sites with their Wyckoff positions.

Numbers are written with all digits of a double, so that 1/3 comes back as 1/3 and nothing is lost. Names are those of
the core dictionary (CIF 1.1, coreCIF 3); what it has no name for begins with ``_crystalforge_``. The same crystal gives
the same text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge import __version__
from crystalforge.crystals.elements import symbols
from crystalforge.crystals.lattice import cell_volumes
from crystalforge.export.composition import element_counts, formula_text, formula_units, hill_order, reduce_counts
from crystalforge.export.symmetrised import Crystal, SymmetrisedCrystal, as_symmetrised
from crystalforge.symmetry import setting_symbols, space_group

AXES = "xyz"
LARGEST_DENOMINATOR = 24
"""Of a translation of the 530 settings."""
LONGEST_NAME = 75
"""Characters of a data block's name (CIF 1.1)."""
CELL_TAGS = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
SITE_TAGS = (
    "label",
    "type_symbol",
    "site_symmetry_multiplicity",
    "Wyckoff_symbol",
    "fract_x",
    "fract_y",
    "fract_z",
    "occupancy",
)
OWN_PREFIX = "_crystalforge_"


def cif_text(
    crystal: Crystal, index: int = 0, *, name: str | None = None, properties: Mapping[str, Any] | None = None
) -> str:
    """One data block.

    Args:
        crystal: a symmetrised crystal, a row of ``candidates``, ``samples`` or ``materials``, or a batch.
        index: which crystal of a batch.
        name: of the data block; characters that it may not have become ``_``. None takes the row's own identifier.
        properties: further values, written as ``_crystalforge_NAME``; those that are None are left out.

    Raises:
        UsageError: the row has no merged sites, or lacks a column.
    """
    if name is None:
        name = _identifier(crystal)
    symmetrised = as_symmetrised(crystal, index)
    lines = [
        f"data_{block_name(name)}",
        f"_audit_creation_method 'crystalforge {__version__}'",
        *_composition_lines(symmetrised),
        _symmetry_lines(symmetrised.space_group_number)[0],
        *_cell_lines(symmetrised),
        *_property_lines(properties or {}),
        _symmetry_lines(symmetrised.space_group_number)[1],
        *_site_lines(symmetrised),
    ]
    return "\n".join(lines) + "\n"


def block_name(name: str) -> str:
    """The name as a data block may have it: 1 to 75 printable characters without spaces."""
    kept = "".join(character if "!" <= character <= "~" else "_" for character in name[:LONGEST_NAME])
    return kept or "crystal"


def cif_value(value: Any) -> str:
    """A value as CIF 1.1 writes it, in quotes where it needs them.

    None is ``?``; lists are joined by spaces; what is not ASCII is written as its number, as ``&#x3b1;``.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "?"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return _number(value)
    return _quoted(" ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))


def _quoted(text: str) -> str:
    text = text.encode("ascii", "xmlcharrefreplace").decode().replace("\r", "\n")
    text = "".join(character if " " <= character <= "~" or character in "\n\t" else " " for character in text)
    if text and all(character.isalnum() or character in "+-./" for character in text) and not _reads_as_other(text):
        return text
    if "\n" not in text:
        for quote in "'\"":
            if f"{quote} " not in text and f"{quote}\t" not in text and not text.endswith(quote):
                return f"{quote}{text}{quote}"
    return "\n;" + text.replace("\n;", "\n ;") + "\n;"


def _reads_as_other(text: str) -> bool:
    """Whether a bare text would be a number, a missing value or a word of the format."""
    lower = text.lower()
    return (
        lower in {".", "?", "loop_", "stop_", "global_"}
        or lower.startswith(("data_", "save_"))
        or text[0] in "+-.0123456789"
    )


def _number(value: Any) -> str:
    """The shortest text that reads back as the same double."""
    return repr(int(value)) if isinstance(value, (int, np.integer)) else repr(float(value))


def _identifier(crystal: Crystal) -> str:
    if not isinstance(crystal, Mapping):
        return "crystal"
    return next(
        (str(crystal[key]) for key in ("sample_id", "material_id", "crystal_id") if crystal.get(key)), "crystal"
    )


def _composition_lines(crystal: SymmetrisedCrystal) -> list[str]:
    counts = element_counts(crystal)
    reduced = reduce_counts(counts)
    return [
        f"_chemical_formula_structural {formula_text(reduced)}",
        f"_chemical_formula_sum '{formula_text(reduced, hill_order(reduced), ' ')}'",
        f"_cell_formula_units_Z {formula_units(counts)}",
    ]


@cache
def _symmetry_lines(space_group_number: int) -> tuple[str, str]:
    """Names of the group, and the loop of its operations."""
    setting = setting_symbols(space_group_number)
    names = [
        f"_space_group_IT_number {space_group_number}",
        f"_space_group_name_H-M_alt '{setting.hermann_mauguin}'",
        # A quote within quotes is one as long as no blank follows it.
        f"_space_group_name_Hall {_quoted(setting.hall)}",
    ]
    operations = [f"{number} '{text}'" for number, text in enumerate(operation_texts(space_group_number), start=1)]
    loop = ["loop_", "_space_group_symop_id", "_space_group_symop_operation_xyz", *operations]
    return "\n".join(names), "\n".join(loop)


@cache
def operation_texts(space_group_number: int) -> tuple[str, ...]:
    """All operations of the conventional cell, the identity first."""
    group = space_group(space_group_number)
    return tuple(operation_text(*operation) for operation in zip(group.rotations, group.translations, strict=True))


def operation_text(rotation: NDArray[np.int64], translation: NDArray[np.float64]) -> str:
    """A symmetry operation as ``-y,x-y,z+1/3``: rotation (3, 3), translation (3,)."""
    return ",".join(_row_text(row, shift) for row, shift in zip(rotation, translation, strict=True))


def _row_text(row: NDArray[np.int64], shift: float) -> str:
    signs = {1: "+", -1: "-"}
    terms = "".join(f"{signs[int(factor)]}{axis}" for factor, axis in zip(row, AXES, strict=True) if factor)
    fraction = Fraction(float(shift)).limit_denominator(LARGEST_DENOMINATOR)
    return terms.removeprefix("+") + (f"+{fraction}" if fraction else "")


def _cell_lines(crystal: SymmetrisedCrystal) -> list[str]:
    volume = cell_volumes(crystal.lattice_parameters[None])[0]
    cell = zip(CELL_TAGS, crystal.lattice_parameters.tolist(), strict=True)
    return [*(f"_cell_{tag} {value!r}" for tag, value in cell), f"_cell_volume {volume:.6f}"]


def _property_lines(properties: Mapping[str, Any]) -> list[str]:
    return [f"{OWN_PREFIX}{name} {cif_value(value)}" for name, value in properties.items() if value is not None]


def _site_lines(crystal: SymmetrisedCrystal) -> list[str]:
    lines = ["loop_", *(f"_atom_site_{tag}" for tag in SITE_TAGS)]
    seen: dict[str, int] = {}
    sites = zip(
        symbols(crystal.atomic_numbers).tolist(),
        crystal.multiplicity.tolist(),
        crystal.wyckoff_letter.tolist(),
        crystal.sites.tolist(),
        strict=True,
    )
    for symbol, multiplicity, letter, (x, y, z) in sites:
        seen[symbol] = seen.get(symbol, 0) + 1
        lines.append(f"{symbol}{seen[symbol]} {symbol} {multiplicity} {letter} {x!r} {y!r} {z!r} 1")
    return lines
