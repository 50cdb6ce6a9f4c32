"""What of a source has been reported: each file's stamp, as bookmarks of the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.sources.files.whole import Stamp


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One file as it was reported; two entries are the same only if they are one.

    Attributes:
        rejected: it failed its checks, or its checksum or signature never came.
    """

    stamp: Stamp
    rejected: bool = False

    def text(self) -> str:
        """Return what its bookmark holds."""
        return json.dumps([*self.stamp, *([True] if self.rejected else [])], separators=(",", ":"))


def _entry(text: str) -> Entry | None:
    try:
        inode, size, modified, *rejected = json.loads(text)
        return Entry(Stamp(int(inode), int(size), int(modified)), bool(rejected and rejected[0]))
    except (ValueError, TypeError):
        return None  # as if it never had been reported: rather twice than never


def prefix_of(source: str) -> str:
    """Return what the names of a source's bookmarks begin with; it is itself the one of its first scan."""
    return f"files/{source}/"


class Reported:
    """What was reported, by folder and name."""

    def __init__(self, source: str) -> None:
        self._prefix = prefix_of(source)
        self._folders: dict[str, dict[str, Entry]] = {}

    def bookmark(self, path: str) -> str:
        """Return the name of a file's bookmark."""
        return self._prefix + path

    def load(self, bookmarks: Mapping[str, str]) -> bool:
        """Take in what an earlier run has kept; tell whether there was one that had scanned all folders."""
        for name, text in bookmarks.items():
            path = name.removeprefix(self._prefix)
            if path and (entry := _entry(text)):
                self.add(path, entry)
        return self._prefix in bookmarks

    def add(self, path: str, entry: Entry) -> None:
        """Remember a file."""
        folder, _, name = path.rpartition("/")
        self._folders.setdefault(folder, {})[name] = entry

    def get(self, path: str) -> Entry | None:
        """Return what was reported under this path."""
        folder, _, name = path.rpartition("/")
        return self._folders.get(folder, {}).get(name)

    def forget(self, path: str) -> bool:
        """Forget a file; tell whether there was one."""
        folder, _, name = path.rpartition("/")
        names = self._folders.get(folder, {})
        known = names.pop(name, None) is not None
        if known and not names:
            del self._folders[folder]
        return known

    def names(self, folder: str) -> dict[str, Entry]:
        """Return a copy of what was reported from this folder. May be called in a thread."""
        return dict(self._folders.get(folder, {}))

    def below(self, folder: str) -> list[str]:
        """Return the folders from which something was reported: this one and those below. May be called in a thread."""
        inside = folder.rstrip("/") + "/"
        return [each for each in list(self._folders) if each == folder or each.startswith(inside)]

    def paths(self, folder: str) -> Iterator[str]:
        """Yield what was reported from this folder and those below."""
        for each in self.below(folder):
            for name in self.names(each):
                yield f"{each}/{name}"
