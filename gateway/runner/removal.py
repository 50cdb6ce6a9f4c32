"""Remove a folder with all that is in it, a little at a time.

What a task has unpacked there may be anything that somebody sent: a million files, or folders in each other deeper than
a function may call itself. So what lies deeper is first brought up, and whoever removes can do other things meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

LOOKS = 8
"""Times that a folder is looked through: something may have come into it that was not seen at first."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def removal(above: int, name: str) -> Iterator[None]:
    """Remove a folder, or whatever has this name; yields after each file and folder.

    No link is followed. What cannot be removed stays, with the folders that it is in; nothing is raised for that.

    Args:
        above: a descriptor of the folder that it is in, open until this has ended.
        name: of the folder.
    """
    if _unlinked(name, above):
        return
    with suppress(OSError):
        _unlock(above, name)
        top = os.open(name, _FOLDER, dir_fd=above)
        try:
            yield from _emptied(top)
        finally:
            os.close(top)
        os.rmdir(name, dir_fd=above)


def _emptied(top: int) -> Iterator[None]:
    left = os.listdir(top)
    brought_up = 0
    while left:
        name = left.pop()
        yield
        if _unlinked(name, top):
            continue
        with suppress(OSError):
            _unlock(top, name)
            folder = os.open(name, _FOLDER, dir_fd=top)
            try:
                for _ in range(LOOKS):
                    with os.scandir(folder) as entries:
                        for entry in entries:
                            yield
                            if not _unlinked(entry.name, folder):
                                brought_up += 1
                                left.extend(_brought_up(entry.name, folder, top, brought_up))
                    with suppress(OSError):
                        os.rmdir(name, dir_fd=top)
                        break
            finally:
                os.close(folder)


def _unlinked(name: str, above: int) -> bool:
    """Remove what is no folder; false: it is one."""
    try:
        os.unlink(name, dir_fd=above)
    except IsADirectoryError:
        return False
    except OSError:
        pass  # it stays
    return True


def _brought_up(name: str, folder: int, top: int, number: int) -> Iterator[str]:
    """Rename a folder into the top one, where an earlier removal may have left others; yield its name there."""
    with suppress(OSError):
        _unlock(folder, name)
        new = f"{os.getpid()}-{number}"
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
        yield new


def _unlock(above: int, name: str) -> None:
    """Allow ourselves all in a folder that somebody may have closed."""
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", 0o700)  # noqa: PTH101 -- where it leads is what was opened
    finally:
        os.close(descriptor)
