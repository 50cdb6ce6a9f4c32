"""What an event must be: conditions over its fields."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from parsers.lowering import CompiledGrammar
    from rules.lists import Listed

Scalar = str | int | float | bool
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Equals:
    """The field is this value; numbers and their decimal text are the same."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field is one of these values."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class InNetworks:
    """The field is an address in one of these networks; an IPv4-mapped IPv6 address counts as IPv4."""

    field: str
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class InList:
    """The field is in a list that stands in a file: one of its values, or an address in one of its networks.

    What it holds may change while the rule runs, so that nothing can be concluded from what it holds now.
    """

    field: str
    listed: Listed


@dataclass(frozen=True, slots=True)
class Glob:
    """The whole field matches the shell pattern: `*` any text, `?` one character, `[...]` one of a set."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Matches:
    """The regular expression is found in the field; its named groups are new fields, `_` standing for `.`."""

    field: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Parses:
    """A form of the grammar matches the field from its first character, and what it says are new fields.

    Attributes:
        grammar: its name.
        compiled: the grammar itself; None where nobody knows the grammars, and no event will be looked at.
    """

    field: str
    grammar: str
    compiled: CompiledGrammar | None = dataclasses.field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Contains:
    """The field holds this text."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Compare:
    """The field is a number, and greater or less than this one."""

    field: str
    operator: Literal["gt", "lt", "ge", "le"]
    number: float


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there, or is not."""

    field: str
    expected: bool


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of these conditions holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these conditions holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition


Single = Equals | OneOf | InNetworks | InList | Glob | Matches | Parses | Contains | Compare | Exists
"""A condition on one field."""

Condition = Single | AllOf | AnyOf | Not


def loosened(condition: Condition, kept: Callable[[Single], Condition]) -> Condition:
    """Return what must hold for a condition to hold, `kept` saying what must for each that it joins."""
    match condition:
        case AllOf(conditions):
            return AllOf(tuple(loosened(one, kept) for one in conditions))
        case AnyOf(conditions):
            return AnyOf(tuple(loosened(one, kept) for one in conditions))
        case Not():
            return AllOf(())
        case _:
            return kept(condition)
