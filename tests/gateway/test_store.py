"""The store: what fires is on disk, one failure is nobody else's, and a full disk is waited for."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from twisted.internet import reactor  # noqa: TID251 -- threads need a real one
from twisted.internet.defer import Deferred, DeferredList, gatherResults, inlineCallbacks
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from gateway.jobs import store as store_module
from gateway.jobs.blocks import Entry
from gateway.jobs.database import Database
from gateway.jobs.records import State
from gateway.jobs.retention import Retention
from gateway.jobs.store import Store, StoreStoppedError
from gateway.notice import Notice
from gateway.notices.journal import (
    JournalAbandoned,
    JournalDamaged,
    JournalFault,
    JournalStuck,
    JournalUnstuck,
    RetentionFailed,
)
from tests.gateway.store_samples import append, copy_as_it_is, insert, job, message, opened, read_back

KEEP_ALL = Retention(1e12, 1 << 40)

Step = Generator[Deferred[Any], Any, None]


def full() -> sqlite3.OperationalError:
    """Make the error of a disk that is full."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def corrupt() -> sqlite3.DatabaseError:
    """Make the error of a page that is not as it was written."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def put(number: int) -> Callable[[Database], int]:
    """Return the work of keeping a message."""
    return lambda database: database.append([message(number)])


def numbers(database: Database) -> list[int]:
    """Return the numbers of the messages."""
    return [entry.number for entry in database.entries() if isinstance(entry, Entry)]


class Failing(Database):
    """A database whose commits fail while `errors` has some."""

    errors: list[Exception]
    before_commit: Callable[[], object]

    def commit(self) -> None:
        """Fail, or commit."""
        self.before_commit()
        if self.errors:
            self._flush()
            raise self.errors.pop(0)
        super().commit()


class StoreTests(TestCase):
    """A store on a real reactor and a real disk."""

    def setUp(self) -> None:
        """Start a store."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(self.remove)
        self.told: list[Notice] = []
        self.patch(store_module, "RETRY_SECONDS", 0.01)  # type: ignore[no-untyped-call]
        self.patch(store_module, "STOP_SECONDS", 0.2)  # type: ignore[no-untyped-call]
        self.make()
        self.store.start(self.database)
        self.addCleanup(lambda: self.store.stop())  # noqa: PLW0108 -- that of the end

    def make(self, retention: Retention = KEEP_ALL) -> None:
        """Make a store that is not started."""
        self.database = Failing.open(self.folder / "journal")
        self.database.errors = []
        self.database.before_commit = lambda: None
        self.store = Store(reactor, self.told.append, retention=retention, now=lambda: 2000.0)  # type: ignore[arg-type]

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def kinds(self) -> list[type[Notice]]:
        """Return the kinds of what was told."""
        return [type(notice) for notice in self.told]

    @inlineCallbacks
    def test_what_fires_is_on_disk(self) -> Step:
        """When the Deferred fires, a kill at that instant loses nothing; the result is what the work returned."""
        first = yield self.store.transact(lambda database: database.append([message(1), message(2)]))
        assert first == 1
        contents = read_back(copy_as_it_is(self.folder / "journal", self.folder / "killed"))
        assert contents.messages == {1: message(1), 2: message(2)}
        assert contents.damages == []
        assert self.store.waiting == 0

    @inlineCallbacks
    def test_what_waits_is_committed_together(self) -> Step:
        """What arrives while a transaction is written is the next one; the results come in order."""
        numbers = yield gatherResults([self.store.transact(put(n)) for n in range(1, 301)])
        assert numbers == list(range(1, 301))
        assert self.store.commits < 100
        assert self.store.transactions >= 300

    @inlineCallbacks
    def test_one_failure_is_nobody_elses(self) -> Step:
        """Work that raises fails its own Deferred; what was in the same group is kept, and of it nothing."""

        def bad(database: Database) -> None:
            database.append([message(666)])
            raise KeyError("a bug")

        gate = threading.Event()
        held = self.store.transact(lambda _: gate.wait(5))
        waiting = [self.store.transact(put(n)) for n in (1, 2)]
        failing = self.store.transact(bad)
        waiting.append(self.store.transact(lambda database: database.append([message(3)])))
        missing = self.store.transact(lambda database: database.update(insert_nothing(database)))
        gate.set()
        yield held
        numbers = yield gatherResults(waiting)
        assert numbers == [1, 2, 3]
        yield self.assertFailure(failing, KeyError)
        yield self.assertFailure(missing, LookupError)
        entries = yield self.store.read(lambda database: list(database.entries()))
        assert [entry.message for entry in entries] == [message(1), message(2), message(3)]

    @inlineCallbacks
    def test_a_full_disk_is_waited_for(self) -> Step:
        """While the disk is full nothing fires; then everything does, once. It is said once, and when it is over."""
        self.database.errors = [full() for _ in range(5)]
        fired: list[int] = []
        waiting = [self.store.transact(put(n)) for n in range(1, 6)]
        for deferred in waiting:
            deferred.addCallback(fired.append)
        while JournalStuck not in self.kinds():
            yield self.pause(0.005)
        assert fired == []
        assert self.store.waiting >= 5
        yield gatherResults(waiting)
        assert self.kinds() == [JournalStuck, JournalUnstuck]
        entries = yield self.store.read(numbers)
        assert entries == [1, 2, 3, 4, 5]

    @inlineCallbacks
    def test_a_stop_writes_what_waits(self) -> Step:
        """A stop commits everything that was handed over before it; nothing is taken afterwards."""
        waiting = [self.store.transact(put(n)) for n in range(1, 51)]
        yield self.store.stop()
        numbers = yield gatherResults(waiting)
        assert numbers[-1] == 50
        yield self.assertFailure(self.store.transact(lambda _: None), StoreStoppedError)
        yield self.assertFailure(self.store.read(lambda _: None), StoreStoppedError)
        with opened(self.folder / "journal") as database:
            assert database.next_number == 51

    @inlineCallbacks
    def test_a_stop_is_bounded(self) -> Step:
        """A disk that stays full does not hold a stop up for ever: what waits fails, and it is said how much."""
        self.database.errors = [full()] * 10000
        waiting = [self.store.transact(lambda database: database.append([message(1)])) for _ in range(3)]
        results = DeferredList(waiting, consumeErrors=True)
        yield self.store.stop()
        outcomes = yield results
        assert [success for success, _ in outcomes] == [False] * 3
        assert all(failure.check(StoreStoppedError) for _, failure in outcomes)
        (abandoned,) = [notice for notice in self.told if isinstance(notice, JournalAbandoned)]
        assert abandoned.count >= 3

    @inlineCallbacks
    def test_a_stop_does_not_wait_for_a_hanging_disk(self) -> Step:
        """A thread that hangs in a system call is left behind."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        hanging = self.store.transact(lambda _: gate.wait(10))
        yield self.pause(0.05)
        yield self.store.stop()
        yield self.assertFailure(hanging, StoreStoppedError)
        gate.set()
        assert self.store._thread is not None
        self.store._thread.join(5)
        yield self.pause(0.01)

    @inlineCallbacks
    def test_reading_does_not_wait_for_the_writer(self) -> Step:
        """A reader sees what is committed while a transaction is held up, and cannot write."""
        yield self.store.transact(lambda database: database.append([message(1)]))
        gate = threading.Event()
        held = self.store.transact(lambda database: (database.append([message(2)]), gate.wait(5)))
        for _ in range(3):
            found = yield self.store.read(numbers)
            assert found == [1]
        yield self.assertFailure(self.store.read(lambda database: database.append([message(9)])), RuntimeError)
        gate.set()
        yield held
        found = yield self.store.read(lambda database: database.next_number)
        assert found == 3

    @inlineCallbacks
    def test_damage_is_told(self) -> Step:
        """A damaged row that a query meets is told of, once, whoever meets it."""
        yield self.store.transact(lambda database: database.insert(job(1), cause=1, now=1.0, lane="lane"))
        yield self.store.stop()
        sql = sqlite3.connect(self.folder / "journal" / "journal.db")
        sql.execute("UPDATE jobs SET problem = 'x', state = 'failed', ended = 1.0")
        sql.commit()
        sql.close()
        self.make()
        self.store.start(self.database)
        found = yield self.store.transact(lambda database: database.jobs())
        again = yield self.store.read(lambda database: database.jobs(states={State.FAILED}))
        yield self.pause(0.01)
        assert (found, again) == ([], [])
        assert self.kinds() == [JournalDamaged]

    @inlineCallbacks
    def test_a_damaged_index_is_made_anew(self) -> Step:
        """Once: a commit that met it does not fail then, and it is said; what is left after that is no index."""
        self.database.errors.append(corrupt())
        assert (yield self.store.transact(put(1))) == 1
        yield self.pause(0.05)
        assert [str(notice) for notice in self.told if "indexes were made anew" in str(notice)]
        self.database.errors.append(corrupt())
        yield self.assertFailure(self.store.transact(put(2)), sqlite3.DatabaseError)

    @inlineCallbacks
    def test_damage_found_at_opening_is_told(self) -> Step:
        """What opening found is told when the store starts."""
        yield self.store.stop()
        (self.folder / "journal" / "mark").unlink()
        self.make()
        self.store.start(self.database)
        assert self.kinds() == [JournalDamaged]

    @inlineCallbacks
    def test_old_records_go_by_themselves(self) -> Step:
        """Retention runs from the start on, slice after slice while there is more."""
        yield self.store.stop()
        with opened(self.folder / "journal") as database:
            for _ in range(500):
                append(database, 2)
            insert(database, job(1))
        self.make(Retention(100.0, 1 << 40))
        self.patch(store_module, "TRIM_SHARE", 1)  # type: ignore[no-untyped-call]
        self.store.start(self.database)
        while (yield self.store.read(lambda database: database.first_number)) < 899:
            yield self.pause(0.01)
        assert self.told == []

    @inlineCallbacks
    def test_retention_that_fails_is_said(self) -> Step:
        """A bug in retention stops neither the store nor the next try."""
        yield self.store.stop()
        self.make()
        self.database.trim = None  # type: ignore[method-assign, assignment]
        self.store.start(self.database)
        while RetentionFailed not in self.kinds():
            yield self.pause(0.005)
        yield self.store.transact(lambda database: database.append([message(1)]))

    @inlineCallbacks
    def test_a_thread_that_ends_is_said(self) -> Step:
        """When even taking back fails the thread ends: everybody who waits is told, and so is the operator."""
        yield self.store.transact(lambda _: None)

        def broken() -> None:
            raise RuntimeError("cannot roll back")

        self.database.rollback = broken  # type: ignore[method-assign]
        failing = self.store.transact(lambda _: 1 / 0)
        yield self.assertFailure(failing, StoreStoppedError)
        assert JournalFault in self.kinds()
        yield self.assertFailure(self.store.transact(lambda _: None), StoreStoppedError)
        yield self.store.stop()

    def pause(self, seconds: float) -> Deferred[None]:
        """Let the reactor go on for a while."""
        done: Deferred[None] = Deferred()
        reactor.callLater(seconds, done.callback, None)
        return done


def insert_nothing(database: Database) -> Any:
    """Return a record of a job that is not there."""
    record = database.insert(job(77), cause=1, now=1.0, lane="")
    database.rollback()
    database.begin()
    return record


def test_a_store_that_never_started_can_be_stopped() -> None:
    """What was handed over before the start fails when there is none."""
    store = Store(reactor, lambda _: None, retention=KEEP_ALL, now=time.monotonic)  # type: ignore[arg-type]
    failures: list[Failure] = []
    store.transact(lambda _: None).addErrback(failures.append)
    assert store.stop().called
    assert [failure.type for failure in failures] == [StoreStoppedError]
