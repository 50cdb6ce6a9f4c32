"""Reduce what a rule did to the columns of a picture, however often it did it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.backtest.summary import RuleSummary, words_of

NAMED = 3
"""Keys that are named where several fall into one column."""


class Mark(NamedTuple):
    """What a rule did in the time of one column.

    Attributes:
        column: the column; `first` and `last` are the times of what is in it.
        counts: how often it did each kind.
        keys: some of the keys for which it did it.
    """

    column: int
    first: float
    last: float
    counts: Mapping[str, int]
    keys: tuple[str, ...]

    @property
    def total(self) -> int:
        """How much is in it."""
        return sum(self.counts.values())


class Span(NamedTuple):
    """Columns in which as many states are open: from `first` to the one before `behind`."""

    first: int
    behind: int
    states: int


class Scale(NamedTuple):
    """Which column a time falls into.

    Attributes:
        first, last: the times at the left and the right, in seconds since 1970.
        columns: how many there are.
    """

    first: float
    last: float
    columns: int

    def column(self, time: float) -> int:
        """Return the column of a time."""
        place = (time - self.first) / max(self.last - self.first, 1e-9) * self.columns
        return min(self.columns - 1, max(0, int(place)))

    def time(self, column: int) -> float:
        """Return when a column begins."""
        return self.first + (self.last - self.first) * column / self.columns


def marks(summary: RuleSummary, scale: Scale) -> list[Mark]:
    """Return what a rule did, column by column."""
    counts: dict[int, dict[str, int]] = {}
    bounds: dict[int, tuple[float, float]] = {}
    for kind, times in summary.times.items():
        for column, first, last, count in _columns(times, scale):
            counts.setdefault(column, {})[kind] = count
            former = bounds.get(column, (first, last))
            bounds[column] = min(former[0], first), max(former[1], last)
    keys = _keys(summary, scale)
    return [Mark(column, *bounds[column], counts[column], tuple(keys.get(column, ()))) for column in sorted(counts)]


def _columns(times: array[float], scale: Scale) -> Iterator[tuple[int, float, float, int]]:
    """Yield the columns that rising times fall into, each with the first, the last and how many."""
    at, end = 0, len(times)
    while at < end:
        column = scale.column(times[at])
        behind = end if column == scale.columns - 1 else bisect_left(times, scale.time(column + 1), at + 1, end)
        yield column, times[at], times[behind - 1], behind - at
        at = behind


def _keys(summary: RuleSummary, scale: Scale) -> dict[int, list[str]]:
    keys: dict[int, list[str]] = {}
    for time, key in summary.marks:
        named = keys.setdefault(scale.column(time), [])
        if len(named) < NAMED and key and (words := words_of(key)) not in named:
            named.append(words)
    return keys


def spans(summary: RuleSummary, scale: Scale) -> list[Span]:
    """Return how many states of a rule were open when: at once in a column, at most."""
    changes = [0] * (scale.columns + 1)
    closed = summary.closed
    still = ((since, scale.last) for since in summary.open.values())
    for since, until in (*_pairs(closed), *still):
        changes[scale.column(since)] += 1
        changes[scale.column(until) + 1] -= 1
    found: list[Span] = []
    count = 0
    for column, change in enumerate(changes):
        if change == 0:
            continue
        if count and found:
            found[-1] = found[-1]._replace(behind=column)
        count += change
        if count:
            found.append(Span(column, scale.columns, count))
    return found


def _pairs(flat: array[float]) -> Iterable[tuple[float, float]]:
    return zip(flat[::2], flat[1::2], strict=True)
