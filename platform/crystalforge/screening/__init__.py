"""Screening: relaxation of candidates by a machine-learned potential, and their energy above a reference hull."""
