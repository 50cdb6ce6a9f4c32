"""Files beside a file, and the end of a log that is done with; all of it blocks, and belongs in a thread."""

from __future__ import annotations

import errno as numbers
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from gateway.checks.checksums import MAX_SIDECAR
from gateway.drop.account import After
from gateway.sources.files.whole import Stamp, stamp_of

MAX_NAMES = 10_000
"""Names that are tried for a file whose own is taken."""


def open_regular(path: str) -> BinaryIO:
    """Open a file that is neither a link nor anything but a file.

    Raises:
        OSError: it is something else, is not there, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(numbers.EINVAL, "it is no file", path)
    return os.fdopen(descriptor, "rb")


def read_beside(folder: str, name: str) -> bytes | None:
    """Return how a file in a folder begins, one octet more than a sidecar may have; None where there is none."""
    try:
        with open_regular(f"{folder}/{name}") as file:
            return file.read(MAX_SIDECAR + 1)
    except OSError:
        return None


def file_beside(folder: str, name: str) -> Path | None:
    """Return where a file in a folder is; None where there is none."""
    path = f"{folder}/{name}"
    try:
        return Path(path) if stat.S_ISREG(os.lstat(path).st_mode) else None
    except OSError:
        return None


def clear(path: str, stamp: Stamp, after: After, processed: Path | None, roots: Sequence[str]) -> str:
    """Delete or move a file that is still the one that was read; return what went wrong, nothing if nothing did.

    It is moved to the same place below `processed` that it had below its root; a name that is taken gets a number.
    """
    try:
        if stamp_of(os.lstat(path)) != stamp:
            return ""  # another file: it will be read
        if after is After.DELETE:
            os.unlink(path)  # noqa: PTH108 -- a path is text here
        elif after is After.MOVE and processed is not None:
            _move(path, processed / _below(path, roots))
    except FileNotFoundError:
        return ""
    except OSError as error:
        if error.errno == numbers.EXDEV:
            return f"{processed} is on another file system; choose a folder on that of the log"
        return error.strerror or str(error)
    return ""


def _below(path: str, roots: Sequence[str]) -> str:
    root = max((root for root in roots if path.startswith(root + "/")), key=len, default=os.path.dirname(path))  # noqa: PTH120
    return path[len(root) + 1 :]


def _move(path: str, target: Path) -> None:
    """Move a file without ever replacing another."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for number in range(MAX_NAMES):
        name = f"{target.stem}-{number}{target.suffix}" if number else target.name
        try:
            os.link(path, target.with_name(name), follow_symlinks=False)
        except FileExistsError:
            continue
        os.unlink(path)  # noqa: PTH108 -- as above
        return
    raise OSError(numbers.EEXIST, f"there are {MAX_NAMES} files of this name in {target.parent}")
