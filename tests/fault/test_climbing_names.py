"""Names that lead out of the home, in records and as links: refused before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_generation import TRAINING_ID

from crystalforge.catalog.inventory import take_inventory
from crystalforge.catalog.query import catalog_statements
from crystalforge.catalog.shards import ShardManifest
from crystalforge.dataset import build_dataset, find_dataset
from crystalforge.errors import CrystalforgeError, DamagedFileError
from crystalforge.files import read_json, sha256_of_file, write_json
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.integrity import Kind, verify_home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import load_plan
from crystalforge.jobs.repair import repair_home
from crystalforge.jobs.trained_models import find_models

CLIMBING = ["../../../outside/victim", "{outside}/victim", "space_group_number=225/../../../../outside/victim", "", "."]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the drawn_home, with a file that nobody may change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "victim").write_text("untouched")
    return folder


def everything(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): "link" if path.is_symlink() else sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("name", CLIMBING)
def test_a_manifest_that_climbs_is_refused(
    drawn_home: Home, outside: Path, drawn: tuple[Home, GenerationPlan], name: str
) -> None:
    plan = drawn[1]
    manifest = ShardManifest(drawn_home.generations / plan.generation_id)
    line = manifest.records()[0]
    manifest.append(line | {"file": name.format(outside=outside)})
    before = everything(drawn_home.path)
    assert [finding.kind for finding in verify_home(drawn_home, remake=0).problems] == [Kind.LINE]
    for use in (lambda: catalog_statements(drawn_home), lambda: generate(drawn_home, plan)):
        with pytest.raises(DamagedFileError, match="expected a plain file inside"):
            use()
    after = everything(drawn_home.path)
    assert {name for name in after if after[name] != before.get(name)} <= {f"generations/{plan.generation_id}/.lock"}
    assert everything(outside) == {"victim": sha256_of_file(outside / "victim")}
    assert (outside / "victim").read_text() == "untouched"


@pytest.mark.parametrize("name", CLIMBING)
def test_a_model_record_that_climbs_is_refused(drawn_home: Home, outside: Path, name: str) -> None:
    path = drawn_home.trainings / TRAINING_ID / "space_group_number=225" / "model.json"
    shutil.copytree(path.parent / "checkpoint_1", outside, dirs_exist_ok=True)
    write_json(path, read_json(path) | {"checkpoint": name.format(outside=outside)})
    with pytest.raises(DamagedFileError, match="expected a plain file inside"):
        find_models(drawn_home).checkpoint_folder(225)
    assert Kind.RECORD in {finding.kind for finding in verify_home(drawn_home, remake=0).problems}


LINKS = {
    "lock": ".lock",
    "manifest": "manifest.jsonl",
    "shard": "space_group_number=225/shard-00000.parquet",
    "folder": "space_group_number=225",
}


@pytest.mark.parametrize("what", list(LINKS))
def test_a_link_is_not_followed(drawn_home: Home, outside: Path, drawn: tuple[Home, GenerationPlan], what: str) -> None:
    plan = drawn[1]
    place = drawn_home.generations / plan.generation_id / LINKS[what]
    target = outside / "target"
    if place.exists():
        place.rename(target)
    else:
        target.write_text("untouched")
    place.symlink_to(target)
    before = everything(outside)
    with pytest.raises(CrystalforgeError, match=r"link|plain file"):
        generate(drawn_home, plan)
    assert everything(outside) == before


def test_a_link_in_place_of_a_dataset_is_refused(drawn_home: Home, outside: Path) -> None:
    (path,) = drawn_home.datasets.glob("*/materials.parquet")
    path.rename(outside / "materials.parquet")
    path.symlink_to(outside / "materials.parquet")
    with pytest.raises(DamagedFileError, match="expected a plain file inside"):
        catalog_statements(drawn_home)
    assert Kind.RECORD in {finding.kind for finding in verify_home(drawn_home, remake=0).problems}


@pytest.mark.parametrize("room", ["datasets", "trainings", "generations"])
def test_a_link_in_place_of_a_whole_folder_is_refused(
    drawn_home: Home, outside: Path, drawn: tuple[Home, GenerationPlan], room: str
) -> None:
    (folder,) = {record.parent for record in (drawn_home.path / room).glob("*/*.json")}
    folder.rename(outside / "moved")
    folder.symlink_to(outside / "moved")
    before = everything(outside)
    use = {
        "datasets": lambda: find_dataset(drawn_home),
        "trainings": lambda: find_models(drawn_home),
        "generations": lambda: generate(drawn_home, drawn[1]),
    }[room]
    for refused in (use, lambda: take_inventory(drawn_home)):
        with pytest.raises(DamagedFileError, match="expected a plain file inside"):
            refused()
    assert [finding.kind for finding in verify_home(drawn_home, remake=0).problems] == [Kind.RECORD]
    assert everything(outside) == before


def test_a_room_may_lie_elsewhere(drawn_home: Home, outside: Path, drawn: tuple[Home, GenerationPlan]) -> None:
    """A link that a person put in for a whole room, as for a larger disk, is theirs: names are held within it."""
    for room in ("datasets", "trainings", "generations"):
        (drawn_home.path / room).rename(outside / room)
        (drawn_home.path / room).symlink_to(outside / room)
    assert find_dataset(drawn_home).materials().num_rows > 0
    assert catalog_statements(drawn_home)[1]
    assert generate(drawn_home, drawn[1]).shards_kept == 4
    assert verify_home(drawn_home, remake=0).problems == []
    shard = next((outside / "generations").rglob("shard-00000.parquet"))
    before = sha256_of_file(shard)
    shard.write_bytes(b"damaged")
    report = verify_home(drawn_home, remake=0)
    assert report.problems[0].path.startswith(f"generations/{drawn[1].generation_id}/")
    assert repair_home(drawn_home, report, draw=draw_here).shards == 1
    assert sha256_of_file(shard) == before


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "..", "a/b", ".hidden"])
def test_names_that_a_user_gives_do_not_climb(drawn_home: Home, tmp_path: Path, name: str) -> None:
    before = everything(tmp_path)
    with pytest.raises(CrystalforgeError, match="is not possible"):
        build_dataset(drawn_home, "bundled", name=name)
    with pytest.raises(CrystalforgeError, match="No generation"):
        load_plan(drawn_home, name)
    with pytest.raises(CrystalforgeError, match="No training"):
        find_models(drawn_home, name)
    assert everything(tmp_path) == before
