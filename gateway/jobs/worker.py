"""See jobs through: keep what messages came to, claim what is due, perform its steps, keep how each attempt ended.

The store is what counts; everything here can be lost at any instant, and is read back from it at the next start. That
is also the way out of what must not happen: when something cannot be kept that the rules have counted already, the
gateway ends like a kill, and the next one counts anew from what is on disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.jobs import transactions
from gateway.jobs.agenda import Agenda
from gateway.jobs.database import Database
from gateway.jobs.lanes import Lanes, lane_of
from gateway.jobs.operators import Operators
from gateway.jobs.perform import Performance, Performs
from gateway.jobs.private import PrivateFolders
from gateway.jobs.progress import after, step_at
from gateway.jobs.records import LIVE, JobRecord, State
from gateway.jobs.store import StoreStoppedError
from gateway.jobs.telling import tell_end
from gateway.jobs.transactions import Changes, Recovered
from gateway.jobs.turns import Turns
from gateway.notice import Notify
from gateway.notices.jobs import GatewayFault, JobsOrphaned, JobsRecovered, RulePaused, RuleResumed, UndoOrphaned
from gateway.pipeline import Effects
from parsers.message import Message
from rules.job import Attempt, Job, Part
from rules.outcome import Ending, Outcome
from rules.own_events import EMITTED, own_message
from rules.rule import Rule
from rules.windows.window import Key

T = TypeVar("T")


class Keeps(Protocol):
    """What keeps jobs (`gateway.jobs.store.Store`)."""

    def transact(self, work: Callable[[Database], T]) -> Deferred[T]:
        """Do work within a transaction; fires with its result when that is on disk."""
        ...


class Rules(Protocol):
    """The rules in use (`gateway.pipeline.Pipeline`)."""

    def decide(self, message: Message) -> Effects:
        """Show the rules an event of our own; whoever asks keeps what comes of it."""
        ...

    def rule(self, name: str) -> Rule | None:
        """Return the rule of this name, None when there is none."""
        ...

    def open_state(self, rule: str, key: Key, due: float, job: str, opened: float) -> None:
        """Open a state, unless it is open; `job` is the id of the one that undoes it."""
        ...

    def close_state(self, rule: str, key: Key, job: str) -> None:
        """Close the state that this job was to undo, unless it is another that is open by now."""
        ...


@dataclass(slots=True)
class _Running:
    record: JobRecord
    attempt: Attempt
    abandoned: bool = False  # cancelled: how it ends matters to nobody but its list of attempts


class Worker:
    """Takes what messages came to, and sees the jobs through.

    Args:
        reactor: provides the monotonic clock.
        store: where jobs are kept.
        performs: does what a step says.
        notify: told how attempts ended.
        now: the wall clock, in seconds since 1970.
        processes: how many processes run at a time.
        chance: returns a number from 0 up to 1.
        private: the private folders of jobs.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        store: Keeps,
        performs: Performs,
        notify: Notify,
        *,
        now: Callable[[], float],
        processes: int,
        chance: Callable[[], float],
        private: PrivateFolders,
    ) -> None:
        self._reactor = reactor
        self._store = store
        self._performs = performs
        self._notify = notify
        self._now = now
        self._chance = chance
        self._private = private
        lanes = Lanes(processes)
        self._agenda = Agenda(reactor, self._transact, lanes, now, self._bring, self._not_read)
        self._turns = Turns(lanes, self._rule, reactor.seconds, self._wake_in, self._tell_orphan)
        self._orphans: set[tuple[str, str]] = set()  # rules, and ids of undos, that were told to be missing their rule
        self._rules: Rules | None = None  # until `start`
        self._running: dict[str, _Running] = {}
        self._lost: list[JobRecord] = []  # those that ran when the last gateway ended, until that is seen to
        self._going = self._stopping = False
        self._pending = 0  # transactions of ours that are under way
        self._idle: list[Deferred[None]] = []
        self.operators = Operators(self._transact, self._rule, self._look_after, self._held, now)
        """Does what operators ask for."""
        self.committed: Callable[[], None] = _nothing
        """Called whenever the journal may have grown."""
        self.fault: Callable[[], None] = _nothing
        """Called when something could not be kept that the rules have counted."""

    # -- the life of the worker --

    def start(self, rules: Rules, recovered: Recovered) -> None:
        """Take note of what is to be done: what ran when the last gateway ended is lost, what fell due since is due.

        Nothing is begun before `go`: an attempt that a gateway dies with before it can begin it counts as one.

        Args:
            rules: the rules in use.
            recovered: what the store has of an earlier run.
        """
        self._rules = rules
        for name, since in recovered.paused.items():
            self._turns.pause(name, since)
        ago = self._reactor.seconds() - self._now()
        for name, times in recovered.starts.items():
            if (rule := rules.rule(name)) is not None:
                self._turns.begun(rule, [time + ago for time in times])
        if recovered.running:
            self._notify(JobsRecovered(len(recovered.running)))
        self._lost = list(recovered.running)
        self.follow()

    def go(self) -> None:
        """Begin to claim jobs: from now on their steps can be performed."""
        self._going = True
        self._start_ready()

    def follow(self) -> Deferred[None]:
        """Take note that the rules are others; fires when what waits does so by them."""
        self._turns.forget()
        self._orphans.clear()
        lanes = self._transact(self._change_lanes)
        lanes.addCallbacks(self._lanes_changed, self._not_read)
        return lanes

    def _change_lanes(self, database: Database) -> list[JobRecord]:
        database.change_lanes(lambda record: lane_of(step_at(self._rule(record.job.rule), record)))
        return database.open_states()

    def _lanes_changed(self, open_states: list[JobRecord]) -> None:
        for record in open_states:  # those whose rule was away for a time
            self._in_use.open_state(record.job.rule, record.job.key, record.due, record.job.id, record.created)
        self._see_to_lost()
        self._agenda.from_the_beginning()

    def _see_to_lost(self) -> None:
        """Decide what becomes of those that ran when the last gateway ended; their rules say whether they may again."""
        lost, self._lost = self._lost, []
        for record in lost:
            if self._rule(record.job.rule) is None:
                self._lost.append(record)
                self._tell_orphan(record)
            else:
                self._ended(record, Outcome(record.job.id, Ending.LOST, error="the gateway died while it ran"))

    def found(self, jobs: Sequence[str]) -> None:
        """Take note of the jobs of which there are private folders: those of jobs that have ended are removed."""
        if jobs:
            ended = self._transact(lambda database: self._private.ended_among(jobs, database))
            ended.addCallbacks(lambda over: self._private.found(jobs, over), self._not_read)

    def stop(self) -> Deferred[None]:
        """Start nothing more; fires when no attempt runs and all that ended is kept."""
        self._stopping = True
        self._agenda.stop()
        return self.whenIdle()

    def whenIdle(self) -> Deferred[None]:  # noqa: N802 -- Twisted's way to name what returns a Deferred
        """Fires when no attempt runs and nothing is being written."""
        if not self._running and not self._pending:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        return idle

    def shift(self, seconds: float) -> Deferred[int]:
        """Move the times of all that waits along with a wall clock that was set by so much; fires with how many."""
        shifted = self._transact(lambda database: database.shift(seconds))
        shifted.addCallbacks(self._shifted, self._not_kept, callbackArgs=(seconds,))
        return shifted

    def _shifted(self, count: int, seconds: float) -> int:
        self._turns.forget()
        self._agenda.shift(seconds)
        self._agenda.from_the_beginning()
        return count

    def status(self) -> dict[str, object]:
        """Return what runs and waits, ready for JSON."""
        return {"running": len(self._running), "transactions": self._pending, "paused": dict(self._turns.paused)}

    # -- what messages came to --

    def commit(self, effects: Effects) -> Deferred[None]:
        """Keep what messages came to; fires when it is on disk."""
        now = self._now()
        reserved = [job for job, _ in effects.jobs if self._going and not self._stopping and self._turns.reserve(job)]
        claimed, rules = {job.id for job in reserved}, self._rules_of(effects)
        written = self._transact(lambda database: transactions.admit(database, effects, rules, claimed, now))
        written.addErrback(self._not_kept)
        return written.addCallback(self._admitted, reserved)

    def barrier(self) -> Deferred[None]:
        """Fire when all that was to be kept until now is on disk."""
        return self._transact(_write_nothing) if self._pending else succeed(None)

    def _rules_of(self, *wanted: Effects | str) -> dict[str, Rule]:
        names: set[str] = set()
        for each in wanted:
            if isinstance(each, str):
                names.add(each)
            else:
                names.update(job.rule for job, _ in each.jobs)
        return {name: rule for name in names if (rule := self._rule(name)) is not None}

    def _admitted(self, changes: Changes, reserved: Iterable[Job]) -> None:
        started = {record.job.id for record in changes.started}
        for job in reserved:
            if job.id not in started:
                self._turns.leave(job)  # it was stored before, or has to wait for another of its key
        for record in changes.started:
            self._perform(record)
        self._look_after(changes)

    def _look_after(self, changes: Changes, ended: Iterable[Job] = ()) -> None:
        """Do what follows from a transaction that is on disk."""
        self.committed()
        for job in changes.closed:
            self._in_use.close_state(job.rule, job.key, job.id)
        for record in changes.opened:
            self._in_use.open_state(record.job.rule, record.job.key, record.due, record.job.id, record.created)
        for record in changes.withdrawn:
            self._withdraw(record)
        for record in changes.waiting:
            self._wait(record)
        self._let_go([*ended, *(record.job for record in changes.withdrawn), *changes.closed])
        self._start_ready()

    def _withdraw(self, record: JobRecord) -> None:
        running = self._running.get(record.job.id)
        if running is None:
            self._turns.leave(record.job)
            self._private.over(record.job.id)
        else:
            running.abandoned = True
            self._performs.cancel(running.attempt)

    def _wait(self, record: JobRecord) -> None:
        """Let a job that is stored wait for its time or its turn."""
        if self._agenda.is_due(record):
            self._turns.offer(record)

    def _let_go(self, ended: Iterable[Job]) -> None:
        """Look again at the jobs that waited for one of these to end."""
        freed = self._turns.let_go(ended)
        if freed:
            fresh = self._transact(lambda database: [database.job(identity) for identity in freed])
            fresh.addCallbacks(self._bring, self._not_read)

    # -- claims --

    def _start_ready(self) -> None:
        if not self._going or self._stopping:
            return
        picked = self._turns.take()
        if picked:
            ids = [record.job.id for record in picked]
            rules, now = {record.job.rule: self._rule(record.job.rule) for record in picked}, self._now()
            claims = self._transact(lambda database: transactions.claim(database, ids, rules, now))
            claims.addCallbacks(self._claimed, self._not_claimed, callbackArgs=(picked,), errbackArgs=(picked,))
        self._agenda.fill()

    def _claimed(self, claims: tuple[list[JobRecord], list[JobRecord], Changes], picked: Iterable[JobRecord]) -> None:
        claimed, behind, changes = claims
        started = {record.job.id for record in claimed}
        for record in picked:
            if record.job.id not in started:
                self._turns.leave(record.job)
        for record in behind:
            self._turns.put_behind(record.job)
        for record in claimed:
            self._perform(record)
        self._look_after(changes)

    def _not_claimed(self, failure: Failure, picked: Iterable[JobRecord]) -> None:
        for record in picked:
            self._turns.leave(record.job)
        self._not_read(failure)
        self._agenda.again_later()

    # -- attempts --

    def _perform(self, record: JobRecord) -> None:
        job, rule = record.job, self._rule(record.job.rule)
        step = step_at(rule, record)
        if rule is None or step is None:
            self._ended(record, self._without_step(record, rule))
            return
        event = self._private.event_for(record, step, rule)
        attempt = Attempt(f"{job.id}-{record.step + 1}", job.rule, step.name, job.key, event, record.attempt)
        self._running[job.id] = _Running(record, attempt)
        performance = maybeDeferred(self._performs.perform, step, attempt)
        performance.addErrback(_bug, attempt)
        performance.addCallback(lambda done: self._performed(record, done))
        performance.addErrback(self._not_kept)

    def _without_step(self, record: JobRecord, rule: Rule | None) -> Outcome:
        """Return the outcome of an undo that only closes its state, or of a job whose step is no more."""
        job = record.job
        if job.part is Part.UNDO and rule is not None and rule.undo is not None and not rule.undo.steps:
            return Outcome(job.id, Ending.CONFIRMED)
        return Outcome(job.id, Ending.REFUSED, error=f"the rule {job.rule} has no such step any more")

    def _tell_orphan(self, record: JobRecord) -> None:
        """Say that what is due waits for its rule: each undo, for something stays as it is, and each rule once."""
        job = record.job
        undo = job.part is Part.UNDO
        about = (job.rule, job.id if undo else "")
        if about not in self._orphans:
            self._orphans.add(about)
            self._notify(UndoOrphaned(job.rule, ", ".join(job.key), job.id) if undo else JobsOrphaned(job.rule))

    def _performed(self, record: JobRecord, done: Performance) -> None:
        running, outcome = self._running.pop(record.job.id), done.outcome
        if running.abandoned:
            self._abandoned(record, outcome)
        elif self._stopping and outcome.ending is Ending.NOT_STARTED:
            # the runner did not come to it before the gateway stopped
            self._give_back(replace(record, state=State.WAITING, attempt=record.attempt - 1))
        elif self._stopping and outcome.ending is Ending.LOST:
            self._ended(record, replace(outcome, error="the gateway stopped while it ran"), done)
        else:
            self._ended(record, outcome, done)

    def _ended(self, record: JobRecord, outcome: Outcome, done: Performance | None = None) -> None:
        """Decide what becomes of a job, show the rules how the attempt ended, and keep both as one."""
        now = self._now()
        progress = after(record, outcome, self._rule(record.job.rule), now, self._chance)
        effects = [self._in_use.decide(own_message(progress.fields, now))]
        if done is not None and done.emitted is not None:
            effects.append(self._in_use.decide(own_message(done.emitted, now, EMITTED)))
        tell_end(self._notify, record, outcome, progress)
        rules = self._rules_of(record.job.rule, *effects)
        written = self._transact(lambda database: transactions.finish(database, progress, effects, rules, done, now))
        written.addErrback(self._not_kept)
        written.addCallback(self._kept, progress.record, done)
        written.addErrback(_stopped)

    def _kept(self, changes: Changes, record: JobRecord, done: Performance | None) -> None:
        self._turns.leave(record.job)
        if record.state not in LIVE:
            self._private.over(record.job.id)  # before it may be begun again, which an operator may want
        if done is not None and done.pause is not None:
            self._held(done.pause, paused=True)
        if done is not None and done.resume is not None:
            self._held(done.resume, paused=False)
        self._look_after(changes, [record.job])

    def _abandoned(self, record: JobRecord, outcome: Outcome) -> None:
        """Keep how an attempt ended of a job that was cancelled meanwhile."""
        now, identity = self._now(), record.job.id
        progress = after(record, outcome, None, now, self._chance)
        fields = {**progress.fields, "gateway.job.final": True, "error.message": "it was cancelled"}

        def write(database: Database) -> Changes:
            database.add_attempt(identity, fields, now)
            current = database.job(identity)  # an operator may want it done again already
            return Changes(waiting=[current] if current is not None and current.state is State.WAITING else [])

        written = self._transact(write)
        ended = replace(record, state=State.CANCELLED)
        written.addCallbacks(self._kept, self._not_kept, callbackArgs=(ended, None))
        written.addErrback(_stopped)

    def _give_back(self, record: JobRecord) -> None:
        written = self._transact(lambda database: database.update(record))
        written.addErrback(self._not_kept)
        written.addErrback(_stopped)

    # -- pauses --

    def _held(self, rule: str, *, paused: bool) -> None:
        """Take note that the jobs of a rule wait, or go on."""
        if paused and self._turns.pause(rule, self._now()):
            self._notify(RulePaused(rule))
        elif not paused and self._turns.resume(rule):
            self._notify(RuleResumed(rule))
            self._agenda.from_the_beginning()

    # -- plumbing --

    def _wake_in(self, seconds: float) -> None:
        self._agenda.wake_at(self._now() + seconds)

    def _bring(self, records: Iterable[JobRecord | None]) -> None:
        for record in records:
            if record is not None and record.state is State.WAITING:
                self._wait(record)
        self._start_ready()

    @property
    def _in_use(self) -> Rules:
        assert self._rules is not None  # noqa: S101 -- `start` comes before all else
        return self._rules

    def _rule(self, name: str) -> Rule | None:
        return self._in_use.rule(name)

    def _transact(self, work: Callable[[Database], Any]) -> Deferred[Any]:
        self._pending += 1
        written = self._store.transact(work)
        written.addBoth(self._written)
        return written

    def _written(self, result: object) -> object:
        self._pending -= 1
        if self._idle:
            self._reactor.callLater(0, self._tell_idle)  # after what follows from this transaction
        return result

    def _tell_idle(self) -> None:
        if not self._running and not self._pending:
            idle, self._idle = self._idle, []
            for promise in idle:
                promise.callback(None)

    def _not_read(self, failure: Failure) -> None:
        if not failure.check(StoreStoppedError):
            self._notify(GatewayFault(f"the store could not be read: {failure.value!r}"))

    def _not_kept(self, failure: Failure) -> Failure:
        """Give up: the rules have counted what is not on disk, and only a start reads back what is."""
        if not failure.check(StoreStoppedError):
            damaged = isinstance(failure.value, sqlite3.DatabaseError)
            advice = "; the store is damaged: `gateway journal repair` before the next start" if damaged else ""
            self._notify(GatewayFault(f"this could not be kept, so the gateway ends: {failure.value!r}{advice}"))
            self.fault()
        return failure


def _bug(failure: Failure, attempt: Attempt) -> Performance:
    return Performance(Outcome(attempt.id, Ending.DECLINED, error=f"a bug of the gateway: {failure.value!r}"))


def _stopped(_: Failure) -> None:
    """The store has stopped, or the gateway ends: the next one finds the job as it was."""


def _write_nothing(_: Database) -> None:
    """Only wait for those before."""


def _nothing() -> None:
    """Nobody wants to know."""
