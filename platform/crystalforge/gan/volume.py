"""The cell that a template and its elements suggest: volume per atom and ratios of the edges, learned per space group.

A Gaussian process over crystals. Two crystals are alike by their composition whatever their template, and where they
have the same template also by the elements at each of its places; places are compared by Wyckoff letter, so that one
template with its elements in another order of electronegativity is the same. Outliers (crystals that fell apart in
relaxation are a tenth of some space groups) get a larger noise, by their leave-one-out residual, as in a regression
with Cauchy errors.

Why not a ridge regression: its median error is 1.8 to 4.7 times as large (docs/model.md).

Array dimensions: ``n`` crystals, 3 sites, 3 targets (log volume per atom, log b/a, log c/a).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.gan.element_metric import place_distances, size_distances

N_ATOMIC_NUMBERS = 119
CONSTANT, TEMPLATE, COMPOSITION, ONE_PLACE, ALL_PLACES = 0.227, 0.269, 0.486, 0.011, 0.018
"""Variances of the terms of the covariance, by the marginal likelihood as ``gan.element_metric``."""
OWN_SHARE = 0.007
"""Share of an element's likeness that it has with itself alone."""
NOISE = 3e-4
"""Variance of a crystal that is no outlier: of 3e-5, 3e-4, 3e-3 and 3e-2 the one with the least median leave-one-out
error, in the mean over the 12 groups."""
REWEIGHTINGS = 3
BLOCK = 800
"""Crystals among which outliers are found."""
OUTLIER_SCALE = 2.0
"""An error of this many standard deviations has twice the noise."""
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Cells:
    """What is suggested for n crystals.

    Attributes:
        log_volume: (n,) logarithm of the volume per atom in Å³.
        log_ratios: (n, 2) logarithms of b/a and c/a; 0 where the crystal system makes the edges equal.
    """

    log_volume: NDArray[np.float64]
    log_ratios: NDArray[np.float64]


@dataclass(frozen=True)
class VolumeModel:
    """Learned from the crystals of one space group.

    Attributes:
        letters: (n, 3) code points of the letters of the training crystals, ascending.
        atomic_numbers: (n, 3) elements of the sites in that order.
        multiplicity: (n, 3).
        coefficients: (n, 3 targets) float64.
        centre: (3 targets,) medians of the training crystals.
        leave_one_out: (n, 3 targets) what would be predicted for each training crystal without it. A network that is
            trained on top of the predictions must see these: the others know the answer.
        spread: (3 targets,) standard deviation of the leave-one-out errors, outliers aside.
    """

    letters: Tensor
    atomic_numbers: Tensor
    multiplicity: Tensor
    coefficients: Tensor
    centre: Tensor
    leave_one_out: Tensor
    spread: Tensor

    @classmethod
    def fit(
        cls,
        letters: NDArray[np.str_],
        atomic_numbers: NDArray[np.int64],
        multiplicity: NDArray[np.int64],
        volumes_per_atom: NDArray[np.float64],
        edges: NDArray[np.float64] | None = None,
        device: torch.device | str = "cpu",
    ) -> VolumeModel:
        """Learn from crystals of one space group; seconds for thousands of crystals.

        Args:
            letters: (n, 3) Wyckoff letters in the canonical setting.
            atomic_numbers: (n, 3).
            multiplicity: (n, 3).
            volumes_per_atom: (n,) Å³.
            edges: (n, 3) a, b, c (Å); without them the ratios are taken as 1.
            device: where to compute; the model lies on the CPU.
        """
        sites = _by_letter(letters, atomic_numbers, multiplicity, device)
        logs = np.zeros((len(letters), 2)) if edges is None else np.log(edges[:, 1:] / edges[:, :1])
        targets = torch.as_tensor(np.column_stack([np.log(volumes_per_atom), logs]), device=device)
        centre = targets.median(dim=0).values
        covariance = _covariance(sites, sites)
        solved = [_robust_solution(covariance, column) for column in (targets - centre).T]
        coefficients, errors = (torch.stack(parts, dim=1) for parts in zip(*solved, strict=True))
        spread = MAD_TO_SIGMA * errors.abs().median(dim=0).values
        tensors = (*sites, coefficients, centre, targets - errors, spread)
        return cls(*(tensor.cpu() for tensor in tensors))

    def predict(
        self, letters: NDArray[np.str_], atomic_numbers: NDArray[np.int64], multiplicity: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Volumes per atom (n,) in Å³."""
        return np.exp(self.predict_cells(letters, atomic_numbers, multiplicity).log_volume)

    def predict_cells(
        self, letters: NDArray[np.str_], atomic_numbers: NDArray[np.int64], multiplicity: NDArray[np.int64]
    ) -> Cells:
        """Volume per atom and ratios of the edges of crystals with any letters and elements, each (n, 3)."""
        sites = _by_letter(letters, atomic_numbers, multiplicity, "cpu")
        known = (self.letters, self.atomic_numbers, self.multiplicity)
        values = (_covariance(sites, known) @ self.coefficients + self.centre).numpy()
        return Cells(values[:, 0], values[:, 1:])

    def state(self) -> dict[str, Tensor]:
        """All of it as named tensors, for a checkpoint."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_state(cls, tensors: dict[str, Tensor]) -> VolumeModel:
        """The model that gave ``state``.

        Raises:
            KeyError: a tensor is missing.
        """
        return cls(**{field.name: tensors[field.name].cpu() for field in fields(cls)})


Sites = tuple[Tensor, Tensor, Tensor]
"""Letters, atomic numbers and multiplicities, (n, 3) each, sites by ascending letter."""


def site_order(letters: NDArray[np.str_]) -> NDArray[np.int64]:
    """(n, 3) which puts the sites of each crystal in ascending order of their letters; equal letters stay in order."""
    return np.argsort(letters, axis=1, kind="stable")


def _by_letter(
    letters: NDArray[np.str_],
    atomic_numbers: NDArray[np.int64],
    multiplicity: NDArray[np.int64],
    device: torch.device | str,
) -> Sites:
    order = site_order(letters)
    codes = np.ascontiguousarray(letters.astype("<U1")).view(np.uint32).astype(np.int64)
    first, second, third = (
        torch.as_tensor(np.take_along_axis(values, order, axis=1).astype(np.int64), device=device)
        for values in (codes, atomic_numbers, multiplicity)
    )
    return first, second, third


@cache
def likeness(device: str) -> tuple[Tensor, Tensor]:
    """(119, 119) likeness of two elements for size and for a place."""
    own = np.eye(N_ATOMIC_NUMBERS)
    size, place = (
        OWN_SHARE * own + (1 - OWN_SHARE) * np.exp(-squared) for squared in (size_distances(), place_distances())
    )
    return torch.as_tensor(size, device=device), torch.as_tensor(place, device=device)


def _fractions(sites: Sites) -> Tensor:
    """(n, 119) share of each element in the atoms of the crystal."""
    _, atomic_numbers, multiplicity = sites
    shares = multiplicity / multiplicity.sum(dim=1, keepdim=True, dtype=torch.float64)
    empty = torch.zeros(len(shares), N_ATOMIC_NUMBERS, dtype=torch.float64, device=shares.device)
    return empty.scatter_add(1, atomic_numbers, shares)


def _covariance(first: Sites, second: Sites) -> Tensor:
    """(n_first, n_second) float64."""
    size, place = likeness(str(first[0].device))
    total = COMPOSITION * (_fractions(first) @ size @ _fractions(second).T) + CONSTANT
    same = (first[0][:, None] == second[0][None]).all(dim=2)
    alike_by_size = torch.zeros_like(total)
    alike_by_place = torch.ones_like(total)
    for site in range(3):
        pair = (first[1][:, site, None], second[1][None, :, site])
        alike_by_size += size[pair] / 3
        alike_by_place *= place[pair]
    return total + same * (TEMPLATE + ONE_PLACE * alike_by_size + ALL_PLACES * alike_by_place)


def _robust_solution(covariance: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (n,) and leave-one-out errors (n,), target minus prediction.

    The noise of each crystal is settled within blocks, interleaved parts of the crystals: an inverse of all of them
    costs n³, and only the last step needs it.
    """
    if target.abs().max() == 0:
        return torch.zeros_like(target), torch.zeros_like(target)
    noise = torch.full_like(target, NOISE)
    n_blocks = -(-len(target) // BLOCK)
    for block in range(n_blocks):
        rows = torch.arange(block, len(target), n_blocks, device=target.device)
        within = covariance[rows[:, None], rows[None]]
        for _ in range(REWEIGHTINGS):
            _, errors = _solution(within, noise[rows], target[rows])
            sigma = (MAD_TO_SIGMA * errors.abs().median()).clamp_min(1e-6)
            noise[rows] = NOISE * (1 + (errors / (OUTLIER_SCALE * sigma)) ** 2)
    return _solution(covariance, noise, target)


def _solution(covariance: Tensor, noise: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients and leave-one-out errors, coefficients over the diagonal of the inverse.

    Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), eq. 5.12.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance + torch.diag(noise)))
    coefficients = inverse @ target
    return coefficients, coefficients / inverse.diagonal()
