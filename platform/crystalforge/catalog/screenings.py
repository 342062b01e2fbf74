"""Screenings as SQL sees them: the shards of relaxations and the judgements that their manifests name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.catalog.verification import ExpectedFile
from crystalforge.home import SCREENING_RECORD, Home
from crystalforge.schemas.discoveries import DISCOVERIES
from crystalforge.schemas.relaxations import RELAXATIONS, STABILITIES
from crystalforge.schemas.versions import name_of

SCREENING_TABLES: dict[str, pa.Schema] = {
    "relaxation_files": RELAXATIONS,
    "stability_files": STABILITIES,
    "discovery_files": DISCOVERIES,
}
"""Name of the view over the files → schema."""


def committed_screenings(home: Home) -> dict[str, list[ExpectedFile]]:
    """Files of all screenings, by the name of their view.

    Raises:
        DamagedFileError: a manifest does not parse, or names a file outside its folder.
    """
    views = {name_of(schema): view for view, schema in SCREENING_TABLES.items()}
    found: dict[str, list[ExpectedFile]] = {view: [] for view in SCREENING_TABLES}
    begun = {path.parent for name in (MANIFEST_NAME, SCREENING_RECORD) for path in home.screenings.glob(f"*/{name}")}
    for folder in sorted(begun):
        for file, line in ShardManifest(folder).files():
            schema = str(line.get("schema", ""))
            if view := views.get(schema.partition("/")[0]):
                found[view].append(_expected(folder.name, file, line))
    return found


def _expected(screening_id: str, path: Path, line: dict[str, Any]) -> ExpectedFile:
    return ExpectedFile(
        path,
        line["sha256"],
        line["bytes"],
        f"File {line['file']} of screening {screening_id}",
        f"Run `platform screen --resume {screening_id}` to make it again.",
        line["schema"],
    )
