"""Whether exported CIFs are right: `python benchmarks/export_check.py --home HOME --generation ID [--count 1000]`.

The CIFs that `platform export` writes of random candidates are read by gemmi, pymatgen and ASE. Each must give the same
cell, the same atoms within 1e-6 and the same space group (by moyopy, symprec 1e-4 Å) as the row of the catalog, and
gemmi must find nothing wrong with the symmetry that the file states. Every warning is counted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from export_cost import PROGRAM
from harness import run_as_script
from numpy.typing import NDArray

TITLE = "Exported CIFs, read by other programs"
TOLERANCE = 1e-6
SYMPREC = 1e-4
ROWS_SQL = "SELECT * FROM candidates WHERE generation_id = $generation ORDER BY md5(sample_id), sample_id LIMIT $n"
Atoms = tuple[NDArray[np.float64], list[str], NDArray[np.float64]]
"""Cell vectors (Å), symbols, fractional coordinates of all atoms."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", type=Path, required=True, help="home with a generation")
    parser.add_argument("--generation", required=True, help="whose candidates")
    parser.add_argument("--count", type=int, default=1000, help="crystals (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Export, read, compare."""
    from crystalforge.catalog.query import open_catalog
    from crystalforge.crystals import to_structure
    from crystalforge.home import Home

    with tempfile.TemporaryDirectory(prefix="crystalforge-benchmark-") as folder:
        out = Path(folder) / "cifs"
        where = f"generation_id = '{arguments.generation}'"
        command = ["export", "--home", arguments.home, "--where", where, "--order-by", "md5(sample_id)"]
        command += ["--limit", arguments.count, "--out", out]
        subprocess.run([*PROGRAM, *map(str, command)], check=True, stdout=sys.stderr)
        with open_catalog(Home.locate(arguments.home)) as catalog:
            rows = catalog.query(ROWS_SQL, {"generation": arguments.generation, "n": arguments.count}).to_pylist()
        paths = sorted(out.glob("*.cif"))
        found = {name: Counter[str]() for name in READERS}
        groups: Counter[int] = Counter(row["space_group_number"] for row in rows)
        for path, row in zip(paths, rows, strict=True):
            structure = to_structure(row)
            expected = (structure.lattice.matrix, [site.specie.symbol for site in structure], structure.frac_coords)
            for name, read in READERS.items():
                found[name].update(_judge(read, path, expected))
    return {"crystals": len(paths), "groups": dict(sorted(groups.items())), "readers": found}


def _judge(read: Callable[[Path], Atoms], path: Path, expected: Atoms) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            atoms = read(path)
        except Exception as error:  # noqa: BLE001  (boundary: readers raise what they like; it is what is counted)
            return ["read", f"error: {type(error).__name__}: {error}"[:150]]
    words = [f"warning: {_first_words(warning)}" for warning in caught]
    words += ["read"] + (["same cell and atoms"] if _is_same(atoms, expected) else ["other cell or atoms"])
    return words + (["same space group"] if _group(*atoms) == _group(*expected) else ["other space group"])


def _first_words(warning: warnings.WarningMessage) -> str:
    text = " ".join(str(warning.message).split())
    return "".join("N" if character.isdigit() else character for character in text)[:110]


def _is_same(atoms: Atoms, expected: Atoms) -> bool:
    from scipy.optimize import linear_sum_assignment

    (cell, names, coords), (its_cell, its_names, its_coords) = atoms, expected
    if sorted(names) != sorted(its_names) or np.abs(cell @ cell.T - its_cell @ its_cell.T).max() > TOLERANCE:
        return False
    differences = coords[:, None] - its_coords[None]
    distances = np.abs(differences - np.round(differences)).max(axis=2)
    distances[np.array(names)[:, None] != np.array(its_names)[None]] = 1.0
    return bool(distances[linear_sum_assignment(distances)].max() < TOLERANCE)


def _group(cell: NDArray[np.float64], names: list[str], coords: NDArray[np.float64]) -> int:
    import moyopy

    from crystalforge.crystals.elements import atomic_number

    atoms = moyopy.Cell(cell.tolist(), coords.tolist(), atomic_number(names).tolist())
    return int(moyopy.MoyoDataset(atoms, symprec=SYMPREC).number)


def _by_gemmi(path: Path) -> Atoms:
    import gemmi

    small = gemmi.make_small_structure_from_block(gemmi.cif.read(str(path)).sole_block())
    if problems := small.check_spacegroup():
        warnings.warn(problems, stacklevel=1)
    sites = small.get_all_unit_cell_sites()
    cell = np.array(small.cell.orth.mat.tolist()).T
    return cell, [site.element.name for site in sites], np.array([site.fract.tolist() for site in sites])


def _by_pymatgen(path: Path) -> Atoms:
    from pymatgen.core import Structure

    return _of_structure(Structure.from_file(path))


def _by_pymatgen_exactly(path: Path) -> Atoms:
    from pymatgen.io.cif import CifParser

    return _of_structure(CifParser(path, frac_tolerance=0).parse_structures(primitive=False)[0])


def _of_structure(structure: Any) -> Atoms:
    return structure.lattice.matrix, [site.specie.symbol for site in structure], structure.frac_coords


def _by_ase(path: Path) -> Atoms:
    import ase.io

    atoms = ase.io.read(path)
    return atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions()


READERS = {
    "gemmi": _by_gemmi,
    "pymatgen": _by_pymatgen,
    "pymatgen, frac_tolerance=0": _by_pymatgen_exactly,
    "ASE": _by_ase,
}


def section(results: dict[str, Any]) -> str:
    """What each reader said, counted."""
    groups = ", ".join(f"{count} of {number}" for number, count in results["groups"].items())
    lines = [f"{results['crystals']:,} crystals: {groups}.", "", "| reader | what came | crystals |", "|---|---|---:|"]
    lines += [
        f"| {reader} | {what} | {count:,} |"
        for reader, counts in results["readers"].items()
        for what, count in sorted(counts.items())
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_as_script(globals())
