"""What a rule says, read from the operator's file and checked."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from parsers.errors import Place
from parsers.message import Trust
from rules.condition import Condition
from rules.example import TestStep
from rules.job import Part
from rules.step import Step
from rules.when import ALWAYS, Circumstances, Suppress, When


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
        count: how many such events it takes, none of the rule's own between them.
        quiet: it is undone when so many seconds have passed with no more than `at_most` of the rule's own events.
        within: seconds after which it closes without being undone, for the event that would have closed it stayed away.
    """

    steps: tuple[Step, ...]
    after: float | None
    grow: float = 1.0
    limit: float | None = None
    match: Condition | None = None
    unless: Condition | None = None
    by: tuple[str, ...] = ()
    count: int = 1
    quiet: float | None = None
    at_most: int = 0
    within: float | None = None

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
class Rule:
    """One rule.

    Attributes:
        when: None fires at every match.
        circumstances: what else must be so, for the rule to see an event and to act.
        suppress: None: it acts as often as it comes true.
        otherwise: what is done (`else`) where the condition over time ends without coming true.
        do: in order, stopping at the first that fails; empty only tells the log.
        retry: None: a step that failed is not tried again, unless it ended with EX_TEMPFAIL.
        on_failure: once, after the last try of a step of `do` or `undo`.
        idempotent: False: a job that may have run is never run again by itself; it becomes a dead letter.
        trust: the least trust that may start its processes; None takes the configuration's.
        description: what it is for, in the words of whoever wrote it.
    """

    name: str
    place: Place
    match: Condition
    unless: Condition | None = None
    when: When | None = None
    circumstances: Circumstances = ALWAYS
    suppress: Suppress | None = None
    do: tuple[Step, ...] = ()
    undo: Undo | None = None
    retry: Retry | None = None
    otherwise: tuple[Step, ...] = ()
    on_failure: tuple[Step, ...] = ()
    busy: Busy = Busy.QUEUE
    rate: Rate | None = None
    idempotent: bool = True
    trust: Trust | None = None
    tests: tuple[TestStep, ...] = ()
    description: str = ""

    def steps(self, part: Part) -> tuple[Step, ...]:
        """Return the steps of one part."""
        match part:
            case Part.DO:
                return self.do
            case Part.ELSE:
                return self.otherwise
            case Part.ON_FAILURE:
                return self.on_failure
            case Part.UNDO:
                return self.undo.steps if self.undo else ()
