"""Checkpoints: whole or refused, and nothing of a foreign file is ever run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from crystalforge.dataset import TrainingTable
from crystalforge.errors import DamagedFileError
from crystalforge.files import read_json, sha256_of_file, write_json
from crystalforge.gan.checkpoint import MODEL, RECORD, STATE, load_model, load_trainer, open_checkpoint, save_checkpoint
from crystalforge.gan.model import training_statistics
from crystalforge.gan.paper_training import PaperTrainer
from crystalforge.gan.recipe import Recipe


@pytest.fixture
def saved(tiny_recipe: Recipe, table_62: TrainingTable, tmp_path: Path) -> Path:
    statistics = training_statistics(table_62.atomic_numbers, np.array([10.0, 40.0]))
    save_checkpoint(tmp_path / "saved", PaperTrainer.create(62, tiny_recipe, seed=0), statistics, {"dataset_id": "d"})
    return tmp_path / "saved"


def test_a_model_draws_from_its_checkpoint(saved: Path, table_62: TrainingTable) -> None:
    model = load_model(saved)
    assert model.volume_window == (10.0 / 1.5, 40.0 * 1.5)
    first, second, other = (model.draw(20, np.random.SeedSequence(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.frac_coords, second.frac_coords)
    np.testing.assert_array_equal(first.lattice_parameters, second.lattice_parameters)
    assert not np.array_equal(first.frac_coords, other.frac_coords)
    assert set(np.unique(first.atomic_numbers)) <= set(np.unique(table_62.atomic_numbers))
    assert first.radii.shape == (20, 3)


def test_the_record_says_what_was_saved(saved: Path) -> None:
    record = read_json(saved / RECORD)
    assert (record["space_group_number"], record["seed"], record["dataset_id"]) == (62, 0, "d")
    assert record["sha256"] == {name: sha256_of_file(saved / name) for name in (MODEL, STATE)}


@pytest.mark.parametrize("name", [MODEL, STATE])
def test_a_changed_file_is_refused_with_its_name(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[len(content) // 2] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"{name} is damaged: expected sha256 .* found .*train-all"):
        load_trainer(open_checkpoint(saved))


@pytest.mark.parametrize("name", [MODEL, STATE, RECORD])
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(DamagedFileError, match=name):
        load_trainer(open_checkpoint(saved))


class _Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.target,)


def test_a_pickle_in_place_of_the_model_is_refused_and_not_run(saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "it-ran"
    (saved / MODEL).write_bytes(pickle.dumps(_Payload(target)))
    record = read_json(saved / RECORD)
    record["sha256"][MODEL] = sha256_of_file(saved / MODEL)  # even with the right checksum
    write_json(saved / RECORD, record)
    with pytest.raises(DamagedFileError, match="is not a safetensors file"):
        load_model(saved)
    assert not target.exists()


def test_weights_of_other_networks_are_refused(saved: Path, tiny_recipe: Recipe) -> None:
    values = tiny_recipe.model_dump()
    values["networks"]["element_features"] += 1
    save_file(load_file(saved / MODEL), saved / MODEL, metadata={"recipe": json.dumps(values)})
    record = read_json(saved / RECORD)
    record["sha256"][MODEL] = sha256_of_file(saved / MODEL)
    write_json(saved / RECORD, record)
    with pytest.raises(DamagedFileError, match="does not fit the networks of its recipe"):
        load_model(saved)


def test_a_record_of_another_format_is_refused(saved: Path) -> None:
    write_json(saved / RECORD, read_json(saved / RECORD) | {"format_version": 99})
    with pytest.raises(DamagedFileError, match="is of format 99: expected 2"):
        open_checkpoint(saved)
    write_json(saved / RECORD, {})
    with pytest.raises(DamagedFileError, match="it lacks epoch, format_version"):
        open_checkpoint(saved)


def test_saving_twice_gives_the_same_bytes(tiny_recipe: Recipe, tmp_path: Path) -> None:
    checksums = [
        save_checkpoint(tmp_path / name, PaperTrainer.create(62, tiny_recipe, seed=3), {"x": torch.ones(2)}, {})
        for name in ("a", "b")
    ]
    assert checksums[0] == checksums[1]
