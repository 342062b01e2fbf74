"""``platform metrics``: figures of a home for Prometheus."""

from __future__ import annotations

from typing import Annotated

import typer

from crystalforge.cli.console import note, show_json, tell_address
from crystalforge.cli.options import FreePortOption, HomeOption, HostOption, JsonOption
from crystalforge.home import Home


def metrics(
    port: FreePortOption = 5090,
    host: HostOption = "127.0.0.1",
    once: Annotated[bool, typer.Option("--once", help="Write the figures to standard output once and end.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell Prometheus the figures of a home, until Ctrl-C.

    Samples and accepted samples by space group, steps of the trainings, relaxations, calculations and attempts by
    state, free space: read at each scrape from what the steps committed, so that they are those of SQL. Nothing is
    written. Rules, alerts and a dashboard for them are in infra/metrics.

    [dim]Examples:[/dim]

      platform metrics

      platform metrics --home /data/crystalforge-home --port 5091

      platform metrics --once --json
    """
    from crystalforge.explore.protection import is_loopback
    from crystalforge.metrics.server import metrics_text, serve_metrics

    place = Home.locate(home)
    if once and as_json:
        show_json(_plain(place))
        return
    if once:
        typer.echo(metrics_text(place), nl=False)
        return
    if not is_loopback(host):
        note(f"Warning: everyone who can reach {host} can read these figures; there is no password.")

    serve_metrics(place, host=host, port=port, ready=lambda url: tell_address(url, as_json=as_json))


def _plain(place: Home) -> list[dict[str, object]]:
    """One object for each series."""
    from crystalforge.metrics.collector import HomeCollector

    return [
        {"name": sample.name, "labels": dict(sample.labels), "value": sample.value}
        for metric in HomeCollector(place).collect()
        for sample in metric.samples
    ]
