"""Crystals of Wyckoff templates that no training crystal has: new, of the group, and made by a search that helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.dataset import training_table
from crystalforge.errors import CompositionError
from crystalforge.gan.baselines import CopyTrainer
from crystalforge.gan.checkpoint import load_model, save_checkpoint
from crystalforge.gan.compositions.new_templates import with_new_templates
from crystalforge.gan.constraints import Constraints
from crystalforge.gan.forge.model import ForgeModel
from crystalforge.gan.forge.new_templates import Search
from crystalforge.gan.forge.training import ForgeTrainer
from crystalforge.gan.model import RawSamples, training_statistics
from crystalforge.gan.recipe import load_recipe, recipe_from_values
from crystalforge.gan.request import Request
from crystalforge.gan.stretch import Stretch
from crystalforge.generation.checking import judge
from crystalforge.generation.sampling import floors_of

NUMBER = 123
NEW = Request(new_templates=True)


@pytest.fixture(scope="module")
def model(bundled_materials: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> ForgeModel:
    """A short training on the bundled crystals of space group 123."""
    values = load_recipe("forge").model_dump()
    values["optimisation"] |= {"generator_steps": 4, "steps_per_epoch": 4}
    values["sampling"]["compositions"] = "swap"
    recipe = recipe_from_values(values, "test")
    rows = bundled_materials.filter(pc.equal(bundled_materials["space_group_number"], NUMBER))
    table = training_table(rows, NUMBER)
    trainer = ForgeTrainer.create(NUMBER, recipe, 0)
    trainer.train_epoch(ForgeTrainer.prepare(table, recipe, 0))
    statistics = training_statistics(table.crystals.atomic_numbers, volumes_per_atom(table.crystals))
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(checkpoint, trainer, statistics, {})
    trained = load_model(checkpoint)
    assert isinstance(trained, ForgeModel)
    return trained


def templates(model: ForgeModel, raw: RawSamples) -> set[tuple[str, ...]]:
    crystals = judge(NUMBER, raw, floors_of(model)).crystals
    return {tuple(sorted(row)) for row in crystals.wyckoff_letter.tolist()}


def test_no_template_is_that_of_a_training_crystal_in_any_setting(model: ForgeModel) -> None:
    found = with_new_templates(model.compositions).space
    known = {tuple(row) for row in model.compositions.space.letters.tolist()}
    names = {tuple(row) for row in found.letters.tolist()}
    assert len(names) > 3
    assert not names & known
    # The shift of the origin by c/2 exchanges a with b, c with d and so on: of two settings the lesser one is drawn.
    exchanged = str.maketrans("abcdefjklmno", "badcfekjmlon")
    assert all(tuple(row) <= tuple(sorted("".join(row).translate(exchanged))) for row in names)
    assert found.multiplicity.sum(axis=1).max() <= model.compositions.space.multiplicity.sum(axis=1).max()
    assert found.order_shares.sum() == pytest.approx(1)


def test_samples_have_new_templates_and_the_same_seed_gives_the_same(model: ForgeModel) -> None:
    seed, stretch = np.random.SeedSequence(4), Stretch(0, 0.1, 40)
    raw = model.draw(40, seed, stretch, NEW)
    known = {tuple(row) for row in model.compositions.space.letters.tolist()}
    assert not templates(model, raw) & known
    again = model.draw(40, seed, stretch, NEW)
    assert np.array_equal(raw.frac_coords, again.frac_coords)
    assert np.array_equal(raw.lattice_parameters, again.lattice_parameters)


def test_the_search_is_better_than_random_parameters(model: ForgeModel) -> None:
    drawn = with_new_templates(model.compositions).draw(60, np.random.default_rng(1))
    nothing = Search(n_starts=1, n_kept=1, n_steps=0, by_critic=False)
    shares = [
        judge(
            NUMBER,
            model.new_structures_for(drawn.letters, drawn.atomic_numbers, np.random.default_rng(2), search),
            floors_of(model),
        ).accepted.mean()
        for search in (Search(), nothing)
    ]
    assert shares[0] > 0.85
    assert shares[0] > shares[1] + 0.3


def test_constraints_hold_for_new_templates_too(model: ForgeModel) -> None:
    request = replace(NEW, constraints=Constraints(elements_in=("O",)), distinct=True)
    assert 0 < model.capacity(request).share < 1
    raw = model.draw(30, np.random.SeedSequence(1), Stretch(0, 0.5, 30), request)
    assert (raw.atomic_numbers == 8).any(axis=1).all()


def test_a_baseline_has_nothing_to_copy(bundled_materials: pa.Table) -> None:
    rows = bundled_materials.filter(pc.equal(bundled_materials["space_group_number"], NUMBER))
    table = training_table(rows, NUMBER)
    recipe = load_recipe("swap")
    trainer = CopyTrainer.create(NUMBER, recipe, 0)
    trainer.train_epoch(CopyTrainer.prepare(table, recipe, 0))
    with pytest.raises(CompositionError, match=r"recipe swap copies training crystals.*Leave out --new-templates"):
        trainer.model({}).capacity(NEW)
