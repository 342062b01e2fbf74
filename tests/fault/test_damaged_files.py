"""Bits that flip, files cut short, emptied or swapped: all found, never read, and made again to the same bytes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from crystalforge.catalog.query import catalog_statements, open_catalog
from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.errors import DamagedFileError
from crystalforge.files import sha256_of_file
from crystalforge.generation.plan import GenerationPlan
from crystalforge.generation.quarantine import QUARANTINE_RECORD, read_quarantine, write_quarantine
from crystalforge.home import Home
from crystalforge.integrity import Kind, verify_home
from crystalforge.jobs.generate import Draw, draw_here, draw_on_ray, generate
from crystalforge.jobs.repair import repair_home

N_FLIPS = 400
N_TRUNCATIONS = 20
N_LINE_FLIPS = 150


@pytest.fixture(scope="module")
def light(drawn: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, GenerationPlan]:
    """A copy without the models, which are ten times as large as all else; tests leave it as it was."""
    ignore = shutil.ignore_patterns("trainings")
    folder = shutil.copytree(drawn[0].path, tmp_path_factory.mktemp("light") / "home", ignore=ignore)
    return Home.locate(folder), drawn[1]


def shards_of(home: Home, plan: GenerationPlan) -> list[Path]:
    return [home.generations / plan.generation_id / shard.file for shard in plan.shards()]


def digests(home: Home, plan: GenerationPlan) -> dict[str, str]:
    return {str(path.relative_to(home.path)): sha256_of_file(path) for path in shards_of(home, plan)}


def flip_bit(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def assert_found_and_not_read(home: Home, *damaged: Path) -> None:
    report = verify_home(home, remake=0)
    expected = {str(path.relative_to(home.path)) for path in damaged}
    assert {finding.path for finding in report.problems} == expected
    assert {finding.kind for finding in report.problems} <= {Kind.DAMAGED, Kind.MISSING}
    with pytest.raises(DamagedFileError, match=r"(is damaged: sha256 \w+… in the manifest|is missing)"):
        catalog_statements(home)


def test_every_flipped_bit_is_found(light: tuple[Home, GenerationPlan]) -> None:
    home, plan = light
    shards, chance = shards_of(home, plan), random.Random(1)
    for _ in range(N_FLIPS):
        path = chance.choice(shards)
        bit = chance.randrange(8 * path.stat().st_size)
        flip_bit(path, bit)
        assert_found_and_not_read(home, path)
        flip_bit(path, bit)
    assert verify_home(home, remake=0).findings == []


def test_every_truncation_is_found(light: tuple[Home, GenerationPlan]) -> None:
    home, plan = light
    shards, chance = shards_of(home, plan), random.Random(2)
    for number in range(N_TRUNCATIONS):
        path = chance.choice(shards)
        content = path.read_bytes()
        path.write_bytes(content[: 0 if number == 0 else chance.randrange(len(content))])
        assert_found_and_not_read(home, path)
        path.write_bytes(content)
    assert verify_home(home, remake=0).findings == []


def test_swapped_shards_are_found(drawn_home: Home, drawn: tuple[Home, GenerationPlan]) -> None:
    first, second, *_ = shards_of(drawn_home, drawn[1])
    aside = first.rename(first.with_name("aside"))
    second.rename(first)
    aside.rename(second)
    assert_found_and_not_read(drawn_home, first, second)


def test_sql_refuses_a_damaged_shard_and_says_how_to_repair_it(
    drawn_home: Home, drawn: tuple[Home, GenerationPlan]
) -> None:
    path = shards_of(drawn_home, drawn[1])[0]
    flip_bit(path, 8 * 1000)
    with pytest.raises(
        DamagedFileError, match=rf"sha256 \w+… in the manifest, \w+… on disk .*{drawn[1].generation_id}"
    ):
        open_catalog(drawn_home)


def test_a_flipped_bit_of_the_manifest_is_found_or_changes_nothing(light: tuple[Home, GenerationPlan]) -> None:
    """What a line says of its file is compared with the file and the plan; a changed name of a spare key is not."""
    home, plan = light
    manifest = ShardManifest(home.generations / plan.generation_id)
    before, chance = manifest.records(), random.Random(3)
    keys = ("file", "rows", "sha256", "bytes", "space_group_number", "shard", "accepted")
    for _ in range(N_LINE_FLIPS):
        bit = chance.randrange(8 * manifest.path.stat().st_size)
        flip_bit(manifest.path, bit)
        if not verify_home(home, remake=0).problems:
            assert [{key: line[key] for key in keys} for line in manifest.records()] == [
                {key: line[key] for key in keys} for line in before
            ]
        flip_bit(manifest.path, bit)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def lose_lines(path: Path) -> None:
    """A manifest whose first line is garbage, whose second has a wrong checksum, and which names a foreign file."""
    folder = path.parents[1]
    lines = (folder / MANIFEST_NAME).read_text().splitlines()
    second = lines[1].replace('"sha256": "', '"sha256": "0')
    foreign = lines[0].replace("shard-00000", "shard-00099")
    (folder / MANIFEST_NAME).write_text("\n".join(["{", second, *lines[2:], foreign, ""]))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": lambda path: flip_bit(path, 8000),
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "lost": Path.unlink,
    "replaced": lambda path: shutil.copy(path.with_name("shard-00001.parquet"), path),
    "manifest": lose_lines,
}


def assert_repaired(home: Home, plan: GenerationPlan, damage: str, n_made: int, draw: Draw) -> None:
    """Damage a shard; the repair restores every digest and touches nothing else."""
    before, times = digests(home, plan), {path: path.stat().st_mtime_ns for path in shards_of(home, plan)}
    DAMAGES[damage](shards_of(home, plan)[0])
    report = verify_home(home, remake=0)
    assert report.problems
    summary = repair_home(home, report, draw=draw)
    assert (summary.shards, summary.failed) == (n_made, {})
    assert verify_home(home, remake=2).findings == []
    assert digests(home, plan) == before
    touched = [path for path, time in times.items() if path.stat().st_mtime_ns != time]
    assert len(touched) == n_made, "only what was damaged was made again"
    with open_catalog(home) as catalog:
        assert catalog.query("SELECT count(DISTINCT sample_id) AS n FROM samples").to_pylist() == [{"n": plan.count}]


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "manifest"])
def test_a_repair_makes_the_same_bytes_again(drawn_home: Home, drawn: tuple[Home, GenerationPlan], damage: str) -> None:
    assert_repaired(drawn_home, drawn[1], damage, 1, draw_here)


@pytest.mark.ray
def test_a_damaged_manifest_is_repaired_on_ray(
    drawn_home: Home, drawn: tuple[Home, GenerationPlan], ray_session: None
) -> None:
    assert_repaired(drawn_home, drawn[1], "manifest", 2, draw_on_ray)


def test_a_repair_does_not_take_other_bytes(drawn_home: Home, drawn: tuple[Home, GenerationPlan]) -> None:
    """The manifest's checksum and the file both changed: what the seed gives is neither."""
    plan = drawn[1]
    path = shards_of(drawn_home, plan)[0]
    manifest = ShardManifest(drawn_home.generations / plan.generation_id)
    lines = [line | ({"sha256": "0" * 64} if path.match(line["file"]) else {}) for line in manifest.records()]
    manifest.rewrite(lines)
    truncate(path)
    summary = repair_home(drawn_home, verify_home(drawn_home, remake=0), draw=draw_here)
    assert "were made again with other bytes" in summary.failed[plan.generation_id]
    problems = verify_home(drawn_home, remake=0).problems
    assert [finding.kind for finding in problems] == [Kind.DAMAGED], "still refused"


def test_a_repair_keeps_the_reasons_of_other_shards(drawn_home: Home, drawn: tuple[Home, GenerationPlan]) -> None:
    """Shards that were set aside and are still missing keep their reason; drawn at last, they have none."""
    plan = drawn[1]
    folder = drawn_home.generations / plan.generation_id
    damaged, lost, *_ = shards_of(drawn_home, plan)
    name = lost.relative_to(folder).as_posix()
    manifest = ShardManifest(folder)
    manifest.rewrite(line for line in manifest.records() if line["file"] != name)
    lost.unlink()
    write_quarantine(folder, {name: "its worker died.", damaged.relative_to(folder).as_posix(): "it took too long."})
    truncate(damaged)
    assert repair_home(drawn_home, verify_home(drawn_home, remake=0), draw=draw_here).shards == 1
    assert read_quarantine(folder) == {name: "its worker died."}
    (problem,) = verify_home(drawn_home, remake=0).problems
    assert (problem.kind, "its worker died." in problem.message) == (Kind.UNFINISHED, True)
    generate(drawn_home, plan, draw=draw_here)
    assert not (folder / QUARANTINE_RECORD).exists()
    assert verify_home(drawn_home, remake=0).findings == []
