r"""Finds texts that make a pattern search without end, by trying: what is reported has happened.

A matcher that goes back and tries the next way is led astray where a loop can take the same characters in several
ways: a loop in a loop, alternatives that begin alike, neighbours that take the same. A text that shows it brings the
matcher to such a loop, gives it much to divide, and then fails, so that every way is tried. This module makes such
texts out of the pattern's tree and searches them as the gateway would, with the limit. When the time is over, the text
is the proof; else nothing is said. Patterns that `rules.steps` has proved harmless are not tried at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

import regex

from rules.pattern_tree import ONE, REPEATS, Ranges, Tree, characters, common, flags_inside, inside, read
from rules.searching import LIMIT, harmless_length, stoppable

TIMES = 40
"""How often a pump stands in a short text: two ways to take each are more steps than anybody waits for."""

LONG = 2048
"""Characters of a long text: every receiver should take messages as long as that (RFC 5424, section 6.1)."""

FIRST_LIMIT = LIMIT / 5
"""Seconds after which a text is suspected; what is reported took `LIMIT`, twice."""

MAX_SHORT, MAX_LONG = 200, 40
"""Texts of each kind that are tried for one pattern: a few milliseconds for most."""

MANY = 10
"""Repetitions that are as good as endless to whoever attacks."""

MAX_LOOPS = 12
"""Loops that are attacked, the outermost of those that hold others first."""

_MAX_SETS, _MAX_FAVOURITES = 32, 6
_FAILURES = ("\x00", "!", "\n!")


@dataclass(frozen=True, slots=True)
class Weakness:
    """A text that a search does not come to an end with.

    Attributes:
        before, pump, after: it is `before`, then `pump` many times, then `after`.
        times: how many.
        endless: a short text is enough.
    """

    before: str
    pump: str
    times: int
    after: str
    endless: bool

    @property
    def text(self) -> str:
        """The whole text."""
        return self.before + self.pump * self.times + self.after

    def __str__(self) -> str:
        """Show the text as Python would make it."""
        parts = [repr(part) for part in (self.before, self.after) if part]
        parts.insert(1 if self.before else 0, f"{self.pump!r} * {self.times}")
        return " + ".join(parts)


@lru_cache(maxsize=4096)
def weakness(pattern: re.Pattern[str]) -> Weakness | None:
    """Return a text that the pattern cannot be searched in within the time, None when none was found.

    Raises:
        UnspeakableError: the pattern cannot be searched with a limit.
    """
    harmless = harmless_length(pattern)
    if harmless is None:
        return None
    search, attacks = stoppable(pattern), _Attacks(pattern, harmless + 1)
    for endless, most in ((True, MAX_SHORT), (False, MAX_LONG)):
        for text in islice(dict.fromkeys(attacks.texts(endless=endless)), most):
            if _is_stopped(search, text.text, FIRST_LIMIT if endless else LIMIT) and all(
                _is_stopped(search, text.text, LIMIT) for _ in range(2 if endless else 1)
            ):
                return text
    return None


def _is_stopped(pattern: regex.Pattern[str], text: str, limit: float) -> bool:
    try:
        pattern.search(text, timeout=limit)
    except TimeoutError:
        return True
    return False


class _Attacks:
    """The texts that may lead a matcher astray.

    Args:
        pattern: what it matches.
        least: characters of a text; shorter ones it is known to get through.
    """

    def __init__(self, pattern: re.Pattern[str], least: int) -> None:
        tree, flags = read(pattern)
        loops = sorted(_loops(tree, flags, _Sample(()), "", ""), key=lambda one: one.holds, reverse=True)[:MAX_LOOPS]
        samples = [_Sample(favourite) for favourite in ((), *_favourites(tree, flags))]
        self._pumps = [
            (loop, list(dict.fromkeys(tuple(sample.ways(loop.inner, loop.flags)) for sample in samples)))
            for loop in loops
        ]
        self._least = least

    def texts(self, *, endless: bool) -> Iterator[Weakness]:
        """Yield short ones, or long ones."""
        for loop, pumps in ((loop, pumps) for loop, each in self._pumps for pumps in each):
            before, rest = loop.before, loop.rest
            more = () if endless else (before + pumps[0], before + rest[:-1], rest[:-1])
            for pump in dict.fromkeys(filter(None, (*pumps, *more))):
                times = TIMES if endless else max(1, (LONG - len(before)) // len(pump))
                for after in (*_FAILURES, _FAILURES[0] + rest, rest[:-1] + _FAILURES[0], rest + _FAILURES[0]):
                    if len(before) + len(pump) * times + len(after) >= self._least:
                        yield Weakness(before, pump, times, after, endless)


@dataclass(frozen=True, slots=True)
class _Loop:
    """A repetition: what is repeated, a text that leads to it, one that the rest would match, whether it holds more."""

    inner: Tree
    flags: int
    before: str
    rest: str
    holds: bool


def _loops(tree: Tree, flags: int, sample: _Sample, before: str, rest: str) -> Iterator[_Loop]:
    texts = sample.each(tree, flags)
    for index, (code, argument) in enumerate(tree):
        led, left = before + "".join(texts[:index]), "".join(texts[index + 1 :]) + rest
        is_loop = code in REPEATS and argument[1] >= MANY
        if is_loop and code is not op.POSSESSIVE_REPEAT:
            yield _Loop(argument[2], flags, led, left, holds=_holds_more(argument[2]))
        within = flags_inside(flags, *argument[1:3]) if code is op.SUBPATTERN else flags
        for inner in inside(code, argument):
            yield from _loops(inner, within, sample, led, left)


def _holds_more(tree: Tree) -> bool:
    """Tell whether what is repeated holds what can be divided: repetitions, alternatives."""
    return any(
        code in (op.BRANCH, *REPEATS) or any(map(_holds_more, inside(code, argument))) for code, argument in tree
    )


def _favourites(tree: Tree, flags: int) -> list[Ranges]:
    """Return sets of characters that as many elements as possible take."""
    sets = list(islice(dict.fromkeys(_sets(tree, flags)), _MAX_SETS))
    favourites = []
    for chosen in sets:
        for other in sets:
            chosen = common(chosen, other) or chosen  # noqa: PLW2901 -- what is left of it is what is wanted
        favourites.append(chosen)
    return list(dict.fromkeys(favourites))[:_MAX_FAVOURITES]


def _sets(tree: Tree, flags: int) -> Iterator[Ranges]:
    for code, argument in tree:
        if code in ONE and (found := characters(code, argument, flags)):
            yield found
        within = flags_inside(flags, *argument[1:3]) if code is op.SUBPATTERN else flags
        for inner in inside(code, argument):
            yield from _sets(inner, within)


class _Sample:
    """Writes texts that a part of a pattern matches, of favourite characters where it can."""

    def __init__(self, favourite: Ranges) -> None:
        self._favourite = favourite
        self._groups: dict[int, str] = {}

    def ways(self, tree: Tree, flags: int) -> Iterator[str]:
        """Yield some texts for what is repeated: the shortest, one with all that may be left out, one for each arm."""
        texts = self.each(tree, flags)
        yield "".join(texts)
        yield self.of(tree, flags, whole=True)
        for index, (code, argument) in enumerate(tree):
            within = flags_inside(flags, *argument[1:3]) if code is op.SUBPATTERN else flags
            for inner in inside(code, argument) if code in (op.BRANCH, op.SUBPATTERN, *REPEATS) else ():
                ways = (self.of(inner, within),) if code is op.BRANCH else self.ways(inner, within)
                for way in islice(ways, 8):
                    yield "".join((*texts[:index], way, *texts[index + 1 :]))
                    yield way

    def of(self, tree: Tree, flags: int, *, whole: bool = False) -> str:
        """Return the shortest text; with `whole` what may be left out is there once."""
        return "".join(self.each(tree, flags, whole=whole))

    def each(self, tree: Tree, flags: int, *, whole: bool = False) -> list[str]:
        """Return the same, of each element."""
        return [self._element(code, argument, flags, whole=whole) for code, argument in tree]

    def _element(self, code: Any, argument: Any, flags: int, *, whole: bool) -> str:
        if code in ONE:
            return self._character(characters(code, argument, flags))
        if code is op.GROUPREF:
            return self._groups.get(argument, "")
        if code in REPEATS:
            low, high, inner = argument
            return self.of(inner, flags, whole=whole) * max(int(low), int(whole and high > 0))
        if code is op.BRANCH:
            return min((self.of(branch, flags, whole=whole) for branch in argument[1]), key=len)
        if code is op.SUBPATTERN:
            number, add, remove, inner = argument
            taken = self.of(inner, flags_inside(flags, add, remove), whole=whole)
            if number is not None:
                self._groups[number] = taken
            return taken
        if code is op.ATOMIC_GROUP:
            return self.of(argument, flags, whole=whole)
        return ""  # looking around takes nothing; whether the condition of a group holds is left open

    def _character(self, found: Ranges) -> str:
        liked = common(found, self._favourite) or found
        if not liked:
            return ""
        letters = (common(liked, one) for one in _READABLE)
        return chr(next((found[0][0] for found in letters if found), liked[0][0]))


_READABLE: tuple[Ranges, ...] = (
    ((0x61, 0x7A),),
    ((0x30, 0x39),),
    ((0x41, 0x5A),),
    ((0x20, 0x7E),),
)
"""Letters, digits and signs: a text that people can read shows more."""
