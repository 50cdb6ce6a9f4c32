"""What an event must be: conditions over its fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

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


Condition = Equals | OneOf | InNetworks | Glob | Matches | Contains | Compare | Exists | AllOf | AnyOf | Not
