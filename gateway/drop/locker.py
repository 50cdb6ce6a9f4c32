"""What the box has of one account's folder: files on their way to their names and events, and those that wait."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, DeferredList, DeferredLock, inlineCallbacks
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.checks.checks import about, is_sidecar
from gateway.checks.signers import Signers
from gateway.drop.account import Account, After, Content, Terms, Unpacking
from gateway.drop.arrival import Arrivals
from gateway.drop.events import file_event, lines_origin
from gateway.drop.folder import Folder, is_ours, refused
from gateway.drop.names import shown
from gateway.drop.part import PARTS
from gateway.drop.record import Record, Standing
from gateway.drop.usage import Usage
from gateway.drop.visit import Refusal, Refused, Way
from gateway.log_files.log_feed import Fed
from gateway.notice import Notify, host_port
from gateway.notices.drop import (
    EventDelayed,
    FolderTrouble,
    SidecarFailed,
    UploadComplete,
    UploadHeld,
    UploadQuarantined,
)
from parsers.message import Message, Origin

P = ParamSpec("P")
T = TypeVar("T")
Steps = Generator[Deferred[Any], Any, T]

REPEAT = 86400.0
"""Seconds for which the same file under the same name is a repetition of one whose client was not told that it is here,
and no new event. Later it is as if it were another."""

MAX_REPEATS = 1000
"""Files of one folder that are remembered because their client may not know that they are here."""

Bookmarks = Mapping[str, str | None]


class Reactor(IReactorTime, IReactorFromThreads):
    """What is asked of a reactor."""


class Journal(Protocol):
    """Where events go; `gateway.pipeline.Pipeline` is one."""

    def report(self, message: Message, bookmarks: Bookmarks = ..., *, keep: bool = ...) -> Deferred[None]:
        """Show an event of our own to the rules; fires when it is on disk, and the bookmarks with it."""
        ...

    def note(self, bookmarks: Bookmarks) -> Deferred[None]:
        """Write bookmarks, None to forget one."""
        ...


class Feed(Protocol):
    """Where the lines of uploaded logs go; `gateway.log_files.log_feed.LogFeed` is one."""

    def feed(
        self, path: Path, bookmark: str, origin: Origin, unpacking: Unpacking, done: str | None = ...
    ) -> Deferred[Fed]:
        """Feed a log; fires when all that its lines caused is committed."""
        ...


@dataclass(slots=True)
class Surroundings:
    """What all lockers share.

    Attributes:
        outside: returns the drop box's own folder.
        accounts: returns all accounts.
        uploads: how many are under way.
        bookmarks: returns those in the journal whose names begin so.
        zone_of: the zone of time stamps in logs that came through a source.
        live: ids of uploads of this run: what belongs to one is no rest of a former run.
    """

    pool: ThreadPool
    reactor: Reactor
    journal: Journal
    bookmarks: Callable[[str], Deferred[dict[str, str]]]
    notify: Notify
    now: Callable[[], float]
    feed: Feed
    outside: Callable[[], Path]
    accounts: Callable[[], Iterable[Account]]
    zone_of: Callable[[str], tzinfo]
    signers: Signers
    live: set[str] = field(default_factory=set)
    uploads: int = 0

    def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do what blocks; fires with what it returns."""
        return deferToThreadPool(self.reactor, self.pool, work, *args, **kwargs)

    def terms_of(self, name: str) -> Terms:
        """Return an account's terms as they are now."""
        return next((account.terms for account in self.accounts() if account.name == name), Terms())


class Locker:
    """One folder of one account; accounts that share it share this.

    Attributes:
        unreported: files that are whole, but whose events could not be kept yet, by id.
        unacknowledged: files whose client may not know that they are here, by the name it called them.
        settled: bookmarks whose parts and records are removed.
    """

    def __init__(self, path: Path, around: Surroundings) -> None:
        self.folder = Folder(path)
        self.arrivals = Arrivals(self.folder, around.outside, around.signers, around.now)
        self.usage = Usage(path, around.reactor.seconds)
        self.around = around
        self.unreported: dict[str, Record] = {}
        self.unacknowledged: dict[Way, Record] = {}
        self.settled: list[str] = []
        self._under_way: set[Deferred[Any]] = set()
        self._retrying = DeferredLock()

    def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do what blocks; what the operating system says against it becomes Refused, and is told if it is ours."""
        return self.around.in_thread(work, *args, **kwargs).addErrback(self._translate)

    def in_background(self, done: Deferred[Any]) -> None:
        """Let something go on that nobody waits for, but a stop; it fails with nothing but Refused, which is told."""

        def told(failure: Failure) -> None:
            if failure.check(Refused) is None:
                self.trouble(f"{type(failure.value).__name__}: {failure.getErrorMessage()}")

        self.counted(done).addErrback(told)

    def counted(self, done: Deferred[T]) -> Deferred[T]:
        """Let a stop wait for something."""
        ended: Deferred[None] = Deferred()
        self._under_way.add(ended)

        def end(result: T | Failure) -> T | Failure:
            self._under_way.discard(ended)
            ended.callback(None)
            return result

        return done.addBoth(end)

    @inlineCallbacks
    def stopped(self) -> Steps[None]:
        """Fire when nothing is under way any more, nor what came of that."""
        while self._under_way:
            yield DeferredList(list(self._under_way))

    def trouble(self, problem: str) -> None:
        """Tell the operator what is wrong with the folder."""
        self.around.notify(FolderTrouble(str(self.folder.path), problem))

    def end(self, identity: str) -> None:
        """Know no more of an upload."""
        self.arrivals.claims.give_back(identity)
        self.around.live.discard(identity)

    def repeatable(self, asked: Way) -> Record | None:
        """Return the file of this name that its client may not know to be here, and may send again."""
        record = self.unacknowledged.get(asked)
        return record if record is not None and self.around.now() - record.received < REPEAT else None

    def acknowledge_later(self, record: Record) -> None:
        """Remember a file whose client may not know that it is here: it may send the same again."""
        self.unacknowledged.pop(record.asked, None)
        self.unacknowledged[record.asked] = record
        while len(self.unacknowledged) > MAX_REPEATS:
            del self.unacknowledged[next(iter(self.unacknowledged))]

    @inlineCallbacks
    def conclude(self, record: Record, terms: Terms, done: str | None = None) -> Steps[Record]:
        """Make an event of a file that is at its place; fires when that is kept, with the record as it is then.

        Args:
            record: on disk, and settled.
            terms: of its account.
            done: how far the lines of this log are kept already.

        Raises:
            Refused: the event could not be kept yet; it is tried again.
        """
        if record.standing is Standing.HELD:
            self.around.notify(UploadHeld(record.account, shown(record.way), record.problem or "it is not checked yet"))
            return record
        try:
            concluded = yield from self._fed(record, terms, done)
            forgotten = {record.log_bookmark: None} if terms.content is Content.SYSLOG else {}
            message = file_event(concluded, self.folder.path, self.arrivals.placing.quarantine(record.account).path)
            yield self.around.journal.report(message, {record.bookmark: "1", **forgotten})
        except Exception as error:  # noqa: BLE001 -- whatever it was: what is whole is not given up
            self.unreported[record.id] = record
            self.around.notify(EventDelayed(record.account, shown(record.way), str(error) or type(error).__name__))
            raise Refused(
                Refusal.BROKEN, "the file is here, but cannot be confirmed now; send it again later"
            ) from None
        self.unreported.pop(record.id, None)
        self.arrivals.claims.give_back(record.id)
        self.in_background(self.tidy(concluded, terms))
        if is_sidecar(record.way[-1]) and self.arrivals.held:
            self.in_background(self._look_again(record))
        self._tell(concluded)
        return concluded

    @inlineCallbacks
    def tidy(self, record: Record, terms: Terms) -> Steps[None]:
        """Remove what only a crash would have needed."""
        after = terms.after if terms.content is Content.SYSLOG and not is_sidecar(record.way[-1]) else After.KEEP
        yield self.in_thread(self.arrivals.placing.tidy, record, after)
        self.around.live.discard(record.id)
        self.settled.append(record.bookmark)

    @inlineCallbacks
    def release(self, identity: str, late: str = "") -> Steps[None]:
        """Look again at a file that waits; `late`: why it does no longer."""
        held = self.arrivals.held.get(identity)
        if held is not None:
            terms = self.around.terms_of(held.account)
            record = yield self.in_thread(self.arrivals.release, identity, terms.checks, late)
            if record is not None:
                yield self.conclude(record, terms)

    def retry(self, record: Record) -> Deferred[Record]:
        """Try again to keep the event of a file; once, when a client and the sweep try at the same time."""
        return self._retrying.run(self._retry, record)

    @inlineCallbacks
    def _retry(self, record: Record) -> Steps[Record]:
        if record.id not in self.unreported:
            return record  # kept meanwhile
        marks = yield self.around.bookmarks(record.log_bookmark)
        terms = self.around.terms_of(record.account)
        record = yield self.conclude(record, terms, marks.get(record.log_bookmark))
        return record

    @inlineCallbacks
    def forget(self) -> Steps[None]:
        """Forget the bookmarks of what is removed, once that is on disk."""
        settled, self.settled = self.settled, []
        if not settled:
            return
        try:
            yield self.in_thread(self.arrivals.placing.sync)
            yield self.around.journal.note(dict.fromkeys(settled))
        except Exception as error:  # noqa: BLE001 -- they cost a row each, and are forgotten later
            self.settled.extend(settled)
            if not isinstance(error, Refused):
                self.trouble(str(error))

    @inlineCallbacks
    def _look_again(self, sidecar: Record) -> Steps[None]:
        identities = yield self.in_thread(self.arrivals.waiting_for, sidecar)
        for identity in identities:
            yield self.release(identity)

    def _fed(self, record: Record, terms: Terms, done: str | None) -> Steps[Record]:
        """Feed the lines of a log; what of it could not be read makes it a file for the quarantine."""
        if terms.content is not Content.SYSLOG or record.standing is Standing.REJECTED or is_sidecar(record.way[-1]):
            return record
        around = self.around
        origin = lines_origin(record, self.folder.where(record.way), around.zone_of(record.client.source))
        part = self.folder.where((*PARTS, record.id))  # nobody else can put another file there
        fed: Fed = yield around.feed.feed(part, record.log_bookmark, origin, terms.unpacking, done)
        if fed.problem is not None:
            record = yield self.in_thread(self.arrivals.reject, record, "log-failed", fed.problem)
        record = replace(record, fields={**record.fields, "gateway.messages": fed.messages})
        return record

    def _tell(self, record: Record) -> None:
        client, file = record.client, shown(record.way)
        if record.standing is Standing.REJECTED:
            where = str(self.arrivals.placing.quarantine(record.account).where((record.quarantine or "",)))
            self.around.notify(UploadQuarantined(record.account, file, where, record.problem))
            return
        if record.speaks_against:
            self.around.notify(SidecarFailed(record.account, file, about(record.way[-1]), record.problem))
            return
        address = host_port(client.address, client.port)
        self.around.notify(UploadComplete(record.account, file, record.size, address, client.source))

    def _translate(self, failure: Failure) -> Failure:
        error = failure.value
        if isinstance(error, Refused):
            return failure
        if not isinstance(error, OSError):
            self.trouble(f"{type(error).__name__}: {error}")
            return Failure(Refused(Refusal.BROKEN, "the server cannot do this now; its log says why"))
        if is_ours(error):
            self.trouble(error.strerror or str(error))
        return Failure(refused(error))
