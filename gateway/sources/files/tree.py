"""Which folders are watched, and what the news about them mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.sources.files.names import Names, is_text
from gateway.sources.files.scan import Identity, Scanned
from gateway.sources.files.watch import Event, Watches, flags

MAX_EARLY = 65_536
"""News about folders that nobody knows yet, kept while a scan is under way; of more of them, all is looked at again."""

_CLOSED = flags.CLOSE_WRITE | flags.MOVED_TO
_GONE = flags.DELETE | flags.MOVED_FROM


class Follower(Protocol):
    """Who is told what the news mean; paths are absolute, files have names that are wanted."""

    def may_be_new(self, path: str, *, closed: bool) -> None:
        """A file was made; or, `closed`, whoever wrote it has closed it, or moved it here."""
        ...

    def was_touched(self, path: str) -> None:
        """Something but the content of a file has changed: its mode, times, or number of links."""
        ...

    def sidecar_came(self, path: str) -> None:
        """A file with checksums or a signature of others is whole."""
        ...

    def is_gone(self, path: str) -> None:
        """A file was deleted or moved away."""
        ...

    def folder_appeared(self, path: str) -> None:
        """A folder is there that is to be watched."""
        ...

    def folder_left(self, path: str) -> None:
        """A folder was moved away, with all that is in it."""
        ...

    def root_left(self, path: str) -> None:
        """A folder that the configuration names is not there any more."""
        ...

    def has_unusable_name(self, path: str) -> None:
        """Something happened to a file whose name is not UTF-8."""
        ...

    def lost_track(self) -> None:
        """News were lost: all folders are to be looked at again."""
        ...


class Tree:
    """The folders that are watched.

    Attributes:
        names: which names are wanted.
        roots: the folders that the configuration names and that are there, and which folder each was when it was
            scanned.
        scanning: a scan is under way: folders may be watched that are not known here yet.
    """

    def __init__(self, names: Names, follower: Follower) -> None:
        self.names = names
        self.roots: dict[str, Identity] = {}
        self.scanning = False
        self._follower = follower
        self._folders: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._early: list[Event] = []
        self._left: list[str] = []

    def __len__(self) -> int:
        """Count the folders that are watched."""
        return len(self._folders)

    def __contains__(self, folder: str) -> bool:
        """Tell whether a folder is watched."""
        return folder in self._numbers

    # News.

    def take(self, news: Sequence[Event]) -> None:
        """Say what these news mean, in their order."""
        for event in news:
            self._take(event)

    def _take(self, event: Event) -> None:
        if event.mask & flags.Q_OVERFLOW:
            self._lose_track()
            return
        folder = self._folders.get(event.wd)
        if folder is None:
            self._keep_early(event)
        elif event.mask & (flags.IGNORED | flags.MOVE_SELF):
            self._end(event, folder)
        elif event.name and event.mask & flags.ISDIR:
            self._take_folder(f"{folder}/{event.name}", event)
        elif event.name:
            self._take_file(f"{folder}/{event.name}", event)

    def _keep_early(self, event: Event) -> None:
        if not self.scanning:
            return  # the watch was ended, and this was on its way
        self._early.append(event)
        if len(self._early) > MAX_EARLY:
            self._lose_track()

    def _lose_track(self) -> None:
        self._early.clear()
        self._follower.lost_track()

    def _end(self, event: Event, folder: str) -> None:
        """A folder is not watched any more; or it is elsewhere, which for all but roots its parent tells better."""
        if event.mask & flags.IGNORED:
            del self._folders[event.wd]
            if self._numbers.get(folder) != event.wd:
                return  # another folder has its place by now
            del self._numbers[folder]
        if folder in self.roots:
            del self.roots[folder]
            self._follower.root_left(folder)

    def _take_folder(self, path: str, event: Event) -> None:
        if not self.names.enters(event.name):
            return
        if event.mask & (flags.CREATE | flags.MOVED_TO):
            if path not in self._numbers:
                self._follower.folder_appeared(path)
        elif event.mask & flags.MOVED_FROM:
            if self.scanning:
                self._left.append(path)
            self._follower.folder_left(path)

    def _take_file(self, path: str, event: Event) -> None:
        if event.mask & _CLOSED and self.names.is_sidecar(event.name) and is_text(path):
            self._follower.sidecar_came(path)
        if not self.names.wants(event.name):
            return
        if not is_text(path):
            if event.mask & (_CLOSED | flags.CREATE):
                self._follower.has_unusable_name(path)
        elif event.mask & _GONE:
            self._follower.is_gone(path)
        elif event.mask & flags.ATTRIB:
            self._follower.was_touched(path)
        elif event.mask & (_CLOSED | flags.CREATE):
            self._follower.may_be_new(path, closed=bool(event.mask & _CLOSED))

    # Scans.

    def enter(self, scanned: Scanned, watches: Watches | None) -> None:
        """Know the folders that a scan has watched, and take the news that came early."""
        for folder, number in scanned.watches.items():
            former = self._folders.get(number)
            if former is not None and former != folder:
                del self._numbers[former]  # it was moved
            other = self._numbers.get(folder)
            if other is not None and other != number:
                del self._folders[other]  # it was replaced
                if watches is not None:
                    watches.remove(other)
            self._folders[number] = folder
            self._numbers[folder] = number
        self.roots.update(scanned.roots)
        self.scanning = False
        for folder in self._left:
            if folder in scanned.watches:
                self.leave(folder, watches)
        self._left.clear()
        early, self._early = self._early, []
        self.take(early)

    def leave(self, folder: str, watches: Watches | None) -> None:
        """Watch a folder and those below it no longer."""
        inside = folder + "/"
        for each in [each for each in self._numbers if each == folder or each.startswith(inside)]:
            number = self._numbers.pop(each)
            self._folders.pop(number, None)
            if watches is not None:
                watches.remove(number)

    def keep_only(self, folders: dict[str, int], watches: Watches | None) -> None:
        """Watch no other folders than these; to be called after `enter`, which knows those that were only moved."""
        for each in [each for each in self._numbers if each not in folders]:
            number = self._numbers.pop(each)
            if self._folders.get(number) == each:
                del self._folders[number]
                if watches is not None:
                    watches.remove(number)
