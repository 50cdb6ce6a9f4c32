"""`distinct`: events with so many different values of a field within a time, apart for each key."""

from __future__ import annotations

from collections import OrderedDict

from parsers.event import FieldValue, lookup, printable
from rules.match import plain
from rules.when import Distinct
from rules.windows.count import FEW, TIMES_PER_KEY
from rules.windows.memory import Memory
from rules.windows.window import Completed, Instant, Key, Progress, Sighting, Taken, remembered

Values = dict[str, float]
"""When each value came last, in the order of these times."""


class DistinctWindow(Instant):
    """For each key the values of the time."""

    def __init__(self, when: Distinct) -> None:
        self._when = when
        room = max(TIMES_PER_KEY * when.max_keys, when.count)
        self._memory = Memory[Values](when.max_keys, room, len, self._is_over)
        self._values = self._memory.held
        # a dict finds its first key the slower the more were taken from its front, and takes half the memory
        self._new: type[Values] = dict if when.count <= FEW else OrderedDict

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """Count the event's value."""
        when = self._when
        found = lookup(seen.fields, when.field)
        if found is None:
            return False
        value = remembered(printable(plain(found)))
        values = self._values.get(key)
        if values is None:
            values = self._new()
            values[value] = now
            self._memory.admit(key, values, now)
        else:
            self._values.move_to_end(key)
            before = len(values)
            self._expire(values, now - when.within)
            values.pop(value, None)
            values[value] = now
            self._memory.grow(len(values) - before, now)
        if len(values) < when.count:
            return True
        self._memory.remove(key)
        different: list[FieldValue] = list(values)
        return Completed(len(values), next(iter(values.values())), fields={"gateway.values": different})

    def _expire(self, values: Values, oldest: float) -> None:
        while values:
            first = next(iter(values))
            if values[first] > oldest:
                return
            del values[first]

    def _is_over(self, values: Values, now: float) -> bool:
        return values[next(reversed(values))] <= now - self._when.within

    def progress(self, key: Key, now: float) -> Progress | None:
        """Tell which values lie within the time now."""
        within = self._when.within
        values = {value: time for value, time in self._values.get(key, {}).items() if time > now - within}
        if not values:
            return None
        until = min(values.values()) + within
        return Progress(len(values), self._when.count, words=", ".join(values), until=until, has=tuple(values))

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for values in self._values.values():
            for value, time in values.items():
                values[value] = time + seconds

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        return self._memory.evicted

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._values)
