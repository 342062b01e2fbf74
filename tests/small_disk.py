"""A real file system with little space, for tests of a full disk."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted_disk(size: str) -> Iterator[Path]:
    """Mount a tmpfs of a size such as "64k"; skip the test where that is not allowed.

    Its folder lies outside pytest's own: a mount that a killed run leaves there would break the cleaning of later runs.
    """
    folder = Path(tempfile.mkdtemp(prefix="crystalforge-small-disk-"))
    try:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)  # MLflow keeps its store open
    finally:
        folder.rmdir()
