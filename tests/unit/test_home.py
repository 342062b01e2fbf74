"""The home folder: flag before variable before default, and a file in its place is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystalforge.errors import StorageError
from crystalforge.home import HOME_VARIABLE, Home


def test_the_flag_comes_before_the_variable_and_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    assert Home.locate().path == tmp_path / "crystalforge-home"
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "variable"))
    assert Home.locate().path == tmp_path / "variable"
    assert Home.locate(tmp_path / "flag").path == tmp_path / "flag"


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file is a file: expected a folder.*--home"):
        Home.locate(tmp_path / "file")
