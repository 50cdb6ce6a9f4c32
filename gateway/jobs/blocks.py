"""Blocks: the records of one commit as one value, where each record can be checked and read without its neighbours.

A body is a head (how many records, how many octets of origins), the origins as lines of JSON, the records' headers of
fixed size, their checksums, and their frames. A record's checksum covers its number, its header, its origin and its
frame, so what is read under a number is what was written under it.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from zlib import crc32
from zoneinfo import ZoneInfo

from gateway.jobs.records import Damage
from gateway.zone import parse_zone
from parsers.event import printable
from parsers.message import HostnamePolicy, Message, Origin, Peer, Trust

BLOCK_OCTETS = 256 * 1024
"""Frames of one block, about: a row that SQLite writes in one call, and no more than that is lost with its head."""

MAX_ORIGINS = 4096
"""Origins whose JSON is kept at hand: connections that are busy at a time; a `Block` refers to them by two octets."""

_HEAD = struct.Struct("<II")  # records, octets of origins
_RECORD = struct.Struct("<IIHBBqd")  # start, length, origin, kind, flags, offset in its batch, received
_CHECKSUM = 4
_MESSAGE = 0  # the one kind there is
_TRUNCATED = 1
_WORD = 0xFFFFFFFF
_STRIDE = 5000


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the journal; `number` counts from 1, without gaps."""

    number: int
    message: Message


@dataclass(frozen=True, slots=True)
class Block:
    """One row of the journal: the records `first` to `last`, received from `since` to `until`."""

    first: int
    last: int
    since: float
    until: float
    body: bytes


def checksum(data: bytes, start: int = 0) -> int:
    """Return the CRC-32 of some octets, in strides: zlib gives up the GIL over 5 KiB, and a busy reactor keeps it."""
    if len(data) <= _STRIDE:
        return crc32(data, start)
    view = memoryview(data)
    for position in range(0, len(data), _STRIDE):
        start = crc32(view[position : position + _STRIDE], start)
    return start


class Origins:
    """Origins as JSON, encoded once for each object: one connection's batches share theirs."""

    def __init__(self) -> None:
        self._lines: dict[int, tuple[Origin, bytes]] = {}

    def line(self, origin: Origin) -> bytes:
        """Return an origin as one line of JSON."""
        known = self._lines.get(id(origin))  # the object is held, so its id stays its own
        if known is None:
            if len(self._lines) >= MAX_ORIGINS:
                self._lines.clear()
            known = self._lines[id(origin)] = origin, encode_origin(origin)
        return known[1]


class BlockWriter:
    """Gathers records, and makes blocks of them."""

    def __init__(self, origins: Origins, first: int) -> None:
        self._origins = origins
        self._begin(first)

    def _begin(self, first: int) -> None:
        self.first = self.next = first
        self._lines: dict[bytes, int] = {}
        self._headers: list[bytes] = []
        self._checksums = array("I")
        self._frames: list[bytes] = []
        self._size = 0
        self._since = self._until = 0.0

    def append(self, messages: Sequence[Message]) -> list[Block]:
        """Take messages; return the blocks that are full."""
        full: list[Block] = []
        last: Origin | None = None
        index = seed = 0
        pack = _RECORD.pack
        for message in messages:
            frame, origin, received, truncated, offset = message
            if self._size >= BLOCK_OCTETS:
                full.append(self._block())
                last = None
            if origin is not last:
                index, seed = self._place(origin)
                last = origin
            if not self._frames:
                self._since = self._until = received
            elif received < self._since:
                self._since = received
            elif received > self._until:
                self._until = received
            header = pack(self._size, len(frame), index, _MESSAGE, _TRUNCATED if truncated else 0, offset, received)
            self._headers.append(header)
            self._checksums.append(crc32(frame, crc32(header, (seed ^ self.next) & _WORD)))
            self._frames.append(frame)
            self._size += len(frame)
            self.next += 1
        return full

    def finish(self) -> list[Block]:
        """Return what is left as a block; none for nothing."""
        return [self._block()] if self._frames else []

    def _place(self, origin: Origin) -> tuple[int, int]:
        line = self._origins.line(origin)
        return self._lines.setdefault(line, len(self._lines)), crc32(line)

    def _block(self) -> Block:
        origins = b"\n".join(self._lines)
        parts = [_HEAD.pack(len(self._frames), len(origins)), origins, *self._headers, self._checksums.tobytes()]
        block = Block(self.first, self.next - 1, self._since, self._until, b"".join([*parts, *self._frames]))
        self._begin(self.next)
        return block


def read_block(first: int, last: int, body: bytes, crc: int | None = None) -> Iterator[Entry | Damage]:
    """Read the records of a block; each is checked, unless the whole body has the checksum that is given.

    Yields:
        Each record in order, or what is wrong with it.
    """
    count = last - first + 1
    if len(body) < _HEAD.size:
        yield Damage("journal", first, last, "the block is cut off")
        return
    records, octets = _HEAD.unpack_from(body)
    start = _HEAD.size + octets
    frames = start + count * (_RECORD.size + _CHECKSUM)
    if records != count or frames > len(body):
        yield Damage("journal", first, last, "the block's head does not fit the block")
        return
    origins = _Origins(body[_HEAD.size : start])
    sums = array("I", body[start + count * _RECORD.size : frames])
    whole = crc is not None and checksum(body) == crc
    for place in range(count):
        header = body[start + place * _RECORD.size : start + (place + 1) * _RECORD.size]
        yield _read_record(first + place, header, None if whole else sums[place], memoryview(body)[frames:], origins)


class _Origins:
    """The origins of one block, decoded when a record asks."""

    def __init__(self, octets: bytes) -> None:
        self._lines = octets.split(b"\n")
        self.checksums = [crc32(line) for line in self._lines]
        self._decoded: dict[int, Origin] = {}

    def __getitem__(self, index: int) -> Origin:
        if index not in self._decoded:
            self._decoded[index] = decode_origin(self._lines[index])
        return self._decoded[index]


def _read_record(
    number: int, header: bytes, expected: int | None, frames: memoryview, origins: _Origins
) -> Entry | Damage:
    start, length, index, kind, flags, offset, received = _RECORD.unpack(header)
    if index >= len(origins.checksums) or start + length > len(frames):
        return Damage("journal", number, number, "its header is damaged")
    frame = bytes(frames[start : start + length])
    if expected is not None and expected != crc32(frame, crc32(header, (origins.checksums[index] ^ number) & _WORD)):
        return Damage("journal", number, number, "its checksum is wrong")
    if kind != _MESSAGE:
        return Damage("journal", number, number, f"it is of a kind that this version does not know ({kind})")
    try:
        origin = origins[index]
    except (ValueError, KeyError, TypeError) as error:  # whole, as its checksum says
        return Damage("journal", number, number, f"its origin is of a form that this system does not know ({error})")
    return Entry(number, Message(frame, origin, received, bool(flags & _TRUNCATED), offset))


def encode_origin(origin: Origin) -> bytes:
    """Render an origin as one line of JSON; what is as usual is left out."""
    fields: dict[str, object] = {
        "dataset": origin.dataset,
        "trust": int(origin.trust),
        "address": origin.address,
        "port": origin.port,
        "peer": origin.peer and [origin.peer.identity, origin.peer.subject, origin.peer.fingerprint],
        "trusted": origin.trusted or None,
        "zone": _zone_name(origin.zone),
        "hostname": None if origin.hostname is HostnamePolicy.MESSAGE else origin.hostname.value,
        "names": list(origin.names) or None,
        "host": origin.host,
        "account": origin.account,
        "file": origin.file and printable(origin.file),
        "own": origin.own or None,
    }
    plain = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(plain, separators=(",", ":")).encode("ascii")


def decode_origin(line: bytes) -> Origin:
    """Read an origin.

    Raises:
        ValueError, KeyError, TypeError: it is of a form that this version does not know.
    """
    fields = json.loads(line)
    peer = fields.get("peer")
    return Origin(
        dataset=fields["dataset"],
        trust=Trust(fields["trust"]),
        address=fields.get("address"),
        port=fields.get("port"),
        peer=None if peer is None else Peer(*peer),
        trusted=fields.get("trusted", False),
        zone=_zone(fields.get("zone")),
        hostname=HostnamePolicy(fields.get("hostname", "message")),
        names=tuple(fields.get("names", ())),
        host=fields.get("host"),
        account=fields.get("account"),
        file=fields.get("file"),
        own=fields.get("own", False),
    )


def _zone_name(zone: tzinfo) -> str | float | None:
    if zone is UTC:
        return None
    if isinstance(zone, ZoneInfo):
        return zone.key or "local"
    offset = zone.utcoffset(None)
    return "local" if offset is None else offset.total_seconds()


def _zone(name: str | float | None) -> tzinfo:
    if name is None:
        return UTC
    return parse_zone(name) if isinstance(name, str) else timezone(timedelta(seconds=name))
