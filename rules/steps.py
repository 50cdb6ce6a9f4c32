r"""How many steps a backtracking matcher takes at most: a bound that holds for every text of a length.

The matcher of `re` tries the ways to match a pattern one after the other. What stands behind an element is tried as
often as the element can end in another place, so along a sequence the ways multiply, and in a repetition of a
repetition they are a power of the length: `(\w+\s?)*$`. But most loops end in one place only, because what must follow
is no character that the loop would take: `\S+ from`. So a bound that looks at these sets is small for most of what
people write: length times a constant, or the square of the length.

A step is one comparison of a character, or one decision where to go on. The bound may be far above the truth, never
below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from math import inf
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

from rules.pattern_tree import (
    ALL,
    MULTILINE,
    ONE,
    REPEATS,
    Ranges,
    Tree,
    characters,
    common,
    flags_inside,
    inside,
    read,
    union,
)

_MOST = 1e18
"""Counts from here on are the same to everybody: endless."""


@dataclass(frozen=True, slots=True)
class Begins:
    """How a sequence can begin.

    Attributes:
        with_: its first character is one of these.
        empty: it can be passed without taking a character, so that what is behind it may come first.
        steps: to find that no character of these is there.
    """

    with_: Ranges
    empty: bool
    steps: int


_END = Begins((), empty=True, steps=1)
"""Behind the pattern: whoever comes here has found, and tries nothing else."""
_LEFT = Begins((), empty=True, steps=2)
"""Behind what is atomic: it is left at its first way, but what comes later may fail."""
_ANYTHING = Begins(ALL, empty=True, steps=1)

_MAX_ARMS = 64
"""Alternatives that are compared in pairs."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """In how many ways an element matches from one place, and how many steps all of them take together."""

    ways: float
    steps: float


class Steps:
    """Counts for one pattern."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._tree, self._flags = read(pattern)
        self._behind: dict[tuple[int, int, Begins], list[Begins]] = {}
        self._kept: list[Tree] = []
        self._anchored = _is_anchored(self._tree, self._flags)

    def most(self, length: int) -> float:
        """Return how many steps a search of a text of so many characters takes at most."""
        cost = _Count(self, length).sequence(self._tree, self._flags, _END)
        tries = cost.steps if self._anchored else (length + 1) * (cost.steps + 1)
        # each place at which it may not begin, and once, two for each character, the loop at which it ends
        steps = tries + (length + 1) + 2 * (length + 1)
        return steps if steps < _MOST else inf

    def begins(self, tree: Tree, flags: int) -> Begins:
        """Return how a sequence can begin."""
        return self.behind(tree, flags, _END)[0]

    def behind(self, tree: Tree, flags: int, after: Begins) -> list[Begins]:
        """Return for each place in a sequence how what stands from there on, and then `after` it, can begin."""
        key = (id(tree), flags, after)
        found = self._behind.get(key)
        if found is None:
            self._kept.append(tree)
            found = self._behind[key] = [after]
            for code, argument in reversed(list(tree)):
                one = self._of_element(code, argument, flags)
                found.append(_then(one, found[-1]) if one.empty else one)
            found.reverse()
        return found

    def _of_element(self, code: Any, argument: Any, flags: int) -> Begins:
        if code in ONE:
            return Begins(characters(code, argument, flags), empty=False, steps=1)
        if code is op.AT:
            return _END
        if code is op.FAILURE:
            return Begins((), empty=False, steps=1)
        if code in (op.SUBPATTERN, op.ATOMIC_GROUP):
            within = flags_inside(flags, *argument[1:3]) if code is op.SUBPATTERN else flags
            return self.begins(inside(code, argument)[0], within)
        if code is op.BRANCH:
            all_of = [self.begins(tree, flags) for tree in argument[1]]
            with_ = union(one.with_ for one in all_of)
            return Begins(with_, any(one.empty for one in all_of), 1 + sum(one.steps for one in all_of))
        if code in REPEATS:
            one = self.begins(argument[2], flags)
            return Begins(one.with_, one.empty or argument[0] == 0, one.steps + 1)
        return _ANYTHING  # looking around, references: they may take many steps before they fail


class _Count:
    """Counts for one length of the text."""

    def __init__(self, pattern: Steps, length: int) -> None:
        self._pattern = pattern
        self._length = length

    def sequence(self, tree: Tree, flags: int, after: Begins) -> _Cost:
        ways, steps = 1.0, 1.0
        for (code, argument), behind in zip(tree, self._pattern.behind(tree, flags, after)[1:], strict=True):
            one = self._element(code, argument, flags, behind)
            steps = min(_MOST, steps + ways * one.steps)
            ways = min(_MOST, ways * one.ways)
        return _Cost(ways, steps)

    def _element(self, code: Any, argument: Any, flags: int, behind: Begins) -> _Cost:
        if code in ONE or code in (op.AT, op.FAILURE):
            return _Cost(1, 1)
        if code in REPEATS:
            return self._repeat(code, argument, flags, behind)
        if code is op.SUBPATTERN:
            _, add, remove, inner = argument
            return self.sequence(inner, flags_inside(flags, add, remove), behind)
        if code is op.BRANCH:
            return self._branch(argument[1], flags, behind)
        if code is op.GROUPREF:
            return _Cost(1, self._length + 1)
        if code is op.GROUPREF_EXISTS:
            return self._branch(inside(code, argument), flags, behind)
        # what is atomic is left at its first way
        return _Cost(1, self.sequence(inside(code, argument)[0], flags, _LEFT).steps)

    def _branch(self, trees: tuple[Tree, ...], flags: int, behind: Begins) -> _Cost:
        costs = [self.sequence(tree, flags, behind) for tree in trees]
        ways = [cost.ways for cost in costs]
        steps = sum(cost.steps for cost in costs) + len(costs) * (1 + behind.steps)
        return _Cost(max(ways) if self._are_apart(trees, flags, behind) else sum(ways), steps)

    def _are_apart(self, trees: tuple[Tree, ...], flags: int, behind: Begins) -> bool:
        """Tell whether of several alternatives at most one can match a text that goes on with what is behind them."""
        if len(trees) > _MAX_ARMS:
            return False
        begins = [self._pattern.begins(tree, flags) for tree in trees]
        words = [_word(tree, flags) for tree in trees]
        return all(
            (not (one.empty or other.empty) and not common(one.with_, other.with_))
            or (word is not None and another is not None and _differ(word, another, behind))
            for (one, word), (other, another) in combinations(zip(begins, words, strict=True), 2)
        )

    def _repeat(self, code: Any, argument: Any, flags: int, behind: Begins) -> _Cost:
        low, high, inner = argument
        if behind == _END and low <= 1 and len(inner) == 1 and inner[0][0] in ONE:
            return _Cost(1, 2)  # it finds at its first character; how far it then reaches, `Steps.most` adds once
        # a loop goes on where it can, so it can end only where what is behind it begins with something else
        again = self._pattern.begins(inner, flags)
        ends_once = not again.empty and not common(again.with_, behind.with_)
        width = inner.getwidth()[0]
        times = self._length // width + 1 if width else self._length + 1 + low
        times = times if high is op.MAXREPEAT else min(times, high)
        if code is op.POSSESSIVE_REPEAT:
            return _Cost(1, (times + 1) * (self.sequence(inner, flags, _LEFT).steps + 1) + 1)
        one = self.sequence(inner, flags, behind if high == 1 else _either(again, behind))
        steps = _power_sum(one.ways, times) * (one.steps + 1)
        if ends_once and one.ways == 1:
            return _Cost(1, steps + (times + 1) * behind.steps + 1)
        return _Cost(_power_sum(one.ways, times) - _power_sum(one.ways, low - 1), steps + 1)


def _word(tree: Tree, flags: int) -> tuple[Ranges, ...] | None:
    """Return the sets of a sequence in which every element takes one character."""
    if any(code not in ONE for code, _ in tree):
        return None
    return tuple(characters(code, argument, flags) for code, argument in tree)


def _differ(one: tuple[Ranges, ...], other: tuple[Ranges, ...], behind: Begins) -> bool:
    """Tell whether no text begins with both words, each with what is behind."""
    short, long = sorted((one, other), key=len)
    if any(not common(mine, its) for mine, its in zip(short, long, strict=False)):
        return True
    return len(short) < len(long) and not common(behind.with_, long[len(short)])


def _then(one: Begins, other: Begins) -> Begins:
    """Return how what can be passed and what is behind it begin together."""
    return Begins(union((one.with_, other.with_)), other.empty, one.steps + other.steps)


def _either(one: Begins, other: Begins) -> Begins:
    return Begins(union((one.with_, other.with_)), one.empty or other.empty, one.steps + other.steps)


def _power_sum(base: float, last: int) -> float:
    """Return 1 + base + ... + base ** last."""
    if last < 0:
        return 0.0
    if base == 1:
        return float(last + 1)
    total = 1.0
    for _ in range(last):
        total = total * base + 1
        if total >= _MOST:
            return _MOST
    return total


def _is_anchored(tree: Tree, flags: int) -> bool:
    """Tell whether the pattern matches at the beginning of a text or nowhere."""
    for code, argument in tree:
        if code is op.AT:
            return argument is op.AT_BEGINNING_STRING or (argument is op.AT_BEGINNING and not flags & MULTILINE)
        if code is op.SUBPATTERN:
            return _is_anchored(argument[3], flags_inside(flags, *argument[1:3]))
        if code is op.BRANCH:
            return all(_is_anchored(branch, flags) for branch in argument[1])
        return False
    return False
