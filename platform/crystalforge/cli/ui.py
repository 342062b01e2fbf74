"""``platform ui``: look at the training runs in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from crystalforge.cli.console import note, show_json
from crystalforge.cli.options import HomeOption, HostOption, JsonOption
from crystalforge.home import Home


def ui(
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535, help="Port to listen on.")] = 5000,
    host: HostOption = "127.0.0.1",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the training runs in MLflow's UI, until Ctrl-C.

    Where the runs go to a server (MLFLOW_TRACKING_URI), only its address is told: it has a UI of its own.

    [dim]Examples:[/dim]

      platform ui

      platform ui --port 5001 --home /data/crystalforge-home
    """
    from crystalforge.cli.mlflow_server import serve
    from crystalforge.explore.protection import is_loopback
    from crystalforge.secrecy import hide_secrets
    from crystalforge.tracking import tracking_uri

    tell, place = _tell_json if as_json else typer.echo, Home.locate(home)
    store = tracking_uri(place)
    if store.startswith(("http://", "https://")):
        tell(hide_secrets(store))
        note("The training runs go to this server: open its address.")
        return
    if not is_loopback(host):
        note(f"Warning: everyone who can reach {host} can read, change and delete the runs; there is no password.")
    serve(place, host, port, tell=tell)


def _tell_json(url: str) -> None:
    show_json({"url": url})
