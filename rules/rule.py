"""What a rule says, read from the operator's file and checked."""

from __future__ import annotations

from dataclasses import dataclass

from parsers.errors import Place
from parsers.message import Trust
from rules.condition import Condition
from rules.job import Task


@dataclass(frozen=True, slots=True)
class Count:
    """So many matching events within so many seconds, counted apart for each value of the `by` fields."""

    count: int
    within: float
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """A test step: messages arrive.

    Attributes:
        text: what stands behind the envelope (`sshd[7]: Failed ...`), or a whole frame when it begins with `<`.
        every: seconds between two of them.
        address: who sends it (`log.source.address`).
    """

    text: str
    times: int = 1
    every: float = 0.0
    address: str = "127.0.0.1"
    trust: Trust = Trust.LOCAL


@dataclass(frozen=True, slots=True)
class Expect:
    """What must have happened since the last expectation: how many jobs, and how the first was called."""

    do: int
    argv: tuple[str, ...] | None = None


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
        trust: the least trust that may start its processes; None takes the configuration's.
    """

    name: str
    place: Place
    match: Condition
    unless: Condition | None = None
    when: Count | None = None
    do: tuple[Task, ...] = ()
    trust: Trust | None = None
    tests: tuple[TestStep, ...] = ()
