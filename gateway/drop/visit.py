"""What the protocols of the drop box (FTP, SFTP) see of it: logins, sessions, uploads."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.drop.account import Account
from parsers.event import FieldValue
from parsers.message import Trust

Way = tuple[str, ...]
"""A path as the client sees it: names from its own root, `()`; each is one name, never `.` or `..`, without slash."""


class Refusal(enum.Enum):
    """Why something is not done; each protocol has its own code for it."""

    DENIED = "denied"  # the account may not do this
    NAME = "name"  # no file can be called so here
    TAKEN = "taken"  # there is something of this name
    MISSING = "missing"  # there is nothing of this name, or not of this kind
    QUOTA = "quota"  # the account's quota is exhausted
    TOO_LARGE = "too large"  # the file is larger than one may be
    FULL = "full"  # the disk is full
    FAILED_CHECK = "failed check"  # its checksum or signature is wrong; the file is in quarantine
    CUT = "cut"  # the transfer did not come to its end
    BUSY = "busy"  # not now: too many sessions, or the gateway is stopping
    BROKEN = "broken"  # our own fault


class Refused(Exception):  # noqa: N818 -- it is an answer
    """Something is not done, and why; the words are for the client and hold nothing of the server's own paths."""

    def __init__(self, refusal: Refusal, words: str) -> None:
        self.refusal = refusal
        super().__init__(words)


class LoginRefused(Exception):  # noqa: N818 -- it is an answer
    """Nobody comes in; the client is told no more than that, the log and the event say why."""


@dataclass(frozen=True, slots=True)
class Client:
    """Whoever is at the other end of a connection.

    Attributes:
        source: the name of the listener.
        protocol: `ftp` or `sftp`.
        encrypted: nobody on the way can read or change what it sends.
        trusted: the source's `trusted:` networks hold its address.
        may_be_plain: the source lets everybody in without encryption.
        fields: what an event says of the connection: `tls.version`, `tls.cipher`, `ssh.client_version` ...
    """

    source: str
    protocol: str
    address: str
    port: int
    encrypted: bool
    trusted: bool = False
    may_be_plain: bool = False
    fields: Mapping[str, FieldValue] = field(default_factory=dict)

    @property
    def trust(self) -> Trust:
        """How far what it sends is believed once it has logged in."""
        return Trust.ACCOUNT if self.encrypted else Trust.NETWORK


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in a folder; `modified` is in seconds since 1970."""

    name: str
    is_folder: bool
    size: int
    modified: float


class Upload(Protocol):
    """A file on its way in. Nobody sees it before `finish` fires, and after `abort` there never was one."""

    way: Way
    """Where it will be; with `unique`, or when a taken name makes it another, known from the beginning."""

    def write(self, data: bytes, offset: int | None = None) -> Deferred[None] | None:
        """Take octets for a place in the file; None: after the last.

        Returns None while there is room for more, else what fires when there is. That fails with Refused when the
        file is too large, the quota exhausted or the disk full; so does `finish`, so that nobody needs to wait.
        """
        ...

    def set_modified(self, modified: float) -> None:
        """Give the file this time of modification, once it is whole; in seconds since 1970."""
        ...

    def finish(self) -> Deferred[Entry]:
        """The client says that this was all: fires when the file and its event are on disk; fails with Refused.

        After a failure there is no such file, or it is in quarantine.
        """
        ...

    def abort(self, problem: str) -> Deferred[None]:
        """The transfer ended before its end, and how: nothing of it stays. Fires when that is so, and never fails."""
        ...


class Download(Protocol):
    """A file on its way out."""

    size: int

    def read(self, offset: int, size: int) -> Deferred[bytes]:
        """Return octets, none at the end of the file; fails with Refused."""
        ...

    def close(self) -> None:
        """Have no more of it."""
        ...


class Session(Protocol):
    """What one login may do in its folder; each Deferred fails with Refused.

    Every method takes care of rights and names itself: no link is followed, nothing leaves the account's folder, and
    what is the gateway's own (`.gateway`) is not there.
    """

    account: Account
    """Whose it is: what it may do follows the accounts file while the session is open."""

    dismissed: Callable[[str], None] | None
    """Called when the account lets it in no longer, with words for the client: whoever has it closes the connection."""

    def upload(self, way: Way, *, unique: bool = False) -> Deferred[Upload]:
        """Begin a file; `unique`: under a name that is free, made from this one."""
        ...

    def read(self, way: Way) -> Deferred[Download]:
        """Open a file to be read."""
        ...

    def entries(self, way: Way) -> Deferred[Sequence[Entry]]:
        """Return what is in a folder, in the order of names; nothing to an account that may not list."""
        ...

    def entry(self, way: Way) -> Deferred[Entry]:
        """Return one entry; of files only to an account that may list or read. `()` is the root, called `/`."""
        ...

    def uploaded(self, way: Way) -> Entry | None:
        """Return what this session has uploaded under this name, also to an account that may not look at files."""
        ...

    def set_modified(self, way: Way, modified: float) -> Deferred[None]:
        """Give a file that this session has uploaded another time of modification."""
        ...

    def make_folder(self, way: Way) -> Deferred[None]:
        """Make a folder."""
        ...

    def remove_folder(self, way: Way) -> Deferred[None]:
        """Remove an empty folder."""
        ...

    def delete(self, way: Way) -> Deferred[None]:
        """Delete a file."""
        ...

    def rename(self, old: Way, new: Way) -> Deferred[None]:
        """Give a file another name, which must be free; one that was unfinished becomes an event, before this fires."""
        ...

    def leave(self) -> None:
        """The connection is gone: uploads that are not finished are aborted."""
        ...


class Logins(Protocol):
    """Lets clients in; each Deferred fires with a session or fails with LoginRefused, after a delay.

    What comes of each try is told, and is an event.
    """

    def by_password(self, client: Client, name: str, password: bytes) -> Deferred[Session]:
        """Let in whoever knows the password."""
        ...

    def has_key(self, name: str, key: bytes) -> bool:
        """Tell whether an account has this key, by its blob; whoever offers it has not shown to own it."""
        ...

    def by_key(self, client: Client, name: str, key: bytes) -> Deferred[Session]:
        """Let in whoever has shown to own this key."""
        ...

    def refuse(self, client: Client, name: str, problem: str) -> Deferred[Session]:
        """Refuse a try that went wrong before it came to a password or key: a bad signature, no encryption."""
        ...
