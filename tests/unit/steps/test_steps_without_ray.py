"""Steps that need no cluster: crystals in, questions, a row as a structure, relaxation in this process."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymatgen.core import Structure
from small_alloys import ELEMENTS, SYSTEMS, add_alloys

import crystalforge
from crystalforge.errors import QueryError, UsageError
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home


def test_a_dataset_is_built_once(tmp_path: Path) -> None:
    first = crystalforge.build_dataset("bundled", home=tmp_path, space_groups=[225])
    again = crystalforge.build_dataset("bundled", home=str(tmp_path), space_groups=[225])
    assert first.manifest == again.manifest
    assert first.materials().num_rows == first.manifest.counts[225] == 181


def test_rows_are_a_frame_and_a_row_is_a_structure(candidates: tuple[Home, GenerationPlan]) -> None:
    home, plan = candidates
    question = "SELECT * FROM candidates WHERE space_group_number = $group ORDER BY sample_id"
    found = crystalforge.sql(question, params={"group": 225}, home=home, generations=[plan.generation_id])
    assert isinstance(found, pd.DataFrame)
    assert set(found["space_group_number"]) == {225}
    structure = crystalforge.to_structure(found.iloc[0])
    assert isinstance(structure, Structure)
    assert len(structure) == found.iloc[0]["n_atoms_conventional"]


def test_crystals_are_written_as_files(candidates: tuple[Home, GenerationPlan], tmp_path: Path) -> None:
    home = candidates[0]
    chosen = {"where": "space_group_number = 225", "order_by": "sample_id", "limit": 2, "home": home}
    done = crystalforge.export_crystals("cif", out=tmp_path / "cifs", **chosen)
    assert done.crystals == done.files == 2
    found = crystalforge.sql(
        "SELECT * FROM candidates WHERE space_group_number = 225 ORDER BY sample_id LIMIT 2", home=home
    )
    for path, (_, row) in zip(sorted(done.path.glob("*.cif")), found.iterrows(), strict=True):
        assert Structure.from_file(path).matches(crystalforge.to_structure(row))
    with pytest.raises(UsageError, match="Did you mean 'poscar'"):
        crystalforge.export_crystals("poscars", home=home)


def test_what_is_refused_is_an_error_of_ours(candidates: tuple[Home, GenerationPlan]) -> None:
    with pytest.raises(QueryError):
        crystalforge.sql("DROP TABLE samples", home=candidates[0])
    with pytest.raises(UsageError, match="two channels"):
        crystalforge.generate(10, charge_balanced=True, intermetallic=True, home=candidates[0])
    with pytest.raises(UsageError, match="balance"):
        crystalforge.generate(10, balance="fair", home=candidates[0])
    with pytest.raises(UsageError, match="leave out count, seed"):
        crystalforge.generate(10, seed=3, resume=candidates[1].generation_id, home=candidates[0])


def test_a_whole_generation_is_found_again(candidates: tuple[Home, GenerationPlan]) -> None:
    home, plan = candidates
    found = crystalforge.generate(resume=plan.generation_id, home=home)
    assert (found.rows, found.shards_written) == (plan.count, 0)


def test_candidates_are_relaxed_and_put_on_a_hull(tmp_path: Path) -> None:
    home = Home.locate(tmp_path / "home")
    add_alloys(home)
    rows = {"formula": list(SYSTEMS), "formation_energy_per_atom": [0.0] * len(SYSTEMS)}
    pq.write_table(pa.table(rows), tmp_path / "hull.parquet")
    energies = {"element": list(ELEMENTS), "energy_per_atom": list(ELEMENTS.values())}
    pq.write_table(pa.table(energies), tmp_path / "elements.parquet")
    seen: list[tuple[int, int]] = []
    found = crystalforge.screen(
        limit=2,
        potential="emt",
        workers=1,
        reference=tmp_path / "hull.parquet",
        elements=tmp_path / "elements.parquet",
        home=home,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found.screening.rows == 2
    assert seen[-1] == (2, 2)
    assert found.hull.reference.startswith("hull-")
    assert found.hull.n_judged + sum(found.hull.missing_terminals.values()) == 2
