"""Read a log from a file: plain, compressed, or in a tar archive, whatever its name says.

For threads: it blocks. Memory is constant, whatever the file holds: pieces, one window of each compression, no list.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from gateway.drop.account import Unpacking
from gateway.log_files.compression import Compression, Meter, compression_of, unpacked
from gateway.log_files.octets import BombError, DamagedError, NoLogError, Octets, UnpackError, UnreadableError
from gateway.log_files.tar import Member, is_tar, members

PIECE = 256 * 1024
"""Octets of a piece: as many as a read of a connection, so that the sieve sees batches of its usual size."""

_HEAD = 4096  # octets that tell what a file is

_OTHERS = (
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"LZIP", "an lzip file"),
    (b"\x1f\x9d", "a file of compress"),
    (b"age-encryption.org/", "a file encrypted with age"),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", "a file encrypted with age"),
    (b"-----BEGIN PGP MESSAGE-----", "an OpenPGP message"),
)
_NO_LOGS = (
    (b"LPKSHHRH", "a journal of systemd (export it with journalctl -o short-iso)"),
    (b"ElfFile\0", "an event log of Windows (export it as text)"),
    (b"%PDF-", "a PDF document"),
)
_APPLE_DOUBLE = b"\0\x05\x16\x07"  # what macOS puts beside each file in its archives; RFC 1740, appendix A
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Piece(NamedTuple):
    """Some octets of a log.

    Attributes:
        member: counts what is in a tar archive, from 0; always 0 for other files.
        name: what the archive calls it; for showing only.
        offset: of the first octet in the unpacked log, which is in UTF-8 where it was in UTF-16.
        problem: the log ends here, before its end, and why; the archive goes on.
        skipped: this is no log, but a link, a device, a binary file; it is passed over.
    """

    member: int
    name: str | None
    offset: int
    data: bytes
    problem: str | None = None
    skipped: bool = False


def open_log(
    path: Path,
    limits: Unpacking,
    member: int = 0,
    offset: int = 0,
    check: Callable[[], None] = lambda: None,
    taken: Callable[[int], None] = lambda _: None,
) -> Generator[Piece, None, None]:
    """Yield what is in a file, from a place on, in pieces of at most PIECE octets.

    In a tar archive, logs may be compressed once more. What is in it beside logs is passed over, with a piece that says
    so; what is damaged, or might hold logs and is not read, is told with a piece that has a `problem`.

    Args:
        path: is not followed where it is a link.
        limits: how much an archive may become.
        member: where to begin,
        offset: and at which octet of it.
        check: is called before each read of the file, for much may be read before a piece comes; may raise.
        taken: is told after each read how many octets of the file that was.

    Raises:
        DamagedError: the file is cut off or corrupt; what could be read before was yielded.
        BombError: it becomes too much; what it became until then was yielded.
        UnreadableError: it is no log.
        OSError: it cannot be read.
    """
    with _opened(path, limits, check, taken) as (octets, compression, source):
        if _is_archive(octets):
            yield from _in_tar(octets, limits, Meter(limits, source.taken), member, offset)
        else:
            if compression is not None and compression_of(octets.head(_HEAD)) is not None:
                raise UnreadableError("it is compressed twice: compress it once")
            yield from _text(octets, 0, None, offset)


def files_in(path: Path, limits: Unpacking) -> Iterator[tuple[int, Member]] | None:
    """Yield the files of a tar archive, each with the number that `open_log` knows it by; None for any other file.

    Raises:
        UnpackError, OSError: as `open_log`; what stands before the damage was yielded.
    """
    with _opened(path, limits) as (octets, _, _source):
        if not _is_archive(octets):
            return None
    return _files_in(path, limits)


def _files_in(path: Path, limits: Unpacking) -> Iterator[tuple[int, Member]]:
    with _opened(path, limits) as (octets, _, _source):
        for index, (member, _data) in enumerate(members(octets)):
            if index >= limits.members:
                raise _too_many(limits)
            if member.is_file:
                yield index, member


@contextmanager
def _opened(
    path: Path,
    limits: Unpacking,
    check: Callable[[], None] = lambda: None,
    taken: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[Octets, Compression | None, _File]]:
    """Open a file, unpack it where it is compressed, and say how it was."""
    with FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnreadableError("it is no regular file")
        source = _File(file, check, taken)
        octets = Octets(source.read, source.seek)
        compression = compression_of(octets.head(_HEAD))
        if compression is not None:
            octets = unpacked(octets, compression, Meter(limits, source.taken))
        yield octets, compression, source


def _too_many(limits: Unpacking) -> BombError:
    return BombError(f"it holds more than {limits.members:,} files (unpack: members)")


class _File:
    """A file that is read from front to back."""

    def __init__(self, file: FileIO, check: Callable[[], None], tell: Callable[[int], None]) -> None:
        self._file = file
        self._check = check
        self._tell = tell
        self._taken = 0

    def taken(self) -> int:
        """Return how many octets were read."""
        return self._taken

    def read(self, size: int) -> bytes:
        """Return octets, none at the end."""
        self._check()
        octets = self._file.read(size) or b""
        self._taken += len(octets)
        self._tell(len(octets))
        return octets

    def seek(self, count: int) -> int:
        """Go forward; return how far that was, which is less at the end."""
        at = self._file.tell()
        count = max(0, min(count, os.fstat(self._file.fileno()).st_size - at))
        self._file.seek(at + count)
        return count


def _is_archive(octets: Octets) -> bool:
    """Tell whether a tar archive begins here; one of zeros alone is empty."""
    head = octets.head(_HEAD)
    return is_tar(head) and (any(head[:512]) or not any(head))


def _in_tar(archive: Octets, limits: Unpacking, meter: Meter, first: int, offset: int) -> Iterator[Piece]:
    """Yield what is in a tar archive; `meter` is for what is compressed in it."""
    for index, (member, data) in enumerate(members(archive)):
        if index >= limits.members:
            raise _too_many(limits)
        if index < first or member.is_folder:
            continue
        if not member.is_file:
            yield Piece(index, member.name, 0, b"", skipped=True)
            continue
        if member.problem is not None:
            yield Piece(index, member.name, 0, b"", f"{member.name}: {member.problem}")
            continue
        try:
            head = data.head(_HEAD)
            if head.startswith(_APPLE_DOUBLE):
                continue
            compression = compression_of(head)
            log = data if compression is None else unpacked(data, compression, meter)
            if _is_archive(log) or (compression is not None and compression_of(log.head(_HEAD)) is not None):
                raise UnreadableError("it is an archive in an archive: unpack the outer one before sending it")
            yield from _text(log, index, member.name, offset if index == first else 0)
        except NoLogError:
            yield Piece(index, member.name, 0, b"", skipped=True)
        except (DamagedError, UnreadableError) as error:
            if error is archive.broken:
                raise
            yield Piece(index, member.name, 0, b"", f"{member.name}: {error}")


def _text(log: Octets, index: int, name: str | None, offset: int) -> Iterator[Piece]:
    """Yield a log that is unpacked, from an octet on."""
    log = _as_utf_8(log)
    if offset > log.position:
        log.skip(offset - log.position)
    while True:
        at = log.position
        data = log.gather(PIECE)
        if not data:
            return
        yield Piece(index, name, at, data)


def _as_utf_8(log: Octets) -> Octets:
    """Return a log as UTF-8 without a byte order mark; other encodings of a superset of ASCII are left as they are.

    Raises:
        UnreadableError: it is no text.
    """
    head = log.head(_HEAD)
    if head.startswith(codecs.BOM_UTF8):
        log.read(len(codecs.BOM_UTF8))
    if head.startswith(_UTF_16) and not head.startswith(codecs.BOM_UTF32_LE):
        return Octets(_Recoded(log).read)
    for kinds, error in ((_OTHERS, UnreadableError), (_NO_LOGS, NoLogError)):
        for magic, words in kinds:
            if head.startswith(magic):
                raise error(f"it is {words}, which is not read; send logs as text, or in gz, zst, xz, bz2 or tar")
    if b"\0" in head:
        raise NoLogError("it is binary, and no log: it has octets of zero at its beginning")
    return log


class _Recoded:
    """Makes UTF-8 of UTF-16, as programs of Windows write; what is no character becomes U+FFFD."""

    def __init__(self, log: Octets) -> None:
        self._log = log
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return octets, none at the end."""
        text = ""
        while not text and not self._ended:
            octets = self._log.read(max(2, size // 2))  # two octets become at most three
            self._ended = not octets
            text = self._decoder.decode(octets, self._ended)
        return text.encode("utf-8", "replace")


__all__ = ["PIECE", "BombError", "DamagedError", "Piece", "UnpackError", "UnreadableError", "files_in", "open_log"]
