"""A disk that fills up while shards are written: a clear message, nothing damaged, and the rerun is clean."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from small_disk import mounted_disk
from small_training import small_recipe

from crystalforge.catalog.shards import ShardManifest
from crystalforge.dataset import find_dataset
from crystalforge.errors import CrystalforgeError
from crystalforge.files import read_json, sha256_of_file
from crystalforge.home import Home
from crystalforge.jobs.generate import generate
from crystalforge.jobs.generation_plans import plan_generation
from crystalforge.jobs.train_all import train_all
from crystalforge.jobs.trained_models import find_models
from crystalforge.jobs.training_log import RUNS

pytestmark = pytest.mark.ray
DISK_MIB = 64
FREE_KIB = 300


@pytest.fixture
def small_home(trained_home: Home) -> Iterator[Home]:
    """The trained home on a real file system of its own with little space left."""
    with mounted_disk(f"{DISK_MIB}m") as disk:
        home = Home.locate(shutil.copytree(trained_home.path, disk / "home"))
        (disk / "filler").write_bytes(b"x" * (shutil.disk_usage(disk).free - FREE_KIB * 1024))
        yield home


def test_a_training_on_a_full_disk_stops_and_goes_on_when_there_is_space(small_home: Home, ray_session: None) -> None:
    dataset = find_dataset(small_home)
    recipe = small_recipe(generator_steps=4)
    full = train_all(small_home, dataset, recipe, space_groups=[164])
    assert re.match(r"No space left to write .*space_group_number=164.*MiB free", full.failed[164])
    (small_home.path.parent / "filler").unlink()
    done = train_all(small_home, dataset, recipe, space_groups=[164])
    assert [record["space_group_number"] for record in done.trained] == [164]
    assert read_json(done.folder / RUNS)["settled"] == [164], "MLflow's store, too, was not left half-made"


def test_a_generation_on_a_full_disk_stops_and_goes_on_when_there_is_space(
    small_home: Home, trained_home: Home
) -> None:
    choices = {"seed": 1, "space_groups": [225, 62], "shard_size": 200, "min_contact_ratio": 0.5}
    plan = plan_generation(find_models(small_home), 4000, **choices)
    with pytest.raises(CrystalforgeError, match=r"No space left to write .*MiB free.*same command"):
        generate(small_home, plan)
    folder = small_home.generations / plan.generation_id
    lines = ShardManifest(folder).records()
    assert 0 < len(lines) < len(plan.shards())
    assert all(sha256_of_file(folder / line["file"]) == line["sha256"] for line in lines)
    assert not list(folder.rglob("*.partial"))

    (small_home.path.parent / "filler").unlink()
    summary = generate(small_home, plan)
    assert (summary.rows, summary.shards_kept) == (4000, len(lines))
    generate(trained_home, plan)
    digests = [
        {line["file"]: line["sha256"] for line in ShardManifest(home.generations / plan.generation_id).records()}
        for home in (small_home, trained_home)
    ]
    assert digests[0] == digests[1]
