"""See jobs through: keep what messages came to, claim what is due, perform its steps, keep how each attempt ended.

The store is what counts; everything here can be lost at any instant, and is read back from it at the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.jobs import transactions
from gateway.jobs.agenda import Agenda
from gateway.jobs.database import Database
from gateway.jobs.lanes import Lanes
from gateway.jobs.outcome import Ending, Outcome
from gateway.jobs.perform import Performance, Performs
from gateway.jobs.progress import Progress, after, output_tail, problem_of, step_at
from gateway.jobs.rates import Rates
from gateway.jobs.records import JobRecord, State
from gateway.jobs.transactions import Changes, Recovered
from gateway.notice import Notify
from gateway.notices.jobs import (
    GatewayFault,
    JobDead,
    JobFailed,
    JobRetried,
    JobsRecovered,
    JobSucceeded,
    RulePaused,
    RuleResumed,
    UndoOrphaned,
)
from gateway.pipeline import Effects
from parsers.message import Message
from rules.job import Attempt, Job, Part
from rules.own_events import EMITTED, own_message
from rules.rule import Busy, Rule
from rules.window import Key

T = TypeVar("T")

MAX_OUTPUT_SHOWN = 500
"""Characters of a failed process's output in the log: its last words."""


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

    def open_state(self, rule: str, key: Key, due: float, job: str) -> None:
        """Open a state that an operator's retry opens again; `job` is the id of the one that undoes it."""
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
    ) -> None:
        self._reactor = reactor
        self._store = store
        self._performs = performs
        self._notify = notify
        self._now = now
        self._chance = chance
        self._lanes = Lanes(processes)
        self._agenda = Agenda(reactor, self._transact, self._lanes, now, self._bring, self._fault)
        self._rates = Rates()
        self._rules: Rules | None = None  # until `start`
        self._running: dict[str, _Running] = {}
        self._exclusive: set[tuple[str, Key]] = set()  # rule and key of what must run alone
        self._behind: dict[tuple[str, Key], set[str]] = {}  # jobs that wait for another of their key
        self._paused: dict[str, float] = {}
        self._going = self._stopping = False
        self.committed: Callable[[], None] = _nothing
        """Called whenever the journal may have grown."""
        self._pending = 0  # transactions of ours that are under way
        self._idle: list[Deferred[None]] = []

    # -- the life of the worker --

    def start(self, rules: Rules, recovered: Recovered) -> None:
        """Take note of what is to be done: what ran when the last gateway ended is lost, what fell due since is due.

        Nothing is begun before `go`: an attempt that a gateway dies with before it can begin it counts as one.

        Args:
            rules: the rules in use.
            recovered: what the store has of an earlier run.
        """
        self._rules = rules
        self._paused = dict(recovered.paused)
        ago = self._reactor.seconds() - self._now()
        for name, times in recovered.starts.items():
            rule = rules.rule(name)
            for time in times:
                if rule is not None and rule.rate is not None:
                    self._rates.started(name, rule.rate, min(time + ago, self._reactor.seconds()))
        if recovered.running:
            self._notify(JobsRecovered(len(recovered.running)))
        for record in recovered.running:
            step = step_at(self._rule(record), record)
            if step is not None:
                self._lanes.reserve(record.job.id, step)
            self._ended(record, Outcome(record.job.id, Ending.LOST, error="the gateway died while it ran"))
        self._agenda.look()

    def go(self) -> None:
        """Begin to claim jobs: from now on their steps can be performed."""
        self._going = True
        self._start_ready()

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
        """Move the times of all that waits along with a wall clock that was set by so much."""
        shifted = self._transact(lambda database: database.shift(seconds))
        shifted.addCallback(self._shifted, seconds)
        return shifted

    def _shifted(self, count: int, seconds: float) -> int:
        self._agenda.shift(seconds)
        return count

    # -- what messages came to --

    def commit(self, effects: Effects) -> Deferred[None]:
        """Keep what messages came to; fires when it is on disk."""
        answer: Deferred[None] = Deferred()
        self._admit(effects).addCallbacks(lambda _: answer.callback(None), answer.errback)
        return answer

    def _admit(self, effects: Effects) -> Deferred[None]:
        now = self._now()
        claimed = self._claim_at_birth(effects.jobs)
        rules = self._rules_of(effects)
        written = self._transact(lambda database: transactions.admit(database, effects, rules, claimed, now))
        written.addCallbacks(self._admitted, self._not_admitted, callbackArgs=(claimed,), errbackArgs=(claimed,))
        return written

    def _claim_at_birth(self, jobs: Iterable[tuple[Job, int]]) -> frozenset[str]:
        """Give new jobs a place before they are stored, where there is one: it saves them a second commit."""
        claimed: set[str] = set()
        if not self._going or self._stopping:
            return frozenset()
        for job, _ in jobs:
            rule = self._in_use.rule(job.rule)
            if rule is None or job.part is not Part.DO or job.rule in self._paused:
                continue
            step = step_at(rule, JobRecord(0, job, State.WAITING, 0, 0.0, 0.0))
            if rule.busy is Busy.QUEUE and rule.rate is None and step and self._lanes.reserve(job.id, step):
                claimed.add(job.id)
        return frozenset(claimed)

    def _rules_of(self, *wanted: Effects | str) -> dict[str, Rule]:
        names: set[str] = set()
        for each in wanted:
            if isinstance(each, str):
                names.add(each)
            else:
                names.update(job.rule for job, _ in each.jobs)
        return {name: rule for name in names if (rule := self._in_use.rule(name)) is not None}

    def _admitted(self, changes: Changes, claimed: frozenset[str]) -> None:
        for identity in claimed.difference(record.job.id for record in changes.started):
            self._lanes.leave(identity)  # it was stored before, or has to wait for another of its key
        for record in changes.started:
            self._perform(record)
        self._look_after(changes)

    def _not_admitted(self, failure: Failure, claimed: frozenset[str]) -> Failure:
        for identity in claimed:
            self._lanes.leave(identity)
        return failure

    def _look_after(self, changes: Changes) -> None:
        """Do what follows from a transaction that is on disk."""
        self.committed()
        for job in changes.closed:
            self._in_use.close_state(job.rule, job.key, job.id)
        for identity in changes.withdrawn:
            self._withdraw(identity)
        for record in changes.waiting:
            self._wait(record)
        self._start_ready()

    def _withdraw(self, identity: str) -> None:
        running = self._running.get(identity)
        if running is None:
            self._lanes.leave(identity)
        else:
            running.abandoned = True
            self._performs.cancel(running.attempt)

    def _wait(self, record: JobRecord) -> None:
        """Let a job that is stored wait for its time or its turn."""
        if self._agenda.is_due(record):
            self._offer(record)

    def _offer(self, record: JobRecord) -> None:
        rule = self._rule(record)
        step = step_at(rule, record)
        if step is None:
            self._end_without_step(record, rule)
        elif not (record.job.part is Part.DO and record.job.rule in self._paused):
            self._lanes.offer(record, step)

    def _end_without_step(self, record: JobRecord, rule: Rule | None) -> None:
        """End an undo that only closes its state, or a job whose rule, or step, is not in the rules any more."""
        claimed = replace(record, state=State.RUNNING, attempt=record.attempt + 1)
        if record.job.part is Part.UNDO and rule is not None and rule.undo is not None and not rule.undo.steps:
            self._ended(claimed, Outcome(record.job.id, Ending.CONFIRMED))
            return
        if record.job.part is Part.UNDO:
            self._notify(UndoOrphaned(record.job.rule, ", ".join(record.job.key), record.job.id))
        words = f"the rule {record.job.rule}, or this step of it, is no more"
        self._ended(claimed, Outcome(record.job.id, Ending.REFUSED, error=words))

    # -- claims --

    def _start_ready(self) -> None:
        if not self._going or self._stopping:
            return
        picked = self._lanes.take(self._startable)
        if picked:
            ids = [record.job.id for record in picked]
            rules, now = {record.job.rule: self._rule(record) for record in picked}, self._now()
            claims = self._transact(lambda database: transactions.claim(database, ids, rules, now))
            claims.addCallbacks(self._claimed, self._not_claimed, callbackArgs=(picked,), errbackArgs=(picked,))
        self._agenda.fill()

    def _startable(self, record: JobRecord) -> bool:
        job, rule = record.job, self._rule(record)
        if job.part is Part.DO and job.rule in self._paused:
            return False
        if rule is None:
            return True
        if rule.busy is not Busy.QUEUE and job.part is Part.DO:
            if (job.rule, job.key) in self._exclusive:
                return False
            self._exclusive.add((job.rule, job.key))
        if rule.rate is not None and job.part is Part.DO:
            wait = self._rates.wait(job.rule, rule.rate, self._reactor.seconds())
            if wait > 0:
                self._exclusive.discard((job.rule, job.key))
                self._agenda.wake_at(self._now() + wait)
                return False
        return True

    def _claimed(self, claims: tuple[list[JobRecord], list[JobRecord], Changes], picked: Iterable[JobRecord]) -> None:
        claimed, behind, changes = claims
        started = {record.job.id for record in claimed}
        for record in picked:
            if record.job.id not in started:
                self._release(record)
        for record in behind:
            self._behind.setdefault((record.job.rule, record.job.key), set()).add(record.job.id)
        for record in claimed:
            self._perform(record)
        self._look_after(changes)

    def _not_claimed(self, failure: Failure, picked: Iterable[JobRecord]) -> None:
        for record in picked:
            self._release(record)
        self._fault(failure)

    # -- attempts --

    def _perform(self, record: JobRecord) -> None:
        job, rule = record.job, self._rule(record)
        step = step_at(rule, record)
        if rule is None or step is None:
            self._ended(record, Outcome(job.id, Ending.REFUSED, error=f"the rule {job.rule} is no more"))
            return
        if rule.rate is not None and job.part is Part.DO:
            self._rates.started(job.rule, rule.rate, self._reactor.seconds())
        attempt = Attempt(f"{job.id}-{record.step + 1}", job.rule, step.name, job.key, job.event, record.attempt)
        self._running[job.id] = _Running(record, attempt)
        performance = self._performs.perform(step, attempt)
        performance.addErrback(_bug, attempt)
        performance.addCallback(lambda done: self._performed(record, done))

    def _performed(self, record: JobRecord, done: Performance) -> None:
        running = self._running.pop(record.job.id)
        if running.abandoned:
            self._abandoned(record, done.outcome)
        elif self._stopping and done.outcome.ending is Ending.NOT_STARTED:
            self._postponed(record)
        else:
            outcome = done.outcome
            if self._stopping and outcome.ending is Ending.LOST:
                outcome = replace(outcome, error="the gateway stopped while it ran")
            self._ended(record, outcome, done)

    def _ended(self, record: JobRecord, outcome: Outcome, done: Performance | None = None) -> None:
        """Decide what becomes of a job, show the rules how the attempt ended, and keep both as one."""
        now = self._now()
        progress = after(record, outcome, self._rule(record), now, self._chance)
        effects = [self._in_use.decide(own_message(progress.fields, now))]
        if done is not None and done.emitted is not None:
            effects.append(self._in_use.decide(own_message(done.emitted, now, EMITTED)))
        self._tell(record, outcome, progress)
        rules = self._rules_of(record.job.rule, *effects)
        written = self._transact(lambda database: transactions.finish(database, progress, effects, rules, done, now))
        written.addCallbacks(self._kept, self._not_kept, callbackArgs=(record, done), errbackArgs=(record,))

    def _kept(self, changes: Changes, record: JobRecord, done: Performance | None) -> None:
        self._release(record)
        if done is not None and done.pause is not None:
            self._held(done.pause, paused=True)
        if done is not None and done.resume is not None:
            self._held(done.resume, paused=False)
        self._look_after(changes)
        self._let_behind_go(record)

    def _not_kept(self, failure: Failure, record: JobRecord) -> None:
        self._release(record)
        self._notify(GatewayFault(f"the end of job {record.job.id} could not be kept: {failure.value!r}"))

    def _release(self, record: JobRecord) -> None:
        self._lanes.leave(record.job.id)
        self._exclusive.discard((record.job.rule, record.job.key))

    def _let_behind_go(self, record: JobRecord) -> None:
        """Look again at the jobs that waited for one of their key to end."""
        self._agenda.let_go()
        waiting = self._behind.pop((record.job.rule, record.job.key), None)
        if waiting:
            fresh = self._transact(lambda database: [database.job(identity) for identity in waiting])
            fresh.addCallback(self._bring)
            fresh.addErrback(self._fault)

    def _abandoned(self, record: JobRecord, outcome: Outcome) -> None:
        now = self._now()
        progress = after(record, outcome, None, now, self._chance)
        fields = {**progress.fields, "gateway.job.final": True, "error.message": "it was cancelled"}
        written = self._transact(lambda database: database.add_attempt(record.job.id, fields, now))
        written.addBoth(lambda _: self._release(record))
        written.addCallback(lambda _: self._let_behind_go(record))
        written.addCallback(lambda _: self._start_ready())

    def _postponed(self, record: JobRecord) -> None:
        """Give back a job that the runner did not come to before the gateway stopped."""
        waiting = replace(record, state=State.WAITING, attempt=record.attempt - 1)
        written = self._transact(lambda database: database.update(waiting))
        written.addBoth(lambda _: self._release(record))

    def _tell(self, record: JobRecord, outcome: Outcome, progress: Progress) -> None:
        job, step = record.job, str(progress.fields["gateway.job.step"])
        tail = output_tail(outcome, MAX_OUTPUT_SHOWN)
        output = f"; output: {tail}" if tail else ""
        if outcome.success:
            self._notify(JobSucceeded(job.rule, step, job.id, outcome.seconds, output))
            return
        problem = problem_of(outcome)
        if progress.wait is not None:
            self._notify(JobRetried(job.rule, step, job.id, record.attempt, problem, progress.wait, output))
            return
        self._notify(JobFailed(job.rule, step, job.id, outcome.seconds, problem, output))
        if progress.record.state is State.DEAD:
            self._notify(JobDead(job.rule, job.id, progress.record.box))

    # -- pause and resume --

    def _held(self, rule: str, *, paused: bool) -> None:
        """Take note that the jobs of a rule wait, or go on."""
        if paused and rule not in self._paused:
            self._paused[rule] = self._now()
            self._notify(RulePaused(rule))
        elif not paused and self._paused.pop(rule, None) is not None:
            self._notify(RuleResumed(rule))
            self._agenda.from_the_beginning()

    def status(self) -> dict[str, object]:
        """Return what runs and waits, ready for JSON."""
        return {
            "running": len(self._running),
            "in_memory": len(self._lanes),
            "transactions": self._pending,
            "paused": dict(self._paused),
        }

    # -- what operators ask for --

    def retry(self, identity: str) -> Deferred[bool]:
        """Do a job that failed, was cancelled or is a dead letter again; fires with whether there was such a one."""
        now = self._now()
        written = self._transact(lambda database: transactions.retry(database, identity, self._in_use.rule, now))
        written.addCallback(self._retried)
        return written

    def _retried(self, records: list[JobRecord]) -> bool:
        for record in records:
            if record.job.part is Part.UNDO:
                self._in_use.open_state(record.job.rule, record.job.key, record.due, record.job.id)
            self._wait(record)
        self._start_ready()
        return bool(records)

    def cancel(self, identity: str) -> Deferred[bool]:
        """End a job, or take it from those that wait; fires with whether there was such a one."""
        now = self._now()
        written = self._transact(lambda database: transactions.cancel(database, identity, now))
        written.addCallback(self._cancelled)
        return written

    def _cancelled(self, cancelled: tuple[JobRecord, Changes] | None) -> bool:
        if cancelled is None:
            return False
        record, changes = cancelled
        self._look_after(changes)
        self._let_behind_go(record)
        return True

    def hold(self, rule: str, *, paused: bool) -> Deferred[bool]:
        """Let the jobs of a rule wait from now on, or go on; fires with whether that is new."""
        now = self._now()
        written = self._transact(lambda database: transactions.hold(database, rule, paused=paused, now=now))
        return written.addCallback(self._told_to_hold, rule, paused=paused)

    def _told_to_hold(self, done: bool, rule: str, *, paused: bool) -> bool:
        if done:
            self._held(rule, paused=paused)
        return done

    def close(self, rule: str, key: Key) -> Deferred[bool]:
        """Undo an open state now; fires with whether it was open."""
        now = self._now()
        written = self._transact(lambda database: transactions.undo_now(database, rule, key, now))
        written.addCallback(self._closing)
        return written

    def _closing(self, changes: Changes) -> bool:
        self._look_after(changes)
        return bool(changes.waiting)

    # -- plumbing --

    def _bring(self, records: Iterable[JobRecord | None]) -> None:
        for record in records:
            if record is not None and record.state is State.WAITING:
                self._wait(record)
        self._start_ready()

    @property
    def _in_use(self) -> Rules:
        assert self._rules is not None  # noqa: S101 -- `start` comes before all else
        return self._rules

    def _rule(self, record: JobRecord) -> Rule | None:
        return self._in_use.rule(record.job.rule)

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

    def _fault(self, failure: Failure) -> None:
        self._notify(GatewayFault(f"the store could not be read: {failure.value!r}"))


def _bug(failure: Failure, attempt: Attempt) -> Performance:
    return Performance(Outcome(attempt.id, Ending.DECLINED, error=f"a bug of the gateway: {failure.value!r}"))


def _nothing() -> None:
    """Nobody wants to know."""
