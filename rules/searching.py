"""Searching with what a user wrote, so that no text can stall the gateway.

`re` cannot be stopped, and some patterns take it longer than the universe has been there. So it searches only the
texts for which the pattern can do no harm: those for whose length `rules.steps` proves that few steps are enough. For
most patterns that is every line of a log. Longer texts are searched by the package `regex`, which stops after a time,
and which finds the same (`rules.spelled_out`).

A search that was stopped has found neither that the text matches nor that it does not. So it raises: whoever asked
must not act upon it, and must say it.

**What a hostile sender can cost.** A search may take `LIMIT`, which nobody notices once; if every message took that
long, twenty in a second would fill a processor. So each search that had to be stopped halves the time that the next
one gets, down to `LEAST`, and each one that came to its end gives a hundredth back: on average a hostile message costs
little more than `LEAST` and a hundredth of `LIMIT`. This needs no clock, and passes with the messages that follow. No
pattern is ever switched off, for anybody: `LEAST` is still a hundred times what an ordinary message takes, so an
attack cannot be hidden behind somebody else's flood, and every search that is stopped is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import regex

from rules.spelled_out import spelled_out
from rules.steps import Steps

LIMIT = 0.05
"""Seconds of the process's CPU time that one search may take: a pause that no connection notices."""

LEAST = 0.001
"""Seconds that a search may take at any rate; ordinary texts take a hundredth of that."""

RECOVERY = 1.01
"""How much more time each search that came to its end gives the next one, after one that had to be stopped."""

MAX_STEPS = 1_000_000
"""Steps that `re` may take without being stopped: some milliseconds at worst, mostly less than one."""

MAX_STEPS_OF_ONE = 100
"""Steps for each character that it may take however long the text is: that is no more than reading it often."""

MAX_LENGTH = 1 << 20
"""Characters of a text for which no bound needs to be known: many times the longest frame or line there is."""

MAX_EXCERPT = 120
"""Characters of the text that are told."""


class TooSlowError(Exception):
    """A search was stopped: whether the text matches is not known.

    Attributes:
        pattern: what was searched for.
        text: the beginning of the text.
        length: how many characters the whole has.
        seconds: how long the search took.
    """

    def __init__(self, pattern: str, text: str, seconds: float) -> None:
        super().__init__(f"the search for {pattern} took longer than {seconds * 1000:.0f} ms")
        self.pattern, self.seconds = pattern, seconds
        self.text, self.length = text[:MAX_EXCERPT], len(text)


class Hit(Protocol):
    """Where a pattern was found: what a match of `re` and one of `regex` have in common, as far as it is used."""

    def __getitem__(self, group: str, /) -> str | None:
        """Return the text of a named group, None when it took no part."""
        ...

    def span(self) -> tuple[int, int]:
        """Return where the match begins and ends."""
        ...


Search = Callable[[str], Hit | None]
"""Finds the first place where a pattern matches; None where there is none.

Raises:
    TooSlowError: it was stopped.
"""


@lru_cache(maxsize=4096)
def harmless_length(pattern: re.Pattern[str]) -> int | None:
    """Return up to which length `re` searches any text in few steps; None: however long it is."""
    steps = Steps(pattern)

    def few(length: int) -> bool:
        return steps.most(length) <= max(MAX_STEPS, length * MAX_STEPS_OF_ONE)

    if few(MAX_LENGTH):
        return None
    low, high = 0, MAX_LENGTH
    while high - low > max(1, low // 16):
        middle = (low + high) // 2 if high < 64 else int((max(low, 1) * high) ** 0.5)
        low, high = (middle, high) if few(middle) else (low, middle)
    return low


@lru_cache(maxsize=4096)
def stoppable(pattern: re.Pattern[str]) -> regex.Pattern[str]:
    """Return what `regex` searches for in this pattern's stead.

    Raises:
        UnspeakableError: it cannot.
    """
    return regex.compile(spelled_out(pattern), regex.V1)


def searching(pattern: re.Pattern[str]) -> Search:
    """Make what searches for a pattern; what it remembers of searches that were stopped is its own."""
    harmless = harmless_length(pattern)
    if harmless is None:
        return pattern.search
    quick, stopped = pattern.search, Stopped(pattern)

    def search(text: str) -> Hit | None:
        return quick(text) if len(text) <= harmless else stopped.search(text)

    return search


class Stopped:
    """Searches with a limit, which falls with each search that it stops and rises again with the others."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._search = stoppable(pattern).search
        self.limit = LIMIT

    def search(self, text: str) -> Hit | None:
        """Find the first place; stop when the time is over."""
        try:
            found = self._search(text, timeout=self.limit)
        except TimeoutError:
            seconds, self.limit = self.limit, max(LEAST, self.limit / 2)
            raise TooSlowError(self._pattern.pattern, text, seconds) from None
        if self.limit < LIMIT:
            self.limit = min(LIMIT, self.limit * RECOVERY)
        return found
