"""A screening against its plan: every crystal exactly once, and what was judged of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from crystalforge.catalog.screenings import SCREENING_TABLES
from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.errors import CrystalforgeError
from crystalforge.files import path_within, read_record
from crystalforge.integrity.files import check_table
from crystalforge.integrity.findings import Kind, Report
from crystalforge.integrity.names import PlannedFiles, verify_named, verify_names
from crystalforge.locks import held_by
from crystalforge.schemas.relaxations import IDENTITY, RELAXATIONS, STABILITIES
from crystalforge.schemas.states import RELAXATION_REASONS, RELAXATION_STATES
from crystalforge.schemas.versions import name_of
from crystalforge.screening.plan import INPUTS_FILE, SCREENING_RECORD, ScreeningPlan, ScreeningShard
from crystalforge.table_files import read_table

REPAIR = "`platform verify --repair` removes it, for `platform screen --resume {}` to make it again."
SAME_IN_EVERY_ROW = ("screening_id", "source", "potential", "potential_version")


@dataclass
class Screening:
    """What a screening's folder names, and its sound rows so far."""

    folder: Path
    plan: ScreeningPlan
    lines: Mapping[str, Mapping[str, Any]]
    """Sound lines of the manifest, by file."""
    inputs: pa.Table
    relaxations: list[pa.Table] = field(default_factory=list)

    @property
    def repair(self) -> str:
        """What to do about a damaged file."""
        return REPAIR.format(self.plan.screening_id)


def verify_screening(report: Report, folder: Path) -> None:
    """Check the plan of a screening, its crystals, its shards and every table that judges them."""
    screening = _read(report, folder)
    if screening is None:
        return
    report.counts["screenings"] += 1
    shards = screening.plan.shards()
    sound = [_verify_shard(report, screening, shard) for shard in shards]
    judged = {name for name, line in screening.lines.items() if is_judged(line)}
    for name in sorted(judged):
        _verify_judged(report, screening, name, all_relaxed=all(sound))
    planned = PlannedFiles(
        rows={shard.file: shard.n_crystals for shard in shards},
        undone="crystals were not relaxed yet",
        repair=screening.repair,
        resume=f"platform screen --resume {screening.plan.screening_id}",
        named_besides=frozenset(judged),
        unnamed=frozenset({INPUTS_FILE}),
    )
    verify_named(report, folder, planned, screening.lines)
    holder = held_by(folder)
    if holder:
        report.add(Kind.IN_PROGRESS, folder, f"Process {holder} is relaxing it: only committed shards were looked at.")
    else:
        verify_names(report, folder, planned, screening.lines, {})


def _read(report: Report, folder: Path) -> Screening | None:
    """Plan, manifest and crystals of a screening; None where they cannot be read."""
    path = folder / SCREENING_RECORD
    try:
        record = read_record(path, ("screening_id",))
        plan = ScreeningPlan.from_json(record)
        lines, wrong = ShardManifest(folder).sound_records()
        inputs = read_table(path_within(folder, INPUTS_FILE, source=folder), plan.inputs_sha256)
    except CrystalforgeError as error:
        report.add(Kind.RECORD, path, f"{error} Restore it, or remove the folder and screen anew.")
        return None
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # a value of another kind than a plan has
        report.add(Kind.RECORD, path, f"Expected a plan, found one that does not read ({error!r}). Restore it.")
        return None
    if plan.screening_id != folder.name or plan.count != inputs.num_rows:
        found = (
            f"Expected the plan of {folder.name!r} with {inputs.num_rows} crystals, found that of "
            f"{plan.screening_id!r} with {plan.count}. Restore it."
        )
        report.add(Kind.RECORD, path, found)
        return None
    for message in wrong:
        report.add(Kind.LINE, folder / MANIFEST_NAME, message)
    return Screening(folder, plan, {line["file"]: line for line in lines}, inputs)


def _verify_shard(report: Report, screening: Screening, shard: ScreeningShard) -> bool:
    """Whether a planned shard is sound."""
    table = _table(report, screening, shard.file, RELAXATIONS)
    if table is None:
        return False
    path = screening.folder / shard.file
    origins = _wrong_origins(table, screening, shard)
    states = [*RELAXATION_STATES.violations(table), *RELAXATION_REASONS.violations(table)]
    for kind, wrong in ((Kind.ROWS, origins), (Kind.STATE, states)):
        if wrong:
            report.add(kind, path, f"{'; '.join(wrong)}. {screening.repair}", shard.file)
    if origins or states:
        return False
    screening.relaxations.append(table)
    report.counts["screened shards"] += 1
    return True


def _table(report: Report, screening: Screening, name: str, schema: pa.Schema) -> pa.Table | None:
    """Rows of a file that the manifest names; None where it names none, or the file is damaged."""
    line = screening.lines.get(name)
    if line is None:
        return None
    path = path_within(screening.folder, name, source=screening.folder)
    return check_table(report, path, line, schema, repair=screening.repair, shard=name)


def _wrong_origins(table: pa.Table, screening: Screening, shard: ScreeningShard) -> list[str]:
    """What differs between the rows of a shard and the plan: each crystal of the shard once, in order."""
    if table.num_rows != shard.n_crystals:
        return [f"expected {shard.n_crystals} rows, found {table.num_rows}"]
    plan, first = screening.plan, shard.first_index
    expected = {
        "relaxation_id": [f"{plan.screening_id}-{first + index}" for index in range(shard.n_crystals)],
        "source_id": screening.inputs["source_id"].slice(first, shard.n_crystals).to_pylist(),
    } | {name: [getattr(plan, name)] * shard.n_crystals for name in SAME_IN_EVERY_ROW}
    return [
        f"{name}: expected {values[0]!r} and so on, as planned, each once and in order"
        for name, values in expected.items()
        if table[name].to_pylist() != values
    ]


def is_judged(line: Mapping[str, Any]) -> bool:
    """Whether a line of a screening's manifest names a table that judges relaxations."""
    return _judged_schema(line) is not None


def _judged_schema(line: Mapping[str, Any]) -> pa.Schema | None:
    """Schema of a table that judges relaxations; None of any other file."""
    name = str(line.get("schema", "")).partition("/")[0]
    schemas = {name_of(schema): schema for schema in SCREENING_TABLES.values() if schema is not RELAXATIONS}
    return schemas.get(name)


def _verify_judged(report: Report, screening: Screening, name: str, *, all_relaxed: bool) -> None:
    """Check a table whose rows stand for relaxations: each one once, with what identifies it there."""
    schema = _judged_schema(screening.lines[name])
    table = None if schema is None else _table(report, screening, name, schema)
    if table is None:
        return
    report.counts["judged tables"] += 1
    if not all_relaxed:  # the shard that is damaged or missing is told of
        return
    relaxations = pa.concat_tables([RELAXATIONS.empty_table(), *screening.relaxations]).unify_dictionaries()
    if schema is STABILITIES:
        relaxations = relaxations.filter(pc.equal(relaxations["status"].cast(pa.string()), "converged"))
    columns = [column.name for column in IDENTITY if column.name in table.column_names]
    expected, found = _by_id(relaxations, columns), _by_id(table, columns)
    wrong = [f"{count} rows {what}" for what, count in _differences(expected, found, table.num_rows).items() if count]
    if wrong:
        resume = f"Run `platform screen --resume {screening.plan.screening_id}` with the same reference to judge anew."
        report.add(Kind.ROWS, screening.folder / name, f"{', '.join(wrong)}. {resume}", name)


def _by_id(table: pa.Table, columns: list[str]) -> dict[str, dict[str, Any]]:
    return {str(row["relaxation_id"]): row for row in table.select(columns).to_pylist()}


def _differences(expected: Mapping[str, Any], found: Mapping[str, Any], n_rows: int) -> dict[str, int]:
    return {
        "stand for no relaxation of this screening": len(found.keys() - expected.keys()),
        "are missing": len(expected.keys() - found.keys()),
        "stand for a relaxation twice": n_rows - len(found),
        "tell of another crystal than their relaxation": sum(
            found[name] != expected[name] for name in found.keys() & expected.keys()
        ),
    }
