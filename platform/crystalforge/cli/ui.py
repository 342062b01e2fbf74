"""``platform ui``: look at the training runs in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from crystalforge.cli.console import show_json
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.home import Home


def ui(
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535, help="Port to listen on.")] = 5000,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="Address to listen on; there is no password."),
    ] = "127.0.0.1",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the training runs in MLflow's UI, until Ctrl-C.

    [dim]Examples:[/dim]

      platform ui

      platform ui --port 5001 --home /data/crystalforge-home
    """
    from crystalforge.cli.mlflow_server import serve

    serve(Home.locate(home), host, port, tell=_tell_json if as_json else typer.echo)


def _tell_json(url: str) -> None:
    show_json({"url": url})
