"""Datasets of known crystals: sources, curation, the training table and its self-augmentation."""

from crystalforge.dataset.augmentation import OrbitTable, TrainingTable, orbit_table, training_table
from crystalforge.dataset.build import BuildOutcome, build_dataset, build_or_find
from crystalforge.dataset.build_request import BuildRequest
from crystalforge.dataset.card import DataCard, data_card
from crystalforge.dataset.cif_child import ParserLimits
from crystalforge.dataset.exclusion import Exclusion, ExclusionReason
from crystalforge.dataset.filters import Filters, parse_elements
from crystalforge.dataset.manifest import DatasetManifest
from crystalforge.dataset.paper_counts import PAPER_COUNTS
from crystalforge.dataset.servers import FetchOptions, Patience
from crystalforge.dataset.split import VALIDATION_SHARE, is_validation, split_materials, validation_counts
from crystalforge.dataset.store import Dataset, find_dataset, list_datasets

__all__ = [
    "PAPER_COUNTS",
    "VALIDATION_SHARE",
    "BuildOutcome",
    "BuildRequest",
    "DataCard",
    "Dataset",
    "DatasetManifest",
    "Exclusion",
    "ExclusionReason",
    "FetchOptions",
    "Filters",
    "OrbitTable",
    "ParserLimits",
    "Patience",
    "TrainingTable",
    "build_dataset",
    "build_or_find",
    "data_card",
    "find_dataset",
    "is_validation",
    "list_datasets",
    "orbit_table",
    "parse_elements",
    "split_materials",
    "training_table",
    "validation_counts",
]
