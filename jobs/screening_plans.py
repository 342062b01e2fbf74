"""The plan of a screening: made from its crystals and kept with them, or read again to continue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from crystalforge.catalog.shards import encode_shard, write_shard
from crystalforge.errors import DamagedFileError, ScreeningError
from crystalforge.files import path_within, read_record, utc_now, write_json
from crystalforge.home import Home
from crystalforge.screening.plan import DEFAULT_SHARD_SIZE, INPUTS_FILE, PLANNED, SCREENING_RECORD, ScreeningPlan
from crystalforge.screening.potentials import Potential
from crystalforge.screening.relaxation import RelaxationLimits
from crystalforge.suggestions import did_you_mean


def screening_of(
    inputs: pa.Table,
    potential: Potential,
    *,
    source: str,
    model: Path | None = None,
    limits: RelaxationLimits | None = None,
    shard_size: int = DEFAULT_SHARD_SIZE,
) -> ScreeningPlan:
    """The screening of these crystals; the same crystals and choices give the same one. Nothing is written."""
    _, record = encode_shard(INPUTS_FILE, inputs)
    return ScreeningPlan(
        source=source,
        count=inputs.num_rows,
        inputs_sha256=record.sha256,
        potential=potential.name,
        potential_version=potential.version,
        model=str(model.resolve()) if model else None,
        limits=limits or RelaxationLimits(),
        shard_size=shard_size,
        generation_id=str(inputs["generation_id"][0]) if "generation_id" in inputs.column_names else None,
    )


def keep_screening(home: Home, plan: ScreeningPlan, inputs: pa.Table) -> ScreeningPlan:
    """Freeze the crystals of a screening in its folder, if they are not there yet.

    Raises:
        StorageError: the folder cannot be written.
    """
    folder = path_within(home.screenings, plan.screening_id, source=home.screenings)
    if not (folder / SCREENING_RECORD).is_file():
        write_shard(folder, INPUTS_FILE, inputs)
        write_json(folder / SCREENING_RECORD, plan.to_json() | {"created_at": utc_now()})
    return plan


def plan_screening(home: Home, inputs: pa.Table, potential: Potential, **choices: Any) -> ScreeningPlan:
    """The screening of these crystals, kept in the home; choices as of ``screening_of``."""
    return keep_screening(home, screening_of(inputs, potential, **choices), inputs)


def load_screening(home: Home, screening_id: str) -> ScreeningPlan:
    """The plan of an earlier screening, to continue it.

    Raises:
        ScreeningError: there is none of that name.
        DamagedFileError: its record is damaged.
    """
    known = {record.parent.name: record for record in sorted(home.screenings.glob(f"*/{SCREENING_RECORD}"))}
    if screening_id not in known:
        raise ScreeningError(
            f"No screening '{screening_id}' in {home.screenings}: it has {', '.join(known) or 'none'}."
            f"{did_you_mean(screening_id, known)}"
        )
    plan = ScreeningPlan.from_json(read_record(known[screening_id], PLANNED))
    if plan.screening_id != screening_id:
        raise DamagedFileError(
            f"{known[screening_id]} is damaged: expected the plan of screening {screening_id}, got that of "
            f"{plan.screening_id}. Restore it, or screen anew."
        )
    return plan
