"""The files that a page needs to show a crystal, as texts to be put into it: nothing is asked of a network."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

SCRIPTS = ("vendor/3dmol/3Dmol-min.js", "static/crystal_geometry.js", "static/crystal_viewer.js")
"""In the order in which a page must run them."""
THEME = "static/theme.js"
STYLES = ("static/viewer.css", "static/periodic_table.css")
NOTICE = "3Dmol.js 2.5.5, (c) 2014 University of Pittsburgh and contributors, BSD-3-Clause, https://3dmol.org"
"""Its licence asks that copies of the binary form carry the notice."""

_UNSAFE_IN_SCRIPT = re.compile(r"<(?=/script|!--)", re.IGNORECASE)


def viewer_scripts() -> list[str]:
    """Texts for one ``<script>`` each, in order; safe to stand inline."""
    return [inline_script(_text(name)) for name in SCRIPTS]


def theme_script() -> str:
    """Text for a ``<script>``: the button ``#theme``, and the event ``themechange`` for what draws again."""
    return inline_script(_text(THEME))


def viewer_styles() -> str:
    """Text for a ``<style>``: the viewer's and the periodic table's."""
    return "\n".join(_text(name) for name in STYLES)


def inline_script(source: str) -> str:
    r"""A script that cannot end the element it stands in: in its strings, ``<`` before a tag is written ``\x3c``."""
    return _UNSAFE_IN_SCRIPT.sub(r"\\x3c", source)


def json_for_html(value: Any) -> str:
    """JSON that can stand in a ``<script type="application/json">``, whatever text it holds.

    Raises:
        ValueError: a number is not finite, for which JSON has no sign.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def _text(name: str) -> str:
    return files("crystalforge.viewer").joinpath(name).read_text(encoding="utf-8")
