"""Match an event against a rule's conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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

Fields = dict[str, FieldValue]
Test = Callable[[Fields], bool]
"""Tells whether a condition holds; adds the fields that a regular expression's named groups found."""


def compile_condition(condition: Condition) -> Test:
    """Make the function that tests the fields of one event."""
    match condition:
        case AllOf(conditions):
            tests = tuple(map(compile_condition, conditions))
            if len(tests) == 1:
                return tests[0]
            return _all(tests)
        case AnyOf(conditions):
            tests = tuple(map(compile_condition, conditions))
            return lambda fields: any(test(fields) for test in tests)
        case Not(inner):
            test = compile_condition(inner)
            # on a copy: what did not hold adds no fields
            return lambda fields: not test(dict(fields))
        case Exists(name, expected):
            return lambda fields: (lookup(fields, name) is not None) is expected
        case Matches(name, pattern):
            return _finds(name, pattern)
        case Equals(name, value):
            return _equals(name, plain(value))
        case _:
            return _on_values(condition.field, value_test(condition))


def _all(tests: tuple[Test, ...]) -> Test:
    def holds(fields: Fields) -> bool:
        for test in tests:  # noqa: SIM110 -- a generator would cost as much as the tests
            if not test(fields):
                return False
        return True

    return holds


def _equals(name: str, wanted: str) -> Test:
    """Test the commonest condition without a detour when the value is text."""
    otherwise = _on_values(name, lambda found: plain(found) == wanted)

    def holds(fields: Fields) -> bool:
        value = fields.get(name)
        return value == wanted if isinstance(value, str) else otherwise(fields)

    return holds


def _on_values(name: str, test: Callable[[FieldValue], bool]) -> Test:
    """Test a field; of a list, one value is enough, as everywhere in ECS."""

    def holds(fields: Fields) -> bool:
        value = fields.get(name)
        if value is None:
            value = lookup(fields, name)
            if value is None:
                return False
        return any(map(test, value)) if isinstance(value, list) else test(value)

    return holds


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
        case Compare(_, operator, number):
            return _comparison(operator, number)


def plain(value: FieldValue | Scalar) -> str:
    """Return a value's text: `22` and 22 are the same, as are `true` and true."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _comparison(operator: str, number: float) -> Callable[[FieldValue], bool]:
    def holds(found: FieldValue) -> bool:
        if isinstance(found, str):
            try:
                found = float(found)
            except ValueError:
                return False
        if not isinstance(found, int | float):
            return False
        match operator:
            case "gt":
                return found > number
            case "lt":
                return found < number
            case "ge":
                return found >= number
            case _:
                return found <= number

    return holds


def _in_networks(networks: tuple[Network, ...]) -> Callable[[FieldValue], bool]:
    @lru_cache(MAX_ADDRESSES)
    def within(text: str) -> bool:
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address.version == network.version and address in network for network in networks)

    return lambda found: within(plain(found))


def _finds(name: str, pattern: re.Pattern[str]) -> Test:
    filled = ((group, field_of_group(group)) for group in pattern.groupindex)
    groups = tuple((group, field) for group, field in filled if not is_reserved(field))
    search = pattern.search

    def holds(fields: Fields) -> bool:
        value = lookup(fields, name)
        if value is None:
            return False
        for item in value if isinstance(value, list) else (value,):
            found = search(plain(item))
            if found is not None:
                for group, field in groups:
                    text = found[group]
                    if text is not None:
                        fields.setdefault(field, text)
                return True
        return False

    return holds


def wants(match: Condition, unless: Condition | None) -> Callable[[Mapping[str, FieldValue]], Fields | None]:
    """Make the function that returns the fields of an event that a rule wants, None when it does not.

    What the rule's regular expressions find is added to a copy: one rule's fields are not another's.
    """
    wanted = compile_condition(match)
    unwanted = compile_condition(unless) if unless is not None else None

    def test(event_fields: Mapping[str, FieldValue]) -> Fields | None:
        fields = dict(event_fields)
        if not wanted(fields) or (unwanted is not None and unwanted(fields)):
            return None
        return fields

    return test
