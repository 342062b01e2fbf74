from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from real_commands import cpu_of_children
from typer.testing import CliRunner

import crystalforge
from crystalforge.cli.app import CommandGroup, app
from crystalforge.errors import BusyError, CrystalforgeError, UsageError

HEAVY = ["numpy", "pandas", "pyarrow", "duckdb", "torch", "ray", "mlflow", "spglib", "pymatgen", "ase", "scipy"]


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from crystalforge.cli import main; main()", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False, timeout=60, **options)  # type: ignore[call-overload]


def test_the_installed_command_shows_its_version() -> None:
    script = Path(sys.executable).with_name("platform")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == f"crystalforge {crystalforge.__version__}\n"


def test_help_names_every_command_in_half_a_second() -> None:
    """Of processor time, as other tests run beside this one."""

    def seconds(program: list[str]) -> float:
        start = cpu_of_children()
        subprocess.run(program, capture_output=True, check=True, timeout=60)
        return cpu_of_children() - start

    bare = min(seconds([sys.executable, "-c", "pass"]) for _ in range(3))
    program = [sys.executable, "-c", "from crystalforge.cli import main; main()", "--help"]
    assert min(seconds(program) for _ in range(3)) - bare < 0.5
    text = command("--help").stdout
    assert all(name in text for name in ("dataset", "sql", "schema", "status", "doctor", "ui"))


def test_nothing_heavy_is_imported_at_start() -> None:
    code = f"import sys, crystalforge.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_mistyped_command_suggests_the_nearest() -> None:
    result = command("statu")
    assert result.returncode == 2
    assert "Did you mean 'status'?" in result.stderr
    assert result.stdout == ""


def test_an_error_of_ours_is_one_message_and_a_code(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    result = command("status", "--home", str(home))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: The home {home} is a file: expected a folder. Give another with --home.\n"


def raising(error: BaseException) -> typer.Typer:
    broken = typer.Typer(cls=CommandGroup, pretty_exceptions_enable=False)

    @broken.command()
    def fail() -> None:
        raise error

    @broken.command()
    def other() -> None:
        pass

    return broken


@pytest.mark.parametrize(
    ("error", "code"),
    [(CrystalforgeError("no"), 1), (UsageError("no"), 2), (BusyError("no"), 75), (KeyboardInterrupt(), 130)],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    result = CliRunner().invoke(raising(error), ["fail"])
    assert result.exit_code == code
    assert "Traceback" not in result.output


def test_a_bug_keeps_its_traceback() -> None:
    result = CliRunner().invoke(raising(ZeroDivisionError("a bug")), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(app, [])
    assert "Usage" in result.output
