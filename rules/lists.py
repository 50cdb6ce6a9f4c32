"""Lists of values or networks that rules refer to, and those in files, which may change while the rules run."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING

from parsers.errors import OperatorError, Place
from rules.networks import fault_of, fault_of_prefix
from rules.strict_yaml import shown

if TYPE_CHECKING:
    from rules.condition import Network

MAX_ENTRIES = 1_000_000
"""Entries of one list: as networks they take 150 MB while they are read, and 100 MB afterwards."""

MAX_ADDRESSES = 4096
"""Addresses whose answer one set of networks remembers: to look one up costs 2 microseconds."""

MAX_ADDRESS = 45
"""Characters of the longest text form of an address (RFC 4291, section 2.2); longer text is none and not remembered."""

_COMMENT = re.compile(r"(?:^|\s)#.*")


class NetworkSet:
    """Networks, of which any number are asked at the price of one.

    Overlapping and neighbouring ones become one range, and the range that an address would be in is found by halving.
    (py-radix would do for it, but reads text as addresses that `ipaddress` refuses, so that the same network would
    mean one thing in a rule and another in a file.)
    """

    def __init__(self, networks: Iterable[Network]) -> None:
        four: list[tuple[int, int]] = []
        six: list[tuple[int, int]] = []
        for network in networks:
            span = int(network.network_address), int(network.broadcast_address)
            (four if network.version == 4 else six).append(span)
        self._four, self._six = _ranges(four), _ranges(six)
        self.holds = lru_cache(MAX_ADDRESSES)(self._holds)

    def __eq__(self, other: object) -> bool:
        """Two sets are the same when the same addresses are in them."""
        return isinstance(other, NetworkSet) and (self._four, self._six) == (other._four, other._six)

    __hash__ = None  # type: ignore[assignment]  # a million ranges are no key

    def covers(self, text: str) -> bool:
        """Tell whether text is an address in one of the networks; an IPv4-mapped IPv6 address counts as IPv4 too."""
        address, _, _ = text.partition("%")
        return len(address) <= MAX_ADDRESS and self.holds(address)

    def _holds(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv4Address):
            return _within(self._four, int(address))
        mapped = address.ipv4_mapped
        return _within(self._six, int(address)) or (mapped is not None and _within(self._four, int(mapped)))


_Ranges = tuple[list[int], list[int]]
"""The first addresses of ranges that do not touch, in their order, and their last ones."""


def _ranges(spans: list[tuple[int, int]]) -> _Ranges:
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(spans):
        if lasts and first <= lasts[-1] + 1:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts


def _within(ranges: _Ranges, address: int) -> bool:
    firsts, lasts = ranges
    index = bisect_right(firsts, address)
    return index > 0 and address <= lasts[index - 1]


Entries = frozenset[str] | NetworkSet
"""What a list holds: values, compared as text, or networks."""


class Listed:
    """A list that stands in a file: the same for every rule that names it, and replaced while they run.

    Two are equal when they are the same file under the same name, whatever they hold at the moment.

    Attributes:
        path: the file, absolute.
        entries: what it holds now; whoever reads the file anew replaces it.
        size: how many entries that are.
    """

    __slots__ = ("entries", "name", "path", "size")

    def __init__(self, name: str, path: str, lines: Sequence[Line] = ()) -> None:
        self.name, self.path = name, path
        self.take(entries_of(lines), len(lines))

    def take(self, entries: Entries, size: int) -> None:
        """Hold these from now on."""
        self.entries, self.size = entries, size

    def holds(self, text: str) -> bool:
        """Tell whether a value's text is in the list, or an address in one of its networks."""
        entries = self.entries
        return entries.covers(text) if isinstance(entries, NetworkSet) else text in entries

    def __eq__(self, other: object) -> bool:
        """Compare the file and the name."""
        return isinstance(other, Listed) and (self.name, self.path) == (other.name, other.path)

    def __hash__(self) -> int:
        """Agree with `__eq__`."""
        return hash((self.name, self.path))

    def __repr__(self) -> str:
        """Name the list and its file."""
        return f"Listed({self.name!r}, {self.path!r})"


Line = tuple[str, Place]
"""An entry, and where it stands."""


def lines_of(text: str, file: str) -> list[Line]:
    """Take a list's file apart: one entry a line; blank lines and `#` with what follows, at the beginning of a line or
    after a blank, are left out.

    Raises:
        OperatorError: too many entries, or a NUL character: it is some other file.
    """  # noqa: D205 -- a summary in two lines
    lines: list[Line] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        entry = (_COMMENT.sub("", line) if "#" in line else line).strip()
        if not entry:
            continue
        place = Place(file, number, line.index(entry) + 1)
        if "\0" in entry:
            raise OperatorError("a NUL character cannot stand in a list; is it the right file?", place)
        lines.append((entry, place))
        if len(lines) > MAX_ENTRIES:
            raise OperatorError(f"more than {MAX_ENTRIES:,} entries; is it the right file?", place)
    return lines


def entries_of(lines: Sequence[Line]) -> Entries:
    """Return what a file's lines are: networks when one of them is one, else values.

    Raises:
        OperatorError: networks and other text stand in one list, or the length of a prefix is wrong.
    """
    networks = networks_among(lines)
    return frozenset(text for text, _ in lines) if networks is None else NetworkSet(networks)


def networks_among(lines: Sequence[Line]) -> tuple[Network, ...] | None:
    """Return a list's networks; None when it holds none.

    Raises:
        OperatorError: as `entries_of`.
    """
    found: list[Network] = []
    first: Line | None = None
    other: Line | None = None
    for line in lines:
        network = _network(line)
        if network is None:
            other = other or line
        else:
            found.append(network)
            first = first or line
        if first and other:
            text, place = other
            if fault := fault_of(text):
                raise OperatorError(f"{shown(text)} {fault}", place)
            problem = f"{shown(text)} is no network, and {shown(first[0])} in the same list is one; make two lists"
            raise OperatorError(problem, place)
    return tuple(found) if first else None


def _network(line: Line) -> Network | None:
    text, place = line
    if "." not in text and ":" not in text:
        return None  # most words are told apart at no price
    try:
        return ip_network(text)
    except ValueError:
        pass
    if fault := fault_of_prefix(text):
        raise OperatorError(f"{shown(text)} {fault}", place)
    return None
