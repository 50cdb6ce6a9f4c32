"""Which job may start next: lines to wait in, one for each step or lock, with limits; values in, decisions out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gateway.jobs.records import JobRecord, Turn
from rules.step import Decrypt, Delete, Forward, Mail, Move, Step, Task, process_of

LANE_ROOM = 100
"""Jobs of one lane in memory; the others wait in the store until there is room."""

ROOM = 10_000
"""Jobs of all lanes in memory. A job with its event is some 5 KB, so this is 50 MB."""

STREAM_DEPTH = 64
"""Events that the runner may hold for one `stream` child, so that it never waits for us."""

OUTGOING_DEPTH = 128
"""Mails or messages of one step on their way at a time: the window of RELP."""

DISPOSALS = 4
"""Files of one step that are deleted or moved at a time: each takes a thread of the pool meanwhile."""

UNLIMITED = 1000
"""Jobs without a step at a time: they are only looked at, and ended."""

END: Turn = (float("inf"), 0)
"""Behind the last turn."""


def lane_of(step: Step | None) -> str:
    """Return the name of the lane that a step waits in; a job without a step has one too."""
    process = process_of(step)
    if process is not None and process.lock is not None:
        return f"lock:{process.lock}"
    return step.name if step is not None else ""


def capacity_of(step: Step | None) -> int:
    """Return how many jobs of a step's lane may run at a time."""
    match step:
        case Decrypt(run=run):
            return capacity_of(run)
        case Task(lock=str()):
            return 1
        case Task(stream=True):
            return STREAM_DEPTH
        case Task(concurrency=concurrency):
            return concurrency
        case Mail() | Forward():
            return OUTGOING_DEPTH
        case Delete() | Move():
            return DISPOSALS
        case None:
            return UNLIMITED
    return 1


def turn_of(record: JobRecord) -> Turn:
    """Return when it is a job's turn."""
    return record.due, record.number


@dataclass(slots=True)
class Lane:
    """One line.

    Attributes:
        process: its jobs are processes, of which there is a limit for all lanes together.
        outside: the first turn of those that are due and for which there was no room; END when all are here.
        filling: the store is being asked for them.
    """

    capacity: int
    process: bool
    waiting: deque[JobRecord] = field(default_factory=deque)
    running: int = 0
    outside: Turn = END
    filling: bool = False


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

    def lane(self, step: Step | None) -> Lane:
        """Return the lane of a step, with the capacity that the step asks for now."""
        name = lane_of(step)
        lane = self._lanes.get(name)
        task = process_of(step)
        process = task is not None and not task.stream
        if lane is None:
            lane = self._lanes[name] = Lane(capacity_of(step), process)
        else:
            lane.capacity, lane.process = capacity_of(step), process
        return lane

    def offer(self, record: JobRecord, step: Step | None) -> None:
        """Let a job wait for its turn; one for which there is no room stays in the store, and is asked for later."""
        if record.job.id in self._known:
            return
        lane = self.lane(step)
        if lane.filling or lane.outside < END or len(lane.waiting) >= LANE_ROOM or self._waiting >= ROOM:
            lane.outside = min(lane.outside, turn_of(record))
            return
        lane.waiting.append(record)
        self._known[record.job.id] = lane_of(step)
        self._waiting += 1

    def reserve(self, job: str, step: Step) -> bool:
        """Take a place for a job that is not stored yet, if nothing waits before it; tell whether there was one."""
        lane = self.lane(step)
        if job in self._known or lane.waiting or lane.filling or lane.outside < END or not self._has_place(lane):
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

    def drop(self, unwanted: Callable[[JobRecord], bool]) -> None:
        """Forget jobs that wait; they stay in the store."""
        for lane in self._lanes.values():
            for record in [record for record in lane.waiting if unwanted(record)]:
                self.leave(record.job.id)

    def hungry(self) -> Iterator[tuple[str, Turn]]:
        """Yield the lanes that should be filled from the store, and from which turn on."""
        if self._waiting >= ROOM:
            return
        for name, lane in self._lanes.items():
            if lane.outside < END and not lane.waiting and not lane.filling:
                yield name, lane.outside

    def fill(self, name: str) -> None:
        """Take note that the store is asked for a lane's jobs; what comes meanwhile has to wait behind them."""
        lane = self._lanes[name]
        lane.filling, lane.outside = True, END

    def filled(self, name: str, bring: Callable[[], None], following: Turn) -> None:
        """Let `bring` offer what the store had; `following` is the turn of the next that it has, END for none."""
        lane = self._lanes[name]
        came_meanwhile, lane.outside, lane.filling = lane.outside, END, False
        bring()
        lane.outside = min(lane.outside, came_meanwhile, following)

    def _has_place(self, lane: Lane) -> bool:
        return lane.running < lane.capacity and not (lane.process and len(self._processing) >= self._processes)

    def _enter(self, job: str, name: str, lane: Lane) -> None:
        self._known[job] = name
        self._running.add(job)
        lane.running += 1
        if lane.process:
            self._processing.add(job)
