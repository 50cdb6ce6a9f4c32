"""How one rule looks at an event: which of its stages it fulfils, for which key, and whether it may act now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from parsers.message import Trust
from rules.condition import AllOf, AnyOf, Condition, Exists, Matches, Parses, Single, loosened
from rules.correlate import Correlation, key_of
from rules.found import Found
from rules.match import Fields, Test, any_of, compile_condition, found_fields, wants
from rules.plan import trusts
from rules.rule import Rule
from rules.searching import TooSlowError
from rules.when import Absent, Every, OpenOf, Stage
from rules.when import Sequence as InOrder
from rules.windows.window import Key

Wants = Callable[[Fields], Fields | None]
Narrowed = Callable[[Condition], Condition | None]
"""Returns what of a condition concerns the kind of event in question; None where nothing does."""
TellStopped = Callable[[str, TooSlowError], object]
"""Takes note of a rule, by its name, that did not see an event because a search took too long."""


class Seen(NamedTuple):
    """What a rule sees in an event: the stages that it fulfils for one key."""

    key: Key
    fields: Fields
    stages: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Look:
    """How one rule looks at events of one kind.

    Attributes:
        stages: what it looks for, each with the fields of the key; None where no event of the kind is it.
        closes: what closes its open states; None where no event of the kind does.
        trusts: the values of `gateway.trust` that may start its processes.
        bound: it sees events in certain circumstances only.
        may: tells of most events without a search that the rule does not look for them.
        asked: conditions of which one holds for each event of the kind that the rule looks for.
        free: the stages that it sees in all circumstances: they end what has begun.
    """

    correlation: Correlation
    stages: tuple[tuple[Wants | None, tuple[str, ...]], ...]
    closes: Wants | None
    trusts: frozenset[object]
    bound: bool
    may: Test
    asked: tuple[Condition, ...]
    free: frozenset[int] = frozenset()

    def asks_for(self, fields: Fields) -> bool:
        """Tell whether the rule wants the event, or closes a state at it."""
        tests = (*(test for test, _ in self.stages), self.closes)
        return any(test is not None and test(fields) is not None for test in tests)

    def sees(self, fields: Fields) -> Iterable[Seen]:
        """Return for each key the stages that an event fulfils."""
        if len(self.stages) == 1:
            test, by = self.stages[0]
            if test is None or (found := test(fields)) is None or (key := key_of(found, by)) is None:
                return ()
            return (Seen(key, found),)
        together: dict[Key, Seen] = {}
        stage = -1
        for test, by in self.stages:
            stage += 1
            if test is None or (found := test(fields)) is None or (key := key_of(found, by)) is None:
                continue
            former = together.get(key)
            if former is None:
                together[key] = Seen(key, found, (stage,))
            else:
                together[key] = Seen(key, {**found, **former.fields}, (*former.stages, stage))
        return together.values()

    def found_in(self, fields: Fields, stage: int) -> Fields:
        """Return the fields of an event that fulfilled a stage, with what its regular expressions find."""
        test, _ = self.stages[stage]
        return (None if test is None else test(fields)) or fields


def looks(
    correlations: Sequence[Correlation],
    least_trust: Trust,
    narrowed: Narrowed | None = None,
    stopped: TellStopped | None = None,
) -> Mapping[int, Look]:
    """Make the looks of those rules that look for events of a kind at all, by the rules' indexes."""
    made = ((index, _look(one, least_trust, narrowed, stopped)) for index, one in enumerate(correlations))
    return {index: look for index, look in made if look.closes or any(test for test, _ in look.stages)}


def conditions_of(rule: Rule) -> Iterator[tuple[Condition, Condition | None]]:
    """Yield what each event must be, and must not be, that the rule looks for: its stages, and what closes its states.

    The first are its stages, in the order of the windows' indexes.
    """
    when = rule.when
    match when:
        case Every(stages) | InOrder(stages):
            for stage in stages:
                yield _both(rule.match, stage.match), _either(rule.unless, stage.unless)
            if isinstance(when, InOrder) and when.unless:
                yield when.unless.match, when.unless.unless
        case Absent(Stage() as stage):
            yield rule.match, rule.unless
            yield stage.match, stage.unless
        case _:
            yield rule.match, rule.unless
    if rule.undo is not None and rule.undo.match is not None:
        yield rule.undo.match, rule.undo.unless


def _look(correlation: Correlation, least_trust: Trust, narrowed: Narrowed | None, stopped: TellStopped | None) -> Look:
    rule = correlation.rule
    told = None if stopped is None else partial(stopped, rule.name)

    asked = [(match if narrowed is None else narrowed(match), unless) for match, unless in conditions_of(rule)]
    tests = [None if match is None else wants(match, unless, told) for match, unless in asked]
    matches = tuple(match for match, _ in asked if match is not None)
    closes = tests.pop() if rule.undo is not None and rule.undo.match is not None else None
    by = [correlation.by for _ in tests]
    free: frozenset[int] = frozenset()
    match rule.when:
        case Every(stages) | InOrder(stages):
            by = [stage.by or correlation.by for stage in stages]
            if isinstance(rule.when, InOrder) and rule.when.unless:
                by.append(rule.when.unless.by or correlation.by)
                free = frozenset({len(stages)})
        case Absent(Stage(by=other)):
            by = [correlation.by, other or correlation.by]
            free = frozenset({1})
    together = tuple(zip(tests, by, strict=True))
    return Look(
        correlation, together, closes, trusts(rule, least_trust), bool(rule.circumstances), _may(matches), matches, free
    )


def _may(asked: Sequence[Condition]) -> Test:
    """Make a test that holds at least where one of some conditions does."""
    tests = tuple(compile_condition(_without_searches(one)) for one in asked)
    return tests[0] if len(tests) == 1 else any_of(tests)


def _without_searches(condition: Condition) -> Condition:
    """Return what must hold for a condition to hold, without searches and without the fields that they may add."""

    def kept(one: Single, found: Found) -> Condition:
        if one.field in found:
            return AllOf(())
        return Exists(one.field, True) if isinstance(one, Matches | Parses) else one

    return loosened(condition, partial(kept, found=found_fields(condition)))


def _both(one: Condition, other: Condition) -> Condition:
    return other if one == AllOf(()) else AllOf((one, other))


def _either(one: Condition | None, other: Condition | None) -> Condition | None:
    given = tuple(condition for condition in (one, other) if condition is not None)
    return AnyOf(given) if len(given) > 1 else given[0] if given else None


def is_open(asked: OpenOf, fields: Fields, other: Correlation | None) -> bool:
    """Tell whether another rule has a state open for the key that an event has."""
    if other is None or other.states is None:
        return False
    key = key_of(fields, other.by if asked.by is None else asked.by)
    return key is not None and key in other.states
