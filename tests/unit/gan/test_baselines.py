"""The baselines: a copy is a training crystal with other elements, in a cell that fits them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.crystals.elements import atomic_number, atomic_radii
from crystalforge.crystals.lattice import cell_volumes
from crystalforge.dataset import TrainingTable, training_table
from crystalforge.errors import RecipeError
from crystalforge.gan.baselines import CopyModel, CopyTrainer
from crystalforge.gan.checkpoint import load_model, load_trainer, open_checkpoint, save_checkpoint
from crystalforge.gan.donors import find_donors
from crystalforge.gan.model import training_statistics
from crystalforge.gan.recipe import load_recipe
from crystalforge.generation.checking import judge
from crystalforge.generation.sampling import accepted_shares, floors_of

NUMBER = 62


@pytest.fixture(scope="module")
def seen(bundled_materials: pa.Table) -> TrainingTable:
    return training_table(bundled_materials, NUMBER, 0.1)


@pytest.fixture(scope="module")
def folders(seen: TrainingTable, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for name in ("donor", "swap"):
        trainer = CopyTrainer.create(NUMBER, load_recipe(name), seed=0)
        assert not trainer.finished
        terms = trainer.train_epoch(CopyTrainer.prepare(seen, trainer.recipe, 0))
        assert trainer.finished
        assert 0 < terms["spread_log_volume"] < 0.1
        statistics = training_statistics(seen.atomic_numbers, volumes_per_atom(seen.crystals))
        folders[name] = tmp_path_factory.mktemp(name)
        save_checkpoint(folders[name], trainer, statistics, {})
    return folders


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, CopyModel]:
    return {name: load_model(folder) for name, folder in folders.items()}  # type: ignore[misc]


@pytest.mark.parametrize("name", ["donor", "swap"])
def test_a_training_crystal_asked_for_is_given_back(
    models: dict[str, CopyModel], seen: TrainingTable, name: str
) -> None:
    crystals = seen.crystals
    raw = models[name].structures_for(crystals.wyckoff_letter, crystals.atomic_numbers)
    np.testing.assert_array_equal(raw.frac_coords, crystals.frac_coords)
    tolerance = {"donor": 0.05, "swap": 1e-12}[name]
    ratios = raw.lattice_parameters[:, :3] / crystals.lattice_parameters[:, :3]
    assert np.median(np.abs(np.log(ratios))) < tolerance
    np.testing.assert_allclose(ratios, ratios[:, :1].repeat(3, axis=1), rtol=1e-12)  # the shape of the cell is copied


@pytest.mark.parametrize("name", ["donor", "swap"])
def test_draws_are_accepted_and_decided_by_the_seed(models: dict[str, CopyModel], name: str) -> None:
    model = models[name]
    first, again, other = (model.draw(200, np.random.SeedSequence(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.frac_coords, again.frac_coords)
    np.testing.assert_array_equal(first.lattice_parameters, again.lattice_parameters)
    assert not np.array_equal(first.atomic_numbers, other.atomic_numbers)
    shares = accepted_shares(model, 200, np.random.SeedSequence(3))
    assert shares["accepted_share"] > 0.85 > 0.2 > shares["accepted_share_null"]


def test_copies_keep_their_templates(models: dict[str, CopyModel], seen: TrainingTable) -> None:
    model = models["donor"]
    verdicts = judge(NUMBER, model.draw(200, np.random.SeedSequence(1)), floors_of(model))
    templates = {"".join(sorted(letters)) for letters in seen.crystals.wyckoff_letter}
    assert {"".join(sorted(letters)) for letters in verdicts.crystals.wyckoff_letter} <= templates


def test_the_donors_cell_has_the_learned_volume_and_the_swaps_that_of_the_radii(
    models: dict[str, CopyModel], seen: TrainingTable
) -> None:
    letters, numbers = seen.crystals.wyckoff_letter[:1], seen.crystals.atomic_numbers[:1].copy()
    numbers[0, 0] = atomic_number("Y")
    learned = models["donor"].structures_for(letters, numbers)
    expected = models["donor"].fitted.volume.predict(letters, numbers, seen.crystals.multiplicity[:1])
    n_atoms = seen.crystals.multiplicity[0].sum()
    np.testing.assert_allclose(cell_volumes(learned.lattice_parameters) / n_atoms, expected, rtol=1e-12)
    swapped = models["swap"].structures_for(letters, numbers)
    donors = find_donors(seen.crystals, letters, numbers, fewest_first=True)
    donor = seen.crystals.select(donors.crystal)
    assert (donor.atomic_numbers[0][donors.site[0]] == numbers[0]).sum() == 2
    assert seen.crystals.wyckoff_letter[0].tolist() == ["c", "c", "c"]  # equal multiplicities: plain sums of radii
    sums = [atomic_radii()[each].sum() for each in (numbers, donor.atomic_numbers)]
    np.testing.assert_allclose(
        swapped.lattice_parameters[0, 0] / donor.lattice_parameters[0, 0], sums[0] / sums[1], rtol=1e-6
    )


def test_a_template_without_a_crystal_gives_no_structure(models: dict[str, CopyModel]) -> None:
    raw = models["donor"].structures_for(
        np.array([["a", "b", "d"], ["c", "c", "c"]]), atomic_number([["Sc", "Ni", "P"]] * 2)
    )
    assert np.isnan(raw.frac_coords[0]).all()
    assert np.isfinite(raw.frac_coords[1]).all()
    verdicts = judge(NUMBER, raw, floors_of(models["donor"]))
    assert verdicts.reasons[0] == "not_finite"


def half_heuslers() -> CrystalBatch:
    """TiNiSn and LaPtBi, and a third whose Ni stands at the place of Sn."""
    return CrystalBatch(
        space_group_number=np.full(3, 216),
        lattice_parameters=np.array([[5.9, 5.9, 5.9, 90, 90, 90], [6.9, 6.9, 6.9, 90, 90, 90], [6, 6, 6, 90, 90, 90]]),
        atomic_numbers=atomic_number([["Ti", "Ni", "Sn"], ["La", "Bi", "Pt"], ["Ti", "Sn", "Ni"]]),
        frac_coords=np.tile(np.array([[0, 0, 0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5]]), (3, 1, 1)),
        multiplicity=np.full((3, 3), 4),
        wyckoff_letter=np.array([["a", "c", "b"], ["a", "b", "c"], ["a", "c", "b"]]),
    )


def test_the_nearest_crystal_is_chosen_by_place_not_by_order() -> None:
    letters = np.array([["a", "c", "b"], ["a", "b", "c"], ["b", "c", "a"]])
    numbers = atomic_number([["Zr", "Ni", "Sn"], ["Zr", "Sn", "Ni"], ["Sn", "Ni", "Zr"]])
    donors = find_donors(half_heuslers(), letters, numbers, fewest_first=False)
    # The three targets are one crystal written in three orders; so is what is copied.
    assert donors.crystal.tolist() == [0, 0, 0]
    assert donors.site.tolist() == [[0, 1, 2], [0, 2, 1], [2, 1, 0]]


def test_fewest_replacements_come_before_likeness() -> None:
    letters, numbers = np.array([["a", "b", "c"]]), atomic_number([["Cs", "Bi", "Pt"]])
    assert find_donors(half_heuslers(), letters, numbers, fewest_first=True).crystal.tolist() == [1]


def test_a_checkpoint_continues_as_fitted(folders: dict[str, Path]) -> None:
    trainer = load_trainer(open_checkpoint(folders["donor"]))
    assert (trainer.epoch, trainer.generator_steps, trainer.finished) == (1, 1, True)
    assert isinstance(trainer, CopyTrainer)


def test_steps_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"donor has no generator steps.*--steps 5"):
        load_recipe("donor").with_steps(5)
