"""Windows of trusted and of other senders, so that strangers take no room from what others have begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge

from rules.windows.window import Completed, Key, Progress, Sighting, Taken, Window


class ApartWindow:
    """Two windows of one kind; a key with one part more than others is a stranger's (`rules.correlate.window_key`)."""

    def __init__(self, make: Callable[[], Window], parts: int) -> None:
        self._make = make
        self._parts = parts
        self._trusted = make()
        self._strangers: Window | None = None  # most rules see none

    def _of(self, key: Key) -> Window:
        if len(key) == self._parts:
            return self._trusted
        if self._strangers is None:
            self._strangers = self._make()
        return self._strangers

    def _both(self) -> tuple[Window, ...]:
        return (self._trusted,) if self._strangers is None else (self._trusted, self._strangers)

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """Take an event."""
        window = self._trusted if len(key) == self._parts else self._of(key)
        return window.take(key, seen, now)

    def next_due(self) -> float | None:
        """Return when the first wait is over."""
        return min((due for one in self._both() if (due := one.next_due()) is not None), default=None)

    def dues(self, now: float) -> Iterator[tuple[float, Key]]:
        """Yield the waits that are over, each with its time, the earliest first."""
        return merge(*(one.dues(now) for one in self._both()))

    def end(self, key: Key, due: float) -> Completed | None:
        """End a wait that is over."""
        return self._of(key).end(key, due)

    def progress(self, key: Key, now: float) -> Progress | None:
        """Tell how far a key is."""
        return self._of(key).progress(key, now)

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for one in self._both():
            one.shift(seconds)

    def postpone(self, seconds: float) -> None:
        """Let time that nobody could watch not count for what must not come."""
        for one in self._both():
            one.postpone(seconds)

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        return sum(one.evicted for one in self._both())

    def __len__(self) -> int:
        """Count the keys in memory."""
        return sum(map(len, self._both()))
