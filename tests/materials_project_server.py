"""A local server with the part of the Materials Project's API that mp-api uses for summaries, behind a faulty network.

    python materials_project_server.py SUMMARIES.json KEY

It is no Materials Project: it was written from the requests that mp-api sends, and answers them from a file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from optimade_server import serve

VERSION = {"status": "OK", "db_version": "2026.01.01", "version": "0.87.3", "access_controlled_batch_ids": []}


def make_app(summaries: list[dict[str, Any]], key: str) -> FastAPI:
    """Heartbeat and summaries."""
    app = FastAPI()

    @app.get("/heartbeat")
    def heartbeat() -> dict[str, Any]:
        return VERSION

    @app.get("/materials/summary/")
    def search(request: Request) -> dict[str, Any]:
        if request.headers.get("x-api-key") != key:
            raise HTTPException(403, "Forbidden: no such key")
        asked = dict(request.query_params)
        found = [one for one in summaries if _fits(one, asked)]
        first, count = int(asked.get("_skip", 0)), int(asked.get("_limit", 100))
        fields = asked["_fields"].split(",")
        page = [{name: one[name] for name in fields if name in one} for one in found[first : first + count]]
        return {"data": page, "meta": {"total_doc": len(found)}}

    return app


def _fits(summary: dict[str, Any], asked: dict[str, str]) -> bool:
    elements = set(summary["elements"])
    energy = summary["energy_above_hull"]
    highest = float(asked.get("energy_above_hull_max", "inf"))
    return (
        int(asked["nelements_min"]) <= len(elements) <= int(asked["nelements_max"])
        and set(filter(None, asked.get("elements", "").split(","))) <= elements
        and not set(filter(None, asked.get("exclude_elements", "").split(","))) & elements
        and summary["symmetry"]["number"] == int(asked["spacegroup_number"])
        and (energy if energy is not None else 0.0) <= highest
        and str(summary["deprecated"]).lower() == asked["deprecated"].lower()
        and summary["builder_meta"]["batch_id"] != asked["batch_id_not_eq"]
    )


if __name__ == "__main__":
    serve(make_app(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2]))
