"""What must be on a disk of this machine is refused elsewhere, with the repair."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from typer.testing import CliRunner

from crystalforge import files
from crystalforge.catalog.compaction import compact_generation
from crystalforge.catalog.manifest_lines import LINES_FOLDER
from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.cli.app import app
from crystalforge.errors import StorageError
from crystalforge.home import Home
from crystalforge.local_disk import local_state, network_kind
from crystalforge.locks import exclusive, held_by
from crystalforge.tracking import tracking_uri
from crystalforge.validation.ledger import Ledger

LINE = {"file": "shard-00000.parquet", "rows": 1, "sha256": "0" * 64, "bytes": 1}


@pytest.fixture
def shared_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the table of mounts says is on NFS; the kernel's own table is the only part that is not real."""
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setenv("CRYSTALFORGE_LOCAL_STATE", str(tmp_path / "state"))
    _say_on_nfs(folder, monkeypatch)
    return folder


def _say_on_nfs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [SimpleNamespace(mountpoint=str(folder), fstype="nfs4"), SimpleNamespace(mountpoint="/", fstype="ext4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)


def test_this_machine_has_its_temporary_folder_on_a_disk_of_its_own(tmp_path: Path) -> None:
    assert network_kind(tmp_path / "not" / "yet" / "there") is None


def test_a_folder_below_a_network_mount_is_known(shared_folder: Path) -> None:
    assert network_kind(shared_folder / "home" / "x") == "a network file system (nfs4)"
    assert network_kind(shared_folder.parent) is None


def test_the_ledger_is_refused_with_the_repair(shared_folder: Path) -> None:
    with pytest.raises(
        StorageError, match=r"ledger of calculations cannot lie on a network file system \(nfs4\).*home"
    ):
        Ledger(shared_folder / "home" / "validations")
    assert not (shared_folder / "home").exists()


def test_a_generation_is_compacted_on_a_disk_of_this_machine_alone(shared_folder: Path) -> None:
    with pytest.raises(StorageError, match=r"generation to compact cannot lie on .*nfs4.* Copy its home to one"):
        compact_generation(shared_folder / "home" / "generations" / "94b1055ab0")


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_dry_compaction_is_refused_where_compaction_is(
    drawn_home: Home, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    _say_on_nfs(drawn_home.path, monkeypatch)
    (folder,) = drawn_home.generations.iterdir()
    found = CliRunner().invoke(app, ["compact", folder.name, "--home", str(drawn_home.path), *options])
    assert found.exit_code == 1
    assert "The generation to compact cannot lie on" in " ".join(found.stderr.split())


def test_the_store_of_runs_is_refused_unless_another_is_named(
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.locate(shared_folder / "home")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(StorageError, match=r"SQLite store cannot lie on .*nfs4.* Set MLFLOW_TRACKING_URI"):
        tracking_uri(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org:5000")
    assert tracking_uri(home) == "http://mlflow.example.org:5000"


def test_a_lock_lies_on_this_machine(shared_folder: Path) -> None:
    folder = shared_folder / "run"
    with exclusive(folder, "The run"):
        assert held_by(folder)
        assert not (folder / ".lock").exists()
        assert len(list((local_state() / "locks").iterdir())) == 1


def test_locks_without_a_disk_of_this_machine_are_refused(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYSTALFORGE_LOCAL_STATE", str(shared_folder / "state"))
    with (
        pytest.raises(StorageError, match="Set CRYSTALFORGE_LOCAL_STATE to a folder on a disk of this machine"),
        exclusive(shared_folder / "run", "The run"),
    ):
        pass


def test_two_machines_never_append_to_one_manifest(shared_folder: Path) -> None:
    manifest = ShardManifest(shared_folder / "generation")
    manifest.append(LINE)
    assert not (manifest.folder / MANIFEST_NAME).exists()
    assert len(list((manifest.folder / LINES_FOLDER).iterdir())) == 1
    assert ShardManifest(manifest.folder).records() == [LINE]
    manifest.sum_up()
    assert files.read_lines(manifest.path) == [LINE]
