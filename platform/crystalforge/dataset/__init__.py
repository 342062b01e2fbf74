"""Datasets of known crystals: sources, curation, the training table and its self-augmentation."""

from crystalforge.dataset.augmentation import OrbitTable, TrainingTable, orbit_table, training_table
from crystalforge.dataset.build import BuildOutcome, build_dataset, build_or_find
from crystalforge.dataset.cif_child import ParserLimits
from crystalforge.dataset.exclusion import Exclusion, ExclusionReason
from crystalforge.dataset.manifest import DatasetManifest
from crystalforge.dataset.paper_counts import PAPER_COUNTS
from crystalforge.dataset.store import Dataset, find_dataset, list_datasets

__all__ = [
    "PAPER_COUNTS",
    "BuildOutcome",
    "Dataset",
    "DatasetManifest",
    "Exclusion",
    "ExclusionReason",
    "OrbitTable",
    "ParserLimits",
    "TrainingTable",
    "build_dataset",
    "build_or_find",
    "find_dataset",
    "list_datasets",
    "orbit_table",
    "training_table",
]
