"""Paths on an object store, against a real S3 server on loopback."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from s3_server import BUCKET, S3Server

from crystalforge import files
from crystalforge.errors import BusyError, DamagedFileError, MissingDependencyError, StorageError, UsageError
from crystalforge.home import Home
from crystalforge.locks import exclusive, held_by
from crystalforge.object_store import as_path, as_url, on_store


def test_a_url_is_known_also_where_a_path_lost_a_slash() -> None:
    assert as_url("s3://bucket/prefix") == "s3://bucket/prefix"
    assert as_url(Path("s3://bucket/prefix")) == "s3://bucket/prefix"
    assert as_url("crystalforge-home") is None
    assert as_url(Path("/data/home")) is None
    assert as_path("data/home") == Path("data/home")


def test_a_path_has_the_names_that_pathlib_gives(store_home: Home) -> None:
    path = store_home.path / "generations" / "8f2c" / "manifest.jsonl"
    assert on_store(path)
    assert str(path).startswith(f"s3://{BUCKET}/")
    assert str(path).endswith("/generations/8f2c/manifest.jsonl")
    assert (path.name, path.suffix, path.parent.name) == ("manifest.jsonl", ".jsonl", "8f2c")
    assert path.parents[1] == store_home.generations
    assert path.with_name("plan.json") == path.parent / "plan.json"
    assert path.relative_to(store_home.path).as_posix() == "generations/8f2c/manifest.jsonl"
    assert path.is_relative_to(store_home.path)
    assert not path.is_relative_to(store_home.datasets)
    assert pickle.loads(pickle.dumps(path)) == path
    assert sorted([store_home.path / "b", store_home.path / "a"])[0].name == "a"


def test_an_object_is_there_whole_or_not_at_all(store_home: Home) -> None:
    path = store_home.path / "folder" / "value.json"
    assert not path.exists()
    assert not path.parent.is_dir()
    with pytest.raises(FileNotFoundError):
        path.read_bytes()
    with pytest.raises(StorageError, match=r"Cannot use s3://.*value\.json: No such object"):
        files.read_json(path)
    files.write_json(path, {"å": 1})
    assert files.read_json(path) == {"å": 1}
    assert path.is_file()
    assert path.parent.is_dir()
    assert path.stat().st_size == len(path.read_bytes())
    assert files.sha256_of_file(path) == files.hashlib.sha256(path.read_bytes()).hexdigest()
    files.check_sha256(path, files.sha256_of_file(path), "Repair.")
    path.unlink()
    path.unlink(missing_ok=True)
    assert not path.exists()


def test_folders_are_listed_by_their_keys(store_home: Home) -> None:
    for name in ("a/record.json", "b/record.json", "b/other/deep.json", "c/shard-1.parquet"):
        files.write_bytes(store_home.path / name, name.encode())
    assert [path.name for path in sorted(store_home.path.iterdir())] == ["a", "b", "c"]
    found = [path.relative_to(store_home.path).as_posix() for path in store_home.path.glob("*/record.json")]
    assert found == ["a/record.json", "b/record.json"]
    assert [path.name for path in (store_home.path / "c").glob("*.parquet")] == ["shard-1.parquet"]
    assert [path.name for path in store_home.path.rglob("*.json")] == ["record.json", "deep.json", "record.json"]
    assert list((store_home.path / "none").iterdir()) == []
    assert list((store_home.path / "none").glob("*")) == []


def test_lines_are_appended_by_putting_the_whole(store_home: Home) -> None:
    path = store_home.path / "progress.jsonl"
    assert files.read_lines(path) == []
    files.append_line(path, {"epoch": 1})
    files.append_line(path, {"epoch": 2})
    assert files.read_lines(path) == [{"epoch": 1}, {"epoch": 2}]


def test_a_small_object_is_one_request(store_home: Home, s3: S3Server) -> None:
    s3.requests()
    files.write_bytes(store_home.path / "shard", b"x" * 100_000)
    asked = s3.requests()
    assert [(line["method"], line["bytes_in"]) for line in asked] == [("PUT", 100_000)]


def test_a_name_cannot_climb_out(store_home: Home) -> None:
    for name in ("../x", "/x", "a/../../x", ""):
        with pytest.raises(DamagedFileError, match="expected a plain file inside s3://"):
            files.path_within(store_home.datasets, name, source=store_home.datasets)
    assert files.path_within(store_home.datasets, "a/b", source=store_home.datasets) == store_home.datasets / "a/b"


def test_a_folder_is_held_by_one_process_of_this_machine(store_home: Home) -> None:
    program = (
        "import sys; from crystalforge.locks import exclusive; from crystalforge.object_store import as_path\n"
        "with exclusive(as_path(sys.argv[1]), 'The run'): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(store_home.datasets)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert held_by(store_home.datasets) == str(process.pid)
        with (
            pytest.raises(BusyError, match=f"in use by process {process.pid}"),
            exclusive(store_home.datasets, "The run"),
        ):
            pass
        process.kill()
    with exclusive(store_home.datasets, "The run"):
        assert not list(store_home.path.rglob("*")), "no lock is on the store"


def test_a_missing_bucket_is_named(s3: S3Server) -> None:
    with pytest.raises(StorageError, match=r"s3://no-such-bucket/home: .*NO_SUCH_BUCKET.* Make the bucket"):
        Home.locate("s3://no-such-bucket/home", store=True)


def test_a_url_without_a_bucket_is_refused(s3: S3Server) -> None:
    for url in ("s3://", "s3:///", "s3://bucket/../other"):
        with pytest.raises(UsageError, match="has no bucket: expected one such as s3://bucket/prefix"):
            Home.locate(url, store=True)


def test_a_protocol_that_nothing_speaks_is_named() -> None:
    with pytest.raises(MissingDependencyError, match="Homes on nosuch://"):
        Home.locate("nosuch://bucket/home", store=True)


def test_what_cannot_work_on_a_store_refuses_before_it_asks(s3: S3Server) -> None:
    with pytest.raises(UsageError, match=r"needs a home on a disk of this machine, got s3://x/y"):
        Home.locate("s3://x/y")
    assert s3.requests() == []
