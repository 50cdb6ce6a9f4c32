"""Match an event against a rule's conditions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from functools import reduce
from itertools import takewhile
from operator import or_

from parsers.event import FieldValue, lookup
from parsers.fields import field_of_group, is_reserved
from parsers.lowering import CompiledGrammar
from rules.condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Contains,
    Equals,
    Exists,
    Glob,
    InList,
    InNetworks,
    Matches,
    Not,
    OneOf,
    Parses,
    Scalar,
)
from rules.found import Found, grammar_fields
from rules.lists import NetworkSet
from rules.searching import TooSlowError, searching

_SINGLE = (str, int, float)
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}").fullmatch
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
}

Fields = dict[str, FieldValue]
Test = Callable[[Fields], bool]
"""Tells whether a condition holds; adds the fields that a regular expression or a grammar found.

Raises:
    TooSlowError: a search had to be stopped, so it is not known.
"""


def compile_condition(condition: Condition) -> Test:
    """Make the function that tests the fields of one event."""
    match condition:
        case AllOf(conditions):
            return _all(_in_order(conditions))
        case AnyOf(conditions):
            return any_of(tuple(map(_alternative, conditions)))
        case Not(inner):
            test = _looking_only(inner)
            return lambda fields: not test(fields)
        case Exists(name, expected):
            return _exists(name, expected)
        case Matches(name, pattern):
            return _finds(name, pattern)
        case Parses(name, grammar, compiled):
            if compiled is None:
                raise ValueError(f"the grammar {grammar} was loaded by name only")
            return _parses(name, compiled)
        case InList(name, listed):
            return _on_values(name, lambda found: listed.holds(plain(found)))
        case Equals(name, value):
            return _is_one_of(name, (plain(value),))
        case OneOf(name, values):
            return _is_one_of(name, tuple(map(plain, values)))
        case Contains(name, text):
            return _contains(name, text)
        case _:
            return _on_values(condition.field, value_test(condition))


def found_fields(condition: Condition) -> Found:
    """Return the fields that the condition's regular expressions and grammars may add to an event."""
    match condition:
        case Matches(_, pattern):
            return Found(frozenset(name for name in map(field_of_group, pattern.groupindex) if not is_reserved(name)))
        case Parses(_, _, compiled):
            return Found(every=True) if compiled is None else grammar_fields(compiled)
        case AnyOf(conditions) | AllOf(conditions):
            return reduce(or_, map(found_fields, conditions), Found())
        case _:
            return Found()


def _asked_fields(condition: Condition) -> frozenset[str]:
    match condition:
        case AnyOf(conditions) | AllOf(conditions):
            return frozenset[str]().union(*map(_asked_fields, conditions))
        case Not(inner):
            return _asked_fields(inner)
        case _:
            return frozenset({condition.field})


def _in_order(conditions: Sequence[Condition]) -> list[Condition]:
    """Put what finds a field before what asks for it: the keys of a YAML mapping have no order."""
    asked = frozenset[str]().union(*map(_asked_fields, conditions))
    return sorted(conditions, key=lambda condition: not found_fields(condition).meets(asked))


def _all(conditions: Sequence[Condition]) -> Test:
    """Test several; those in front that want a field to be some text, as most do, without a detour."""
    first = [one for one in takewhile(lambda one: isinstance(one, Equals), conditions) if isinstance(one, Equals)]
    equal = tuple((one.field, plain(one.value), compile_condition(one)) for one in first)
    others = tuple(map(compile_condition, conditions[len(first) :]))
    if len(conditions) == 1:
        return compile_condition(conditions[0])

    def holds(fields: Fields) -> bool:
        for name, wanted, otherwise in equal:
            value = fields.get(name)
            if value != wanted and (isinstance(value, str) or not otherwise(fields)):
                return False
        for test in others:  # noqa: SIM110 -- a generator would cost as much as the tests
            if not test(fields):
                return False
        return True

    return holds


def _alternative(condition: Condition) -> Test:
    """Make the test of one of several conditions: the fields found by one that then fails are not kept."""
    test = compile_condition(condition)
    if not (isinstance(condition, AllOf) and found_fields(condition)):
        return test

    def holds(fields: Fields) -> bool:
        found = dict(fields)
        if not test(found):
            return False
        fields.update(found)
        return True

    return holds


def _looking_only(condition: Condition) -> Test:
    """Make a test that leaves the fields as they are: what must not hold adds none."""
    test = compile_condition(condition)
    return (lambda fields: test(dict(fields))) if found_fields(condition) else test


def any_of(tests: Sequence[Test]) -> Test:
    """Make the test that at least one of several holds."""

    def holds(fields: Fields) -> bool:
        for test in tests:  # noqa: SIM110 -- a generator would cost as much as the tests
            if test(fields):
                return True
        return False

    return holds


def _exists(name: str, expected: bool) -> Test:
    def holds(fields: Fields) -> bool:
        there = fields.get(name) is not None or lookup(fields, name) is not None
        return there is expected

    return holds


def _is_one_of(name: str, texts: Sequence[str]) -> Test:
    """Test the commonest conditions without a detour when the value is text or a whole number."""
    wanted = frozenset(texts)
    exact = wanted | {int(text) for text in texts if _WHOLE(text)}
    otherwise = _on_values(name, lambda found: plain(found) in wanted)

    def holds(fields: Fields) -> bool:
        value = fields.get(name)
        kind = type(value)  # a truth value is an `int` as well, and equals a number
        return value in exact if kind is str or kind is int else otherwise(fields)

    return holds


def _contains(name: str, text: str) -> Test:
    """Test for a text likewise: such a condition is asked about every message."""
    otherwise = _on_values(name, lambda found: text in plain(found))

    def holds(fields: Fields) -> bool:
        value = fields.get(name)
        return text in value if isinstance(value, str) else otherwise(fields)

    return holds


def _on_values(name: str, test: Callable[[FieldValue], bool]) -> Test:
    def holds(fields: Fields) -> bool:
        value = fields.get(name)
        return test(value) if isinstance(value, _SINGLE) else one_passes(test, lookup(fields, name))

    return holds


def one_passes(test: Callable[[FieldValue], bool], value: FieldValue) -> bool:
    """Test a field: of a list one value is enough, as everywhere in ECS; a table, or a list in a list, is no value."""
    if isinstance(value, list):
        return any(isinstance(item, _SINGLE) and test(item) for item in value)
    return isinstance(value, _SINGLE) and test(value)


def value_test(
    condition: Equals | OneOf | InNetworks | Glob | Contains | Compare,
) -> Callable[[FieldValue], bool]:
    """Make the function that tests one value, which is not None."""
    match condition:
        case Equals(_, value):
            wanted = plain(value)
            return lambda found: plain(found) == wanted
        case OneOf(_, values):
            any_of = frozenset(map(plain, values))
            return lambda found: plain(found) in any_of
        case Contains(_, text):
            return lambda found: text in plain(found)
        case Glob(_, pattern):
            full = re.compile(translate(pattern)).match
            return lambda found: full(plain(found)) is not None
        case InNetworks(_, networks):
            return _in_networks(NetworkSet(networks))
        case Compare(_, comparison, number):
            return _comparison(_COMPARISONS[comparison], number)


def plain(value: FieldValue | Scalar) -> str:
    """Return a value's text: `22` and 22 are the same, as are `true` and true."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _comparison(compares: Callable[[float, float], bool], number: float) -> Callable[[FieldValue], bool]:
    def holds(found: FieldValue) -> bool:
        if type(found) is int:
            return compares(found, number)
        if isinstance(found, str):
            return _NUMBER(found) is not None and compares(float(found), number)
        return isinstance(found, int | float) and not isinstance(found, bool) and compares(found, number)

    return holds


def _in_networks(networks: NetworkSet) -> Callable[[FieldValue], bool]:
    return lambda found: networks.covers(plain(found))


def _finds(name: str, pattern: re.Pattern[str]) -> Test:
    filled = ((group, field_of_group(group)) for group in pattern.groupindex)
    groups = tuple((group, field) for group, field in filled if not is_reserved(field))
    search = searching(pattern)

    def holds(fields: Fields) -> bool:
        value = fields.get(name)
        if value is None:
            value = lookup(fields, name)
        for item in value if isinstance(value, list) else (value,):
            found = search(plain(item)) if isinstance(item, _SINGLE) else None
            if found is not None:
                for group, field in groups:
                    text = found[group]
                    if text is not None:
                        fields.setdefault(field, text)
                return True
        return False

    return holds


def _parses(name: str, grammar: CompiledGrammar) -> Test:
    parse = grammar.parse

    def holds(fields: Fields) -> bool:
        value = lookup(fields, name)
        for item in value if isinstance(value, list) else (value,):
            answer = parse(plain(item)) if isinstance(item, _SINGLE) else None
            if answer is not None:
                for field, found in answer[1].items():
                    if not is_reserved(field):
                        fields.setdefault(field, found)
                return True
        return False

    return holds


def holds(condition: Condition) -> Test:
    """Make the test for whoever only looks: of a search that had to be stopped it says that nothing was found."""
    test = compile_condition(condition)

    def found(fields: Fields) -> bool:
        try:
            return test(fields)
        except TooSlowError:
            return False

    return found


def wants(
    match: Condition, unless: Condition | None, stopped: Callable[[TooSlowError], object] | None = None
) -> Callable[[Fields], Fields | None]:
    """Make the function that returns the fields of an event that a rule wants, None when it does not.

    What the rule's regular expressions and grammars find is added to a copy: one rule's fields are not another's.

    When a search has to be stopped, what it would have found is not known, so the event is not wanted, whether the
    search was in `match` or in `unless`: nobody starts a process by making a search slow. `stopped` is told.
    """
    finds = bool(found_fields(match))
    wanted = compile_condition(match)
    unwanted = None if unless is None else _looking_only(unless)

    def test(event_fields: Fields) -> Fields | None:
        fields = dict(event_fields) if finds else event_fields
        try:
            if not wanted(fields) or (unwanted is not None and unwanted(fields)):
                return None
        except TooSlowError as error:
            if stopped is not None:
                stopped(error)
            return None
        return fields

    return test
