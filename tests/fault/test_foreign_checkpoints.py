"""Checkpoints cut short, of another run, or pickles with a payload: refused by name and checksum, nothing is run."""

from __future__ import annotations

import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_generation import TRAINING_ID, add_training

from crystalforge.dataset import find_dataset
from crystalforge.errors import DamagedFileError
from crystalforge.files import read_json, sha256_of_file, write_json
from crystalforge.gan.checkpoint import MODEL, RECORD, STATE, load_model, load_trainer, open_checkpoint
from crystalforge.home import Home
from crystalforge.integrity import Kind, verify_home

CHECKSUMS = r"expected sha256 \w{12}…, found \w{12}…"
N_TRUNCATIONS = 20


@pytest.fixture(scope="module")
def made(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("foreign") / "home"))
    add_training(home, find_dataset(home))
    assert verify_home(home).findings == []
    return home


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(made.path, tmp_path / "home"))


@pytest.fixture
def checkpoint(home: Home) -> Path:
    return home.trainings / TRAINING_ID / "space_group_number=225" / "checkpoint_1"


def payload(target: Path) -> bytes:
    """A pickle that makes a file when it is loaded."""

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (target,)

    content = pickle.dumps(Payload())
    pickle.loads(content)
    assert target.exists(), "the payload works"
    target.unlink()
    return content


@pytest.mark.parametrize("name", [MODEL, STATE])
def test_every_truncation_is_refused(home: Home, checkpoint: Path, name: str) -> None:
    path, chance = checkpoint / name, random.Random(4)
    content = path.read_bytes()
    for number in range(N_TRUNCATIONS):
        path.write_bytes(content[: 0 if number == 0 else chance.randrange(len(content))])
        with pytest.raises(DamagedFileError, match=rf"{checkpoint / name} is damaged: {CHECKSUMS}.*train-all"):
            load_trainer(open_checkpoint(checkpoint))
    problems = verify_home(home, remake=0).problems
    assert [(finding.kind, finding.path) for finding in problems] == [(Kind.DAMAGED, str(path.relative_to(home.path)))]


def test_the_model_of_another_group_is_refused(home: Home, checkpoint: Path) -> None:
    other = checkpoint.parents[1] / "space_group_number=62" / "checkpoint_1"
    shutil.copy(other / MODEL, checkpoint / MODEL)
    with pytest.raises(DamagedFileError, match=rf"{checkpoint / MODEL} is damaged: {CHECKSUMS}"):
        load_model(checkpoint)
    shutil.copytree(other, checkpoint, dirs_exist_ok=True)
    kinds = {finding.kind for finding in verify_home(home, remake=0).problems}
    assert kinds == {Kind.RECORD}, "a whole checkpoint, but not the one that the model's record names"


@pytest.mark.parametrize("name", [MODEL, STATE, RECORD, "../model.json"])
@pytest.mark.parametrize("with_checksum", [False, True])
def test_a_pickle_is_refused_and_not_run(
    home: Home, checkpoint: Path, tmp_path: Path, name: str, with_checksum: bool
) -> None:
    target = tmp_path / "it-ran"
    (checkpoint / name).write_bytes(payload(target))
    if with_checksum and name in (MODEL, STATE):
        record = read_json(checkpoint / RECORD)
        write_json(
            checkpoint / RECORD, record | {"sha256": record["sha256"] | {name: sha256_of_file(checkpoint / name)}}
        )
    if name == "../model.json":
        load_trainer(open_checkpoint(checkpoint))
    else:
        expected = "is not a safetensors file" if with_checksum and name != RECORD else f"{name} is damaged"
        with pytest.raises(DamagedFileError, match=expected):
            load_trainer(open_checkpoint(checkpoint))
    if not (with_checksum and name == STATE):  # which no model record vouches for
        assert verify_home(home, remake=0).problems
    assert not target.exists()


def test_the_command_refuses_a_pickle_by_name(home: Home, checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "it-ran"
    (checkpoint / MODEL).write_bytes(payload(target))
    program = [sys.executable, "-W", "ignore", "-c", "from crystalforge.cli import main; main()"]
    result = subprocess.run(
        [*program, "verify", "--home", home.path], capture_output=True, text=True, timeout=90, check=False
    )
    assert result.returncode == 1
    assert f"{MODEL} is damaged: expected sha256" in result.stdout
    assert not target.exists()
