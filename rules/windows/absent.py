"""`absent`: an event, and then another that should follow does not come in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from parsers.message import Message
from rules.when import Absent
from rules.windows.memory import OCTETS_PER_KEY, Waits, weight_of
from rules.windows.window import Completed, Key, Progress, Sighting, Taken

BEGINS, ENDS = 0, 1
"""The stages: what begins a wait, and what ends it. For silence one event is both."""


class _Wait(NamedTuple):
    """When a wait is over, and the event that began it."""

    due: float
    message: Message


class AbsentWindow:
    """For each key the event that began its wait."""

    def __init__(self, when: Absent) -> None:
        self._when = when
        self._silence = when.stage is None
        self._waits = Waits[_Wait](
            when.max_keys, OCTETS_PER_KEY * when.max_keys, lambda wait: weight_of(wait.message), lambda wait: wait.due
        )

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """End a wait, and begin one where there is none."""
        waits = self._waits
        former = waits.held.get(key)
        if former is not None:
            if not self._silence and ENDS not in seen.stages:
                return False
            waits.remove(key)
        begins = BEGINS in seen.stages
        if begins:
            waits.admit(key, _Wait(now + self._when.within, seen.event.message), now)
        if former is None or self._silence:
            return begins
        return Completed(2, former.due - self._when.within, ((former.message, BEGINS),), otherwise=True)

    def next_due(self) -> float | None:
        """Return when the first wait is over."""
        return self._waits.next_due()

    def dues(self, now: float) -> Iterator[tuple[float, Key]]:
        """Yield the waits that are over."""
        return self._waits.dues(now)

    def end(self, key: Key, due: float) -> Completed | None:
        """End a wait: what should have come did not."""
        wait = self._waits.end(key, due)
        return wait and Completed(1, wait.due - self._when.within, last=(wait.message, BEGINS))

    def progress(self, key: Key, now: float) -> Progress | None:  # noqa: ARG002 -- a window's signature
        """Tell until when a key waits."""
        wait = self._waits.held.get(key)
        return wait and Progress(1, 0, wait.due, "waits for what must not stay away")

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        self._waits.replace(lambda wait: _Wait(wait.due + seconds, wait.message))

    def postpone(self, seconds: float) -> None:
        """Wait longer, for what came in this time was not seen."""
        self.shift(seconds)

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        return self._waits.evicted

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._waits.held)
