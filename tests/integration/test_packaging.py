"""The package outside its checkout: a wheel that stands alone, and a `platform` folder that shadows nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in files.decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((REPOSITORY / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, tree]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; its dependencies come from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    return folder / "bin"


def _run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_wheel_holds_every_room_and_its_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "crystalforge/jobs/train_all.py",
        "crystalforge/schemas/candidates.sql",
        "crystalforge/gan/recipes/paper.toml",
        "crystalforge/dataset/bundled/materials.parquet",
        "crystalforge/dataset/bundled/DATA_CARD.md",
        "crystalforge/symmetry/wyckoff_positions.json",
        "crystalforge/py.typed",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("platform/", "tests/", "jobs/", "schemas/"))]
    assert wheel.stat().st_size < 3 * 2**19, "code, the bundled crystals and one viewer"


@pytest.mark.parametrize("command", ["platform", "crystalforge"])
def test_the_wheel_runs_without_the_checkout(installed: Path, tmp_path: Path, command: str) -> None:
    help_text = _run([installed / command, "--help"], tmp_path)
    assert help_text.returncode == 0, help_text.stderr
    assert "train-all" in help_text.stdout
    origin = _run([installed / "python", "-c", "import crystalforge.jobs as j; print(j.__file__)"], tmp_path)
    assert str(installed.parent) in origin.stdout


def test_the_wheel_builds_the_bundled_dataset(installed: Path, tmp_path: Path) -> None:
    built = _run(
        [installed / "platform", "dataset", "build", "bundled", "--json", "--home", tmp_path / "home"], tmp_path
    )
    assert built.returncode == 0, built.stderr
    assert '"n_materials": 1163' in built.stdout


def test_platform_is_pythons_own_module_from_the_repository_root() -> None:
    assert not (REPOSITORY / "platform" / "__init__.py").exists()
    code = "import platform, crystalforge.jobs.cluster; print(platform.__file__); print(platform.system())"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [platform.__file__, platform.system()]


@pytest.mark.ray
def test_platform_is_pythons_own_module_inside_a_ray_worker(ray_session: None) -> None:
    import ray

    @ray.remote(num_cpus=0.1)
    def look() -> tuple[str, str]:
        import platform as imported

        return imported.__file__, imported.system()

    assert ray.get(look.remote()) == (platform.__file__, platform.system())
