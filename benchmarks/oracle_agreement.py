"""Judges the merge case by case, one pass and repeated, by the fast oracle; and the fast oracle by the plain one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from fast_oracle import OrbitClusters, cell_vectors, cluster_orbit, links_within
from numpy.typing import NDArray
from oracle_cases import KINDS, Cases, draw_cases

from crystalforge.symmetry import (
    MergedSites,
    SpaceGroup,
    cluster_overlapping_sites,
    merge_overlapping_sites,
    space_group,
)

SAME = 1e-6
"""Å. Two centres closer than this are one."""

VERDICTS = ("agree", "percolation differs", "number of clusters differs", "centres differ")
MAX_EXAMPLES = 5


@dataclass(frozen=True)
class Site:
    """One case: the site (3,), its cell (6,) in Å and degrees, the cut-off in Å."""

    group: SpaceGroup
    frac_coords: NDArray[np.float64]
    lattice_parameters: NDArray[np.float64]
    cutoff: float

    def clusters(self, frac_coords: NDArray[np.float64] | None = None) -> OrbitClusters:
        """Clusters of the site's orbit, or of another site's in the same cell."""
        x = self.frac_coords if frac_coords is None else frac_coords
        return cluster_orbit(self.group, x, self.lattice_parameters, self.cutoff)

    def as_text(self) -> str:
        """Everything that is needed to repeat the case."""
        return (
            f"{self.group.number}: site {self.frac_coords.tolist()}, cell {self.lattice_parameters.tolist()}, "
            f"cut-off {self.cutoff!r} Å"
        )


@dataclass(frozen=True)
class Verdict:
    """What the oracle says of one case.

    Attributes:
        on_edge: a distance is within EDGE of the cut-off.
        disagrees, repeat_disagrees: one pass, the repeated merge differ from the oracle.
        too_close: two sites of the final orbit are within the cut-off.
        average_agrees: the null is right: the mean of the near images is the oracle's centre.
        deviation: Å, largest distance of a centre from the oracle's.
        text: the case, where it disagrees.
    """

    on_edge: bool
    disagrees: bool
    repeat_disagrees: bool
    too_close: bool
    average_agrees: bool
    deviation: float
    text: str


def judge_chunk(space_group_number: int, n: int, seed: list[int], *, tensors: bool = True) -> dict[str, Any]:
    """Judge n random cases of a group, with torch's merge too or without; counts by kind, examples that disagree."""
    start, group = time.process_time(), space_group(space_group_number)
    cases = draw_cases(space_group_number, n, np.random.default_rng(seed))
    once, repeated = (_merge(group, cases, repeat=repeat) for repeat in (False, True))
    verdicts = [judge(_site(group, cases, row), once, repeated, row) for row in range(n)]
    flags = _what_merging_did(group, once, repeated)
    for name in ("on_edge", "disagrees", "repeat_disagrees", "too_close", "average_agrees"):
        flags[name] = np.array([getattr(verdict, name) for verdict in verdicts])
    flags["tensors_differ"] = np.zeros(n, dtype=bool)
    if tensors:
        for merged, repeat in ((once, False), (repeated, True)):
            flags["tensors_differ"] |= _differs(merged, _merge_tensors(group, cases, repeat=repeat))
    return {
        "space_group_number": space_group_number,
        "counts_by_kind": {
            kind: {"cases": int((cases.kind == k).sum())}
            | {name: int(flag[cases.kind == k].sum()) for name, flag in flags.items()}
            for k, kind in enumerate(KINDS)
        },
        "largest_deviation_of_centres_angstrom": max(verdict.deviation for verdict in verdicts),
        "examples": [verdict.text for verdict in verdicts if verdict.text][:MAX_EXAMPLES],
        "cpu_s": time.process_time() - start,
    }


def judge(site: Site, once: MergedSites, repeated: MergedSites, row: int) -> Verdict:
    """One case: one pass against the oracle, the repeated merge against the oracle's own repetition."""
    first = site.clusters()
    last, on_edge = _until_stable(site, first)
    verdict, off = compare(site, first, once, row)
    again, off_again = compare(site, last, repeated, row)
    disagrees, repeat_disagrees = verdict != VERDICTS[0], again != VERDICTS[0]
    wrong = disagrees or repeat_disagrees
    return Verdict(
        on_edge=on_edge,
        disagrees=disagrees,
        repeat_disagrees=repeat_disagrees,
        too_close=not repeated.percolates[row] and _too_close(site, repeated.frac_coords[row]),
        average_agrees=not first.percolates and _same_centre(site, _average_of_near_images(site), first),
        deviation=max(off, off_again),
        text=f"{verdict}; repeated: {again}; {site.as_text()}" if wrong else "",
    )


def compare(site: Site, oracle: OrbitClusters, merged: MergedSites, row: int) -> tuple[str, float]:
    """Verdict on one merged site, and the largest distance (Å) of a centre of its orbit from the oracle's."""
    if bool(merged.percolates[row]) != oracle.percolates:
        return VERDICTS[1], 0.0
    if oracle.percolates:
        return VERDICTS[0], 0.0
    if merged.multiplicity[row] != len(oracle.frac_coords):
        return VERDICTS[2], 0.0
    # The operation that made a point of the cloud takes our centre to the centre of that point's cluster.
    group = site.group
    images = group.rotations @ merged.frac_coords[row] + group.translations
    off = float(_distances(site, images, oracle.frac_coords[oracle.labels]).max())
    return (VERDICTS[0] if off < SAME else VERDICTS[3]), off


def compare_oracles(space_group_number: int, n: int, seed: list[int]) -> dict[str, Any]:
    """The fast oracle against ``cluster_overlapping_sites``: the same partition, centres and percolation."""
    group, disagreeing, cpu = space_group(space_group_number), [], [0.0, 0.0]
    cases = draw_cases(space_group_number, n, np.random.default_rng(seed))
    for row in range(n):
        site = _site(group, cases, row)
        start = time.process_time()
        fast = site.clusters()
        between = time.process_time()
        slow = cluster_overlapping_sites(group.number, site.frac_coords, site.lattice_parameters, site.cutoff)
        cpu[0] += between - start
        cpu[1] += time.process_time() - between
        same = fast.percolates == slow.percolates and _same_partition(fast.labels, slow.labels)
        if same and not fast.percolates:
            off = _distances(site, fast.frac_coords[fast.labels], slow.frac_coords[slow.labels])
            same = bool((off < SAME).all())
        if not same:
            disagreeing.append(site.as_text())
    return {"n": n, "disagreements": len(disagreeing), "examples": disagreeing[:MAX_EXAMPLES], "cpu_s": cpu}


def _site(group: SpaceGroup, cases: Cases, row: int) -> Site:
    return Site(group, cases.frac_coords[row], cases.lattice_parameters[row], float(cases.cutoff[row]))


def _what_merging_did(group: SpaceGroup, once: MergedSites, repeated: MergedSites) -> dict[str, NDArray[np.bool_]]:
    whole = ~once.percolates
    return {
        "percolating": once.percolates,
        "merged": whole & (once.multiplicity < group.order),
        "untouched": whole & (once.multiplicity == group.order),
        "repeat_changes": (once.multiplicity != repeated.multiplicity) | (once.percolates != repeated.percolates),
        "repeat_percolates": repeated.percolates & whole,
        "coinciding_centres": whole & (_stabilizer_order(group, once.frac_coords) * once.multiplicity > group.order),
    }


def _merge(group: SpaceGroup, cases: Cases, *, repeat: bool) -> MergedSites:
    return merge_overlapping_sites(
        group.number, cases.frac_coords, cases.lattice_parameters, cases.cutoff, repeat=repeat
    )


def _merge_tensors(group: SpaceGroup, cases: Cases, *, repeat: bool) -> MergedSites:
    """The same merge by tensor operations (torch, on the CPU), as arrays again."""
    import torch

    tensors = (torch.tensor(array) for array in (cases.frac_coords, cases.lattice_parameters, cases.cutoff))
    merged = merge_overlapping_sites(group.number, *tensors, repeat=repeat)
    return MergedSites(*(np.asarray(values) for values in vars(merged).values()))


def _differs(merged: MergedSites, other: MergedSites) -> NDArray[np.bool_]:
    """Where two merges (n,) differ in anything; coordinates modulo the lattice to 1e-9."""
    difference = merged.frac_coords - other.frac_coords
    far = (np.abs(difference - np.round(difference)) > 1e-9).any(axis=1)
    same = (merged.percolates == other.percolates) & (merged.multiplicity == other.multiplicity)
    return np.asarray(far | ~same | (merged.wyckoff_letter != other.wyckoff_letter))


def _until_stable(site: Site, clusters: OrbitClusters) -> tuple[OrbitClusters, bool]:
    """The oracle's own repetition: cluster the orbit of the centre until its number of clusters stays the same."""
    on_edge = clusters.on_edge
    own = _identity(site.group)
    while not clusters.percolates and len(clusters.frac_coords) < site.group.order:
        again = site.clusters(clusters.frac_coords[clusters.labels[own]])
        on_edge |= again.on_edge
        if not again.percolates and len(again.frac_coords) == len(clusters.frac_coords):
            break
        clusters = again
    return clusters, on_edge


def _identity(group: SpaceGroup) -> int:
    plain = (group.rotations == np.eye(3)).all(axis=(1, 2)) & ~group.translations.any(axis=1)
    return int(np.argmax(plain))


def _too_close(site: Site, centre: NDArray[np.float64]) -> bool:
    """Whether two distinct sites of the centre's orbit are at most the cut-off apart."""
    cloud = (site.group.rotations @ centre + site.group.translations) % 1.0
    links = links_within(cloud, cell_vectors(site.lattice_parameters), site.cutoff)
    return bool((links.length > SAME).any())


def _same_centre(site: Site, centre: NDArray[np.float64], oracle: OrbitClusters) -> bool:
    own = oracle.frac_coords[oracle.labels[_identity(site.group)]]
    return bool(_distances(site, centre[None], own[None])[0] < SAME)


def _average_of_near_images(site: Site) -> NDArray[np.float64]:
    """The null: the site moved to the mean of its nearest images that are within the cut-off."""
    d = site.group.rotations @ site.frac_coords + site.group.translations - site.frac_coords
    d -= np.round(d)
    length = np.linalg.norm(d @ cell_vectors(site.lattice_parameters), axis=1)
    return np.asarray(site.frac_coords + d[length <= site.cutoff].mean(axis=0))


def _distances(site: Site, first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances (n,) in Å modulo the lattice, right where they are short."""
    difference = first - second
    difference -= np.round(difference)
    return np.asarray(np.linalg.norm(difference @ cell_vectors(site.lattice_parameters), axis=-1))


def _stabilizer_order(group: SpaceGroup, frac_coords: NDArray[np.float64]) -> NDArray[np.int64]:
    """Operations (n,) that leave sites (n, 3) in place; rows of NaN have none."""
    order = np.zeros(len(frac_coords), dtype=int)
    for rotation, translation in zip(group.rotations, group.translations, strict=True):
        moved = frac_coords @ rotation.T + translation - frac_coords
        order += np.abs(moved - np.round(moved)).max(axis=1) < 1e-8
    return order


def _same_partition(first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
    pairs = len(np.unique(np.stack([first, second]), axis=1).T)
    return bool(pairs == first.max() + 1 == second.max() + 1)
