"""Whether a file is whole, and what it is: its stamp, its writers, its hash."""

from __future__ import annotations

import errno as numbers
import fcntl
import hashlib
import os
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from gateway.checks.checks import Verdict

BLOCK = 1024**2
"""Octets that are hashed at a time; between two of them a stop is noticed."""


class Stamp(NamedTuple):
    """What changes when a file does; `modified` is in nanoseconds since 1970."""

    inode: int
    size: int
    modified: int


def stamp_of(found: os.stat_result) -> Stamp:
    """Return the stamp of a file."""
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


class State(Enum):
    """What a look at a file came to."""

    GONE = auto()
    NO_FILE = auto()  # a link, a FIFO, a device, a socket, a folder
    REPORTED = auto()  # it is what was reported
    CHANGING = auto()  # it is not what it was at the last look
    OPEN = auto()  # somebody writes it
    UNSURE = auto()  # somebody may write it
    UNREADABLE = auto()
    WHOLE = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a file came to.

    Attributes:
        stamp: of anything but GONE, NO_FILE and UNREADABLE.
        sha256: of a file that is whole, in hex.
        changed: when its content, owner or name last changed (`ctime`), in seconds since 1970.
        problem: of a file that cannot be read.
        verdict: of its checks, where it has any.
    """

    state: State
    stamp: Stamp | None = None
    sha256: str = ""
    changed: float = 0.0
    problem: str = ""
    verdict: Verdict | None = None


class Stopped(Exception):  # noqa: N818 -- nothing went wrong
    """The gateway stops: the file was not read to its end."""


def look_at(
    path: str, reported: Stamp | None, seen: Stamp | None, *, closed: bool, stopping: Callable[[], bool]
) -> Look:
    """Look whether a file is whole; if it is, hash it. Blocks.

    Whole is what nobody has open for writing. Where the kernel does not tell that (see `is_written`), it is what was
    closed, or what has not changed since the last look.

    Args:
        path: absolute.
        reported: its stamp when it was last reported; None: it never was.
        seen: its stamp at the last look; None: this is the first.
        closed: whoever wrote it has closed it or moved it here, so that one look is enough.
        stopping: tells whether the gateway stops.

    Raises:
        Stopped: `stopping()` became true.
    """
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            return Look(State.NO_FILE)
        stamp = stamp_of(found)
        if stamp == reported:
            return Look(State.REPORTED, stamp)
        if seen is not None and seen != stamp:
            return Look(State.CHANGING, stamp)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {numbers.ENOENT, numbers.ENOTDIR}:
            return Look(State.GONE)
        return Look(State.NO_FILE if error.errno == numbers.ELOOP else State.UNREADABLE, problem=_words(error))
    try:
        if stamp_of(os.fstat(descriptor)) != stamp:
            return Look(State.CHANGING, stamp)
        written = is_written(descriptor)
        if written:
            return Look(State.OPEN, stamp)
        if written is None and not closed and seen is None:
            return Look(State.UNSURE, stamp)
        digest = _hash(descriptor, stopping)
        if stamp_of(os.fstat(descriptor)) != stamp:
            return Look(State.CHANGING, stamp)
        return Look(State.WHOLE, stamp, digest, found.st_ctime)
    except OSError as error:
        return Look(State.UNREADABLE, problem=_words(error))
    finally:
        os.close(descriptor)


def _words(error: OSError) -> str:
    return error.strerror or str(error)


def is_written(descriptor: int) -> bool | None:
    """Tell whether anybody has a file open for writing; None where the kernel does not tell.

    A read lease (fcntl(2), "Leases") is given only on a file that nobody has open for writing, and only to its owner or
    with CAP_LEASE. It is given back at once. Whoever opens the file for writing between these two calls waits for them,
    and the kernel sends a signal: by default SIGIO, which would end this process, so that it is one that does nothing.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == numbers.EAGAIN else None
    with suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _hash(descriptor: int, stopping: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    while block := os.read(descriptor, BLOCK):
        if stopping():
            raise Stopped
        digest.update(block)
    return digest.hexdigest()
