"""Servers of crystals for tests: started as processes of their own, filled with real crystals of the bundled set."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import requests

from crystalforge.crystals import to_structure

HERE = Path(__file__).parent
PROVIDER_FIELDS = (
    ("space_group", "integer"),
    ("hull_distance", "float"),
    ("formation_energy_per_atom", "float"),
    ("band_gap", "float"),
)
"""Names that Alexandria gives them, after its prefix: the server of the tests is none of Alexandria's."""


@dataclass(frozen=True)
class CrystalServer:
    """A running server.

    Attributes:
        url: of this machine only.
        n_crystals: that it holds, those that are of no use included.
    """

    url: str
    n_crystals: int = 0

    def fail(self, *faults: dict[str, Any]) -> None:
        """Set what goes wrong from now on."""
        requests.post(f"{self.url}/_faults", json=list(faults), timeout=60).raise_for_status()

    def asked(self) -> list[str]:
        """Requests since this was last called."""
        answer = requests.get(f"{self.url}/_requests", timeout=60)
        return [str(url) for url in answer.json()]


@contextmanager
def running(program: str, *arguments: str, n_crystals: int = 0) -> Iterator[CrystalServer]:
    """Start a program of this folder that writes its port, and end it at last."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=HERE,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdecimal(), f"{program} did not start: run it to see why"
        yield CrystalServer(f"http://127.0.0.1:{port}", n_crystals)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def optimade_server(folder: Path, rows: Sequence[dict[str, Any]]) -> Iterator[CrystalServer]:
    """An OPTIMADE server with crystals, and some that are of no use.

    Args:
        folder: for its files.
        rows: of ``materials``.
    """
    entries = [optimade_entry(row) for row in rows]
    entries += useless_entries(entries[0])
    lines = [{"x-optimade": {"meta": {"api_version": "1.2.0"}}}, *entries]
    data = folder / "crystals.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    fields = [{"name": name, "type": kind, "description": name} for name, kind in PROVIDER_FIELDS]
    with optimade_server_of(folder, data, len(entries), "alexandria", fields) as server:
        yield server


@contextmanager
def optimade_server_of(
    folder: Path, data: Path, n_crystals: int, prefix: str, provider_fields: list[dict[str, str]]
) -> Iterator[CrystalServer]:
    """An OPTIMADE server with the crystals of a file of JSON lines.

    Args:
        folder: for its own files.
        data: the file.
        n_crystals: that it holds.
        prefix: of the provider.
        provider_fields: name, type and description of its own properties.
    """
    config = {
        "database_backend": "mongomock",
        "insert_test_data": False,
        "insert_from_jsonl": str(data),
        "page_limit": 20,
        "page_limit_max": 40,
        "log_level": "critical",
        "log_dir": str(folder),
        "provider": {"prefix": prefix, "name": "A server of the tests", "description": "In memory"},
        "provider_fields": {"structures": provider_fields},
    }
    path = folder / "optimade.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    with running("optimade_server.py", str(path), n_crystals=n_crystals) as server:
        yield server


def optimade_entry(row: dict[str, Any]) -> dict[str, Any]:
    """A crystal as OPTIMADE has it: the primitive cell, so that the search for symmetry has work to do."""
    from optimade.adapters.structures.pymatgen import from_pymatgen

    structure = to_structure(row).get_primitive_structure()
    attributes = from_pymatgen(structure).model_dump(mode="json", exclude_unset=True)
    attributes["last_modified"] = "2026-01-01T00:00:00Z"
    attributes["space_group"] = row["space_group_number"]
    attributes["hull_distance"] = row["energy_above_hull"]
    attributes["formation_energy_per_atom"] = row["formation_energy_per_atom"]
    attributes["band_gap"] = row["band_gap"]
    return {"id": row["material_id"], "type": "structures", "attributes": attributes}


def useless_entries(good: dict[str, Any]) -> list[dict[str, Any]]:
    """What servers also hold: shared sites, vacancies, no positions, two dimensions, an unknown element."""

    def changed(name: str, **attributes: Any) -> dict[str, Any]:
        return good | {"id": name, "attributes": good["attributes"] | attributes}

    first, *others = good["attributes"]["species"]
    shared = first | {"chemical_symbols": ["Fe", "Co"], "concentration": [0.5, 0.5]}
    partly = first | {"chemical_symbols": [first["name"], "vacancy"], "concentration": [0.9, 0.1]}
    unknown = first | {"chemical_symbols": ["X"], "concentration": [1.0]}
    return [
        changed("shared-site", species=[shared, *others], structure_features=["disorder"]),
        changed("vacancy", species=[partly, *others], structure_features=["disorder"]),
        changed("unknown-element", species=[unknown, *others]),
        changed("sheet", dimension_types=[1, 1, 0], nperiodic_dimensions=2),
        changed("no-cell", lattice_vectors=[[1e-9, 0, 0], [0, 1e-9, 0], [0, 0, 1e-9]]),
        changed("two-elements", nelements=2),
    ]


@contextmanager
def materials_project_server(folder: Path, rows: Sequence[dict[str, Any]], key: str) -> Iterator[CrystalServer]:
    """A local server that speaks the part of the Materials Project's API that mp-api uses.

    Besides the rows it holds one that is deprecated, one of GNoME's batch, and one whose licence alone says so.
    """
    summaries = [summary(row) for row in rows]
    last = summaries[-1]
    gnome = {"batch_id": "gnome_r2scan_statics", "license": "BY-NC"}
    summaries += [
        last | {"material_id": "deprecated", "deprecated": True},
        last | {"material_id": "of-gnome", "builder_meta": gnome},
        last | {"material_id": "not-for-all", "builder_meta": gnome | {"batch_id": "another"}},
    ]
    data = folder / "summaries.json"
    data.write_text(json.dumps(summaries), encoding="utf-8")
    with running("materials_project_server.py", str(data), key, n_crystals=len(summaries)) as server:
        yield server


def summary(row: dict[str, Any]) -> dict[str, Any]:
    """A crystal as the Materials Project has it."""
    structure = to_structure(row).get_primitive_structure()
    structure.add_oxidation_state_by_guess(max_sites=-1)
    return {
        "material_id": row["material_id"],
        "structure": structure.as_dict(),
        "elements": row["elements"],
        "symmetry": {"number": row["space_group_number"]},
        "builder_meta": {"batch_id": None, "license": "BY-C"},
        "deprecated": False,
        "formation_energy_per_atom": row["formation_energy_per_atom"],
        "energy_above_hull": row["energy_above_hull"],
        "band_gap": row["band_gap"],
    }


def some_of_each_group(materials: pa.Table, count: int) -> list[dict[str, Any]]:
    """The first crystals of each space group, as rows."""
    chosen: list[dict[str, Any]] = []
    seen: dict[int, int] = {}
    for row in materials.to_pylist():
        number = row["space_group_number"]
        seen[number] = seen.get(number, 0) + 1
        if seen[number] <= count:
            chosen.append(row)
    return chosen
