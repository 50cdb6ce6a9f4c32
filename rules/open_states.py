"""The states that a rule has opened and not yet closed: bans, outages, alarms; one for each key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from rules.deadlines import Deadlines
from rules.rule import Undo
from rules.state_watch import StateWatch
from rules.when import MAX_KEYS
from rules.windows.window import Key


class OpenState(NamedTuple):
    """One state that is open.

    Attributes:
        due: when it closes by itself, in seconds since 1970; None: only an event closes it.
        job: the id of the job that undoes it, which tells it from a later state of the same key; empty: not known.
        since: when it was opened; None: not known.
    """

    due: float | None
    job: str
    since: float | None = None


class OpenStates:
    """Which keys are open, and how often each was.

    Attributes:
        watch: when they end because of what comes, or does not come, meanwhile.
        evicted: how many had to close early because there were too many.
    """

    def __init__(self, undo: Undo, max_keys: int = MAX_KEYS) -> None:
        self._undo = undo
        self._max_keys = max_keys
        self._open: OrderedDict[Key, OpenState] = OrderedDict()
        self._times: OrderedDict[Key, int] = OrderedDict()
        self._due = Deadlines()
        self._endings: dict[Key, int] = {}
        """How many events of those that it takes to close a state have come."""
        self.watch = StateWatch(undo)
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

    def due_if_opened(self, key: Key, now: float) -> float | None:
        """Return when a state would close by itself that is opened now; None: never."""
        period = self._undo.period(self._times.get(key, 0))
        return None if period is None else now + period

    def open(self, key: Key, due: float | None, job: str, now: float) -> None:
        """Open a state."""
        self.remember(key, self._times.get(key, 0) + 1)
        self.restore(key, OpenState(due, job), now)
        self.watch.begin(key, now)

    def get(self, key: Key) -> OpenState | None:
        """Return a state that is open."""
        return self._open.get(key)

    def endings(self, key: Key) -> int:
        """Return how many events of those that it takes to close a state have come."""
        return self._endings.get(key, 0)

    def ends(self, key: Key) -> bool:
        """Take note of an event that may close an open state; tell whether enough of them have come."""
        self._endings[key] = self._endings.get(key, 0) + 1
        return self._endings[key] >= self._undo.count

    def repeats(self, key: Key, now: float) -> bool:
        """Take note of what an open state swallows; tell whether that changes anything.

        What is to close the state begins anew, be it a number of events or a time of quiet.
        """
        self.watch.repeat(key, now)
        return self._endings.pop(key, None) is not None or self.watch.renews

    def close(self, key: Key, job: str | None = None) -> OpenState | None:
        """Close a state and return it; None when it was not open, or when it is one that another job undoes."""
        state = self._open.get(key)
        if state is None or (job and state.job and job != state.job):
            return None
        del self._open[key]
        self._endings.pop(key, None)
        self._due.discard(key)
        self.watch.forget(key)
        return state

    def surplus(self) -> Key | None:
        """Return the key that was opened first when there are too many; it is to be closed."""
        if len(self._open) <= self._max_keys:
            return None
        self.evicted += 1
        return next(iter(self._open))

    def next_due(self) -> float | None:
        """Return when the first state closes by itself; None where none does."""
        return self._due.next_due()

    def fall_due(self, now: float) -> list[tuple[float, Key]]:
        """Return the keys whose time has come, each with its time; whoever asks closes them."""
        return self._due.dues(now)

    def shift(self, seconds: float) -> None:
        """Move the times along that the store keeps, with a clock that was set; not those of `watch`."""
        for key, (due, job, since) in self._open.items():
            later = None if due is None else due + seconds
            self._open[key] = OpenState(later, job, None if since is None else since + seconds)
        self._due.shift(seconds)

    def restore(self, key: Key, state: OpenState, opened: float) -> None:
        """Take note of a state that was opened then; what is known of it since stays known."""
        self._open[key] = state._replace(since=opened)
        if state.due is not None:
            self._due.set(key, state.due)
        if self.watch.until(key) is None:
            self.watch.begin(key, opened)

    def remember(self, key: Key, times: int) -> None:
        """Take note of how often a key was opened until now."""
        self._times[key] = times
        self._times.move_to_end(key)
        if len(self._times) > self._max_keys:
            self._times.popitem(last=False)

    def inherit(self, former: OpenStates) -> None:
        """Take over the states of the same rule as it was before a reload."""
        self._open, self._times, self.evicted = former._open, former._times, former.evicted
        self._due, self._endings = former._due, former._endings
        for key, state in self._open.items():
            self.watch.inherit(key, former.watch, state.since)

    def clear(self) -> None:
        """Forget which are open, and how often they were; not what came to them since, for those that are restored."""
        self._open.clear()
        self._times.clear()
        self._due.clear()

    def settle(self) -> None:
        """Forget what came to states that are not open."""
        self.watch.keep(self._open)
        self._endings = {key: count for key, count in self._endings.items() if key in self._open}
