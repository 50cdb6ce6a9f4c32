"""What a rule says, read from the operator's file and checked."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from parsers.errors import Place
from parsers.event import FieldValue
from parsers.message import Trust
from rules.condition import Condition
from rules.job import Part
from rules.step import Step


@dataclass(frozen=True, slots=True)
class Count:
    """So many matching events within so many seconds, counted apart for each value of the `by` fields."""

    count: int
    within: float
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undo:
    """How the state that `do` opened closes again: after a time, or at an event.

    Each key of the rule's `when` has a state of its own; a rule that counts by nothing has one for everything. While
    it is open repeats are swallowed.

    Attributes:
        after: seconds; None: only an event closes it.
        grow: how many times as long as the last time it stays open when it opens again for the same key.
        limit: the longest time (`max`); None: no limit.
        match: an event that closes it (its key is taken from the `by` fields); None: only time does.
        unless: what must not hold of such an event.
        by: the fields of the closing event that hold the key, one for each of the rule's.
    """

    steps: tuple[Step, ...]
    after: float | None
    grow: float = 1.0
    limit: float | None = None
    match: Condition | None = None
    unless: Condition | None = None
    by: tuple[str, ...] = ()

    def period(self, opened_before: int) -> float | None:
        """Return how long the state stays open, in seconds, when it was open so many times before."""
        if self.after is None:
            return None
        longest = float("inf") if self.limit is None else self.limit
        try:
            return min(self.after * self.grow**opened_before, longest)
        except OverflowError:
            return longest


@dataclass(frozen=True, slots=True)
class Retry:
    """How a step that failed is tried again: `times` more, the first after `wait` seconds, each `grow` times as long.

    Attributes:
        limit: the longest wait in seconds (`max`).
        jitter: the part of a wait that is left to chance, 0 to 1: 0.2 makes 10 s anything from 8 s to 12 s.
    """

    times: int = 5
    wait: float = 10.0
    grow: float = 2.0
    limit: float = 600.0
    jitter: float = 0.2


class Busy(enum.Enum):
    """What becomes of a job whose rule has another for the same key that waits or runs."""

    QUEUE = "queue"  # it waits for its turn
    COALESCE = "coalesce"  # at most one waits beside the one that runs; it takes the newest event
    DROP = "drop"
    RESTART = "restart"  # the other is ended, and this one takes its place


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many starts of a rule's steps within so many seconds; what is more waits."""

    count: int
    within: float


@dataclass(frozen=True, slots=True)
class Send:
    """A test step: messages arrive.

    Attributes:
        text: what stands behind the envelope (`sshd[7]: Failed ...`), or a whole frame when it begins with `<`.
        every: seconds between two of them.
        address: who sends it (`log.source.address`).
        fields: of an event of the gateway's own, which is sent instead of a text.
    """

    text: str
    times: int = 1
    every: float = 0.0
    address: str = "127.0.0.1"
    trust: Trust = Trust.LOCAL
    fields: Mapping[str, FieldValue] | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """What must have happened since the last expectation; None: it does not matter.

    Attributes:
        do: how many times the rule did something.
        argv: how the first command was called.
        undo: how many states were undone.
        open: how many states are open now.
    """

    do: int | None = None
    argv: tuple[str, ...] | None = None
    undo: int | None = None
    open: int | None = None


@dataclass(frozen=True, slots=True)
class TestStep:
    """One entry of a rule's `test`: send messages, let time pass, look; any of them may be absent."""

    place: Place
    send: Send | None = None
    advance: float = 0.0
    expect: Expect | None = None
    __test__ = False  # not one of pytest's classes


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        when: None fires at every match.
        do: in order, stopping at the first that fails; empty only tells the log.
        retry: None: a step that failed is not tried again, unless it ended with EX_TEMPFAIL.
        on_failure: once, after the last try of a step of `do` or `undo`.
        idempotent: False: a job that may have run is never run again by itself; it becomes a dead letter.
        trust: the least trust that may start its processes; None takes the configuration's.
    """

    name: str
    place: Place
    match: Condition
    unless: Condition | None = None
    when: Count | None = None
    do: tuple[Step, ...] = ()
    undo: Undo | None = None
    retry: Retry | None = None
    on_failure: tuple[Step, ...] = ()
    busy: Busy = Busy.QUEUE
    rate: Rate | None = None
    idempotent: bool = True
    trust: Trust | None = None
    tests: tuple[TestStep, ...] = ()

    def steps(self, part: Part) -> tuple[Step, ...]:
        """Return the steps of one part."""
        if part is Part.DO:
            return self.do
        if part is Part.ON_FAILURE:
            return self.on_failure
        return self.undo.steps if self.undo else ()
