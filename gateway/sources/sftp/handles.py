"""What a client has open: a file on its way in, one on its way out, a folder that it lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from gateway.drop.visit import Download, Entry, Refusal, Refused, Upload, Way
from gateway.sources.sftp.interruptions import PIECE
from gateway.sources.sftp.packets import Attributes

RESUME_WORDS = "resuming is not offered: send the whole file"


@dataclass(slots=True)
class OpenUpload:
    """A file on its way in.

    Attributes:
        way: where the client wants it.
        size: where its last octet is, so far.
        full: every piece had as many octets as we ask for.
        whole: the client said at the beginning that nothing of an older file is to stay.
        refused: why nothing more is taken; it will never be a file then.
        due: when, at the account's speed, what came so far may have been here; in the clock's seconds.
    """

    upload: Upload
    way: Way
    whole: bool
    size: int = 0
    full: bool = True
    modified: float | None = None
    refused: Refused | None = None
    due: float = 0.0

    def write(self, data: bytes, offset: int) -> Deferred[None] | None:
        """Take octets; returns what fires when there is room for more, which may fail with Refused.

        Raises:
            Refused: nothing more is taken.
        """
        if self.refused is not None:
            raise self.refused
        if not self.whole and not self.size and offset:
            raise Refused(Refusal.DENIED, RESUME_WORDS)
        self.size = max(self.size, offset + len(data))
        self.full = self.full and len(data) == PIECE
        return self.upload.write(data, offset)

    def give_up(self, refused: Refused) -> None:
        """Take nothing more, and have no file; the client learns it with each write that is under way."""
        if self.refused is None:
            self.refused = refused
            self.upload.abort(str(refused))

    def change(self, attributes: Attributes) -> None:
        """Set what a client may set of a file that it writes.

        Raises:
            Refused: it would be cut or extended.
        """
        if attributes.size is not None and attributes.size != self.size:
            raise Refused(Refusal.DENIED, "a file's size is what was written, and cannot be set")
        if attributes.modified is not None:
            self.modified = float(attributes.modified)
            self.upload.set_modified(self.modified)

    def end(self) -> Deferred[Entry]:
        """The client says that this was all.

        Raises:
            Refused: something of it was refused before.
        """
        if self.refused is not None:
            raise self.refused
        return self.upload.finish()

    @property
    def ends_as_interrupted(self) -> bool:
        """Whether the client may have stopped in the middle, though it said that this was all."""
        return self.refused is None and self.full and self.size > 0

    def drop(self, problem: str) -> None:
        """Have no file: the client did not say that this was all."""
        if self.refused is None:
            self.upload.abort(problem)


@dataclass(slots=True)
class OpenDownload:
    """A file on its way out; `due` as above."""

    download: Download
    way: Way
    due: float = 0.0

    def drop(self, problem: str) -> None:  # noqa: ARG002 -- as the others
        """Have no more of it."""
        self.download.close()


@dataclass(slots=True)
class OpenFolder:
    """A folder that is listed; `at` is how far."""

    way: Way
    entries: Sequence[Entry]
    at: int = 0

    def next(self, count: int) -> Sequence[Entry]:
        """Return the next entries, none after the last."""
        found = self.entries[self.at : self.at + count]
        self.at += len(found)
        return found

    def drop(self, problem: str) -> None:
        """Nothing is to be given back."""


Handle = OpenUpload | OpenDownload | OpenFolder
