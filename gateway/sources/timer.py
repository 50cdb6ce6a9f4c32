"""A timer: reports an event of its own each time that it is due.

How far it has come is a bookmark, `timer/NAME`, which is kept in the transaction that keeps the event and all that it
caused: a due time is told once, whenever the gateway is killed. Due times are times of the wall clock. What was due
while the gateway did not run, while the machine slept, or in the time by which the clock was set forward, is told by
one event, or not at all. When the clock is set back, what was told is not told again, unless it was set back by hours:
then the timer goes by the clock as it is, as cron does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from gateway.notice import Notify
from gateway.notices.timer import TimerAhead, TimerLate, TimerNotKept, TimerOver, TimerSet, TimerSkipped
from gateway.schedule import Due, due_between
from gateway.timer_source_config import Missed, TimerSource
from parsers.event import FieldValue
from parsers.message import Message, Origin, Trust
from rules.own_events import TIMER_MISSED, own_message

LATE = 60.0
"""Seconds from which on a due time counts as missed: cron, too, begins a job within its minute."""

SET_BACK = 3 * 3600.0
"""Seconds by which a clock may be set back so that the timer waits until it has caught up: cron's limit (cron(8))."""

LONGEST_SLEEP = 60.0
"""Seconds between two looks at the clock, at most: ours follows the wall clock, whose seconds may differ."""

AGAIN = 10.0
"""Seconds until the next try when a bookmark could not be read, or an event not be kept."""


class Pipeline(Protocol):
    """Takes a timer's events; `gateway.pipeline.Pipeline` does."""

    def report(self, message: Message, bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        """Take an event of our own, and keep the bookmarks in the same transaction."""
        ...

    def note(self, bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        """Keep bookmarks."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a timer has come.

    Attributes:
        schedule: another schedule begins anew, for what it would have been due before was not wanted then.
        told: what was due until then is told, in seconds since 1970.
        ahead: so was, before the clock was set back by hours, all until then; when the clock comes there again, it was
            wrong only for a time.
    """

    schedule: str
    told: float
    ahead: float = 0.0

    def text(self) -> str:
        """Render for the store."""
        return json.dumps([self.schedule, self.told, self.ahead], ensure_ascii=False)

    def at(self, now: float) -> Mark:
        """Return it as it is to be taken at this time."""
        if self.told > now + SET_BACK:
            return Mark(self.schedule, now, max(self.told, self.ahead))
        if 0.0 < self.ahead <= now:
            return Mark(self.schedule, max(self.told, self.ahead))
        return self


def mark_of(text: str | None, schedule: str) -> Mark | None:
    """Read a mark; None: there is none, or it is that of another schedule."""
    try:
        read = Mark(*json.loads(text or "[]"))
        return Mark(schedule, float(read.told), float(read.ahead)) if read.schedule == schedule else None
    except (TypeError, ValueError):
        return None


def bookmark_of(source: str) -> str:
    """Return the name of a timer's bookmark."""
    return f"timer/{source}"


def timer_event(source: TimerSource, due: float, missed: int, now: float) -> Message:
    """Make the event of a timer that is due; `missed` is for how many due times it stands that nobody told of."""
    late = max(0.0, now - due)
    words = f"{source.name} was due {_written(due, source)}"
    words += f", {missed} missed" if missed else ""
    fields: dict[str, FieldValue] = {
        "event.action": "timer",
        "event.start": _written(due, source),
        "gateway.timer.late": round(late, 3),
        TIMER_MISSED: missed,
        "message": words,
    }
    return own_message(fields, now, origin=Origin(source.name, Trust.LOCAL, zone=source.zone, own=True))


class Timer:
    """A timer source that is open.

    Args:
        source: what it is.
        pipeline: takes events and keeps bookmarks.
        bookmarks: reads the bookmarks whose names begin so.
        clock: calls later.
        notify: is told of times that were missed.
        now: the wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        source: TimerSource,
        pipeline: Pipeline,
        bookmarks: Callable[[str], Deferred[dict[str, str]]],
        clock: IReactorTime,
        notify: Notify,
        now: Callable[[], float],
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._bookmarks = bookmarks
        self._clock = clock
        self._notify = notify
        self._now = now
        self._mark: Mark | None = None
        self._begun = self._busy = self._stopped = False
        self._call: IDelayedCall | None = None

    @property
    def address(self) -> str:
        """Where it takes what comes, in words."""
        return f"the clock, {self._source.schedule}"

    def start(self) -> None:
        """Begin when the reactor runs: sources are opened before there is a store to look into."""
        self._call_later(0.0)

    def stop(self) -> None:
        """Report nothing more."""
        self._stopped = True
        self._cancel()

    def follow(self, source: TimerSource) -> None:
        """Go on with other settings; another schedule counts from now on."""
        changed = str(source.schedule) != str(self._source.schedule)  # each reading makes the local zone anew
        self._source = source
        if changed and self._begun:
            self._mark = None
            self._look()

    def poll(self) -> None:
        """Look at the clock, which may have been set."""
        if self._begun:
            self._look()

    def _call_later(self, seconds: float) -> None:
        self._cancel()
        self._call = self._clock.callLater(seconds, self._look if self._begun else self._begin)

    def _cancel(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _begin(self) -> None:
        name = bookmark_of(self._source.name)
        reading = self._bookmarks(name).addCallback(lambda kept: self._know(kept.get(name)))
        reading.addErrback(self._fail)

    def _know(self, text: str | None) -> None:
        self._begun = True
        self._mark = mark_of(text, str(self._source.schedule))
        if self._mark is not None:
            self._tell_next(self._mark.at(self._now()))
        self._look()

    def _look(self) -> None:
        """Report what is due, or wait until something is."""
        if self._busy or self._stopped:
            return
        source, now = self._source, self._now()
        if self._mark is None:
            self._begin_anew(now)
            return
        mark = self._mark.at(now)
        if mark.ahead > self._mark.ahead:
            self._notify(TimerAhead(source.name, _written(mark.ahead, source)))
        self._mark = mark
        due = due_between(source.schedule, mark.told, now)
        if due is None:
            following = source.schedule.next_after(mark.told)
            if following is not None:
                self._call_later(min(LONGEST_SLEEP, following - now))
            return
        self._keep(self._tell(due, now, replace(mark, told=due.time)), replace(mark, told=due.time))

    def _begin_anew(self, now: float) -> None:
        """Begin with a schedule of which nothing is known: what was due before is nobody's business."""
        mark = Mark(str(self._source.schedule), now)
        self._tell_next(mark)
        self._keep(self._pipeline.note({bookmark_of(self._source.name): mark.text()}), mark)

    def _tell(self, due: Due, now: float, mark: Mark) -> Deferred[None]:
        """Report what was due, or note that it is not to be."""
        source, late = self._source, now - due.time
        missed = due.count if late > LATE else due.count - 1
        bookmarks = {bookmark_of(source.name): mark.text()}
        if missed and late > LATE and source.missed is Missed.SKIP:
            self._notify(TimerSkipped(source.name, missed, _written(due.time, source)))
            return self._pipeline.note(bookmarks)
        if missed:
            self._notify(TimerLate(source.name, missed, _written(due.time, source)))
        return self._pipeline.report(timer_event(source, due.time, missed, now), bookmarks)

    def _keep(self, kept: Deferred[None], mark: Mark) -> None:
        """Wait until it is on disk how far we have come, and look again then."""
        self._busy = True

        def done(_: None) -> None:
            self._busy = False
            if mark.schedule == str(self._source.schedule):
                self._mark = mark
            self._look()

        kept.addCallback(done).addErrback(self._fail)

    def _fail(self, failure: Failure) -> None:
        self._busy = False
        if not self._stopped:
            self._notify(TimerNotKept(self._source.name, f"{type(failure.value).__name__}: {failure.value}"))
            self._call_later(AGAIN)

    def _tell_next(self, mark: Mark) -> None:
        following = self._source.schedule.next_after(mark.told)
        if following is None:
            self._notify(TimerOver(self._source.name))
        elif following > self._now():
            self._notify(TimerSet(self._source.name, _written(following, self._source)))


def _written(time: float, source: TimerSource) -> str:
    return datetime.fromtimestamp(time, source.zone).isoformat(timespec="seconds")
