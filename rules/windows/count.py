"""`count`: so many events within a time, apart for each key, in bounded memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from rules.when import Count
from rules.windows.memory import Memory
from rules.windows.window import Completed, Instant, Key, Progress, Sighting, Taken

TIMES_PER_KEY = 20
"""Times that one rule keeps, for all keys that it may have: with 100,000 some 60 MB, also where it counts to
thousands."""

FEW = 64
"""Up to so many a list is both smaller and faster than a deque, which takes 760 octets even when empty."""

Times = list[float] | deque[float]


class CountWindow(Instant):
    """Sliding windows: a key is full when `count` events lie within `within` seconds; then it starts anew."""

    def __init__(self, when: Count) -> None:
        self._count = when.count
        self._within = when.within
        room = max(TIMES_PER_KEY * when.max_keys, when.count)  # one key at least can become full
        self._memory = Memory[Times](when.max_keys, room, len, self._is_over)
        self._times = self._memory.held

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:  # noqa: ARG002 -- a window's signature
        """Count one event."""
        if self._count == 1:
            return Completed(1, now)
        times = self._times.get(key)
        if times is None:
            self._memory.admit(key, [now] if self._count <= FEW else deque((now,)), now)
            return True
        self._times.move_to_end(key)
        before, oldest = len(times), now - self._within
        if times[0] <= oldest:
            self._expire(times, oldest)
        times.append(now)
        self._memory.grow(len(times) - before, now)
        if len(times) < self._count:
            return True
        self._memory.remove(key)
        return Completed(self._count, times[0])

    def _expire(self, times: Times, oldest: float) -> None:
        """Drop the times of events that are as old as the window is long, or older."""
        if isinstance(times, list):
            del times[: bisect_right(times, oldest)]
        else:
            while times and times[0] <= oldest:
                times.popleft()

    def _is_over(self, times: Times, now: float) -> bool:
        return times[-1] <= now - self._within

    def progress(self, key: Key, now: float) -> Progress | None:
        """Tell how many events of a key lie within the time now."""
        oldest = now - self._within
        counted = [time for time in self._times.get(key, ()) if time > oldest]
        return Progress(len(counted), self._count, until=counted[0] + self._within) if counted else None

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for times in self._times.values():
            for index, time in enumerate(times):
                times[index] = time + seconds

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        return self._memory.evicted

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._times)
