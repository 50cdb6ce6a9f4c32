"""The inside of the running gateway, as whoever asks at the control socket sees it: its store and its worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks, succeed

from gateway.control import changes, queries
from gateway.control.values import (
    Change,
    Choice,
    EntryPage,
    EntryQuery,
    JobDetails,
    JobPage,
    JobQuery,
    OpenPage,
    OpenQuery,
)
from gateway.jobs.database import Database
from gateway.jobs.records import JobRecord
from parsers.errors import OperatorError
from rules.standing import Asked, Standing

T = TypeVar("T")

AT_A_TIME = 100
"""Jobs of one request that are changed at a time: they share a transaction or two."""


class Inside(Protocol):
    """What can be asked at the control socket; whatever is wrong with a question is an OperatorError."""

    def jobs(self, query: JobQuery) -> Deferred[JobPage]:
        """Return some jobs, the newest first."""
        ...

    def job(self, prefix: str) -> Deferred[JobDetails]:
        """Return everything about the job whose id begins so."""
        ...

    def retry(self, choice: Choice) -> Deferred[list[Change]]:
        """Do jobs again; fires when that is on disk, with what became of each."""
        ...

    def cancel(self, choice: Choice) -> Deferred[list[Change]]:
        """End jobs, or take them from those that wait; fires with what became of each."""
        ...

    def open_states(self, query: OpenQuery) -> Deferred[OpenPage]:
        """Return some open states, the newest first."""
        ...

    def close(self, rule: str | None, key: tuple[str, ...]) -> Deferred[Change]:
        """Undo an open state now; `rule` can be left out where only one rule has that key open."""
        ...

    def hold(self, rule: str, *, paused: bool) -> Deferred[Change]:
        """Let the jobs of a rule wait from now on, or go on."""
        ...

    def entries(self, query: EntryQuery) -> Deferred[EntryPage]:
        """Return some of the journal."""
        ...

    def wait(self, upcoming: int) -> Deferred[int]:
        """Fire with the number of the next message to come, once that is greater than `upcoming`; can be cancelled."""
        ...

    def status(self) -> Deferred[Mapping[str, Any]]:
        """Return what runs and waits, ready for JSON."""
        ...

    def standings(self, questions: Sequence[Asked]) -> Deferred[list[Standing]]:
        """Return how rules stand for keys, in the order of the questions; changes nothing."""
        ...


class Reads(Protocol):
    """What reads the store (`gateway.jobs.store.Store`)."""

    def read(self, work: Callable[[Database], T]) -> Deferred[T]:
        """Run work on a read-only connection, in a thread of the pool."""
        ...


class Changes(Protocol):
    """What changes jobs (`gateway.jobs.operators.Operators`); fires with False when there was nothing to change."""

    def retry(self, identity: str) -> Deferred[bool]:
        """Do a job again."""
        ...

    def cancel(self, identity: str) -> Deferred[bool]:
        """End a job, or take it from those that wait."""
        ...

    def close(self, rule: str, key: tuple[str, ...]) -> Deferred[bool]:
        """Undo an open state now."""
        ...

    def hold(self, rule: str, *, paused: bool) -> Deferred[bool]:
        """Let the jobs of a rule wait from now on, or go on."""
        ...


class RunningInside:
    """The inside of a gateway that runs.

    Whoever commits to the journal calls `committed` afterwards.

    Args:
        store: is read, page by page, so that no reader keeps an old state of it for long.
        operators: does what is to be changed.
        now: the wall clock, in seconds since 1970.
        status: tells what runs and waits, ready for JSON; `paused` in it: rules that are, and since when.
        rules: gives the names of the rules in use.
        standings: looks up how rules stand at a time, without changing anything.
    """

    def __init__(
        self,
        store: Reads,
        operators: Changes,
        now: Callable[[], float],
        status: Callable[[], Mapping[str, Any]],
        rules: Callable[[], Collection[str]],
        standings: Callable[[Sequence[Asked], float], list[Standing]],
    ) -> None:
        self._rules = rules
        self._standings = standings
        self._store = store
        self._operators = operators
        self._now = now
        self._status = status
        self._waiting: set[Deferred[None]] = set()

    def jobs(self, query: JobQuery) -> Deferred[JobPage]:
        """Return some jobs, the newest first."""
        paused = self._paused()
        return self._store.read(lambda database: queries.find_jobs(database, query, paused))

    def job(self, prefix: str) -> Deferred[JobDetails]:
        """Return everything about one job."""
        paused = self._paused()
        return self._store.read(lambda database: queries.job_details(database, prefix, paused))

    def open_states(self, query: OpenQuery) -> Deferred[OpenPage]:
        """Return some open states."""
        return self._store.read(lambda database: queries.find_open_states(database, query))

    def entries(self, query: EntryQuery) -> Deferred[EntryPage]:
        """Return some of the journal."""
        return self._store.read(lambda database: queries.entry_page(database, query))

    def status(self) -> Deferred[Mapping[str, Any]]:
        """Return what runs and waits."""
        return succeed(self._status())

    def standings(self, questions: Sequence[Asked]) -> Deferred[list[Standing]]:
        """Look up how rules stand now."""
        return succeed(self._standings(questions, self._now()))

    def retry(self, choice: Choice) -> Deferred[list[Change]]:
        """Do jobs again."""

        def one(record: JobRecord) -> Deferred[Change]:
            changes.check_retry(record)
            words = self._words_for_begun(record, "is done again now")
            return self._operators.retry(record.job.id).addCallback(_change, record, words)

        return self._each(choice, one)

    def cancel(self, choice: Choice) -> Deferred[list[Change]]:
        """End jobs, or take them from those that wait."""

        def one(record: JobRecord) -> Deferred[Change]:
            changes.check_cancel(record)
            return self._operators.cancel(record.job.id).addCallback(_change, record, changes.words_for_cancel(record))

        return self._each(choice, one)

    def _paused(self) -> Mapping[str, float]:
        return dict(self._status().get("paused", {}))

    def _words_for_begun(self, record: JobRecord, words: str) -> str:
        return changes.words_for_begun(record, words, known=self._rules(), paused=self._paused())

    @inlineCallbacks
    def _each(self, choice: Choice, one: Callable[[JobRecord], Deferred[Change]]):  # type: ignore[no-untyped-def]
        def careful(record: JobRecord) -> Deferred[Change]:
            try:
                return one(record)
            except OperatorError as error:
                return succeed(Change(record.job.id, record.job.rule, done=False, words=error.problem))

        records: list[JobRecord] = yield self._store.read(lambda database: queries.chosen_jobs(database, choice))
        made: list[Change] = []
        for start in range(0, len(records), AT_A_TIME):
            made += yield gatherResults([careful(record) for record in records[start : start + AT_A_TIME]])
        return made

    @inlineCallbacks
    def close(self, rule: str | None, key: tuple[str, ...]):  # type: ignore[no-untyped-def]
        """Undo an open state now."""
        record: JobRecord = yield self._store.read(lambda database: queries.find_open_state(database, rule, key))
        try:
            changes.check_close(record, self._now())
        except OperatorError as error:
            return Change(record.job.id, record.job.rule, done=False, words=error.problem)
        done: bool = yield self._operators.close(record.job.rule, record.job.key)
        return _change(done, record, self._words_for_begun(record, "is undone now"))

    def hold(self, rule: str, *, paused: bool) -> Deferred[Change]:
        """Let the jobs of a rule wait from now on, or go on."""
        changes.check_hold(rule, known=self._rules(), paused=self._paused())
        held = self._operators.hold(rule, paused=paused)
        return held.addCallback(lambda done: Change("", rule, done, changes.words_for_hold(paused=paused, done=done)))

    @inlineCallbacks
    def wait(self, upcoming: int):  # type: ignore[no-untyped-def]
        """Fire once there is more in the journal."""
        while True:
            signal: Deferred[None] = Deferred(self._waiting.discard)
            self._waiting.add(signal)  # before the look, so that nothing falls between the two
            try:
                number: int = yield self._store.read(lambda database: database.next_number)
                if number > upcoming:
                    return number
                yield signal
            finally:
                self._waiting.discard(signal)

    def committed(self) -> None:
        """Take note that the journal has grown."""
        waiting, self._waiting = self._waiting, set()
        for signal in waiting:
            signal.callback(None)


def _change(done: bool, record: JobRecord, words: str) -> Change:
    words = words if done else "changed in the meantime; look again"
    return Change(record.job.id, record.job.rule, done, words)
