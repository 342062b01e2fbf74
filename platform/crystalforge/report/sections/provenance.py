"""Where everything comes from, and the commands that make it again."""

from __future__ import annotations

from typing import Any

from crystalforge import __version__
from crystalforge.files import read_lines, utc_now
from crystalforge.home import NODES_RECORD
from crystalforge.report.context import ReportContext
from crystalforge.report.section import Section
from crystalforge.viewer.assets import NOTICE

LIBRARIES = ("Plotly.js, (c) Plotly, Inc., MIT licence, https://plotly.com/javascript", NOTICE)


def make(context: ReportContext) -> Section:
    """Identifiers, versions and checksums."""
    plan, training, dataset = context.plan, context.training, context.dataset
    request = plan.get("request") or {}
    values: dict[str, Any] = {
        "facts": [
            ("generation", context.generation_id),
            ("drawn", plan.get("created_at")),
            ("samples asked for", plan.get("count")),
            ("seed", plan.get("seed")),
            ("least contact ratio", plan.get("min_contact_ratio")),
            ("nodes lost while it was drawn", _lost_nodes(context)),
            ("asked of the crystals", ", ".join(f"{key}: {value}" for key, value in request.items() if value) or None),
            ("training", plan.get("training_id")),
            ("recipe", training.get("recipe")),
            ("seed of the training", training.get("seed")),
            ("dataset", plan.get("dataset_id")),
            ("source of the dataset", dataset.get("source")),
            ("licence of the dataset", dataset.get("licence")),
            ("attribution", dataset.get("attribution")),
            ("checksum of the dataset (SHA-256)", dataset.get("checksum")),
        ],
        "versions": plan.get("versions") or {},
        "models": sorted((int(number), checksum) for number, checksum in (plan.get("models") or {}).items()),
        "screened": context.screened,
        "made_by": f"crystalforge {__version__}",
        "made_at": utc_now(),
        "libraries": LIBRARIES,
        "commands": [
            f"platform report --generation {context.generation_id}",
            f"platform generate --resume {context.generation_id}",
            "platform verify",
        ],
    }
    return Section("provenance", "Where it comes from", "", values)


def _lost_nodes(context: ReportContext) -> str | None:
    """Nodes of the cluster that were lost; their shards were drawn again on others, to the same bytes."""
    lines = read_lines(context.home.generations / context.generation_id / NODES_RECORD)
    return "; ".join(f"{line['node']}, {line['time'][:19]}" for line in lines if line["event"] == "lost") or None
