"""Other processes, as proc(5) shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def every() -> Iterator[int]:
    """Yield the ids of all processes."""
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _stat(pid: int) -> list[str]:
    """Return what stands behind the name in /proc/PID/stat: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def children(pid: int) -> list[int]:
    """Return the living children of a process, the oldest first."""
    found = []
    for process in every():
        with suppress(OSError):
            state, parent = _stat(process)[:2]
            if int(parent) == pid and state not in "ZX":
                found.append(process)
    return sorted(found)


def with_in_environment(text: str) -> list[int]:
    """Return the living processes whose environment holds a text, our own left out."""
    found = []
    for process in every():
        with suppress(OSError):
            if process != os.getpid() and text.encode() in Path(f"/proc/{process}/environ").read_bytes():
                found.append(process)
    return found


def with_argument(text: str) -> list[int]:
    """Return the living processes one of whose arguments is this text."""
    found = []
    for process in every():
        with suppress(OSError):
            if text.encode() in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0"):
                found.append(process)
    return found


def resident(pid: int) -> int:
    """Return the resident memory of a process in octets."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
