"""Whether a home is what its records promise: every planned row once, every checksum, every state, the same bytes."""

from crystalforge.integrity.findings import Finding, Kind, Report
from crystalforge.integrity.verify import verify_home

__all__ = ["Finding", "Kind", "Report", "verify_home"]
