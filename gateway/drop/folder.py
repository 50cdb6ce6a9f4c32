"""An account's folder, reached through descriptors only: no link is followed, and nothing leaves it.

Everything here blocks, and belongs in a thread. What goes wrong is an OSError, or Refused where a client is to know.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.drop.names import name_problem
from gateway.drop.visit import Entry, Refusal, Refused, Way

FOLDER_MODE = 0o750
FILE_MODE = 0o640
OWN_MODE = 0o700
"""Of what is the gateway's own: nobody else sees parts."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def refused(error: OSError) -> Refused:
    """Say to a client what the operating system said, without any path of ours."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return Refused(Refusal.MISSING, "there is no such file or folder")
        case errno.EEXIST | errno.ENOTEMPTY:
            return Refused(Refusal.TAKEN, "the name is taken, or the folder is not empty")
        case errno.ELOOP:
            return Refused(Refusal.NAME, "a link stands there, and none is followed")
        case errno.ENAMETOOLONG:
            return Refused(Refusal.NAME, "the name is too long")
        case number if number in _SPACE:
            return Refused(Refusal.FULL, "the disk is full")
    return Refused(Refusal.BROKEN, "the server cannot do this now; its log says why")


def is_ours(error: OSError) -> bool:
    """Tell whether an error is for the operator to look at: the client's wishes are not the reason."""
    return refused(error).refusal in {Refusal.BROKEN, Refusal.FULL}


class Folder:
    """A tree below one folder.

    Args:
        path: the folder, absolute; that it is a link itself is the operator's business, and fine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make the folder itself, with those above it, unless it is there."""
        if self.path.is_dir():
            return
        for folder in reversed([self.path, *self.path.parents]):
            with suppress(FileExistsError):
                folder.mkdir(FOLDER_MODE)
                sync_folder(folder.parent)

    def where(self, way: Way) -> Path:
        """Return the absolute path of what a client calls so."""
        return self.path.joinpath(*way)

    @contextmanager
    def at(self, way: Way, *, make: int = 0) -> Iterator[int]:
        """Open a folder below: a descriptor, for as long as the block runs. The folder itself is made if it is gone.

        Args:
            way: names from this folder on.
            make: the mode with which folders that are missing are made; 0: they are not.

        Raises:
            OSError: ELOOP for a link on the way, ENOENT, ENOTDIR and others.
        """
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags)
        except FileNotFoundError:  # somebody has removed it; it is as at the start
            self.make()
            descriptor = os.open(self.path, flags)
        try:
            for name in way:
                below = _open_folder(descriptor, name, make)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def found(self, way: Way) -> os.stat_result | None:
        """Return what stands at a path, a link as itself; None where nothing is."""
        try:
            with self.at(way[:-1]) as parent:
                return status(parent, way[-1]) if way else os.fstat(parent)
        except FileNotFoundError:
            return None

    def entry(self, way: Way) -> Entry | None:
        """Return the entry of a file or folder; None where nothing is, or something else than these."""
        found = self.found(way)
        return None if found is None else entry_of(way[-1] if way else "/", found)

    def entries(self, way: Way) -> list[Entry]:
        """Return what is in a folder, by name; what no client could have uploaded is not there."""
        with self.at(way) as descriptor:
            names = [name for name in names_in(descriptor) if name_problem(name) is None]
            listed = []
            for name in sorted(names):
                found = status(descriptor, name)
                if found is not None and (entry := entry_of(name, found)) is not None:
                    listed.append(entry)
            return listed

    def open_file(self, way: Way) -> int:
        """Open a file to be read, as a descriptor; never a link, a device or a FIFO."""
        with self.at(way[:-1]) as parent:
            return open_file_in(parent, way[-1])

    def make_folder(self, way: Way) -> None:
        """Make one folder, for good: it is on disk when this returns."""
        with self.at(way[:-1]) as parent:
            _make_folder(parent, way[-1], FOLDER_MODE)

    def remove_folder(self, way: Way) -> None:
        """Remove an empty folder."""
        with self.at(way[:-1]) as parent:
            os.rmdir(way[-1], dir_fd=parent)

    def delete(self, way: Way) -> int:
        """Delete a file; a folder, a link or a device is none. Returns how many octets are free by that."""
        with self.at(way[:-1]) as parent:
            found = status(parent, way[-1])
            if found is None or not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError(errno.ENOENT, "no regular file")
            os.unlink(way[-1], dir_fd=parent)
            return found.st_size if found.st_nlink == 1 else 0

    def move(self, old: Way, new: Way) -> None:
        """Give a file or a folder another name, which must be free; on disk when this returns.

        A file never overwrites another (it is linked, then unlinked). For folders the last look comes just before:
        one that somebody makes in between, and that is empty, is replaced.
        """
        with self.at(old[:-1]) as source, self.at(new[:-1]) as target:
            found = status(source, old[-1])
            if found is None or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                raise FileNotFoundError(errno.ENOENT, "no file or folder")
            if stat.S_ISREG(found.st_mode):
                os.link(old[-1], new[-1], src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
                os.fsync(target)
                os.unlink(old[-1], dir_fd=source)
            else:
                if new[: len(old)] == old:
                    raise FileNotFoundError(errno.ENOENT, "a folder cannot be in itself")
                if status(target, new[-1]) is not None:
                    raise FileExistsError(errno.EEXIST, "the name is taken")
                os.rename(old[-1], new[-1], src_dir_fd=source, dst_dir_fd=target)
                os.fsync(target)
            os.fsync(source)

    def set_modified(self, way: Way, modified: float) -> None:
        """Give a file another time of modification."""
        with opened(self.open_file(way)) as descriptor:
            set_times(descriptor, modified)


def set_times(descriptor: int, modified: float) -> None:
    """Give an open file this time of modification; one that the disk cannot hold is left out."""
    with suppress(OverflowError, ValueError):
        os.utime(descriptor, (modified, modified))


def open_file_in(folder: int, name: str) -> int:
    """Open a file in an open folder to be read; never a link, a device or a FIFO."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "no regular file")
    return descriptor


def names_in(folder: int) -> list[str]:
    """Return the names in an open folder."""
    return os.listdir(folder)


@contextmanager
def opened(descriptor: int) -> Iterator[int]:
    """Close a descriptor when the block ends."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Bring a folder's names to disk."""
    with opened(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as descriptor:
        os.fsync(descriptor)


def entry_of(name: str, found: os.stat_result) -> Entry | None:
    """Return an entry; None for what is neither a file nor a folder."""
    if stat.S_ISDIR(found.st_mode):
        return Entry(name, is_folder=True, size=0, modified=found.st_mtime)
    if stat.S_ISREG(found.st_mode):
        return Entry(name, is_folder=False, size=found.st_size, modified=found.st_mtime)
    return None


def same_file(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    """Tell whether two names stand for one file."""
    return one is not None and other is not None and (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def status(folder: int, name: str) -> os.stat_result | None:
    """Return what a name in an open folder stands for, a link as itself; None for nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _open_folder(parent: int, name: str, make: int) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    except NotADirectoryError:  # what O_NOFOLLOW says of a link when O_DIRECTORY is there too
        found = status(parent, name)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, "a link") from None
        raise
    with suppress(FileExistsError):
        _make_folder(parent, name, make)
    return os.open(name, _FOLDER, dir_fd=parent)


def _make_folder(parent: int, name: str, mode: int) -> None:
    """Make a folder with this mode whatever the umask is; a set-group-id bit that it inherits stays."""
    os.mkdir(name, OWN_MODE, dir_fd=parent)
    with opened(os.open(name, _FOLDER, dir_fd=parent)) as made:
        os.fchmod(made, mode | os.fstat(made).st_mode & stat.S_ISGID)
    os.fsync(parent)
