"""How much is in an account's folder, against its quota."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from gateway.drop.account import OWN_FOLDER, Quota
from gateway.drop.visit import Refusal, Refused

RECOUNT = 10.0
"""Seconds for which a count holds: a walk over 100,000 files takes a good part of one, and others delete files too."""

EXHAUSTED = "the account's quota is exhausted"


@dataclass(slots=True)
class Share:
    """What one upload under way takes of the quota so far."""

    id: str
    octets: int = 0


class Usage:
    """Counts what is in a folder, and what is on its way there; to be used from threads, any of them.

    A walk counts what stands there, but for the parts of uploads under way, which are counted as they grow. Parts come
    first: a file that gets its name while a walk passes may count twice until the next one, and never not at all.

    Args:
        path: the account's folder.
        seconds: a clock that nobody sets.
    """

    def __init__(self, path: Path, seconds: Callable[[], float]) -> None:
        self._path = path
        self._seconds = seconds
        self._lock = threading.Lock()
        self._counted: float | None = None
        self._octets = 0
        self._files = 0
        self._shares: dict[str, Share] = {}

    def begin(self, identity: str, quota: Quota) -> Share:
        """Let an upload begin.

        Raises:
            Refused: there are as many files as there may be, or no octet is left.
        """
        share = Share(identity)
        with self._lock:
            self._check(quota, 1, 1)
            self._shares[identity] = share
        return share

    def grow(self, share: Share, size: int, quota: Quota) -> None:
        """Let an upload become as large as this.

        Raises:
            Refused: the quota is exhausted.
        """
        more = size - share.octets
        if more > 0:
            with self._lock:
                self._check(quota, more, 0)
                share.octets = size

    def keep(self, share: Share) -> None:
        """Count an upload as a file that stands there."""
        with self._lock:
            if self._shares.pop(share.id, None):
                self._octets += share.octets
                self._files += 1

    def gone(self, octets: int) -> None:
        """Count a file no more: its client has deleted it."""
        with self._lock:
            self._octets = max(self._octets - octets, 0)
            self._files = max(self._files - 1, 0)

    def end(self, share: Share) -> None:
        """Forget an upload of which nothing stayed."""
        with self._lock:
            self._shares.pop(share.id, None)

    def _check(self, quota: Quota, octets: int, files: int) -> None:
        if quota.octets is None and quota.files is None:
            return
        now = self._seconds()
        if self._counted is None or now - self._counted > RECOUNT:
            self._octets, self._files = measure(self._path, self._shares)
            self._counted = now
        taken = self._octets + sum(share.octets for share in self._shares.values())
        if quota.octets is not None and taken + octets > quota.octets:
            raise _exhausted(octets, taken, quota.octets, "octets")
        standing = self._files + len(self._shares)
        if files and quota.files is not None and standing + files > quota.files:
            raise _exhausted(files, standing, quota.files, "files")


def _exhausted(more: int, taken: int, most: int, nouns: str) -> Refused:
    words = f"{EXHAUSTED}: {taken:,} of {most:,} {nouns} are taken, and {more:,} more would not fit"
    return Refused(Refusal.QUOTA, words)


def measure(path: Path, apart: Collection[str] = ()) -> tuple[int, int]:
    """Return how many octets and files are below a folder; a file with several names counts once.

    Args:
        path: the account's folder.
        apart: parts that are not to be counted, by their ids.
    """
    octets = files = 0
    seen: set[tuple[int, int]] = set()
    parts = os.path.join(path, OWN_FOLDER, "parts")  # noqa: PTH118 -- compared with what scandir says, as text
    folders = [os.fspath(path), parts]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path != parts:
                            folders.append(entry.path)
                        continue
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    if folder == parts and ("." in entry.name or entry.name in apart):
                        continue  # a record, or a part
                    found = entry.stat(follow_symlinks=False)
                    key = (found.st_dev, found.st_ino)
                    if key not in seen:
                        if found.st_nlink > 1 or folder == parts:
                            seen.add(key)
                        octets += found.st_size
                        files += 1
        except OSError:  # removed meanwhile, or not ours to see
            continue
    return octets, files
