"""A backtracking matcher of the simplest kind, which counts its steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

from rules.pattern_tree import ONE, Tree, characters, flags_inside, read


class CountingMatcher:
    """Searches one text; `steps` says how often it looked at an element or decided to go round once more."""

    def __init__(self, pattern: re.Pattern[str], text: str) -> None:
        self._tree, self._flags = read(pattern)
        self._text = text
        self.steps = 0

    def search(self) -> tuple[int, int] | None:
        """Return where the pattern is found first."""
        for start in range(len(self._text) + 1):
            for end in self._sequence(self._tree, self._flags, 0, start):
                return start, end
        return None

    def _sequence(self, tree: Tree, flags: int, index: int, at: int) -> Iterator[int]:
        if index == len(tree):
            yield at
            return
        code, argument = tree[index]
        for end in self._element(code, argument, flags, at):
            yield from self._sequence(tree, flags, index + 1, end)

    def _element(self, code: Any, argument: Any, flags: int, at: int) -> Iterator[int]:
        self.steps += 1
        if code in ONE:
            if at < len(self._text) and any(
                low <= ord(self._text[at]) <= high for low, high in characters(code, argument, flags)
            ):
                yield at + 1
        elif code is op.AT:
            if self._is_at(argument, at):
                yield at
        elif code is op.SUBPATTERN:
            yield from self._sequence(argument[3], flags_inside(flags, *argument[1:3]), 0, at)
        elif code is op.BRANCH:
            for branch in argument[1]:
                yield from self._sequence(branch, flags, 0, at)
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            low, high, inner = argument
            yield from self._loop(inner, flags, at, 0, low, high, lazy=code is op.MIN_REPEAT)
        else:
            yield from self._atomic(code, argument, flags, at)

    def _atomic(self, code: Any, argument: Any, flags: int, at: int) -> Iterator[int]:
        if code is op.POSSESSIVE_REPEAT:
            yield from self._possessive(argument, flags, at)
        elif code is op.ATOMIC_GROUP:
            yield from list(self._first(argument, flags, at))
        elif code in (op.ASSERT, op.ASSERT_NOT):
            start = at if argument[0] > 0 else at - argument[1].getwidth()[0]
            found = start >= 0 and any(True for _ in self._first(argument[1], flags, start))
            if found is (code is op.ASSERT):
                yield at
        else:
            raise NotImplementedError(str(code))

    def _first(self, tree: Tree, flags: int, at: int) -> Iterator[int]:
        for end in self._sequence(tree, flags, 0, at):
            yield end
            return

    def _possessive(self, argument: Any, flags: int, at: int) -> Iterator[int]:
        low, high, inner = argument
        count = 0
        while count < high:
            self.steps += 1
            end = next(self._first(inner, flags, at), None)
            if end is None or (end == at and count >= low):
                break
            at, count = end, count + 1
        if count >= low:
            yield at

    def _loop(self, inner: Tree, flags: int, at: int, count: int, low: int, high: int, *, lazy: bool) -> Iterator[int]:
        self.steps += 1
        if lazy and count >= low:
            yield at
        if count < high:
            for end in self._sequence(inner, flags, 0, at):
                if end > at or count < low:
                    yield from self._loop(inner, flags, end, count + 1, low, high, lazy=lazy)
        if not lazy and count >= low:
            yield at

    def _is_at(self, place: Any, at: int) -> bool:
        text, last = self._text, len(self._text)
        if place in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return at == 0
        if place is op.AT_END:
            return at == last or (at == last - 1 and text[at] == "\n")
        return at == last
