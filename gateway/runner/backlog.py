"""The jobs that the gateway has and the runner has not ended: those that wait, and those that were sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.jobs.outcome import Outcome
from gateway.runner.protocol import Start

MAX_WAITING = 10_000
"""Jobs that wait in memory; at 2 KB an event that is 20 MB."""

AHEAD = 2
"""Times as many jobs are sent as may run, so that the next is at hand when one ends."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One job and whom to tell how it ended."""

    start: Start
    tell: Callable[[Outcome], None]


class Backlog:
    """Decides which job is sent next: each task's in their order, the tasks in turn, so that none starves another."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, deque[Entry]] = {}  # by task; the task whose turn it is first
        self._sent: dict[str, Entry] = {}
        self._started: set[str] = set()
        self._sent_of: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        """Count the jobs that wait."""
        return self._count

    def __contains__(self, job: object) -> bool:
        """Whether the job waits or was sent."""
        return job in self._sent or any(job == entry.start.job for line in self._waiting.values() for entry in line)

    @property
    def sent(self) -> int:
        """Count the jobs that the runner has."""
        return len(self._sent)

    def add(self, entry: Entry) -> bool:
        """Let a job wait; False when too many do."""
        if self._count >= MAX_WAITING:
            return False
        self._waiting.setdefault(entry.start.task, deque()).append(entry)
        self._count += 1
        return True

    def next(self, concurrency: Mapping[str, int]) -> Start | None:
        """Take the next job to be sent; None when the runner has enough. A task it does not know is as good as any."""
        if len(self._sent) >= self._limit * AHEAD:
            return None
        for task, line in self._waiting.items():
            if self._sent_of.get(task, 0) < max(1, concurrency.get(task, self._limit)) * AHEAD:
                entry = line.popleft()
                del self._waiting[task]
                if line:
                    self._waiting[task] = line  # at the end: the others have their turn
                self._count -= 1
                self._sent[entry.start.job] = entry
                self._sent_of[task] = self._sent_of.get(task, 0) + 1
                return entry.start
        return None

    def forget(self, job: str) -> Entry | None:
        """Take out a job that was sent and has ended."""
        entry = self._sent.pop(job, None)
        self._started.discard(job)
        if entry:
            task = entry.start.task
            self._sent_of[task] -= 1
            if not self._sent_of[task]:
                del self._sent_of[task]
        return entry

    def withdraw(self, job: str) -> Entry | None:
        """Take out a job that still waits."""
        for task, line in self._waiting.items():
            for entry in line:
                if entry.start.job == job:
                    line.remove(entry)
                    if not line:
                        del self._waiting[task]
                    self._count -= 1
                    return entry
        return None

    def started(self, job: str) -> None:
        """Take note that a job that was sent is being run."""
        if job in self._sent:
            self._started.add(job)

    def take_back(self) -> list[Entry]:
        """Take out all that were sent: those that had started are returned, the others wait again, first in line."""
        lost, waiting = [], self._waiting
        self._waiting = {}
        for job, entry in self._sent.items():
            if job in self._started:
                lost.append(entry)
            else:
                self._waiting.setdefault(entry.start.task, deque()).append(entry)
                self._count += 1
        for task, line in waiting.items():
            self._waiting.setdefault(task, deque()).extend(line)
        self._sent.clear()
        self._sent_of.clear()
        self._started.clear()
        return lost

    def forget_waiting(self) -> list[Entry]:
        """Take out all jobs that wait."""
        entries = [entry for line in self._waiting.values() for entry in line]
        self._waiting.clear()
        self._count = 0
        return entries
