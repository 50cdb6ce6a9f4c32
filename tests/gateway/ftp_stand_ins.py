"""A small drop box for FTP's tests: sessions that keep files in memory or in a folder, and logins by one password."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from twisted.internet.defer import Deferred, fail, succeed

from gateway.drop.account import Account, Right, Terms
from gateway.drop.visit import Client, Download, Entry, LoginRefused, Refusal, Refused, Session, Upload, Way

ALL_RIGHTS = frozenset(Right)
PASSWORD = b"open sesame"


@dataclass
class Kept:
    """What the drop box holds, and what became of uploads; `folders` are ways."""

    files: dict[Way, bytes] = field(default_factory=dict)
    folders: set[Way] = field(default_factory=lambda: {()})
    times: dict[Way, float] = field(default_factory=dict)
    aborted: list[str] = field(default_factory=list)
    left: int = 0


class MemoryUpload:
    """An upload into memory.

    Attributes:
        full_at: octets after which the disk is full.
        slow: what `write` returns until somebody fires it.
    """

    def __init__(self, kept: Kept, way: Way, full_at: int | None, slow: list[Deferred[None]] | None) -> None:
        self.way = way
        self.full_at = full_at
        self._slow = slow
        self._kept = kept
        self._octets = bytearray()
        self.over = False

    def write(self, data: bytes, offset: int | None = None) -> Deferred[None] | None:
        assert not self.over
        self._octets += data
        if self.full_at is not None and len(self._octets) > self.full_at:
            return fail(Refused(Refusal.FULL, "the disk is full"))
        if self._slow is None:
            return None
        self._slow.append(Deferred())
        return self._slow[-1]

    def set_modified(self, modified: float) -> None:
        self._kept.times[self.way] = modified

    def finish(self) -> Deferred[Entry]:
        assert not self.over
        self.over = True
        if self.way in self._kept.files:
            return fail(Refused(Refusal.TAKEN, "there is such a file"))
        self._kept.files[self.way] = bytes(self._octets)
        return succeed(Entry(self.way[-1], False, len(self._octets), 0.0))

    def abort(self, problem: str) -> Deferred[None]:
        self.over = True
        self._kept.aborted.append(problem)
        return succeed(None)


class MemoryDownload:
    """A download out of memory."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.size = len(octets)

    def read(self, offset: int, size: int) -> Deferred[bytes]:
        return succeed(self._octets[offset : offset + size])

    def close(self) -> None:
        """Nothing is open."""


def _missing() -> Deferred[object]:
    return fail(Refused(Refusal.MISSING, "there is nothing of this name"))


class MemorySession:
    """What one login may do: all its account may, names are not judged."""

    full_at: int | None = None
    slow: list[Deferred[None]] | None = None

    def __init__(self, account: Account, kept: Kept) -> None:
        self.account = account
        self.dismissed: Callable[[str], None] | None = None
        self.kept = kept
        self.uploads: list[MemoryUpload] = []

    def upload(self, way: Way, *, unique: bool = False) -> Deferred[Upload]:
        if way[-1].startswith("-") or not way[-1].isprintable():
            return fail(Refused(Refusal.NAME, "no file can be called so here"))
        if way in self.kept.files:
            if not unique:
                return fail(Refused(Refusal.TAKEN, "there is such a file"))
            way = (*way[:-1], f"{way[-1]}-1")
        upload = MemoryUpload(self.kept, way, self.full_at, self.slow)
        self.uploads.append(upload)
        return succeed(upload)

    def read(self, way: Way) -> Deferred[Download]:
        if Right.READ not in self.account.terms.rights:
            return fail(Refused(Refusal.DENIED, "this account may not read"))
        return succeed(MemoryDownload(self.kept.files[way])) if way in self.kept.files else _missing()  # type: ignore[return-value]

    def entries(self, way: Way) -> Deferred[Sequence[Entry]]:
        if way not in self.kept.folders:
            return _missing()  # type: ignore[return-value]
        if Right.LIST not in self.account.terms.rights:
            return succeed([])
        folders = [Entry(each[-1], True, 0, 0.0) for each in self.kept.folders if each and each[:-1] == way]
        files = [
            Entry(each[-1], False, len(octets), self.kept.times.get(each, 0.0))
            for each, octets in self.kept.files.items()
            if each[:-1] == way
        ]
        return succeed(sorted(folders + files, key=lambda entry: entry.name))

    def entry(self, way: Way) -> Deferred[Entry]:
        if way in self.kept.folders:
            return succeed(Entry(way[-1] if way else "/", True, 0, 0.0))
        if way in self.kept.files:
            return succeed(Entry(way[-1], False, len(self.kept.files[way]), self.kept.times.get(way, 0.0)))
        return _missing()  # type: ignore[return-value]

    def uploaded(self, way: Way) -> Entry | None:
        return None

    def set_modified(self, way: Way, modified: float) -> Deferred[None]:
        self.kept.times[way] = modified
        return succeed(None)

    def make_folder(self, way: Way) -> Deferred[None]:
        if way in self.kept.folders:
            return fail(Refused(Refusal.TAKEN, "there is such a folder"))
        self.kept.folders.add(way)
        return succeed(None)

    def remove_folder(self, way: Way) -> Deferred[None]:
        if not way or way not in self.kept.folders:
            return _missing()  # type: ignore[return-value]
        self.kept.folders.discard(way)
        return succeed(None)

    def delete(self, way: Way) -> Deferred[None]:
        return succeed(None) if self.kept.files.pop(way, None) is not None else _missing()  # type: ignore[return-value]

    def rename(self, old: Way, new: Way) -> Deferred[None]:
        if old not in self.kept.files:
            return _missing()  # type: ignore[return-value]
        if new in self.kept.files:
            return fail(Refused(Refusal.TAKEN, "there is such a file"))
        self.kept.files[new] = self.kept.files.pop(old)
        return succeed(None)

    def leave(self) -> None:
        self.kept.left += 1
        for upload in self.uploads:
            if not upload.over:
                upload.abort("the client has left")


class PasswordLogins:
    """Lets in whoever knows the one password; refuses at once, and who is not encrypted before all else."""

    def __init__(self, kept: Kept | None = None, terms: Terms | None = None) -> None:
        self.kept = kept or Kept()
        self.terms = terms or Terms(rights=ALL_RIGHTS)
        self.clients: list[Client] = []
        self.tried: list[tuple[str, bytes]] = []
        self.refused: list[str] = []
        self.sessions: list[MemorySession] = []
        self.make: Callable[[Account], MemorySession] = lambda account: MemorySession(account, self.kept)
        self.waits: Deferred[Session] | None = None

    def by_password(self, client: Client, name: str, password: bytes) -> Deferred[Session]:
        self.clients.append(client)
        self.tried.append((name, password))
        if self.waits is not None:
            return self.waits
        if password != PASSWORD:
            return fail(LoginRefused())
        session = self.make(Account(name, Path("/nowhere"), terms=self.terms))
        self.sessions.append(session)
        return succeed(session)

    def has_key(self, name: str, key: bytes) -> bool:
        return False

    def by_key(self, client: Client, name: str, key: bytes) -> Deferred[Session]:
        return fail(LoginRefused())

    def refuse(self, client: Client, name: str, problem: str) -> Deferred[Session]:
        self.refused.append(problem)
        return fail(LoginRefused())
