"""What a page gets is whole, unchanged, licensed, and can stand inside its elements."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files

import pytest

from crystalforge.viewer import inline_script, json_for_html, viewer_scripts, viewer_styles
from crystalforge.viewer.assets import NOTICE

VENDORED = files("crystalforge.viewer").joinpath("vendor/3dmol")


def test_vendored_library_is_the_file_that_its_source_names() -> None:
    source = VENDORED.joinpath("SOURCE.md").read_text()
    content = VENDORED.joinpath("3Dmol-min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() in source
    version = re.search(r"version ([0-9.]+),", source)
    assert version is not None
    assert f"3Dmol.js {version[1]}" in NOTICE
    assert "BSD-3-Clause" in VENDORED.joinpath("LICENSE").read_text()


def test_scripts_and_styles_ask_nothing_of_a_network() -> None:
    ours = "\n".join(viewer_scripts()[1:]) + viewer_styles()
    assert "http" not in ours
    assert "@import" not in ours
    assert "CrystalViewer" in ours


@pytest.mark.parametrize("end", ["</script>", "</SCRIPT >", "<!--"])
def test_script_cannot_end_its_element(end: str) -> None:
    assert end not in inline_script(f'const text = "{end}";')


def test_json_holds_any_text() -> None:
    value = {"name": "</script><!-- \u2028 & 'quoted' \"twice\""}
    text = json_for_html(value)
    assert "<" not in text
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_for_html(float("nan"))
