"""Figures of a home for Prometheus, read from what its steps committed; the only code that imports prometheus_client.

Nothing here counts by itself: whatever drew the samples, on whichever machine, the figures are those of the manifests,
the spools and the ledger, and so those of SQL.
"""
