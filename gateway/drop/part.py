"""The part of an upload: octets on disk that nobody sees; to be used by one thread at a time."""

from __future__ import annotations

import hashlib
import os
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from contextlib import suppress

from gateway.drop.account import OWN_FOLDER, Terms
from gateway.drop.folder import FILE_MODE, OWN_MODE, Folder, opened, set_times, status
from gateway.drop.usage import Usage
from gateway.drop.visit import Refusal, Refused, Way

PARTS: Way = (OWN_FOLDER, "parts")
MAX_ISLANDS = 4096
"""Pieces with holes between them in one upload. SFTP clients have some dozens of writes on their way; one that leaves
thousands of holes is broken, or wants our memory."""

READ = 1024 * 1024
"""Octets of a file that are hashed at a time."""


def new_id() -> str:
    """Return an id that no upload has had."""
    return secrets.token_hex(12)


class Part:
    """A file that is being written.

    Args:
        folder: the account's.
        identity: its id.
        terms: how large it may become.
        usage: what the account has already.

    Raises:
        Refused: the quota is exhausted.
        OSError: there is no place for it.
    """

    def __init__(self, folder: Folder, identity: str, terms: Terms, usage: Usage) -> None:
        self.id = identity
        self._folder = folder
        self._terms = terms
        self._usage = usage
        self._hash = hashlib.sha256()
        self._hashed: int | None = 0  # octets that came in order; None: one did not, and all are read again
        self._islands: list[tuple[int, int]] = []  # (start, stop) of what is written, in order, never touching
        self._next = 0
        self._share = usage.begin(identity, terms.quota)
        try:
            with folder.at(PARTS, make=OWN_MODE) as parts:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                self._descriptor = os.open(identity, flags, OWN_MODE, dir_fd=parts)
                os.fchmod(self._descriptor, FILE_MODE)
        except OSError:
            usage.end(self._share)
            raise

    def write(self, pieces: Iterable[tuple[bytes, int | None]]) -> None:
        """Write octets, each lot at its place; None: after the last.

        Raises:
            Refused: too large, the quota is exhausted, or there are too many holes.
            OSError: the disk does not take them.
        """
        for data, offset in pieces:
            start = self._next if offset is None else offset
            stop = start + len(data)
            self._next = stop
            if not data:
                continue
            if stop > self._terms.max_file:
                raise Refused(Refusal.TOO_LARGE, f"a file may have {self._terms.max_file} octets")
            self._usage.grow(self._share, stop, self._terms.quota)
            done = start
            view = memoryview(data)
            while done < stop:
                done += os.pwrite(self._descriptor, view[done - start :], done)
            if self._hashed == start:
                self._hash.update(data)
                self._hashed = stop
            else:
                self._hashed = None
            self._add(start, stop)

    def complete(self, modified: float | None) -> tuple[int, str]:
        """Say that this was all; return its size and SHA-256. Its data is on disk after `sync`.

        Raises:
            Refused: there are holes in it.
        """
        size = self._islands[-1][1] if self._islands else 0
        if self._islands and (len(self._islands) > 1 or self._islands[0][0] > 0):
            hole = self._islands[0][1] if self._islands[0][0] == 0 else 0
            raise Refused(Refusal.CUT, f"octets are missing, from octet {hole} on")
        if modified is not None:
            set_times(self._descriptor, modified)
        digest = self._hash.hexdigest() if self._hashed is not None else sha256_of(self._descriptor)
        return size, digest

    def sync(self) -> None:
        """Bring the data to disk."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Write no more; the part stays where it is."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def keep(self) -> None:
        """Count it as a file that stands there, and write no more."""
        self.close()
        self._usage.keep(self._share)

    def remove(self) -> None:
        """Have nothing of it, unless a record says that it is whole; what is left over the next start removes."""
        self.close()
        self._usage.end(self._share)
        with suppress(OSError), self._folder.at(PARTS) as parts:
            if status(parts, f"{self.id}.json") is None:
                os.unlink(self.id, dir_fd=parts)

    def _add(self, start: int, stop: int) -> None:
        islands = self._islands
        if islands and islands[-1][1] == start:  # the usual: after the last
            islands[-1] = islands[-1][0], stop
            return
        first = bisect_left(islands, start, key=lambda island: island[1])
        last = bisect_right(islands, stop, key=lambda island: island[0])
        if first < last:
            start, stop = min(start, islands[first][0]), max(stop, islands[last - 1][1])
        islands[first:last] = [(start, stop)]
        if len(islands) > MAX_ISLANDS:
            raise Refused(Refusal.CUT, "too many pieces came out of order")


def sha256_of(descriptor: int, read: Callable[[int, int, int], bytes] = os.pread) -> str:
    """Return the SHA-256 of an open file, in hex."""
    digest, offset = hashlib.sha256(), 0
    while data := read(descriptor, READ, offset):
        digest.update(data)
        offset += len(data)
    return digest.hexdigest()


def described(folder: Folder, way: Way) -> tuple[int, str, float]:
    """Return a file's size, its SHA-256 and its time of modification."""
    with opened(folder.open_file(way)) as descriptor:
        found = os.fstat(descriptor)
        return found.st_size, sha256_of(descriptor), found.st_mtime
