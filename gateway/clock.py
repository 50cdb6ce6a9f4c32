"""The wall clock's one home: everything else takes `now` as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable

SET = 0.5
"""Seconds between wall clock and ours from which on somebody has set the clock; less is drift, which we follow."""


def now() -> float:
    """Return the seconds since 1970 by the wall clock."""
    return time.time()  # noqa: TID251 -- this is the one home


class SteadyClock:
    """Wall-clock time that goes on steadily when the wall clock is set: an hour stays an hour for what waits.

    Args:
        wall: seconds since 1970.
        monotonic: seconds that nobody sets.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._offset + self._monotonic()

    def follow(self) -> float:
        """Follow the wall clock; return by how many seconds it was set since the last look, 0 when it only drifted."""
        offset = self._wall() - self._monotonic()
        step = offset - self._offset
        self._offset = offset
        return step if abs(step) > SET else 0.0
