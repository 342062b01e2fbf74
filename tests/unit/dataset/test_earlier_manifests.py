"""A manifest that an earlier version wrote lacks the keys that came later, and is read all the same."""

from __future__ import annotations

from dataclasses import MISSING, fields

import pytest

from crystalforge.dataset import find_dataset
from crystalforge.dataset.manifest import DatasetManifest
from crystalforge.errors import DamagedFileError
from crystalforge.home import Home

LATER = {"schema": "materials/1", "filters": {}, "origin": {}, "seconds": None}


def test_keys_that_came_later_may_be_missing_and_no_others(bundled_home: Home) -> None:
    dataset = find_dataset(bundled_home)
    written = dataset.manifest.to_json()
    earlier = {key: value for key, value in written.items() if key not in LATER}
    read = DatasetManifest.from_json(earlier, dataset.path)
    assert {key: getattr(read, key) for key in LATER} == LATER
    required = {part.name for part in fields(DatasetManifest) if part.default is part.default_factory is MISSING}
    assert required == set(earlier), "a new key needs a default: homes of earlier versions are read"
    for key in required:
        with pytest.raises(DamagedFileError, match=key):
            DatasetManifest.from_json({name: value for name, value in written.items() if name != key}, dataset.path)
