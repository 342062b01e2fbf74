"""``platform dataset`` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys

from crystalforge.home import Home

MAIN = [sys.executable, "-c", "from crystalforge.cli.dataset import app; app()"]


def run(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MAIN, *arguments, "--home", str(home.path)], capture_output=True, text=True, check=False)


def test_build_twice_list_and_show(home: Home) -> None:
    first = run(home, "build", "bundled", "--space-groups", "71,227")
    assert first.returncode == 0, first.stderr
    assert "2251" in first.stdout  # the paper's count of 71
    assert "space_group_not_asked" in first.stdout
    second = run(home, "build", "bundled", "--space-groups", "71,227", "--json")
    manifest = json.loads(second.stdout)
    assert manifest["counts"] == {"71": 18, "227": 38}
    assert "exists already" in second.stderr
    assert manifest["dataset_id"] in run(home, "list").stdout
    assert json.loads(run(home, "show", "bundled", "--json").stdout) == manifest


def test_mistakes_end_with_the_error_of_the_tree(home: Home) -> None:
    for arguments, message in {
        ("build", "nowhere.csv"): "SourceError: The source nowhere.csv does not exist",
        ("build", "bundled", "--space-groups", "x"): "UsageError: --space-groups 'x'",
        ("show",): "DatasetNotFoundError: No dataset in",
    }.items():
        finished = run(home, *arguments)
        assert finished.returncode != 0
        assert message in finished.stderr
    assert "No datasets in" in run(home, "list").stderr
