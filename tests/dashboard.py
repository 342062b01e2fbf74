"""The rules and the dashboard of infra/metrics, taken apart: every expression that they ask of Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

METRICS = Path(__file__).resolve().parents[1] / "infra" / "metrics"
DASHBOARD = METRICS / "grafana" / "dashboards" / "crystalforge.json"
RULES = METRICS / "crystalforge.rules.yml"
VARIABLES = {"$generation_id": ".*", "$training_id": ".*", "$__rate_interval": "1m"}
"""What Grafana puts in place of them when all is chosen."""
LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


def panels() -> list[dict[str, Any]]:
    """Every panel, rows too."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Title and PromQL of every target, with its variables filled in."""
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], filled_in(target["expr"])


def filled_in(expression: str) -> str:
    """An expression as Grafana sends it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def label_queries() -> Iterator[tuple[str, str]]:
    """Selector and label that the variables of the dashboard are filled from."""
    for variable in json.loads(DASHBOARD.read_text())["templating"]["list"]:
        if variable["type"] == "query":
            found = LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert found, variable
            yield filled_in(found["series"]), found["label"]


def rules() -> list[dict[str, Any]]:
    """Every rule, recorded or alerting."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]
