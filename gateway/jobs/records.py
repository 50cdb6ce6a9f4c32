"""What the store keeps of a job, and the words for where it stands."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from parsers.event import FieldValue
from rules.job import Job, Part


class State(enum.Enum):
    """Where a job stands. WAITING and RUNNING are live; a job in any other state stays there until somebody asks."""

    WAITING = "waiting"  # for its time (`due`), or for its turn
    RUNNING = "running"  # claimed: a step of it may have been started
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # after the last try
    DEAD = "dead"  # a dead letter: kept until it is retried or cancelled
    CANCELLED = "cancelled"  # by the operator, by `busy: restart`, or an undo whose `do` never happened
    DROPPED = "dropped"  # by `busy: drop` or `busy: coalesce`


LIVE = frozenset({State.WAITING, State.RUNNING})

Turn = tuple[float, int]
"""The order in which jobs get their turn: when they are due, and their numbers."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as the store has it.

    Attributes:
        number: its place in the table of jobs, from 1, without gaps; a job that outlives its neighbours gets a new one.
        job: rule, part, key and event; its `id` is what people call it by.
        cause: the journal's number of the event that caused it.
        created: when it was stored; seconds since 1970, as all times here.
        due: when it is to be done next: its time, or when a retry's wait is over.
        step: the step it is at, from 0; the steps before it have succeeded.
        attempt: attempts at this step that were begun.
        lane: what it waits in line for: the step's name, or its lock.
        box: the dead letters' name for DEAD, else empty.
        problem: the last failure in words, else empty.
        ended: when it came to its last state, None while it is live.
    """

    number: int
    job: Job
    state: State
    cause: int
    created: float
    due: float
    step: int = 0
    attempt: int = 0
    lane: str = ""
    box: str = ""
    problem: str = ""
    ended: float | None = None

    @property
    def open(self) -> bool:
        """Whether it is an open state: an undo that is still to be done."""
        return self.job.part is Part.UNDO and self.state in LIVE


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """How one attempt ended; `fields` are those of the event that tells of it."""

    number: int
    job: str
    ended: float
    fields: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True)
class Damage:
    """Something in the store's files that is not as it was written.

    Attributes:
        table: `journal`, `jobs`, `attempts`, `meta`, `mark` or `file`.
        first: the number of the first record concerned, None where no record is.
        last: that of the last.
        problem: what is wrong, in words.
    """

    table: str
    first: int | None
    last: int | None
    problem: str

    def __str__(self) -> str:
        """Render as one line."""
        if self.first is None:
            return f"{self.table}: {self.problem}"
        where = f"record {self.first}" if self.first == self.last else f"records {self.first} to {self.last}"
        return f"{self.table}: {where}: {self.problem}"
