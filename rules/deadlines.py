"""Times at which something is due, one for each key."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from rules.windows.window import Key

SLACK = 1000
"""Times that count no more, which are kept before those that do are sorted anew."""


class Deadlines:
    """A heap of times; one that was moved or discarded stays in it until its turn comes."""

    def __init__(self) -> None:
        self._at: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def __contains__(self, key: Key) -> bool:
        """Tell whether a key has a time."""
        return key in self._at

    def set(self, key: Key, time: float) -> None:
        """Give a key its time, in the place of a former one."""
        self._at[key] = time
        heappush(self._heap, (time, key))
        if len(self._heap) > 2 * len(self._at) + SLACK:
            self._sort()

    def get(self, key: Key) -> float | None:
        """Return a key's time."""
        return self._at.get(key)

    def __iter__(self) -> Iterator[Key]:
        """Yield the keys that have a time."""
        return iter(self._at)

    def discard(self, key: Key) -> None:
        """Take a key's time away."""
        self._at.pop(key, None)

    def next_due(self) -> float | None:
        """Return the first time; None where there is none."""
        heap = self._heap
        while heap:
            time, key = heap[0]
            if self._at.get(key) == time:
                return time
            heappop(heap)
        return None

    def dues(self, now: float, most: int | None = None) -> list[tuple[float, Key]]:
        """Return the times that have come, the earliest first, so many at most; they stay until they are discarded."""
        found: dict[tuple[float, Key], None] = {}  # a key may have been given the same time again
        while (most is None or len(found) < most) and (time := self.next_due()) is not None and time <= now:
            found[heappop(self._heap)] = None
        for one in found:
            heappush(self._heap, one)
        return list(found)

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        self._at = {key: time + seconds for key, time in self._at.items()}
        self._sort()

    def clear(self) -> None:
        """Forget all times."""
        self._at.clear()
        self._heap.clear()

    def _sort(self) -> None:
        self._heap = [(time, key) for key, time in self._at.items()]
        heapify(self._heap)
