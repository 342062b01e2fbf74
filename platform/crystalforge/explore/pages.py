"""The files of the page, read into memory at the start: a request picks one from a table, never from a disk."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from crystalforge.viewer import theme_script, viewer_scripts, viewer_styles

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class PageFile:
    """A file of the page."""

    content: bytes
    content_type: str


def page_files() -> dict[str, PageFile]:
    """Every file of the page by its address below ``/``; the viewer's are among them."""
    folder = resources.files("crystalforge.explore").joinpath("page")
    files = {
        f"/page/{file.name}": PageFile(file.read_bytes(), CONTENT_TYPES[suffix])
        for file in folder.iterdir()
        if (suffix := "." + file.name.rpartition(".")[2]) in CONTENT_TYPES
    }
    script = "\n;\n".join(viewer_scripts())
    files["/page/viewer.js"] = PageFile(script.encode(), CONTENT_TYPES[".js"])
    files["/page/theme.js"] = PageFile(theme_script().encode(), CONTENT_TYPES[".js"])
    files["/page/viewer.css"] = PageFile(viewer_styles().encode(), CONTENT_TYPES[".css"])
    files["/"] = files.pop("/page/index.html")
    return files
