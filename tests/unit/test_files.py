"""Files are whole or absent: on a full disk, after a crash, under damage, and between two commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_disk import mounted_disk

from crystalforge import files
from crystalforge.errors import DamagedFileError, StorageError


def test_a_file_appears_whole_and_leaves_no_temporary_one(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "new" / "file", b"content")
    assert (tmp_path / "new" / "file").read_bytes() == b"content"
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "file"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_bytes(path, b"old")

    def write(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        files.write_atomically(path, write)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A real file system of 64 KiB."""
    with mounted_disk("64k") as folder:
        yield folder


def test_a_full_disk_is_named_with_its_free_space_and_nothing_is_left(small_disk: Path) -> None:
    files.write_bytes(small_disk / "kept", b"x" * 1000)
    with pytest.raises(StorageError, match=r"No space left to write .*big: 0\.\d MiB free.*same command again"):
        files.write_bytes(small_disk / "big", b"x" * 200_000)
    assert [path.name for path in small_disk.iterdir()] == ["kept"]
    with pytest.raises(StorageError, match="No space left"):
        files.append_line(small_disk / "lines", {"x": "y" * 200_000})
    (small_disk / "kept").unlink()
    files.append_line(small_disk / "lines", {"x": 1})
    assert files.read_lines(small_disk / "lines") == [{"x": 1}]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"Cannot use .*file/below: Not a directory"):
        files.write_bytes(tmp_path / "file" / "below", b"")


def test_json_survives_a_round_trip_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    files.write_json(path, {"å": [1, None]})
    assert files.read_json(path) == {"å": [1, None]}
    path.write_text("{")
    with pytest.raises(DamagedFileError, match=r"value\.json is damaged: expected JSON, got 1 bytes"):
        files.read_json(path)


def test_a_last_line_cut_short_was_never_committed(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    assert files.read_lines(path) == []
    files.append_line(path, {"a": 1})
    files.append_line(path, {"a": 2})
    with path.open("a") as stream:
        stream.write('{"a": ')
    assert files.read_lines(path) == [{"a": 1}, {"a": 2}]
    files.append_line(path, {"a": 3})
    assert files.read_lines(path) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_damaged_line_before_the_last_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text('{"a": 1}\nxx\n{"a": 2}\n')
    with pytest.raises(DamagedFileError, match="line 2 is damaged"):
        files.read_lines(path)


def test_checksums_tell_missing_and_changed_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    checksum = files.sha256_of_file(path)
    files.check_sha256(path, checksum, "Repair.")
    path.write_bytes(b"Content")
    with pytest.raises(DamagedFileError, match=r"expected sha256 ed7002b439e9….*Repair\."):
        files.check_sha256(path, checksum, "Repair.")
    path.unlink()
    with pytest.raises(DamagedFileError, match="is missing"):
        files.check_sha256(path, checksum, "Repair.")


def test_fingerprints_do_not_depend_on_the_order_of_keys() -> None:
    assert files.fingerprint({"a": 1, "b": 2}) == files.fingerprint({"b": 2, "a": 1})
    assert files.fingerprint({"a": 1}) != files.fingerprint({"a": 2})


def test_a_folder_appears_whole_and_a_failed_one_leaves_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"

    def write(below: Path) -> None:
        (below / "a").write_text("1")
        (below / "deep").mkdir()
        (below / "deep" / "b").write_text("2")
        assert not folder.exists()

    def fail(below: Path) -> None:
        (below / "c").write_text("3")
        raise ZeroDivisionError

    files.write_folder_atomically(folder, write)
    with pytest.raises(ZeroDivisionError):
        files.write_folder_atomically(folder, fail, replace=True)
    assert sorted(path.name for path in folder.rglob("*")) == ["a", "b", "deep"]
    with pytest.raises(StorageError, match="Cannot use"):
        files.write_folder_atomically(folder, lambda below: (below / "d").write_text("4"))
    files.write_folder_atomically(folder, lambda below: (below / "d").write_text("4"), replace=True)
    assert [path.name for path in folder.iterdir()] == ["d"]
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_temporary_folders_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead, living = (tmp_path / f".x.{pid}.partial" for pid in (ended.stdout.strip(), os.getppid()))
    dead.mkdir()
    living.mkdir()
    (tmp_path / ".x.y.12.partial").mkdir()
    files.write_folder_atomically(tmp_path / "x", lambda below: (below / "a").write_text("1"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.name, ".x.y.12.partial", "x"])
