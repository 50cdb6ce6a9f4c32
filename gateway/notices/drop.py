"""What the drop box has to tell: files that came, files that did not, and what was found at the start."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class UploadComplete(Notice):
    """A file is whole, and its event is kept."""

    words = "drop: {account}: {file} is here: {size:octet}, from {address} by {source}"
    account: str
    file: str
    size: int
    address: str
    source: str


@dataclass(frozen=True, slots=True)
class UploadHeld(Notice):
    """A file is whole, and waits for its checksum or signature."""

    words = "drop: {account}: {file} waits: {problem}"
    account: str
    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarFailed(Notice):
    """A checksum or signature does not fit what it is about, or cannot be read.

    A file that had its event before is not moved for it: a rule may have used it, or taken it away.
    """

    level = "warn"
    words = "drop: {account}: {file}, the checksum or signature of {about}, failed: {problem}"
    account: str
    file: str
    about: str
    problem: str


@dataclass(frozen=True, slots=True)
class UploadFailed(Notice):
    """An upload came to nothing, and its client is why: it was cut, or its name is taken; nothing of it is there."""

    words = "drop: {account}: {file} from {address} was not taken: {problem}"
    account: str
    file: str
    address: str
    problem: str


@dataclass(frozen=True, slots=True)
class UploadNotKept(UploadFailed):
    """An upload came to nothing for want of room, or because the server could not keep it; nothing of it is there."""

    level = "warn"


@dataclass(frozen=True, slots=True)
class UploadQuarantined(Notice):
    """A file failed its checks, or could not be read to its end, and is in quarantine."""

    level = "warn"
    words = "drop: {account}: {file} is in quarantine, as {path}: {problem}"
    account: str
    file: str
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class EventDelayed(Notice):
    """A file is whole, but its event could not be kept; it is tried again, at the latest at the next start."""

    level = "error"
    words = "drop: {account}: {file} is whole, but its event is not kept yet: {problem}"
    account: str
    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class SessionEnded(Notice):
    """A session was open whose account lets it in no longer."""

    words = "drop: the session of {account} from {address} was ended: the account {problem}"
    account: str
    address: str
    problem: str


@dataclass(frozen=True, slots=True)
class PartsRemoved(Notice):
    """At the start there were parts of uploads that never became whole; nobody was told that they had."""

    words = "drop: {folder}: removed {parts:part} of uploads that were cut off when the gateway ended"
    folder: str
    parts: int


@dataclass(frozen=True, slots=True)
class UploadsFinished(Notice):
    """At the start there were files that were whole, but whose events were not kept; now they are."""

    words = "drop: {folder}: finished {uploads:upload} that the gateway's end had interrupted"
    folder: str
    uploads: int


@dataclass(frozen=True, slots=True)
class UploadDropped(Notice):
    """At the start there was a whole file whose name somebody else has got; its client was told nothing."""

    level = "warn"
    words = "drop: {account}: an upload of {file} that the gateway's end had interrupted is dropped: {problem}"
    account: str
    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class RecordDamaged(Notice):
    """What was written down about an upload cannot be read; the upload is kept for somebody to look at."""

    level = "error"
    words = "drop: {path} is damaged: {problem}; it and the upload stay there, without an event"
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class FolderTrouble(Notice):
    """The disk refuses what the drop box needs."""

    level = "error"
    words = "drop: {folder}: {problem}"
    folder: str
    problem: str


@dataclass(frozen=True, slots=True)
class FilesExpired(Notice):
    """Files were older than `retention:` keeps them, and are deleted."""

    words = "drop: {folder}: deleted {files:file} kept for longer than {seconds:.0f} s"
    folder: str
    files: int
    seconds: float
