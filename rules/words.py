"""Conditions in the words of a rule file."""

from __future__ import annotations

import json
import re

from parsers.event import printable
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
    Single,
)

_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?|[A-Za-z/_(][\w./:@+() -]*(?<![ :])", re.ASCII)
_MEANS_SOMETHING = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def words(condition: Condition) -> str:
    """Render a condition as it could stand in a rule file, on one line."""
    match condition:
        case AllOf(conditions):
            return f"all: [{', '.join(f'{{{words(part)}}}' for part in conditions)}]" if conditions else "{}"
        case AnyOf(conditions):
            return f"any: [{', '.join(f'{{{words(part)}}}' for part in conditions)}]"
        case Not(inner):
            return f"not: {{{words(inner).removeprefix('{}')}}}"
        case _:
            return f"{condition.field}: {_test(condition)}"


def _test(condition: Single) -> str:
    match condition:
        case Equals(_, value):
            return value_words(value)
        case OneOf(_, values):
            return f"[{', '.join(map(value_words, values))}]"
        case InNetworks(_, networks):
            return f"{{in: [{', '.join(value_words(str(network)) for network in networks)}]}}"
        case InList(_, listed):
            return f"{{in: ${listed.name}}}"
        case Parses(_, grammar):
            return f"{{grammar: {grammar}}}"
        case Glob(_, pattern):
            return f"{{glob: {value_words(pattern)}}}"
        case Matches(_, regex):
            return f"{{regex: {_quoted(regex.pattern)}}}"
        case Contains(_, text):
            return f"{{contains: {value_words(text)}}}"
        case Compare(_, operator, number):
            return f"{{{operator}: {number:g}}}"
        case Exists(_, expected):
            return f"{{exists: {str(expected).lower()}}}"


def value_words(value: Scalar) -> str:
    """Render one value: as it is where YAML would read it so, else in quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if _PLAIN.fullmatch(value) and ": " not in value and value.lower() not in _MEANS_SOMETHING:
        return value
    return json.dumps(printable(value), ensure_ascii=False)


def _quoted(text: str) -> str:
    """Render a regular expression in single quotes, in which a backslash is one."""
    return f"'{text.replace(chr(39), chr(39) * 2)}'" if text.isprintable() else json.dumps(text)
