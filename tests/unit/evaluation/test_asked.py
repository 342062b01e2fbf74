"""Structures that a model is asked for, judged against crystals written by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from written_crystals import batch_of, perovskite, set_of, tinisi

from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.crystals.rows import batch_from_table
from crystalforge.dataset import split_materials, training_table
from crystalforge.evaluation.asked import Answers, ask, null_answers, structure_figures
from crystalforge.evaluation.generations import Drawn
from crystalforge.evaluation.samples import in_one_setting
from crystalforge.evaluation.workers import Workers
from crystalforge.files import write_json
from crystalforge.gan.baselines import CopyTrainer
from crystalforge.gan.checkpoint import save_checkpoint
from crystalforge.gan.model import training_statistics
from crystalforge.gan.recipe import load_recipe
from crystalforge.home import MODEL_RECORD, Home, group_folder_name

NUMBER = 221
WANTED = batch_of(perovskite(), perovskite(x="Ba", a=4.0), tinisi(), tinisi(0.30))


def test_what_was_not_made_does_not_match_and_has_no_error(here: Workers) -> None:
    # Of four crystals three are made: the first 10 % longer, the third as it is, the fourth with Sc elsewhere.
    made = batch_of(perovskite(a=3.905 * 1.1), tinisi(), tinisi())
    place = np.array([0, 2, 3])
    volumes = np.full(4, np.nan)
    volumes[place] = volumes_per_atom(made)
    figures = structure_figures(Answers("generated", np.arange(4), place, made, volumes), WANTED, here)
    found = {(figure.metric, figure.space_group_number): figure for figure in figures}
    assert (found["structure_match", None].value, found["structure_match", None].n) == (0.5, 4)
    assert (found["structure_match", 221].value, found["structure_match", 62].value) == (0.5, 0.5)
    assert found["structure_volume_error", 221].value == pytest.approx(3 * np.log(1.1))
    assert (found["structure_volume_error", 62].value, found["structure_volume_error", None].n) == (pytest.approx(0), 3)


def test_the_null_keeps_special_positions_and_throws_the_others(here: Workers) -> None:
    seen = batch_of(perovskite(a=4.1), tinisi(scale=1.1))
    answers = null_answers(seen, WANTED, seed=0)
    found = {(f.metric, f.space_group_number): f for f in structure_figures(answers, WANTED, here)}
    assert found["structure_match", 221].value == 1.0, "a perovskite has no free coordinate"
    assert found["structure_match", 62].value == 0.0
    assert found["structure_volume_error", 62].value == pytest.approx(3 * np.log(1.1))


@pytest.fixture(scope="module")
def asked_home(bundled_materials: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a donor model of one group, fitted to the bundled crystals."""
    home = Home.locate(tmp_path_factory.mktemp("asked") / "home")
    rows, _ = split_materials(_of_group(bundled_materials), 0.1)
    recipe = load_recipe("donor")
    table = training_table(rows, NUMBER)
    trainer = CopyTrainer.create(NUMBER, recipe, seed=0)
    trainer.train_epoch(CopyTrainer.prepare(table, recipe, 0))
    folder = home.trainings / "donor-1" / group_folder_name(NUMBER)
    save_checkpoint(
        folder / "checkpoint",
        trainer,
        training_statistics(table.atomic_numbers, rows["volume_per_atom"].to_numpy()),
        {},
    )
    write_json(folder / MODEL_RECORD, {"checkpoint": "checkpoint"})
    return home


def _of_group(materials: pa.Table) -> pa.Table:
    return materials.filter(pc.equal(materials["space_group_number"], NUMBER))


def _drawn(training_id: str, *crystals: int) -> Drawn:
    samples = set_of("generated", perovskite()) if NUMBER in crystals else set_of("generated", tinisi())
    return Drawn("g", Path(), "d", training_id, "donor", 0.1, 0.75, samples, 1)


def test_a_model_is_asked_for_the_crystals_of_its_groups(
    asked_home: Home, bundled_materials: pa.Table, here: Workers
) -> None:
    aside = in_one_setting(batch_from_table(split_materials(_of_group(bundled_materials), 0.1)[1]))
    wanted = type(aside).concatenate([WANTED.select(np.array([2])), aside])
    answers = ask(asked_home, _drawn("donor-1", NUMBER), "generated", wanted)
    assert answers is not None
    assert answers.asked.tolist() == list(range(1, len(wanted))), "not the crystal of 62"
    found = {f.metric: f for f in structure_figures(answers, wanted, here) if f.space_group_number is None}
    assert found["structure_match"].n == len(aside)
    assert found["structure_match"].value > 0.9
    null = {f.metric: f for f in structure_figures(null_answers(aside, aside, 0), aside, here)}
    assert found["structure_volume_error"].value < null["structure_volume_error"].value


def test_a_template_without_a_donor_is_not_made(asked_home: Home, here: Workers) -> None:
    crystal = batch_of(perovskite())
    unknown = replace(crystal, wyckoff_letter=np.array([["m", "m", "m"]]), multiplicity=np.array([[24, 24, 24]]))
    answers = ask(asked_home, _drawn("donor-1", NUMBER), "generated", unknown)
    assert answers is not None
    figures = {f.metric: f for f in structure_figures(answers, unknown, here) if f.space_group_number is None}
    assert (figures["structure_match"].value, figures["structure_volume_error"].n) == (0.0, 0)


def test_a_model_that_is_gone_gives_no_figures(asked_home: Home) -> None:
    assert ask(asked_home, _drawn("gone-1", NUMBER), "generated", WANTED) is None
    assert ask(asked_home, _drawn("donor-1", 62), "generated", WANTED) is None
