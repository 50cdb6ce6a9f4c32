"""Whose turn it is: lanes, rates, pauses, and jobs of one key that run one after the other; all of it in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gateway.jobs.lanes import Lanes
from gateway.jobs.progress import step_at
from gateway.jobs.rates import Rates
from gateway.jobs.records import JobRecord, State
from gateway.jobs.transactions import is_keyed
from rules.job import Job, Part
from rules.rule import Rule
from rules.windows.window import Key

RuleAndKey = tuple[str, Key]


class Turns:
    """Who of those that wait may start.

    Args:
        lanes: where they wait.
        rule: returns the rule of a name as it is now, None when there is none.
        seconds: the monotonic clock.
        wake_in: is told in how many seconds to ask again.
        orphan: is told of jobs that are due and whose rule is not loaded.
    """

    def __init__(
        self,
        lanes: Lanes,
        rule: Callable[[str], Rule | None],
        seconds: Callable[[], float],
        wake_in: Callable[[float], None],
        orphan: Callable[[JobRecord], None],
    ) -> None:
        self._lanes = lanes
        self._rule = rule
        self._seconds = seconds
        self._wake_in = wake_in
        self._orphan = orphan
        self._rates = Rates()
        self._busy: dict[RuleAndKey, set[str]] = {}  # the jobs that run of what runs one after the other
        self._behind: dict[RuleAndKey, set[str]] = {}  # those that wait for another of their key, which waits itself
        self._paused: dict[str, float] = {}

    @property
    def paused(self) -> Mapping[str, float]:
        """The rules whose jobs wait until they are resumed, and since when (seconds since 1970)."""
        return self._paused

    def begun(self, rule: Rule, times: Iterable[float]) -> None:
        """Take note of when a rule with a rate began its steps in an earlier run, by the monotonic clock."""
        if rule.rate is not None:
            for time in times:
                self._rates.started(rule.name, rule.rate, min(time, self._seconds()))

    def offer(self, record: JobRecord) -> None:
        """Let a job wait for its turn, unless it is held back: whatever lets it go offers it again.

        One whose rule is not loaded is held back until it is: a slip in a file must not throw away what was to be done.
        """
        if self._rule(record.job.rule) is None:
            self._orphan(record)
        elif not self._is_paused(record.job) and record.job.id not in self._behind.get(_key(record.job), ()):
            self._lanes.offer(record, step_at(self._rule(record.job.rule), record))

    def reserve(self, job: Job) -> bool:
        """Give a new job its turn before it is stored, if nothing is in its way; tell whether it has it."""
        rule = self._rule(job.rule)
        if rule is None or job.part is not Part.DO or rule.rate is not None or job.rule in self._paused:
            return False
        keyed = is_keyed(rule, job.part)
        if keyed and _key(job) in self._busy:
            return False
        step = step_at(rule, JobRecord(0, job, State.WAITING, 0, 0.0, 0.0))
        if step is None or not self._lanes.reserve(job.id, step):
            return False
        if keyed:
            self._busy[_key(job)] = {job.id}
        return True

    def take(self) -> list[JobRecord]:
        """Give those whose turn it is their places."""
        return self._lanes.take(self._may_start)

    def _may_start(self, record: JobRecord) -> bool:
        job, rule = record.job, self._rule(record.job.rule)
        if self._is_paused(job):
            return False
        if rule is None:
            return True
        keyed = is_keyed(rule, job.part)
        if keyed and _key(job) in self._busy:
            return False
        if rule.rate is not None and job.part is Part.DO:
            wait = self._rates.wait(job.rule, rule.rate, self._seconds())
            if wait > 0:
                self._wake_in(wait)
                return False
            self._rates.started(job.rule, rule.rate, self._seconds())
        if keyed:
            self._busy[_key(job)] = {job.id}
        return True

    def leave(self, job: Job) -> None:
        """Take note that a job runs no more, or waits no more."""
        self._lanes.leave(job.id)
        running = self._busy.get(_key(job))
        if running is not None:
            running.discard(job.id)
            if not running:
                del self._busy[_key(job)]

    def put_behind(self, job: Job) -> None:
        """Let a job wait until another of its key has ended."""
        self._behind.setdefault(_key(job), set()).add(job.id)

    def let_go(self, jobs: Iterable[Job]) -> set[str]:
        """Return the ids of those that waited for one of these jobs, each of which has ended; they can be offered."""
        freed: set[str] = set()
        for job in jobs:
            freed |= self._behind.pop(_key(job), set())
        return freed

    def pause(self, rule: str, now: float) -> bool:
        """Hold the jobs of a rule back; tell whether that is new. They stay in the store."""
        if rule in self._paused:
            return False
        self._paused[rule] = now
        self._lanes.drop(lambda record: self._is_paused(record.job))
        return True

    def resume(self, rule: str) -> bool:
        """Hold them back no more; tell whether that is new. They are to be offered again."""
        return self._paused.pop(rule, None) is not None

    def forget(self) -> None:
        """Forget all that waits, for the rules have changed; it is to be offered again."""
        self._lanes.drop(lambda _: True)
        self._behind.clear()

    def _is_paused(self, job: Job) -> bool:
        return job.part is Part.DO and job.rule in self._paused


def _key(job: Job) -> RuleAndKey:
    return job.rule, job.key
