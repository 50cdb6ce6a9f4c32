"""Read a tar archive as a stream (POSIX.1-2024 pax, section "pax Interchange Format"; GNU tar's own forms).

The standard library's `tarfile` holds a header of any size, and every member's, in memory; nothing here grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.log_files.octets import CHUNK, BombError, DamagedError, Octets

BLOCK = 512

MAX_HEADER = 1024 * 1024
"""Octets of a long name or a pax header: they hold names, which Linux limits to 4096 octets, and attributes."""

MAX_HEADERS = 64 * MAX_HEADER
"""Octets of all of them in an archive: ten thousand files with long names have less."""

MAX_IN_A_ROW = 100
"""Headers that say more about one file; there is one of each kind. To read one takes us far longer than to pack it."""

MAX_NAME = 1024
"""Octets of a name that are shown: what is longer nobody reads."""

_LONG_NAME, _LONG_LINK = b"L", b"K"
_PAX, _PAX_SUN, _PAX_GLOBAL = b"x", b"X", b"g"
_ABOUT_THE_NEXT = (_LONG_NAME, _LONG_LINK, _PAX, _PAX_SUN, _PAX_GLOBAL)
_SPARSE, _CONTINUED = b"S", b"M"
_REGULAR = (b"0", b"\0", b"7")
_FOLDER = b"5"
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, FIFOs: a size there means nothing
_SPARSE_FOLLOWS, _SPARSE_GOES_ON = 482, 504  # where GNU's headers say so
_MAX_DIGITS = 19  # of 2**63
_END = bytes(BLOCK)


@dataclass(frozen=True, slots=True)
class Member:
    """What stands in the archive.

    Attributes:
        name: as the archive has it; for showing only.
        size: octets of its data.
        is_file: a regular file; links, folders and devices are not.
        is_folder: a folder.
        problem: why its data is not the file's content.
        modified: when it was changed last, in seconds since 1970; None: the archive does not say.
    """

    name: str
    size: int
    is_file: bool
    is_folder: bool
    problem: str | None = None
    modified: float | None = None


def is_tar(head: bytes) -> bool:
    """Tell whether these octets begin a tar archive, also an empty one and those before POSIX, without a magic."""
    return len(head) >= BLOCK and (_has_checksum(head[:BLOCK]) or not any(head))


def members(archive: Octets) -> Iterator[tuple[Member, Octets]]:
    """Yield what is in an archive, each with its data; what is not read of that is skipped.

    Raises:
        DamagedError: the archive is cut off or corrupt.
        BombError: a header is larger than any needs to be.
    """
    count = in_a_row = octets = 0
    pax: dict[bytes, bytes] = {}
    name: bytes | None = None
    while header := _header(archive, count):
        kind = header[156:157]
        size = _number(header[124:136], archive.position)
        if kind in _ABOUT_THE_NEXT:
            in_a_row, octets = in_a_row + 1, octets + size
            if in_a_row > MAX_IN_A_ROW or octets > MAX_HEADERS:
                raise BombError(f"the tar archive has more headers than any needs, after {count:,} files")
            text = _small(archive, size)
            if kind in (_PAX, _PAX_SUN):
                pax = _records(text)
            elif kind == _LONG_NAME:
                name = text.rstrip(b"\0")
            continue
        if kind == _SPARSE:
            _skip_sparse_headers(archive, header)
        size = _size(pax, size, archive.position)
        member = _member(header, pax, name, size)
        data = _Data(archive, member)
        yield member, Octets(data.read, data.seek)
        data.skip()
        pax, name = {}, None
        count, in_a_row = count + 1, 0
    _drain(archive, count)


class _Data:
    """The data of a member."""

    def __init__(self, archive: Octets, member: Member) -> None:
        self._archive = archive
        self._member = member
        self._left = member.size

    def read(self, size: int) -> bytes:
        """Return octets, none at the end."""
        if not self._left:
            return b""
        octets = self._archive.read(min(size, self._left))
        if not octets:
            raise self._cut()
        self._left -= len(octets)
        return octets

    def seek(self, count: int) -> int:
        """Go forward; return how far that was."""
        gone = self._archive.skip(min(count, self._left))
        self._left -= gone
        return gone

    def skip(self) -> None:
        """Go to where the next header stands."""
        size = self._left + -self._member.size % BLOCK
        self._left = 0
        if self._archive.skip(size) < size:
            raise self._cut()

    def _cut(self) -> DamagedError:
        error = DamagedError(f"the tar archive ends in the middle of its file {self._member.name}")
        self._archive.broken = error  # nothing comes after it
        return error


def _header(archive: Octets, count: int) -> bytes:
    """Take a header; none at the archive's end."""
    at = archive.position
    header = archive.gather(BLOCK)
    if header == _END:
        return b""
    if len(header) < BLOCK:
        where = "in the middle of a header" if header else "without its end mark, so that something may be missing"
        raise DamagedError(f"the tar archive ends {where}, after {count:,} files")
    if not _has_checksum(header):
        raise DamagedError(f"the tar archive is damaged: at octet {at:,} stands no header, after {count:,} files")
    return header


def _member(header: bytes, pax: dict[bytes, bytes], long_name: bytes | None, size: int) -> Member:
    kind = header[156:157]
    path = header[:100].rstrip(b"\0").partition(b"\0")[0]
    if header[257:263] == b"ustar\0" and header[345]:
        path = header[345:500].partition(b"\0")[0] + b"/" + path
    path = pax.get(b"path") or long_name or path
    problem = None
    if kind == _SPARSE or any(key.startswith(b"GNU.sparse.") for key in pax):
        problem = "it is a sparse file, which is not read: pack it without --sparse"
        path = pax.get(b"GNU.sparse.name", path)
    elif kind == _CONTINUED:
        problem = "it is the rest of a file from another volume"
    is_folder = kind == _FOLDER or (kind in _REGULAR and path.endswith(b"/"))  # as they were before POSIX
    is_file = (kind in _REGULAR and not is_folder) or problem is not None
    name = path[:MAX_NAME].decode("utf-8", "replace")
    size = 0 if kind in _WITHOUT_DATA else size
    return Member(name, size, is_file, is_folder, problem, _modified(header, pax))


def _modified(header: bytes, pax: dict[bytes, bytes]) -> float | None:
    """Read the time of the last change; one that is wrong says nothing, and harms nothing."""
    try:
        seconds = float(pax[b"mtime"][:40]) if b"mtime" in pax else _number(header[136:148], 0)
    except (ValueError, DamagedError):
        return None
    return seconds if 0 <= seconds < 2**40 else None


def _skip_sparse_headers(archive: Octets, header: bytes) -> None:
    follows = header[_SPARSE_FOLLOWS]
    blocks = 0
    while follows:
        blocks += 1
        if blocks > MAX_HEADERS // BLOCK:
            raise BombError(f"a header of a sparse file in the tar archive has more than {MAX_HEADERS:,} octets")
        more = archive.gather(BLOCK)
        if len(more) < BLOCK:
            raise DamagedError("the tar archive ends in the middle of a header")
        follows = more[_SPARSE_GOES_ON]


def _small(archive: Octets, size: int) -> bytes:
    """Take the data of a header."""
    if size > MAX_HEADER:
        raise BombError(f"a header in the tar archive has {size:,} octets; no more than {MAX_HEADER:,} are read")
    padded = size + -size % BLOCK
    data = archive.gather(padded) if padded else b""
    if len(data) < padded:
        raise DamagedError("the tar archive ends in the middle of a header")
    return data[:size]


def _records(data: bytes) -> dict[bytes, bytes]:
    """Take apart a pax header: LENGTH KEY=VALUE and a newline, again and again; what follows a wrong one is left."""
    records: dict[bytes, bytes] = {}
    start = 0
    while start < len(data):
        length, space, _ = data[start : start + 20].partition(b" ")
        if not space or not length.isdigit() or not len(length) + 1 < int(length) <= len(data) - start:
            break
        key, _, value = data[start + len(length) + 1 : start + int(length) - 1].partition(b"=")
        records[key] = value
        start += int(length)
    return records


def _size(pax: dict[bytes, bytes], size: int, at: int) -> int:
    text = pax.get(b"size")
    if text is None:
        return size
    if not text.isdigit() or len(text) > _MAX_DIGITS:
        raise DamagedError(f"the tar archive is damaged: before octet {at:,} stands a wrong size")
    return int(text)


def _number(text: bytes, at: int) -> int:
    """Read a number: octal, or in GNU's form big-endian after an octet 0x80."""
    if text[0] == 0x80:
        number = int.from_bytes(text[1:], "big")
        if number < 2**63:
            return number
    digits = text.strip(b" \0")
    if not digits.strip(b"01234567"):
        return int(digits or b"0", 8)
    raise DamagedError(f"the tar archive is damaged: before octet {at:,} stands a wrong size")


def _has_checksum(header: bytes) -> bool:
    digits = header[148:156].strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        return False
    rest = header[:148] + b" " * 8 + header[156:]
    signed = sum(rest) - 256 * sum(octet > 0x7F for octet in rest)
    return int(digits, 8) in (sum(rest), signed)  # old tars took octets for signed


def _drain(archive: Octets, count: int) -> None:
    """Read what is behind the end mark: whether it is whole, an archive that it is packed in tells at its own end."""
    other = False
    while octets := archive.read(CHUNK):
        other = other or octets.count(0) < len(octets)
    if other:
        raise DamagedError(f"behind the end mark of the tar archive, after {count:,} files, stand octets not read")
