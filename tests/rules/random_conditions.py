"""Random conditions, most of which hold for an event that is at hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_network
from random import Random

from parsers.event import FieldValue
from parsers.lowering import CompiledGrammar
from parsers.parse import builtin_grammars
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
from rules.lists import Entries, Listed, NetworkSet
from rules.match import plain
from rules.spelled_out import UnspeakableError, spelled_out
from tests.rules.random_patterns import Patterns, vary

GROUPS = ("user_name", "source_ip", "labels_x", "process_name", "event_action", "x")
GRAMMARS = [CompiledGrammar(grammar) for grammar in builtin_grammars()]
OTHER_FIELDS = ("user.name", "source.ip", "source.port", "nobody.fills.it", "event.module", "process.name", "labels.a")


def listed(entries: Entries) -> Listed:
    """Return a list that stands in a file and holds these."""
    known = Listed("known", "/list.txt")
    known.take(entries, 1)
    return known


def condition(random: Random, fields: Mapping[str, FieldValue], depth: int = 2) -> Condition:
    """Return a condition that holds for these fields more often than not."""
    kind = random.random()
    if depth and kind < 0.45:
        parts = tuple(condition(random, fields, depth - 1) for _ in range(random.randrange(1, 4)))
        return AnyOf(parts) if random.random() < 0.3 else AllOf(parts)
    if depth and kind < 0.5:
        return Not(condition(random, fields, depth - 1))
    if kind < 0.55:
        return Exists(random.choice((*OTHER_FIELDS, *fields)), random.random() < 0.5)
    name = random.choice(OTHER_FIELDS) if random.random() < 0.1 else random.choice(sorted(fields))
    value = fields.get(name)
    if name == "log.syslog.structured_data" and isinstance(value, dict):
        identifier, element = random.choice(sorted(value.items()))
        if isinstance(element, dict) and element:
            param, value = random.choice(sorted(element.items()))
            name = f"{name}.{identifier}.{param}"
    if isinstance(value, list) and value:
        value = random.choice(value)
    return _leaf(random, name, value if isinstance(value, str | int | float) else "root")


def _leaf(random: Random, name: str, value: Scalar) -> Condition:
    text = plain(value)
    start, stop = sorted((random.randrange(len(text) + 1), random.randrange(len(text) + 1)))
    match random.randrange(10):
        case 0:
            return Equals(name, random.choice((value, text)))
        case 1:
            return OneOf(name, (value, "something else", 17))
        case 2:
            return Contains(name, text[start:stop])
        case 3:
            pattern = f"*{_shell(text[start:stop])}*"
            return Glob(name, random.choice((pattern, _shell(text), f"{_shell(text[:start])}*{_shell(text[stop:])}")))
        case 4:
            number = float(value) if isinstance(value, int | float) else 400.0
            return Compare(name, random.choice(("gt", "lt", "ge", "le")), number)
        case 5:
            networks = ("192.0.2.0/24", "0.0.0.0/0", "::/0", "10.0.0.0/8")
            return InNetworks(name, (ip_network(random.choice(networks)),))
        case 6:
            return Matches(name, _loadable(lambda: _around(random, text, start, stop)))
        case 7:
            networks = ("192.0.2.0/24", "0.0.0.0/0", "::/0", "10.0.0.0/8")
            wide = NetworkSet([ip_network(random.choice(networks))])
            return InList(name, listed(random.choice((frozenset({text, "another"}), wide, frozenset()))))
        case 8:
            grammar = random.choice(GRAMMARS)
            return Parses(random.choice((name, "message")), grammar.grammar.name, grammar)
        case _:
            words = (text[start:stop], text) if text else ()
            return Matches(name, _loadable(lambda: _of(*Patterns(random, words).make())))


def _shell(text: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", text)


def _of(pattern: str, _: str, flags: int) -> re.Pattern[str]:
    return re.compile(pattern, flags)


def _loadable(make: Callable[[], re.Pattern[str]]) -> re.Pattern[str]:
    """Return the first pattern that a rule file could hold: not each has one that can be stopped in its stead."""
    while True:
        pattern = make()
        with suppress(UnspeakableError):
            spelled_out(pattern)
            return pattern


def _around(random: Random, text: str, start: int, stop: int) -> re.Pattern[str]:
    """Return an expression that finds the text: a part of it in any case, the rest vague, perhaps in a named group."""
    part = re.escape(text[start:stop])
    if random.random() < 0.3:
        part = re.escape(vary(random, text[start:stop]))
    forms = (
        "(?i:{})",
        "{}",
        "(?>{})",
        "{}|x",
        "(?=({}))\\1",
        "[^|]*{}$",
        "^.*{}",
        f"(?P<{random.choice(GROUPS)}>{{}})",
    )
    piece = random.choice(forms).replace("{}", part)
    before = re.escape(text[:start]) if random.random() < 0.3 else ""
    return re.compile(before + piece, random.choice((0, re.DOTALL, re.IGNORECASE)))
