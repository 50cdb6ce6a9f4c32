"""What watched folders have to tell."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class FolderWatched(Notice):
    """A folder that was not there is watched now."""

    words = "{source}: {folder} is there, and is watched"
    source: str
    folder: str


@dataclass(frozen=True, slots=True)
class FolderMissing(Notice):
    """A folder of the configuration is not there; it is looked for again and again."""

    level = "warn"
    words = "{source}: {folder} cannot be watched ({problem}); make it, and what is in it is taken then"
    source: str
    folder: str
    problem: str


@dataclass(frozen=True, slots=True)
class FolderUnreadable(Notice):
    """A folder cannot be looked into: nothing in it is seen."""

    level = "warn"
    words = "{source}: what is in {folder} is not seen: {problem}; give the gateway's user the right to read it"
    source: str
    folder: str
    problem: str


@dataclass(frozen=True, slots=True)
class TooManyFolders(Notice):
    """The kernel does not watch so many folders: they are scanned, which takes longer and costs more."""

    level = "warn"
    words = (
        "{source}: the kernel does not watch {folders:folder more} for us ({problem}); they are scanned every "
        "{seconds:g} s until it does: raise {setting} by `sysctl`"
    )
    source: str
    folders: int
    problem: str
    seconds: float
    setting: str


@dataclass(frozen=True, slots=True)
class NewsLost(Notice):
    """More happened than the kernel could remember for us: the folders are scanned, so that no file is missed."""

    words = (
        "{source}: the kernel could not remember all that happened (fs.inotify.max_queued_events); scanning {folders}"
    )
    source: str
    folders: str


@dataclass(frozen=True, slots=True)
class ScanFailed(Notice):
    """The folders could not be looked at, for a reason that nobody thought of."""

    level = "critical"
    words = "{source}: the folders were not scanned (a bug of ours), which is tried again: {problem}"
    source: str
    problem: str


@dataclass(frozen=True, slots=True)
class NameUnusable(Notice):
    """A file has a name that no program could be given as text: it is no event."""

    level = "warn"
    words = "{source}: {path} is passed over, for its name is not UTF-8; rename it"
    source: str
    path: str


@dataclass(frozen=True, slots=True)
class FileUnreadable(Notice):
    """A file is there and cannot be read; that is tried again."""

    level = "warn"
    words = "{source}: {path} cannot be read: {problem}; the gateway tries again every {seconds:g} s"
    source: str
    path: str
    problem: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FileVanished(Notice):
    """A file was gone before it could be looked at."""

    level = "debug"
    words = "{source}: {path} was gone before it was looked at"
    source: str
    path: str


@dataclass(frozen=True, slots=True)
class FileWaits(Notice):
    """A file is whole, and waits for its checksum or signature."""

    words = "{source}: {path} waits, at most {seconds:.0f} s: {problem}"
    source: str
    path: str
    problem: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FileRejected(Notice):
    """A file failed its checks; it stays where it is."""

    level = "warn"
    words = "{source}: {path} is rejected, and stays where it is: {problem}"
    source: str
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class FileSidecarFailed(Notice):
    """A checksum or signature does not fit what it is about, or cannot be read."""

    level = "warn"
    words = "{source}: {path}, the checksum or signature of {about}, failed: {problem}"
    source: str
    path: str
    about: str
    problem: str


@dataclass(frozen=True, slots=True)
class FileNotKept(Notice):
    """A file's event, or what a log caused, could not be kept; that is tried again."""

    level = "error"
    words = "{source}: {path}: its event could not be kept, which is tried again: {problem}"
    source: str
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class LogUnreadable(Notice):
    """A log could not be read to its end; what was read counts."""

    level = "warn"
    words = "{source}: {path} could not be read to its end: {problem}; {messages:message} of it were taken"
    source: str
    path: str
    problem: str
    messages: int


@dataclass(frozen=True, slots=True)
class LogNotCleared(Notice):
    """A log is done with and could not be deleted or moved; it is not read again."""

    level = "error"
    words = "{source}: {path} is done with, and could not be taken away: {problem}"
    source: str
    path: str
    problem: str
