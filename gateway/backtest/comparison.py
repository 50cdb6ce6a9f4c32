"""Compare what two sets of rules did with the same logs: what both did is let go at once, what only one did is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.backtest.happened import Happened
from rules.rule import Rule
from rules.windows.window import Key

MAX_SHOWN = 1000
"""Differences that are kept to be shown, the first ones; all are counted."""


class Difference(NamedTuple):
    """Something that only one side did, or both did with other commands.

    Attributes:
        sides: what each did; None: nothing.
    """

    sides: tuple[Happened | None, Happened | None]

    @property
    def time(self) -> float:
        """When, in seconds since 1970."""
        return next(one.time for one in self.sides if one is not None)


@dataclass(slots=True)
class RuleDifference:
    """How often a rule did on one side what it did not on the other, and how often what it ran differs."""

    only: list[int]
    other_commands: int = 0

    @property
    def total(self) -> int:
        """How many differences there are."""
        return sum(self.only) + self.other_commands


_What = tuple[float, str, str, Key, bool]


class Comparison:
    """What two sides did; they are to be shown the same, and what they do is to be told in the order of time.

    A rule that only one side has is no different from one that never fires on the other.
    """

    def __init__(self, rules: tuple[Sequence[Rule], Sequence[Rule]]) -> None:
        names = {rule.name: None for side in rules for rule in side}
        self.rules = {name: RuleDifference([0, 0]) for name in names}
        self.missing = tuple(set(names) - {rule.name for rule in side} for side in rules)
        """The names of the rules that each side has not."""
        self.shown: list[Difference] = []
        self.same = 0
        self._waiting: dict[_What, tuple[int, deque[Happened]]] = {}

    def add(self, side: int, happened: Happened) -> None:
        """Take what one side did."""
        what = (happened.time, happened.rule.name, happened.part.value, happened.key, happened.held)
        entry = self._waiting.get(what)
        if entry is None:
            self._waiting[what] = side, deque((happened,))
            return
        owner, queue = entry
        if owner == side:
            queue.append(happened)
            return
        other = queue.popleft()
        if not queue:
            del self._waiting[what]
        pair = (other, happened) if owner == 0 else (happened, other)
        if pair[0].commands() == pair[1].commands():
            self.same += 1
        else:
            self.rules[what[1]].other_commands += 1
            self._show(Difference(pair))

    def settle(self, now: float) -> None:
        """Count what only one side did: both have come to this time, and what is from before it finds no partner."""
        if not self._waiting:
            return
        late = [what for what in self._waiting if what[0] < now]
        for what in late:
            side, queue = self._waiting.pop(what)
            self.rules[what[1]].only[side] += len(queue)
            for one in queue:
                self._show(Difference((one, None) if side == 0 else (None, one)))

    def end(self) -> None:
        """Count the rest: both have come to the end."""
        self.settle(float("inf"))
        self.shown.sort(key=lambda difference: difference.time)

    def different(self) -> list[tuple[str, RuleDifference]]:
        """Return the rules that differ, the one first that does most."""
        found = [(name, one) for name, one in self.rules.items() if one.total]
        return sorted(found, key=lambda pair: -pair[1].total)

    def _show(self, difference: Difference) -> None:
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(difference)
