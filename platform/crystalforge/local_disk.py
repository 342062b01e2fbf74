"""What must lie on a disk of this machine: locks, SQLite files, copies of what a store holds.

Locks on a network file system hold for one machine or for none, by how it is mounted, and SQLite trusts them: a ledger
there is lost without a word. So each such file asks here first, and is refused or put elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from crystalforge.errors import StorageError
from crystalforge.object_store import on_store

STATE_VARIABLE = "CRYSTALFORGE_LOCAL_STATE"
STATE_FOLDER = Path("~/.local/state")
NETWORK_FILE_SYSTEMS = frozenset(
    [
        "9p",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "fuse.ceph",
        "fuse.davfs",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.goofys",
        "fuse.juicefs",
        "fuse.mount-s3",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.seaweedfs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
        "webdav",
        "wekafs",
    ]
)
"""Types of file systems, as the kernel's table of mounts names them."""


def local_state() -> Path:
    """Folder for locks and copies of homes that are not on a disk of this machine.

    It is ``CRYSTALFORGE_LOCAL_STATE``, or ``crystalforge`` in ``XDG_STATE_HOME``, or in ``~/.local/state``.

    Raises:
        StorageError: it is on a network file system itself.
    """
    if given := os.environ.get(STATE_VARIABLE):
        folder = Path(given).expanduser().resolve()
    else:
        folder = Path(os.environ.get("XDG_STATE_HOME") or STATE_FOLDER).expanduser().resolve() / "crystalforge"
    require_local_disk(
        folder,
        "Locks and copies of a home on a store",
        f"Set {STATE_VARIABLE} to a folder on a disk of this machine, such as /var/tmp/crystalforge",
    )
    return folder


def network_kind(path: Any) -> str | None:
    """What keeps a path from being on a disk of this machine, such as ``nfs4``; None where nothing does."""
    if on_store(path):
        return f"an object store ({path.protocol})"
    kind = _mounted_as(path)
    return f"a network file system ({kind})" if kind in NETWORK_FILE_SYSTEMS else None


def require_local_disk(path: Any, what: str, repair: str) -> None:
    """Refuse what only a disk of this machine can hold.

    Args:
        path: where it would lie.
        what: begins the message, such as ``The ledger of calculations``.
        repair: what to do instead, without a full stop.

    Raises:
        StorageError: the path is on a store or on a network file system.
    """
    if kind := network_kind(path):
        raise StorageError(
            f"{what} cannot lie on {kind}, whose locks cannot be trusted: {path}. Expected a disk of this machine. "
            f"{repair}."
        )


def _mounted_as(path: Path) -> str | None:
    """Type of the file system that holds a path, which need not exist yet."""
    import psutil

    place = path.resolve()
    mounts = {mount.mountpoint: mount.fstype for mount in psutil.disk_partitions(all=True)}
    return next((mounts[str(above)] for above in (place, *place.parents) if str(above) in mounts), None)
