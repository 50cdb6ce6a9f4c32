"""Octets that are read once, from the first to the last: of a file, of what an archive holds, of what is unpacked."""

from __future__ import annotations

from collections.abc import Callable

CHUNK = 64 * 1024
"""Octets that are read from a file at a time to be unpacked."""


class UnpackError(Exception):
    """A file cannot be read as a log to its end; the words are for whoever sent it."""


class DamagedError(UnpackError):
    """It is cut off or corrupt."""


class BombError(UnpackError):
    """It would become more than it may."""


class UnreadableError(UnpackError):
    """It is no log, or packed in a way that is not read."""


class NoLogError(UnreadableError):
    """It is something else than a log, as there may be beside logs; nothing that might hold one."""


class Octets:
    """A stream of octets, with a look ahead.

    An error does not hide what was read before it: it is raised once all of that was taken, and then each time.

    Args:
        read: returns at most so many octets, at least one before the end, none there; or raises UnpackError.
        seek: goes forward by so many octets, where that is possible without reading them; returns how far it got.
        position: of the first octet that `read` returns, in what is read.
    """

    __slots__ = ("_ahead", "_read", "_seek", "broken", "position")

    def __init__(
        self, read: Callable[[int], bytes], seek: Callable[[int], int] | None = None, position: int = 0
    ) -> None:
        self._read = read
        self._seek = seek
        self._ahead = b""
        self.position = position
        self.broken: UnpackError | None = None

    def head(self, size: int) -> bytes:
        """Return the next octets without taking them: `size`, less only where the stream ends or breaks before."""
        while len(self._ahead) < size and (more := self._more(size - len(self._ahead))):
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Take at least one octet and at most `size`; none at the end."""
        octets = self._next(size)
        if not octets and self.broken is not None:
            raise self.broken
        return octets

    def gather(self, size: int) -> bytes:
        """Take `size` octets, at least 1; less where the stream ends or breaks before."""
        parts = [self.read(size)]
        missing = size - len(parts[0])
        while missing and (part := self._next(missing)):
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip(self, count: int) -> int:
        """Go forward by `count` octets; return how far that was, less only at the end."""
        left = count
        while left:
            if self._seek is not None and not self._ahead:
                gone = self._seek(left)
                self.position += gone
            else:
                gone = len(self.read(min(left, CHUNK)))
            if not gone:
                break
            left -= gone
        return count - left

    def _next(self, size: int) -> bytes:
        octets = self._ahead or self._more(size)
        self._ahead = b""
        if len(octets) > size:
            self._ahead = octets[size:]
            octets = octets[:size]
        self.position += len(octets)
        return octets

    def _more(self, size: int) -> bytes:
        if self.broken is not None:
            return b""
        try:
            return self._read(size)
        except UnpackError as error:
            self.broken = error
            return b""
