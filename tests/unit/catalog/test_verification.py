from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crystalforge.catalog import verification
from crystalforge.catalog.verification import VERIFIED_NAME, ExpectedFile, find_damages, verify_files
from crystalforge.errors import DamagedFileError
from crystalforge.files import sha256_of_file
from crystalforge.home import Home


@pytest.fixture
def files(tmp_path: Path) -> list[ExpectedFile]:
    paths = [tmp_path / f"{number}.bin" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 1000)
    return [ExpectedFile(path, sha256_of_file(path), 1000, f"File {path.stem}", "Repair it.") for path in paths]


@pytest.fixture
def large_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that is above the size up to which every file is hashed."""
    monkeypatch.setattr(verification, "ALWAYS_HASHED_BYTES", 0)
    return Home.locate(tmp_path)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)


def test_whole_files_pass_and_nothing_is_written(tmp_path: Path, files: list[ExpectedFile]) -> None:
    verify_files(Home.locate(tmp_path), files)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_small_home_is_hashed_at_every_opening(tmp_path: Path, files: list[ExpectedFile]) -> None:
    verify_files(Home.locate(tmp_path), files)
    flip(files[1].path)
    files[2].path.unlink()
    damages = find_damages(Home.locate(tmp_path), files)
    assert [(damage.expected.what, damage.found_sha256 is None) for damage in damages] == [
        ("File 1", False),
        ("File 2", True),
    ]
    with pytest.raises(DamagedFileError, match=r"File 1 is damaged.*Repair it. \(1 more are damaged or missing.\)"):
        verify_files(Home.locate(tmp_path), files)


def test_a_large_home_remembers_what_it_verified(large_home: Home, files: list[ExpectedFile]) -> None:
    assert find_damages(large_home, files) == []
    remembered = json.loads((large_home.path / VERIFIED_NAME).read_text())
    assert set(remembered) == {str(file.path) for file in files}
    assert find_damages(large_home, files) == []


def test_a_change_with_its_time_set_back_is_still_seen(large_home: Home, files: list[ExpectedFile]) -> None:
    assert find_damages(large_home, files) == []
    status = files[0].path.stat()
    flip(files[0].path)
    os.utime(files[0].path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [damage.expected.what for damage in find_damages(large_home, files)] == ["File 0"]
    assert [damage.expected.what for damage in find_damages(large_home, files)] == ["File 0"], "never remembered"


def test_another_expected_checksum_is_not_taken_for_verified(large_home: Home, files: list[ExpectedFile]) -> None:
    assert find_damages(large_home, files) == []
    other = ExpectedFile(files[0].path, "0" * 64, 1000, "File 0", "Repair it.")
    assert len(find_damages(large_home, [other])) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 1}'])
def test_a_damaged_memory_is_not_trusted(large_home: Home, files: list[ExpectedFile], content: str) -> None:
    (large_home.path / VERIFIED_NAME).write_text(content)
    flip(files[0].path)
    assert len(find_damages(large_home, files)) == 1


def test_a_home_that_cannot_be_written_is_read_all_the_same(large_home: Home, files: list[ExpectedFile]) -> None:
    (large_home.path / VERIFIED_NAME).mkdir()
    assert find_damages(large_home, files) == []
