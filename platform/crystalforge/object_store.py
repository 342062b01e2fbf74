"""Paths on an object store, as ``s3://bucket/prefix``: the part of ``pathlib.Path`` that homes need, over fsspec.

An object store has no renames, no appending and no locks; what it has is that one PUT of a whole object is atomic. So a
path here writes whole objects and nothing else. What needs more (locks, SQLite, DuckDB's own reading) stays on a disk
of this machine: see ``local_disk``.

S3 is spoken by PyArrow, which is installed anyway and which Ray Train takes too; other URLs by the fsspec file system
of their protocol, where it is installed. Credentials and endpoint come from the environment, as every tool of the store
reads them: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_PROFILE``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, cast

from crystalforge.errors import MissingDependencyError, StorageError, UsageError

URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
PATH_OF_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:/[^/]")
AWS_ERROR = re.compile(r"AWS Error \S+ during (?:(?! \(Request ID|; Details).)*")
"""What of a long text says why."""
S3_PROTOCOLS = ("s3", "s3a")
MAX_ATTEMPTS = 8
"""Of one request: with the growing waits between them, a server may be gone for the better part of a minute."""
FIRST_ATTEMPTS = 2
"""Of the very first request: a mistyped address is told at once."""
CONNECT_TIMEOUT_S = 5.0

RIGHTS = "Listing, reading, writing and deleting must be allowed below the home's prefix."
GOES_ON = "What is committed is kept; the same command goes on."
REPAIRS = {
    "NO_SUCH_BUCKET": "Make the bucket, or correct its name.",
    "ACCESS_DENIED": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE. " + RIGHTS,
    "INVALID_ACCESS_KEY_ID": "The store does not know AWS_ACCESS_KEY_ID: correct it, or AWS_ENDPOINT_URL.",
    "SIGNATURE_DOES_NOT_MATCH": "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID: correct it.",
    "NETWORK_CONNECTION": "Check AWS_ENDPOINT_URL and the network. " + GOES_ON,
    "": GOES_ON,
}
"""What to do, by a word of the error that the AWS library gives; the first that fits."""


@dataclass(frozen=True, order=True)
class StorePath:
    """A place on an object store. It answers to ``pathlib.Path`` as far as homes go; it cannot be renamed or locked."""

    protocol: str
    key: str
    """Bucket and key, joined by slashes, with none at either end."""
    files: Any = field(compare=False, repr=False)
    """The fsspec file system."""

    def __str__(self) -> str:
        return f"{self.protocol}://{self.key}"

    def __truediv__(self, name: str | PurePosixPath) -> StorePath:
        return StorePath(self.protocol, str(PurePosixPath(self.key) / name), self.files)

    def __reduce__(self) -> tuple[Any, ...]:
        return as_path, (str(self),)

    @property
    def name(self) -> str:
        """Last part."""
        return PurePosixPath(self.key).name

    @property
    def suffix(self) -> str:
        """Ending of the name, as ``.parquet``."""
        return PurePosixPath(self.key).suffix

    @property
    def parent(self) -> StorePath:
        """The place above."""
        return StorePath(self.protocol, str(PurePosixPath(self.key).parent), self.files)

    @property
    def parents(self) -> tuple[StorePath, ...]:
        """All places above, the nearest first."""
        return tuple(StorePath(self.protocol, str(above), self.files) for above in PurePosixPath(self.key).parents[:-1])

    def with_name(self, name: str) -> StorePath:
        """The place beside this one."""
        return StorePath(self.protocol, str(PurePosixPath(self.key).with_name(name)), self.files)

    def relative_to(self, other: StorePath) -> PurePosixPath:
        """The way from a place above."""
        return PurePosixPath(self.key).relative_to(other.key)

    def is_relative_to(self, other: StorePath) -> bool:
        """Whether it lies below."""
        return PurePosixPath(self.key).is_relative_to(other.key)

    def resolve(self) -> StorePath:
        """Itself: there are no links."""
        return self

    def is_symlink(self) -> bool:
        """Never."""
        return False

    def _type(self) -> str | None:
        with store_errors(self):
            try:
                return str(self.files.info(self.key)["type"])
            except FileNotFoundError:
                return None

    def exists(self) -> bool:
        """Whether an object has this key or a longer one."""
        return self._type() is not None

    def is_file(self) -> bool:
        """Whether an object has this key."""
        return self._type() == "file"

    def is_dir(self) -> bool:
        """Whether an object has a longer key."""
        return self._type() == "directory"

    def stat(self) -> os.stat_result:
        """Size (bytes) and time of change (s); all else is 0.

        Raises:
            FileNotFoundError: there is no such object.
        """
        with store_errors(self):
            return _status(self.files.info(self.key))

    def listed(self) -> dict[StorePath, os.stat_result]:
        """What lies directly below, by one request for each thousand; nothing where nothing does."""
        with store_errors(self):
            try:
                found = self.files.ls(self.key, detail=True)
            except FileNotFoundError:
                return {}
        below = {self / PurePosixPath(entry["name"]).name: _status(entry) for entry in found}
        return {path: status for path, status in below.items() if path.parent == self and path != self}

    def iterdir(self) -> Iterator[StorePath]:
        """What lies directly below."""
        yield from self.listed()

    def glob(self, pattern: str) -> Iterator[StorePath]:
        """Objects that match ``NAME*`` or ``*/NAME``; folders are not gone into further than the pattern does."""
        first, _, rest = pattern.partition("/")
        fitting = (path for path in sorted(self.listed()) if fnmatchcase(path.name, first))
        for path in fitting:
            if not rest:
                yield path
            elif "*" in rest:
                yield from path.glob(rest)
            elif (path / rest).is_file():
                yield path / rest

    def rglob(self, pattern: str) -> Iterator[StorePath]:
        """All objects below whose name matches."""
        with store_errors(self):
            found = sorted(self.files.find(self.key))
        for key in found:
            path = StorePath(self.protocol, key.strip("/"), self.files)
            if fnmatchcase(path.name, pattern):
                yield path

    def read_bytes(self) -> bytes:
        """The whole object.

        Raises:
            FileNotFoundError: there is no such object.
            StorageError: the store does not answer, or refuses.
        """
        with store_errors(self):
            return cast("bytes", self.files.cat_file(self.key))

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole object, as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> int:
        """Put a whole object in the place of what was there: atomic, for the store shows no part of it.

        Raises:
            StorageError: the store does not answer, or refuses; the old object is still there.
        """
        with store_errors(self):
            self.files.pipe_file(self.key, content)
        return len(content)

    def mkdir(self, *, parents: bool = True, exist_ok: bool = True) -> None:
        """Nothing to do: a folder is there with its first object."""

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete the object.

        Raises:
            FileNotFoundError: there is none, and that was not said to be well.
        """
        with store_errors(self):
            try:
                self.files.rm_file(self.key)
            except FileNotFoundError:
                if not missing_ok:
                    raise


def _status(entry: dict[str, Any]) -> os.stat_result:
    time: Any = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or 0.0
    seconds = time.timestamp() if isinstance(time, datetime) else float(time)
    return os.stat_result((0, 0, 0, 0, 0, 0, entry.get("size") or 0, seconds, seconds, seconds))


@contextlib.contextmanager
def store_errors(path: StorePath) -> Iterator[None]:
    """Turn whatever a store's library raises into a ``StorageError``; that an object is absent stays as it is.

    Raises:
        StorageError: names the path, what the library says and what to do.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "No such object", str(path)) from error
    except StorageError:
        raise
    except Exception as error:  # the named boundary: each fsspec file system raises what its own library does
        raise StorageError(_explain(path, error)) from error


def _explain(path: StorePath, error: Exception) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    repair = next(text for word, text in REPAIRS.items() if word in said)
    short = AWS_ERROR.search(said)
    return f"Cannot use {path}: {(short[0] if short else said).rstrip(':. ')}. {repair}"


def as_url(given: str | os.PathLike[str]) -> str | None:
    """The URL that was given; None for a path. A ``Path`` has lost one of the slashes, which is put back."""
    text = str(given)
    if URL.match(text):
        return text
    is_path = not isinstance(given, str) and PATH_OF_URL.match(text)
    return text.replace(":/", "://", 1) if is_path else None


def on_store(path: Path) -> bool:
    """Whether a path is on an object store."""
    return isinstance(path, StorePath)


def store_path(path: Path) -> StorePath:
    """A path that is on a store, with the methods that only such a one has."""
    return cast("StorePath", path)


def as_path(text: str | os.PathLike[str]) -> Path:
    """A path of this machine, or of a store where the text is a URL.

    The type says ``Path``: whoever works on a home of either kind uses only what both have.

    Raises:
        UsageError: the URL has no bucket.
        MissingDependencyError: no file system for its protocol is installed.
    """
    url = as_url(text)
    if url is None:
        return Path(text)
    protocol, _, key = url.partition("://")
    key = str(PurePosixPath(key.strip("/")))
    if key in (".", "") or ".." in PurePosixPath(key).parts:
        raise UsageError(f"The URL {text} has no bucket: expected one such as {protocol}://bucket/prefix.")
    protocol = "s3" if protocol in S3_PROTOCOLS else protocol
    return cast("Path", StorePath(protocol, key, _file_system(protocol)))


def _file_system(protocol: str) -> Any:
    if protocol == "s3":
        return s3_files(_s3_endpoint(), MAX_ATTEMPTS)
    import fsspec

    try:
        return fsspec.filesystem(protocol, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise MissingDependencyError(
            f"Homes on {protocol}:// need a file system of fsspec that is not installed: {error}"
        ) from error


def _s3_endpoint() -> str:
    """URL of the server; empty for Amazon's own. Ray's workers have the environment of the command."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


@functools.cache
def s3_files(endpoint: str, attempts: int) -> Any:
    """The fsspec file system of S3, by PyArrow.

    Args:
        endpoint: URL of the server; empty for Amazon's own.
        attempts: of each request.
    """
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    scheme, _, host = endpoint.rstrip("/").rpartition("://")
    return ArrowFSWrapper(
        S3FileSystem(
            endpoint_override=host or None,
            scheme=scheme or "https",
            connect_timeout=CONNECT_TIMEOUT_S,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=attempts),
            allow_delayed_open=True,  # then a small object is one PUT and not three requests
        )
    )


def arrow_files(path: StorePath) -> Any:
    """The file system of a path as PyArrow has it, for Ray Train."""
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    return path.files.fs if path.protocol == "s3" else PyFileSystem(FSSpecHandler(path.files))


def reach(path: StorePath) -> None:
    """Ask the store once whether it is there, before any work.

    Raises:
        StorageError: it does not answer, refuses, or has no such bucket.
    """
    files = path.files
    if path.protocol == "s3":
        files = s3_files(_s3_endpoint(), FIRST_ATTEMPTS)
    with store_errors(path), contextlib.suppress(FileNotFoundError):
        files.ls(path.key)
