"""Settings by flag, environment and files: which goes before which, what is refused, and where each came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.cli.command_tree import commands, settable, variable_of
from crystalforge.cli.settings import SECRETS
from crystalforge.home import Home
from crystalforge.settings import settings_files, settings_paths


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without settings, and a user without any."""
    for name in ("CRYSTALFORGE_HOME", "RAY_ADDRESS", "MLFLOW_TRACKING_URI", *SECRETS.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def write_user(folder: Path, text: str) -> Path:
    path = folder / "config" / "crystalforge" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_project(folder: Path, text: str) -> Path:
    path = folder / "project" / "crystalforge.toml"
    path.write_text(text)
    return path


def platform(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def shown(*words: str) -> dict[tuple[str, str], dict]:
    result = platform("config", "show", "--json", *words)
    assert result.exit_code == 0, result.output
    return {(row["command"], row["key"]): row for row in json.loads(result.stdout)["settings"]}


def test_each_source_goes_before_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def balance(*words: str) -> str:
        """What the command took, by its refusal."""
        return platform("generate", *words).stderr.partition("got ")[2].strip("'.\n")

    write_user(folder, "[generate]\nbalance = 'of the user'\n")
    assert balance() == "of the user"
    write_project(folder, "[generate]\nbalance = 'of the project'\n")
    assert balance() == "of the project"
    monkeypatch.setenv("CRYSTALFORGE_GENERATE_BALANCE", "of the environment")
    assert balance() == "of the environment"
    assert balance("--balance", "of the flag") == "of the flag"


def test_show_says_where_each_value_came_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = write_user(folder, "home = 'of-the-user'\n\n[generate]\ncount = 7\nspace_groups = [225, 62]\n")
    project = write_project(folder, "# mine\n[generate]\ncount = 8\n[dataset.build]\nname = 'mine'\n")
    monkeypatch.setenv("CRYSTALFORGE_GENERATE_SEED", "9")
    rows = shown()
    expected = {
        ("", "home"): ("of-the-user", f"{user} line 1"),
        ("", "ray_address"): ("none: commands start Ray on this machine", "default"),
        ("", "mlflow_tracking_uri"): ("the home's own store", "default"),
        **{("", key): ("not set", "default") for key in SECRETS},
        ("dataset build", "name"): ("mine", f"{project} line 5"),
        ("generate", "count"): (8, f"{project} line 3"),
        ("generate", "space_groups"): ("225,62", f"{user} line 5"),
        ("generate", "seed"): ("9", "environment CRYSTALFORGE_GENERATE_SEED"),
    }
    assert {key: (row["value"], row["origin"]) for key, row in rows.items()} == expected
    assert f"{project} line 3" in platform("config", "show").stdout
    every = shown("generate")
    assert (every["generate", "balance"]["value"], every["generate", "balance"]["origin"]) == ("training", "default")
    assert {command for command, _ in every} == {"generate"}


def test_the_home_of_a_file_holds_for_commands_and_functions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_user(folder, f"home = '{folder / 'theirs'}'\n")
    assert Home.locate().path == folder / "theirs"
    write_project(folder, "home = 'here'\n")
    assert Home.locate().path == folder / "project" / "here"
    assert json.loads(platform("status", "--json").stdout)["home"] == str(folder / "project" / "here")
    monkeypatch.setenv("CRYSTALFORGE_HOME", str(folder / "of-the-environment"))
    assert Home.locate().path == folder / "of-the-environment"
    assert Home.locate(folder / "given").path == folder / "given"


def test_a_ray_address_of_a_file_is_the_one_that_is_asked(folder: Path) -> None:
    write_project(folder, "ray_address = '127.0.0.1:9'\n")
    checks = {check["name"]: check for check in json.loads(platform("doctor", "--json").stdout)["checks"]}
    assert checks["Ray cluster"]["found"].startswith("RAY_ADDRESS=127.0.0.1:9 does not answer")


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("[generat]\ncount = 1", 1, "unknown key 'generat'. Did you mean 'generate'?"),
        ("[generate]\n\n# more\ncuont = 1", 4, "unknown key 'cuont'. Did you mean 'count'?"),
        ("hom = 'x'", 1, "unknown key 'hom'. Did you mean 'home'?"),
        ("home = 3", 1, "home = 3: expected a text"),
        ("[generate]\ncount = 'many'", 2, "count = 'many': expected a whole number"),
        ("[generate]\ncount = 1.5", 2, "count = 1.5: expected a whole number"),
        ("[generate]\ncount = true", 2, "count = True: expected a whole number"),
        ("[generate]\nseed = -1", 2, "seed = -1: "),
        ("[generate]\ndistinct = 1", 2, "distinct = 1: expected true or false"),
        ("[generate]\nspace_groups = 225", 2, "space_groups = 225: expected a text"),
        ("[screen]\nmax_force = 'low'", 2, "expected a number"),
        ("[screen]\nreference = 5", 2, "expected the path of a file"),
        ("[validate.enqueue]\nstructure = 'best'", 2, "structure = 'best': "),
        ("[validate.enqueu]\nlimit = 2", 1, "unknown key 'enqueu'. Did you mean 'enqueue'?"),
        ("validate = 3", 1, "expected the table [validate]"),
        ("[generate]\nresume = 'x'", 2, "It asks for one act: give it on the command line."),
        ("mp_api_key = 'x'", 1, "keep it in the environment, as MP_API_KEY"),
        ("mlflow_tracking_password = 'x'", 1, "keep it in the environment, as MLFLOW_TRACKING_PASSWORD"),
        ("[generate]\nelements = '''\nLi'''\nspace_groups = [\n 'x', 1.5\n]", 4, "expected a text"),
    ],
)
def test_a_fault_in_a_file_names_file_line_and_the_nearest_key(folder: Path, text: str, line: int, part: str) -> None:
    path = write_project(folder, text)
    result = platform("status")
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"Error: {path} line {line}: ")
    assert part in result.stderr


def test_with_a_fault_in_a_file_help_is_still_shown(folder: Path) -> None:
    path = write_project(folder, "[generat]")
    assert platform("status", "--help").exit_code == 0
    assert str(path) in platform("config", "path").stdout
    assert platform("config", "show").exit_code == 2


def test_what_is_no_toml_says_where(folder: Path) -> None:
    path = write_user(folder, "[generate]\ncount = \n")
    result = platform("status")
    assert result.exit_code == 2
    assert f"{path} is not valid TOML" in result.stderr
    assert "line 2" in result.stderr


def test_a_wrong_value_of_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CRYSTALFORGE_GENERATE_COUNT", "many")
    result = platform("generate")
    assert result.exit_code == 2
    assert "CRYSTALFORGE_GENERATE_COUNT" in result.stderr


@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_is_never_shown(key: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv(SECRETS[key], "abracadabra")
    for words in (["config", "show"], ["config", "show", "--all", "--json"], ["doctor"]):
        assert "abracadabra" not in platform(*words).output
    assert shown()["", key]["value"] == "set, not shown"


def test_a_mistyped_variable_is_told(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CRYSTALFORGE_GENERATE_CUONT", "5")
    result = platform("config", "show")
    assert "Did you mean 'CRYSTALFORGE_GENERATE_COUNT'?" in result.stderr


def test_a_command_that_is_not_there_is_refused(folder: Path) -> None:
    result = platform("config", "show", "dataset", "biuld")
    assert result.exit_code == 2
    assert "Did you mean 'dataset build'?" in result.stderr


def test_init_writes_a_file_that_can_be_read_and_sets_nothing(folder: Path) -> None:
    path = Path(platform("config", "init").stdout.strip())
    assert path == settings_paths()["project"]
    assert all(row["origin"] == "default" for row in shown("--all").values())
    (file,) = settings_files()
    assert file.values == {}
    refused = platform("config", "init")
    assert (refused.exit_code, "exists: it is left as it is" in refused.stderr) == (2, True)
    user = platform("config", "init", "--user", "--json")
    assert json.loads(user.stdout) == {"path": str(settings_paths()["user"])}


def test_every_setting_of_the_file_of_init_can_be_set(folder: Path) -> None:
    """Its lines, uncommented where they have a default, are taken as they are."""
    path = Path(platform("config", "init").stdout.strip())
    lines = [line.removeprefix("# ") for line in path.read_text().splitlines()[2:]]
    path.write_text("\n".join(line for line in lines if ' = ""' not in line))
    origins = {key: row["origin"] for key, row in shown("--all").items()}
    assert sum("line" in origin for origin in origins.values()) > 50


def test_every_variable_is_of_one_option_only() -> None:
    root = typer.main.get_command(app)
    names = [
        variable_of(words, option)
        for words, command in commands(root)  # type: ignore[arg-type]
        for key, option in settable(command).items()
        if key != "home"
    ]
    assert len(names) == len(set(names)) > 100


def test_a_password_within_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:secret@host:5000/path")
    assert shown()["", "mlflow_tracking_uri"]["value"] == "https://user:…@host:5000/path"
