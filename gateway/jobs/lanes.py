"""Which job may start next: lines to wait in, one for each step or lock, with limits; values in, decisions out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gateway.jobs.records import JobRecord
from rules.step import Forward, Mail, Step, Task

LANE_ROOM = 100
"""Jobs of one lane in memory; the others wait in the store until there is room."""

ROOM = 10_000
"""Jobs of all lanes in memory. A job with its event is some 5 KB, so this is 50 MB."""

STREAM_DEPTH = 64
"""Events that the runner may hold for one `stream` child, so that it never waits for us."""

OUTGOING_DEPTH = 128
"""Mails or messages of one step on their way at a time: the window of RELP."""


def lane_of(step: Step) -> str:
    """Return the name of the lane that a step waits in."""
    if isinstance(step, Task) and step.lock is not None:
        return f"lock:{step.lock}"
    return step.name


def capacity_of(step: Step) -> int:
    """Return how many jobs of a step's lane may run at a time."""
    match step:
        case Task(lock=str()):
            return 1
        case Task(stream=True):
            return STREAM_DEPTH
        case Task(concurrency=concurrency):
            return concurrency
        case Mail() | Forward():
            return OUTGOING_DEPTH
    return 1


@dataclass(slots=True)
class Lane:
    """One line.

    Attributes:
        more: the store has jobs of this lane that are due and not in memory.
        process: its jobs are processes, of which there is a limit for all lanes together.
    """

    capacity: int
    process: bool
    waiting: deque[JobRecord] = field(default_factory=deque)
    running: int = 0
    more: bool = False


class Lanes:
    """All lines; `processes` limits how many processes run at a time."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._lanes: dict[str, Lane] = {}
        self._known: dict[str, str] = {}  # job id -> lane, of all that are in memory
        self._running: set[str] = set()
        self._processing: set[str] = set()  # those that run as a process of their own
        self._waiting = 0

    def __contains__(self, job: str) -> bool:
        """Tell whether a job waits here or runs."""
        return job in self._known

    def __len__(self) -> int:
        """Count the jobs in memory."""
        return len(self._known)

    @property
    def running(self) -> int:
        """How many jobs run."""
        return len(self._running)

    def lane(self, step: Step) -> Lane:
        """Return the lane of a step, with the capacity that the step asks for now."""
        name = lane_of(step)
        lane = self._lanes.get(name)
        process = isinstance(step, Task) and not step.stream
        if lane is None:
            lane = self._lanes[name] = Lane(capacity_of(step), process)
        else:
            lane.capacity, lane.process = capacity_of(step), process
        return lane

    def offer(self, record: JobRecord, step: Step) -> None:
        """Let a job wait for its turn; one for which there is no room stays in the store, and is asked for later."""
        if record.job.id in self._known:
            return
        lane = self.lane(step)
        if lane.more or len(lane.waiting) >= LANE_ROOM or self._waiting >= ROOM:
            lane.more = True
            return
        lane.waiting.append(record)
        self._known[record.job.id] = lane_of(step)
        self._waiting += 1

    def reserve(self, job: str, step: Step) -> bool:
        """Take a place for a job that is not stored yet, if nothing waits before it; tell whether there was one."""
        lane = self.lane(step)
        if job in self._known or lane.waiting or lane.more or not self._has_place(lane):
            return False
        self._enter(job, lane_of(step), lane)
        return True

    def take(self, startable: Callable[[JobRecord], bool]) -> list[JobRecord]:
        """Give the jobs whose turn it is a place each, in turn over the lanes."""
        taken: list[JobRecord] = []
        names = [name for name, lane in self._lanes.items() if lane.waiting]
        while names:
            names = [name for name in names if self._take_one(name, startable, taken)]
        return taken

    def _take_one(self, name: str, startable: Callable[[JobRecord], bool], taken: list[JobRecord]) -> bool:
        lane = self._lanes[name]
        if not self._has_place(lane):
            return False
        for index, record in enumerate(lane.waiting):
            if startable(record):
                del lane.waiting[index]
                self._waiting -= 1
                self._enter(record.job.id, name, lane)
                taken.append(record)
                # the next lane's turn; this one comes first the next time only after all others
                self._lanes[name] = self._lanes.pop(name)
                return bool(lane.waiting)
        return False

    def leave(self, job: str) -> None:
        """Take note that a job runs no more, or waits no more."""
        name = self._known.pop(job, None)
        if name is None:
            return
        lane = self._lanes[name]
        if job in self._running:
            self._running.discard(job)
            lane.running -= 1
            self._processing.discard(job)
        else:
            before = len(lane.waiting)
            lane.waiting = deque(record for record in lane.waiting if record.job.id != job)
            self._waiting -= before - len(lane.waiting)

    def hungry(self) -> Iterator[str]:
        """Yield the lanes that should be filled from the store."""
        for name, lane in self._lanes.items():
            if lane.more and not lane.waiting:
                yield name

    def filled(self, name: str, *, more: bool) -> None:
        """Take note of what the store still has of a lane, before what it gave is offered."""
        self._lanes[name].more = more

    def _has_place(self, lane: Lane) -> bool:
        return lane.running < lane.capacity and not (lane.process and len(self._processing) >= self._processes)

    def _enter(self, job: str, name: str, lane: Lane) -> None:
        self._known[job] = name
        self._running.add(job)
        lane.running += 1
        if lane.process:
            self._processing.add(job)
