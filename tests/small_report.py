"""A home with something for every section of the report: candidates, an evaluation, screenings, calculations."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from small_catalog import plain_row
from small_screening import CELL

from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.files import write_json
from crystalforge.home import VALIDATIONS_EXPORT, Home
from crystalforge.schemas.attempts import ATTEMPTS, VALIDATIONS
from crystalforge.schemas.discoveries import DISCOVERIES
from crystalforge.schemas.relaxations import RELAXATIONS, STABILITIES

REFERENCE = "hull-00000000"
N_SCREENED = 40
ENERGIES = (-0.03, 0.05, 0.3, None)
"""eV/atom above the hull, in turn: on it, near it, far from it, rejected."""


def add_screenings(home: Home, generation_id: str) -> list[dict[str, Any]]:
    """Screen raw samples of a generation, a null of it and some real crystals; give the rows of the samples."""
    sql = "SELECT * FROM samples WHERE status = 'accepted' ORDER BY sample_id LIMIT 40"
    with open_catalog(home) as catalog:
        samples = catalog.query(sql).to_pylist()
        materials = catalog.query("SELECT * FROM materials ORDER BY material_id LIMIT 12").to_pylist()
    _add(home, "raw", "samples", generation_id, samples, "sample_id", ENERGIES)
    _add(home, "null", "noise", generation_id, samples[:20], "sample_id", (0.4, None, None, None))
    _add(home, "real", "materials", None, materials, "material_id", (0.0, 0.01))
    return samples


def _add(
    home: Home,
    screening_id: str,
    source: str,
    generation_id: str | None,
    crystals: list[dict[str, Any]],
    name: str,
    energies: tuple[float | None, ...],
) -> None:
    rows = []
    for index, crystal in enumerate(crystals):
        energy = energies[index % len(energies)]
        found = energy is not None
        rows.append(
            {
                "relaxation_id": f"{screening_id}-{index}",
                "screening_id": screening_id,
                "source": source,
                "source_id": crystal[name],
                "generation_id": generation_id,
                "potential": "chgnet",
                "potential_version": "0.3.0",
                "reference": REFERENCE,
                "correction": "MP2020",
                "scale": "fitted",
                "status": "converged" if found else "rejected",
                "symmetry_broken": False,
                "energy_above_hull": energy,
                "formation_energy_per_atom": -0.5 if found else None,
                "decomposition": "1.000 Li3Al" if found else None,
                "systems_without_reference": "Al-Li" if index % 3 == 2 else None,
                "volume_change": 0.02,
                "rmsd": 0.01,
                "is_accepted": found,
                "is_converged": found,
                "is_judged": found,
                "is_covered": found and index % 3 != 2,
                "is_stable": found and energy <= 0,
                "is_nearly_stable": found and energy <= 0.1,
                "is_unique": found,
                "is_novel": found and index % 2 == 0,
                "is_new_formula": False,
                "is_symmetric": found,
                **(CELL if found else {}),
                **{key: crystal[key] for key in ("crystal_id", "space_group_number", "formula", "chemical_system")},
            }
        )
    judged = [row for row in rows if row["energy_above_hull"] is not None]
    tables = [(RELAXATIONS, "shard-00000.parquet", rows), (STABILITIES, f"stabilities-{REFERENCE}.parquet", judged)]
    if source != "materials":
        tables.append((DISCOVERIES, f"discoveries-{REFERENCE}.parquet", rows))
    for schema, file, values in tables:
        of_schema = [
            plain_row(schema, **{key: value for key, value in row.items() if key in schema.names}) for row in values
        ]
        record = write_shard(home.screenings / screening_id, file, pa.Table.from_pylist(of_schema, schema=schema))
        ShardManifest(home.screenings / screening_id).append(vars(record))


def add_calculations(home: Home, samples: list[dict[str, Any]]) -> None:
    """Export a queue in which the first samples were computed: the first validated, the second not."""
    rows = [
        {
            "calculation_id": index,
            "crystal_id": sample["crystal_id"],
            "formula": sample["reduced_formula"],
            "space_group_number": sample["space_group_number"],
            "recipe": "gpaw-quick",
            "recipe_hash": "0" * 16,
            "engine": "gpaw",
            "state": ("validated", "unstable", "ready")[index],
            "energy_above_hull": (0.02, 0.4, None)[index],
            "hull_reference": f"{REFERENCE} (MP2020)" if index < 2 else None,
            "structure": "relaxed",
            "cpu_s": 30.0,
            "element": None,
            "attempt_id": None,
            "reason": None,
            "missing_elements": None,
            "systems_without_reference": None,
        }
        for index, sample in enumerate(samples[:3])
    ]
    tables = {}
    for name, schema, values in (("validations", VALIDATIONS, rows), ("attempts", ATTEMPTS, [])):
        table = pa.Table.from_pylist([plain_row(schema, **row) for row in values], schema=schema)
        record = write_shard(home.validations, f"tables/{name}.parquet", table)
        tables[name] = vars(record)
    write_json(home.validations / VALIDATIONS_EXPORT, {"tables": tables})
