"""One JSON object a line on the control socket: `{"ask": NAME, ...}`, then `{"answer": ...}` or `{"error": ...}`.

Answers come in the order of the questions, one at a time. Nothing is ever pushed: who follows the journal asks to be
told when there is more, and then asks for it. A reader that is slow or stops costs one answer's room, and misses
nothing.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SOCKET = "control.sock"
"""Its name in the state folder."""

MAX_REQUEST = 256 * 1024
"""Octets of one request: some 7,000 ids of jobs."""

MAX_ANSWER = 64 * 1024**2
"""Octets of one answer: a job whose event came from a frame of the greatest limit that a listener may have."""

MAX_PATH = 107
"""Octets of a unix socket's path (unix(7): 108 with the NUL at its end)."""


class WireError(Exception):
    """The other side sent a line that it should not have sent."""


def line(values: dict[str, Any]) -> bytes:
    """Write one line."""
    # ASCII only, so that half a pair of surrogates and the octets that were no UTF-8 come through as they are
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


def read_line(text: bytes) -> dict[str, Any]:
    """Take one line apart.

    Raises:
        WireError: it is no JSON object.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise WireError(f"a line is no JSON ({error}): {text[:80]!r}") from None
    if not isinstance(values, dict):
        raise WireError(f"a line is no object: {text[:80]!r}")
    return values


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Return pid and uid of whoever made the other end (SO_PEERCRED, unix(7))."""
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return pid, uid


@contextmanager
def short_way(path: Path) -> Iterator[str]:
    """Give a path to a socket that the kernel takes, however deep its folder lies.

    Raises:
        OSError: the folder cannot be opened.
    """
    if len(os.fsencode(path)) <= MAX_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
