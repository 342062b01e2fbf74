"""The catalog: DuckDB over every committed row of a home, read-only and locked into a process of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from crystalforge.catalog.inventory import Generation, committed_datasets, committed_generations
from crystalforge.catalog.query_process import QueryProcess, QuerySetup
from crystalforge.catalog.screenings import SCREENING_TABLES, committed_screenings
from crystalforge.catalog.shards import ShardManifest
from crystalforge.catalog.tables import GENERATIONS, VIEWS, kept_sql, rows_sql, sql_type, view_sql
from crystalforge.catalog.validations import QUEUE_TABLES, exported_queue
from crystalforge.catalog.verification import ExpectedFile, brought_here, verify_files
from crystalforge.errors import UsageError
from crystalforge.home import Home
from crystalforge.schemas import MATERIALS, SAMPLES
from crystalforge.schemas.versions import readable_version
from crystalforge.suggestions import did_you_mean

DEFAULT_MEMORY_LIMIT = "2GB"
DEFAULT_TIME_LIMIT_S = 30.0
UNIT_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}

Statement = tuple[str, tuple[Any, ...]]
"""SQL and its parameters."""


class Queryable(Protocol):
    """What SELECTs can be asked of."""

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one SELECT."""
        ...


@dataclass(frozen=True)
class Catalog:
    """An open catalog; use it in a ``with`` statement. See ``open_catalog``."""

    process: QueryProcess
    reading: ExitStack = field(default_factory=ExitStack)
    """Holds what the views read: no compaction removes it before the catalog is closed."""

    def query(
        self, sql: str, params: Mapping[str, Any] | None = None, time_limit_s: float = DEFAULT_TIME_LIMIT_S
    ) -> pa.Table:
        """Run one SELECT over samples, candidates, rejections, materials and generations.

        Args:
            sql: one statement; ``$name`` stands for a parameter.
            params: values of the parameters: numbers, texts, booleans, lists, None.
            time_limit_s: seconds until it is stopped.

        Raises:
            QueryError: refused, wrong, too long or too large.
            UsageError: a parameter is of another type.
        """
        return self.process.query(sql, params or {}, time_limit_s)

    def close(self) -> None:
        """Give back memory and files."""
        self.process.close()
        self.reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_catalog(
    home: Home,
    *,
    generations: Sequence[str] | None = None,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
    kept: Sequence[str] = (),
) -> Catalog:
    """Open the rows that the manifests of a home name; what is being written is not yet among them.

    Every file is compared with its checksum first: a damaged one stops the opening, for DuckDB would read wrong
    numbers from it without an error. The views are there, empty, even when nothing was generated.

    Args:
        home: the home; it need not exist.
        generations: only these generation ids; None for all.
        memory_limit: for DuckDB and for the result, such as ``2GB``.
        kept: views whose rows are read into memory now: opening takes longer, each query of them less.

    Raises:
        UsageError: no such generation, or not a size.
        DamagedFileError: a manifest or a file is damaged or missing; the message has the repair.
    """
    size = memory_bytes(memory_limit)
    process, reading = QueryProcess(), ExitStack()
    try:
        statements, files = catalog_statements(home, generations, reading=reading)
        statements += [(text, ()) for view in kept for text in kept_sql(view)]
        process.prepare(QuerySetup(tuple(statements), tuple(str(file.path) for file in files), size))
    except BaseException:
        process.close()
        reading.close()
        raise
    return Catalog(process, reading)


def memory_bytes(limit: str) -> int:
    """Number of bytes of a size such as ``2GB`` or ``512MiB``.

    Raises:
        UsageError: it is not a size above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", limit)
    unit = match[2].upper() if match else None
    size = int(float(match[1]) * UNIT_BYTES[unit]) if match and unit in UNIT_BYTES else 0
    if size <= 0:
        raise UsageError(f"Memory limit {limit!r}: expected a size above 0 such as 2GB or 512MiB.")
    return size


def catalog_statements(
    home: Home, generations: Sequence[str] | None = None, *, reading: ExitStack | None = None
) -> tuple[list[Statement], list[ExpectedFile]]:
    """The SQL that makes every table and view of a home, and the files that they read, verified.

    Args:
        home: the home.
        generations: only these; None for all.
        reading: until it is closed, the files of generations stay where they are; None for no such promise.

    Raises:
        UsageError: no such generation.
        DamagedFileError: a manifest or a file is damaged or missing; the message has the repair.
    """
    chosen = _choose(committed_generations(home), generations)
    with ExitStack() as only_here:
        held = only_here if reading is None else reading
        samples = brought_here([file for generation in chosen for file in _shard_files(generation, held)])
    materials = brought_here([dataset.expected_file() for dataset in committed_datasets(home)])
    queue, screenings = exported_queue(home), committed_screenings(home)
    screenings = {view: brought_here(view_files) for view, view_files in screenings.items()}
    files = [*samples, *materials, *(file for view in (queue | screenings).values() for file in view)]
    verify_files(home, files)
    statements = [
        _rows("sample_files", SAMPLES, samples),
        _rows("material_files", MATERIALS, materials),
        *(_rows(view, schema, queue[view]) for view, (_, schema) in QUEUE_TABLES.items()),
        *(_rows(view, schema, screenings[view]) for view, schema in SCREENING_TABLES.items()),
        *_generations(chosen),
        *((view_sql(view), ()) for view in VIEWS),
    ]
    return statements, files


def _choose(found: list[Generation], wanted: Sequence[str] | None) -> list[Generation]:
    if wanted is None:
        return found
    known = {generation.generation_id: generation for generation in found}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        there = ", ".join(known) or "none yet: run `platform generate` first"
        nearest = did_you_mean(unknown[0], known)
        raise UsageError(f"No generation {unknown[0]!r} in this home. There is: {there}.{nearest}")
    return [generation for generation in found if generation.generation_id in wanted]


def _shard_files(generation: Generation, reading: ExitStack) -> list[ExpectedFile]:
    repair = f"Run `platform generate --resume {generation.generation_id}` to make it again from its seed."
    manifest = ShardManifest(generation.folder)
    return [
        ExpectedFile(
            path,
            line["sha256"],
            line["bytes"],
            f"Shard {line.get('shard', line['file'])} of space group {line.get('space_group_number', '?')} "
            f"of generation {generation.generation_id}",
            repair,
            line.get("schema", "samples/1"),
        )
        for path, line in reading.enter_context(manifest.held(manifest.files))
    ]


def _rows(name: str, schema: pa.Schema, files: Sequence[ExpectedFile]) -> Statement:
    """Makes the view that reads the files, each in the version it was written in; without files it has no rows."""
    versions: dict[int, list[Path]] = {}
    for file in files:
        versions.setdefault(readable_version(file.schema, schema, file.path), []).append(file.path)
    return f"CREATE VIEW {name} AS {rows_sql(schema, versions)}", ()


def _generations(generations: Sequence[Generation]) -> Iterator[Statement]:
    """Makes the table of generations and its rows, without pandas, which ``register`` would import (0.5 s)."""
    columns = ", ".join(f'"{field.name}" {sql_type(field.type)}' for field in GENERATIONS)
    yield f"CREATE TABLE generations ({columns})", ()
    marks = ", ".join("?" * len(GENERATIONS))
    for position, generation in enumerate(generations):
        plan = [generation.plan.get(key) for key in GENERATIONS.names[2:]]
        yield f"INSERT INTO generations VALUES ({marks})", (position, generation.generation_id, *plan)  # noqa: S608
