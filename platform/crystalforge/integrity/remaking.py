"""Same seed, same bytes: a shard drawn again, in this process, against the line that committed it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crystalforge.catalog.bundles import BUNDLE, split
from crystalforge.catalog.shards import encode_shard
from crystalforge.errors import CrystalforgeError, ModelNotFoundError
from crystalforge.files import path_within, read_record
from crystalforge.generation.plan import GenerationPlan, Shard
from crystalforge.home import MODEL_RECORD, Home, group_folder_name
from crystalforge.integrity.findings import Kind, Report
from crystalforge.schemas import SAMPLES
from crystalforge.table_files import read_row_groups, same_rows

if TYPE_CHECKING:
    from crystalforge.gan.model import Model


PACKAGES = ("crystalforge", "torch", "numpy", "pyarrow", "moyopy")


class Remaker:
    """Draws shards of one generation again and compares them; keeps the models that it has loaded."""

    def __init__(self, report: Report, home: Home, plan: GenerationPlan, record: Mapping[str, Any]) -> None:
        self.report = report
        self.home = home
        self.plan = plan
        self.versions: Mapping[str, str] = record.get("versions") or {}
        self.models: dict[int, Model] = {}

    def compare(self, shard: Shard, line: Mapping[str, Any], lines: Mapping[str, Mapping[str, Any]]) -> None:
        """Draw a shard again; nothing is written.

        Args:
            shard: the shard.
            line: what is committed of it.
            lines: of the manifest, by file: of a bundle among them the rows are compared too.
        """
        folder = self.home.generations / self.plan.generation_id
        path = folder / line.get(BUNDLE, shard.file)
        try:
            table = self._draw(shard)
        except CrystalforgeError as error:
            self.report.add(Kind.NOT_REMADE, path, f"It cannot be drawn again to compare it: {error}")
            return
        self.report.counts["remade"] += 1
        sha256 = encode_shard(shard.file, table)[1].sha256
        if sha256 == line["sha256"]:
            if BUNDLE in line and not _holds(folder, lines[line[BUNDLE]], shard, table):
                found = f"{shard.file} was drawn as the manifest says, but its rows in the bundle are others."
                repair = "`platform verify --repair` draws it again."
                self.report.add(Kind.OTHER_BYTES, path, f"{found} {repair}", line[BUNDLE])
            return
        found = f"Drawn again from its seed it has sha256 {sha256[:12]}…, expected {line['sha256'][:12]}…."
        changed = other_versions(self.versions)
        if changed:
            self.report.add(Kind.NOT_REMADE, path, f"{found} Other versions are installed: {changed}.")
        else:
            self.report.add(Kind.OTHER_BYTES, path, f"{found} Versions are the same; was it drawn on another device?")

    def _draw(self, shard: Shard) -> pa.Table:
        import torch

        from crystalforge.generation.sampling import sample_shard

        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as the workers that drew it: sums keep one order
        try:
            return sample_shard(self._model(shard.space_group_number), self.plan, shard)
        finally:
            torch.set_num_threads(threads)

    def _model(self, number: int) -> Model:
        import torch

        from crystalforge.gan.checkpoint import model_of, open_checkpoint

        if number not in self.models:
            training = path_within(self.home.trainings, self.plan.training_id, source=self.home.trainings)
            group = training / group_folder_name(number)
            if not (group / MODEL_RECORD).is_file():
                raise ModelNotFoundError(f"{group / MODEL_RECORD} is missing: expected the model of the plan.")
            name = str(read_record(group / MODEL_RECORD, ("checkpoint",))["checkpoint"])
            checkpoint = open_checkpoint(path_within(group, name, source=group / MODEL_RECORD))
            if checkpoint.model_checksum != self.plan.models[number]:
                raise ModelNotFoundError(
                    f"{group} holds model {checkpoint.model_checksum[:12]}…: expected {self.plan.models[number][:12]}…."
                )
            self.models[number] = model_of(checkpoint, "cuda" if torch.cuda.is_available() else "cpu")
        return self.models[number]


def _holds(folder: Path, bundle: Mapping[str, Any], shard: Shard, table: pa.Table) -> bool:
    """Whether a bundle holds these rows for a shard."""
    groups = read_row_groups(path_within(folder, bundle["file"], source=folder), bundle["sha256"], SAMPLES)
    return any(noted["file"] == shard.file and same_rows(rows, table) for noted, rows in split(bundle, groups))


def installed_versions() -> dict[str, str]:
    """What the bytes of a shard depend on besides its plan."""
    return {name: metadata.version(name) for name in PACKAGES}


def other_versions(then: Mapping[str, str]) -> str:
    """Packages whose version is not the one that a generation was begun with, as ``torch 2.13.0, now 2.14.0``."""
    changed = []
    for name, version in then.items():
        try:
            now = metadata.version(name)
        except metadata.PackageNotFoundError:
            now = "none"
        if now != version:
            changed.append(f"{name} {version}, now {now}")
    return "; ".join(changed)
