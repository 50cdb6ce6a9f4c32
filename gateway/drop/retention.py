"""Delete files that have been kept for long enough."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from gateway.drop.account import OWN_FOLDER
from gateway.drop.folder import Folder, names_in, opened, status

MAX_DEPTH = 64
"""Folders below each other: twice what a client can make. Each takes a descriptor while what is in it is looked at."""


def expire(root: Path, relative: str, before: float) -> int:
    """Delete what became what it is before a time; return how many files that were.

    The later of the times of modification and of change counts: a client may give its file an old one. Folders that
    are empty and as old go too, but not the first. No link is followed, and what is the gateway's own stays.

    Args:
        root: the drop box's folder.
        relative: the folder in it; one that is missing has nothing in it.
        before: in seconds since 1970.
    """
    way = tuple(name for name in Path(relative).parts if name != ".")
    try:
        with Folder(root).at(way) as folder:
            return _expire(folder, before, MAX_DEPTH)
    except FileNotFoundError:
        return 0


def _expire(folder: int, before: float, depth: int) -> int:
    deleted = 0
    for name in names_in(folder):
        with suppress(OSError):  # gone meanwhile, or not ours
            found = status(folder, name)
            if found is None:
                continue
            old = max(found.st_mtime, found.st_ctime) < before
            if stat.S_ISREG(found.st_mode) and old:
                os.unlink(name, dir_fd=folder)
                deleted += 1
            elif stat.S_ISDIR(found.st_mode) and name != OWN_FOLDER and depth:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                with opened(os.open(name, flags, dir_fd=folder)) as below:
                    deleted += _expire(below, before, depth - 1)
                if old:
                    os.rmdir(name, dir_fd=folder)  # only where it is empty
    return deleted
