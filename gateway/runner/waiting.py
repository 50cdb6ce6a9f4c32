"""Which start comes next: those that wait, each task's in their order, and what may run beside what."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from gateway.runner.protocol import Start
from rules.step import Task


class Waiting:
    """The starts that wait here."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Start]] = {}  # by task; the task whose turn it is first
        self._ids: set[str] = set()

    def __len__(self) -> int:
        """Count them."""
        return len(self._ids)

    def __contains__(self, job: object) -> bool:
        """Whether a job waits."""
        return job in self._ids

    def count(self, task: str) -> int:
        """Count those of one task."""
        return len(self._lines.get(task, ()))

    def add(self, start: Start) -> None:
        """Let one wait behind those of its task."""
        self._lines.setdefault(start.task, deque()).append(start)
        self._ids.add(start.job)

    def next(self, free: Callable[[str], bool]) -> Start | None:
        """Take out the next one whose task is free; the tasks have it in turn."""
        for task, line in self._lines.items():
            if free(task):
                start = line.popleft()
                del self._lines[task]
                if line:
                    self._lines[task] = line  # at the end: the others have their turn
                self._ids.discard(start.job)
                return start
        return None

    def withdraw(self, job: str) -> bool:
        """Take out one that need not be done any more; False when it does not wait."""
        if job not in self._ids:
            return False
        for task, line in self._lines.items():
            for start in line:
                if start.job == job:
                    line.remove(start)
                    if not line:
                        del self._lines[task]
                    self._ids.discard(job)
                    return True
        return False

    def clear(self) -> None:
        """Forget them all."""
        self._lines.clear()
        self._ids.clear()


class Lanes:
    """What may run beside what: so many jobs, so many of one task, one of those that share a lock.

    A stream has one event out at a time, and does not count among the jobs: its program is there anyway, and may take
    long for an event without keeping others waiting.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._jobs = 0
        self._taken: Counter[tuple[str, str]] = Counter()
        self._lane_of: dict[str, tuple[tuple[str, str], bool]] = {}

    def free(self, task: Task) -> bool:
        """Tell whether one more of the task may run."""
        if not task.stream and self._jobs >= self._limit:
            return False
        most = 1 if task.stream or task.lock else max(1, task.concurrency)
        return self._taken[_lane(task)] < most

    def __contains__(self, job: object) -> bool:
        """Whether a job runs."""
        return job in self._lane_of

    def take(self, job: str, task: Task) -> None:
        """Take note that a job runs."""
        lane = _lane(task)
        self._taken[lane] += 1
        self._jobs += not task.stream
        self._lane_of[job] = lane, task.stream

    def leave(self, job: str) -> None:
        """Take note that a job is over; nothing when it never took a lane."""
        if (taken := self._lane_of.pop(job, None)) is None:
            return
        lane, stream = taken
        self._jobs -= not stream
        self._taken[lane] -= 1
        if not self._taken[lane]:
            del self._taken[lane]


def _lane(task: Task) -> tuple[str, str]:
    return ("lock", task.lock) if task.lock else ("task", task.name)
