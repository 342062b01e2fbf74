"""An export is whole or absent, says what it is of, and replaces nothing but an export."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pymatgen.io.cif import CifFile
from small_disk import mounted_disk
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.dataset import build_dataset, find_dataset
from crystalforge.errors import StorageError, UsageError
from crystalforge.export import CellKind, CrystalQuery, FormatName, export_crystals
from crystalforge.export.formats import FORMATS
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

FEW = CrystalQuery(limit=12)
FOLDERS = [name for name in FormatName if FORMATS[name].text_of]


@pytest.fixture(scope="module")
def home(candidates: tuple[Home, GenerationPlan]) -> Home:
    return candidates[0]


@pytest.mark.parametrize("name", [FormatName.CIF, FormatName.ASE_DB, FormatName.PARQUET])
def test_the_manifest_holds_the_question_the_sources_and_each_checksum(
    name: FormatName, candidates: tuple[Home, GenerationPlan], tmp_path: Path
) -> None:
    home, plan = candidates
    steps: list[tuple[int, int]] = []
    out = tmp_path / f"x{FORMATS[name].suffix if name not in FOLDERS else ''}"
    done = export_crystals(home, FEW, name, out, progress=lambda *step: steps.append(step))
    manifest = json.loads(done.manifest.read_text())
    folder = out if name in FOLDERS else tmp_path
    assert steps[-1] == (12, 12)
    assert (done.crystals, manifest["crystals"], manifest["asked"]["format"]) == (12, 12, name)
    assert "FROM candidates" in manifest["sql"] and "LIMIT 12" in manifest["sql"]
    for file in manifest["files"]:
        content = (folder / file["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    there = {path.name for path in folder.iterdir()}
    assert there == {file["file"] for file in manifest["files"]} | {done.manifest.name}
    assert len(manifest["files"]) == done.files == (12 if name in FOLDERS else 1)
    (generation,) = manifest["sources"]["generations"]
    assert (generation["generation_id"], generation["seed"]) == (plan.generation_id, plan.seed)
    assert generation["versions"]["crystalforge"] == manifest["versions"]["crystalforge"]
    assert [training["training_id"] for training in manifest["sources"]["trainings"]] == [plan.training_id]
    if name is FormatName.PARQUET:
        assert pq.read_schema(out).field("energy_above_hull").metadata[b"comment"].endswith(b"(eV/atom)")
    (dataset,) = manifest["sources"]["datasets"]
    assert dataset["dataset_id"] == plan.dataset_id and dataset["licence"]


def test_the_same_question_gives_the_same_bytes(home: Home, tmp_path: Path) -> None:
    for name in (FormatName.CIF, FormatName.PARQUET):
        outs = [tmp_path / f"{name}-{turn}" for turn in "12"]
        records = [json.loads(export_crystals(home, FEW, name, out).manifest.read_text())["files"] for out in outs]
        assert [file["sha256"] for file in records[0]] == [file["sha256"] for file in records[1]], name


def test_all_cifs_in_one_file(home: Home, tmp_path: Path) -> None:
    done = export_crystals(home, FEW, FormatName.CIF, tmp_path / "all.cif")
    blocks = CifFile.from_str((tmp_path / "all.cif").read_text()).data
    assert (done.files, len(blocks)) == (1, 12)
    assert all(block["_crystalforge_sample_id"] and block["_crystalforge_crystal_id"] for block in blocks.values())


def test_a_csv_is_a_source_of_a_dataset(home: Home, tmp_path: Path) -> None:
    export_crystals(home, FEW, FormatName.CSV, tmp_path / "mine.csv")
    another = Home.locate(tmp_path / "home")
    build_dataset(another, str(tmp_path / "mine.csv"))
    identities = find_dataset(another).materials()["crystal_id"].to_pylist()
    assert sorted(identities) == sorted(pd.read_csv(tmp_path / "mine.csv")["crystal_id"])


def test_what_is_there_is_replaced_only_if_it_is_an_export_and_only_when_asked(home: Home, tmp_path: Path) -> None:
    out, other = tmp_path / "out", CrystalQuery(limit=3)
    export_crystals(home, FEW, FormatName.CIF, out)
    with pytest.raises(UsageError, match="--overwrite to replace it"):
        export_crystals(home, other, FormatName.POSCAR, out)
    assert len(list(out.glob("*.cif"))) == 12
    export_crystals(home, other, FormatName.POSCAR, out, overwrite=True)
    assert len(list(out.iterdir())) == 3 + 1 and [path.name for path in tmp_path.iterdir()] == ["out"]
    mine = tmp_path / "mine"
    mine.mkdir()
    export_crystals(home, other, FormatName.CIF, mine)  # an empty folder is in nobody's way
    for path in mine.iterdir():
        path.unlink()
    (mine / "thesis.tex").write_text("years of work")
    (tmp_path / "mine.csv").write_text("by hand")
    for name, path in ((FormatName.CIF, mine), (FormatName.CSV, tmp_path / "mine.csv"), (FormatName.CSV, out)):
        with pytest.raises(UsageError, match="is no export of this kind"):
            export_crystals(home, other, name, path, overwrite=True)
    assert (mine / "thesis.tex").is_file() and (tmp_path / "mine.csv").read_text() == "by hand"
    link = tmp_path / "link"
    link.symlink_to(out)
    with pytest.raises(UsageError, match="is no export"):
        export_crystals(home, other, FormatName.CIF, link, overwrite=True)
    with pytest.raises(UsageError, match="lies in the home"):
        export_crystals(home, other, FormatName.CIF, home.path / "generations" / "x")


def test_no_crystal_is_an_error_that_says_what_was_left_out(home: Home, tmp_path: Path) -> None:
    from crystalforge.validation.states import Structure

    with pytest.raises(UsageError, match="No crystal in candidates WHERE density > 1e9: expected some to export"):
        export_crystals(home, CrystalQuery(where="density > 1e9"), FormatName.CIF, tmp_path / "x")
    with pytest.raises(UsageError, match=r"fit, but are left out \(no screening relaxed it to the end\)"):
        export_crystals(home, CrystalQuery(structure=Structure.RELAXED), FormatName.CIF, tmp_path / "x")
    with pytest.raises(UsageError, match="cif has the conventional cell only"):
        export_crystals(home, FEW, FormatName.CIF, tmp_path / "x", cell=CellKind.PRIMITIVE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [FormatName.CIF, FormatName.ASE_DB, FormatName.CSV, FormatName.PARQUET])
def test_a_full_disk_leaves_nothing(name: FormatName, home: Home) -> None:
    with mounted_disk("16k") as disk:
        with pytest.raises(StorageError, match="No space left to write"):
            export_crystals(home, CrystalQuery(), name, disk / f"x{FORMATS[name].suffix}")
        assert not list(disk.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from crystalforge.export import CrystalQuery, FormatName, export_crystals
from crystalforge.home import Home

def die(done, total):
    os.kill(os.getpid(), signal.SIGKILL)

name = FormatName(sys.argv[2])
export_crystals(Home.locate(sys.argv[1]), CrystalQuery(), name, Path(sys.argv[3]), progress=die)
"""


def test_a_killed_export_leaves_no_part_under_its_name(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "x.out"
    killed = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, home.path, FormatName.CIF, out])
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".x.out.") and left.name.endswith(".partial") and list(left.iterdir())
    export_crystals(home, FEW, FormatName.CIF, out)
    assert [path.name for path in tmp_path.iterdir()] == ["x.out"]  # the next one cleans up


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.stderr


def test_the_command(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    where = ["export", "--home", home.path, "--where", "space_group_number = 225", "--limit", 5]
    code, stdout, stderr = run(*where)
    assert code == 0 and stdout.startswith("crystals-cif: 5 crystals as cif, 5 files")
    assert "crystals: 5/5" in stderr and "manifest.json" in stderr
    names = sorted(path.name for path in Path("crystals-cif").glob("*.cif"))
    assert [name[:2] for name in names] == ["1_", "2_", "3_", "4_", "5_"]
    assert run(*where)[0] == 2
    code, stdout, _ = run(*where, "--overwrite", "--json")
    summary = json.loads(stdout)
    assert (code, summary["crystals"], summary["path"], summary["left_out"]) == (0, 5, "crystals-cif", {})
    code, _, stderr = run("export", "--home", home.path, "--where", "no_such > 1", "--out", "new")
    assert code == 1 and stderr.splitlines()[-1] and "no_such" in stderr and "Traceback" not in stderr
    assert run("export", "--home", home.path, "--where", "false", "--out", "new")[0] == 2
    assert run("export", "--home", home.path, "--table", "nothing")[0] == 2
    assert run("export", "--home", home.path, "--format", "pdb")[0] == 2
    assert run("export", "--home", home.path, "--format", "extxyz", "--cell", "primitive", "--limit", 3)[0] == 0
    assert Path("crystals.extxyz.manifest.json").is_file()
