"""Run logs through rules in virtual time: what comes true does so at its own instant, whatever was read when."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from operator import attrgetter

from gateway.backtest.happened import Happened
from gateway.backtest.reading import Sighting
from gateway.pipeline import Stages
from parsers.event import Event
from rules.course import Course, Happening
from rules.findings import Closing, Decision
from rules.job import Job, Part
from rules.rulebook import RuleBook
from rules.sieve import Sieve, Wanted
from rules.windows.window import Key


class Rules:
    """One set of rules under test, in the course of a log.

    Args:
        name: what it is called, where there are two.
        stages: its sieve, parser and rule book; the book must be fresh, and is used up.
    """

    def __init__(self, name: str, stages: Stages) -> None:
        self.name = name
        self.stages = stages
        self.rulebook: RuleBook = stages.rulebook
        self._course = Course(stages.rulebook)
        self._undoing: dict[tuple[str, Key], Job] = {}

    def show(self, event: Event, now: float, wanted: Wanted) -> Iterator[Happened]:
        """Go on to a time and show an event to rules; yield what happens until then, and because of it."""
        return self._happened(self._course.show(event, now, wanted))

    def go_on_to(self, now: float) -> Iterator[Happened]:
        """Go on to a time; yield what happens until then."""
        return self._happened(self._course.go_on_to(now))

    def still_open(self) -> Iterator[tuple[str, Key]]:
        """Yield the rule and the key of each state that is open."""
        return iter(self._undoing)

    def _happened(self, happenings: Iterable[Happening]) -> Iterator[Happened]:
        for time, what in happenings:
            if isinstance(what, Decision):
                yield self._decided(time, what)
            elif (closed := self._closed(time, what)) is not None:
                yield closed

    def _decided(self, time: float, decision: Decision) -> Happened:
        incident = decision.incident
        match = incident.match
        opens, event = False, None
        for job in decision.jobs:
            if job.part is Part.UNDO:
                self._undoing[job.rule, job.key] = job
                opens = True
            else:
                event = job.event
        return Happened(
            time,
            match.rule,
            Part.ELSE if incident.otherwise else Part.DO,
            match.key,
            incident.count,
            decision.held,
            opens,
            event=event,
        )

    def _closed(self, time: float, closing: Closing) -> Happened | None:
        rule = self.rulebook.rule(closing.rule)
        if rule is None:
            return None
        job = self._undoing.pop((closing.rule, closing.key), None)
        return Happened(time, rule, Part.UNDO, closing.key, reason=closing.reason, event=job.event if job else None)


class Sides:
    """One or two sets of rules over the same logs, which are read once."""

    def __init__(self, sides: tuple[Rules, ...]) -> None:
        self.sides = sides
        self.sieve = sides[0].stages.sieve if len(sides) == 1 else _joined(sides)
        self.settled = float("-inf")
        """All that happened before this time was yielded, of each side."""
        self._first = [0]
        for side in sides:
            self._first.append(self._first[-1] + len(side.rulebook.rules))

    def run(self, logs: Iterable[Iterator[Sighting]], since: float, until: float) -> Iterator[tuple[int, Happened]]:
        """Yield what happens, each with the number of the side; in the order of time for each side.

        Args:
            logs: what was seen in each log, in the order of time.
            since: what was written before is not shown to the rules.
            until: here it ends, also what would fall due later.
        """
        end = since
        for sighting in _by_time(logs):
            if sighting.time < since:
                continue
            self.settled = end = max(end, min(sighting.time, until))
            if sighting.time > until:
                continue
            for number, side in enumerate(self.sides):
                wanted = self._of_side(number, sighting.wanted)
                if sighting.event is None or not wanted:
                    happened = side.go_on_to(sighting.time)
                else:
                    happened = side.show(self._event(number, sighting.event), sighting.time, wanted)
                for one in happened:
                    yield number, one
        if end > float("-inf"):
            for number, side in enumerate(self.sides):
                for one in side.go_on_to(end):
                    yield number, one

    def _of_side(self, number: int, wanted: Wanted) -> Wanted:
        if len(self.sides) == 1:
            return wanted
        first, behind = self._first[number], self._first[number + 1]
        return tuple(index - first for index in wanted if first <= index < behind)

    def _event(self, number: int, event: Event) -> Event:
        """Return the event as this side's grammars have it; the first side has parsed it."""
        if number == 0 or self.sides[number].stages.parser is self.sides[0].stages.parser:
            return event
        return self.sides[number].stages.parser.parse(event.message)


def _joined(sides: tuple[Rules, ...]) -> Sieve:
    return Sieve([need for side in sides for need in side.rulebook.needs])


def _by_time(logs: Iterable[Iterator[Sighting]]) -> Iterator[Sighting]:
    several = list(logs)
    return several[0] if len(several) == 1 else heapq.merge(*several, key=attrgetter("time"))
