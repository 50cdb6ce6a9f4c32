"""What arrives: frames in one buffer, the batch one read delivered, and one message cut out of it."""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import NamedTuple

NEWLINE = b"\n"


class Trust(enum.IntEnum):
    """How far a sender is known, in rising order; a rule names the least it accepts."""

    DATAGRAM = 10  # UDP: the address can be forged
    NETWORK = 20  # plain TCP: the address is real, the sender is not known
    ACCOUNT = 30  # FTP, SFTP or HTTP login
    CERTIFICATE = 40  # TLS client certificate accepted
    LOCAL = 50  # unix socket, own timer


class HostnamePolicy(enum.Enum):
    """Who says what `host.name` is: the message, or the client's certificate."""

    MESSAGE = "message"
    CERTIFICATE = "certificate"
    MUST_AGREE = "must-agree"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who a TLS client proved to be: its accepted name, its subject (RFC 4514) and its SHA-256 fingerprint in hex."""

    identity: str | None
    subject: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch came from, said once for all its frames.

    Attributes:
        dataset: the source's name in the configuration (`event.dataset`).
        address: the peer's IP address or socket path (`log.source.address`).
        trusted: the source's `trusted:` networks hold the peer's address.
        zone: the zone of time stamps that carry none.
        names: all names the client's certificate carries, for `hostname: must-agree`.
        host: the sender's own name where the source knows it.
        account: whoever logged in to send it (`gateway.account`).
        file: the file that it was a line of (`log.file.path`).
        own: the gateway itself says it, under the name of a source that brings no messages (`rules.own_events`).
    """

    dataset: str
    trust: Trust
    address: str | None = None
    port: int | None = None
    peer: Peer | None = None
    trusted: bool = False
    zone: tzinfo = UTC
    hostname: HostnamePolicy = HostnamePolicy.MESSAGE
    names: tuple[str, ...] = ()
    host: str | None = None
    account: str | None = None
    file: str | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Frames:
    """Whole frames in one buffer, uncut.

    Either `starts` and `stops` are empty and every frame in `data` ends with a newline (a CR before it belongs to
    the newline, and an empty line is no frame), or they hold the frames' bounds in rising order (octet counting,
    datagrams) and `data` may hold other octets between the frames.

    Attributes:
        truncated: start offsets of frames that were cut at the limit.
        dropped: how many frames were dropped because they were over the limit.
        error: the stream cannot go on, and why; the connection is to be closed after these frames.
    """

    data: bytes
    starts: Sequence[int] = ()
    stops: Sequence[int] = ()
    truncated: frozenset[int] = frozenset()
    dropped: int = 0
    error: str | None = None

    def at(self, offset: int) -> tuple[int, int]:
        """Return (start, stop) of the frame that holds the octet before `offset`; start == stop for none."""
        if self.stops:
            index = bisect_left(self.stops, offset)
            if index == len(self.stops) or offset <= self.starts[index]:
                return offset, offset
            return self.starts[index], self.stops[index]
        start = self.data.rfind(NEWLINE, 0, offset - 1) + 1
        stop = self.data.find(NEWLINE, offset - 1)
        if stop > start and self.data[stop - 1] == 0x0D:
            stop -= 1
        return start, stop

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of every frame."""
        if self.stops:
            yield from zip(self.starts, self.stops, strict=True)
            return
        data, start = self.data, 0
        while (stop := data.find(NEWLINE, start)) >= 0:
            end = stop - 1 if stop > start and data[stop - 1] == 0x0D else stop
            if end > start:
                yield start, end
            start = stop + 1

    def count(self) -> int:
        """Count the frames; empty lines count too, for that is what one fast pass can tell."""
        return len(self.stops) or self.data.count(NEWLINE)

    def texts(self) -> list[bytes]:
        """Cut out all frames."""
        return [self.data[start:stop] for start, stop in self]


def one_frame(frame: bytes) -> Frames:
    """Make the frames of one datagram."""
    return Frames(frame, (0,), (len(frame),)) if frame else Frames(b"")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read of one source delivered; `received` is wall-clock seconds since 1970."""

    frames: Frames
    origin: Origin
    received: float


class Message(NamedTuple):
    """One frame cut out of its batch; `offset` is where it began there, which tells equal messages apart."""

    frame: bytes
    origin: Origin
    received: float
    truncated: bool = False
    offset: int = 0
