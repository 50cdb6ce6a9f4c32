"""What timers have to tell."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class TimerSet(Notice):
    """A timer was set for the first time since the start, or to another schedule."""

    words = "{source}: due next at {due}"
    source: str
    due: str


@dataclass(frozen=True, slots=True)
class TimerLate(Notice):
    """A timer fell due while nobody could tell: the gateway did not run, or the clock was set forward."""

    words = "{source}: {missed:time} missed; one event, of {due}, stands for all"
    source: str
    missed: int
    due: str


@dataclass(frozen=True, slots=True)
class TimerSkipped(Notice):
    """A timer fell due while nobody could tell, and the configuration wants nothing to come of it."""

    level = "warn"
    words = "{source}: {missed:time} missed, the last one {due}; no event tells of it, as `missed: skip` says"
    source: str
    missed: int
    due: str


@dataclass(frozen=True, slots=True)
class TimerAhead(Notice):
    """A timer fell due at a time that is far ahead by now: the clock is wrong, or it was."""

    level = "warn"
    words = (
        "{source}: it was last due at {due}, which is still to come: the clock was set back by hours. It goes by the "
        "clock as it is now; due times that come again are told again, unless the clock was wrong for now only"
    )
    source: str
    due: str


@dataclass(frozen=True, slots=True)
class TimerOver(Notice):
    """A timer will never be due again."""

    level = "warn"
    words = "{source}: it is not due again in the next 50 years"
    source: str


@dataclass(frozen=True, slots=True)
class TimerNotKept(Notice):
    """How far a timer has come could not be read, or its event not be kept; that is tried again."""

    level = "error"
    words = "{source}: {problem}; its event could not be kept, which is tried again"
    source: str
    problem: str
