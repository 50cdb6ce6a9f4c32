"""The kernel's news about folders (inotify(7)), on the reactor."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, cast

from inotify_simple import Event, INotify, flags, parse_events  # type: ignore[import-untyped]  # it has none
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

READ = 64 * 1024
"""Octets of news that are taken at a time, about 1,500 events, so that others get their turn between."""

__all__ = ["READ", "Event", "Watch", "Watches", "flags"]

_NEWS = (
    flags.CLOSE_WRITE
    | flags.MOVED_TO
    | flags.CREATE
    | flags.ATTRIB
    | flags.DELETE
    | flags.MOVED_FROM
    | flags.MOVE_SELF
    | flags.ONLYDIR
    | flags.EXCL_UNLINK
)
"""What is asked for. Not MODIFY: a file that is being written would say so at each write, and not be whole."""


class Watches(Protocol):
    """Where folders are watched."""

    def add(self, folder: str, *, follow: bool) -> int:
        """Watch a folder, see Watch."""
        ...

    def remove(self, number: int) -> None:
        """Watch it no longer."""
        ...


@implementer(IReadDescriptor)
class Watch:
    """One inotify descriptor.

    Args:
        take: gets the news as they come, in their order.

    Raises:
        OSError: the kernel gives no more of them (EMFILE: fs.inotify.max_user_instances).
    """

    def __init__(self, reactor: IReactorFDSet, take: Callable[[Sequence[Event]], None]) -> None:
        self._reactor = reactor
        self._take = take
        self._inotify = INotify(nonblocking=True)
        self._reading = False

    def start(self) -> None:
        """Begin to read."""
        self._reading = True
        self._reactor.addReader(cast(IReadDescriptor, self))

    def add(self, folder: str, *, follow: bool) -> int:
        """Watch a folder; return its number, the same as before for one that is watched. May be called in a thread.

        Args:
            folder: its path.
            follow: the path may be a link.

        Raises:
            OSError: it is not there, no folder (ENOTDIR), not readable, or there are too many watches (ENOSPC).
        """
        return int(self._inotify.add_watch(folder, _NEWS if follow else _NEWS | flags.DONT_FOLLOW))

    def remove(self, number: int) -> None:
        """Watch a folder no longer; nothing happens where the kernel has ended this already."""
        with suppress(OSError):
            self._inotify.rm_watch(number)

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return -1 if self._inotify.closed else int(self._inotify.fileno())

    def logPrefix(self) -> str:  # noqa: N802 -- Twisted's name
        """Say what this is."""
        return "inotify"

    def doRead(self) -> None:
        """Take what there is."""
        try:
            news = os.read(self._inotify.fileno(), READ)
        except BlockingIOError:
            return
        self._take(parse_events(news))

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002 -- Twisted's signature
        """Close the descriptor: the reactor has ended."""
        self.stop()

    def stop(self) -> None:
        """Take no more news."""
        if self._reading:
            self._reading = False
            self._reactor.removeReader(cast(IReadDescriptor, self))
        self._inotify.close()
