"""Crystals as batches of arrays: lattices, elements, contacts, identity, rows; pymatgen and ASE only at the edge."""
