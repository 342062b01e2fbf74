"""``platform screen`` from the command line, over Ray, to SQL; with CHGNet where it is installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.crystals.primitive import PrimitiveCell, primitive_cells
from crystalforge.crystals.rows import batch_from_table
from crystalforge.dataset import build_dataset, find_dataset
from crystalforge.home import Home
from crystalforge.schemas.relaxations import RelaxationStatus
from crystalforge.screening.energy_scale import given_scale
from crystalforge.screening.hull import ReferenceHull
from crystalforge.screening.judging import read_elements
from crystalforge.screening.potentials import KNOWN, load_potential
from crystalforge.screening.reference import read_reference
from crystalforge.screening.relaxation import relax

needs_chgnet = pytest.mark.skipif(
    find_spec("chgnet") is None, reason=f"NO MACHINE-LEARNED POTENTIAL WAS RUN: {KNOWN['chgnet'].install}"
)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_from_the_command_to_sql(bundled_home: Home, tmp_path: Path) -> None:
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))
    elements = tmp_path / "elements.parquet"
    pq.write_table(pa.table({"element": ["Cu", "Au"], "energy_per_atom": [0.0, 0.0]}), elements)
    command = ["screen", "--home", str(home.path), "--source", "materials", "--potential", "emt", "--limit", "4"]
    command += ["--shard-size", "2", "--max-steps", "20", "--elements", str(elements), "--json"]
    command += ["--where", "space_group_number = 225"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    assert found["screening"]["rows"] == 4
    assert found["screening"]["shards_written"] == 2
    again = json.loads(CliRunner().invoke(app, command).stdout)
    assert (again["screening"]["shards_written"], again["screening"]["shards_kept"]) == (0, 2)
    rows = CliRunner().invoke(
        app, ["sql", "--home", str(home.path), "--json", "SELECT status, reason FROM relaxations"]
    )
    assert len(json.loads(rows.stdout)) == 4


def test_refusals_are_messages(bundled_home: Home, tmp_path: Path) -> None:
    where = ["screen", "--home", str(bundled_home.path)]
    cases = {
        ("--potential", "nonsense"): (2, "No potential 'nonsense'"),
        ("--potential", "mace"): (1, "pip install mace-torch"),
        ("--reference", str(tmp_path / "absent")): (2, "found none"),
        ("--resume", "nothing"): (1, "No screening 'nothing'"),
    }
    for options, (code, message) in cases.items():
        result = CliRunner().invoke(app, [*where, *options])
        assert result.exit_code == code, result.output
        assert message in result.stderr


@needs_chgnet
@pytest.mark.shared
def test_chgnet_gives_the_tabulated_energies_of_real_stable_crystals(shared_data: Path, tmp_path: Path) -> None:
    """Twelve real crystals, one of each space group, on the hull of the reference: CHGNet finds them close to it."""
    hull = ReferenceHull(read_reference(shared_data / "hull_reference.parquet"))
    elements = read_elements(shared_data / "elemental_references.parquet")
    potential = load_potential("chgnet")
    names = {"potential": "chgnet", "potential_version": potential.version, "reference": "r", "correction": "c"}
    scale = given_scale(elements, **names)
    calculator = potential.calculator()
    errors = []
    for formula, tabulated, cell in _stable(shared_data, Home.locate(tmp_path)):
        relaxation = relax(cell, calculator)
        assert relaxation.status is RelaxationStatus.CONVERGED, relaxation.reason
        formation = scale.formation_energy_per_atom(formula, relaxation.energy_per_atom)
        assert formation is not None
        found = hull.energy_above_hull(formula, formation).energy_above_hull
        assert found is not None
        errors.append(abs(found - tabulated))
    assert sum(errors) / len(errors) < 0.05


def _stable(shared_data: Path, home: Home) -> Iterator[tuple[str, float, PrimitiveCell]]:
    """One real crystal of each space group that lies on the hull: formula, energy above hull, cell."""
    build_dataset(home, str(shared_data / "mp_ternary_12sg.parquet"))
    materials = find_dataset(home).materials()
    chosen: dict[int, int] = {}
    for row, (number, energy) in enumerate(
        zip(materials["space_group_number"].to_pylist(), materials["energy_above_hull"].to_pylist(), strict=True)
    ):
        if energy == 0.0:
            chosen.setdefault(number, row)
    some = materials.take(sorted(chosen.values()))
    for index, cell in primitive_cells(batch_from_table(some)):
        yield some["formula"][index].as_py(), some["energy_above_hull"][index].as_py(), cell
