"""A screening against a reference: choose the scale, judge every converged crystal, keep both beside its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.dataset import find_dataset
from crystalforge.errors import UsageError
from crystalforge.evaluation.generations import find_generation
from crystalforge.files import read_record, utc_now, write_json
from crystalforge.home import Home
from crystalforge.screening.discoveries import discoveries
from crystalforge.screening.energy_scale import EnergyScale, fit_scale, given_scale
from crystalforge.screening.hull import ReferenceHull
from crystalforge.screening.plan import ScreeningPlan
from crystalforge.screening.reference import Reference, read_given_table
from crystalforge.screening.stabilities import scale_crystals, stabilities

SCALE_KEYS = tuple(EnergyScale.__dataclass_fields__)


@dataclass(frozen=True)
class Judgement:
    """What the hull says of a screening."""

    reference: str
    correction: str
    scale: EnergyScale | None
    """None: there is no way yet from this potential to this reference, so nothing was judged."""
    n_judged: int
    """Crystals with an energy above hull."""
    n_stable: int
    n_nearly_stable: int
    missing_terminals: dict[str, int]
    """Crystals without one, by the elements that have no energy."""
    n_with_gaps: int
    """Judged crystals with systems in which the reference has no compound: their energies may be too low."""


def judge(
    home: Home,
    plan: ScreeningPlan,
    relaxations: pa.Table,
    reference: Reference,
    elements: dict[str, float] | None = None,
) -> Judgement:
    """Write ``stabilities`` of a screening against a reference, and ``discoveries`` of one of raw samples.

    A screening of real crystals fits the scale of its potential; another takes the newest such scale of the same
    potential, version and reference, or the given elemental energies as they are.

    Args:
        home: where screenings lie.
        plan: the screening.
        relaxations: its rows.
        reference: of the hull.
        elements: energies of elements (eV/atom) in the reference's source.

    Raises:
        StorageError: the rows could not be written.
        GenerationError: the generation of raw samples is gone.
        DatasetNotFoundError: the dataset of its training is gone.
    """
    scale = _scale(home, plan, relaxations, reference, elements)
    if scale is None:
        return Judgement(reference.name, reference.correction, None, 0, 0, 0, {}, 0)
    table = stabilities(relaxations, scale, ReferenceHull(reference))
    folder = home.screenings / plan.screening_id
    _commit(folder, f"stabilities-{reference.name}.parquet", table)
    if plan.generation_id:
        dataset_id = find_generation(home, plan.generation_id).plan["dataset_id"]
        materials = find_dataset(home, dataset_id).materials()
        found = discoveries(relaxations, table, materials, reference, plan.generation_id)
        _commit(folder, f"discoveries-{reference.name}.parquet", found)
    missing = pc.value_counts(table["missing_terminals"].drop_null()).to_pylist()
    judged = table.filter(pc.is_valid(table["energy_above_hull"]))
    return Judgement(
        reference=reference.name,
        correction=reference.correction,
        scale=scale,
        n_judged=judged.num_rows,
        n_stable=pc.sum(judged["is_stable"]).as_py() or 0,
        n_nearly_stable=pc.sum(judged["is_nearly_stable"]).as_py() or 0,
        missing_terminals={each["values"]: each["counts"] for each in missing},
        n_with_gaps=judged.num_rows - judged["systems_without_reference"].null_count,
    )


def _commit(folder: Path, file: str, table: pa.Table) -> None:
    ShardManifest(folder).append(vars(write_shard(folder, file, table)))


def _scale(
    home: Home, plan: ScreeningPlan, relaxations: pa.Table, reference: Reference, elements: dict[str, float] | None
) -> EnergyScale | None:
    names: dict[str, Any] = {
        "potential": plan.potential,
        "potential_version": plan.potential_version,
        "reference": reference.name,
        "correction": reference.correction,
    }
    if plan.source == "materials" and (crystals := scale_crystals(relaxations, reference)):
        fitted = fit_scale(crystals, prior=elements, **names)
        path = home.screenings / plan.screening_id / f"scale-{reference.name}.json"
        write_json(path, fitted.to_json() | {"created_at": utc_now()})
        return fitted
    known = find_scale(home, plan, reference)
    if known is not None:
        return replace(known, correction=reference.correction)
    return given_scale(elements, **names) if elements else None


def find_scale(home: Home, plan: ScreeningPlan, reference: Reference) -> EnergyScale | None:
    """The newest scale of the plan's potential, in its version, against a reference; None where none was fitted."""
    records = [
        read_record(path, (*SCALE_KEYS, "created_at"))
        for path in sorted(home.screenings.glob(f"*/scale-{reference.name}.json"))
    ]
    same = [
        record
        for record in records
        if (record["potential"], record["potential_version"]) == (plan.potential, plan.potential_version)
    ]
    return EnergyScale.from_json(max(same, key=lambda record: str(record["created_at"]))) if same else None


def read_elements(path: Path) -> dict[str, float]:
    """Read a Parquet file with the columns ``element`` and ``energy_per_atom`` (eV/atom).

    Raises:
        UsageError: no such file, not Parquet, or columns missing.
        StorageError: it cannot be read.
    """
    table = read_given_table("--elements", path, "elemental energies")
    if not {"element", "energy_per_atom"} <= set(table.column_names):
        raise UsageError(
            f"--elements {path}: expected the columns element and energy_per_atom, it has "
            f"{', '.join(table.column_names)}."
        )
    return dict(zip(table["element"].to_pylist(), table["energy_per_atom"].to_pylist(), strict=True))
