"""Turn matches into incidents: a rule's condition over time came true for one key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from parsers.event import Event, FieldValue, lookup, printable
from rules.match import Fields, plain
from rules.open_states import OpenStates
from rules.rule import Rule
from rules.suppressed import Suppressed
from rules.when import MAX_KEYS, Absent, Count, Digest, Distinct, Every, Sequence, Settled, When
from rules.windows.absent import AbsentWindow
from rules.windows.apart import ApartWindow
from rules.windows.count import CountWindow
from rules.windows.digest import DigestWindow
from rules.windows.distinct import DistinctWindow
from rules.windows.every import EveryWindow
from rules.windows.sequence import SequenceWindow
from rules.windows.settled import SettledWindow
from rules.windows.window import MAX_VALUE, Completed, Key, Sighting, Taken, Window, remembered


class Match(NamedTuple):
    """An event, the rule that wants it, and the key the rule counts by.

    Attributes:
        fields: the event's fields and those that the rule's regular expressions found.
        trusted: its sender may start the rule's processes.
    """

    rule: Rule
    event: Event
    fields: Fields
    key: Key
    trusted: bool


@dataclass(frozen=True, slots=True)
class Incident:
    """The match that made a rule's condition true, and how many events it took.

    Attributes:
        due: when the state that it opens is to be undone, in seconds since 1970; None: when an event closes it.
        otherwise: the condition did not come true, and the rule's `else` is to be done.
        earlier: the fields of the events before, the newest first: the match has what it lacks from them.
        added: what the window has to say about all of them.
    """

    match: Match
    count: int
    due: float | None = None
    otherwise: bool = False
    earlier: tuple[Fields, ...] = ()
    added: Mapping[str, FieldValue] = field(default_factory=dict)


def key_of(fields: Fields, by: tuple[str, ...]) -> Key | None:
    """Return what the rule counts by, ready for JSON; None when the event lacks a field, and then it counts nowhere."""
    values = []
    for name in by:
        value = fields.get(name)
        if type(value) is not str or len(value) > MAX_VALUE or not value.isascii():
            value = lookup(fields, name)
            if value is None:
                return None
            value = remembered(printable(plain(value)))
        values.append(value)
    return tuple(values)


def window_of(when: When) -> Window:
    """Make the memory of a condition over time."""
    match when:
        case Count():
            return CountWindow(when)
        case Distinct():
            return DistinctWindow(when)
        case Every():
            return EveryWindow(when)
        case Sequence():
            return SequenceWindow(when)
        case Absent():
            return AbsentWindow(when)
        case Digest():
            return DigestWindow(when)
        case Settled():
            return SettledWindow(when)


class Correlation:
    """The state of one rule over time.

    Events of trusted and of other senders are counted apart: four forged datagrams and one true message must not
    make five. Only trusted ones open states.

    Attributes:
        window: None for a rule that acts at every match.
        states: None for a rule that opens none.
        suppressed: None for a rule that acts as often as it comes true.
    """

    def __init__(self, rule: Rule, max_keys: int | None = None) -> None:
        self.rule = rule
        when = rule.when if rule.when is None or max_keys is None else replace(rule.when, max_keys=max_keys)
        self.by = when.by if when else ()
        most = when.max_keys if when else max_keys or MAX_KEYS
        self.window: Window | None = ApartWindow(partial(window_of, when), len(self.by)) if when else None
        self.states = OpenStates(rule.undo, most) if rule.undo else None
        self.suppressed = Suppressed(most, len(rule.suppress.by)) if rule.suppress else None
        self.waits = isinstance(when, Absent | Digest | Settled)
        """The window may end by itself, and that is when the rule acts: an open state swallows nothing before."""
        self.swallows = not self.waits and (self.states is not None or self.suppressed is not None)
        """An event that comes may be a repeat."""

    def inherit(self, former: Correlation) -> None:
        """Go on where the rule was before a reload: its window where it counts the same, and all open states."""
        if _counted(former.rule) == _counted(self.rule):
            self.window, self.suppressed = former.window, former.suppressed
        if former.states is not None and self.states is not None and former.by == self.by:
            self.states.inherit(former.states)

    def repeats(self, key: Key, fields: Fields, now: float, *, trusted: bool) -> bool | None:
        """Tell whether an event that is a repeat of what its rule acted upon changes anything; None where it is none.

        For the arguments see `suppresses`.
        """
        if trusted and self.states is not None and key in self.states:
            return self.states.repeats(key, now)
        return False if self.suppresses(key, fields, now, trusted=trusted) else None

    def suppresses(self, key: Key, fields: Fields, now: float, *, trusted: bool) -> bool:
        """Tell whether the rule has acted for an event, or one like it, a short while ago.

        Args:
            key: the rule's, which need not be in the fields that hold the key of other events.
            fields: the event's.
            now: seconds since 1970.
            trusted: its sender may start the rule's processes.
        """
        if self.suppressed is None:
            return False
        held = self._suppressed_key(key, fields)
        return held is not None and self.suppressed.until(window_key(held, trusted), now) is not None

    def _suppressed_key(self, key: Key, fields: Fields) -> Key | None:
        by = self.rule.suppress.by if self.rule.suppress else ()
        return key if by == self.by else key_of(fields, by)

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """Take an event that is no repeat; `key` is the window's."""
        return Completed(1, now) if self.window is None else self.window.take(key, seen, now)

    def acts(self, match: Match, completed: Completed, now: float) -> Incident:
        """Return what a window that came true comes to, and take note that the rule acts."""
        suppress = self.rule.suppress
        if suppress is not None and self.suppressed is not None and not completed.otherwise:
            key = self._suppressed_key(match.key, match.fields)
            within = self.rule.when.within if self.rule.when else None
            until = completed.began + (within or 0.0) if suppress.seconds is None else now + suppress.seconds
            if key is not None and until > now:
                self.suppressed.begin(window_key(key, match.trusted), until, now)
        opens = self.states is not None and match.trusted and not completed.otherwise
        due = self.states.due_if_opened(match.key, now) if opens and self.states is not None else None
        return Incident(match, completed.count, due, completed.otherwise, added=completed.fields)

    def postpone(self, seconds: float) -> None:
        """Let time that nobody could watch not count for what must not come."""
        if self.window is not None:
            self.window.postpone(seconds)
        if self.states is not None:
            self.states.watch.postpone(seconds)

    def evicted(self) -> int:
        """Return how many keys had to go for others while they still counted."""
        return sum(one.evicted for one in (self.window, self.suppressed) if one is not None)

    def shift(self, seconds: float) -> None:
        """Move all times along with a wall clock that was set."""
        self.shift_counts(seconds)
        if self.states is not None:
            self.states.shift(seconds)

    def shift_counts(self, seconds: float) -> None:
        """Move the times of what was counted, but not those of open states that are the store's."""
        for one in (self.window, self.suppressed, self.states.watch if self.states else None):
            if one is not None:
                one.shift(seconds)


def window_key(key: Key, trusted: bool) -> Key:
    """Return the key under which a window counts."""
    return key if trusted else (*key, "untrusted")


def _counted(rule: Rule) -> tuple[object, ...]:
    """Return what decides a rule's counting: its conditions and window."""
    return rule.match, rule.unless, rule.when, rule.suppress, rule.circumstances
