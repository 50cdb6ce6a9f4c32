"""One look at folders: watch each, then see what is in it; what comes between the two is seen twice, not never."""

from __future__ import annotations

import errno as numbers
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.sources.files.names import Names, is_text
from gateway.sources.files.reported import Entry, Reported
from gateway.sources.files.watch import Watches
from gateway.sources.files.whole import Stamp, Stopped, stamp_of

Identity = tuple[int, int]
"""Device and inode: which folder a path leads to."""


@dataclass(slots=True)
class Scanned:
    """What a scan came to; paths are absolute.

    Attributes:
        watches: the folders that are watched now, each with its number.
        roots: the roots that are there, and which folder each is.
        files: those that are new or not what was reported; with `Scan.leftovers` the others too.
        gone: what was reported and is not there any more.
        unusable: files whose names are not UTF-8.
        missing: roots that are not there, or no folders.
        unreadable: folders that cannot be read, and why.
        unwatched: folders that the kernel does not watch because there are too many.
    """

    watches: dict[str, int] = field(default_factory=dict)
    roots: dict[str, Identity] = field(default_factory=dict)
    files: list[tuple[str, Stamp]] = field(default_factory=list)
    gone: list[tuple[str, Entry]] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    unwatched: int = 0


@dataclass(slots=True)
class Scan:
    """A look at folders and all that is below them; it blocks, and belongs in a thread.

    Attributes:
        roots: those that the configuration names; they may be links, others may not.
        watches: None: the kernel watches nothing for us.
        leftovers: what was reported should not be here any more.
    """

    names: Names
    roots: frozenset[str]
    watches: Watches | None
    reported: Reported
    stopping: Callable[[], bool]
    leftovers: bool = False
    _found: Scanned = field(default_factory=Scanned)

    def look(self, folders: Iterable[str]) -> Scanned:
        """Scan these folders; which of them are roots is for `roots` to say.

        Raises:
            Stopped: the gateway stops.
        """
        for start in folders:
            visited: set[str] = set()
            passed_over: list[str] = []
            left = [start]
            while left:
                if self.stopping():
                    raise Stopped
                folder = left.pop()
                try:
                    left.extend(self._enter(folder, passed_over))
                    visited.add(folder)
                except OSError as error:
                    self._cannot_enter(folder, error, passed_over)
            self._compare(start, visited, passed_over)
        return self._found

    def _enter(self, folder: str, passed_over: list[str]) -> list[str]:
        """Watch one folder and note its files; return the folders in it. What it reported that is gone is noted."""
        found, known, names = self._found, self.reported.names(folder), self.names
        number = self._watch(folder)
        inner: list[str] = []
        empty = True
        with os.scandir(folder) as entries:
            if folder in self.roots:
                status = os.stat(folder)  # noqa: PTH116 -- a path is text here, a hundred thousand times
                found.roots[folder] = status.st_dev, status.st_ino
            for entry in entries:
                empty = False
                path = f"{folder}/{entry.name}"
                reported = known.pop(entry.name, None)
                with suppress(FileNotFoundError):  # gone since
                    if entry.is_dir(follow_symlinks=False):
                        if names.enters(entry.name):
                            inner.append(path)
                        else:
                            passed_over.append(path)
                    elif entry.is_file(follow_symlinks=False) and names.wants(entry.name):
                        self._note(path, entry, reported)
        if number is not None:
            found.watches[folder] = number
        if empty and folder in self.roots:
            passed_over.append(folder)  # it may be a mount point whose file system is not mounted yet
        else:
            found.gone.extend((f"{folder}/{name}", entry) for name, entry in known.items())
        return inner

    def _note(self, path: str, entry: os.DirEntry[str], reported: Entry | None) -> None:
        if not is_text(path):
            self._found.unusable.append(path)
            return
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return
        stamp = stamp_of(status)
        if self.leftovers or reported is None or reported.stamp != stamp:
            self._found.files.append((path, stamp))

    def _watch(self, folder: str) -> int | None:
        if self.watches is not None:
            try:
                return self.watches.add(folder, follow=folder in self.roots)
            except OSError as error:
                if error.errno not in {numbers.ENOSPC, numbers.ENOMEM}:
                    raise
        self._found.unwatched += 1
        return None

    def _cannot_enter(self, folder: str, error: OSError, passed_over: list[str]) -> None:
        absent = error.errno in {numbers.ENOENT, numbers.ENOTDIR}
        if folder in self.roots and absent:
            self._found.missing.append((folder, error.strerror or str(error)))
        elif not absent:
            self._found.unreadable.append((folder, error.strerror or str(error)))
        if folder in self.roots or not absent:
            passed_over.append(folder)  # what was in it may be there still

    def _compare(self, start: str, visited: set[str], passed_over: list[str]) -> None:
        """Note what was reported from folders that are not there any more."""
        hidden = tuple(folder + "/" for folder in passed_over)
        for folder in self.reported.below(start) if self.names.recursive else ():
            if folder not in visited and not f"{folder}/".startswith(hidden):
                self._found.gone.extend(
                    (f"{folder}/{name}", entry) for name, entry in self.reported.names(folder).items()
                )


def identities(roots: Iterable[str]) -> dict[str, Identity | None]:
    """Return which folder each of these paths leads to, None where there is none. Blocks."""
    found: dict[str, Identity | None] = dict.fromkeys(roots)
    for root in found:
        with suppress(OSError):
            status = os.stat(root)  # noqa: PTH116 -- as above
            if stat.S_ISDIR(status.st_mode):
                found[root] = status.st_dev, status.st_ino
    return found
