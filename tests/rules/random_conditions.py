"""Random conditions, most of which hold for an event that is at hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from random import Random

from parsers.event import FieldValue
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
    Not,
    OneOf,
    Scalar,
)
from rules.match import plain
from tests.rules.random_patterns import Patterns, vary

GROUPS = ("user_name", "source_ip", "labels_x", "process_name", "event_action", "x")
OTHER_FIELDS = ("user.name", "source.ip", "source.port", "nobody.fills.it", "event.module", "process.name", "labels.a")


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
    match random.randrange(8):
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
            return Matches(name, _around(random, text, start, stop))
        case _:
            words = (text[start:stop], text) if text else ()
            pattern, _, flags = Patterns(random, words).make()
            return Matches(name, re.compile(pattern, flags))


def _shell(text: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", text)


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
