"""The lock that keeps a runner from serving beside a former one whose tasks are still dying.

It is a flock(2) of a file that holds the pid of whoever has it. Both of a runner's processes have the same lock, and it
is free when both are gone; the tasks do not have it, so that none that got away can hold it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path


class LockError(Exception):
    """The file of the lock cannot be used; the text says why."""


class Lock:
    """A lock that is not held yet.

    Raises:
        LockError: its file cannot be opened, or is none that a runner has made.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise LockError(f"the lock {path} cannot be opened: {error.strerror}") from error
        found = os.fstat(self._descriptor)
        # The folder may belong to somebody who is less than we are, and we are about to write.
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
            raise LockError(f"the lock {path} is no file of {os.geteuid()} alone; remove it")

    def take(self) -> bool:
        """Take it; False when another has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        return True

    def holder(self) -> int:
        """Return the pid of whoever has it; 0 when it has not said."""
        text = os.pread(self._descriptor, 20, 0).strip()
        return int(text) if text.isdigit() else 0
