"""The bundled dataset, built for real, and what becomes of it: found, damaged, held by another process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crystalforge.crystals.canonical import canonical_setting
from crystalforge.crystals.identity import crystal_ids
from crystalforge.crystals.rows import batch_from_table
from crystalforge.crystals.symmetry_search import find_space_groups
from crystalforge.dataset import Dataset, build_dataset, build_or_find, find_dataset, list_datasets
from crystalforge.dataset.sources import BUNDLED_PATH
from crystalforge.errors import BusyError, DamagedFileError, DatasetNotFoundError, SourceError, UsageError
from crystalforge.home import Home
from crystalforge.locks import exclusive
from crystalforge.schemas import MATERIALS
from crystalforge.symmetry import expand_orbits

BUNDLED_COUNTS = {
    225: 181,
    71: 18,
    221: 127,
    139: 141,
    62: 117,
    216: 114,
    166: 132,
    194: 137,
    123: 21,
    164: 97,
    141: 40,
    227: 38,
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Dataset]:
    home = Home.locate(tmp_path_factory.mktemp("bundled") / "home")
    build_dataset(home, "bundled")
    return home, find_dataset(home)


def test_every_bundled_crystal_is_kept(built: tuple[Home, Dataset]) -> None:
    manifest = built[1].manifest
    assert manifest.counts == BUNDLED_COUNTS
    assert (manifest.n_materials, manifest.n_exclusions) == (1163, 0)
    assert manifest.licence == "CC-BY-4.0"
    assert "Jain" in manifest.attribution


def test_the_file_is_small_and_comes_with_its_card() -> None:
    card = (BUNDLED_PATH.parent / "DATA_CARD.md").read_text(encoding="utf-8")
    assert BUNDLED_PATH.stat().st_size < 200_000
    assert all(
        word in card for word in ("Materials Project", "CC-BY 4.0", "matminer 0.3.6", "crystal-toolkit", "1,163")
    )


def test_materials_follow_the_schema_and_the_canonical_order(built: tuple[Home, Dataset]) -> None:
    materials = built[1].materials()
    assert materials.schema.equals(MATERIALS)
    assert not any(materials[field.name].null_count for field in MATERIALS if not field.nullable)
    assert len(set(materials["crystal_id"].to_pylist())) == 1163
    assert np.isfinite(materials["min_contact_ratio"].to_numpy()).all()
    titanate = [row for row in materials.to_pylist() if row["formula"] == "SrTiO3" and row["space_group_number"] == 221]
    assert titanate[0]["elements"] == ["Sr", "Ti", "O"]
    assert sorted(titanate[0]["multiplicities"]) == [1, 1, 3]


def test_sites_expand_to_the_stated_atoms_and_are_found_again(built: tuple[Home, Dataset]) -> None:
    batch = batch_from_table(built[1].materials())
    for number in BUNDLED_COUNTS:
        chosen = batch.select(batch.space_group_number == number)
        orbits = expand_orbits(number, chosen.frac_coords.reshape(-1, 3))
        assert np.array_equal(orbits.multiplicity, chosen.multiplicity.ravel())
    some = batch.select(np.arange(0, len(batch), 10))
    found = find_space_groups(some, symprec=0.01)
    assert np.mean(found == some.space_group_number) > 0.95
    assert crystal_ids(some) == built[1].materials()["crystal_id"].to_pylist()[::10]


def test_materials_stand_in_their_canonical_setting(built: tuple[Home, Dataset]) -> None:
    batch = batch_from_table(built[1].materials())
    canonical = canonical_setting(batch)
    assert (canonical.wyckoff_letter == batch.wyckoff_letter).all()
    assert np.abs(canonical.frac_coords - batch.frac_coords).max() < 1e-12
    heusler = batch.wyckoff_letter[batch.space_group_number == 225]
    assert {"".join(sorted(row)) for row in heusler} >= {"abc"}
    assert "bce" not in {"".join(sorted(row)) for row in heusler}  # ace with another origin


def test_the_same_source_gives_the_same_bytes(built: tuple[Home, Dataset], home: Home) -> None:
    again = build_dataset(home, "bundled")
    assert (again.dataset_id, again.checksum) == (built[1].dataset_id, built[1].checksum)


def test_a_second_build_does_nothing(built: tuple[Home, Dataset]) -> None:
    outcome = build_or_find(built[0], "bundled")
    assert not outcome.was_built
    assert outcome.manifest == built[1].manifest
    assert len(list_datasets(built[0])) == 1


def test_space_groups_can_be_chosen(home: Home) -> None:
    manifest = build_dataset(home, "bundled", name="two", space_groups=(227, 71))
    assert manifest.counts == {227: 38, 71: 18}
    assert manifest.exclusion_counts == {"space_group_not_asked": 1163 - 38 - 18}


def test_progress_reaches_the_end(home: Home) -> None:
    calls: list[tuple[int, int]] = []
    build_dataset(home, "bundled", progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (1163, 1163)


def test_what_is_not_there_is_named_with_what_is(built: tuple[Home, Dataset], home: Home) -> None:
    with pytest.raises(DatasetNotFoundError, match="none"):
        find_dataset(home)
    with pytest.raises(DatasetNotFoundError, match=built[1].dataset_id):
        find_dataset(built[0], "other")
    assert find_dataset(built[0], "bundled").dataset_id == find_dataset(built[0], built[1].dataset_id).dataset_id


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_materials_are_found(home: Home, damage: str) -> None:
    manifest = build_dataset(home, "bundled", space_groups=[71])
    path = home.datasets / manifest.dataset_id / "materials.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    {"flip": lambda: path.write_bytes(content), "cut": lambda: path.write_bytes(content[:100]), "remove": path.unlink}[
        damage
    ]()
    with pytest.raises(DamagedFileError, match="same `platform dataset build` again"):
        find_dataset(home)
    again = build_or_find(home, "bundled", space_groups=[71])
    assert again.was_built
    assert again.manifest.checksum == manifest.checksum == find_dataset(home).checksum


@pytest.mark.parametrize("content", ["{", "[]", "{}", json.dumps({"counts": 3})])
def test_a_damaged_manifest_is_named(home: Home, content: str) -> None:
    manifest = build_dataset(home, "bundled", space_groups=[71])
    path = home.datasets / manifest.dataset_id / "manifest.json"
    path.write_text(content, encoding="utf-8")
    for name in (None, "bundled", manifest.dataset_id):
        with pytest.raises(DamagedFileError, match=r"manifest\.json"):
            find_dataset(home, name)
    other = build_dataset(home, "bundled", space_groups=[62])
    assert [found.dataset_id for found in list_datasets(home)] == [other.dataset_id], "one bad dataset blocks no other"
    assert build_dataset(home, "bundled", space_groups=[71]).checksum == manifest.checksum
    assert len(list_datasets(home)) == 2


def test_an_unfinished_build_is_no_dataset_and_is_done_again(home: Home) -> None:
    manifest = build_dataset(home, "bundled", space_groups=[71])
    folder: Path = home.datasets / manifest.dataset_id
    (folder / "manifest.json").unlink()
    assert list_datasets(home) == []
    assert build_dataset(home, "bundled", space_groups=[71]).checksum == manifest.checksum


def test_two_builds_at_once_do_not_meet(home: Home) -> None:
    manifest = build_dataset(home, "bundled", space_groups=[71])
    lock = home.datasets / f".build-bundled-{manifest.request}"
    with exclusive(lock, "a test"), pytest.raises(BusyError, match="in use by process"):
        build_dataset(home, "bundled", space_groups=[71])


@pytest.mark.parametrize("name", ["", "../up", "a b", "-x", "x" * 65])
def test_impossible_names_are_refused(home: Home, name: str) -> None:
    if not name:
        assert build_dataset(home, "bundled", name=name, space_groups=[71]).name == "bundled"
        return
    with pytest.raises(UsageError, match="--name"):
        build_dataset(home, "bundled", name=name)


def test_impossible_space_groups_are_refused(home: Home) -> None:
    for groups in ([], [0], [231]):
        with pytest.raises(UsageError, match="230"):
            build_dataset(home, "bundled", space_groups=groups)
    with pytest.raises(SourceError, match="No crystal of bundled fits"):
        build_dataset(home, "bundled", space_groups=[1])
