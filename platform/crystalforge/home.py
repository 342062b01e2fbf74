"""Where everything lies: the home folder and the names of what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystalforge.errors import StorageError, UsageError
from crystalforge.object_store import as_path, as_url, on_store, reach, store_path
from crystalforge.settings import SHARED, shared_setting

HOME_VARIABLE = SHARED["home"]
DEFAULT_HOME = "crystalforge-home"

DATASET_RECORD = "manifest.json"
"""Commits a dataset."""
MATERIALS_FILE = "materials.parquet"
EXCLUSIONS_FILE = "exclusions.parquet"
TRAINING_RECORD = "training.json"
"""The configuration of a training."""
MODEL_RECORD = "model.json"
"""Commits the model of one space group."""
GENERATION_RECORD = "generation.json"
"""The plan of a generation; its shards are committed by the lines of their manifest."""
SCREENING_RECORD = "screening.json"
"""The plan of a screening; its shards are committed by the lines of their manifest."""
NODES_RECORD = "nodes.jsonl"
"""Nodes of a cluster that joined or were lost while a training, generation or screening was worked at."""
EVALUATION_FILE = "evaluation.parquet"
OCCURRENCES_FILE = "occurrences.parquet"
"""Both in the folder of the generation that was evaluated."""
EVALUATION_RECORD = "evaluation.json"
"""Beside them: what the last evaluation judged and how long it took."""
MLFLOW_DATABASE = "mlflow.db"
VALIDATIONS_EXPORT = "export.json"
"""Names the tables that the ledger of calculations last exported."""


def group_folder_name(space_group_number: int) -> str:
    """Folder of one space group within a training or a generation, in Hive's style."""
    return f"space_group_number={space_group_number}"


def shard_file_name(space_group_number: int, number: int) -> str:
    """Name of a shard's file within the folder of its generation; ``number`` counts from 0 within the space group."""
    return f"{group_folder_name(space_group_number)}/shard-{number:05d}.parquet"


@dataclass(frozen=True)
class Home:
    """The home folder: ``datasets/ trainings/ generations/ validations/ mlflow/``.

    Attributes:
        path: absolute path of the folder, or its place on an object store.
    """

    path: Path

    @classmethod
    def locate(cls, path: str | Path | None = None, *, store: bool = False) -> Home:
        """Take the given path, or the setting ``home`` (``CRYSTALFORGE_HOME``, files), or ``./crystalforge-home``.

        Args:
            path: a folder, or the URL of a place on an object store, as ``s3://bucket/prefix``.
            store: whether what asks can work on an object store; else one is refused before any work.

        Raises:
            StorageError: the path exists and is not a folder, or the store does not answer.
            UsageError: it is on a store, and what asks cannot work there.
            SettingsError: a file of settings cannot be read.
        """
        setting = None if path else shared_setting("home")
        given = path or (setting.value if setting else DEFAULT_HOME)
        if url := as_url(given):
            return cls._on_store(url, store)
        chosen = Path(given).expanduser().resolve()
        if chosen.exists() and not chosen.is_dir():
            raise StorageError(f"The home {chosen} is a file: expected a folder. Give another with --home.")
        return cls(chosen)

    @classmethod
    def _on_store(cls, url: str, works_there: bool) -> Home:
        if not works_there:
            raise UsageError(
                f"This needs a home on a disk of this machine, got {url}: files that it writes or reads in part cannot "
                "lie on an object store. Copy what it works on into a local home (see Homes in docs/deploy.md) and "
                "give that with --home."
            )
        chosen = as_path(url)
        if on_store(chosen):
            reach(store_path(chosen))
        return cls(chosen)

    def holds(self, path: Path) -> bool:
        """Whether a path of this machine lies in the home."""
        return not on_store(self.path) and path.resolve().is_relative_to(self.path)

    @property
    def datasets(self) -> Path:
        """Folder of ``<dataset_id>/materials.parquet``."""
        return self.path / "datasets"

    @property
    def downloads(self) -> Path:
        """Folder of ``<request>/snapshot-1/pages.jsonl``: what was fetched from servers."""
        return self.path / "downloads"

    @property
    def trainings(self) -> Path:
        """Folder of ``<training_id>/space_group_number=225/``."""
        return self.path / "trainings"

    @property
    def generations(self) -> Path:
        """Folder of ``<generation_id>/manifest.jsonl`` and its shards."""
        return self.path / "generations"

    @property
    def validations(self) -> Path:
        """Folder of ``ledger.sqlite``, the attempts and the exported tables."""
        return self.path / "validations"

    @property
    def screenings(self) -> Path:
        """Folder of ``<screening_id>/manifest.jsonl`` and its shards."""
        return self.path / "screenings"

    @property
    def mlflow(self) -> Path:
        """Folder of ``mlflow.db`` and the artifacts."""
        return self.path / "mlflow"
