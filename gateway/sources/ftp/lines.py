"""Command lines out of a control connection's octets: whole, limited, and without Telnet's own sequences."""

from __future__ import annotations

import re

MAX_LINE = 4096
"""Octets of a command line: what Linux lets a path have, with the command before it."""

TELNET = re.compile(rb"\xff(?:\xff|[\xfb-\xfe].|[\xf0-\xfa])?", re.DOTALL)
"""Telnet sequences (RFC 854): IAC IAC is one octet 255, IAC WILL/WONT/DO/DONT has an option, the others are two octets.
Octet 255 appears nowhere in UTF-8."""

LONE_TELNET = b"\xf2\xf4\xff"
"""What may be left before a command of IAC IP IAC DM, whose last octet is urgent and can travel by another way."""


class CommandLines:
    """Divides octets into lines, which end with LF or CR LF; nothing is copied that is not asked for."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._octets = bytearray()
        self._start = 0
        self._searched = 0
        self._skipping = False

    def feed(self, octets: bytes) -> None:
        """Take what one read delivered."""
        if self._start:
            del self._octets[: self._start]
            self._searched -= self._start
            self._start = 0
        self._octets += octets

    def take(self) -> bytes | None:
        """Return the next line without its end, None when there is none yet.

        Raises:
            ValueError: it is longer than a line may be; it is skipped.
        """
        end = self._octets.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._octets)
            if self._skipping:
                self._drop_all()
            elif self._searched - self._start > self._limit + 1:
                self._drop_all()
                self._skipping = True
                raise ValueError(f"a line has {self._limit} octets at the most")
            return None
        line = bytes(self._octets[self._start : end])
        self._start = self._searched = end + 1
        if self._skipping:
            self._skipping = False
            return self.take()
        line = line.removesuffix(b"\r")
        if len(line) > self._limit:
            raise ValueError(f"a line has {self._limit} octets at the most")
        return line

    def clear(self) -> int:
        """Forget what has not been taken; returns how many octets that were."""
        count = len(self._octets) - self._start
        self._drop_all()
        self._skipping = False
        return count

    def __len__(self) -> int:
        """Count the octets that wait."""
        return len(self._octets) - self._start

    def _drop_all(self) -> None:
        self._octets.clear()
        self._start = self._searched = 0


def without_telnet(line: bytes) -> bytes:
    """Take Telnet's sequences out of a line: clients put IAC IP IAC DM before ABOR (RFC 959 section 4.1.3)."""
    if line[:1] >= b"\x80":
        line = TELNET.sub(lambda found: b"\xff" if found[0] == b"\xff\xff" else b"", line)
        return line.lstrip(LONE_TELNET)
    return TELNET.sub(lambda found: b"\xff" if found[0] == b"\xff\xff" else b"", line) if b"\xff" in line else line
