"""`all`: one event for each of several stages within a time, in any order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence as Indexes
from dataclasses import dataclass, field
from typing import NamedTuple

from parsers.message import Message
from rules.when import Every
from rules.windows.memory import OCTETS_PER_KEY, Memory, weight_of
from rules.windows.window import Completed, Instant, Key, Progress, Sighting, Taken


class _Arrival(NamedTuple):
    """An event, when it came, and the stages that it may take the place of."""

    time: float
    message: Message
    stages: Indexes[int]


MAX_TIMES = 1000
"""Times of events that are kept for one key, to know the first within the time: of more, the first are forgotten."""

_OF_TIME = 32
"""Octets of a number and of its place in a list."""

_Places = list[_Arrival | None]


@dataclass(slots=True)
class _Gathered:
    """What has come for one key.

    Attributes:
        places: for each stage the event that takes its place.
        times: when all events came, also those that gave their place to others; SEC's window begins at the first.
    """

    places: _Places
    times: list[float] = field(default_factory=list)


class EveryWindow(Instant):
    """For each key the newest events that can take places beside each other: no others could fill more of them.

    An event may fulfil several stages, so those that are held move to other places to let one in. Where that does not
    help, the oldest of those in question goes. (The sets of events that fit are a transversal matroid, and this is
    the exchange that keeps its newest basis; what is left of it when old events expire is that of the others.)
    """

    def __init__(self, when: Every) -> None:
        self._when = when
        self._memory = Memory[_Gathered](when.max_keys, OCTETS_PER_KEY * when.max_keys, _weigh, self._is_over)
        self._held = self._memory.held

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """Put an event in a place."""
        arrival = _Arrival(now, seen.event.message, seen.stages)
        one = self._held.get(key)
        if one is None:
            one = _Gathered([None] * len(self._when.stages), [now])
            one.places[seen.stages[0]] = arrival
            self._memory.admit(key, one, now)
        else:
            self._held.move_to_end(key)
            before = _weigh(one)
            self._expire(one, now - self._when.within)
            _let_in(one.places, arrival)
            one.times.append(now)
            self._memory.grow(_weigh(one) - before, now)
        places = one.places
        held_ones = [(one, stage) for stage, one in enumerate(places) if one is not None]
        if len(held_ones) < len(places):
            return True
        self._memory.remove(key)
        held_ones.sort(key=lambda held: held[0].time)
        earlier = tuple((held.message, stage) for held, stage in held_ones if held is not arrival)
        return Completed(len(held_ones), one.times[0], earlier)

    def _expire(self, one: _Gathered, oldest: float) -> None:
        for index, held in enumerate(one.places):
            if held is not None and held.time <= oldest:
                one.places[index] = None
        del one.times[: max(bisect_right(one.times, oldest), len(one.times) - MAX_TIMES + 1)]

    def _is_over(self, one: _Gathered, now: float) -> bool:
        return all(held is None or held.time <= now - self._when.within for held in one.places)

    def progress(self, key: Key, now: float) -> Progress | None:
        """Tell which stages have their event."""
        oldest = now - self._when.within
        gathered = self._held.get(key)
        places = gathered.places if gathered else []
        held = {str(stage): one.time for stage, one in enumerate(places, 1) if one is not None and one.time > oldest}
        if not held:
            return None
        until = min(held.values()) + self._when.within
        return Progress(len(held), len(places), words=f"of `all`: {', '.join(held)}", until=until, has=tuple(held))

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for gathered in self._held.values():
            gathered.places[:] = [one and one._replace(time=one.time + seconds) for one in gathered.places]
            gathered.times[:] = [time + seconds for time in gathered.times]

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        return self._memory.evicted

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._held)


def _let_in(places: _Places, arrival: _Arrival) -> None:
    """Give an event a place, if need be in exchange for the oldest of those that cannot all have one beside it."""
    tried: set[int] = set()
    if not _seat(places, arrival, tried):
        oldest = min((one.time, stage) for stage in tried if (one := places[stage]) is not None)[1]
        places[oldest] = None
        _seat(places, arrival, set())


def _seat(places: _Places, arrival: _Arrival, tried: set[int]) -> bool:
    """Find a place for an event, others moving on from theirs; tell whether there is one."""
    for stage in arrival.stages:
        if stage in tried:
            continue
        tried.add(stage)
        former = places[stage]
        if former is None or _seat(places, former, tried):
            places[stage] = arrival
            return True
    return False


def _weigh(gathered: _Gathered) -> int:
    held = sum(weight_of(one.message) for one in gathered.places if one is not None)
    return held + _OF_TIME * len(gathered.times)
