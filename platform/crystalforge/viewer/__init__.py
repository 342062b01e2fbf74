"""A crystal, a periodic table, and light or dark, in a browser, without a network: 3Dmol.js, and what we put around it.

Python turns a crystal into a scene (``crystal_scene``), the bundled scripts show it (``static/crystal_viewer.js``), and
``periodic_table`` draws a heat map. No pages here: those are of ``report`` and ``explore``.

    scripts = viewer_scripts()         # texts for <script>, in this order
    styles = viewer_styles()           # text for <style>
    scene = crystal_scene(row)         # JSON for  new Crystalforge.CrystalViewer(element).show(scene)
"""

from __future__ import annotations

from crystalforge.viewer.assets import inline_script, json_for_html, theme_script, viewer_scripts, viewer_styles
from crystalforge.viewer.periodic_table import Scale, periodic_table
from crystalforge.viewer.scene import crystal_scene, relaxed_cell

__all__ = [
    "Scale",
    "crystal_scene",
    "inline_script",
    "json_for_html",
    "periodic_table",
    "relaxed_cell",
    "theme_script",
    "viewer_scripts",
    "viewer_styles",
]
