"""The notebooks run from their first cell to their last, on a small home, and are stored without outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


def test_there_are_notebooks() -> None:
    assert NAMES == ["compare_space_groups", "explore_candidates"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs(path: Path, candidates: tuple[Home, GenerationPlan], tmp_path: Path) -> None:
    environment = {"CRYSTALFORGE_HOME": str(candidates[0].path), "IPYTHONDIR": str(tmp_path / "ipython")}
    done = tmp_path / "done.ipynb"
    command = [sys.executable, "-c", RUN, str(path), str(done)]
    result = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=180)
    assert result.returncode == 0, result.stderr[-4000:]
    cells = [cell for cell in nbformat.read(done, as_version=4).cells if cell.cell_type == "code"]
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    tables = [output for cell in cells for output in cell.outputs if "text/html" in output.get("data", {})]
    assert len(pictures) >= 2
    assert len(tables) >= 2
    assert not [output for cell in cells for output in cell.outputs if output.get("name") == "stderr"]
