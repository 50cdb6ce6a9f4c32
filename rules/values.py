"""Readers of single values: text, numbers, durations, sizes, addresses, and words that stand for something."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import TypeVar

import durationpy

from parsers.errors import OperatorError
from rules.condition import Network
from rules.networks import fault_of
from rules.schema import Problems, Reader, did_you_mean, scalar_of
from rules.strict_yaml import Node, ScalarNode, shown

T = TypeVar("T")


def leaf(wanted: str, convert: Callable[[ScalarNode], T]) -> Reader[T]:
    """Make a reader of a conversion; `wanted` says in errors what the value should be."""

    def read(node: Node, problems: Problems) -> T:  # noqa: ARG001 -- a reader's signature
        return convert(scalar_of(node, wanted))

    return read


def as_text(pattern: str = r"(?s).*", wanted: str = "text") -> Reader[str]:
    """Read text that matches the whole pattern; it is what stands in the file, `yes` and `0777` too."""
    compiled = re.compile(pattern)

    def convert(node: ScalarNode) -> str:
        if "\0" in node.text:
            raise OperatorError("a NUL character cannot stand here", node.place)
        if not compiled.fullmatch(node.text):
            raise OperatorError(f"{wanted} is wanted, not {shown(node.text)}", node.place)
        return node.text

    return leaf(wanted, convert)


def as_int(low: int, high: int) -> Reader[int]:
    """Read a whole decimal number within bounds."""
    wanted = f"a whole number from {low} to {high}"

    def convert(node: ScalarNode) -> int:
        value = node.value()
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            quoted = not node.plain and replace(node, plain=True).value() != node.text
            raise OperatorError(
                f"{wanted} is wanted{' without quotes' if quoted else ''}, not {shown(node.text)}", node.place
            )
        return value

    return leaf(wanted, convert)


def as_number(low: float | None = None, high: float | None = None) -> Reader[float]:
    """Read a decimal number, whole or with a fraction, within bounds where there are any."""
    wanted = "a decimal number" if low is None or high is None else f"a number from {low:g} to {high:g}"

    def convert(node: ScalarNode) -> float:
        if not node.plain or not re.fullmatch(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", node.text, re.ASCII):
            raise OperatorError(f"{wanted} without quotes is wanted, not {shown(node.text)}", node.place)
        value = float(node.text)
        if (low is not None and value < low) or (high is not None and value > high):
            raise OperatorError(f"{wanted} is wanted, not {shown(node.text)}", node.place)
        return value

    return leaf(wanted, convert)


PERCENT = r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%"


def as_percent() -> Reader[float]:
    """Read a percentage from `0%` to `100%` as the part of one that it is."""
    wanted = "a percentage such as 20%"

    def convert(node: ScalarNode) -> float:
        match = re.fullmatch(PERCENT, node.text, re.ASCII)
        if match is None or float(match[1]) > 100:
            bare = re.fullmatch(r"0\.[0-9]{1,6}|[0-9]{1,2}", node.text, re.ASCII)
            number = float(node.text) if bare else 0.0
            advice = f"; write {number * 100 if '.' in node.text else number:g}%" if bare else ""
            raise OperatorError(f"{wanted} is wanted, not {shown(node.text)}{advice}", node.place)
        return float(match[1]) / 100

    return leaf(wanted, convert)


def as_bool() -> Reader[bool]:
    """Read a truth value."""

    def convert(node: ScalarNode) -> bool:
        value = node.value()
        if not isinstance(value, bool):
            quotes = " without quotes" if not node.plain else ""
            raise OperatorError(f"write true or false{quotes}, not {shown(node.text)}", node.place)
        return value

    return leaf("true or false", convert)


MAX_DURATION = timedelta(days=3660)
DURATION = re.compile(
    "".join(rf"(?:[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?{unit})?" for unit in ("w", "d", "h", "m", "s", "ms")), re.ASCII
)
"""What of durationpy's language is read: each unit once, the greatest first; no months (its `mm`), no sign."""


def as_duration(*, zero: bool = False) -> Reader[float]:
    """Read a duration in seconds: `90s`, `1h30m`, `5w`, `250ms`; greater than 0 unless `zero`."""
    wanted = "a duration such as 90s, 10m, 1h30m or 5w"

    def convert(node: ScalarNode) -> float:
        if node.text.isdecimal() and node.text.isascii() and not (zero and node.text == "0"):
            raise OperatorError(f"write a unit: {node.text}s", node.place)
        if not node.text or (node.text != "0" and not DURATION.fullmatch(node.text)):
            raise OperatorError(f"{wanted} is wanted (units w d h m s ms), not {shown(node.text)}", node.place)
        try:
            value = durationpy.from_str(node.text)
        except durationpy.DurationError:
            value = timedelta.max
        if value > MAX_DURATION or (not zero and not value):
            bounds = "must be greater than 0" if not value else "is longer than ten years"
            raise OperatorError(f"{node.text} {bounds}", node.place)
        return value.total_seconds()

    return leaf(wanted, convert)


UNITS: dict[str, int] = {
    "": 1,
    "B": 1,
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)},
    "kB": 1000,
}
SIZE = re.compile(r"([0-9]{1,15})(?:([A-Za-z]+))?", re.ASCII)


def as_size(low: int, high: int) -> Reader[int]:
    """Read a number of octets: `512`, `64KiB` (IEC 80000-13: 1024 each), `1MB` (1000 each)."""
    wanted = "a size such as 512, 64KiB or 1MB"

    def convert(node: ScalarNode) -> int:
        match = SIZE.fullmatch(node.text)
        unit = match[2] or "" if match else ""
        if match is None or unit not in UNITS:
            short = match is not None and unit.upper() in {"K", "M", "G", "T"}
            advice = f"; write {match[1]}{unit.upper()}iB" if match is not None and short else ""
            raise OperatorError(f"{wanted} is wanted, not {shown(node.text)}{advice}", node.place)
        value = int(match[1]) * UNITS[unit]
        if not low <= value <= high:
            raise OperatorError(f"a size from {low:,} to {high:,} octets is wanted, not {node.text}", node.place)
        return value

    return leaf(wanted, convert)


MODE = r"0o?[0-7]{1,3}"


def as_mode() -> Reader[int]:
    """Read permission bits as octal digits with a leading zero, `0027` say; in quotes or not, they mean the same."""
    wanted = "an octal number with a leading zero, such as 0077,"

    def convert(node: ScalarNode) -> int:
        if not re.fullmatch(MODE, node.text, re.ASCII):
            raise OperatorError(f"{wanted} is wanted, not {shown(node.text)}", node.place)
        return int(node.text.removeprefix("0o"), 8)

    return leaf(wanted, convert)


def as_address() -> Reader[str]:
    """Read an IP address."""

    def convert(node: ScalarNode) -> str:
        try:
            return str(ip_address(node.text))
        except ValueError:
            raise OperatorError(f"an IP address is wanted, not {shown(node.text)}", node.place) from None

    return leaf("an IP address", convert)


def as_network() -> Reader[Network]:
    """Read an IP network (`10.0.0.0/8`, `2001:db8::/32`) or one address."""
    wanted = "a network such as 10.0.0.0/8 or an address"

    def convert(node: ScalarNode) -> Network:
        try:
            return ip_network(node.text)
        except ValueError:
            fault = fault_of(node.text)
            problem = f"{shown(node.text)} {fault}" if fault else f"{wanted} is wanted, not {shown(node.text)}"
            raise OperatorError(problem, node.place) from None

    return leaf(wanted, convert)


def as_choice(words: Mapping[str, T]) -> Reader[T]:
    """Read one of these words and return what it stands for."""
    wanted = f"one of {', '.join(words)}"

    def convert(node: ScalarNode) -> T:
        if node.text not in words:
            advice = did_you_mean(node.text, words)
            raise OperatorError(f"{wanted} is wanted, not {shown(node.text)}{advice}", node.place)
        return words[node.text]

    return leaf(wanted, convert)


Member = TypeVar("Member", bound=enum.Enum)


def choices(members: type[Member]) -> dict[str, Member]:
    """Return the words for an enumeration: the values where they are text, else the names in lower case."""
    return {item.value if isinstance(item.value, str) else item.name.lower(): item for item in members}
