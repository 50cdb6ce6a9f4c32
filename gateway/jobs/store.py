"""The store's Twisted side: one thread writes, and everything that waits is committed together.

A transaction is what arrived while the last one was being written; its Deferreds fire when it is on disk. A disk that
is full, or fails, is waited for: nothing fires meanwhile, so nothing is acknowledged that is not kept.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from gateway.jobs.database import Database
from gateway.jobs.records import Damage
from gateway.jobs.retention import Retention
from gateway.notice import Notice, Notify
from gateway.notices.journal import (
    JournalAbandoned,
    JournalDamaged,
    JournalFault,
    JournalStuck,
    JournalUnstuck,
    RetentionFailed,
)

T = TypeVar("T")

MAX_GROUP = 5000
"""Transactions that are committed together: what one failure makes to be done again, one by one."""

PACE = 0.003
"""Seconds from one commit to the next while there is always more to write: a commit costs some 0.3 ms of processor time
whatever it holds, and nobody notices 3 ms."""

RETRY_SECONDS = 0.5
"""Between two tries while the disk does not take what is written."""

STOP_SECONDS = 10.0
"""How long a stop waits for such a disk."""

TRIM_ROWS = 200
"""Rows of each table that one slice of retention touches."""

TRIM_SECONDS = 60.0
"""Between two looks for what is too old, when the last one found nothing more."""

TRIM_SHARE = 10
"""Retention takes one part in so many of the writer's time while there is more to drop."""

_IDLE_READERS = 2
_STANDING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class Reactor(IReactorTime, IReactorThreads):
    """What the store asks of the reactor."""


class StoreStoppedError(Exception):
    """The store has stopped, and this was not written."""


class _BrokenError(Exception):
    """A transaction could be neither committed nor rolled back: nothing more can be done with the database."""


@dataclass(slots=True)
class _Transaction(Generic[T]):
    work: Callable[[Database], T]
    done: Deferred[T]


_Results = list[tuple[Deferred[Any], object]]


class Store:
    """Keeps what the gateway must not forget.

    Args:
        reactor: provides time, and the way back from threads.
        notify: told of damage, and of a disk that does not take what is written.
        retention: what is kept.
        now: the wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        reactor: Reactor,
        notify: Notify,
        *,
        retention: Retention,
        now: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._database_in_use: Database | None = None  # until `start`
        self._notify = notify
        self.retention = retention
        """What is kept; a reload may replace it."""
        self._now = now
        self._queue: deque[_Transaction[Any]] = deque()
        self._changed = Condition()
        self._group: list[_Transaction[Any]] = []
        self._stopping = self._expired = self._ended = False
        self._stopped: list[Deferred[None]] = []
        self._thread: Thread | None = None
        self._timer: IDelayedCall | None = None
        self._readers: deque[Database] = deque()
        self._abandoned = 0
        self._reindexed = False
        self._not_before = 0.0  # when the next commit may be, by the monotonic clock
        self._damages_told = 0
        self._told: set[Damage] = set()
        self.fault: Callable[[], None] = _nothing
        """Called when the writer met a bug and has ended, so that nothing will ever be kept again."""
        self.commits = 0
        """Groups that were committed."""
        self.transactions = 0
        """Transactions in them."""

    @property
    def waiting(self) -> int:
        """Transactions that are not on disk yet."""
        return len(self._queue) + len(self._group)

    @property
    def _database(self) -> Database:
        assert self._database_in_use is not None  # noqa: S101 -- `start` comes before all else
        return self._database_in_use

    def start(self, database: Database) -> None:
        """Begin to write; tell what was found damaged when the database was opened.

        Args:
            database: open for writing; the store's own from now on, closed when it stops.
        """
        self._database_in_use = database
        self.tell_damages(self._database.damages)
        self._damages_told = len(self._database.damages)
        self._thread = Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()
        self._trim()

    def stop(self) -> Deferred[None]:
        """Write what waits and close the database; fires when that is done, or after `STOP_SECONDS` in any case."""
        if self._thread is None:
            self._end()
        if self._ended:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopped.append(stopped)
        if self._stopping:
            return stopped
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._timer = self._reactor.callLater(STOP_SECONDS, self._expire)
        return stopped

    def transact(self, work: Callable[[Database], T]) -> Deferred[T]:
        """Do some work in a transaction; fires with its result when that is on disk.

        `work` runs in the writer's thread, and again when the transaction is done again: it must change nothing but
        the database. An exception of it fails its own Deferred only. What waits when the store stops, and cannot be
        written, fails with StoreStoppedError.
        """
        done: Deferred[T] = Deferred()
        with self._changed:
            if self._stopping:
                return fail(StoreStoppedError("the store has stopped"))
            self._queue.append(_Transaction(work, done))
            self._changed.notify_all()
        return done

    def read(self, work: Callable[[Database], T]) -> Deferred[T]:
        """Look at what is on disk, in a thread of the reactor's pool; the writer goes on meanwhile.

        `work` gets a database that is open for reading only, and must be done with it when it returns: no generator.
        """
        if self._stopping:
            return fail(StoreStoppedError("the store has stopped"))
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._read, work)

    def _read(self, work: Callable[[Database], T]) -> T:
        try:
            database = self._readers.pop()
        except IndexError:
            database = Database.open(self._database.folder, readonly=True)
        try:
            database.begin()
            answer = work(database)
            database.rollback()
        except BaseException:
            database.close()
            raise
        if database.damages:
            self._reactor.callFromThread(self.tell_damages, tuple(database.damages))
            database.close()
        elif self._stopping or len(self._readers) >= _IDLE_READERS:
            database.close()
        else:
            self._readers.append(database)
        return answer

    # In the writer's thread

    def _write(self) -> None:
        try:
            while group := self._take():
                results = self._commit(group)
                self._group = []
                self._reactor.callFromThread(self._fire, results)
                self._look_for_damages()
        except Exception as error:  # noqa: BLE001 -- or the thread would end without a word
            self._say(JournalFault(f"{type(error).__name__}: {error}"))
            self._reactor.callFromThread(self.fault)
        finally:
            try:
                while self._readers:
                    self._readers.pop().close()
                self._database.close()
            except Exception as error:  # noqa: BLE001 -- whoever waits for the end must not wait for ever
                self._say(JournalFault(f"cannot close: {error}"))
            self._reactor.callFromThread(self._end)

    def _take(self) -> Sequence[_Transaction[Any]]:
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
        early = self._not_before - self._reactor.seconds()
        if early > 0:
            # what comes alone is committed at once, what comes in a stream together; asleep, for a word at each
            # transaction would cost both threads more than the commits that it saves
            time.sleep(early)
        with self._changed:
            self._group = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP))]
            return self._group

    def _commit(self, group: Sequence[_Transaction[Any]]) -> _Results:
        try:
            return self._commit_together(group)
        except _BrokenError:
            raise
        except Exception as error:  # noqa: BLE001 -- of whichever kind: it is for whoever asked for the work
            if isinstance(error, StoreStoppedError):
                self._abandoned += len(group)
                return [(transaction.done, Failure(error)) for transaction in group]
            if len(group) == 1:
                return [(group[0].done, Failure(error))]
        return [result for transaction in group for result in self._commit([transaction])]

    def _commit_together(self, group: Sequence[_Transaction[Any]]) -> _Results:
        stuck_since = None
        while True:
            database = self._database
            try:
                database.begin()
                results = [(transaction.done, transaction.work(database)) for transaction in group]
                database.commit()
            except Exception as error:
                self._roll_back()
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code == sqlite3.SQLITE_CORRUPT and not self._reindexed:
                    self._reindexed = True  # once: what is left after that is no index
                    with suppress(sqlite3.DatabaseError):
                        database.reindex()
                    continue
                if not isinstance(error, sqlite3.Error) or code not in _STANDING:
                    raise
                if stuck_since is None:
                    stuck_since = self._reactor.seconds()
                    self._say(JournalStuck(f"{error} ({database.folder})"))
                if not self._wait():
                    raise StoreStoppedError(f"the store has stopped, and this could not be written: {error}") from error
                continue
            if stuck_since is not None:
                self._say(JournalUnstuck(self._reactor.seconds() - stuck_since))
            self._not_before = self._reactor.seconds() + PACE
            self.commits += 1
            self.transactions += len(group)
            return results

    def _roll_back(self) -> None:
        try:
            self._database.rollback()
        except Exception as error:
            raise _BrokenError(f"cannot roll back: {error}") from error

    def _wait(self) -> bool:
        """Wait before another try; tell whether there may be one."""
        with self._changed:
            self._changed.wait_for(lambda: self._expired, RETRY_SECONDS)
            return not self._expired

    def _look_for_damages(self) -> None:
        damages = self._database.damages
        if len(damages) > self._damages_told:
            self._reactor.callFromThread(self.tell_damages, tuple(damages[self._damages_told :]))
            self._damages_told = len(damages)

    def _say(self, notice: Notice) -> None:
        self._reactor.callFromThread(self._notify, notice)

    # In the reactor's thread

    def _fire(self, results: _Results) -> None:
        for done, result in results:
            if not done.called:  # it may have been given up
                done.callback(result)  # a Failure fails it

    def tell_damages(self, damages: Sequence[Damage]) -> None:
        """Tell of damages, each once."""
        for damage in damages:
            if damage not in self._told:
                self._told.add(damage)
                self._notify(JournalDamaged(str(damage)))

    def _expire(self) -> None:
        with self._changed:
            self._expired = True
            self._changed.notify_all()
        self._timer = self._reactor.callLater(RETRY_SECONDS, self._end)  # for a thread that hangs in a system call

    def _end(self) -> None:
        if self._ended:
            return
        self._stopping = self._ended = True
        given_up = [*self._group, *self._queue]
        self._queue.clear()
        if count := self._abandoned + len(given_up):
            self._notify(JournalAbandoned(count, STOP_SECONDS))
        for transaction in given_up:
            if not transaction.done.called:
                transaction.done.errback(StoreStoppedError("the store has stopped, and this was not written"))
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        stopped, self._stopped = self._stopped, []
        for deferred in stopped:
            deferred.callback(None)

    def _trim(self) -> None:
        begun, keep = self._reactor.seconds(), self.retention
        before = self._now() - keep.age
        done = self.transact(lambda database: database.trim(before=before, octets=keep.octets, limit=TRIM_ROWS))
        done.addCallback(self._trimmed, begun)
        done.addErrback(self._not_trimmed)

    def _trimmed(self, more: bool, begun: float) -> None:
        if not self._stopping:
            wait = min((self._reactor.seconds() - begun) * TRIM_SHARE, TRIM_SECONDS) if more else TRIM_SECONDS
            self._timer = self._reactor.callLater(wait, self._trim)

    def _not_trimmed(self, failure: Failure) -> None:
        if not failure.check(StoreStoppedError):
            self._notify(RetentionFailed(failure.getErrorMessage()))
            self._trimmed(False, 0.0)


def _nothing() -> None:
    """Nobody wants to know."""
