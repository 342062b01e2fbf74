from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_queue import marked_processes, order_in, stand_in_recipe

from crystalforge.files import read_json, sha256_of_file
from crystalforge.validation.attempt import RESULT_FILE, AttemptOrder, run_attempt
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines.stand_in import LABEL
from crystalforge.validation.recipe import recipe_from_values

ENDINGS = {
    "fail": ("exited", "asked to fail on X0"),
    "crash": ("crashed", "code -11"),
    "empty": ("no_output", "stand_in_output.json is empty"),
    "early_end": ("no_output", "cut short"),
    "nan": ("not_a_number", "nan eV"),
    "wrong_crystal": ("impossible_result", "crystal another"),
    "memory": ("out_of_memory", "ended for its memory"),
}


@pytest.mark.parametrize("behaviour", ENDINGS)
def test_each_way_to_fail_has_its_class_and_its_text(tmp_path: Path, behaviour: str) -> None:
    folder = tmp_path / "attempt"
    report = run_attempt(order_in(folder, stand_in_recipe(behaviour=behaviour)))
    error_class, text = ENDINGS[behaviour]
    assert (report["error_class"], report["result"]) == (error_class, None)
    assert text in report["error_text"]
    assert read_json(folder / RESULT_FILE) == report
    assert marked_processes("attempt") == []


def test_a_result_keeps_its_inputs_its_code_and_their_checksums(tmp_path: Path) -> None:
    folder = tmp_path / "attempt"
    recipe = stand_in_recipe()
    report = run_attempt(order_in(folder, recipe))
    assert report["error_class"] is None
    assert report["result"]["details"]["label"] == LABEL, "the stand-in says that it is one"
    assert report["provenance"]["recipe_hash"] == recipe.recipe_hash
    assert set(report["files"]) == {"order.json", "stand_in.json", "stand_in_output.json", "stdout.txt", "stderr.txt"}
    assert all(sha256_of_file(folder / name) == digest for name, digest in report["files"].items())
    assert -8.0 < report["result"]["energy_ev"] < -2.0


def test_an_attempt_with_a_result_is_not_run_again(tmp_path: Path) -> None:
    order = order_in(tmp_path / "attempt", stand_in_recipe())
    first = run_attempt(order)
    assert run_attempt(order) == first
    again = run_attempt(order_in(tmp_path / "other", stand_in_recipe()))
    assert again["result"]["energy_ev"] == first["result"]["energy_ev"]


def test_attempts_may_behave_differently_one_after_the_other(tmp_path: Path) -> None:
    recipe = stand_in_recipe(behaviour=["fail", "empty", "replay"])
    classes = [run_attempt(order_in(tmp_path / str(number), recipe, number))["error_class"] for number in (1, 2, 3, 4)]
    assert classes == ["exited", "no_output", None, None]


def test_an_unknown_option_is_unsuitable_input(tmp_path: Path) -> None:
    report = run_attempt(order_in(tmp_path / "attempt", stand_in_recipe(behavior="replay")))
    assert report["error_class"] == "unsuitable_input"
    assert "no option 'behavior'" in report["error_text"]


def _metal(symbol_number: int, length: float) -> Crystal:
    """An element in the face-centred cubic structure, compressed or stretched to a cubic length (Å)."""
    lattice = length / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return Crystal("metal", "Cu", lattice, np.zeros((1, 3)), np.array([symbol_number]), 225)


def _potential_order(folder: Path, crystal: Crystal, **options: str) -> AttemptOrder:
    values = {
        "name": "emt",
        "engine": "potential",
        "physics": {"functional": "EMT", "force_tolerance": 0.01},
        "options": {"potential": "emt"} | options,
        "resources": {"walltime_s": 120},
    }
    recipe = recipe_from_values(values, "emt")
    return AttemptOrder(folder.name, 1, 1, 1, str(folder), crystal.to_json(), recipe.model_dump(), {})


def test_a_potential_is_an_engine_and_relaxes_a_real_metal(tmp_path: Path) -> None:
    report = run_attempt(_potential_order(tmp_path / "copper", _metal(29, 3.75)))
    assert report["error_class"] is None, report["error_text"]
    volume = abs(np.linalg.det(np.array(report["result"]["lattice"])))
    assert (4 * volume) ** (1 / 3) == pytest.approx(3.59, abs=0.01), "EMT's lattice constant of copper (Å)"
    assert report["provenance"]["potential"] == "emt"
    assert report["result"]["details"]["max_force"] <= 0.01


def test_a_potential_says_what_it_cannot(tmp_path: Path) -> None:
    sodium = run_attempt(_potential_order(tmp_path / "sodium", _metal(11, 5.3)))
    assert sodium["error_class"] == "unsuitable_input"
    other = run_attempt(_potential_order(tmp_path / "version", _metal(29, 3.6), version="ase 99"))
    assert other["error_class"] == "engine_missing"
    assert "another scale of energies" in other["error_text"]
    unknown = run_attempt(_potential_order(tmp_path / "unknown", _metal(29, 3.6), potential="emtt"))
    assert "no potential 'emtt'" in unknown["error_text"]
