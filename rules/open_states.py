"""The states that a rule has opened and not yet closed: bans, outages, alarms; one for each key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from rules.rule import Undo
from rules.window import MAX_KEYS, Key


class OpenState(NamedTuple):
    """One state that is open.

    Attributes:
        due: when it closes by itself, in seconds since 1970; None: only an event closes it.
        job: the id of the job that undoes it, which tells it from a later state of the same key; empty: not known.
    """

    due: float | None
    job: str


class OpenStates:
    """Which keys are open, and how often each was.

    `evicted` counts the states that had to close early because there were too many.
    """

    def __init__(self, undo: Undo, max_keys: int = MAX_KEYS) -> None:
        self._undo = undo
        self._max_keys = max_keys
        self._open: OrderedDict[Key, OpenState] = OrderedDict()
        self._times: OrderedDict[Key, int] = OrderedDict()
        self.evicted = 0

    def __contains__(self, key: Key) -> bool:
        """Tell whether the key is open."""
        return key in self._open

    def __len__(self) -> int:
        """Count the open states."""
        return len(self._open)

    def items(self) -> Iterator[tuple[Key, OpenState]]:
        """Yield the open states, the one first that was opened first."""
        return iter(self._open.items())

    def next_due(self, key: Key, now: float) -> float | None:
        """Return when a state would close by itself that is opened now; None: never."""
        period = self._undo.period(self._times.get(key, 0))
        return None if period is None else now + period

    def open(self, key: Key, due: float | None, job: str) -> None:
        """Open a state."""
        self.remember(key, self._times.get(key, 0) + 1)
        self._open[key] = OpenState(due, job)

    def close(self, key: Key, job: str | None = None) -> OpenState | None:
        """Close a state and return it; None when it was not open, or when it is one that another job undoes."""
        state = self._open.get(key)
        if state is None or (job and state.job and job != state.job):
            return None
        del self._open[key]
        return state

    def surplus(self) -> Key | None:
        """Return the key that was opened first when there are too many; it is to be closed."""
        if len(self._open) <= self._max_keys:
            return None
        self.evicted += 1
        return next(iter(self._open))

    def fall_due(self, now: float) -> list[tuple[float, Key]]:
        """Return the keys whose time has come, each with its time."""
        return [(state.due, key) for key, state in self._open.items() if state.due is not None and state.due <= now]

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for key, (due, job) in self._open.items():
            if due is not None:
                self._open[key] = OpenState(due + seconds, job)

    def restore(self, key: Key, state: OpenState) -> None:
        """Take note of a state that is open since an earlier run."""
        self._open[key] = state

    def remember(self, key: Key, times: int) -> None:
        """Take note of how often a key was opened until now."""
        self._times[key] = times
        self._times.move_to_end(key)
        if len(self._times) > self._max_keys:
            self._times.popitem(last=False)

    def inherit(self, former: OpenStates) -> None:
        """Take over the states of the same rule as it was before a reload."""
        self._open, self._times, self.evicted = former._open, former._times, former.evicted

    def clear(self) -> None:
        """Forget which are open, and how often they were."""
        self._open.clear()
        self._times.clear()
