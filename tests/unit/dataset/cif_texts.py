"""CIFs of small crystals, and what to damage in them."""

from __future__ import annotations

CELL = "_cell_length_a {a}\n_cell_length_b {a}\n_cell_length_c {a}\n" + "".join(
    f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma")
)
LOOP = "loop_\n" + "".join(
    f" _atom_site_{name}\n" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
)


def cubic_cif(a: object, *atoms: tuple[str, float, float, float, float]) -> str:
    """CIF in P1 of atoms (symbol, x, y, z, occupancy) in a cubic cell."""
    lines = [f" {atom[0]}{i} {' '.join(map(str, atom))}\n" for i, atom in enumerate(atoms)]
    return "data_crystal\n_symmetry_space_group_name_H-M 'P 1'\n" + CELL.format(a=a) + LOOP + "".join(lines)


OXYGENS = [("O", 0.5, 0.5, 0, 1), ("O", 0.5, 0, 0.5, 1), ("O", 0, 0.5, 0.5, 1)]
STRONTIUM_TITANATE = cubic_cif(3.905, ("Sr", 0, 0, 0, 1), ("Ti", 0.5, 0.5, 0.5, 1), *OXYGENS)
ROCK_SALT = cubic_cif(4.0, ("Na", 0, 0, 0, 1), ("Cl", 0.5, 0.5, 0.5, 1))
DISORDERED = cubic_cif(3.9, ("Sr", 0, 0, 0, 0.5), ("Ti", 0.5, 0.5, 0.5, 1), *OXYGENS)
NAN_CELL = cubic_cif("nan", ("Sr", 0, 0, 0, 1), ("Ti", 0.5, 0.5, 0.5, 1), *OXYGENS)
OVERLAPPING = cubic_cif(3.9, ("Sr", 0, 0, 0, 1), ("Sr", 0.02, 0, 0, 1), ("Ti", 0.5, 0.5, 0.5, 1), *OXYGENS)
FOUR_SITES = cubic_cif(3.9, ("Sr", 0, 0, 0, 1), ("Ti", 0.5, 0.5, 0.55, 1), *OXYGENS)
"""Titanium off centre: the oxygens are no longer all equivalent."""
DUMMY = cubic_cif(3.9, ("Xx", 0, 0, 0, 1), ("Ti", 0.5, 0.5, 0.5, 1), *OXYGENS)
