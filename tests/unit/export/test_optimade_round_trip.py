"""A real OPTIMADE server serves what was exported, and a dataset built from that server holds the same crystals."""

from __future__ import annotations

import json
from pathlib import Path

import requests
from crystal_servers import optimade_server_of

from crystalforge.dataset import BuildRequest, FetchOptions, Patience, build_or_find, find_dataset
from crystalforge.export import CrystalQuery, FormatName, export_crystals
from crystalforge.home import Home

ENOUGH = 15
"""Crystals in an order that mixes the space groups."""


def test_crystals_go_out_and_come_in_again(bundled_home: Home, tmp_path: Path) -> None:
    data = tmp_path / "crystals.jsonl"
    query = CrystalQuery("materials", order_by="md5(material_id)", limit=ENOUGH)
    export_crystals(bundled_home, query, FormatName.OPTIMADE_JSONL, data)
    another = Home.locate(tmp_path / "home")
    with data.open() as stream:
        meanings = list(map(json.loads, [next(stream), next(stream)]))[1]["properties"]
    fields = [{"name": name, **meaning} for name, meaning in meanings.items()]
    with optimade_server_of(tmp_path, data, ENOUGH, "crystalforge", fields) as server:
        served = requests.get(f"{server.url}/structures?page_limit=40", timeout=60).json()["data"]
        options = FetchOptions(patience=Patience(timeout=20.0, attempts=3, first_wait=0.01, pause=0.0))
        build_or_find(another, BuildRequest(f"optimade:{server.url}", "again", fetching=options))
    expected = {row["material_id"]: row for row in find_dataset(bundled_home).materials().to_pylist()}
    found = find_dataset(another).materials().to_pylist()
    assert len(served) == len(found) == ENOUGH
    for row in found:
        assert row["crystal_id"] == expected[row["material_id"]]["crystal_id"]
    for entry in served:
        energy = entry["attributes"]["_crystalforge_energy_above_hull"]
        assert energy == expected[entry["id"]]["energy_above_hull"]
