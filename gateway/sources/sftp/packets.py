"""Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) and fields of SSH (RFC 4251 section 5), as octets."""

from __future__ import annotations

import enum
import stat
import struct
import time
from dataclasses import dataclass

from gateway.drop.visit import Entry

VERSION = 3

_U32 = struct.Struct(">L")
_U64 = struct.Struct(">Q")
_HALF_YEAR = 182 * 86400
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Malformed(Exception):  # noqa: N818 -- what the peer sent is
    """A packet ends before its fields do, or a field holds what it cannot."""


class Kind(enum.IntEnum):
    """Types of packets."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Status(enum.IntEnum):
    """Codes of a STATUS packet."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


class Open(enum.IntFlag):
    """Flags of an OPEN packet."""

    READ = 0x01
    WRITE = 0x02
    APPEND = 0x04
    CREATE = 0x08
    TRUNCATE = 0x10
    EXCLUSIVE = 0x20


class _Attribute(enum.IntFlag):
    SIZE = 0x01
    OWNER = 0x02
    PERMISSIONS = 0x04
    TIMES = 0x08
    EXTENDED = 0x80000000


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a client says of a file, as far as it matters to us; `modified` is in seconds since 1970."""

    size: int | None = None
    modified: int | None = None


class Fields:
    """Takes the fields of one packet, one after the other; every method raises Malformed when they are not there."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def octet(self) -> int:
        """Take a byte."""
        at = self._advance(1)
        return self._data[at]

    def u32(self) -> int:
        """Take a uint32."""
        at = self._advance(4)
        return int(_U32.unpack_from(self._data, at)[0])

    def u64(self) -> int:
        """Take a uint64."""
        at = self._advance(8)
        return int(_U64.unpack_from(self._data, at)[0])

    def string(self) -> bytes:
        """Take a string: its length and as many octets."""
        length = self.u32()
        at = self._advance(length)
        return self._data[at : at + length]

    def text(self) -> str:
        """Take a string that is UTF-8; raises Malformed when it is not."""
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise Malformed("a name is not UTF-8") from None

    def rest(self) -> bytes:
        """Take what is left."""
        at, self._at = self._at, len(self._data)
        return self._data[at:]

    def attributes(self) -> Attributes:
        """Take ATTRS."""
        flags = self.u32()
        size = self.u64() if flags & _Attribute.SIZE else None
        if flags & _Attribute.OWNER:
            self._advance(8)
        if flags & _Attribute.PERMISSIONS:
            self._advance(4)
        modified = None
        if flags & _Attribute.TIMES:
            self._advance(4)
            modified = self.u32()
        if flags & _Attribute.EXTENDED:
            for _ in range(self.u32()):  # ends with the packet: each takes eight octets of it, or raises
                self.string()
                self.string()
        return Attributes(size, modified)

    def _advance(self, count: int) -> int:
        at = self._at
        if len(self._data) - at < count:
            raise Malformed(f"a packet of {len(self._data)} octets is too short for its fields")
        self._at = at + count
        return at


def string(octets: bytes) -> bytes:
    """Write a string: its length and its octets."""
    return _U32.pack(len(octets)) + octets


def u32(*numbers: int) -> bytes:
    """Write uint32s."""
    return struct.pack(f">{len(numbers)}L", *numbers)


def u64(*numbers: int) -> bytes:
    """Write uint64s."""
    return struct.pack(f">{len(numbers)}Q", *numbers)


def packet(kind: Kind, body: bytes) -> bytes:
    """Write a packet: its length, its type and its body."""
    return struct.pack(">LB", len(body) + 1, kind) + body


def status(request: int, code: Status, words: str = "") -> bytes:
    """Write the STATUS packet that answers a request."""
    return packet(Kind.STATUS, u32(request, code) + string(words.encode()) + string(b""))


OK = struct.Struct(">LBLLLL")
"""A STATUS packet that says OK in no words: what a transfer is answered with, hundreds of times a second."""


def ok(request: int) -> bytes:
    """Write the answer to what was done."""
    return OK.pack(OK.size - 4, Kind.STATUS, request, Status.OK, 0, 0)


def attributes_of(entry: Entry) -> bytes:
    """Write what there is to say of a file or a folder as ATTRS; its owner is nobody's business."""
    modified = _second(entry.modified)
    flags = _Attribute.SIZE | _Attribute.PERMISSIONS | _Attribute.TIMES
    return u32(flags) + u64(entry.size) + u32(_mode(entry), modified, modified)


def long_name(entry: Entry, now: float) -> str:
    """Write a line as `ls -l` does, in UTC: older than half a year has its year in place of the time of day."""
    modified = _second(entry.modified)
    stamp = time.gmtime(modified)
    month = _MONTHS[stamp.tm_mon - 1]
    recent = now - _HALF_YEAR < modified <= now + 3600
    when = f"{stamp.tm_hour:02}:{stamp.tm_min:02}" if recent else f" {stamp.tm_year}"
    owner = "   1 -        -       "
    return f"{stat.filemode(_mode(entry))} {owner} {entry.size:>12} {month} {stamp.tm_mday:>2} {when} {entry.name}"


def _mode(entry: Entry) -> int:
    return stat.S_IFDIR | 0o755 if entry.is_folder else stat.S_IFREG | 0o644


def _second(moment: float) -> int:
    return min(max(int(moment), 0), 0xFFFFFFFF)
