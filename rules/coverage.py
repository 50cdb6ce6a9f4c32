"""What of a rule its tests reach: conditions that were true and false, windows that were full and not, steps done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from parsers.event import FieldValue
from rules.condition import AllOf, AnyOf, Condition, Exists, Not
from rules.job import Part
from rules.look import conditions_of
from rules.match import Fields, Test, holds, wants
from rules.own_events import ANCESTORS, asks_for_own, is_own
from rules.rule import Rule
from rules.trial import Seen
from rules.when import Digest, Sequence, stages_of
from rules.words import words

_EVERYWHERE = frozenset({"message", "event.dataset", "gateway.trust"})
"""Fields that every event has, so that no test can show one without."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a test can reach.

    Attributes:
        what: where in the rule it stands, and what it is.
        lacks: what no test shows of it, if it is not reached.
    """

    what: str
    lacks: str
    reached: bool

    def __str__(self) -> str:
        """Render what is missing."""
        return f"{self.what}: {self.lacks}"


@dataclass(slots=True)
class _Leaf:
    """One condition that joins no others."""

    what: str
    condition: Condition
    holds: Test
    true: bool = False
    false: bool = False

    @property
    def can_fail(self) -> bool:
        """Whether there are events for which it does not hold."""
        return not (isinstance(self.condition, Exists) and self.condition.field in _EVERYWHERE)

    def look(self, fields: Fields) -> None:
        """Take note of what it makes of an event."""
        if self.holds(dict(fields)):
            self.true = True
        else:
            self.false = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """A condition and what must not hold beside it, with the fields that the former finds."""

    match: Condition
    leaves: tuple[_Leaf, ...]
    unless: tuple[_Leaf, ...]

    def look(self, fields: Fields) -> bool:
        """Take note of what the conditions make of an event; tell whether it is wanted so far."""
        found = wants(self.match, None)(fields)
        for leaf in self.leaves:
            leaf.look(fields if found is None else found)
        if found is None:
            return False
        for leaf in self.unless:
            leaf.look(found)
        return True


class Coverage:
    """Takes note of what the tests of one rule reach.

    Whether an exception (`unless`) holds matters only for events that `match` wants, so it is looked at only there.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._wants = wants(rule.match, rule.unless)
        self._sees_own = any(asks_for_own(match) for match, _ in conditions_of(rule))
        self._asked = list(_asked_of(rule))
        self._steps = [step.name for part in Part for step in rule.steps(part)]
        self._reached: set[str] = set()
        self._wanted = False
        self._completed = False
        self._incomplete = False

    def shown(self, fields: Mapping[str, FieldValue]) -> None:
        """Take note of an event that a test sends, whatever the sieve makes of it, or that other rules cause."""
        former = fields.get(ANCESTORS)
        if (is_own(fields) and not self._sees_own) or (isinstance(former, list) and self.rule.name in former):
            return
        for asked in self._asked:
            asked.look(dict(fields))
        self._wanted |= self._wants(dict(fields)) is not None

    def looked(self, seen: Seen) -> None:
        """Take note of what the rule came to up to an expectation of its test, or up to the test's end."""
        self._reached |= seen.done.steps
        came = bool(seen.came(Part.DO))
        self._completed |= came
        self._incomplete |= self._wanted and not came
        self._wanted = False

    def items(self) -> tuple[Item, ...]:
        """Return all that a test can reach, in the order of the rule."""
        return tuple(self._items())

    def _items(self) -> Iterator[Item]:
        for asked in self._asked:
            for leaf in (*asked.leaves, *asked.unless):
                yield Item(leaf.what, "never true", leaf.true)
                if leaf.can_fail:
                    yield Item(leaf.what, "never false", leaf.false)
        if self.rule.when is not None:
            yield Item("when", "never came true", self._completed)
            yield Item("when", "never stopped short of it", self._incomplete)
        elif not self._steps:
            yield Item("the rule", "never came true", self._completed)
        for name in self._steps:
            yield Item(name.removeprefix(f"{self.rule.name}/"), "never done", name in self._reached)


def _asked_of(rule: Rule) -> Iterator[_Asked]:
    yield _asked("match", rule.match, rule.unless)
    when = rule.when
    for number, stage in enumerate(stages_of(when), 1):
        breaks = isinstance(when, Sequence) and number > len(when.stages)
        name = "when.unless" if breaks else f"when {number}" if len(stages_of(when)) > 1 else "when"
        yield _asked(name, stage.match, stage.unless)
    if isinstance(when, Digest):
        for section in when.sections:
            yield _asked(f"section {section.title}", section.match, None)
    if rule.undo is not None and rule.undo.match is not None:
        yield _asked("undo", rule.undo.match, rule.undo.unless)


def _asked(name: str, match: Condition, unless: Condition | None) -> _Asked:
    exceptions = () if unless is None else tuple(_leaves(f"{name} unless" if name != "match" else "unless", unless))
    return _Asked(match, tuple(_leaves(name, match)), exceptions)


def _leaves(name: str, condition: Condition) -> Iterator[_Leaf]:
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            for part in conditions:
                yield from _leaves(name, part)
        case Not(inner):
            yield from _leaves(name, inner)
        case _:
            yield _Leaf(f"{name}: {words(condition)}", condition, holds(condition))
