"""A file on its way out."""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred, fail

from gateway.drop.locker import Locker
from gateway.drop.visit import Refusal, Refused

MAX_READ = 1024 * 1024
"""Octets of one read; whoever asks for more gets this much."""


class BoxDownload:
    """An open file; see `gateway.drop.visit.Download`.

    Args:
        locker: where it is.
        descriptor: of the file, which is ours to close.
        size: octets that it had when it was opened.
    """

    def __init__(self, locker: Locker, descriptor: int, size: int) -> None:
        self.size = size
        self._locker = locker
        self._descriptor = descriptor
        self._reads = 0
        self._closed = False

    def read(self, offset: int, size: int) -> Deferred[bytes]:
        """Return octets, none at the end of the file."""
        if self._closed:
            return fail(Refused(Refusal.CUT, "the file is closed"))
        self._reads += 1
        read = self._locker.in_thread(os.pread, self._descriptor, min(size, MAX_READ), offset)
        return read.addBoth(self._end_read)

    def close(self) -> None:
        """Have no more of it; what is being read still comes."""
        if not self._closed:
            self._closed = True
            self._close_if_idle()

    def _end_read(self, result: bytes) -> bytes:
        self._reads -= 1
        self._close_if_idle()
        return result

    def _close_if_idle(self) -> None:
        if self._closed and not self._reads and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
