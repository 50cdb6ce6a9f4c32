"""How soon a rule may start its next step, where it says how many it wants within a time."""

from __future__ import annotations

from collections import deque

from rules.rule import Rate


class Rates:
    """The latest starts of each rule; times are those of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._starts: dict[str, deque[float]] = {}

    def started(self, rule: str, rate: Rate, now: float) -> None:
        """Take note of a start."""
        starts = self._starts.setdefault(rule, deque())
        starts.append(now)
        while len(starts) > rate.count:
            starts.popleft()

    def wait(self, rule: str, rate: Rate, now: float) -> float:
        """Return how many seconds the next start has to wait."""
        starts = self._starts.get(rule, ())
        if len(starts) < rate.count:
            return 0.0
        return max(0.0, starts[-rate.count] + rate.within - now)
