"""When an open state ends by itself: its rule's events have ceased (`quiet`), or what closes it stayed away (`within`).

Other than a state's own time (`after`), which the store keeps, this depends on what comes meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container

from rules.deadlines import Deadlines
from rules.rule import Undo
from rules.windows.window import Key


class StateWatch:
    """Until when each state lasts.

    `quiet` ends it when so many seconds have passed with no more than `at_most` of the rule's own events: that time
    begins when the state opens, and with each event that is one too many at the oldest of those that are not (SEC's
    SingleWith2Thresholds).
    """

    def __init__(self, undo: Undo) -> None:
        self._quiet = undo.quiet
        self._within = undo.within
        self._at_most = undo.at_most
        self._until = Deadlines()
        self._repeats: dict[Key, deque[float]] = {}

    @property
    def renews(self) -> bool:
        """Tell whether a repeat makes a state last longer."""
        return self._quiet is not None

    def begin(self, key: Key, now: float) -> None:
        """Watch a state that opens."""
        lasts = self._quiet if self._quiet is not None else self._within
        if lasts is not None:
            self._until.set(key, now + lasts)
            self._repeats.pop(key, None)

    def repeat(self, key: Key, now: float) -> None:
        """Take note of an event that the state swallows."""
        if self._quiet is None or key not in self._until:
            return
        if not self._at_most:
            self._until.set(key, now + self._quiet)
            return
        repeats = self._repeats.setdefault(key, deque())
        repeats.append(now)
        if len(repeats) > self._at_most:
            repeats.popleft()
            self._until.set(key, repeats[0] + self._quiet)

    def forget(self, key: Key) -> None:
        """Watch a state no more."""
        self._until.discard(key)
        self._repeats.pop(key, None)

    def keep(self, keys: Container[Key]) -> None:
        """Forget all but these."""
        for key in [key for key in self._until if key not in keys]:
            self.forget(key)

    def inherit(self, key: Key, former: StateWatch, opened: float | None) -> None:
        """Take over from the rule as it was before a reload what came to a state.

        One that lasts by other terms now does so from when it was opened, or from what was too much then.
        """
        until = former.until(key)
        if (former._quiet, former._within, former._at_most) != (self._quiet, self._within, self._at_most):
            began = opened if until is None or former._quiet is None else until - former._quiet
            if began is not None:
                self.begin(key, began)
        elif until is not None:
            self._until.set(key, until)
            if key in former._repeats:
                self._repeats[key] = former._repeats[key]

    def until(self, key: Key) -> float | None:
        """Return until when a state lasts, as far as is known now."""
        return self._until.get(key)

    def next_due(self) -> float | None:
        """Return when the first ends."""
        return self._until.next_due()

    def dues(self, now: float, most: int | None = None) -> list[tuple[float, Key]]:
        """Return those that end, each with its time, the earliest first, so many at most."""
        return self._until.dues(now, most)

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        self._until.shift(seconds)
        for repeats in self._repeats.values():
            for index, time in enumerate(repeats):
                repeats[index] = time + seconds

    def postpone(self, seconds: float) -> None:
        """Let time that nobody could watch not count as quiet, or for what must not come."""
        self.shift(seconds)
