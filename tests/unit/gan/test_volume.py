"""The learned cell: better than what needs no learning, whatever the order of the elements, the same when read back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.crystals.elements import atomic_number, atomic_radii
from crystalforge.dataset import split_materials, training_table
from crystalforge.gan.element_metric import place_distances, size_distances
from crystalforge.gan.volume import VolumeModel


def fitted(crystals: CrystalBatch) -> VolumeModel:
    return VolumeModel.fit(
        crystals.wyckoff_letter,
        crystals.atomic_numbers,
        crystals.multiplicity,
        volumes_per_atom(crystals),
        crystals.lattice_parameters[:, :3],
    )


def sites(crystals: CrystalBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return crystals.wyckoff_letter, crystals.atomic_numbers, crystals.multiplicity


@pytest.fixture(scope="module")
def known_139(bundled_materials: pa.Table) -> CrystalBatch:
    return training_table(bundled_materials, 139, 0.1).crystals


@pytest.fixture(scope="module")
def model_139(known_139: CrystalBatch) -> VolumeModel:
    return fitted(known_139)


@pytest.mark.parametrize("number", [62, 139, 225])
def test_held_out_volumes_are_nearer_than_by_radii(bundled_materials: pa.Table, number: int) -> None:
    known, aside = (training_table(part, number).crystals for part in split_materials(bundled_materials))
    errors = np.log(fitted(known).predict(*sites(aside)) / volumes_per_atom(aside))

    def packed(crystals: CrystalBatch) -> np.ndarray:
        radii = atomic_radii()[crystals.atomic_numbers]
        return (radii**3 * crystals.multiplicity).sum(axis=1) / crystals.multiplicity.sum(axis=1)

    scale = np.median(volumes_per_atom(known) / packed(known))
    by_radii = np.log(scale * packed(aside) / volumes_per_atom(aside))
    assert np.median(np.abs(errors)) < 0.5 * np.median(np.abs(by_radii))


def test_leave_one_out_is_what_a_fit_without_the_crystal_predicts(known_139: CrystalBatch) -> None:
    few = known_139.select(np.arange(40))
    errors_in_closed_form = fitted(few).leave_one_out[:, 0].numpy() - np.log(volumes_per_atom(few))
    for i in (0, 17, 39):
        rest = np.delete(np.arange(40), i)
        predicted = np.log(fitted(few.select(rest)).predict(*sites(few.select([i])))[0])
        # The noise of the others is weighted anew without the crystal, so not to the last digit.
        expected = predicted - np.log(volumes_per_atom(few)[i])
        assert abs(errors_in_closed_form[i] - expected) < 0.02
    assert np.abs(errors_in_closed_form).max() > 0.05


def test_a_training_crystal_that_is_no_outlier_is_reproduced(known_139: CrystalBatch, model_139: VolumeModel) -> None:
    cells = model_139.predict_cells(*sites(known_139))
    edges = known_139.lattice_parameters[:, :3]
    assert np.median(np.abs(cells.log_volume - np.log(volumes_per_atom(known_139)))) < 0.01
    assert (cells.log_ratios[:, 0] == 0).all()  # tetragonal
    assert np.median(np.abs(cells.log_ratios[:, 1] - np.log(edges[:, 2] / edges[:, 0]))) < 0.03


def test_the_order_of_the_sites_does_not_matter(known_139: CrystalBatch, model_139: VolumeModel) -> None:
    distinct = [len(set(letters)) == 3 for letters in known_139.wyckoff_letter]
    crystals = known_139.select(np.flatnonzero(distinct))
    turned = [values[:, [2, 0, 1]] for values in sites(crystals)]
    np.testing.assert_allclose(model_139.predict(*turned), model_139.predict(*sites(crystals)), rtol=1e-9)


def test_a_template_that_was_never_seen_gets_a_volume_from_its_elements(model_139: VolumeModel) -> None:
    letters, multiplicity = np.array([["a", "b", "n"]] * 2), np.array([[2, 2, 16]] * 2)
    small, large = model_139.predict(letters, atomic_number([["Li", "Mg", "O"], ["Cs", "Ba", "Te"]]), multiplicity)
    assert 5 < small < large < 100


def test_an_outlier_moves_nothing_but_itself(known_139: CrystalBatch) -> None:
    volumes = volumes_per_atom(known_139)
    wrong = volumes.copy()
    wrong[5] *= 3
    others = np.arange(len(volumes)) != 5
    predictions = [
        VolumeModel.fit(*sites(known_139), each).predict(*sites(known_139))[others] for each in (volumes, wrong)
    ]
    change = np.abs(np.log(predictions[1] / predictions[0]))
    assert np.median(change) < 0.005
    assert np.quantile(change, 0.95) < 0.05


def test_the_state_gives_the_model_back(known_139: CrystalBatch, model_139: VolumeModel) -> None:
    state = model_139.state()
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())
    again = VolumeModel.from_state(state)
    np.testing.assert_array_equal(again.predict(*sites(known_139)), model_139.predict(*sites(known_139)))
    del state["centre"]
    with pytest.raises(KeyError, match="centre"):
        VolumeModel.from_state(state)


def test_the_same_crystals_give_the_same_bits(known_139: CrystalBatch, model_139: VolumeModel) -> None:
    assert torch.equal(fitted(known_139).coefficients, model_139.coefficients)


@pytest.mark.parametrize("distances", [size_distances, place_distances])
def test_like_elements_are_near(distances: object) -> None:
    metric = distances()  # type: ignore[operator]
    la, ce, cl, br, k = atomic_number(["La", "Ce", "Cl", "Br", "K"])
    np.testing.assert_array_equal(metric, metric.T)
    assert metric[la, ce] < metric[la, k] < metric[la, cl]
    assert metric[cl, br] < metric[cl, k]
