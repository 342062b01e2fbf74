"""Whether a correction of VASP's inputs leaves the energy on the recipe's scale.

Custodian heals a failed run by changing its inputs. Most changes only lead another way to the same minimum. Others move
it: a smearing, a cut-off, a grid of k-points. A result after such a change is none of the recipe's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

AS_FIRST_WRITTEN = ".orig"
"""Custodian keeps the first inputs by this ending."""
_TAGS = """
ALGO IALGO ISEARCH TIME NELM NELMIN NELMDL AMIX BMIX AMIX_MAG BMIX_MAG AMIN IMIX INIMIX MAXMIX
POTIM IBRION NSW NFREE SMASS IOPT ISYM SYMPREC ICHARG ISTART NBANDS
NCORE NPAR KPAR NSIM LPLANE LSCALAPACK LSCALU LWAVE LCHARG LORBIT NEDOS
"""
HARMLESS = frozenset(_TAGS.split())
"""Tags of INCAR that say how the minimum is sought, not where it lies."""
LARGEST_VOLUME_CHANGE = 1e-3
"""Of the cell of a static calculation, which must stay."""


def scale_changes(folder: Path, task: str) -> list[str]:
    """What changed in the inputs since they were first written that changes the energy, as ``tag: old to new``.

    Args:
        folder: with the inputs, and the first ones as custodian keeps them; without these nothing has changed.
        task: ``static`` or ``relax``.
    """
    if not (folder / f"INCAR{AS_FIRST_WRITTEN}").is_file():
        return []
    changes = _incar_changes(folder) + _kpoint_changes(folder) + _potential_changes(folder)
    return changes + (_cell_changes(folder) if task == "static" else [])


def _incar_changes(folder: Path) -> list[str]:
    from pymatgen.io.vasp.inputs import Incar

    before, after = (Incar.from_file(folder / name) for name in (f"INCAR{AS_FIRST_WRITTEN}", "INCAR"))
    changed = sorted(
        tag for tag in set(before) | set(after) if tag not in HARMLESS and before.get(tag) != after.get(tag)
    )
    return [
        f"{tag}: {before.get(tag, 'none')} to {after.get(tag, 'none')}"
        for tag in changed
        if tag != "EDIFF" or after.get(tag, 1e-4) > before.get(tag, 1e-4)  # tighter is the same minimum
    ]


def _kpoint_changes(folder: Path) -> list[str]:
    before, after = (_kpoints(folder / name) for name in (f"KPOINTS{AS_FIRST_WRITTEN}", "KPOINTS"))
    return [f"KPOINTS: {before} to {after}"] if before != after else []


def _kpoints(path: Path) -> str:
    from pymatgen.io.vasp.inputs import Kpoints

    if not path.is_file():
        return "none"
    kpoints = Kpoints.from_file(path)
    grid = " ".join("×".join(f"{number:g}" for number in row) for row in kpoints.kpts)
    shift = "" if not any(kpoints.kpts_shift) else f" shifted by {kpoints.kpts_shift}"
    return f"{kpoints.style.name} {grid}{shift}"


def _potential_changes(folder: Path) -> list[str]:
    before, after = (folder / f"POTCAR{AS_FIRST_WRITTEN}", folder / "POTCAR")
    same = before.is_file() == after.is_file() and (not after.is_file() or before.read_bytes() == after.read_bytes())
    return [] if same else ["POTCAR: another"]


def _cell_changes(folder: Path) -> list[str]:
    volumes = [_volume(folder / name) for name in (f"POSCAR{AS_FIRST_WRITTEN}", "POSCAR")]
    if abs(volumes[1] / volumes[0] - 1) <= LARGEST_VOLUME_CHANGE:
        return []
    return [f"POSCAR: {volumes[0]:.3f} to {volumes[1]:.3f} Å³"]


def _volume(path: Path) -> float:
    from pymatgen.io.vasp.inputs import Poscar

    structure: Any = Poscar.from_file(path, check_for_potcar=False).structure
    return float(structure.volume)
