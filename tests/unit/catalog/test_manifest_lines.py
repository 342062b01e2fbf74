"""Lines of a manifest as objects of their own: put once, read once, summed up, and the same on a disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from s3_server import S3Server, copy_down, copy_up

from crystalforge.catalog.manifest_lines import LINES_FOLDER
from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.errors import DamagedFileError
from crystalforge.files import read_lines, write_bytes
from crystalforge.home import Home


def line(number: int, digit: str = "a") -> dict[str, Any]:
    """A manifest line of a shard."""
    name = f"space_group_number=225/shard-{number:05d}.parquet"
    return {"file": name, "rows": 5, "sha256": digit * 64, "bytes": 9}


def reads(s3: S3Server) -> list[str]:
    """What was read since the last call, without what was listed."""
    return [each["path"].rpartition("/")[2] for each in s3.requests() if each["method"] == "GET" and not each["query"]]


def test_a_line_is_one_request_and_is_read_without_the_data(store_home: Home, s3: S3Server) -> None:
    folder = store_home.generations / "8f2c"
    s3.requests()
    ShardManifest(folder).append(line(0))
    assert [each["method"] for each in s3.requests()] == ["PUT"]
    ShardManifest(folder).append(line(1))
    assert ShardManifest(folder).records() == [line(0), line(1)]
    assert not any("parquet" in each["path"] and "manifest" not in each["path"] for each in s3.requests())


def test_lines_that_are_summed_up_are_not_read_again(store_home: Home, s3: S3Server) -> None:
    folder = store_home.generations / "8f2c"
    manifest = ShardManifest(folder)
    for number in range(5):
        manifest.append(line(number))
    s3.requests()
    manifest.sum_up()
    assert reads(s3) == [], "who put the lines does not read them"
    ShardManifest(folder).append(line(5))
    s3.requests()
    assert len(ShardManifest(folder).records()) == 6
    assert reads(s3) == [MANIFEST_NAME, f"space_group_number=225--shard-00005.parquet.{'a' * 12}.json"]


def test_the_line_that_was_put_last_holds(store_home: Home) -> None:
    folder = store_home.generations / "8f2c"
    first, second = ShardManifest(folder), ShardManifest(folder)
    first.append(line(0, "a"))
    first.sum_up()
    second.append(line(0, "b"))
    assert ShardManifest(folder).records() == [line(0, "b")]
    second.sum_up()
    assert read_lines(folder / MANIFEST_NAME) == [line(0, "b")]
    assert ShardManifest(folder).records() == [line(0, "b")]


def test_a_driver_that_sums_up_too_little_loses_no_line(store_home: Home) -> None:
    """Two drivers at once: the one that wrote the manifest last had not seen the other's line."""
    folder = store_home.generations / "8f2c"
    ShardManifest(folder).append(line(0))
    ShardManifest(folder).sum_up()
    behind = (folder / MANIFEST_NAME).read_bytes()
    ShardManifest(folder).append(line(1))
    ShardManifest(folder).sum_up()
    write_bytes(folder / MANIFEST_NAME, behind)
    assert ShardManifest(folder).records() == [line(0), line(1)]


def test_a_damaged_line_is_named_and_left_out_where_that_is_asked_for(store_home: Home) -> None:
    folder = store_home.generations / "8f2c"
    ShardManifest(folder).append(line(0))
    write_bytes(folder / LINES_FOLDER / "space_group_number=225--shard-00001.parquet.bbbb.json", b"{")
    with pytest.raises(DamagedFileError, match=r"shard-00001\.parquet\.bbbb\.json is damaged"):
        ShardManifest(folder).records()
    lines, wrong = ShardManifest(folder).sound_records()
    assert lines == [line(0)]
    assert len(wrong) == 1


def test_a_rewrite_takes_lines_out(store_home: Home) -> None:
    folder = store_home.generations / "8f2c"
    ShardManifest(folder).append(line(0))
    ShardManifest(folder).append(line(1))
    ShardManifest(folder).rewrite([line(1)])
    assert ShardManifest(folder).records() == [line(1)]


def test_a_folder_goes_from_a_disk_to_a_store_and_back(store_home: Home, tmp_path: Path) -> None:
    here = ShardManifest(tmp_path / "here")
    here.append(line(0))
    place = store_home.generations / "8f2c"
    copy_up(here.folder, place)
    ShardManifest(place).append(line(1))
    assert ShardManifest(place).records() == [line(0), line(1)]

    copy_down(place, tmp_path / "back")
    back = ShardManifest(tmp_path / "back")
    assert back.records() == [line(0), line(1)], "not summed up, and read all the same"
    back.append(line(1, "c"))
    assert back.records() == [line(0), line(1, "c")]
    assert read_lines(back.path) == [line(0), line(1), line(1, "c")]
    assert not (back.folder / LINES_FOLDER).exists()
