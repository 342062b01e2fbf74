"""The lines of a manifest: in one file that is appended to, or each an object of its own where that is not possible.

On a disk of this machine a line goes to the end of ``manifest.jsonl``. On an object store and on a network file system,
where two machines that append tear each other's lines, it is ``manifest/SHARD.SHA256.json``: put whole, so two drivers
of one plan put the same object twice. The driver sums them up into ``manifest.jsonl`` at its end, which saves readers
a request for each; the lines stay, and one that is not summed up counts all the same. So the folder of a generation on
a store and one on a disk have the same form: copied to the other, either is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from crystalforge.errors import DamagedFileError
from crystalforge.files import read_lines, storage_errors, write_bytes, write_lines
from crystalforge.object_store import on_store, store_path

LINES_FOLDER = "manifest"
READS_AT_A_TIME = 16
DIGITS = 12
"""Of the SHA-256 in a line's name: another content of the same shard is another line."""


Remembered = dict[str, Any]
"""Lines that this process has put or read, by name: a line of that name never changes, and is not read again."""


def put_line(folder: Path, line: Mapping[str, Any], remembered: Remembered) -> None:
    """Commit a line as an object of its own.

    Raises:
        StorageError: it could not be written.
    """
    content = json.dumps(line, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n"
    write_bytes(folder / LINES_FOLDER / _name_of(line), content.encode())
    remembered[_name_of(line)] = line


def read_all_lines(path: Path, remembered: Remembered, damaged: Callable[[str], object] | None = None) -> list[Any]:
    """Lines of a manifest's file and those of their own after them, the one that was put last at the end.

    Args:
        path: the manifest's file.
        remembered: takes the lines that are read.
        damaged: told of each line that does not parse, which is then left out; None makes it an error.

    Raises:
        DamagedFileError: a line does not parse.
        StorageError: the store does not answer.
    """
    summed = read_lines(path, damaged)
    names = _names(path.parent / LINES_FOLDER)
    if not names:
        return summed
    remembered |= {_name_of(line): line for line in summed if _is_line(line)}
    new = [name for name in names if name not in remembered]
    with ThreadPoolExecutor(READS_AT_A_TIME) as threads:
        found = dict(zip(new, threads.map(lambda name: _read(path, name, damaged), new), strict=True))
    remembered |= {name: line for name, line in found.items() if line is not None}
    return summed + [remembered[name] for name in names if name in remembered]


def sum_up(path: Path, remembered: Remembered) -> None:
    """Write all lines into the manifest's file, if some are not in it; the last of each shard.

    Raises:
        DamagedFileError: a line does not parse.
        StorageError: it could not be written.
    """
    summed = read_lines(path)
    lines = {line["file"]: line for line in read_all_lines(path, remembered)}
    if list(lines.values()) != summed:
        write_lines(path, lines.values())


def take_in_lines(path: Path) -> None:
    """Bring the lines of a folder that was copied from a store into the manifest's file, before more go there."""
    folder = path.parent / LINES_FOLDER
    if folder.is_dir():
        replace_lines(path, list({line["file"]: line for line in read_all_lines(path, {})}.values()))
        with storage_errors(folder):
            folder.rmdir()


def replace_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Put these lines in place of all."""
    write_lines(path, lines)
    for name in _names(path.parent / LINES_FOLDER):
        (path.parent / LINES_FOLDER / name).unlink(missing_ok=True)


def _name_of(line: Mapping[str, Any]) -> str:
    return f"{str(line['file']).replace('/', '--')}.{str(line['sha256'])[:DIGITS]}.json"


def _is_line(line: Any) -> bool:
    return isinstance(line, dict) and "file" in line and "sha256" in line


def _names(folder: Path) -> list[str]:
    """Names of the lines, the one that was put last at the end; one request for each thousand."""
    if on_store(folder):
        found = [(status.st_mtime, path.name) for path, status in store_path(folder).listed().items()]
    else:
        found = [(path.stat().st_mtime, path.name) for path in folder.glob("*.json")] if folder.is_dir() else []
    return [name for _, name in sorted(found) if name.endswith(".json")]


def _read(path: Path, name: str, damaged: Callable[[str], object] | None) -> Any:
    line = path.parent / LINES_FOLDER / name
    try:
        return json.loads(line.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        message = f"{line} is damaged: expected JSON ({error})."
        if damaged is None:
            raise DamagedFileError(message) from error
        damaged(message)
        return None
