"""The lock of the journal's folder: one gateway writes there."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from parsers.errors import OperatorError


def check_unused(path: Path) -> None:
    """Look whether somebody holds the lock, as early as at the start of a start.

    Raises:
        OperatorError: another process holds it; its pid is said.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return  # nobody has held it yet; and whoever may not look will hear of it when it is opened
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        raise _in_use(path, descriptor) from None
    finally:
        os.close(descriptor)


def _in_use(path: Path, descriptor: int) -> OperatorError:
    holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
    return OperatorError(
        f"the journal in {path.parent} is in use by the gateway with process id {holder}; stop that one first"
    )


class JournalLock:
    """Held from its making until `close`, or until the process ends in whatever way.

    Raises:
        OperatorError: another process holds it (its pid is said), or the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise OperatorError(f"cannot write in the journal's folder {path.parent}: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            in_use = _in_use(path, self._descriptor)
            os.close(self._descriptor)
            raise in_use from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)
