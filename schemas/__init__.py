"""The contracts: Arrow schemas of every table and the SQL views over them, one file each, versioned."""

from crystalforge.schemas.evaluations import EVALUATIONS, OCCURRENCES
from crystalforge.schemas.materials import EXCLUSIONS, MATERIALS
from crystalforge.schemas.samples import SAMPLES, RejectReason, SampleStatus

__all__ = ["EVALUATIONS", "EXCLUSIONS", "MATERIALS", "OCCURRENCES", "SAMPLES", "RejectReason", "SampleStatus"]
