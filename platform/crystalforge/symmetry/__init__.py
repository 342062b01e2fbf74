"""Space groups, orbits, Wyckoff positions and symmetry-exact merging, on arrays (docs/model.md, Merging).

Knows space group numbers, fractional coordinates and cells; nothing of elements, structures or files of crystals.
"""

from __future__ import annotations

from crystalforge.symmetry.free_coordinates import free_coordinates, sites_of
from crystalforge.symmetry.hall_numbers import HALL_NUMBERS, SPACE_GROUPS, hall_number_of, setting_symbols
from crystalforge.symmetry.merging import MergedSites, merge_overlapping_sites
from crystalforge.symmetry.normalisers import Normaliser, normaliser, setting_changes
from crystalforge.symmetry.orbits import Orbits, expand_orbits, wyckoff_letters
from crystalforge.symmetry.single_linkage import ClusteredSites, cluster_overlapping_sites
from crystalforge.symmetry.space_groups import CrystalSystem, SpaceGroup, crystal_system_of, space_group
from crystalforge.symmetry.wyckoff_positions import WyckoffPosition

__all__ = [
    "HALL_NUMBERS",
    "SPACE_GROUPS",
    "ClusteredSites",
    "CrystalSystem",
    "MergedSites",
    "Normaliser",
    "Orbits",
    "SpaceGroup",
    "WyckoffPosition",
    "cluster_overlapping_sites",
    "crystal_system_of",
    "expand_orbits",
    "free_coordinates",
    "hall_number_of",
    "merge_overlapping_sites",
    "normaliser",
    "setting_changes",
    "setting_symbols",
    "sites_of",
    "space_group",
    "wyckoff_letters",
]
