"""What `re` reads a pattern as: its tree, and for each element of it the exact set of characters that it takes."""

from __future__ import annotations

import re
import sys
import warnings
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from re import _compiler as compiler  # type: ignore[attr-defined]
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

Tree = Any
"""A sequence of pairs of a code and its argument."""

Ranges = tuple[tuple[int, int], ...]
"""Characters as ranges of code points: in order, apart from each other, both ends included."""

ONE = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)
"""Codes of what takes exactly one character."""

REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)

ALL: Ranges = ((0, sys.maxunicode),)

IGNORECASE, MULTILINE, DOTALL, ASCII = map(int, (re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII))
"""Flags as plain numbers: to combine those of `re` takes a microsecond."""

_TYPES = int(re.ASCII | re.LOCALE | re.UNICODE)
_OF_SETS = IGNORECASE | DOTALL | ASCII
_CASED_END = 0x20000
"""Behind it there are ideographs, and no letter has a case."""
_ASSIGNED_END = 0x40000
"""Behind it there are no letters, digits or spaces: only tags, selectors and private use."""


def read(pattern: re.Pattern[str]) -> tuple[Tree, int]:
    """Return the tree that `re` made of a pattern, and its flags with those that stand in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever compiled the pattern has been told
        tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    return tree, int(tree.state.flags)


def flags_inside(flags: int, add: int, remove: int) -> int:
    """Return the flags inside a group that sets some: `(?i:...)`."""
    return ((flags & ~_TYPES if add & _TYPES else flags) | add) & ~remove


def inside(code: Any, argument: Any) -> tuple[Tree, ...]:
    """Return the sequences that stand inside one element."""
    if code in REPEATS:
        return (argument[2],)
    if code is op.SUBPATTERN:
        return (argument[3],)
    if code is op.BRANCH:
        return tuple(argument[1])
    if code in (op.ASSERT, op.ASSERT_NOT):
        return (argument[1],)
    if code is op.ATOMIC_GROUP:
        return (argument,)
    if code is op.GROUPREF_EXISTS:
        return tuple(tree for tree in argument[1:] if tree is not None)
    return ()


def characters(code: Any, argument: Any, flags: int) -> Ranges:
    """Return which characters an element takes that takes exactly one."""
    hashable = tuple(argument) if code is op.IN else argument
    return _characters(code, hashable, flags & _OF_SETS)


@lru_cache(maxsize=4096)
def _characters(code: Any, argument: Any, flags: int) -> Ranges:
    if code is op.ANY:
        return ALL if flags & DOTALL else complement(((10, 10),))
    if code is op.NOT_LITERAL:
        return complement(_characters(op.LITERAL, argument, flags))
    if code is op.LITERAL:
        found: Ranges = ((argument, argument),)
    elif argument[:1] == ((op.NEGATE, None),):
        return complement(_characters(code, argument[1:], flags))
    else:
        found = union(_of_item(kind, value, flags) for kind, value in argument)
    return union((found, _of_other_case(code, argument, flags))) if flags & IGNORECASE else found


def _of_item(kind: Any, value: Any, flags: int) -> Ranges:
    if kind is op.CATEGORY:
        return category(value, flags)
    return ((value, value),) if kind is op.LITERAL else (value,)


def _of_other_case(code: Any, argument: Any, flags: int) -> Ranges:
    """Return the letters that an element takes when case is ignored; `re` itself knows best."""
    finds = _finder([(code, list(argument) if code is op.IN else argument)], flags)
    return union(((ord(found[0]), ord(found[0])),) for found in finds.finditer(_cased()))


def category(value: Any, flags: int) -> Ranges:
    r"""Return what `\w`, `\d`, `\s` and their opposites take."""
    return _category(value, flags & ASCII)


@lru_cache(maxsize=12)
def _category(value: Any, flags: int) -> Ranges:
    if value in _OPPOSITES:
        return complement(_category(_OPPOSITES[value], flags))
    assigned = array("I", range(_ASSIGNED_END)).tobytes().decode(_UTF_32, "surrogatepass")
    run = _tree([(op.IN, [(op.CATEGORY, value)])], flags)
    finds = _finder([(op.MAX_REPEAT, (1, op.MAXREPEAT, run))], flags)
    return tuple((found.start(), found.end() - 1) for found in finds.finditer(assigned))


_OPPOSITES = {
    op.CATEGORY_NOT_WORD: op.CATEGORY_WORD,
    op.CATEGORY_NOT_DIGIT: op.CATEGORY_DIGIT,
    op.CATEGORY_NOT_SPACE: op.CATEGORY_SPACE,
}
_UTF_32 = f"utf-32-{sys.byteorder[0]}e"


@lru_cache(maxsize=1)
def _cased() -> str:
    letters = map(chr, range(_CASED_END))
    return "".join(letter for letter in letters if letter.lower() != letter or letter.upper() != letter)


def _tree(elements: list[tuple[Any, Any]], flags: int) -> Any:
    state = parser.State()
    state.flags = flags | (0 if flags & ASCII else re.UNICODE)
    return parser.SubPattern(state, elements)


def _finder(elements: list[tuple[Any, Any]], flags: int) -> re.Pattern[str]:
    found: re.Pattern[str] = compiler.compile(_tree(elements, flags), flags)
    return found


def union(sets: Iterable[Ranges]) -> Ranges:
    """Return what at least one of the sets holds."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(one for ranges in sets for one in ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def complement(ranges: Ranges) -> Ranges:
    """Return all other characters."""
    found, start = [], 0
    for low, high in ranges:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    if start <= sys.maxunicode:
        found.append((start, sys.maxunicode))
    return tuple(found)


@lru_cache(maxsize=4096)
def common(one: Ranges, other: Ranges) -> Ranges:
    """Return what both sets hold."""
    if len(one) > len(other):
        one, other = other, one
    starts = [low for low, _ in other]
    found = []
    for low, high in one:
        index = max(0, bisect_right(starts, low) - 1)
        while index < len(other) and other[index][0] <= high:
            if (first := max(low, other[index][0])) <= (last := min(high, other[index][1])):
                found.append((first, last))
            index += 1
    return tuple(found)
