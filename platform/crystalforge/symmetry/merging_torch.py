"""The exact merge as tensor operations, on whatever device the tensors are (docs/model.md, Merging).

The same steps and tables as ``merging_kernel``, for all sites at once instead of one after the other: what a GPU wants.
In double precision throughout, because special positions are exact.

Array dimensions: ``n`` sites, ``n_point`` rotations, ``n_ops`` operations with centrings.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.errors import DamagedFileError, UsageError
from crystalforge.symmetry.cells import NOT_A_CELL, WRONG_SYSTEM, bad_cell, no_position, unit_cell
from crystalforge.symmetry.group_tables import GroupTables, group_tables
from crystalforge.symmetry.merging_kernel import NO_POSITION, PERCOLATES
from crystalforge.symmetry.operation_tables import METRIC_INDEX
from crystalforge.symmetry.tolerances import FIXED_PART_TOLERANCE, LEAST_CUTOFF, MAX_DISTORTION, RESIDUAL, ROUND_OFF

SITES_AT_ONCE = 1 << 13
"""Sites merged together: some hundred MB in a group of 192 operations, whatever the size of the batch."""


class TensorMerge:
    """The merge of one space group on one device, its tables moved there."""

    def __init__(self, tables: GroupTables, device: torch.device) -> None:
        def moved(array: Any) -> Tensor:
            return torch.from_numpy(array.copy()).to(device)

        self.space_group = tables.space_group
        operations, letters = tables.operations, tables.letters
        self.scalars, self.scalar_of = moved(operations.scalars), moved(operations.scalar_of)
        self.rotations, self.join = moved(operations.rotations), moved(operations.join)
        self.mean_rotation, self.metric_average = moved(operations.mean_rotation), moved(operations.metric_average)
        self.fixed_part, self.points = moved(letters.fixed_part), moved(letters.points)
        self.positions, self.order = moved(letters.positions), moved(tables.subgroups.order)
        self.unit_cell = moved(unit_cell(tables.space_group))
        self.n_point = len(self.rotations)
        self.rotations_minus_1 = self.rotations - torch.eye(3).to(self.rotations)

    def merge(self, x: Tensor, cells: Tensor, cutoff: Tensor, *, repeat: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Merge sites (n, 3) in cells (n, 6) with cut-offs (n,).

        Returns:
            Centres (n, 3), the subgroups (n,) that fix them, -1 where percolating, and Wyckoff positions (n,), -1 where
            percolating or H is only a part of the site symmetry of the centre.

        Raises:
            UsageError: a cell has no volume or does not fit the crystal system.
        """
        metric = self._invariant_metrics(cells)
        y, H = x.clone(), torch.zeros(len(x), dtype=torch.int64, device=x.device)
        active = torch.arange(len(x), device=x.device)
        while len(active):
            larger, centre = self._merge_once(y[active], metric[active], cutoff[active].clamp_min(LEAST_CUTOFF))
            # A site that merged with no more than before has kept its place.
            grown = larger != H[active]
            active, larger = active[grown], larger[grown]
            y[active], H[active] = centre[grown], larger
            active = active[larger >= 0] if repeat else active[:0]
        y = _wrapped(y)
        return y, H, self._positions(y, H)

    def whole_positions(self, y: Tensor) -> Tensor:
        """Wyckoff positions (n,) of sites (n, 3) by their whole site symmetry."""
        cells = self.unit_cell.expand(len(y), 6)
        tolerance = torch.full((len(y),), FIXED_PART_TOLERANCE, dtype=y.dtype, device=y.device)
        return self.merge(y, cells, tolerance, repeat=False)[2]

    def _invariant_metrics(self, cells: Tensor) -> Tensor:
        """Metric tensors (n, 3, 3) in Å², averaged over the point group."""
        lengths, angles = cells[:, :3], cells[:, 3:]
        cosines = torch.where(angles == 90.0, 0.0, torch.cos(torch.deg2rad(angles)))
        pairs = torch.stack([lengths[:, i] * lengths[:, j] * cosines[:, 3 - i - j] for i, j in METRIC_INDEX[3:]], dim=1)
        own = torch.cat([lengths**2, pairs], dim=1)
        shape = 1 + 2 * cosines.prod(dim=1) - (cosines**2).sum(dim=1)
        real = (lengths > 0).all(dim=1) & (shape > 1e-9) & own.isfinite().all(dim=1)
        mean = own @ self.metric_average.T
        allowed = MAX_DISTORTION * own[:, :3].sum(dim=1, keepdim=True)
        fits = ((mean - own).abs() <= allowed).all(dim=1)
        for good, verdict in ((real, NOT_A_CELL), (fits, WRONG_SYSTEM)):
            if not bool(good.all()):
                row = int(good.int().argmin())
                raise UsageError(bad_cell(self.space_group, verdict, row, cells[row].cpu().numpy()))
        metric = torch.empty(len(cells), 3, 3, dtype=own.dtype, device=own.device)
        for component, (i, j) in enumerate(METRIC_INDEX):
            metric[:, i, j] = metric[:, j, i] = mean[:, component]
        return metric

    def _merge_once(self, x: Tensor, metric: Tensor, cutoff: Tensor) -> tuple[Tensor, Tensor]:
        """One pass of the exact merge: the subgroup (n,), -1 where percolating, and the centre (n, 3), then NaN."""
        H = torch.full((len(x),), PERCOLATES, device=x.device)
        centre = torch.full_like(x, torch.nan)
        for images, part in _by_reach(metric, cutoff):
            count, d = self._near_images(x[part], metric[part], cutoff[part], images)  # step 1
            near = count == 1
            subgroup = self._generated_by(near)  # step 2
            shift = self._shift(near, d, subgroup)  # step 3
            left = d + torch.einsum("pij,nj->npi", self.rotations_minus_1, shift)
            moves = near & (_squared_lengths(left, metric[part]) >= RESIDUAL**2)  # step 4
            finite = (count[:, 0] == 0) & (count <= 1).all(dim=1) & ~moves.any(dim=1)
            H[part[finite]], centre[part[finite]] = subgroup[finite], (x[part] + shift)[finite]
        return H, centre

    def _near_images(self, x: Tensor, metric: Tensor, cutoff: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """How many images of each rotation (n, n_point) are in reach, the identity itself left out; their sum of d."""
        values = x @ self.scalars[:, :3].T + self.scalars[:, 3]
        nearest = (values - torch.floor(values + 0.5))[:, self.scalar_of]
        count = torch.zeros(len(x), self.n_point, dtype=torch.int64, device=x.device)
        total = torch.zeros(len(x), self.n_point, 3, dtype=x.dtype, device=x.device)
        n_centrings = len(self.scalar_of) // self.n_point
        for image in images:
            d = nearest + image
            near = _squared_lengths(d, metric) <= cutoff[:, None] ** 2
            near[:, :n_centrings] &= (d[:, :n_centrings] != 0).any(dim=-1)
            count += near.unflatten(1, (self.n_point, n_centrings)).sum(dim=2)
            total += (d * near[..., None]).unflatten(1, (self.n_point, n_centrings)).sum(dim=2)
        return count, total

    def _generated_by(self, near: Tensor) -> Tensor:
        """Subgroups (n,) that the near rotations (n, n_point) generate."""
        H = torch.zeros(len(near), dtype=torch.int64, device=near.device)
        for p in range(1, self.n_point):
            H = torch.where(near[:, p], self.join[H, p], H)
        return H

    def _shift(self, near: Tensor, d: Tensor, H: Tensor) -> Tensor:
        """M · mean of d over S (n, 3), with M = (1 - A + P)⁻¹ - P, A the mean rotation of S and P that of H."""
        weights = near.to(d.dtype)
        size = 1 + weights.sum(dim=1)  # and the identity, which does not move
        identity, P = torch.eye(3).to(d), self.mean_rotation[H]
        A = (identity + torch.einsum("np,pij->nij", weights, self.rotations)) / size[:, None, None]
        mean = (torch.einsum("np,npi->ni", weights, d) / size[:, None])[..., None]
        return (torch.linalg.solve(identity - A + P, mean) - P @ mean)[..., 0]

    def _positions(self, y: Tensor, H: Tensor) -> Tensor:
        """Step 5: Wyckoff positions (n,) of sites with site symmetry H (n,), -1 where the table has none."""
        subgroup = H.clamp_min(0)
        fixed = torch.einsum("nij,nj->ni", self.fixed_part[subgroup], y)
        off = fixed[:, None] - self.points[subgroup]
        off = (off - torch.floor(off + 0.5)).abs().amax(dim=-1).nan_to_num(nan=torch.inf)
        least, slot = off.min(dim=1)
        found = (H >= 0) & (least < FIXED_PART_TOLERANCE)
        return torch.where(found, self.positions[subgroup, slot], NO_POSITION)


def merge_tensors(
    tables: GroupTables, frac_coords: Tensor, lattice_parameters: Any, cutoff: Any, *, repeat: bool
) -> tuple[Any, Any, Any, NDArray[np.int64]]:  # tensors, that callers hold where arrays are declared
    """Merge sites on the device of ``frac_coords``; see ``merge_overlapping_sites``.

    Returns:
        Centres (n, 3), multiplicities (n,) and whether they percolate (n,), as tensors; Wyckoff positions (n,).
    """
    device = frac_coords.device
    x = _checked("frac_coords", frac_coords, (len(frac_coords), 3), device)
    cells = _checked("lattice_parameters", lattice_parameters, (len(x), 6), device)
    reach = torch.as_tensor(cutoff, dtype=torch.float64, device=device).detach()
    if reach.shape not in ((), (len(x),)) or not bool((reach.isfinite() & (reach >= 0)).all()):
        raise UsageError(
            f"cutoff: expected one number or {len(x)}, finite and 0 Å or more, got shape {tuple(reach.shape)}."
        )
    reach = reach.expand(len(x))
    merge = _tensor_merge(tables.space_group.number, device)
    parts = [slice(start, start + SITES_AT_ONCE) for start in range(0, len(x), SITES_AT_ONCE)] or [slice(0, 0)]
    merged = [merge.merge(x[part], cells[part], reach[part], repeat=repeat) for part in parts]
    y, H, position = (torch.cat(pieces) for pieces in zip(*merged, strict=True))
    lost = torch.nonzero((position < 0) & (H >= 0))[:, 0]
    if len(lost):
        position[lost] = merge.whole_positions(y[lost])
        if bool((position[lost] < 0).any()):
            raise DamagedFileError(no_position(tables.space_group, y[lost][position[lost].argmin()].cpu().numpy()))
    multiplicity = torch.where(H < 0, 0, tables.space_group.order // merge.order[H])
    return y, multiplicity, H < 0, position.cpu().numpy()


@cache
def _tensor_merge(space_group_number: int, device: torch.device) -> TensorMerge:
    return TensorMerge(group_tables(space_group_number), device)


def _checked(name: str, values: Any, shape: tuple[int, int], device: torch.device) -> Tensor:
    """The values as finite doubles of this shape on the device."""
    tensor = torch.as_tensor(values, dtype=torch.float64, device=device).detach()
    if tuple(tensor.shape) != shape:
        raise UsageError(f"{name}: expected shape {shape}, got {tuple(tensor.shape)}. Give one row per site.")
    finite = tensor.isfinite().all(dim=1)
    if not bool(finite.all()):
        row = int(finite.int().argmin())
        raise UsageError(
            f"{name} of row {row}: expected finite numbers, got {tensor[row].tolist()}. Leave such rows out first."
        )
    return tensor


def _by_reach(metric: Tensor, cutoff: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Group sites by the box of lattice images that their cut-off needs: images (n_images, 3) and the sites.

    Sites with a lattice edge within the cut-off are left out: they percolate.
    """
    edges = metric.diagonal(dim1=1, dim2=2).sqrt()
    spacings = torch.linalg.inv(metric).diagonal(dim1=1, dim2=2).rsqrt()
    # A displacement within the cut-off has |component| <= cutoff / spacing: below 1/2 rounding finds the only one.
    reach = torch.floor(cutoff[:, None] / spacings + 0.5 + 1e-9).long()
    finite = torch.nonzero((edges > cutoff[:, None]).all(dim=1))[:, 0]
    boxes, which = torch.unique(reach[finite], dim=0, return_inverse=True)
    for number, box in enumerate(boxes.tolist()):
        images = list(product(*(range(-k, k + 1) for k in box)))
        yield torch.tensor(images, dtype=metric.dtype, device=metric.device), finite[which == number]


def _squared_lengths(d: Tensor, metric: Tensor) -> Tensor:
    """Squared lengths (n, m) in Å² of displacements (n, m, 3)."""
    return ((d @ metric) * d).sum(dim=-1)


def _wrapped(y: Tensor) -> Tensor:
    wrapped = y - torch.floor(y)
    return torch.where(wrapped > 1.0 - ROUND_OFF, 0.0, wrapped)
