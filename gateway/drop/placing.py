"""The steps by which a file that is whole comes to its place on disk; each sees what was done before a crash.

All of it blocks and belongs in a thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gateway.drop.account import After, OnConflict
from gateway.drop.claims import Claims
from gateway.drop.events import name_outside
from gateway.drop.folder import FILE_MODE, Folder, opened, same_file, status
from gateway.drop.names import other_names
from gateway.drop.part import PARTS, READ
from gateway.drop.record import Record, Standing, to_octets
from gateway.drop.visit import Refusal, Refused, Way

MAX_TRIES = 10_000
"""Names that are tried for a file whose own is taken."""

TAKEN = "there is something of this name already"


class Placing:
    """Moves files between parts, names and quarantine.

    Args:
        folder: the account's.
        outside: returns the drop box's own folder, where `quarantine` and `processed` are.

    Attributes:
        claims: names that are spoken for.
    """

    def __init__(self, folder: Folder, outside: Callable[[], Path]) -> None:
        self.folder = folder
        self.claims = Claims()
        self._outside = outside

    def write(self, record: Record, sync: Callable[[], None] | None = None, *, again: bool = False) -> None:
        """Bring a record to disk, and the data; with `again` it replaces the former one, wholly or not at all."""
        name = f"{record.id}.json"
        fresh = f"{record.id}.json.new" if again else name
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if again else os.O_EXCL)
        with self.folder.at(PARTS) as parts:
            with opened(os.open(fresh, flags, FILE_MODE, dir_fd=parts)) as descriptor:
                octets = to_octets(record)
                while octets:
                    octets = octets[os.write(descriptor, octets) :]
                if sync is not None:
                    sync()
                os.fsync(descriptor)
            if again:
                os.replace(fresh, name, src_dir_fd=parts, dst_dir_fd=parts)
            os.fsync(parts)

    def to_name(self, record: Record, make: int) -> Record:
        """Link a part to its name; return its record, which may have got another.

        Args:
            record: which must be on disk.
            make: the mode of folders that are made where they are missing; 0: that is an error.

        Raises:
            Refused: the name is taken.
        """
        with self.folder.at(PARTS) as parts:
            while True:
                way = record.way
                with self.folder.at(way[:-1], make=make) as parent:
                    try:
                        os.link(record.id, way[-1], src_dir_fd=parts, dst_dir_fd=parent, follow_symlinks=False)
                    except FileExistsError:
                        if self._stands(record, parts, parent):
                            os.fsync(parent)
                            return record
                    else:
                        os.fsync(parent)
                        return record
                if record.on_conflict is not OnConflict.RENAME:
                    raise Refused(Refusal.TAKEN, TAKEN)
                record = replace(record, way=self.claim_other(record.asked, record.id))
                self.write(record, again=True)

    def to_quarantine(self, record: Record) -> None:
        """Link a part into quarantine."""
        self._move_outside(record, self.quarantine(record.account), record.quarantine or record.id)

    def leave_former(self, record: Record) -> None:
        """Remove the unfinished name that a file had."""
        if record.former is None:
            return
        former = record.former
        with suppress(FileNotFoundError), self.folder.at(PARTS) as parts, self.folder.at(former[:-1]) as parent:
            if same_file(status(parts, record.id), status(parent, former[-1])):
                os.unlink(former[-1], dir_fd=parent)
                os.fsync(parent)

    def tidy(self, record: Record, after: After) -> None:
        """Remove what only a crash would have needed, once the event is kept; and a log as `after:` says."""
        with self.folder.at(PARTS) as parts:
            part = status(parts, record.id)
            if part is not None and after is not After.KEEP and record.standing is Standing.WHOLE:
                self._dispose(record, part, after)
            for name in (f"{record.id}.new", record.id, f"{record.id}.json"):  # the record last: it knows the rest
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=parts)

    def sync(self) -> None:
        """Bring to disk that parts and records were removed: their bookmarks can be forgotten then."""
        with suppress(FileNotFoundError), self.folder.at(PARTS) as parts:
            os.fsync(parts)

    def undo(self, record: Record) -> None:
        """Take a file back whose client is told that it failed, as long as what stood there before is still there."""
        if record.standing is not Standing.REJECTED:
            with suppress(FileNotFoundError), self.folder.at(PARTS) as parts:
                part = status(parts, record.id)
                if record.former is not None and not same_file(part, self.folder.found(record.former)):
                    return  # the next start finishes it
                with self.folder.at(record.way[:-1]) as parent:
                    if same_file(part, status(parent, record.way[-1])):
                        if record.on_conflict is OnConflict.REPLACE:
                            return
                        os.unlink(record.way[-1], dir_fd=parent)
                        os.fsync(parent)
        self.remove(record)

    def remove(self, record: Record) -> None:
        """Remove a part and its record, for good: they do not come back after a crash."""
        with suppress(FileNotFoundError), self.folder.at(PARTS) as parts:
            for name in (f"{record.id}.json", f"{record.id}.json.new", f"{record.id}.new", record.id):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=parts)
            os.fsync(parts)

    def claim_other(self, way: Way, identity: str) -> Way:
        """Claim a free name that is made from this one, this one included."""
        for number, candidate in enumerate(_with_others(way)):
            if self.claims.take(candidate, identity, lambda each: self.folder.found(each) is None):
                return candidate
            if number > MAX_TRIES:
                break
        raise Refused(Refusal.TAKEN, TAKEN)

    def quarantine(self, account: str) -> Folder:
        """Return the folder in which an account's files are that failed their checks."""
        return Folder(self._outside() / "quarantine" / account)

    def _stands(self, record: Record, parts: int, parent: int) -> bool:
        """Tell whether a file has its name, although that is taken: by itself, or by what it replaces."""
        name = record.way[-1]
        found = status(parent, name)
        if same_file(found, status(parts, record.id)):
            return True
        if found is None or not stat.S_ISREG(found.st_mode) or record.on_conflict is not OnConflict.REPLACE:
            return False
        fresh = f"{record.id}.new"  # a second name for the part, which itself must stay until the event is kept
        with suppress(FileExistsError):
            os.link(record.id, fresh, src_dir_fd=parts, dst_dir_fd=parts, follow_symlinks=False)
        os.replace(fresh, name, src_dir_fd=parts, dst_dir_fd=parent)
        return True

    def _dispose(self, record: Record, part: os.stat_result, after: After) -> None:
        with suppress(FileNotFoundError), self.folder.at(record.way[:-1]) as parent:
            if not same_file(part, status(parent, record.way[-1])):
                return
            if after is After.MOVE:
                name = name_outside(record.id, record.way[-1], record.received)
                self._move_outside(record, Folder(self._outside() / "processed" / record.account), name)
            os.unlink(record.way[-1], dir_fd=parent)

    def _move_outside(self, record: Record, target: Folder, name: str) -> None:
        """Link a part to a folder outside the account's, or copy it where that is another disk; nothing is removed."""
        target.make()
        with self.folder.at(PARTS) as parts, target.at(()) as folder:
            try:
                os.link(record.id, name, src_dir_fd=parts, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                pass  # its id is in the name: it is this one, put there before a crash
            except OSError as error:
                if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
                    raise
                _copy(parts, record.id, folder, name)
            os.fsync(folder)


def _with_others(way: Way) -> Iterable[Way]:
    yield way
    for name in other_names(way[-1]):
        yield (*way[:-1], name)


def _copy(source: int, name: str, target: int, new: str) -> None:
    """Copy a file to another disk: under its name it is whole, and on disk."""
    partial = f".{new[:200]}.part"
    with opened(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)) as original:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with opened(os.open(partial, flags, FILE_MODE, dir_fd=target)) as copy:
            while octets := os.read(original, READ):
                while octets:
                    octets = octets[os.write(copy, octets) :]
            found = os.fstat(original)
            os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
            os.fsync(copy)
    os.replace(partial, new, src_dir_fd=target, dst_dir_fd=target)
