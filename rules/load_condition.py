"""Conditions out of a rule file: `match`, `unless` and what may stand inside them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Literal

from parsers.errors import OperatorError, Place
from parsers.fields import INTEGERS, KNOWN, field_of_group, is_reserved
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
from rules.schema import Fields, Problems, Reader, as_list, as_one_or_more, did_you_mean, scalar_of, sequence_of
from rules.strict_yaml import Entry, MappingNode, Node, ScalarNode, SequenceNode, shown
from rules.values import as_bool, as_network, as_number, as_text

FIELD = r"@?[A-Za-z_][^\s${}]*"
"""The shape of a field's name; JSON senders may have any letters in theirs."""

COMPARISONS: tuple[Literal["gt", "lt", "ge", "le"], ...] = ("gt", "lt", "ge", "le")
OPERATORS = ("in", "glob", "regex", "contains", *COMPARISONS, "exists", "any", "all", "not")

_NEST = re.compile(r"\((?:\?:|\?P<\w+>)?[^()|*+?{}][+*]\)(?:[+*](?!\+)|\{\d*,\})")
"""`(x+)+`: what makes a backtracking matcher try every way to divide a text; x stands for one character or set."""
_ONE_CHARACTER = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


def as_condition(node: Node, problems: Problems) -> Condition:
    """Read a mapping of fields, all of which must be as it says; a mapping without keys holds for every event."""
    if isinstance(node, ScalarNode):
        raise OperatorError("a mapping of fields is wanted: {event.action: ssh-login}", node.place)
    if isinstance(node, SequenceNode):
        raise OperatorError("a mapping of fields is wanted; for one of several write {any: [{...}, {...}]}", node.place)
    found = [_entry(entry, problems) for entry in node.entries]
    return _all([condition for condition in found if condition])


def as_field(wanted: str = "a field's name") -> Reader[str]:
    """Read the name of a field; one that is nearly a known one is warned of."""
    read_text = as_text(FIELD, wanted)

    def read(node: Node, problems: Problems) -> str:
        name = read_text(node, problems)
        check_field(name, node.place, problems)
        return name

    return read


def check_field(name: str, place: Place, problems: Problems) -> None:
    """Warn of a field's name that is nearly a known one."""
    if name not in KNOWN and name not in problems.own_fields and (near := did_you_mean(name, KNOWN, 0.87)):
        problems.warn(f'"{name}" is a field nobody knows{near}', place)


def _entry(entry: Entry, problems: Problems) -> Condition | None:
    match entry.key:
        case "any" | "all":
            parts = problems.attempt(entry.value, as_list(as_condition, least=1), entry.key)
            return None if parts is None else _any(parts) if entry.key == "any" else _all(parts)
        case "not":
            inner = problems.attempt(entry.value, as_condition, entry.key)
            return Not(inner) if inner else None
    if not re.fullmatch(FIELD, entry.key):
        problems.error(f"{shown(entry.key)} cannot be a field's name", entry.place)
    check_field(entry.key, entry.place, problems)
    return problems.attempt(entry.value, _test_of(entry.key), entry.key)


def _all(conditions: Sequence[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))


def _any(conditions: Sequence[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))


def _test_of(name: str) -> Reader[Condition]:
    """Return a reader of what one field must be: a value, a list of values, or a mapping of operators."""

    def read(node: Node, problems: Problems) -> Condition:
        if isinstance(node, MappingNode):
            return _operators(name, node, problems)
        if isinstance(node, SequenceNode):
            return OneOf(name, as_list(_value_of(name), least=1)(node, problems))
        return Equals(name, _value_of(name)(node, problems))

    return read


def _value_of(name: str) -> Reader[Scalar]:
    def read(node: Node, problems: Problems) -> Scalar:
        if isinstance(node, ScalarNode) and node.plain and node.value() is None:
            raise OperatorError('a value is missing; write {exists: false} for "not there", "" for empty', node.place)
        scalar = scalar_of(node)
        value = scalar.value()
        assert value is not None  # noqa: S101 -- the line above has refused it
        _doubt(name, scalar, problems)
        return value

    return read


def _doubt(name: str, node: ScalarNode, problems: Problems) -> None:
    """Warn of values that are compared as they stand but look like patterns."""
    if name in INTEGERS and not node.text.lstrip("-").isdecimal():
        problems.warn(f"{name} is a number and is never {shown(node.text)}", node.place)
    elif "/" in node.text and _is_network(node.text):
        problems.warn(f"this is compared as text; for a network write {{in: [{node.text}]}}", node.place)
    elif node.plain and "*" in node.text:
        problems.warn(
            f"the star is compared as it stands; for a pattern write {{glob: {shown(node.text)}}}", node.place
        )


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _operators(name: str, node: MappingNode, problems: Problems) -> Condition:
    """Read operators, all of which must hold."""
    found: list[Condition] = []
    with Fields(node, problems, name) as fields:
        if within := fields.take("in", _in(name), None):
            found.append(within)
        for operator, one in (("glob", _glob(name)), ("regex", _regex(name)), ("contains", _contains(name))):
            if several := fields.take(operator, as_one_or_more(one), None):
                found.append(_any(several))
        for comparison in COMPARISONS:
            number = fields.take(comparison, as_number(), None)
            if number is not None:
                found.append(Compare(name, comparison, number))
        exists = fields.take("exists", as_bool(), None)
        if exists is not None:
            found.append(Exists(name, exists))
        for joined, join in (("any", _any), ("all", _all)):
            if parts := fields.take(joined, as_list(_test_of(name), least=1), None):
                found.append(join(parts))
        if inner := fields.take("not", _test_of(name), None):
            found.append(Not(inner))
    if not node.entries:
        raise OperatorError(f"an operator is missing; known are {', '.join(OPERATORS)}", node.place)
    return _all(found)


def _in(name: str) -> Reader[Condition]:
    """Read `in:`, networks when one of the values is one, else values."""

    def read(node: Node, problems: Problems) -> Condition:
        items = sequence_of(node).items if isinstance(node, SequenceNode) else (node,)
        networks = [item for item in items if isinstance(item, ScalarNode) and _is_network(item.text)]
        if networks:
            found: tuple[Network, ...] = as_one_or_more(as_network())(node, problems)
            return InNetworks(name, found)
        return OneOf(name, as_one_or_more(_value_of(name))(node, problems))

    return read


def _glob(name: str) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        return Glob(name, as_text(r"(?s).+", "a pattern such as */invoices/*.csv")(node, problems))

    return read


def _contains(name: str) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        return Contains(name, as_text(r"(?s).+", "text that is not empty")(node, problems))

    return read


def _regex(name: str) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        scalar = scalar_of(node, "a regular expression")
        return Matches(name, _compiled(scalar, problems))

    return read


def _compiled(node: ScalarNode, problems: Problems) -> re.Pattern[str]:
    def at(offset: int) -> Place:
        moved = 0 if node.inset is None else node.inset + offset
        return Place(node.place.file, node.place.line, node.place.column + moved)

    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        try:
            pattern = re.compile(node.text)
        except re.error as error:
            where = f" at character {error.pos + 1} of the pattern" if error.pos is not None else ""
            raise OperatorError(f"the regular expression is wrong: {error.msg}{where}", at(error.pos or 0)) from None
        except (OverflowError, RecursionError) as error:
            raise OperatorError(f"the regular expression is too large: {error}", node.place) from None
    for doubt in doubts:
        problems.warn(f"the regular expression: {doubt.message}", node.place)
    if nest := _NEST.search(_ONE_CHARACTER.sub("x", node.text)):
        problems.warn(f"a repetition inside a repetition can take very long: {nest[0]}", node.place)
    for group in pattern.groupindex:
        if is_reserved(filled := field_of_group(group)):
            offset = max(0, node.text.find(f"(?P<{group}>"))
            raise OperatorError(f'the group "{group}" would fill {filled}, which is the gateway\'s own', at(offset))
        problems.own_fields.add(filled)
    return pattern
