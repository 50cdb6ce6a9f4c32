"""The mark: a small file that says how far the journal got, to be compared with what SQLite still has.

SQLite takes a damaged end of its write-ahead log for the end, and says nothing. The mark is written after each commit
and before anybody is told of it, so a mark that is ahead of the database tells that transactions are gone. Its words
are not synced: after a kill they are true, after a loss of power they may be older, never newer.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from gateway.jobs.records import Damage

_SLOT = struct.Struct("<8sQQQQ")  # magic, commits, next numbers of journal, jobs, attempts
_CHECKSUM = struct.Struct("<I")
_MAGIC = b"gwmark1\n"
_SPACING = 512  # a disk's sector: two slots are not torn by one write
_SLOTS = 2  # written in turn, so that one is whole at every instant
_SIZE = _SPACING * _SLOTS


class Mark(NamedTuple):
    """How far the journal got: commits so far, and the next number of each table."""

    commits: int = 0
    journal: int = 1
    jobs: int = 1
    attempts: int = 1


class MarkFile:
    """The file, open for writing."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # All its octets exist from now on, also after a loss of power: a full disk does not stop it.
        if os.fstat(self._descriptor).st_size < _SIZE:
            os.pwrite(self._descriptor, bytes(_SIZE), 0)
            os.fsync(self._descriptor)
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def write(self, mark: Mark) -> None:
        """Write a mark over the older of the two; reaches the kernel, not the disk.

        Raises:
            OSError: as pwrite(2).
        """
        slot = _SLOT.pack(_MAGIC, *mark)
        os.pwrite(self._descriptor, slot + _CHECKSUM.pack(crc32(slot)), mark.commits % _SLOTS * _SPACING)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_mark(path: Path) -> tuple[Mark | None, list[Damage]]:
    """Read the newest mark, None where there is none; and say what is wrong with the file."""
    try:
        octets = path.read_bytes()
    except FileNotFoundError:
        return None, [Damage("mark", None, None, "the file is missing")]
    except OSError as error:
        return None, [Damage("mark", None, None, f"it cannot be read: {error.strerror}")]
    marks, damages = [], []
    if len(octets) != _SIZE:
        damages.append(Damage("mark", None, None, f"it is {len(octets)} octets long instead of {_SIZE}"))
    for place in range(_SLOTS):
        slot = octets[place * _SPACING : (place + 1) * _SPACING]
        if len(slot) < _SLOT.size + _CHECKSUM.size or not any(slot):
            continue  # not written yet
        magic, *numbers = _SLOT.unpack_from(slot)
        (expected,) = _CHECKSUM.unpack_from(slot, _SLOT.size)
        if magic != _MAGIC or crc32(slot[: _SLOT.size]) != expected or numbers[0] % _SLOTS != place:
            damages.append(Damage("mark", None, None, f"copy {place + 1} of {_SLOTS} is damaged"))
        else:
            marks.append(Mark(*numbers))
    return max(marks, default=None), damages
