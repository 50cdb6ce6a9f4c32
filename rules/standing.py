"""How a rule stands for a key: what it has counted, what is open, what is suppressed.

Nothing here changes a rule's state, so that the running gateway can be asked at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rules.correlate import window_key
from rules.look import conditions_of
from rules.open_states import OpenState
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.when import length_of
from rules.windows.window import Key, Progress
from rules.words import words

MAX_TEXT = 500
"""Characters of what a window has to say of one key: a stranger chooses the values."""

MAX_VALUES = 20_000
"""Characters of the different values of one key that are told."""


class Asked(NamedTuple):
    """A rule and a key, to be looked up.

    Attributes:
        trusted: for senders that may start processes, which are counted apart.
        suppress: the key of the rule's `suppress`; None: it has none.
    """

    rule: str
    key: Key
    trusted: bool = True
    suppress: Key | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule stands for one key.

    Attributes:
        version: tells whether two rules count the same; None: there is no rule of this name.
        progress: None: nothing is under way.
        opened: the state that is open.
        lasts: until when it is open at least, for what was said of it since; None: that does not matter.
        endings: how many of the events that it takes to close the state have come.
        suppressed: until when the rule does not act, in seconds since 1970.
    """

    version: str | None = None
    progress: Progress | None = None
    opened: OpenState | None = None
    lasts: float | None = None
    endings: int = 0
    suppressed: float | None = None


Ask = Callable[[Sequence[Asked]], Sequence[Standing]]
"""Looks rules up, here or in the gateway that runs; answers in the order of the questions."""


def version_of(rule: Rule) -> str:
    """Return what differs between rules that count differently, in every process the same."""
    digest = hashlib.blake2b(digest_size=8)
    when = rule.when
    numbers = (type(when).__name__, length_of(when), getattr(when, "count", None), when.by if when else ())
    conditions = [(words(match), unless and words(unless)) for match, unless in conditions_of(rule)]
    digest.update(repr((numbers, conditions)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def standing_of(rulebook: RuleBook, asked: Asked, now: float) -> Standing:
    """Look a rule up; changes nothing that it counts."""
    correlation = rulebook.named(asked.rule)
    if correlation is None:
        return Standing()
    window, states, suppressed = correlation.window, correlation.states, correlation.suppressed
    until = None
    if suppressed is not None and asked.suppress is not None:
        until = suppressed.until(window_key(asked.suppress, asked.trusted), now)
    progress = window.progress(window_key(asked.key, asked.trusted), now) if window else None
    return Standing(
        version_of(correlation.rule),
        progress and progress._replace(words=progress.words[:MAX_TEXT], has=tuple(_first(progress.has))),
        states.get(asked.key) if states else None,
        states.watch.until(asked.key) if states else None,
        states.endings(asked.key) if states else 0,
        until,
    )


def _first(values: Iterable[str]) -> Iterator[str]:
    """Yield as many values as there is room for; one that has none is left out, not cut: it would be another."""
    room = MAX_VALUES
    for value in values:
        room -= len(value)
        if room < 0:
            return
        yield value


def standings(rulebook: RuleBook, questions: Iterable[Asked], now: float) -> list[Standing]:
    """Look rules up, in the order of the questions."""
    return [standing_of(rulebook, asked, now) for asked in questions]
