"""ASE database (SQLite): ``ase db crystals.db space_group_number=225`` asks it; what is told are its keys."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crystalforge.export.content import Content, ExportFormat, Tell
from crystalforge.export.entries import ase_atoms


def write_file(path: Path, content: Content, tell: Tell) -> None:
    """Write a row for each crystal: as keys what ASE takes as keys, and all of it in ``data``."""
    from ase.db import connect

    # The file has another name until it is whole; without a lock file, for nobody else knows that name.
    with (
        _storage_errors(path),
        connect(path, type="db", append=False, use_lock_file=False) as database,
    ):
        for done, entry in enumerate(content.entries, start=1):
            atoms = ase_atoms(entry, content.cell)
            told, atoms.info = atoms.info, {}
            letters = atoms.arrays["wyckoff_letter"].tolist()
            keys = {name: value for name, value in told.items() if _is_key(value)}
            database.write(atoms, key_value_pairs=keys, data={**told, "wyckoff_letter": letters})
            tell(done)


@contextlib.contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as those of the operating system, which say which file could not be written."""
    try:
        yield
    except sqlite3.OperationalError as error:
        is_full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        raise OSError(errno.ENOSPC if is_full else errno.EIO, str(error), str(path)) from error
    finally:
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)


def _is_key(value: Any) -> bool:
    """Whether ASE takes a value as a key's: it refuses texts that read as numbers or booleans."""
    from ase.db.core import str_represents

    if isinstance(value, str):
        return not any(str_represents(value, kind) for kind in (int, float, bool))
    return isinstance(value, (int, float, bool))


FORMAT: ExportFormat = ExportFormat("SQLite database of ASE, to be asked by `ase db`", ".db", write_file=write_file)
