"""The manifest of an export: what was asked, where the crystals come from, and each file with its checksum."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from crystalforge.catalog.sources import dataset_records, generation_records, screening_record, training_record
from crystalforge.export.choices import CellKind
from crystalforge.export.choosing import ChosenCrystals
from crystalforge.home import Home

KIND = "crystalforge-export/1"
"""Of the manifest: its schema. A folder or a file with such a manifest may be replaced by another export."""
NAME = "manifest.json"
"""In a folder; beside a single file its name goes before: ``crystals.csv.manifest.json``."""
PACKAGES = ("crystalforge", "ase", "moyopy", "numpy", "pyarrow", "spglib")


def sources_of(home: Home, rows: pa.Table) -> dict[str, list[dict[str, Any]]]:
    """The records of everything that the rows were made from, each once.

    Args:
        home: of the rows.
        rows: with some of the columns ``generation_id``, ``training_id``, ``dataset_id``, ``origin`` (either of the
            first and the third), ``screening_id``; of calculations ``recipe``, ``recipe_hash`` and ``engine``.
    """
    origins = _distinct(rows, "origin")
    generations = generation_records(home, {*_distinct(rows, "generation_id"), *origins})
    trainings = {*_distinct(rows, "training_id"), *_values(generations, "training_id")}
    records = [training_record(home, name) for name in sorted(trainings)]
    made_from = {*_values(generations, "dataset_id"), *_values(records, "dataset_id")}
    known = {record["generation_id"] for record in generations}
    datasets = {*_distinct(rows, "dataset_id"), *made_from, *(name for name in origins if name not in known)}
    return {
        "generations": generations,
        "trainings": records,
        "datasets": dataset_records(home, sorted(datasets)),
        "screenings": [screening_record(home, name) for name in sorted(_distinct(rows, "screening_id"))],
        "recipes": _recipes(rows),
    }


def _recipes(rows: pa.Table) -> list[dict[str, Any]]:
    """Of calculations: by what each energy was computed."""
    names = ["recipe", "recipe_hash", "engine"]
    if not set(names) <= set(rows.column_names):
        return []
    found = rows.select(names).group_by(names).aggregate([]).sort_by([(name, "ascending") for name in names])
    recipes: list[dict[str, Any]] = found.to_pylist()
    return recipes


def _distinct(rows: pa.Table, column: str) -> set[str]:
    values = rows[column].unique().to_pylist() if column in rows.column_names else []
    return {value for value in values if value is not None}


def _values(records: Iterable[Mapping[str, Any]], key: str) -> set[str]:
    return {record[key] for record in records if record.get(key)}


def times_of(rows: pa.Table, sources: Mapping[str, Sequence[Mapping[str, Any]]], otherwise: str) -> list[str]:
    """When each row's crystal was made, as the record of its generation, dataset or screening says (ISO 8601).

    Args:
        rows: n.
        sources: of the rows.
        otherwise: for a row whose record does not say.
    """
    keys = {"screening_id": "screenings", "generation_id": "generations", "dataset_id": "datasets"}
    times = {
        record[key]: record["created_at"]
        for key, kind in keys.items()
        for record in sources[kind]
        if record.get("created_at")
    }
    columns = [rows[name].to_pylist() for name in (*keys, "origin") if name in rows.column_names]
    found = (next((times[value] for value in row if value in times), otherwise) for row in zip(*columns, strict=True))
    return list(found) if columns else [otherwise] * rows.num_rows


def manifest(
    chosen: ChosenCrystals,
    *,
    file_format: str,
    cell: CellKind,
    sources: Mapping[str, Any],
    files: Sequence[Mapping[str, Any]],
    created_at: str,
) -> dict[str, Any]:
    """All of it, for JSON."""
    versions = {package: version(package) for package in PACKAGES}
    return {
        "kind": KIND,
        "created_at": created_at,
        "versions": {**versions, "python": sys.version.split()[0]},
        "asked": {**asdict(chosen.query), "format": file_format, "cell": cell},
        "sql": chosen.query.rows_sql(),
        "parameters": chosen.query.parameters(),
        "crystals": len(chosen),
        "left_out": chosen.left_out,
        "sources": dict(sources),
        "files": list(files),
    }
