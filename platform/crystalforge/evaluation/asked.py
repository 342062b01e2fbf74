"""Structures that a model is asked for by the compositions and Wyckoff templates of the crystals set aside.

So structures are compared without the luck of drawing the right composition. Only models that take a template can be
asked, those with ``structures_for``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.evaluation.generations import Drawn
from crystalforge.evaluation.intervals import Figure, median_figures, share_figures
from crystalforge.evaluation.matching import any_match
from crystalforge.evaluation.samples import REAL_CELLS
from crystalforge.evaluation.workers import Workers
from crystalforge.files import read_record
from crystalforge.gan.checkpoint import load_model
from crystalforge.gan.model import RawSamples
from crystalforge.generation.checking import merge_samples
from crystalforge.home import MODEL_RECORD, Home, group_folder_name
from crystalforge.symmetry import sites_of

NULL_STREAM = 8
"""Keeps the null's random numbers apart from those of the nulls that are drawn."""


@dataclass(frozen=True)
class Answers:
    """What a model made of the crystals that it was asked for.

    Attributes:
        source: whose.
        asked: (n,) which of the crystals set aside.
        place: (n_made,) place in ``asked`` of each crystal that it made.
        crystals: n_made, merged.
        volumes: (n,) volume per atom (Å³), NaN where nothing was made.
    """

    source: str
    asked: NDArray[np.int64]
    place: NDArray[np.int64]
    crystals: CrystalBatch
    volumes: NDArray[np.float64]


def ask(home: Home, drawn: Drawn, source: str, wanted: CrystalBatch) -> Answers | None:
    """Ask the models of a generation for crystals.

    Args:
        home: where its training lies.
        drawn: the generation; its groups decide what is asked.
        source: its name in the evaluation.
        wanted: crystals set aside, in the canonical setting.

    Returns:
        the answers; None where a model is gone, or cannot be asked.
    """
    groups = np.unique(drawn.samples.space_group_number)
    asked: list[NDArray[np.int64]] = []
    made: list[CrystalBatch] = []
    places: list[NDArray[np.int64]] = []
    n_asked = 0
    for number, members in wanted.by_space_group():
        if number not in groups:
            continue
        folder = home.trainings / drawn.training_id / group_folder_name(number)
        if not (folder / MODEL_RECORD).is_file():
            return None
        record = read_record(folder / MODEL_RECORD, ("checkpoint",))
        model: Any = load_model(folder / str(record["checkpoint"]))
        if not hasattr(model, "structures_for"):
            return None
        raw = model.structures_for(wanted.wyckoff_letter[members], wanted.atomic_numbers[members])
        crystals, kept = _merged(number, raw, model.recipe.sampling)
        made.append(crystals)
        places.append(n_asked + kept)
        asked.append(members)
        n_asked += len(members)
    if not asked:
        return None
    crystals, place = CrystalBatch.concatenate(made), np.concatenate(places)
    volumes = np.full(n_asked, np.nan)
    volumes[place] = volumes_per_atom(crystals)
    return Answers(source, np.concatenate(asked), place, crystals, volumes)


def _merged(space_group_number: int, raw: RawSamples, sampling: Any) -> tuple[CrystalBatch, NDArray[np.int64]]:
    """The crystals of what was made, and which raw samples they are of."""
    finite = np.isfinite(raw.lattice_parameters).all(axis=1) & np.isfinite(raw.frac_coords).all(axis=(1, 2))
    rows = np.flatnonzero(finite)
    kept = RawSamples(raw.atomic_numbers[rows], raw.frac_coords[rows], raw.lattice_parameters[rows], raw.radii[rows])
    crystals, percolates = merge_samples(space_group_number, kept, sampling)
    return crystals, rows[~percolates]


def null_answers(seen: CrystalBatch, wanted: CrystalBatch, seed: int) -> Answers:
    """Random free coordinates on the right Wyckoff positions in the right cell; as volume, the median of the group.

    Args:
        seen: training crystals.
        wanted: crystals set aside, in the canonical setting.
        seed: decides the draw.
    """
    random = np.random.default_rng([seed, NULL_STREAM])
    coords, volumes = np.empty_like(wanted.frac_coords), np.empty(len(wanted))
    typical = volumes_per_atom(seen)
    for number, members in wanted.by_space_group():
        letters = wanted.wyckoff_letter[members].reshape(-1)
        coords[members] = sites_of(number, letters, random.random((len(letters), 3))).reshape(-1, 3, 3)
        volumes[members] = np.median(typical[seen.space_group_number == number])
    everywhere = np.arange(len(wanted))
    return Answers(REAL_CELLS, everywhere, everywhere, replace(wanted, frac_coords=coords), volumes)


def structure_figures(answers: Answers, wanted: CrystalBatch, workers: Workers) -> Iterator[Figure]:
    """Share of the crystals asked for that match, and median error of log volume per atom.

    Args:
        answers: of one source.
        wanted: all crystals set aside.
        workers: processes.
    """
    real = wanted.select(answers.asked)
    candidates = [np.zeros(0, dtype=np.int64)] * len(real)
    for row, place in enumerate(answers.place.tolist()):
        candidates[place] = np.array([row])
    matched = any_match(real, answers.crystals, candidates, workers)
    errors = np.abs(np.log(answers.volumes / volumes_per_atom(real)))
    numbers = real.space_group_number
    yield from share_figures("structure_match", answers.source, numbers, matched)
    yield from median_figures("structure_volume_error", answers.source, numbers, errors)
