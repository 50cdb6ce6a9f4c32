"""When a rule acts: its condition over time, and how the calendar and other rules bound it."""

from __future__ import annotations

from dataclasses import dataclass, field

from parsers.errors import Place
from rules.condition import Condition
from rules.hours import Hours

MAX_KEYS = 100_000
"""Keys that one rule remembers at a time if it does not say otherwise; the one that was quiet longest goes first. A
stranger chooses addresses, so there must be an end: 100,000 keys of a handful of times are about 50 MB."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One of several events that a rule waits for.

    Attributes:
        match: what it must be.
        unless: what it must not be.
        by: its fields that hold the key, one for each of the rule's; empty: the rule's own.
    """

    match: Condition
    unless: Condition | None = None
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """So many matching events within so many seconds, counted apart for each value of the `by` fields."""

    count: int
    within: float
    by: tuple[str, ...]
    max_keys: int = MAX_KEYS


@dataclass(frozen=True, slots=True)
class Distinct:
    """Matching events with so many different values of a field within so many seconds."""

    field: str
    count: int
    within: float
    by: tuple[str, ...]
    max_keys: int = MAX_KEYS


@dataclass(frozen=True, slots=True)
class Every:
    """One event for each stage (`all`) within so many seconds, in any order.

    An event takes the place of one stage: the first that still waits for it.
    """

    stages: tuple[Stage, ...]
    within: float
    by: tuple[str, ...]
    max_keys: int = MAX_KEYS


@dataclass(frozen=True, slots=True)
class Sequence:
    """One event for each stage within so many seconds, in this order; others may come between.

    Attributes:
        unless: an event that breaks off what has begun.
    """

    stages: tuple[Stage, ...]
    within: float
    by: tuple[str, ...]
    unless: Stage | None = None
    max_keys: int = MAX_KEYS


@dataclass(frozen=True, slots=True)
class Absent:
    """A matching event, and then for so many seconds none of another kind.

    While it waits, further matching events change nothing. An event that is both ends one wait and begins the next.

    Attributes:
        stage: the event that ends the wait; None: the next matching one, so that it is silence which is waited for.
    """

    stage: Stage | None
    within: float
    by: tuple[str, ...]
    max_keys: int = MAX_KEYS


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a digest: the events for which no earlier section is, and that are as `match` says."""

    title: str
    match: Condition


@dataclass(frozen=True, slots=True)
class Digest:
    """What comes within so many seconds after a first matching event is collected, and handed over as one.

    Attributes:
        most: so many events are handed over at once.
        sections: what is in none of them comes last, under no title.
        unique: equal messages are one line with their number.
    """

    within: float
    by: tuple[str, ...]
    most: int
    sections: tuple[Section, ...] = ()
    unique: bool = False
    max_keys: int = MAX_KEYS


@dataclass(frozen=True, slots=True)
class Settled:
    """No further matching event for so many seconds.

    Attributes:
        files: shell patterns for `file.name`: it waits until a file has come for each of them.
        within: seconds after the first file in which the others must have come; None: there are no `files`.
    """

    quiet: float
    by: tuple[str, ...]
    files: tuple[str, ...] = ()
    within: float | None = None
    max_keys: int = MAX_KEYS


When = Count | Distinct | Every | Sequence | Absent | Digest | Settled


def length_of(when: When | None) -> float:
    """Return for how many seconds an event matters to the window at most."""
    match when:
        case None:
            return 0.0
        case Settled(quiet, within=within):
            return quiet + (within or 0.0)
        case _:
            return when.within


def stages_of(when: When | None) -> tuple[Stage, ...]:
    """Return the events besides `match` that a window looks for, those in front that `match` must hold of as well."""
    match when:
        case Every(stages):
            return stages
        case Sequence(stages, unless=unless):
            return (*stages, unless) if unless else stages
        case Absent(stage):
            return (stage,) if stage else ()
    return ()


@dataclass(frozen=True, slots=True)
class Suppress:
    """After the rule has acted, it does not act again for the same key for a time.

    Attributes:
        seconds: None: until the window that came true is over.
        by: the fields of the key; the key's are those of the window where the file names none.
    """

    seconds: float | None
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenOf:
    """Another rule's open state for the key that an event has in its own fields.

    Attributes:
        by: the fields of this rule's event that hold the key; None: those that the other rule counts by.
        place: where the file says so.
        by_place: where it names the fields.
    """

    rule: str
    by: tuple[str, ...] | None = None
    place: Place | None = field(default=None, compare=False)
    by_place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else must be so at the time, for a rule to see an event and to act.

    Attributes:
        during: hours, of which some must be.
        outside: hours, of which none may be.
        if_open: states of other rules, all of which must be open.
        unless_open: states of other rules, none of which may be open.
    """

    during: tuple[Hours, ...] = ()
    outside: tuple[Hours, ...] = ()
    if_open: tuple[OpenOf, ...] = ()
    unless_open: tuple[OpenOf, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.during or self.outside or self.if_open or self.unless_open)


ALWAYS = Circumstances()
"""None."""
