"""The keys for which a rule has just acted, and does not act again for a time."""

from __future__ import annotations

from collections import OrderedDict

from rules.windows.window import Key


class Suppressed:
    """Until when each key is suppressed, those first for which the rule acted first.

    A key with one part more than others is a stranger's (`rules.correlate.window_key`): those have room of their own.
    """

    def __init__(self, max_keys: int, parts: int) -> None:
        self._max_keys = max_keys
        self._parts = parts
        self._trusted: OrderedDict[Key, float] = OrderedDict()
        self._strangers: OrderedDict[Key, float] = OrderedDict()
        self.evicted = 0

    def _of(self, key: Key) -> OrderedDict[Key, float]:
        return self._trusted if len(key) == self._parts else self._strangers

    def until(self, key: Key, now: float) -> float | None:
        """Return until when a key is suppressed; None when it is not."""
        until = self._of(key).get(key)
        return None if until is None or until <= now else until

    def begin(self, key: Key, until: float, now: float) -> None:
        """Suppress a key for a time."""
        held = self._of(key)
        held[key] = until
        held.move_to_end(key)
        for _ in range(2):  # one more than comes, so that what is over does not stay
            first = next(iter(held))
            over = held[first] <= now
            if over or len(held) > self._max_keys:
                del held[first]
                self.evicted += not over

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for held in (self._trusted, self._strangers):
            for key in held:
                held[key] += seconds

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._trusted) + len(self._strangers)
