"""The ways to fulfil a condition, and which conditions exclude or follow from each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from parsers.event import FieldValue
from parsers.fields import INTEGERS
from rules.condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Equals,
    Exists,
    InList,
    InNetworks,
    Not,
    OneOf,
    Single,
)
from rules.match import Test, compile_condition

MAX_WAYS = 200
"""Ways to fulfil one rule that are looked at; a rule with more counts as one that can fire."""

Part = Single | Not
"""A condition that joins no others; the inner one of a Not is a leaf."""
Way = tuple[Part, ...]


def field_of(part: Part) -> str:
    """Return the field that a condition asks for."""
    leaf = part.condition if isinstance(part, Not) else part
    assert not isinstance(leaf, AllOf | AnyOf | Not)  # noqa: S101 -- `ways_to_fulfil` took those apart
    return leaf.field


def ways_to_fulfil(condition: Condition) -> list[Way] | None:
    """Return every way to fulfil a condition as conditions that must all hold; None when they are too many."""
    match condition:
        case AllOf(conditions):
            return _all_ways(conditions)
        case AnyOf(conditions):
            return _any_way(conditions)
        case Not(AllOf(conditions)):
            return _any_way([Not(part) for part in conditions])
        case Not(AnyOf(conditions)):
            return _all_ways([Not(part) for part in conditions])
        case Not(Not(inner)):
            return ways_to_fulfil(inner)
        case _:
            return [(condition,)]


def _any_way(conditions: Iterable[Condition]) -> list[Way] | None:
    ways: list[Way] = []
    for part in conditions:
        more = ways_to_fulfil(part)
        if more is None or len(ways) + len(more) > MAX_WAYS:
            return None
        ways.extend(more)
    return ways


def _all_ways(conditions: Iterable[Condition]) -> list[Way] | None:
    ways: list[Way] = [()]
    for part in conditions:
        more = ways_to_fulfil(part)
        if more is None or len(ways) * len(more) > MAX_WAYS:
            return None
        ways = [tuple(dict.fromkeys(one + other)) for one, other in product(ways, more)]
    return ways


def exclude(one: Part, other: Part) -> bool:
    """Tell whether two conditions can never both hold for one value of a field."""
    if field_of(one) != field_of(other):
        return False
    if (isinstance(one, Not) and one.condition == other) or (isinstance(other, Not) and other.condition == one):
        return True
    for first, second in ((one, other), (other, one)):
        match first:
            case Exists(_, False):
                return not isinstance(second, Not) and second != first
            case Equals() | OneOf() if not _changes(second):
                test = compile_condition(second)
                return not any(test({first.field: value}) for value in values_of(first))
    match one, other:
        case Compare(), Compare():
            return _bounds_exclude(one, other)
        case InNetworks(_, networks), InNetworks(_, others):
            return not any(a.version == b.version and a.overlaps(b) for a in networks for b in others)
    return False


def values_of(condition: Equals | OneOf) -> Sequence[FieldValue]:
    """Return the values that fulfil a condition."""
    return condition.values if isinstance(condition, OneOf) else (condition.value,)


def _bounds_exclude(one: Compare, other: Compare) -> bool:
    low, high = (one, other) if one.operator in ("gt", "ge") else (other, one)
    if low.operator not in ("gt", "ge") or high.operator not in ("lt", "le"):
        return False
    if low.number == high.number:
        return low.operator == "gt" or high.operator == "lt"
    if low.number > high.number:
        return True
    # between 4 and 5 there is no whole number
    return low.field in INTEGERS and low.operator == "gt" and high.operator == "lt" and high.number - low.number <= 1


def follows(condition: Condition, way: Way) -> bool:
    """Tell whether a condition holds for every event that fulfils this way."""
    match condition:
        case AllOf(conditions):
            return all(follows(part, way) for part in conditions)
        case AnyOf(conditions):
            return any(follows(part, way) for part in conditions)
        case Not(inner):
            return condition in way or (isinstance(inner, Not) and follows(inner.condition, way))
        case _:
            return condition in way or any(_implies(part, condition) for part in way)


def _changes(part: Part) -> bool:
    """Tell whether what fulfils a condition may change while the rule runs."""
    return isinstance(part.condition if isinstance(part, Not) else part, InList)


def may_test(part: Part) -> Test:
    """Make the function that tells whether a condition may hold, today or tomorrow."""
    if not _changes(part):
        return compile_condition(part)
    return lambda fields: field_of(part) in fields or isinstance(part, Not)


def _implies(part: Part, condition: Single) -> bool:
    if field_of(part) != condition.field or isinstance(part, Not):
        return False
    if isinstance(condition, Exists):
        return condition.expected and not isinstance(part, Exists)
    if isinstance(part, Equals | OneOf) and not _changes(condition):
        test = compile_condition(condition)
        return bool(values_of(part)) and all(test({condition.field: value}) for value in values_of(part))
    return False
