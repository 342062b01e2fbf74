"""Method forge: geometry beside the exact contacts, donors, losses, and a small training that resumes to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from crystalforge.crystals.contacts import pair_distances
from crystalforge.dataset import TrainingTable, training_table
from crystalforge.dataset.split import split_materials
from crystalforge.gan.checkpoint import load_model, load_trainer, open_checkpoint, save_checkpoint
from crystalforge.gan.forge.crystals import find_donors, slot_orders
from crystalforge.gan.forge.drawing import generate, widened
from crystalforge.gan.forge.knowledge import MAX_RATIO, Structures
from crystalforge.gan.forge.learning import ForgeData, asked, structures_of
from crystalforge.gan.forge.losses import contact_loss
from crystalforge.gan.forge.model import ForgeModel
from crystalforge.gan.forge.training import ForgeTrainer
from crystalforge.gan.forge.validation import validation_figures
from crystalforge.gan.forge_recipe import ForgeRecipe
from crystalforge.gan.model import training_statistics
from crystalforge.gan.recipe import load_recipe, recipe_from_values
from crystalforge.gan.volume import site_order
from crystalforge.generation.checking import merge_samples

GROUPS = [62, 164, 225]


@pytest.fixture(scope="session")
def small_forge() -> ForgeRecipe:
    """The forge recipe with two epochs of three steps."""
    values = load_recipe("forge").model_dump()
    values["optimisation"] |= {"batch_size": 16, "generator_steps": 6, "steps_per_epoch": 3}
    recipe = recipe_from_values(values, "small")
    assert isinstance(recipe, ForgeRecipe)
    return recipe


@pytest.fixture(scope="session")
def tables(bundled_materials: pa.Table) -> dict[int, tuple[TrainingTable, TrainingTable]]:
    """Training and validation part of some groups."""
    parts = split_materials(bundled_materials, 0.2)
    return {number: tuple(training_table(part, number) for part in parts) for number in GROUPS}


@pytest.fixture(scope="session")
def data(tables: dict[int, tuple[TrainingTable, TrainingTable]], small_forge: ForgeRecipe) -> dict[int, ForgeData]:
    return {number: ForgeTrainer.prepare(tables[number][0], small_forge, 0) for number in GROUPS}


@pytest.mark.parametrize("number", GROUPS)
def test_contacts_of_real_crystals_are_the_exact_ones(
    data: dict[int, ForgeData], tables: dict[int, tuple[TrainingTable, TrainingTable]], number: int
) -> None:
    knowledge, crystals = data[number].knowledge, tables[number][0].crystals
    ratios = knowledge.contact_ratios(knowledge.suggested, structures_of(knowledge.known), 3)
    assert ratios.shape[1:] == (6, 3) and (ratios.diff(dim=2) >= 0).all()
    n, order = len(crystals), site_order(crystals.wyckoff_letter)
    radii = knowledge.radii[knowledge.known.atomic_numbers[:n]].numpy()
    exact = np.take_along_axis(pair_distances(crystals)[:, :3], order, axis=1) / (2 * radii)
    np.testing.assert_allclose(ratios[:n, :3, 0], np.minimum(exact, MAX_RATIO), rtol=1e-4)


@pytest.mark.parametrize("number", GROUPS)
def test_no_crystal_is_its_own_donor_and_all_share_the_template(data: dict[int, ForgeData], number: int) -> None:
    known = data[number].knowledge.known
    donors = find_donors(known, known.code, known.atomic_numbers, 8, leave_out_same=True)
    rows = torch.arange(len(known))[:, None].expand_as(donors.index)[donors.exists]
    chosen = donors.index[donors.exists]
    elements = known.atomic_numbers.sort(dim=1).values
    assert len(rows) > len(known) and (elements[rows] != elements[chosen]).any(dim=1).all()
    assert (known.code[rows] == known.code[chosen]).all()
    assert (donors.distance.diff(dim=1) >= 0).all()
    nearest = find_donors(known, known.code, known.atomic_numbers, 1)
    assert (known.atomic_numbers[nearest.index[:, 0]] == known.atomic_numbers).all(), (
        "a known crystal is nearest itself"
    )


def test_sites_of_equal_letters_stand_in_every_order() -> None:
    code = torch.tensor([[97, 98, 99], [99, 99, 99], [97, 100, 100]])
    rows, order = slot_orders(code)
    assert torch.bincount(rows).tolist() == [1, 6, 2]
    assert rows[:3].tolist() == [0, 1, 2] and (order[:3] == torch.arange(3)).all()
    assert (code[rows[:, None], order] == code[rows]).all()


def test_the_contact_loss_grows_with_the_overlap_and_is_zero_within_the_window() -> None:
    window = torch.tensor([0.8, 0.9, 1.1])
    ratios = torch.tensor([0.2, 0.5, 0.8, 1.0, 1.3], requires_grad=True)
    losses = torch.stack([contact_loss(ratio.expand(1, 6, 1), window) for ratio in ratios])
    gradient = torch.autograd.grad(losses.sum(), ratios)[0]
    assert (gradient[:3].diff() > 0).all() and (gradient[:3] < 0).all(), "steepest where the overlap is worst"
    assert gradient[3] == 0 and gradient[4] > 0


def test_an_untrained_generator_leaves_the_start_as_it_is(data: dict[int, ForgeData], small_forge: ForgeRecipe) -> None:
    trainer, knowledge = ForgeTrainer.create(62, small_forge, seed=0), data[62].knowledge
    start = data[62].starts.take(torch.arange(len(knowledge.known)), 0)
    made = generate(knowledge, trainer.generator, knowledge.suggested, start, torch.zeros(len(start.support), 8))
    assert torch.equal(made.parameters, start.parameters)
    assert torch.equal(made.log_ratios, start.log_ratios)
    assert torch.equal(made.log_volume, knowledge.suggested.log_volume)


def test_the_gradient_penalty_sees_the_gradient_that_autograd_finds(
    data: dict[int, ForgeData], small_forge: ForgeRecipe
) -> None:
    critic, one = ForgeTrainer.create(62, small_forge, seed=0).critic, data[62]
    features = one.real_features.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(one.conditions, features).sum(), features)
    torch.testing.assert_close(critic.slopes(one.conditions, features.detach()), gradient)


def test_the_networks_do_not_learn_from_the_crystals_that_choose_the_epoch(data: dict[int, ForgeData]) -> None:
    for one in data.values():
        assert one.judged is not None
        composition, real, starts = one.judged
        known = one.knowledge.known
        triples = {tuple(sorted(numbers)) for numbers in composition.atomic_numbers.tolist()}
        learned = {tuple(sorted(numbers)) for numbers in known.atomic_numbers[one.learned_rows].tolist()}
        assert triples and not triples & learned
        assert len(composition) == len(real.log_volume) == len(starts.support)


def test_overlapping_crystals_are_widened_to_the_floor_and_others_left(data: dict[int, ForgeData]) -> None:
    knowledge = data[164].knowledge
    real, composition = structures_of(knowledge.known), knowledge.suggested
    tight = Structures(real.parameters, real.log_volume - 0.3, real.log_ratios)
    made = widened(knowledge, composition, tight)
    before, after = (knowledge.contact_ratios(composition, s, 1)[..., 0].amin(dim=1) for s in (tight, made))
    floor = knowledge.contact_window[0]
    low = before < floor
    assert low.any() and not low.all()
    torch.testing.assert_close(after[low], floor.expand(int(low.sum())), rtol=1e-4, atol=0)
    assert torch.equal(made.log_volume[~low], tight.log_volume[~low])


def _trained(data: ForgeData, recipe: ForgeRecipe, number: int) -> ForgeTrainer:
    trainer = ForgeTrainer.create(number, recipe, seed=3)
    while not trainer.finished:
        trainer.train_epoch(data)
    return trainer


@pytest.mark.parametrize("number", [62])
def test_a_training_continued_from_a_checkpoint_takes_the_same_steps(
    data: dict[int, ForgeData], small_forge: ForgeRecipe, tmp_path: Path, number: int
) -> None:
    whole = _trained(data[number], small_forge, number)
    part = ForgeTrainer.create(number, small_forge, seed=3)
    part.train_epoch(data[number])
    statistics = training_statistics(np.array([[1, 2, 3]]), np.array([10.0, 40.0]))
    save_checkpoint(tmp_path, part, statistics, {})
    continued = load_trainer(open_checkpoint(tmp_path))
    assert continued.epoch == 1 and not continued.finished
    continued.train_epoch(data[number])
    for name, tensor in whole.state_tensors().items():
        assert torch.equal(tensor, continued.state_tensors()[name]), name
    for name, tensor in whole.model_tensors().items():
        assert torch.equal(tensor, continued.model_tensors()[name]), name


def test_figures_of_the_judged_crystals_are_reported_and_the_best_epoch_is_kept(
    data: dict[int, ForgeData], small_forge: ForgeRecipe
) -> None:
    trainer = ForgeTrainer.create(164, small_forge, seed=0)
    figures = trainer.train_epoch(data[164])
    assert figures["validation_n"] >= 3 and 0 <= figures["validation_placed_share"] <= 1
    assert np.isfinite(trainer.best_score)
    trainer.best_score, kept = np.inf, dict(trainer.best)
    trainer.train_epoch(data[164])
    assert all(torch.equal(kept[name], tensor) for name, tensor in trainer.best.items()), "no epoch beats infinity"


@pytest.mark.parametrize("number", GROUPS)
def test_samples_stand_on_their_template_exactly(
    data: dict[int, ForgeData], small_forge: ForgeRecipe, tmp_path: Path, number: int
) -> None:
    trainer = ForgeTrainer.create(number, small_forge, seed=0)
    trainer.train_epoch(data[number])
    save_checkpoint(tmp_path, trainer, training_statistics(np.array([[1, 2, 3]]), np.array([10.0, 40.0])), {})
    model = load_model(tmp_path)
    assert isinstance(model, ForgeModel)
    drawn = model.draw(64, np.random.SeedSequence(1))
    again = model.draw(64, np.random.SeedSequence(1))
    np.testing.assert_array_equal(drawn.frac_coords, again.frac_coords)
    np.testing.assert_array_equal(drawn.lattice_parameters, again.lattice_parameters)
    merged, percolates = merge_samples(number, drawn, small_forge.sampling)
    assert not percolates.any()
    random, temperature = np.random.default_rng(np.random.SeedSequence(1)), small_forge.sampling.temperature
    composition = model.compositions.draw(64, random, temperature=temperature)
    assert (merged.atomic_numbers == composition.atomic_numbers).all()
    assert (merged.wyckoff_letter == composition.letters).mean() > 0.95, "few sites fall onto more special positions"


def test_structures_of_true_compositions_are_near_the_true_ones(
    data: dict[int, ForgeData], tables: dict[int, tuple[TrainingTable, TrainingTable]], small_forge: ForgeRecipe
) -> None:
    """The starts for crystals that nothing was learned from are already better than any random crystal."""
    knowledge = data[225].knowledge
    composition, real, starts = asked(knowledge, tables[225][1].crystals, small_forge.donors)
    started = Structures(starts.parameters[:, 0], composition.log_volume, starts.log_ratios[:, 0])
    random = Structures(
        torch.rand_like(started.parameters), torch.full_like(started.log_volume, 2.0), started.log_ratios
    )
    good, bad = (validation_figures(knowledge, composition, made, real) for made in (started, random))
    assert good["validation_n"] > 10
    assert good["validation_log_volume_error"] < 0.1 < bad["validation_log_volume_error"]
    assert good["validation_contact_share"] > bad["validation_contact_share"]
