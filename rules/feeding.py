"""Rules that feed themselves: whose emitted events they want again, at once or through others.

A rule never sees what it caused, so that such a circle stops (`own_events.MAX_ANCESTORS`); but it does not do either
what whoever wrote it meant. Only what is certain is told: an event that is emitted has the fields of the step, and no
others but those that nobody can foresee (the gateway's own).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping

from parsers.errors import OperatorError, Place
from parsers.fields import is_reserved
from rules.condition import AllOf, Exists, InList, Not
from rules.job import PLACEHOLDER
from rules.job import Part as RulePart
from rules.match import compile_condition
from rules.own_events import EMITTED
from rules.rule import Rule
from rules.step import Emit
from rules.ways import Part, Way, field_of, ways_to_fulfil
from rules.when import Every
from rules.when import Sequence as InOrder


class _Fed:
    """A rule as one that emits events and wants them."""

    def __init__(self, rule: Rule) -> None:
        steps = (step for part in RulePart for step in rule.steps(part))
        self.emits = [step for step in steps if isinstance(step, Emit)]
        self._ways = [[_certainty(part) for part in way] for way in _ways(rule)]

    def wants(self, step: Emit) -> bool:
        """Tell whether it certainly wants what a step emits."""
        return any(all(certain(step) for certain in way) for way in self._ways)


class Feeding:
    """Rules that close no circle, and what of each other's they want."""

    def __init__(self) -> None:
        self._seen: dict[str, _Fed] = {}
        self._feeds: dict[str, list[str]] = {}

    def wrong(self, rule: Rule, places: Mapping[str, Place]) -> OperatorError | None:
        """Return why a rule is off: with those seen so far it closes a circle. Any other is one of them from now on.

        Args:
            rule: looked at.
            places: where its steps stand, by their names.
        """
        fed = _Fed(rule)
        feeders = {name for name, other in self._seen.items() if any(map(fed.wants, other.emits))}
        feeds: list[str] = []
        for step in fed.emits:
            wanting = [name for name, other in self._seen.items() if other.wants(step)]
            between = [] if fed.wants(step) else self._way(wanting, feeders)
            if between is not None:
                circle = " → ".join((rule.name, *between, rule.name))
                problem = f"these rules feed each other: {circle}" if between else _FEEDS_ITSELF
                return OperatorError(f"{problem}; {_ADVICE}", places.get(step.name, rule.place))
            feeds += wanting
        self._seen[rule.name] = fed
        self._feeds[rule.name] = feeds
        for name in feeders:
            self._feeds[name].append(rule.name)
        return None

    def _way(self, begin: Iterable[str], ends: Collection[str]) -> list[str] | None:
        """Return the rules on the shortest way from one of these to one of those, with both; None: there is none."""
        before: dict[str, str | None] = dict.fromkeys(begin)
        rest = deque(before)
        while rest and ends:
            name = rest.popleft()
            if name in ends:
                way = [name]
                while (former := before[way[0]]) is not None:
                    way.insert(0, former)
                return way
            for fed in self._feeds[name]:
                if fed not in before:
                    before[fed] = name
                    rest.append(fed)
        return None


_FEEDS_ITSELF = "the rule matches the very event that it emits here"
_ADVICE = (
    "a rule never sees what it caused, so that this leads nowhere: give the event another event.action, or write "
    '"unless: {event.dataset: emit}"'
)


def _ways(rule: Rule) -> list[Way]:
    """Return the ways to be an event that the rule wants; none where it waits for several different ones."""
    if isinstance(rule.when, Every | InOrder):
        return []
    wanted = rule.match if rule.unless is None else AllOf((rule.match, Not(rule.unless)))
    return ways_to_fulfil(wanted) or []


def _certainty(part: Part) -> Callable[[Emit], bool]:
    """Make the function that tells whether every event that a step emits fulfils a condition."""
    name, test = field_of(part), compile_condition(part)
    listed = isinstance(part.condition if isinstance(part, Not) else part, InList)

    def certain(step: Emit) -> bool:
        value = EMITTED if name == "event.dataset" else step.fields.get(name)
        if listed:
            return False  # what the list holds may change
        if isinstance(value, str) and PLACEHOLDER.search(value):
            return part == Exists(name, expected=True) and not PLACEHOLDER.fullmatch(value)  # that may be absent
        if value is None and (is_reserved(name) or name == "rule.name"):
            return False
        return test({} if value is None else {name: value})

    return certain
