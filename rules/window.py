"""Count what happened within a time, apart for each key, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict, deque

MAX_KEYS = 100_000
"""Keys that one rule counts at a time; the one that was quiet longest goes first. A stranger chooses addresses, so
there must be an end: 100,000 keys of a handful of times are about 50 MB."""

MAX_TIMES = 20 * MAX_KEYS
"""Times that one rule keeps for all its keys, for a rule that counts to thousands: some 60 MB."""

Key = tuple[str, ...]


class CountWindow:
    """Sliding windows: a key is full when `count` events lie within `within` seconds; then it starts anew.

    `evicted` counts the keys that had to go for others while their time was not over.
    """

    def __init__(self, count: int, within: float, max_keys: int = MAX_KEYS, max_times: int = MAX_TIMES) -> None:
        self._count = count
        self._within = within
        self._max_keys = max_keys
        self._max_times = max(max_times, count)  # one key at least can become full
        self._kept = 0
        self._times: OrderedDict[Key, deque[float]] = OrderedDict()
        self.evicted = 0

    def add(self, key: Key, now: float) -> bool:
        """Count one event; tell whether it made the key full."""
        if self._count == 1:
            return True
        times = self._times.get(key)
        if times is None:
            if len(self._times) >= self._max_keys:
                self._make_room(now)
            times = self._times[key] = deque()
        else:
            self._times.move_to_end(key)
        oldest = now - self._within
        while times and times[0] <= oldest:
            times.popleft()
            self._kept -= 1
        times.append(now)
        self._kept += 1
        if len(times) == self._count:
            del self._times[key]
            self._kept -= self._count
            return True
        while self._kept > self._max_times:
            self._make_room(now)
        return False

    def counted(self, key: Key, now: float) -> int:
        """Tell how many events of a key lie within the time now."""
        oldest = now - self._within
        return sum(1 for time in self._times.get(key, ()) if time > oldest)

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for times in self._times.values():
            for index, time in enumerate(times):
                times[index] = time + seconds

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._times)

    def _make_room(self, now: float) -> None:
        """Forget the key that was quiet longest: it costs nothing when its time is over, and a count otherwise."""
        _, times = self._times.popitem(last=False)
        self._kept -= len(times)
        if times[-1] > now - self._within:
            self.evicted += 1
