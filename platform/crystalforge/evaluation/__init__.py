"""Judges a generation against real crystals: every metric beside its nulls, with n and a bootstrap interval.

Takes samples as they were drawn, rejected ones too. Needs no energies, knows nothing of Ray.
"""
