"""The dashboard, the alerts and their tests name figures that there are; `make prometheus` asks a real Prometheus."""

from __future__ import annotations

import itertools
import re

import pytest
import yaml
from dashboard import DASHBOARD, METRICS, RULES, expressions, label_queries, panels, rules

from crystalforge.metrics.families import FAMILIES

NAMES = re.compile(r"\bcrystalforge_\w+")
OURS = {family.series_name for family in FAMILIES.values()}
SHOWN = METRICS / "crystalforge.rules.test.yml"


@pytest.mark.parametrize("path", [DASHBOARD, RULES, SHOWN], ids=lambda path: path.name)
def test_every_figure_that_is_named_is_exported(path: object) -> None:
    named = set(NAMES.findall(path.read_text()))  # type: ignore[attr-defined]
    assert len(named) >= 5
    assert named <= OURS


def test_every_figure_is_shown_or_watched() -> None:
    """But for those that are asked for by hand."""
    named = set(NAMES.findall(DASHBOARD.read_text() + RULES.read_text()))
    by_hand = {"dataset_crystals", "shards", "generation_bytes", "screening_running", "info", "read_seconds"}
    by_hand |= {"attempt_wall_seconds", "training_generator_steps_planned"}
    assert named == OURS - {FAMILIES[name].series_name for name in by_hand}


def test_panels_have_names_of_their_own_and_do_not_overlap() -> None:
    every = panels()
    assert len({panel["id"] for panel in every}) == len(every)
    shown = [panel for panel in every if panel["type"] != "row"]
    assert all(panel["title"] and panel["targets"] for panel in shown)
    for one, two in itertools.combinations([panel["gridPos"] for panel in every], 2):
        beside = one["x"] + one["w"] <= two["x"] or two["x"] + two["w"] <= one["x"]
        below = one["y"] + one["h"] <= two["y"] or two["y"] + two["h"] <= one["y"]
        assert beside or below, (one, two)


def test_every_variable_of_the_dashboard_is_filled_in() -> None:
    assert len(list(expressions())) >= 20
    assert {label for _, label in label_queries()} == {"training_id", "generation_id"}


def test_every_alert_says_what_to_do_and_has_a_test() -> None:
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    for rule in alerts.values():
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
    tests = yaml.safe_load(SHOWN.read_text())["tests"]
    tried = {
        test["alertname"]
        for each in tests
        for test in each["alert_rule_test"]
        if test["exp_alerts"]  # that it fires, not only that it is silent
    }
    assert tried == alerts.keys()
