"""Turn matches into incidents: a rule's condition over time came true for one key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from parsers.event import Event, FieldValue, lookup
from rules.match import plain
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
    fields: dict[str, FieldValue]
    key: Key
    trusted: bool


@dataclass(frozen=True, slots=True)
class Incident:
    """The match that made a rule's condition true, and how many events it took."""

    match: Match
    count: int


def key_of(fields: dict[str, FieldValue], by: tuple[str, ...]) -> Key | None:
    """Return what the rule counts by; None when the event lacks one of the fields, and then it counts nowhere."""
    values = []
    for name in by:
        value = lookup(fields, name)
        if value is None:
            return None
        values.append(plain(value))
    return tuple(values)


class Correlation:
    """The state of one rule over time.

    Events of trusted and of other senders are counted apart: four forged datagrams and one true message must not
    make five.
    """

    def __init__(self, rule: Rule, max_keys: int = MAX_KEYS) -> None:
        self.rule = rule
        when = rule.when
        self.by = when.by if when else ()
        self._count = when.count if when else 1
        self.window = CountWindow(when.count, when.within, max_keys) if when else None

    def feed(self, match: Match, now: float) -> Incident | None:
        """Count one match; return the incident when it was the one that was missing."""
        if self.window is not None and not self.window.add(window_key(match.key, match.trusted), now):
            return None
        return Incident(match, self._count)


def window_key(key: Key, trusted: bool) -> Key:
    """Return the key under which a window counts."""
    return key if trusted else (*key, "untrusted")
