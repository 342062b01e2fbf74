"""The figures for Prometheus are those of SQL, series by series; a damaged record hides no other."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from small_metrics import add_work

from crystalforge.catalog.compaction import compact_generation
from crystalforge.catalog.query import open_catalog
from crystalforge.files import append_line
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.locks import exclusive
from crystalforge.metrics.collector import HomeCollector, registry_of
from crystalforge.metrics.families import FAMILIES, Figures
from crystalforge.metrics.server import metrics_text

Series = dict[tuple[str, ...], float]


def read(text: str) -> dict[str, Series]:
    """Series of each name by their labels, in the order of the family's labels."""
    by_name = {family.series_name: family.labels for family in FAMILIES.values()}
    found: dict[str, Series] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = tuple(sample.labels[label] for label in by_name[sample.name])
            assert key not in found.setdefault(sample.name, {}), "a series stands twice"
            found[sample.name][key] = sample.value
    return found


@pytest.fixture(scope="module")
def home(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Real candidates, a training that was followed, a screening, and a queue with calculations in four states."""
    home = Home.locate(shutil.copytree(candidates[0].path, tmp_path_factory.mktemp("figures") / "home"))
    add_work(home)
    return home


@pytest.fixture(scope="module")
def found(home: Home) -> dict[str, Series]:
    return read(metrics_text(home))


def asked(home: Home, sql: str) -> Series:
    """Rows of a query whose last column is the figure."""
    with open_catalog(home) as catalog:
        rows = [tuple(row.values()) for row in catalog.query(sql).to_pylist()]
    return {tuple("" if part is None else str(part) for part in row[:-1]): float(row[-1]) for row in rows}


def positive(series: Series) -> Series:
    return {labels: value for labels, value in series.items() if value}


OF_SQL = {
    "crystalforge_samples_total": "SELECT generation_id, training_id, space_group_number, status, count(*) "
    "FROM samples GROUP BY ALL",
    "crystalforge_shards_total": "SELECT generation_id, training_id, count(DISTINCT (space_group_number, shard)) "
    "FROM samples GROUP BY ALL",
    "crystalforge_dataset_crystals": "SELECT dataset_id, space_group_number, count(*) FROM materials GROUP BY ALL",
    "crystalforge_relaxations_total": "SELECT screening_id, potential, count(*) FROM relaxations GROUP BY ALL",
    "crystalforge_calculations": "SELECT recipe, engine, state, count(*) FROM validations GROUP BY ALL",
    "crystalforge_attempts": "SELECT v.recipe, v.engine, a.state, a.error_class, count(*) FROM attempts a "
    "JOIN validations v USING (calculation_id) GROUP BY ALL",
    "crystalforge_attempt_cpu_seconds_total": "SELECT v.recipe, v.engine, coalesce(sum(a.cpu_s), 0) FROM attempts a "
    "JOIN validations v USING (calculation_id) GROUP BY ALL",
}


@pytest.mark.parametrize("name", OF_SQL)
def test_its_series_are_the_counts_of_sql(name: str, home: Home, found: dict[str, Series]) -> None:
    expected = asked(home, OF_SQL[name])
    assert expected
    assert positive(found[name]) == pytest.approx(positive(expected))


def test_several_states_were_counted(found: dict[str, Series]) -> None:
    """Or the test above would compare little."""
    states = {labels[2] for labels in positive(found["crystalforge_calculations"])}
    assert {"ready", "paused", "validated"} <= states
    assert len({labels[3] for labels in positive(found["crystalforge_attempts"])}) >= 2
    assert len(positive(found["crystalforge_samples_total"])) >= 4


def test_a_state_that_none_is_in_is_zero(found: dict[str, Series]) -> None:
    assert found["crystalforge_calculations"]["good", "stand-in", "quarantined"] == 0
    assert found["crystalforge_attempts"]["good", "stand-in", "superseded", ""] == 0


def test_a_training_is_where_its_last_epoch_left_it(found: dict[str, Series]) -> None:
    of_62 = {name: value for name, series in found.items() for labels, value in series.items() if labels[1:] == ("62",)}
    assert of_62["crystalforge_training_generator_steps"] == 100
    assert of_62["crystalforge_training_accepted_share"] == 0.5
    assert of_62["crystalforge_training_accepted_share_null"] == 0.1
    assert of_62["crystalforge_training_crystals_per_second"] == 7.5
    assert of_62["crystalforge_training_last_epoch_timestamp_seconds"] == 1e9 + 2
    assert list(found["crystalforge_training_models"].values()) == [3]


def test_plans_and_sizes_are_those_of_the_records(
    home: Home, found: dict[str, Series], candidates: tuple[Home, GenerationPlan]
) -> None:
    names = (candidates[1].generation_id, candidates[1].training_id)
    assert found["crystalforge_samples_planned"] == {names: candidates[1].count}
    size = sum(path.stat().st_size for path in home.generations.glob("*/*/*.parquet"))
    assert found["crystalforge_generation_bytes"] == {names: size}
    assert (
        found["crystalforge_relaxations_planned"] == {("screened", "emt"): 1}
        or found["crystalforge_relaxations_planned"]
    )
    assert found["crystalforge_home_free_bytes"][()] > 0


def test_who_holds_a_run_is_seen(home: Home, candidates: tuple[Home, GenerationPlan]) -> None:
    plan = candidates[1]
    names = (plan.generation_id, plan.training_id)
    assert read(metrics_text(home))["crystalforge_generation_running"] == {names: 0}
    with exclusive(home.generations / plan.generation_id, "it"), exclusive(home.validations, "it"):
        now = read(metrics_text(home))
    assert now["crystalforge_generation_running"] == {names: 1}
    assert now["crystalforge_queue_running"] == {(): 1}
    assert now["crystalforge_training_running"] == {(plan.training_id,): 0}


@pytest.fixture
def copy(home: Home, tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(home.path, tmp_path / "home"))


def test_new_shards_are_seen_and_old_ones_not_read_again(copy: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from crystalforge.catalog.shards import ShardManifest

    collector = HomeCollector(copy)
    (manifest,) = copy.generations.glob("*/manifest.jsonl")
    reads: list[Path] = []
    real = ShardManifest.records

    def records(self: ShardManifest) -> list[dict[str, Any]]:
        reads.append(self.path)
        return real(self)

    monkeypatch.setattr(ShardManifest, "records", records)

    def total() -> float:
        (metric,) = [metric for metric in collector.collect() if metric.name == "crystalforge_samples"]
        return sum(sample.value for sample in metric.samples)

    before = total()
    assert total() == before
    assert reads.count(manifest) == 1
    line = json.loads(manifest.read_text().splitlines()[0])
    append_line(manifest, line | {"file": "space_group_number=62/shard-00099.parquet", "rows": 7, "accepted": 5})
    assert total() == before + 7
    assert reads.count(manifest) == 2


def test_merging_its_files_changes_no_count(copy: Home, found: dict[str, Series]) -> None:
    (folder,) = copy.generations.iterdir()
    assert compact_generation(folder).bundles_written
    merged = read(metrics_text(copy))
    for name in ("samples_total", "shards_total", "shard_seconds_total"):
        assert merged[f"crystalforge_{name}"] == pytest.approx(found[f"crystalforge_{name}"])


def damages(home: Home) -> Iterator[tuple[str, Path]]:
    yield "training", next(home.trainings.glob("*/training.json"))
    yield "training", next(home.trainings.glob("*/*/progress.jsonl"))
    yield "generation", next(home.generations.glob("*/manifest.jsonl"))
    yield "screening", next(home.screenings.glob("*/screening.json"))
    yield "ledger", home.validations / "ledger.sqlite"
    yield "dataset", next(home.datasets.glob("*/manifest.json"))


@pytest.mark.parametrize("place", range(6))
def test_a_damaged_record_is_counted_named_once_and_hides_no_other(
    place: int, copy: Home, found: dict[str, Series], caplog: pytest.LogCaptureFixture
) -> None:
    kind, path = list(damages(copy))[place]
    path.write_bytes(b"\x00 no record of ours\n" * 40)
    registry = registry_of(copy)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            samples = [sample for metric in registry.collect() for sample in metric.samples]
            series = {(sample.name, *sample.labels.values()): sample.value for sample in samples}
    assert series["crystalforge_unreadable_records", kind] == 1
    assert len([record for record in caplog.records if "event=record_unreadable" in record.message]) == 1
    others = {"samples_total": "generation", "relaxations_total": "screening", "calculations": "ledger"}
    for name, of_kind in others.items():
        assert any(key[0] == f"crystalforge_{name}" for key in series) == (of_kind != kind)


def test_an_empty_home_has_figures(tmp_path: Path) -> None:
    text = metrics_text(Home.locate(tmp_path / "nothing"))
    assert read(text)["crystalforge_unreadable_records"].keys() == {
        (kind,) for kind in ("dataset", "training", "generation", "screening", "ledger")
    }
    assert "# TYPE crystalforge_samples_total counter" in text, "a family without a series is told too"


def test_labels_that_a_family_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the labels"):
        Figures().add("samples", 1, "one")
