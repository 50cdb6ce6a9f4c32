"""Turn matches into incidents: a rule's condition over time came true for one key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from parsers.event import Event, lookup, printable
from rules.match import Fields, plain
from rules.open_states import OpenStates
from rules.rule import Rule
from rules.window import MAX_KEYS, CountWindow, Key


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
    """

    match: Match
    count: int
    due: float | None = None


def key_of(fields: Fields, by: tuple[str, ...]) -> Key | None:
    """Return what the rule counts by, ready for JSON; None when the event lacks a field, and then it counts nowhere."""
    values = []
    for name in by:
        value = fields.get(name)
        if type(value) is not str or not value.isascii():
            value = lookup(fields, name)
            if value is None:
                return None
            value = printable(plain(value))
        values.append(value)
    return tuple(values)


class Correlation:
    """The state of one rule over time.

    Events of trusted and of other senders are counted apart: four forged datagrams and one true message must not
    make five. Only trusted ones open states.
    """

    def __init__(self, rule: Rule, max_keys: int = MAX_KEYS) -> None:
        self.rule = rule
        when = rule.when
        self.by = when.by if when else ()
        self._count = when.count if when else 1
        self.window = CountWindow(when.count, when.within, max_keys) if when else None
        self.states = OpenStates(rule.undo, max_keys) if rule.undo else None

    def swallows(self, key: Key) -> bool:
        """Tell whether the state of the key is open, so that what trusted senders say of it is a repeat."""
        return self.states is not None and key in self.states

    def completes(self, key: Key, now: float, *, trusted: bool) -> bool:
        """Count one match that is no repeat; tell whether it was the one that was missing."""
        return self.window is None or self.window.add(window_key(key, trusted), now)

    def incident(self, match: Match, now: float) -> Incident:
        """Return what a match that completed the count comes to."""
        due = self.states.next_due(match.key, now) if self.states is not None and match.trusted else None
        return Incident(match, self._count, due)

    def shift(self, seconds: float) -> None:
        """Move all times along with a wall clock that was set."""
        if self.window is not None:
            self.window.shift(seconds)
        if self.states is not None:
            self.states.shift(seconds)


def window_key(key: Key, trusted: bool) -> Key:
    """Return the key under which a window counts."""
    return key if trusted else (*key, "untrusted")
