"""What the process of SQL answers: frames of a kind, a length and a content, over a pipe."""

from __future__ import annotations

import os
import select
import struct
import time
from enum import Enum
from typing import BinaryIO

HEADER = struct.Struct(">cQ")
"""Kind and length (bytes) of the content."""
LARGEST_READ = 2**20


class FrameKind(Enum):
    """What the content is."""

    READY = b"r"
    """Nothing: the views are made."""
    ROWS = b"d"
    """An Arrow stream: columns and some rows."""
    END = b"e"
    """Nothing: there are no more rows."""
    REFUSED = b"q"
    """Message: the query is refused or wrong; the process is ready for the next."""
    TOO_LARGE = b"m"
    """Message: it took more memory than it may; the process is best replaced."""
    BROKEN = b"x"
    """Message of an error that nobody foresaw."""


def write_frame(stream: BinaryIO, kind: FrameKind, content: bytes | memoryview = b"") -> None:
    """Write a frame to an unbuffered pipe."""
    stream.write(HEADER.pack(kind.value, len(content)))
    view = memoryview(content)
    while view:
        view = view[stream.write(view) :]


def read_frame(descriptor: int, deadline: float) -> tuple[FrameKind, bytearray] | None:
    """Read the next frame.

    Args:
        descriptor: of the pipe.
        deadline: time of ``time.monotonic()``.

    Returns:
        Its kind and content; None at the deadline, or when the writer ended.
    """
    header = _read(descriptor, HEADER.size, deadline)
    if header is None:
        return None
    kind, length = HEADER.unpack(header)
    content = _read(descriptor, length, deadline)
    return None if content is None else (FrameKind(kind), content)


def _read(descriptor: int, count: int, deadline: float) -> bytearray | None:
    content = bytearray(count)
    view = memoryview(content)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while view:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        read = os.readv(descriptor, [view[:LARGEST_READ]])
        if read == 0:
            return None
        view = view[read:]
    return content
