"""The kinds of windows as plain lists that are looked through each time: slow, endless, and plainly right.

Each model is what its kind means. Events of a key are those since the key came true last, or broke off. An event is
within the time while it is less than `within` seconds old.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from itertools import chain, combinations, permutations
from typing import NamedTuple

from parsers.event import FieldValue
from parsers.message import Message
from rules.when import Absent, Count, Digest, Distinct, Every, Sequence, Settled
from rules.windows.window import Completed, Key


class Arrival(NamedTuple):
    """An event: its key, when it came, the stages that it fulfils, and its text."""

    key: Key
    time: float
    stages: tuple[int, ...]
    text: str
    message: Message


class Model:
    """Events that still count, in the order in which they came."""

    within: float
    max_keys: int

    def __init__(self) -> None:
        self.events: list[Arrival] = []

    def of(self, key: Key, now: float) -> list[Arrival]:
        """Return the events of a key within the time."""
        return [one for one in self.events if one.key == key and now - one.time < self.within]

    def forget(self, key: Key) -> None:
        """Let the key start anew."""
        self.events = [one for one in self.events if one.key != key]

    def make_room(self, key: Key, now: float) -> None:
        """Forget the key of which was heard longest ago, where there would be one too many."""
        heard = dict.fromkeys(one.key for one in reversed(self.events) if now - one.time < self.within)
        if key not in heard and len(heard) >= self.max_keys:
            self.forget(list(heard)[-1])

    def take(self, one: Arrival) -> Completed | None:
        """Take an event; return what came true."""
        raise NotImplementedError

    def dues(self) -> list[tuple[float, Key]]:
        """Return when which keys end by themselves."""
        return []

    def end(self, key: Key, due: float) -> Completed | None:
        """End a key that is due."""
        raise NotImplementedError


class CountModel(Model):
    """A key comes true with the event that makes it enough within the time."""

    def __init__(self, when: Count) -> None:
        super().__init__()
        self.within, self.max_keys, self.count = when.within, when.max_keys, when.count

    def take(self, one: Arrival) -> Completed | None:
        """Count."""
        self.make_room(one.key, one.time)
        self.events.append(one)
        found = self.of(one.key, one.time)
        if len(found) < self.count:
            return None
        self.forget(one.key)
        return Completed(self.count, found[0].time)


class DistinctModel(Model):
    """A key comes true with the event that makes it enough different texts within the time."""

    def __init__(self, when: Distinct) -> None:
        super().__init__()
        self.within, self.max_keys, self.count = when.within, when.max_keys, when.count

    def take(self, one: Arrival) -> Completed | None:
        """Count the different texts; each is as old as the event that had it last."""
        self.make_room(one.key, one.time)
        self.events.append(one)
        last = {found.text: found.time for found in self.of(one.key, one.time)}
        if len(last) < self.count:
            return None
        texts: list[FieldValue] = [*sorted(last)]
        self.forget(one.key)
        return Completed(self.count, min(last.values()), fields={"gateway.values": texts})


class EveryModel(Model):
    """A key comes true when there are so many events within the time that each stage has one of its own."""

    def __init__(self, when: Every) -> None:
        super().__init__()
        self.within, self.max_keys, self.stages = when.within, when.max_keys, range(len(when.stages))

    def take(self, one: Arrival) -> Completed | None:
        """Hall's theorem: each has one when any few stages have as many events between them."""
        self.make_room(one.key, one.time)
        self.events.append(one)
        found = self.of(one.key, one.time)
        few = chain.from_iterable(combinations(self.stages, size) for size in self.stages)
        if not all(
            sum(any(stage in event.stages for stage in some) for event in found) >= len(some)
            for some in (*few, tuple(self.stages))
        ):
            return None
        used: list[Arrival] = []
        for event in reversed(found):  # the newest that fit together
            if self._fit((*used, event)):
                used.append(event)
        self.forget(one.key)
        return Completed(len(self.stages), found[0].time)

    def _fit(self, events: tuple[Arrival, ...]) -> bool:
        ways = permutations(self.stages, len(events))
        return any(all(stage in one.stages for one, stage in zip(events, way, strict=True)) for way in ways)


class SequenceModel(Model):
    """A key comes true with the event that is the last of a row of events, one for each stage, in order.

    The stage after the last breaks off: what came before counts no more, and the event can only be the first of a row.
    """

    def __init__(self, when: Sequence) -> None:
        super().__init__()
        self.within, self.max_keys, self.length = when.within, when.max_keys, len(when.stages)

    def take(self, one: Arrival) -> Completed | None:
        """Go through all rows that end with the event; of several, the one whose events came last."""
        if self.length in one.stages:
            self.forget(one.key)
            one = one._replace(stages=tuple({0}.intersection(one.stages)))
        rows = [
            row
            for row in combinations((*self.of(one.key, one.time), one), self.length)
            if row[-1] is one and all(stage in event.stages for stage, event in enumerate(row))
        ]
        self.events.append(one)
        if not rows:
            return None
        row = max(rows, key=lambda row: [self.events.index(event) for event in reversed(row)])
        self.forget(one.key)
        earlier = tuple((event.message, stage) for stage, event in enumerate(row[:-1]))
        return Completed(self.length, row[0].time, earlier)


class AbsentModel(Model):
    """The first event of stage 0 begins a wait, and one of stage 1 ends it; for silence any event does both."""

    def __init__(self, when: Absent) -> None:
        super().__init__()
        self.within, self.silence = when.within, when.stage is None

    def take(self, one: Arrival) -> Completed | None:
        """There is one event in the list for each key that waits."""
        former = [event for event in self.events if event.key == one.key]
        ends = bool(former) and (self.silence or 1 in one.stages)
        if ends:
            self.forget(one.key)
        if 0 in one.stages and (ends or not former):
            self.events.append(one)
        if not ends or self.silence:
            return None
        return Completed(2, former[0].time, ((former[0].message, 0),), otherwise=True)

    def dues(self) -> list[tuple[float, Key]]:
        """Each wait is as long."""
        return [(one.time + self.within, one.key) for one in self.events]

    def end(self, key: Key, due: float) -> Completed | None:
        """It did not come."""
        (wait,) = (one for one in self.events if one.key == key and one.time + self.within == due)
        self.forget(key)
        return Completed(1, wait.time, last=(wait.message, 0))


class DigestModel(Model):
    """A key comes true so long after its first event, or with as many as it may hold.

    Lines are equal when they have the same text and time; where they are to be unique, only the text matters.
    """

    def __init__(self, when: Digest) -> None:
        super().__init__()
        self.within, self.most, self.unique = when.within, when.most, when.unique
        self.titles = [*(one.title for one in when.sections), ""]

    def take(self, one: Arrival) -> Completed | None:
        """Collect."""
        self.events.append(one)
        found = [event for event in self.events if event.key == one.key]
        return self._handed_over(found, of_time=False) if len(found) == self.most else None

    def dues(self) -> list[tuple[float, Key]]:
        """The first event of a key says when."""
        first = {one.key: one.time for one in reversed(self.events)}
        return [(time + self.within, key) for key, time in first.items()]

    def end(self, key: Key, due: float) -> Completed | None:
        """Hand over."""
        return self._handed_over([one for one in self.events if one.key == key], of_time=True)

    def _handed_over(self, found: list[Arrival], *, of_time: bool) -> Completed:
        self.forget(found[0].key)
        sections: list[FieldValue] = []
        for title in self.titles:
            of_title = [one for one in found if (one.text if one.text in self.titles else "") == title]
            lines = dict.fromkeys((one.text, None if self.unique else one.time) for one in of_title)
            if lines:
                sections.append({"title": title, "count": len(of_title), "lines": [text for text, _ in lines]})
        last = (found[-1].message, 0) if of_time else None
        return Completed(len(found), found[0].time, last=last, fields={"gateway.sections": sections})


class SettledModel(Model):
    """A key comes true when it was quiet for so long, and of its files one has come for each pattern.

    Texts are file names. A set of files that is not whole by its time ends otherwise.
    """

    def __init__(self, when: Settled) -> None:
        super().__init__()
        self.quiet, self.limit, self.patterns = when.quiet, when.within, when.files

    def take(self, one: Arrival) -> Completed | None:
        """Files that fit no pattern are none of the set."""
        if not self.patterns or any(fnmatch(one.text, pattern) for pattern in self.patterns):
            self.events.append(one)
        return None

    def _whole(self, found: Iterable[Arrival]) -> bool:
        return all(any(fnmatch(one.text, pattern) for one in found) for pattern in self.patterns)

    def dues(self) -> list[tuple[float, Key]]:
        """The last event says when it is quiet, the first until when a set must be whole."""
        found = []
        for key in {one.key for one in self.events}:
            events = [one for one in self.events if one.key == key]
            if self._whole(events):
                found.append((events[-1].time + self.quiet, key))
            elif self.limit is not None:
                found.append((events[0].time + self.limit, key))
        return found

    def end(self, key: Key, due: float) -> Completed | None:
        """Hand over the last file of each pattern, in the order of the patterns."""
        found = [one for one in self.events if one.key == key]
        self.forget(key)
        fields: dict[str, FieldValue] = {}
        missing = [pattern for pattern in self.patterns if not any(fnmatch(one.text, pattern) for one in found)]
        if self.patterns:
            fields["gateway.files"] = [
                [one.text for one in found if fnmatch(one.text, pattern)][-1]
                for pattern in self.patterns
                if pattern not in missing
            ]
        if missing:
            fields["gateway.missing"] = ", ".join(missing)
        return Completed(len(found), found[0].time, last=(found[-1].message, 0), otherwise=bool(missing), fields=fields)
