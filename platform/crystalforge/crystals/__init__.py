"""Crystals as batches of arrays: lattices, elements, contacts, identity, rows; pymatgen and ASE only at the edge."""

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.structures import to_atoms, to_structure

__all__ = ["CrystalBatch", "to_atoms", "to_structure"]
