"""Delete and move files because a rule says so: only those of the drop box and of watched folders, and no links."""

from __future__ import annotations

import ctypes
import errno
import filecmp
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.drop.account import OWN_FOLDER
from rules.job import Attempt, FillError, fill
from rules.outcome import Ending, Outcome
from rules.step import Delete, Move

MOST_NAMES = 10_000
"""Names that are tried for a file whose own is taken."""

RENAME_NOREPLACE = 1  # <linux/fs.h>

TEMPORARY = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that pass by themselves, or once somebody has seen to the disk."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NotOursError(Exception):
    """The file is none that may be deleted or moved; another try would end the same. The words are for the operator."""


class Disposal:
    """Deletes and moves files in the threads of a pool.

    Args:
        reactor: takes the results.
        pool: whose threads wait for the disk.
        roots: returns the folders whose files, at any depth, are ours to delete and to move.
        folder: returns the drop box's folder, in which a relative `to` lies.
    """

    def __init__(
        self,
        reactor: IReactorFromThreads,
        pool: ThreadPool,
        roots: Callable[[], Sequence[Path]],
        folder: Callable[[], Path],
    ) -> None:
        self._reactor = reactor
        self._pool = pool
        self._roots = roots
        self._folder = folder

    def perform(self, step: Delete | Move, attempt: Attempt) -> Deferred[Outcome]:
        """Delete or move a file; fires with the outcome, and never fails."""
        roots, folder = tuple(self._roots()), self._folder()

        def work() -> None:
            path = fill(step.file, attempt.event, options=True)
            if isinstance(step, Delete):
                delete(path, roots)
            else:
                move(path, step.to, roots, folder)

        done: Deferred[None] = deferToThreadPool(self._reactor, self._pool, work)
        return done.addCallbacks(
            lambda _: Outcome(attempt.id, Ending.CONFIRMED), lambda failure: _failed(attempt, step, failure)
        )


def _failed(attempt: Attempt, step: Delete | Move, failure: Failure) -> Outcome:
    error = failure.value
    if isinstance(error, NotOursError | FillError):
        return Outcome(attempt.id, Ending.REFUSED, error=str(error))
    if isinstance(error, OSError):
        verb = "deleted" if isinstance(step, Delete) else "moved"
        words = f"the file could not be {verb}: {error.strerror}" + (f" ({error.filename})" if error.filename else "")
        return Outcome(attempt.id, Ending.DECLINED, error=words, temporary=error.errno in TEMPORARY)
    return Outcome(attempt.id, Ending.DECLINED, error=f"a bug of the gateway: {error!r}")


# -- what waits for the disk --


def delete(path: str, roots: Sequence[Path]) -> None:
    """Delete a regular file; one that is gone is done.

    Raises:
        NotOursError: it is no such file below one of the roots.
        OSError: it cannot be deleted.
    """
    with _folder_of(path, roots) as (folder, name):
        if folder is None or _look(folder, name, path) is None:
            return
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        os.fsync(folder)


def move(path: str, to: str, roots: Sequence[Path], base: Path) -> None:
    """Move a regular file into a folder; where its name is taken, report.csv becomes report-1.csv.

    A file that is gone was moved by an earlier try. One that an earlier try has brought there and not yet removed here
    is not brought there twice.

    Args:
        path: the file.
        to: a folder; a relative one is made in `base` where it is missing, an absolute one is there.
        roots: the folders whose files may be moved.
        base: the drop box's folder.

    Raises:
        NotOursError: it is no such file below one of the roots, or the folder is none.
        OSError: it cannot be moved.
    """
    with _folder_of(path, roots) as (folder, name):
        if folder is None:
            return
        found = _look(folder, name, path)
        if found is None:
            return
        with _target(to, base) as target:
            if os.path.samestat(os.fstat(folder), os.fstat(target)):
                return  # it lies there already
            try:
                _bring(folder, name, found, target)
            except FileNotFoundError:
                if _look(folder, name, path) is not None:
                    raise
            os.fsync(target)
        os.fsync(folder)


@contextmanager
def _folder_of(path: str, roots: Sequence[Path]) -> Iterator[tuple[int | None, str]]:
    """Open the folder that a file lies in, going down from the root with no link on the way; None: it is gone."""
    if "\0" in path:
        raise NotOursError(f"{path!r} is no path of a file")
    root = next((root for root in sorted(roots, key=_depth, reverse=True) if _is_below(path, root)), None)
    if root is None:
        raise NotOursError(f"{path} is not in a folder of the drop box or of a `files` source; nothing was done")
    *folders, name = path[len(str(root)) :].strip("/").split("/")
    if OWN_FOLDER in (*folders, name):
        raise NotOursError(f"{path} is the gateway's own")
    opened: list[int] = []
    try:
        with suppress(FileNotFoundError):
            opened.append(os.open(root, _FOLDER))
            for step in folders:
                opened.append(_open_below(opened[-1], step, path))
        yield opened[-1] if len(opened) > len(folders) else None, name
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _depth(root: Path) -> int:
    return len(root.parts)


def _is_below(path: str, root: Path) -> bool:
    """Tell whether a path is written as one below a root; none with `..` is."""
    names = path.split("/")
    return not {"", ".", ".."} & set(names[1:]) and Path(path).is_relative_to(root) and Path(path) != root


def _open_below(folder: int, name: str, path: str) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise NotOursError(f"{path}: {name} is a link, or no folder") from None
        raise


def _look(folder: int, name: str, path: str) -> os.stat_result | None:
    """Look at the file; None: it is gone."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise NotOursError(f"{path} is no regular file")
    return found


@contextmanager
def _target(to: str, base: Path) -> Iterator[int]:
    """Open the folder that files are moved to."""
    if not to.startswith("/"):
        base.mkdir(0o700, parents=True, exist_ok=True)  # nobody has logged in yet, or there are only watched folders
    try:
        descriptor = os.open(to if to.startswith("/") else base, _FOLDER)
    except NotADirectoryError:
        raise NotOursError(f"{to} is no folder") from None
    try:
        for name in () if to.startswith("/") else Path(to).parts:
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=descriptor)
                os.fsync(descriptor)
            above = descriptor
            descriptor = _open_below(above, name, to)
            os.close(above)
        yield descriptor
    finally:
        os.close(descriptor)


def _bring(folder: int, name: str, found: os.stat_result, target: int) -> None:
    """Give a file a name in another folder, and take its old one away."""
    try:
        left = _give_name(folder, name, found, target, partial(_rename, folder, name, target))
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(folder, name, found, target)
        part = _part(found)
        link = partial(os.link, part, src_dir_fd=target, dst_dir_fd=target, follow_symlinks=False)
        left = _give_name(folder, name, found, target, link) or True
        os.unlink(part, dir_fd=target)
    if left:
        os.fsync(target)  # it must be there before it is gone here
        os.unlink(name, dir_fd=folder)


def _give_name(folder: int, name: str, found: os.stat_result, target: int, give: Callable[[str], object]) -> bool:
    """Find a name that is free and give it; True when an earlier try has done so already."""
    for taken in _names(name):
        try:
            give(taken)
        except FileExistsError:
            if _is_same(folder, name, found, target, taken):
                return True
        else:
            return False
    raise NotOursError(f"all names for {name} are taken")


def _names(name: str) -> Iterator[str]:
    """Yield the name, then report-1.csv, report-2.csv and so on."""
    yield name
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    for number in range(1, MOST_NAMES):
        yield f"{stem}-{number}{dot}{extension}"


def _part(found: os.stat_result) -> str:
    """Return what a copy is called until it is whole: the same at each try, and another for each file."""
    return f".gateway-{found.st_dev:x}-{found.st_ino:x}.part"


def _rename(folder: int, name: str, target: int, taken: str) -> None:
    """Rename within one file system, never over a file that is there."""
    if _renameat2 is not None:
        result = _renameat2(folder, os.fsencode(name), target, os.fsencode(taken), RENAME_NOREPLACE)
        if result == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS):  # a file system that cannot, such as NFS
            raise OSError(number, os.strerror(number))
    os.link(name, taken, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
    os.unlink(name, dir_fd=folder)


_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
"""Of glibc 2.28 and musl 1.2.4; with neither, a second name and the end of the first do."""


def _copy(folder: int, name: str, found: os.stat_result, target: int) -> None:
    """Copy a file with its owner, permissions and time to another file system, under the name of a part.

    Not with the bits that make it run as its owner: where that could not be kept, it would be ours.
    """
    part = _part(found)
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=target)
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not os.path.samestat(os.fstat(source), found):
            raise NotOursError(f"{name} was replaced while it was moved")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o600, dir_fd=target), "wb") as writer:
            with os.fdopen(source, "rb", closefd=False) as reader:
                shutil.copyfileobj(reader, writer, 1024**2)
            writer.flush()
            with suppress(PermissionError):
                os.fchown(writer.fileno(), found.st_uid, found.st_gid)
            os.fchmod(writer.fileno(), found.st_mode & 0o777)
            os.utime(writer.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
            os.fsync(writer.fileno())
    except OSError:
        with suppress(OSError):
            os.unlink(part, dir_fd=target)
        raise
    finally:
        os.close(source)


def _is_same(folder: int, name: str, found: os.stat_result, target: int, taken: str) -> bool:
    """Tell whether a file that is in the way is this very one, brought there by a try that was cut short."""
    other = os.stat(taken, dir_fd=target, follow_symlinks=False)
    if os.path.samestat(other, found):
        return True
    if not stat.S_ISREG(other.st_mode) or (other.st_size, other.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
        return False
    return filecmp.cmp(f"/proc/self/fd/{folder}/{name}", f"/proc/self/fd/{target}/{taken}", shallow=False)
