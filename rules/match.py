"""Match an event against a rule's conditions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from parsers.event import FieldValue, lookup
from parsers.fields import field_of_group, is_reserved
from rules.condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Contains,
    Equals,
    Exists,
    Glob,
    InNetworks,
    Matches,
    Network,
    Not,
    OneOf,
    Scalar,
)

MAX_ADDRESSES = 4096
"""Addresses whose networks one condition remembers: looking one up costs 2 microseconds for each network."""

MAX_ADDRESS = 45
"""Characters of the longest text form of an address (RFC 4291, section 2.2); longer text is none and not remembered."""

_SINGLE = (str, int, float)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
}

Fields = dict[str, FieldValue]
Test = Callable[[Fields], bool]
"""Tells whether a condition holds; adds the fields that a regular expression's named groups found."""


def compile_condition(condition: Condition) -> Test:
    """Make the function that tests the fields of one event."""
    match condition:
        case AllOf(conditions):
            tests = tuple(map(compile_condition, _in_order(conditions)))
            return tests[0] if len(tests) == 1 else _all(tests)
        case AnyOf(conditions):
            tests = tuple(map(_alternative, conditions))
            return lambda fields: any(test(fields) for test in tests)
        case Not(inner):
            test = _looking_only(inner)
            return lambda fields: not test(fields)
        case Exists(name, expected):
            return lambda fields: (lookup(fields, name) is not None) is expected
        case Matches(name, pattern):
            return _finds(name, pattern)
        case Equals(name, value):
            return _equals(name, plain(value))
        case _:
            return _on_values(condition.field, value_test(condition))


def found_fields(condition: Condition) -> frozenset[str]:
    """Return the fields that the condition's regular expressions may add to an event."""
    match condition:
        case Matches(_, pattern):
            return frozenset(name for name in map(field_of_group, pattern.groupindex) if not is_reserved(name))
        case AnyOf(conditions) | AllOf(conditions):
            return frozenset[str]().union(*map(found_fields, conditions))
        case _:
            return frozenset()


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
    return sorted(conditions, key=lambda condition: asked.isdisjoint(found_fields(condition)))


def _all(tests: tuple[Test, ...]) -> Test:
    def holds(fields: Fields) -> bool:
        for test in tests:  # noqa: SIM110 -- a generator would cost as much as the tests
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


def _equals(name: str, wanted: str) -> Test:
    """Test the commonest condition without a detour when the value is text."""
    otherwise = _on_values(name, lambda found: plain(found) == wanted)

    def holds(fields: Fields) -> bool:
        value = fields.get(name)
        return value == wanted if isinstance(value, str) else otherwise(fields)

    return holds


def _on_values(name: str, test: Callable[[FieldValue], bool]) -> Test:
    def holds(fields: Fields) -> bool:
        value = fields.get(name)
        return test(value) if isinstance(value, str) else one_passes(test, lookup(fields, name))

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
            return _in_networks(networks)
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
        if isinstance(found, str):
            return _NUMBER(found) is not None and compares(float(found), number)
        return isinstance(found, int | float) and not isinstance(found, bool) and compares(found, number)

    return holds


def _in_networks(networks: tuple[Network, ...]) -> Callable[[FieldValue], bool]:
    @lru_cache(MAX_ADDRESSES)
    def within(text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        addresses = [address]
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            addresses.append(address.ipv4_mapped)
        return any(one in network for network in networks for one in addresses if one.version == network.version)

    def holds(found: FieldValue) -> bool:
        address, _, _ = plain(found).partition("%")
        return len(address) <= MAX_ADDRESS and within(address)

    return holds


def _finds(name: str, pattern: re.Pattern[str]) -> Test:
    filled = ((group, field_of_group(group)) for group in pattern.groupindex)
    groups = tuple((group, field) for group, field in filled if not is_reserved(field))
    search = pattern.search

    def holds(fields: Fields) -> bool:
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


def wants(match: Condition, unless: Condition | None) -> Callable[[Fields], Fields | None]:
    """Make the function that returns the fields of an event that a rule wants, None when it does not.

    What the rule's regular expressions find is added to a copy: one rule's fields are not another's.
    """
    finds = bool(found_fields(match))
    wanted = compile_condition(match)
    unwanted = None if unless is None else _looking_only(unless)

    def test(event_fields: Fields) -> Fields | None:
        fields = dict(event_fields) if finds else event_fields
        if not wanted(fields) or (unwanted is not None and unwanted(fields)):
            return None
        return fields

    return test
