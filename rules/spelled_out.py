r"""Spells a pattern of `re` out for the package `regex`, so that both find the same.

`regex` can stop a search after a time, which `re` cannot, and reads nearly the same language; nearly: to it `{e<=1}`
allows an error, `[[:alpha:]]` is a class, `\w` holds combining marks, `\s` lacks the separators U+001C to U+001F, and
letters whose case is ignored fold otherwise. So it never sees what the operator wrote. It gets a pattern made from the
tree that `re` itself has read, without flags, in which every set is the set of characters that `re` takes for it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

from rules.pattern_tree import (
    ALL,
    IGNORECASE,
    MULTILINE,
    ONE,
    REPEATS,
    Ranges,
    Tree,
    category,
    characters,
    common,
    flags_inside,
    inside,
    read,
)

_SUFFIXES = {op.MAX_REPEAT: "", op.MIN_REPEAT: "?", op.POSSESSIVE_REPEAT: "+"}
_PLACES = {op.AT_BEGINNING_STRING: r"\A", op.AT_BEGINNING: r"\A", op.AT_END_STRING: r"\Z", op.AT_END: "$"}
_PLACES_OF_LINES = {op.AT_BEGINNING: "(?m:^)", op.AT_END: "(?m:$)"}
_ASCII: Ranges = ((0, 0x7F),)
_BEYOND_ASCII: Ranges = ((0x80, ALL[0][1]),)


MAX_NESTED = 8
"""Repetitions in each other: the time that `regex` takes to compile them doubles with each."""


class UnspeakableError(Exception):
    """`regex` has no words for a part of the pattern; the text says for which."""


def spelled_out(pattern: re.Pattern[str]) -> str:
    """Return the pattern for `regex`, version 1, that finds what this one finds.

    The groups with names are its groups, under the same names; of the others only those that are referred to.

    Raises:
        UnspeakableError: a part of it means something that `regex` has no words for.
    """
    tree, flags = read(pattern)
    names = {number: f"_{number}" for number in _referred_to(tree)}
    names.update((number, name) for name, number in pattern.groupindex.items())
    return _Spelling(names).sequence(tree, flags)


class _Spelling:
    """Walks the tree of one pattern; knows the groups that are kept by their numbers."""

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names
        self._nested = 0

    def sequence(self, tree: Tree, flags: int) -> str:
        return "".join(self._element(code, argument, flags) for code, argument in tree)

    def _element(self, code: Any, argument: Any, flags: int) -> str:
        if code in ONE:
            return _set(characters(code, argument, flags))
        if code in REPEATS:
            low, high, inner = argument
            most = "" if high is op.MAXREPEAT else high
            return f"(?:{self._repeated(inner, flags)}){{{low},{most}}}{_SUFFIXES[code]}"
        if code is op.SUBPATTERN:
            number, add, remove, inner = argument
            found = self.sequence(inner, flags_inside(flags, add, remove))
            return f"(?P<{self._names[number]}>{found})" if number in self._names else f"(?:{found})"
        if code is op.BRANCH:
            return f"(?:{'|'.join(self.sequence(branch, flags) for branch in argument[1])})"
        if code is op.AT:
            return _place(argument, flags)
        if code in (op.ASSERT, op.ASSERT_NOT):
            direction, inner = argument
            sign = ("<" if direction < 0 else "") + ("=" if code is op.ASSERT else "!")
            return f"(?{sign}{self.sequence(inner, flags)})"
        if code is op.ATOMIC_GROUP:
            return f"(?>{self.sequence(argument, flags)})"
        return self._reference(code, argument, flags)

    def _repeated(self, inner: Tree, flags: int) -> str:
        self._nested += 1
        if self._nested > MAX_NESTED:
            raise UnspeakableError(f"a repetition in {MAX_NESTED} others")
        found = self.sequence(inner, flags)
        self._nested -= 1
        return found

    def _reference(self, code: Any, argument: Any, flags: int) -> str:
        if code is op.GROUPREF:
            if flags & IGNORECASE:
                raise UnspeakableError("a back reference that ignores case")
            return f"(?P={self._names[argument]})"
        if code is op.GROUPREF_EXISTS:
            number, yes, no = argument
            otherwise = "" if no is None else f"|{self.sequence(no, flags)}"
            return f"(?({self._names[number]}){self.sequence(yes, flags)}{otherwise})"
        if code is op.FAILURE:
            return "(?!)"
        raise UnspeakableError(str(code).lower())


def _referred_to(tree: Tree) -> set[int]:
    """Return the numbers of the groups that a back reference or a condition refers to."""
    found: set[int] = set()
    for code, argument in tree:
        if code is op.GROUPREF:
            found.add(argument)
        if code is op.GROUPREF_EXISTS:
            found.add(argument[0])
        for inner in inside(code, argument):
            found |= _referred_to(inner)
    return found


def _place(place: Any, flags: int) -> str:
    if flags & MULTILINE and place in _PLACES_OF_LINES:
        return _PLACES_OF_LINES[place]
    if place in _PLACES:
        return _PLACES[place]
    word = _set(category(op.CATEGORY_WORD, flags))
    if place is op.AT_BOUNDARY:
        return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
    # a text without characters: whether it has such a place depends on Python's version
    nowhere = "" if re.search(r"\B", "") else r"(?!\A\Z)"
    return f"{nowhere}(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"


@lru_cache(maxsize=1024)
def _set(ranges: Ranges) -> str:
    """Write a set so that a character of ASCII need not be compared with hundreds of ranges beyond it."""
    if not ranges:
        return "(?!)"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _character(ranges[0][0])
    near, far = common(ranges, _ASCII), common(ranges, _BEYOND_ASCII)
    if len(far) < 4:
        return f"[{_ranges(ranges)}]"
    return f"[{_ranges(near)}[[{_ranges(_BEYOND_ASCII)}]&&[{_ranges(far)}]]]"


def _ranges(ranges: Ranges) -> str:
    return "".join(_character(low) + (f"-{_character(high)}" if high > low else "") for low, high in ranges)


def _character(code: int) -> str:
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\U{code:08x}"
