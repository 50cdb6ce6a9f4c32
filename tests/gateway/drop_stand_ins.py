"""Stand-ins for what the drop box works with: a journal that can fail, threads that are none, a disk that can die."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.checks.signers import Signers
from gateway.drop.account import Account, Right, Terms, Unpacking
from gateway.drop.box import Box
from gateway.drop.locker import Reactor
from gateway.drop.session import BoxSession
from gateway.drop.visit import Client, Entry, Refused, Upload, Way
from gateway.drop_config import DropSettings
from gateway.log_files.log_feed import Fed
from parsers.event import FieldValue
from parsers.message import Message, Origin
from tests.gateway.own_kinds import assert_known
from tests.gateway.told import Told

T = TypeVar("T")

ALL_RIGHTS = frozenset(Right)
CLIENT = Client("ftp", "ftp", "192.0.2.7", 4000, encrypted=True, fields={"tls.version": "TLSv1.3"})


class InlineThreads:
    """A thread pool that does all at once, where it is asked to."""

    def callInThreadWithCallback(  # noqa: N802 -- Twisted's name
        self, done: Callable[[bool, object], None], work: Callable[..., object], *args: object, **kwargs: object
    ) -> None:
        """Do it."""
        try:
            result = work(*args, **kwargs)
        except BaseException:  # noqa: BLE001 -- as the real one
            done(False, Failure())
        else:
            done(True, result)


class InlineReactor(Clock):
    """A clock to which threads come back at once."""

    def callFromThread(self, work: Callable[..., object], *args: object, **kwargs: object) -> None:  # noqa: N802
        """Do it."""
        work(*args, **kwargs)


INLINE = cast(ThreadPool, InlineThreads())


class Died(BaseException):
    """The machine is dead."""


class KeptJournal:
    """A journal: what was committed in it stays, whoever asks.

    Attributes:
        tick: called before and after each commit; may raise.
        refuses: commits fail.
        late: commits wait, in `waiting`.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, FieldValue]] = []
        self.passing: list[dict[str, FieldValue]] = []
        self.origins: list[Origin] = []
        self.marks: dict[str, str] = {}
        self.tick: Callable[[], None] = lambda: None
        self.refuses = False
        self.late = False
        self.waiting: list[tuple[Deferred[None], Callable[[], None]]] = []

    def report(
        self, message: Message, bookmarks: Mapping[str, str | None] | None = None, *, keep: bool = True
    ) -> Deferred[None]:
        """Take an event, and bookmarks with it."""
        assert_known(message)

        def commit() -> None:
            event = {**json.loads(message.frame), "event.dataset": message.origin.dataset}
            (self.events if keep else self.passing).append(event)
            self.origins.append(message.origin)
            self._note(bookmarks or {})

        return self._commit(commit)

    def note(self, bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        """Take bookmarks."""
        return self._commit(lambda: self._note(bookmarks))

    def bookmarks(self, prefix: str) -> Deferred[dict[str, str]]:
        """Return those whose names begin so."""
        return succeed({name: text for name, text in self.marks.items() if name.startswith(prefix)})

    def go_on(self) -> None:
        """Commit what waits."""
        waiting, self.waiting = self.waiting, []
        for done, commit in waiting:
            commit()
            done.callback(None)

    def of(self, action: str) -> list[dict[str, FieldValue]]:
        """Return the events with this action, journalled or not."""
        return [event for event in (*self.events, *self.passing) if event["event.action"] == action]

    def _commit(self, commit: Callable[[], None]) -> Deferred[None]:
        try:
            self.tick()
            if self.refuses:
                return fail(RuntimeError("the journal is closed"))
            if self.late:
                self.waiting.append((Deferred(), commit))
                return self.waiting[-1][0]
            commit()
            self.tick()
        except Died:
            return fail(RuntimeError("the machine is dead"))
        return succeed(None)

    def _note(self, bookmarks: Mapping[str, str | None]) -> None:
        for name, text in bookmarks.items():
            if text is None:
                self.marks.pop(name, None)
            else:
                self.marks[name] = text


@dataclass
class KeptFeed:
    """A feed of logs that counts lines; `problem` is what it finds wrong with them."""

    journal: KeptJournal
    problem: str | None = None
    fed: list[tuple[bytes, str, Origin, str | None]] = field(default_factory=list)
    stopped: bool = False

    def feed(
        self, path: Path, bookmark: str, origin: Origin, unpacking: Unpacking, done: str | None = None
    ) -> Deferred[Fed]:
        """Take a log."""
        if self.stopped:
            return fail(RuntimeError("the gateway stops"))
        octets = path.read_bytes()
        self.fed.append((octets, bookmark, origin, done))
        self.journal.marks[bookmark] = "the end"
        return succeed(Fed(octets.count(b"\n"), 1, len(octets), self.problem))


class DropHouse:
    """A drop box with one account, over a folder and a journal that outlive it."""

    def __init__(self, folder: Path, terms: Terms | None = None, **settings: Any) -> None:
        self.folder = folder
        self.account = Account("alice", folder / "alice", terms=terms or Terms(rights=ALL_RIGHTS))
        self.accounts = [self.account]
        self.settings = DropSettings(folder, folder / "accounts.yaml", **settings)
        self.journal = KeptJournal()
        self.told = Told()
        self.feed = KeptFeed(self.journal)
        self.wall = 1_800_000_000.0
        self.start()

    def start(self) -> None:
        """Start, as after a crash."""
        self.reactor = InlineReactor()
        self.box = Box(
            self.settings,
            INLINE,
            cast(Reactor, self.reactor),
            self.journal,
            self.journal.bookmarks,
            lambda: self.accounts,
            self.told,
            lambda: self.wall + self.reactor.seconds(),
            feed=self.feed,
            signers=Signers(self.told),
        )
        now(self.box.start())

    def with_terms(self, **changes: Any) -> None:
        """Give the account other terms."""
        self.account = replace(self.account, terms=replace(self.account.terms, **changes))
        self.accounts[:] = [self.account]

    def session(self) -> BoxSession:
        """Log in."""
        return self.box.open(self.account, CLIENT)

    def put(self, name: str, octets: bytes, session: BoxSession | None = None, *, unique: bool = False) -> Entry:
        """Upload a file."""
        upload: Upload = now((session or self.session()).upload(way(name), unique=unique))
        upload.write(octets)
        return now(upload.finish())

    def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        now(self.session().rename(way(old), way(new)))

    def files(self) -> dict[str, bytes]:
        """Return what clients see."""
        root = self.account.folder
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and ".gateway" not in path.parts
        }

    def left_over(self) -> list[str]:
        """Return what is in the folder of parts."""
        return sorted(path.name for path in (self.account.folder / ".gateway" / "parts").iterdir())

    def quarantined(self) -> dict[str, bytes]:
        """Return what is in quarantine, without the beginnings of names."""
        folder = self.folder / "quarantine" / "alice"
        return {path.name.split("-", 2)[2]: path.read_bytes() for path in folder.glob("*")}


def way(path: str) -> Way:
    """Return what a client calls a path."""
    return tuple(path.split("/"))


def now(deferred: Deferred[T]) -> T:
    """Return what a Deferred fired with, or raise what it failed with; it must have fired."""
    results: list[T] = []
    failures: list[Failure] = []
    deferred.addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    assert results, "it has not fired"
    return results[0]


def refusal(deferred: Deferred[Any]) -> Refused:
    """Return why something was refused."""
    with pytest.raises(Refused) as caught:
        now(deferred)
    return caught.value


CHANGES = (
    "open", "link", "unlink", "replace", "rename", "mkdir", "rmdir", "fsync", "fdatasync", "pwrite", "write", "utime",
    "fchmod",
)  # fmt: skip
"""What a program asks of a disk, as far as it changes something; `open` where it creates."""


def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for a disk: what dies here is never the machine below."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)


class FailingDisk:
    """Lets the machine die at the n-th change of the disk or the journal: from then on nothing changes any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, journal: KeptJournal) -> None:
        without_waiting(monkeypatch)
        self._monkeypatch = monkeypatch
        self._journal = journal
        self.left: int | None = None

    def tick(self) -> None:
        """Count one change."""
        if self.left is None:
            return
        if self.left <= 0:
            raise Died
        self.left -= 1

    @contextmanager
    def dying_after(self, changes: int) -> Iterator[None]:
        """Die after so many changes."""
        self.left = changes
        with self._monkeypatch.context() as patched:
            for name in CHANGES:
                patched.setattr(os, name, self._counting(name, getattr(os, name)))
            self._journal.tick = self.tick
            yield
        self._journal.tick = lambda: None

    @property
    def died(self) -> bool:
        """Tell whether it came to that."""
        return self.left == 0

    def _counting(self, name: str, real: Callable[..., T]) -> Callable[..., T]:
        def call(*args: Any, **kwargs: Any) -> T:
            if name != "open" or args[1] & os.O_CREAT:
                self.tick()
            return real(*args, **kwargs)

        return call


class LosingDisk(FailingDisk):
    """Lets the power fail: what no fsync has brought to disk is gone, names and octets.

    Each folder's names are on disk when that folder was synced, each file's octets when that file was.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, journal: KeptJournal, stash: Path) -> None:
        super().__init__(monkeypatch, journal)
        self._stash = stash
        stash.mkdir()
        self._names: list[tuple[str, Callable[[], object]]] = []  # folder, and what takes back a change in it
        self._octets: dict[int, str] = {}  # inode of a file that is not on disk, and where it was made
        self._real = {name: getattr(os, name) for name in CHANGES}

    def lose(self) -> None:
        """Take back what is not on disk."""
        for inode, path in self._octets.items():
            for found in Path(path).parents[2].rglob("*"):
                if found.is_file() and not found.is_symlink() and found.stat().st_ino == inode:
                    os.truncate(found, 0)
        for _, undo in reversed(self._names):
            with suppress(OSError):
                undo()

    def _counting(self, name: str, real: Callable[..., T]) -> Callable[..., T]:
        counted = super()._counting(name, real)

        def call(*args: Any, **kwargs: Any) -> T:
            undo = self._undo(name, args, kwargs)
            result = counted(*args, **kwargs)
            if undo is not None:
                self._names.append(undo)
            if name == "open" and undo is not None:
                self._octets[os.fstat(cast(int, result)).st_ino] = str(_path(args[0], kwargs.get("dir_fd")))
            if name in {"fsync", "fdatasync"}:
                folder = str(_path("", args[0]))
                self._names = [each for each in self._names if each[0] != folder]
                self._octets.pop(os.fstat(args[0]).st_ino, None)
            return result

        return call

    def _undo(self, name: str, args: Any, kwargs: Any) -> tuple[str, Callable[[], object]] | None:
        unlink, replaced, link = self._real["unlink"], self._real["replace"], self._real["link"]
        kept = self._stash / str(len(list(self._stash.iterdir())))
        match name:
            case "open":
                made = _path(args[0], kwargs.get("dir_fd"))
                if not args[1] & os.O_CREAT or made.exists():
                    return None
                return str(made.parent), lambda: unlink(made)
            case "link":
                new = _path(args[1], kwargs.get("dst_dir_fd"))
                return str(new.parent), lambda: unlink(new)
            case "unlink":
                gone = _path(args[0], kwargs.get("dir_fd"))
                if not gone.exists():
                    return None
                link(gone, kept)
                return str(gone.parent), lambda: link(kept, gone)
            case "replace":
                old, new = _path(args[0], kwargs.get("src_dir_fd")), _path(args[1], kwargs.get("dst_dir_fd"))
                if new.exists():
                    link(new, kept)

                def back() -> None:
                    replaced(new, old)
                    if kept.exists():
                        link(kept, new)

                return str(new.parent), back
        return None


def _path(name: Any, folder: int | None) -> Path:
    """Return where a name in an open folder is."""
    return Path(name) if folder is None else Path(f"/proc/self/fd/{folder}").readlink() / name
