"""The data card of the bundled crystals, counted again from the rows by other means."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from crystalforge.cli.dataset import app
from crystalforge.dataset import PAPER_COUNTS, ExclusionReason, data_card, find_dataset
from crystalforge.dataset.card import DataCard
from crystalforge.errors import DamagedFileError
from crystalforge.home import EXCLUSIONS_FILE, Home


@pytest.fixture(scope="module")
def card(bundled_home: Home) -> DataCard:
    return data_card(find_dataset(bundled_home))


def test_counts_are_those_of_the_rows(card: DataCard, bundled_materials: pa.Table) -> None:
    frame = bundled_materials.to_pandas()
    assert {group.space_group_number: group.paper for group in card.groups} == PAPER_COUNTS
    assert {group.space_group_number: group.crystals for group in card.groups} == dict(
        frame["space_group_number"].value_counts()
    )
    assert sum(prototype.crystals for prototype in card.prototypes) == len(frame)
    heusler = next(one for one in card.prototypes if one[:2] == (225, "4a 4b 8c"))
    of_225 = frame[frame["space_group_number"] == 225]
    assert heusler.crystals == sum(sorted(counts) == [4, 4, 8] for counts in of_225["multiplicities"])
    oxygen = frame["elements"].map(lambda symbols: "O" in symbols)
    assert dict(card.elements)["O"] == oxygen.sum()
    assert sum(count for _, count in card.elements) == 3 * len(frame)
    spread = {one.column: one for one in card.spreads}
    assert spread["energy_above_hull"].known == frame["energy_above_hull"].notna().sum()
    assert spread["volume_per_atom"].quantiles[2] == pytest.approx(np.median(frame["volume_per_atom"]), abs=1e-5)


def test_the_command_shows_all_of_it(bundled_home: Home, card: DataCard) -> None:
    shown = CliRunner().invoke(app, ["show", "--home", str(bundled_home.path)])
    assert shown.exit_code == 0
    for text in ("4a 4b 8c", "4653", "CC-BY-4.0", "A. Jain", "Nothing was left out", "elements, with their crystals"):
        assert text in shown.stdout
    told = json.loads(CliRunner().invoke(app, ["show", "--json", "--home", str(bundled_home.path)]).stdout)
    assert told["dataset_id"] == card.manifest.dataset_id
    assert told["elements"] == dict(card.elements)
    assert told["paper_counts"]["225"] == 4653
    assert len(told["prototypes"]) == len(card.prototypes)


def built(home: Home, *arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["build", "bundled", "--json", "--home", str(home.path), *arguments])
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_elements_and_stability_are_asked_of_every_source(home: Home, bundled_materials: pa.Table) -> None:
    told = built(home, "--elements", "O,*", "--exclude-elements", "Ti", "--max-energy-above-hull", "0.1")
    fitting = [
        row["material_id"]
        for row in bundled_materials.to_pylist()
        if "O" in row["elements"] and "Ti" not in row["elements"]
        if row["energy_above_hull"] is not None and row["energy_above_hull"] <= 0.1
    ]
    dataset = find_dataset(home)
    assert sorted(dataset.materials()["material_id"].to_pylist()) == sorted(fitting)
    assert told["exclusion_counts"] == data_card(dataset).manifest.exclusion_counts
    assert set(dataset.manifest.exclusion_counts) == {"elements_not_asked", "energy_not_asked"}
    assert dataset.manifest.filters == {
        "elements": ["O"],
        "exclude_elements": ["Ti"],
        "max_energy_above_hull": 0.1,
    }
    left_out = data_card(dataset).exclusions
    assert [one.reason for one in left_out] == ["elements_not_asked", "energy_not_asked"]
    assert left_out[0].meaning == ExclusionReason.ELEMENTS_NOT_ASKED.meaning
    assert "expected O without Ti, found" in left_out[0].example


def test_a_licence_can_be_stated_afterwards(home: Home) -> None:
    first = built(home, "--space-groups", "71")
    again = built(home, "--space-groups", "71", "--licence", "CC0-1.0", "--attribution", "Somebody")
    assert again == first | {"licence": "CC0-1.0", "attribution": "Somebody"}
    assert built(home, "--space-groups", "71") == again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--elements", "Xx"), "Unknown element"),
        (("--elements", "Li,O,F,N"), "at most three elements"),
        (("--elements", "Li", "--exclude-elements", "Li"), "cannot be asked for and excluded at once"),
        (("--max-energy-above-hull", "inf"), "must be 0 eV/atom or more"),
        (("--limit", "5"), "bundled is no server"),
    ],
)
def test_what_cannot_be_asked_is_refused(home: Home, arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["build", "bundled", "--home", str(home.path), *arguments])
    assert message in str(result.exception)
    assert not home.datasets.exists()


def test_a_damaged_table_of_exclusions_is_told(home: Home) -> None:
    built(home, "--space-groups", "71")
    path = find_dataset(home).path / EXCLUSIONS_FILE
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(DamagedFileError, match="damaged"):
        data_card(find_dataset(home))
