"""Where a crystal comes from and what became of it: from one identifier, everything that the home knows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from crystalforge.catalog.query import Queryable, open_catalog
from crystalforge.catalog.sources import dataset_records, generation_records, training_record
from crystalforge.catalog.tables import TABLES
from crystalforge.errors import UsageError
from crystalforge.home import Home

MAX_SAMPLES = 20
"""Samples of one crystal that are listed; all are counted."""
DEFAULT_NEIGHBOURS = 5
LATER_TABLES = ("relaxations", "attempts")
"""Tables of later steps, by crystal_id; a home without them has none."""
CRYSTAL_COLUMNS = (
    "formula, reduced_formula, chemical_system, space_group_number, elements, wyckoff_letters, multiplicities, "
    "base_frac_coords, a, b, c, alpha, beta, gamma, volume_per_atom, density, min_contact_ratio"
)
FIND = """
SELECT DISTINCT crystal_id, 1 AS rank FROM samples WHERE sample_id = $name OR crystal_id = $name
UNION ALL SELECT DISTINCT crystal_id, 2 FROM materials WHERE crystal_id = $name OR material_id = $name
ORDER BY rank
"""
SAMPLES_OF = """
SELECT sample_id, generation_id, samples.training_id, model_checksum, samples.seed, space_group_number, shard, "index",
       status, reject_reason, count(*) OVER () AS n_samples
FROM samples JOIN generations USING (generation_id)
WHERE {column} = $name
ORDER BY generations.position, space_group_number, "index"
LIMIT {limit}
"""
MATERIALS_OF = """
SELECT material_id, dataset_id, formula, formation_energy_per_atom, energy_above_hull, band_gap
FROM materials WHERE crystal_id = $name ORDER BY dataset_id, material_id
"""
# Half the sum of the differences of the atomic fractions: 0 for the same composition, 1 for no common element.
NEIGHBOURS = """
SELECT material_id, dataset_id, crystal_id, formula, space_group_number, energy_above_hull,
       round(1 - list_sum(list_transform(elements, lambda element, i: least(
           multiplicities[i] / list_sum(multiplicities),
           coalesce($fractions[list_position($elements, element)], 0)))), 6) AS distance
FROM materials
WHERE crystal_id <> $crystal_id AND list_has_any(elements, $elements)
  AND ($dataset IS NULL OR dataset_id = $dataset)
ORDER BY distance, space_group_number <> $group, abs(volume_per_atom - $volume), material_id
LIMIT {limit}
"""


@dataclass(frozen=True)
class Lineage:
    """What is known of one crystal, or of one sample that has none."""

    asked_for: str
    crystal_id: str | None
    """None for a sample whose sites could not be merged."""
    crystal: dict[str, Any]
    """Cell, sites and composition; empty where there is no crystal."""
    n_samples: int
    """Samples that drew it."""
    samples: list[dict[str, Any]]
    """First drawn first, at most ``MAX_SAMPLES``: each with its seed, model checksum and status."""
    generations: list[dict[str, Any]]
    """Those of the samples, with what was asked of them."""
    trainings: list[dict[str, Any]]
    """Those of the samples, with recipe and dataset."""
    datasets: list[dict[str, Any]]
    """Those of the trainings, with source and licence."""
    materials: list[dict[str, Any]]
    """Real crystals that are this one."""
    neighbours: list[dict[str, Any]]
    """Other real crystals, nearest in composition first; of the training's dataset where there is one."""
    relaxations: list[dict[str, Any]]
    attempts: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def trace(home: Home, name: str, *, neighbours: int = DEFAULT_NEIGHBOURS) -> Lineage:
    """Everything that a home knows of a crystal.

    Args:
        home: the home.
        name: crystal_id, sample_id or material_id.
        neighbours: real crystals to list.

    Raises:
        UsageError: no sample and no real crystal has that identifier.
        DamagedFileError: a file of the home is damaged.
    """
    with open_catalog(home) as catalog:
        return trace_in(catalog, home, name, neighbours=neighbours)


def trace_in(catalog: Queryable, home: Home, name: str, *, neighbours: int = DEFAULT_NEIGHBOURS) -> Lineage:
    """As ``trace``, of a catalog that is open already."""
    found = catalog.query(FIND, {"name": name}).to_pylist()
    if not found:
        raise UsageError(
            f"Nothing in {home.path} is called {name!r}: expected a crystal_id, sample_id or material_id. "
            "`platform sql` lists them: columns of candidates and materials."
        )
    crystal_id = found[0]["crystal_id"]
    by = ("sample_id", name) if crystal_id is None else ("crystal_id", crystal_id)
    samples = _rows(catalog, SAMPLES_OF.format(column=by[0], limit=MAX_SAMPLES), by[1])
    n_samples = samples[0]["n_samples"] if samples else 0
    for sample in samples:
        del sample["n_samples"]
    generations = generation_records(home, set(_distinct(samples, "generation_id")))
    trainings = [training_record(home, training_id) for training_id in _distinct(samples, "training_id")]
    datasets = [dataset_id for dataset_id in _distinct(generations, "dataset_id") if dataset_id]
    crystal = _crystal(catalog, crystal_id)
    return Lineage(
        asked_for=name,
        crystal_id=crystal_id,
        crystal=crystal,
        n_samples=n_samples,
        samples=samples,
        generations=generations,
        trainings=trainings,
        datasets=dataset_records(home, datasets),
        materials=_rows(catalog, MATERIALS_OF, crystal_id) if crystal_id else [],
        neighbours=_neighbours(catalog, crystal_id, crystal, datasets, neighbours) if crystal_id else [],
        **{table: _later(catalog, table, crystal_id) for table in LATER_TABLES},
    )


def _rows(catalog: Queryable, sql: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = catalog.query(sql, {"name": name}).to_pylist()
    return rows


def _distinct(rows: list[dict[str, Any]], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))


def _crystal(catalog: Queryable, crystal_id: str | None) -> dict[str, Any]:
    """As a sample has it, or as a dataset does."""
    if crystal_id is None:
        return {}
    for table in ("samples", "materials"):
        sql = f"SELECT {CRYSTAL_COLUMNS} FROM {table} WHERE crystal_id = $name LIMIT 1"  # noqa: S608 (names of ours)
        if rows := _rows(catalog, sql, crystal_id):
            return rows[0]
    return {}


def _neighbours(
    catalog: Queryable, crystal_id: str, crystal: dict[str, Any], datasets: list[str], limit: int
) -> list[dict[str, Any]]:
    total = sum(crystal["multiplicities"])
    parameters = {
        "elements": crystal["elements"],
        "fractions": [count / total for count in crystal["multiplicities"]],
        "crystal_id": crystal_id,
        "dataset": datasets[0] if datasets else None,
        "group": crystal["space_group_number"],
        "volume": crystal["volume_per_atom"],
    }
    rows: list[dict[str, Any]] = catalog.query(NEIGHBOURS.format(limit=int(limit)), parameters).to_pylist()
    return rows


def _later(catalog: Queryable, table: str, crystal_id: str | None) -> list[dict[str, Any]]:
    """Rows of a table of a later step; none where the table does not exist."""
    if crystal_id is None or table not in TABLES:
        return []
    return _rows(catalog, f"SELECT * FROM {table} WHERE crystal_id = $name", crystal_id)  # noqa: S608 (a name of ours)
