"""What a window holds for each key, in memory that ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from parsers.message import Message
from rules.windows.window import Key

Held = TypeVar("Held")

OCTETS_PER_KEY = 1024
"""Octets of messages that one rule keeps, for all keys that it may have: with 100,000 some 100 MB. A stranger chooses
how long messages are, and most are a quarter of this."""

MESSAGE = 300
"""Octets of a message besides its frame."""


class Memory(Generic[Held]):
    """What is held for each key; what was told of longest ago is forgotten first.

    Attributes:
        held: by key. Whoever tells something of a key that is there moves it to the end.
        weight: of all that is held, in whatever unit the window weighs it.
        evicted: how many keys had to go for others while they still counted.
    """

    def __init__(
        self,
        max_keys: int,
        max_weight: int,
        weigh: Callable[[Held], int],
        is_over: Callable[[Held, float], bool] | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            max_keys: more are not held.
            max_weight: more is not held.
            weigh: returns the weight of what one key holds.
            is_over: tells whether what a key holds counts no more; None: it counts until it is removed.
        """
        self._max_keys = max_keys
        self._max_weight = max_weight
        self._weigh = weigh
        self._is_over = is_over
        self.held: OrderedDict[Key, Held] = OrderedDict()
        self.weight = 0
        self.evicted = 0

    def admit(self, key: Key, one: Held, now: float) -> None:
        """Hold something for a new key."""
        held, is_over = self.held, self._is_over
        if is_over is not None and held:
            for _ in range(2):  # more than come: what is over does not stay for long, and no event pays for many
                first = next(iter(held))
                if not is_over(held[first], now):
                    break
                self.remove(first)
                if not held:
                    break
        if len(held) >= self._max_keys:
            self._evict(now)
        held[key] = one
        self.grow(self._weigh(one), now)

    def grow(self, weight: int, now: float) -> None:
        """Take note that what is held weighs more now, or less; what has no room any more is forgotten."""
        self.weight += weight
        while self.weight > self._max_weight and len(self.held) > 1:
            self._evict(now)

    def remove(self, key: Key) -> Held:
        """Forget a key; return what it held."""
        one = self.held.pop(key)
        self.weight -= self._weigh(one)
        return one

    def _evict(self, now: float) -> None:
        one = self.remove(next(iter(self.held)))
        self.evicted += self._is_over is None or not self._is_over(one, now)

    def replace(self, change: Callable[[Held], Held]) -> None:
        """Put something of the same weight in the place of all that is held."""
        for key, one in self.held.items():
            self.held[key] = change(one)


class Waits(Memory[Held]):
    """What is held for keys that wait, those first whose time is over first."""

    def __init__(
        self, max_keys: int, max_weight: int, weigh: Callable[[Held], int], due: Callable[[Held], float | None]
    ) -> None:
        """Begin with nothing; `due` returns when a wait is over, None: never."""
        super().__init__(max_keys, max_weight, weigh)
        self._due = due

    def next_due(self) -> float | None:
        """Return when the first wait is over."""
        for one in self.held.values():
            return self._due(one)
        return None

    def dues(self, now: float) -> Iterator[tuple[float, Key]]:
        """Yield the waits that are over, each with its time, the earliest first."""
        for key, one in self.held.items():
            due = self._due(one)
            if due is None or due > now:
                return
            yield due, key

    def end(self, key: Key, due: float) -> Held | None:
        """Remove a wait that is over by this time, and return it; None where there is none such."""
        one = self.held.get(key)
        time = None if one is None else self._due(one)
        return None if time is None or time > due else self.remove(key)


def weight_of(message: Message) -> int:
    """Return how many octets a message takes."""
    return len(message.frame) + MESSAGE
