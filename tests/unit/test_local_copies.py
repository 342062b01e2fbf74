"""Copies on this machine of what a store holds: brought once, never of other bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from s3_server import S3Server

from crystalforge import local_copies as copies
from crystalforge.errors import DamagedFileError, StorageError
from crystalforge.files import write_bytes
from crystalforge.home import Home

CONTENT = b"the rows"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def stored(store_home: Home) -> Path:
    """A file on the store."""
    path = store_home.path / "shard.parquet"
    write_bytes(path, CONTENT)
    return path


def test_a_file_of_this_machine_is_its_own_copy(tmp_path: Path) -> None:
    path = tmp_path / "shard.parquet"
    assert copies.local_copy(path, SHA256, "") is path
    assert copies.local_copies([(path, SHA256, 8, "")]) == [path]


def test_a_file_is_brought_once(stored: Path, s3: S3Server) -> None:
    copy = copies.local_copy(stored, SHA256, "Repair.")
    assert copy.read_bytes() == CONTENT
    assert copy.suffix == ".parquet"
    s3.requests()
    assert copies.local_copy(stored, SHA256, "Repair.") == copy
    assert copies.local_copies([(stored, SHA256, 8, "Repair.")]) == [copy]
    assert s3.requests() == []


def test_a_copy_that_changed_is_brought_again(stored: Path) -> None:
    copy = copies.local_copy(stored, SHA256, "Repair.")
    copy.write_bytes(b"other")
    assert copies.local_copy(stored, SHA256, "Repair.").read_bytes() == CONTENT


def test_other_bytes_are_refused_and_leave_no_copy(stored: Path) -> None:
    with pytest.raises(DamagedFileError, match=r"shard\.parquet is damaged: .* on the store\. Draw it again"):
        copies.local_copies([(stored, "0" * 64, 8, "Draw it again.")])
    stored.unlink()
    with pytest.raises(DamagedFileError, match=r"shard\.parquet is missing.*Draw it again"):
        copies.local_copy(stored, SHA256, "Draw it again.")
    assert not copies.copy_folder().exists()


def test_more_than_the_disk_takes_is_refused_before_it_is_brought(stored: Path, s3: S3Server) -> None:
    s3.requests()
    with pytest.raises(StorageError, match=r"do not fit into .*set CRYSTALFORGE_LOCAL_STATE"):
        copies.local_copies([(stored, SHA256, 2**60, "")])
    assert s3.requests() == []
