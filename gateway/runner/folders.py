"""The private folders of jobs: made for the user whose process is about to write there, and removed after the job.

    jobs/                 0711, the runner's
    jobs/JOB/             0711, the runner's
    jobs/JOB/STEP/        0700, the user's of that step; STEP counts from 1

The folder that holds them may belong to the gateway, which may be less than the runner. So all is done from an open
descriptor of `jobs` down, with no link on the way, and what is there must be the runner's.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from gateway.runner.children import Identity, StartError
from gateway.runner.protocol import FOLDER_OF_JOB
from gateway.runner.removal import removal

_ATTEMPT = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,3})")
"""A job's id and the number of its step: what the gateway calls an attempt."""

REMOVED_AT_ONCE = 200
"""Files and folders that are removed before others get their turn: some milliseconds."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class JobFolders:
    """The private folders below one folder; None: there are none, and no step can have one."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._descriptor: int | None = None  # until the first folder is wanted
        self._removals: dict[str, Iterator[None]] = {}  # by job; what is not done when we end, the next start does

    @contextmanager
    def of(self, attempt: str, who: Identity) -> Iterator[tuple[str, Path]]:
        """Make the folder of a job's step, or take the one that an earlier attempt has had.

        Gives a path that leads there as long as this lasts, whatever is renamed meanwhile, and the usual one.

        Raises:
            StartError: it cannot be made; or the attempt's id is none that a job's step has.
        """
        found = _ATTEMPT.fullmatch(attempt)
        if found is None:
            raise StartError(f"{attempt[:80]!r} is no step of a job, so that no private folder can be made for it")
        if self._root is None:
            raise StartError("this runner was started without a place for private folders")
        for _ in self._removals.pop(found[1], ()):
            pass  # it was removed for an end that was not the last
        try:
            root = self._open()
            job = _made(root, found[1], 0o711, os.geteuid(), os.getegid())
            try:
                uid = os.geteuid() if who.uid is None else who.uid
                _give_way(job, found[2], uid)
                step = _made(job, found[2], 0o700, uid, os.getegid() if who.gid is None else who.gid)
            finally:
                os.close(job)
        except OSError as error:
            words = f"the private folder {self._root / found[1] / found[2]} cannot be made: {error.strerror}"
            raise StartError(words) from None
        try:
            yield f"/proc/self/fd/{step}", self._root / found[1] / found[2]
        finally:
            os.close(step)

    def names(self) -> tuple[str, ...]:
        """Return the ids of the jobs that have folders."""
        if self._root is None or not self._root.is_dir():
            return ()
        try:
            return tuple(name for name in os.listdir(self._open()) if FOLDER_OF_JOB.fullmatch(name))  # noqa: PTH208 -- of a descriptor
        except OSError:
            return ()

    def remove(self, job: str) -> None:
        """Begin to remove the folders of a job, with all that is in them; see `go_on`."""
        if not FOLDER_OF_JOB.fullmatch(job) or self._root is None or not self._root.is_dir():
            return
        with suppress(OSError):  # the next start tries again
            self._removals.setdefault(job, removal(self._open(), job))

    def next_time(self) -> float:
        """Return when there is something to be removed, on the monotonic clock: at once, or never."""
        return 0.0 if self._removals else float("inf")

    def go_on(self) -> None:
        """Remove a part of what is to be removed."""
        for job in list(islice(self._removals, 1)):
            if sum(1 for _ in islice(self._removals[job], REMOVED_AT_ONCE)) < REMOVED_AT_ONCE:
                del self._removals[job]

    def _open(self) -> int:
        if self._descriptor is None:
            assert self._root is not None  # noqa: S101 -- whoever calls has looked
            with suppress(FileExistsError):
                self._root.mkdir(0o711)
            descriptor = os.open(self._root, _FOLDER)
            found = os.fstat(descriptor)
            if found.st_uid != os.geteuid():
                os.close(descriptor)
                raise OSError(0, f"{self._root} belongs to user {found.st_uid}, not to {os.geteuid()}; remove it")
            os.fchmod(descriptor, 0o711)  # the umask has had its say
            self._descriptor = descriptor
        return self._descriptor


def _give_way(job: int, name: str, uid: int) -> None:
    """Remove the folder of a step when it is another user's.

    The rule has another user since the last try; or a gateway that was broken into asks for the folder in the name of
    one user that holds what was decrypted for another.
    """
    with suppress(FileNotFoundError):
        if os.stat(name, dir_fd=job, follow_symlinks=False).st_uid != uid:
            for _ in removal(job, name):
                pass


def _made(above: int, name: str, mode: int, uid: int, gid: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=above)
    descriptor = os.open(name, _FOLDER, dir_fd=above)
    try:
        found = os.fstat(descriptor)
        if (found.st_uid, found.st_gid) != (uid, gid):
            os.fchown(descriptor, uid, gid)
        if stat.S_IMODE(found.st_mode) != mode:
            os.fchmod(descriptor, mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
