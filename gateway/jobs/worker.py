"""Run jobs: a bounded queue of chains in memory, a runner that starts the processes, a notice of how each ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.python.failure import Failure

from gateway.jobs.outcome import Ending, Outcome
from gateway.notices import JobFailed, JobSucceeded, Notify
from parsers.event import Event
from rules.job import Job

MAX_WAITING = 10_000
"""Chains in memory; while there are more, `commit` keeps its promise back and the sources pause. A job with its event
is some 5 KB, so this is 50 MB."""

MAX_RUNNING = 64
"""Chains handed to the runner at a time; it limits how many processes run, and needs a few in store for each task."""

MAX_OUTPUT_SHOWN = 500
"""Characters of a failed process's output in the log: its last words."""


class Runs(Protocol):
    """What starts processes (`gateway.runner.client.Runner`)."""

    def run(self, job: Job) -> Deferred[Outcome]:
        """Start a job's process; fires with its outcome, and never fails."""
        ...


class Worker:
    """Takes chains of jobs and sees them through."""

    def __init__(self, runner: Runs, notify: Notify, max_waiting: int = MAX_WAITING) -> None:
        self._runner = runner
        self._notify = notify
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Job, ...]] = deque()
        self._promises: deque[Deferred[None]] = deque()
        self._running = 0
        self._starting = False
        self._idle: list[Deferred[None]] = []

    def commit(self, events: Sequence[Event], chains: Sequence[tuple[Job, ...]]) -> Deferred[None]:  # noqa: ARG002 -- the journal's seam
        """Take chains; fires when they are in a queue that has room for more."""
        self._waiting.extend(chains)
        self._start()
        if len(self._waiting) <= self._max_waiting:
            return succeed(None)
        promise: Deferred[None] = Deferred()
        self._promises.append(promise)
        return promise

    def whenIdle(self) -> Deferred[None]:  # noqa: N802 -- Twisted's way to name what returns a Deferred
        """Fires when no chain waits or runs."""
        if not self._running:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        return idle

    def _start(self) -> None:
        if self._starting:
            return  # a runner that refuses at once ends chains in here: 10,000 of them are no depth for a stack
        self._starting = True
        try:
            while self._waiting and self._running < MAX_RUNNING:
                self._running += 1
                self._see_through(self._waiting.popleft()).addBoth(self._ended)
        finally:
            self._starting = False
        while self._promises and len(self._waiting) <= self._max_waiting:
            self._promises.popleft().callback(None)

    @inlineCallbacks
    def _see_through(self, chain: tuple[Job, ...]):  # type: ignore[no-untyped-def]
        for job in chain:
            outcome: Outcome = yield self._runner.run(job)
            self._tell(job, outcome)
            if not outcome.success:
                return

    def _ended(self, result: object) -> None:
        self._running -= 1
        if isinstance(result, Failure):
            self._notify(JobFailed("-", "-", "-", 0.0, f"a bug of the gateway: {result.value!r}", ""))
        self._start()
        if not self._running:
            idle, self._idle = self._idle, []
            for promise in idle:
                promise.callback(None)

    def _tell(self, job: Job, outcome: Outcome) -> None:
        output = last_words(outcome)
        if outcome.success:
            self._notify(JobSucceeded(job.rule, job.task, job.id, outcome.seconds, output))
        else:
            self._notify(JobFailed(job.rule, job.task, job.id, outcome.seconds, problem_of(outcome), output))


def problem_of(outcome: Outcome) -> str:
    """Say in words how an attempt failed."""
    match outcome.ending:
        case Ending.EXITED:
            words = f"exit code {outcome.exit_code}"
        case Ending.KILLED:
            words = f"killed by signal {outcome.signal}"
        case Ending.TIMED_OUT:
            return outcome.error or "it ran longer than its timeout"
        case Ending.NOT_STARTED:
            words = "it could not be started"
        case Ending.LOST:
            words = "the runner died while it ran"
    return f"{words}: {outcome.error}" if outcome.error else words


def last_words(outcome: Outcome) -> str:
    """Return the end of what it wrote, standard error first, for the log."""
    output = (outcome.stderr.strip() or outcome.stdout.strip()).decode("utf-8", "backslashreplace")
    return f"; output: {output[-MAX_OUTPUT_SHOWN:]}" if output else ""
