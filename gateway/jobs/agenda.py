"""What waits in the store: jobs whose time comes, and those for which memory had no room."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from gateway.jobs.database import Database
from gateway.jobs.lanes import END, LANE_ROOM, Lanes
from gateway.jobs.records import JobRecord, Turn

LONGEST_SLEEP = 60.0
"""Seconds between two looks for what is due, at most."""

FETCH = 500
"""Jobs that one look takes from the store."""

PAUSE_AFTER_FAULT = 1.0
"""Seconds until the next look when one has failed."""

Transact = Callable[[Callable[[Database], Any]], Deferred[Any]]


class Agenda:
    """Brings jobs from the store when their time has come, or when there is room for them.

    Args:
        reactor: provides the monotonic clock.
        transact: runs a function in the store's thread.
        lanes: where jobs wait in memory.
        now: seconds since 1970.
        bring: is given the jobs.
        fault: is told what went wrong.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        transact: Transact,
        lanes: Lanes,
        now: Callable[[], float],
        bring: Callable[[Iterable[JobRecord | None]], None],
        fault: Callable[[Failure], None],
    ) -> None:
        self._reactor = reactor
        self._transact = transact
        self._lanes = lanes
        self._now = now
        self._bring = bring
        self._fault = fault
        self._horizon = 0.0  # what fell due until then has been brought
        self._timer: IDelayedCall | None = None
        self._timer_due = float("inf")
        self._looking = self._look_again = self._begin_again = False
        self._stopped = False

    def is_due(self, record: JobRecord) -> bool:
        """Tell whether a job's time has come; one that has to wait is brought in time."""
        if record.due <= max(self._now(), self._horizon):
            return True
        self.wake_at(record.due)
        return False

    def wake_at(self, due: float) -> None:
        """Look again at this time, at the latest."""
        if self._stopped or due >= self._timer_due:
            return
        self._cancel_timer()
        self._timer_due = due
        self._timer = self._reactor.callLater(min(LONGEST_SLEEP, max(0.0, due - self._now())), self.look)

    def look(self) -> None:
        """Bring what fell due since the last look."""
        self._cancel_timer()
        if self._stopped:
            return
        if self._looking:
            self._look_again = True
            return
        self._looking = True
        if self._begin_again:
            self._begin_again, self._horizon = False, 0.0
        after, until = self._horizon, self._now()

        def find(database: Database) -> tuple[list[JobRecord], float | None]:
            return database.due(after, until, FETCH), database.next_due(until)

        self._transact(find).addCallbacks(self._found, self._not_found, callbackArgs=(until,))

    def _found(self, found: tuple[list[JobRecord], float | None], until: float) -> None:
        records, following = found
        self._looking = False
        all_found = len(records) < FETCH
        self._horizon = until if all_found else records[-1].due
        self._bring(records)
        if following is not None:
            self.wake_at(following)
        if self._look_again or not all_found:
            self._look_again = False
            self.look()

    def _not_found(self, failure: Failure) -> None:
        self._looking = False
        self._fault(failure)
        self.wake_at(self._now() + PAUSE_AFTER_FAULT)

    def from_the_beginning(self) -> None:
        """Look at all that is due once more, for what held some of it back is gone."""
        self._begin_again = True
        self.look()

    def again_later(self) -> None:
        """Look at all that is due once more, but not at once: something went wrong."""
        self._begin_again = True
        self.wake_at(self._now() + PAUSE_AFTER_FAULT)

    def fill(self) -> None:
        """Fill the lanes that have run empty and of which the store has more."""
        if not self._stopped:
            for name, first in list(self._lanes.hungry()):
                self._fill(name, first)

    def _fill(self, name: str, first: Turn) -> None:
        until = self._now()
        self._lanes.fill(name)
        found = self._transact(lambda database: database.due_in(name, first, until, LANE_ROOM))
        found.addCallbacks(self._filled, self._not_filled, callbackArgs=(name,), errbackArgs=(name, first))

    def _filled(self, records: list[JobRecord], name: str) -> None:
        following = (records[-1].due, records[-1].number + 1) if len(records) == LANE_ROOM else END
        self._lanes.filled(name, lambda: self._bring(records), following)
        self.fill()  # all of them may have to wait for others

    def _not_filled(self, failure: Failure, name: str, first: Turn) -> None:
        self._lanes.filled(name, lambda: None, first)
        self._fault(failure)
        self.wake_at(self._now() + PAUSE_AFTER_FAULT)

    def shift(self, seconds: float) -> None:
        """Take note that all times in the store were moved along with the wall clock."""
        self._horizon += seconds
        self._timer_due = float("inf")
        self.look()

    def stop(self) -> None:
        """Bring nothing more."""
        self._stopped = True
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._timer_due = float("inf")
