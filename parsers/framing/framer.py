"""What every framer does: feed octets, get whole frames; no buffer without a limit."""

from __future__ import annotations

import enum
from typing import Protocol

from parsers.message import Frames

MAX_FRAME = 64 * 1024
"""Default limit of a frame in octets: 32 times what RFC 5424 asks every receiver to take (2048), the size of a UDP
datagram, and what 4,096 connections can hold in half of a gigabyte."""

MAX_LENGTH_DIGITS = 7
"""Longest octet count: CVE-2022-24903 (rsyslog) was a count that overflowed; 9,999,999 octets are enough."""


class OverLimit(enum.Enum):
    """What happens to a frame that is longer than the listener's `max_frame`."""

    TRUNCATE = "truncate"
    DROP = "drop"
    CLOSE = "close"


class Framer(Protocol):
    """Takes frames out of one stream."""

    def feed(self, data: bytes) -> Frames:
        """Take what the next read delivered; return the frames that are whole now."""
        ...

    def end(self) -> Frames:
        """Take the end of the stream; return what is left, with `error` set when a frame was cut off."""
        ...
