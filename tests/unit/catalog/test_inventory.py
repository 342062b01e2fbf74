from __future__ import annotations

from pathlib import Path

import pytest

from crystalforge.catalog.inventory import take_inventory
from crystalforge.errors import DamagedFileError
from crystalforge.files import write_json
from crystalforge.home import Home


def add_training(home: Home, done: tuple[int, ...]) -> None:
    folder = home.trainings / "t1"
    plan = {"training_id": "t1", "recipe": "paper", "dataset_id": "d1", "space_groups": [225, 62, 71]}
    write_json(folder / "training.json", plan | {"created_at": "2026-01-01T01:00:00Z"})
    (folder / "space_group_number=71").mkdir()
    for number in done:
        write_json(folder / f"space_group_number={number}" / "model.json", {"space_group_number": number})


def test_an_absent_home_is_empty(tmp_path: Path) -> None:
    inventory = take_inventory(Home.locate(tmp_path / "absent"))
    assert inventory.datasets == inventory.trainings == inventory.generations == ()


def test_everything_is_counted(catalog_home: Home) -> None:
    add_training(catalog_home, (225, 62))
    inventory = take_inventory(catalog_home)
    (dataset,), (training,) = inventory.datasets, inventory.trainings
    assert (dataset.dataset_id, dataset.source, dataset.crystals, dataset.space_groups) == ("d1", "bundled", 3, 1)
    assert (training.groups_done, training.groups_planned, training.recipe) == (2, 3, "paper")
    assert [generation.generation_id for generation in inventory.generations] == ["older", "later"]
    generation = inventory.generations[0]
    assert (generation.rows_done, generation.rows_planned, generation.accepted) == (20, 20, 16)
    assert generation.accepted_share == pytest.approx(0.8)
    assert inventory.to_dict()["generations"][0]["training_id"] == "t1"


def test_a_generation_without_a_shard_has_no_share(catalog_home: Home) -> None:
    write_json(catalog_home.generations / "new" / "generation.json", {"generation_id": "new", "count": 10})
    new = next(g for g in take_inventory(catalog_home).generations if g.generation_id == "new")
    assert (new.rows_done, new.rows_planned, new.accepted_share) == (0, 10, None)


def test_folders_that_were_never_committed_are_left_out(catalog_home: Home) -> None:
    for folder in (catalog_home.datasets, catalog_home.trainings, catalog_home.generations):
        (folder / "half").mkdir(parents=True)
    inventory = take_inventory(catalog_home)
    assert [dataset.dataset_id for dataset in inventory.datasets] == ["d1"]
    assert inventory.trainings == ()
    assert len(inventory.generations) == 2


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_manifest_is_named(catalog_home: Home, content: str) -> None:
    path = catalog_home.datasets / "d1" / "manifest.json"
    path.write_text(content)
    with pytest.raises(DamagedFileError, match=str(path)):
        take_inventory(catalog_home)
