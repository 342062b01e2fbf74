"""The catalog: DuckDB over every committed row of a home, read-only and locked in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from crystalforge.catalog.inventory import Generation, committed_datasets, committed_generations
from crystalforge.catalog.sandbox import connect, lock, memory_bytes, run_select
from crystalforge.catalog.shards import ShardManifest
from crystalforge.catalog.tables import GENERATIONS, VIEWS, rows_sql, view_sql
from crystalforge.catalog.verification import ExpectedFile, verify_files
from crystalforge.errors import UsageError
from crystalforge.files import path_within
from crystalforge.home import Home
from crystalforge.schemas import MATERIALS, SAMPLES
from crystalforge.schemas.versions import readable_version

DEFAULT_MEMORY_LIMIT = "2GB"
DEFAULT_TIME_LIMIT_S = 30.0


@dataclass(frozen=True)
class Catalog:
    """An open catalog; use it in a ``with`` statement. See ``open_catalog``."""

    connection: duckdb.DuckDBPyConnection
    memory_limit: str

    def query(
        self, sql: str, params: Mapping[str, Any] | None = None, time_limit_s: float = DEFAULT_TIME_LIMIT_S
    ) -> pa.Table:
        """Run one SELECT over samples, candidates, rejections, materials and generations.

        Args:
            sql: one statement; ``$name`` stands for a parameter.
            params: values of the parameters.
            time_limit_s: seconds until it is stopped.

        Raises:
            QueryError: refused, wrong, too long or too large.
        """
        return run_select(
            self.connection,
            sql,
            params or {},
            time_limit_s=time_limit_s,
            result_limit_bytes=memory_bytes(self.memory_limit),
        )

    def close(self) -> None:
        """Give back memory and files."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_catalog(
    home: Home, *, generations: Sequence[str] | None = None, memory_limit: str = DEFAULT_MEMORY_LIMIT
) -> Catalog:
    """Open the rows that the manifests of a home name; what is being written is not yet among them.

    Every file is compared with its checksum first: a damaged one stops the opening, for DuckDB would read wrong
    numbers from it without an error. The views are there, empty, even when nothing was generated.

    Args:
        home: the home; it need not exist.
        generations: only these generation ids; None for all.
        memory_limit: for DuckDB and for the result, such as ``2GB``.

    Raises:
        UsageError: no such generation, or not a size.
        DamagedFileError: a manifest or a file is damaged or missing; the message has the repair.
    """
    chosen = _choose(committed_generations(home), generations)
    samples = [file for generation in chosen for file in _shard_files(generation)]
    materials = [dataset.expected_file() for dataset in committed_datasets(home)]
    verify_files(home, [*samples, *materials])
    connection = connect(memory_limit)
    _create_rows(connection, "sample_files", SAMPLES, samples)
    _create_rows(connection, "material_files", MATERIALS, materials)
    _create_generations(connection, chosen)
    for view in VIEWS:
        connection.execute(view_sql(view))
    lock(connection, [file.path for file in [*samples, *materials]])
    return Catalog(connection, memory_limit)


def _choose(found: list[Generation], wanted: Sequence[str] | None) -> list[Generation]:
    if wanted is None:
        return found
    known = {generation.generation_id: generation for generation in found}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        there = ", ".join(known) or "none yet: run `platform generate` first"
        raise UsageError(f"No generation {unknown[0]!r} in this home. There is: {there}.")
    return [generation for generation in found if generation.generation_id in wanted]


def _shard_files(generation: Generation) -> list[ExpectedFile]:
    manifest = ShardManifest(generation.folder)
    repair = f"Run `platform generate --resume {generation.generation_id}` to make it again from its seed."
    return [
        ExpectedFile(
            path_within(generation.folder, line["file"], source=manifest.path),
            line["sha256"],
            line["bytes"],
            f"Shard {line.get('shard', line['file'])} of space group {line.get('space_group_number', '?')} "
            f"of generation {generation.generation_id}",
            repair,
            line.get("schema", "samples/1"),
        )
        for line in manifest.records()
    ]


def _create_rows(
    connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, files: Sequence[ExpectedFile]
) -> None:
    """Make the view that reads the files, each in the version it was written in; without files it has no rows."""
    versions: dict[int, list[Path]] = {}
    for file in files:
        versions.setdefault(readable_version(file.schema, schema, file.path), []).append(file.path)
    connection.execute(f"CREATE VIEW {name} AS {rows_sql(schema, versions)}")


def _create_generations(connection: duckdb.DuckDBPyConnection, generations: Sequence[Generation]) -> None:
    rows = [
        {"position": position, "generation_id": generation.generation_id}
        | {key: generation.plan.get(key) for key in GENERATIONS.names[2:]}
        for position, generation in enumerate(generations)
    ]
    _create_table(connection, "generations", pa.Table.from_pylist(rows, schema=GENERATIONS))


def _create_table(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("incoming", table)
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608 (a name of ours)
    connection.unregister("incoming")
