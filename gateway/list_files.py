"""Lists that stand in files, read again when the files change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from gateway.config import read_text
from gateway.notice import Notice, Notify
from gateway.notices.jobs import GatewayFault
from gateway.notices.rules import ListEmptied, ListFound, ListKept, ListLost, ListRead
from parsers.errors import OperatorError, Place
from rules.lists import Entries, Listed, entries_of, lines_of

LOOK = 2.0
"""Seconds between two looks at the files; a change counts after the second look that finds the file the same, for an
editor or a script may be half way through it."""

MAX_UNREST = 10
"""Looks that find a file changed again, after which it is read all the same: some lists never rest."""

_Stamp = tuple[int, int, int, int]


class ListFiles(Service):
    """Watches the files of lists, and gives the lists what stands in them.

    A file that has become wrong, or is gone, leaves its list as it was; so the rules go on with what was right. Of a
    list that was lost from the beginning there is no such state: what uses it is off, and comes on with a reload.

    Args:
        reactor: its clock and its threads.
        pool: where files are read.
        notify: told what was read, and what is wrong.
        reload: called when all lists that were lost can be read.
    """

    def __init__(self, reactor: Any, pool: Any, notify: Notify, reload: Callable[[], None]) -> None:
        self._reactor, self._pool, self._notify, self._reload = reactor, pool, notify, reload
        self._watched: tuple[_Watched, ...] = ()
        self._looking = LoopingCall(self.look)
        self._looking.clock = reactor

    def follow(self, lists: Iterable[Listed], lost: Iterable[Listed] = ()) -> None:
        """Watch these from now on; that some are lost, who calls has told."""
        self._watched = (*map(_Watched, lists), *map(_Lost, lost))

    def startService(self) -> None:
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._looking.start(LOOK, now=False)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._looking.running:
            self._looking.stop()

    def look(self) -> Deferred[None] | None:
        """Look at all files; fires when what has changed is in the lists."""
        if not self._watched:
            return None
        seen: Deferred[list[tuple[_Watched, _Change]]] = deferToThreadPool(
            self._reactor, self._pool, _look, self._watched
        )
        return seen.addCallback(self._take).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        """Say that it is our fault; the next look comes all the same."""
        self._notify(GatewayFault(f"{type(failure.value).__name__}: {failure.value}"))

    def _take(self, changes: list[tuple[_Watched, _Change]]) -> None:
        found = False
        for watched, change in changes:
            if isinstance(change, OperatorError):
                self._notify(watched.keep(change))
            elif change is not None:
                self._notify(watched.take(*change))
                found = found or isinstance(watched, _Lost)
        if found and all(one.found for one in self._watched if isinstance(one, _Lost)):
            self._reload()


_Change = tuple[Entries, int] | OperatorError | None
"""What a look finds: new entries and how many, what is wrong, or nothing."""


def _look(watched: Iterable[_Watched]) -> list[tuple[_Watched, _Change]]:
    return [(one, one.look()) for one in watched]


class _Watched:
    """One list and what is known of its file."""

    def __init__(self, listed: Listed) -> None:
        self.listed = listed
        self._seen: _Stamp | bool | None = False
        self._read: _Stamp | bool | None = False
        self._unrest = 0
        self._wrong = False

    def look(self) -> _Change:
        """Read the file if it has changed, and then rested; runs in a thread."""
        stamp = self._stamp()
        if stamp == self._read:
            self._unrest = 0
            return None
        if stamp != self._seen and self._unrest < MAX_UNREST:
            self._seen = stamp
            self._unrest += 1
            return None
        self._seen = self._read = stamp
        self._unrest = 0
        path = self.listed.path
        try:
            lines = lines_of(read_text(Path(path), Place(path)), path)
            entries = entries_of(lines)
        except OperatorError as error:
            self._wrong = True
            return error
        wrong, self._wrong = self._wrong, False
        # who was told that it is wrong is told that it is right again
        return (entries, len(lines)) if wrong or entries != self.listed.entries else None

    def keep(self, error: OperatorError) -> Notice:
        """Return what is to be said of a file that is wrong."""
        return ListKept(self.listed.name, self.listed.size, str(error))

    def take(self, entries: Entries, size: int) -> Notice:
        """Give the list its entries; return what is to be said of it."""
        self.listed.take(entries, size)
        if not size:
            return ListEmptied(self.listed.name, self.listed.path)
        return ListRead(self.listed.name, size, self.listed.path)

    def _stamp(self) -> _Stamp | None:
        """Return what changes when the file does; None where it is gone."""
        try:
            found = os.stat(self.listed.path)  # noqa: PTH116 -- a Path for each look would be made for nothing
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


class _Lost(_Watched):
    """A list whose file could not be read when the rules were.

    Attributes:
        found: it can be read now.
    """

    def __init__(self, listed: Listed) -> None:
        super().__init__(listed)
        self.found = False
        self._wrong = True
        self._told = False

    def look(self) -> _Change:
        """Read the file if it has changed; what is wrong with it at the first look has been told."""
        change = super().look()
        if isinstance(change, OperatorError) and not self._told:
            self._told = True
            return None
        return change

    def keep(self, error: OperatorError) -> Notice:
        """Return what is to be said of a file that is still wrong, or again."""
        self.found = False
        return ListLost(self.listed.name, str(error))

    def take(self, entries: Entries, size: int) -> Notice:
        """Note that it is there; what uses it comes with a reload, which reads it anew."""
        self.listed.take(entries, size)
        self.found = True
        return ListFound(self.listed.name, size, self.listed.path)
