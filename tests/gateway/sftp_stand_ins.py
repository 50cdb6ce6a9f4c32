"""A session and logins as the SFTP layers see them: what they were asked for, and files that are kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet.defer import Deferred, fail, succeed

from gateway.drop.account import Account, Terms
from gateway.drop.visit import Client, Download, Entry, LoginRefused, Refusal, Refused, Session, Upload, Way

MODIFIED = 1_700_000_000.0


def promise() -> Deferred[None]:
    """Return what a test fires when it is time."""
    return Deferred()


class MemoryUpload:
    """An upload into a MemorySession.

    Attributes:
        room: what `write` returns next; None: there is room.
        ending: what `finish` waits for; None: it is done at once.
    """

    def __init__(self, session: MemorySession, way: Way) -> None:
        self.session = session
        self.way = way
        self.content = bytearray()
        self.modified = MODIFIED
        self.room: Deferred[None] | None = None
        self.ending: Deferred[None] | None = None
        self.finished = False
        self.aborted: list[str] = []

    def write(self, data: bytes, offset: int | None = None) -> Deferred[None] | None:
        at = len(self.content) if offset is None else offset
        if at + len(data) > self.session.account.terms.max_file:
            return fail(Refused(Refusal.TOO_LARGE, "the file is too large"))
        self.content.extend(bytes(max(0, at - len(self.content))))
        self.content[at : at + len(data)] = data
        return self.room

    def set_modified(self, modified: float) -> None:
        self.modified = modified

    def finish(self) -> Deferred[Entry]:
        assert not self.finished
        self.finished = True
        return (self.ending or succeed(None)).addCallback(self._keep)

    def _keep(self, _: None) -> Entry:
        self.session.files[self.way] = bytes(self.content)
        self.session.times[self.way] = self.modified
        return Entry(self.way[-1], False, len(self.content), self.modified)

    def abort(self, problem: str) -> Deferred[None]:
        self.aborted.append(problem)
        return succeed(None)


class MemoryDownload:
    """A download out of a MemorySession."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)
        self.closed = False
        self.reads = 0

    def read(self, offset: int, size: int) -> Deferred[bytes]:
        self.reads += 1
        return succeed(self.content[offset : offset + size])

    def close(self) -> None:
        self.closed = True


class MemorySession:
    """A session whose files are in memory, and whose rights are `terms`; without them it may do everything.

    Attributes:
        opening: what `upload` waits for; None: it is done at once.
        blind: files cannot be looked at.
    """

    def __init__(self, terms: Terms | None = None) -> None:
        self.account = Account("alice", Path("/srv/alice"), terms=terms or Terms())
        self.dismissed: Callable[[str], None] | None = None
        self.files: dict[Way, bytes] = {}
        self.folders: set[Way] = {()}
        self.times: dict[Way, float] = {}
        self.uploads: list[MemoryUpload] = []
        self.downloads: list[MemoryDownload] = []
        self.opening: Deferred[None] | None = None
        self.blind = False
        self.left = 0

    def upload(self, way: Way, *, unique: bool = False) -> Deferred[Upload]:
        if not way or way in self.folders or way[:-1] not in self.folders:
            return fail(Refused(Refusal.NAME, "no file can be called so"))
        upload = MemoryUpload(self, way)
        self.uploads.append(upload)
        return self._soon().addCallback(lambda _: upload)

    def _soon(self) -> Deferred[None]:
        return self.opening or succeed(None)

    def read(self, way: Way) -> Deferred[Download]:
        if way not in self.files:
            return fail(Refused(Refusal.MISSING, "there is no such file"))
        download = MemoryDownload(self.files[way])
        self.downloads.append(download)
        return succeed(download)

    def entries(self, way: Way) -> Deferred[Sequence[Entry]]:
        if way not in self.folders:
            return fail(Refused(Refusal.MISSING, "there is no such folder"))
        inside = sorted(each for each in {*self.files, *self.folders} if each and each[:-1] == way)
        return succeed([self._entry(each) for each in inside])

    def entry(self, way: Way) -> Deferred[Entry]:
        if self.blind and way not in self.folders:
            return fail(Refused(Refusal.DENIED, "this account may not look at files"))
        if way not in self.files and way not in self.folders:
            return fail(Refused(Refusal.MISSING, "there is no such file"))
        return succeed(self._entry(way))

    def _entry(self, way: Way) -> Entry:
        name = way[-1] if way else "/"
        return Entry(name, way in self.folders, len(self.files.get(way, b"")), self.times.get(way, MODIFIED))

    def uploaded(self, way: Way) -> Entry | None:
        return self._entry(way) if any(upload.finished and upload.way == way for upload in self.uploads) else None

    def set_modified(self, way: Way, modified: float) -> Deferred[None]:
        if way not in self.files:
            return fail(Refused(Refusal.MISSING, "there is no such file"))
        self.times[way] = modified
        return succeed(None)

    def make_folder(self, way: Way) -> Deferred[None]:
        if way in self.folders or way in self.files:
            return fail(Refused(Refusal.TAKEN, "there is something of this name"))
        self.folders.add(way)
        return succeed(None)

    def remove_folder(self, way: Way) -> Deferred[None]:
        if way not in self.folders:
            return fail(Refused(Refusal.MISSING, "there is no such folder"))
        self.folders.remove(way)
        return succeed(None)

    def delete(self, way: Way) -> Deferred[None]:
        if way not in self.files:
            return fail(Refused(Refusal.MISSING, "there is no such file"))
        del self.files[way]
        return succeed(None)

    def rename(self, old: Way, new: Way) -> Deferred[None]:
        if new in self.files or new in self.folders:
            return fail(Refused(Refusal.TAKEN, "there is something of this name"))
        if old not in self.files:
            return fail(Refused(Refusal.MISSING, "there is no such file"))
        self.files[new] = self.files.pop(old)
        return succeed(None)

    def leave(self) -> None:
        self.left += 1


class StandInLogins:
    """Logins of one account, `alice`.

    Attributes:
        keys: the blobs that it has.
        tried: each try that came to an end: who, how, and the problem if there was one.
        waits: what a login waits for; None: it is judged at once.
    """

    def __init__(self, session: Session, password: bytes = b"sesame", keys: Sequence[bytes] = ()) -> None:
        self.session = session
        self.password = password
        self.keys = set(keys)
        self.tried: list[tuple[str, str, str]] = []
        self.clients: list[Client] = []
        self.waits: Deferred[None] | None = None

    def by_password(self, client: Client, name: str, password: bytes) -> Deferred[Session]:
        good = name == "alice" and password == self.password
        return self._judge(client, name, "password", "" if good else "the password is wrong")

    def has_key(self, name: str, key: bytes) -> bool:
        return name == "alice" and key in self.keys

    def by_key(self, client: Client, name: str, key: bytes) -> Deferred[Session]:
        assert self.has_key(name, key)
        return self._judge(client, name, "key", "")

    def refuse(self, client: Client, name: str, problem: str) -> Deferred[Session]:
        return self._judge(client, name, "-", problem)

    def _judge(self, client: Client, name: str, how: str, problem: str) -> Deferred[Session]:
        self.clients.append(client)
        self.tried.append((name, how, problem))
        waits = self.waits or succeed(None)
        return waits.addCallback(lambda _: fail(LoginRefused()) if problem else succeed(self.session))
