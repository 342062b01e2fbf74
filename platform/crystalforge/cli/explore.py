"""``platform explore``: look at the crystals of a home in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from crystalforge.cli.console import note, tell_address
from crystalforge.cli.options import FreePortOption, HomeOption, HostOption, JsonOption
from crystalforge.home import Home


def explore(
    port: FreePortOption = 5080,
    host: HostOption = "127.0.0.1",
    memory_limit: Annotated[
        str, typer.Option("--memory-limit", metavar="SIZE", help="Memory that the rows and each query may take.")
    ] = "2GB",
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser; only print the address.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the crystals of a home in a browser, until Ctrl-C.

    A page on this machine over the live tables: filter by elements, formula, space group and stability, see each
    crystal and where it comes from, copy the SQL of what you see, download CIFs. Rows that a generation or a screening
    commits meanwhile are there when the page is loaded again. Nothing is written and no network is asked.

    On another machine, without opening it to others: there `platform explore --no-open`, here
    `ssh -L 5080:127.0.0.1:5080 MACHINE`, then http://127.0.0.1:5080/.

    [dim]Examples:[/dim]

      platform explore

      platform explore --home crystalforge-demo --port 0 --no-open

      platform explore --memory-limit 16GB
    """
    from crystalforge.explore.protection import is_loopback
    from crystalforge.explore.server import serve

    if not is_loopback(host):
        note(f"Warning: everyone who can reach {host} can read this home; there is no password.")

    def ready(url: str) -> None:
        tell_address(url, as_json=as_json)
        if not no_open:
            open_browser(url)

    serve(Home.locate(home), host=host, port=port, memory_limit=memory_limit, ready=ready)


def open_browser(url: str) -> None:
    """Open the page where there is a screen; a browser in the terminal would take the terminal."""
    import os
    import sys
    import webbrowser

    has_screen = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not has_screen or not webbrowser.open(url):
        note("No browser was opened: open the address yourself.")
