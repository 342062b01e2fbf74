"""Where an export goes: a folder of files or one file, and what may be replaced there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystalforge.errors import CrystalforgeError, UsageError
from crystalforge.export.content import Content, ExportFormat, Tell
from crystalforge.export.manifest import KIND, NAME
from crystalforge.files import (
    path_within,
    read_record,
    sha256_of_file,
    write_atomically,
    write_folder_atomically,
    write_json,
)
from crystalforge.home import Home

DEFAULT_NAME = "crystals"
Files = list[dict[str, Any]]
"""Name, size (bytes) and SHA-256 of each file, and whose crystal it is."""
Record = Callable[[Files], dict[str, Any]]
"""Gives the manifest of the files."""


@dataclass(frozen=True)
class Target:
    """A place to write to.

    Attributes:
        path: the folder or the file.
        file_format: what is written.
        is_folder: whether each crystal gets a file of its own.
    """

    path: Path
    file_format: ExportFormat
    is_folder: bool

    @classmethod
    def of(cls, out: Path | None, name: str, file_format: ExportFormat) -> Target:
        """The place that was asked for, or ``crystals-NAME``, or ``crystals.SUFFIX`` of a format of one file."""
        if file_format.text_of is None:
            return cls(out or Path(f"{DEFAULT_NAME}{file_format.suffix}"), file_format, is_folder=False)
        in_one = out is not None and file_format.joins and out.suffix.lower() == file_format.suffix
        return cls(out or Path(f"{DEFAULT_NAME}-{name}"), file_format, is_folder=not in_one)

    @property
    def manifest(self) -> Path:
        """In the folder, or beside the file."""
        return self.path / NAME if self.is_folder else self.path.with_name(f"{self.path.name}.{NAME}")

    def check(self, home: Home, *, overwrite: bool) -> None:
        """Refuse to write into the home, or over anything but an export.

        Raises:
            UsageError: something is in the way; the message has the repair.
        """
        if home.holds(self.path):
            raise UsageError(f"{self.path} lies in the home {home.path}: expected a place outside. Give it with --out.")
        if not self.path.is_symlink() and (not self.path.exists() or self._is_empty_folder()):
            return
        if self.path.is_symlink() or self.path.is_dir() != self.is_folder or not self._is_export():
            kind = "folder" if self.is_folder else "file"
            raise UsageError(
                f"{self.path} is there and is no export of this kind: expected a new name of a {kind}, or an export "
                "to replace. Give another with --out."
            )
        if not overwrite:
            raise UsageError(
                f"{self.path} is there: expected a new name. Give another with --out, or --overwrite to replace it."
            )

    def _is_empty_folder(self) -> bool:
        return self.is_folder and self.path.is_dir() and next(self.path.iterdir(), None) is None

    def _is_export(self) -> bool:
        try:
            return bool(read_record(self.manifest, ["kind"])["kind"] == KIND)
        except CrystalforgeError:
            return False

    def write(self, content: Content, record: Record, tell: Tell, *, overwrite: bool) -> Files:
        """Write everything, whole or not at all.

        Raises:
            StorageError: it could not be written, or another put a folder there meanwhile; what was there stays.
        """
        if self.is_folder:
            return self._write_folder(content, record, tell, overwrite)
        return self._write_file(content, record, tell)

    def _write_folder(self, content: Content, record: Record, tell: Tell, overwrite: bool) -> Files:
        files: Files = []

        def write(folder: Path) -> None:
            for done, (name, text) in enumerate(self.file_format.texts(content.entries, content.cell), start=1):
                entry, encoded = content.entries[done - 1], text.encode()
                # A name is made of harmless characters; that it stays in the folder is checked all the same.
                path_within(folder, name, source=folder).write_bytes(encoded)
                crystal_id = entry.properties.get("crystal_id")
                record_of_file = {"file": name, "identifier": entry.identifier, "crystal_id": crystal_id}
                files.append(record_of_file | _described(encoded))
                tell(done)
            write_json(folder / NAME, record(files))

        write_folder_atomically(self.path, write, replace=overwrite)
        return files

    def _write_file(self, content: Content, record: Record, tell: Tell) -> Files:
        """The manifest goes before the file: where the file is, so is its manifest."""
        files: Files = []

        def write(temporary: Path) -> None:
            if self.file_format.write_file is not None:
                self.file_format.write_file(temporary, content, tell)
            else:
                with temporary.open("w", encoding="utf-8") as stream:
                    for done, (_, text) in enumerate(self.file_format.texts(content.entries, content.cell), start=1):
                        stream.write(text)
                        tell(done)
            size, digest = temporary.stat().st_size, sha256_of_file(temporary)
            files.append({"file": self.path.name, "crystals": len(content.entries), "bytes": size, "sha256": digest})
            write_json(self.manifest, record(files))

        write_atomically(self.path, write)
        return files


def _described(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
