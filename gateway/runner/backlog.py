"""The jobs that the gateway has and the runner has not ended: those that wait, and those that were sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.runner.protocol import Room, Start
from rules.outcome import Outcome

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
        self._streamed: set[str] = set()  # those that were sent to a stream
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

    def next(self, tasks: Mapping[str, Room]) -> Start | None:
        """Take the next job to be sent; None when the runner has enough. A task it does not know is as good as any.

        The events of streams have room of their own there, and are not counted among the jobs.
        """
        unknown = Room(self._limit)
        enough = len(self._sent) - len(self._streamed) >= self._limit * AHEAD
        for task, line in self._waiting.items():
            room = tasks.get(task, unknown)
            if not room.stream and enough:
                continue
            if self._sent_of.get(task, 0) < (room.jobs if room.stream else max(1, room.jobs) * AHEAD):
                entry = line.popleft()
                del self._waiting[task]
                if line:
                    self._waiting[task] = line  # at the end: the others have their turn
                self._count -= 1
                self._sent[entry.start.job] = entry
                self._sent_of[task] = self._sent_of.get(task, 0) + 1
                if room.stream:
                    self._streamed.add(entry.start.job)
                return entry.start
        return None

    def forget(self, job: str) -> Entry | None:
        """Take out a job that was sent and has ended."""
        entry = self._sent.pop(job, None)
        self._started.discard(job)
        self._streamed.discard(job)
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
        """Take note that a job that was sent may have run from now on."""
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
        self._streamed.clear()
        return lost

    def forget_waiting(self) -> list[Entry]:
        """Take out all jobs that wait."""
        entries = [entry for line in self._waiting.values() for entry in line]
        self._waiting.clear()
        self._count = 0
        return entries
