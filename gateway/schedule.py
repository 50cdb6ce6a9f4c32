"""When a timer is due: at the times of a cron expression, or every so often."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import durationpy
from cronsim import CronSim, CronSimError

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Words for five fields (crontab(5)); `@reboot` is no time."""

MAX_EXPRESSION = 500
"""Characters; minute by minute, an hour takes 170."""

MOST_COUNTED = 1000
"""Times that are counted between two looks: a timer of one second would take a minute over a month."""

_FIELDS = "minute hour day-of-month month day-of-week"
_BEGINNING = datetime(2000, 1, 1)  # noqa: DTZ001 -- any day does to find out whether an expression is ever due


class ScheduleError(ValueError):
    """A text is no schedule; the words say what to write."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of a cron expression in a time zone, as Debian's cron has them.

    When clocks go forward, a time that is left out is due right after the gap. When they go back, a time that comes
    twice is due the first time; with `*` as its minute or hour (or `*/2`) it goes by what has really passed.

    Attributes:
        expression: five fields, or six with the second first.
    """

    expression: str
    zone: tzinfo

    def __str__(self) -> str:
        """Say it as it would be written, with its zone."""
        return f"{self.expression}, {self.zone}"

    def next_after(self, time: float) -> float | None:
        """Return the first due time after `time`, in seconds since 1970; None when there is none in 50 years."""
        for due in CronSim(self.expression, datetime.fromtimestamp(time, self.zone)):
            found = due.timestamp()
            if found > time:  # in the second of two like hours the library begins with the first
                return found
        return None


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many seconds, counted from 1970-01-01 00:00 UTC: `5m` is due at five past, ten past and so on."""

    seconds: int

    def __str__(self) -> str:
        """Say it in words."""
        return f"every {durationpy.to_str(timedelta(seconds=self.seconds))}"

    def next_after(self, time: float) -> float | None:
        """Return the first due time after `time`, in seconds since 1970."""
        return (time // self.seconds + 1) * self.seconds


Schedule = Cron | Every


def parse_cron(text: str, zone: tzinfo) -> Cron:
    """Read a cron expression or one of the words for it.

    Raises:
        ScheduleError: it is neither, or never due.
    """
    expression = " ".join(text.split())
    if expression.startswith("@"):
        if expression not in MACROS:
            raise ScheduleError(f"there are {', '.join(MACROS)}")
        expression = MACROS[expression]
    if len(expression) > MAX_EXPRESSION:
        raise ScheduleError(f"it is longer than {MAX_EXPRESSION} characters")
    if (count := len(expression.split())) not in (5, 6):
        raise ScheduleError(f"five fields are wanted ({_FIELDS}), or six with the second first; it has {count}")
    if strange := re.search(r"[^0-9A-Za-z*/,#\- ]", expression):
        raise ScheduleError(f"{strange[0]!r} cannot stand in it")
    try:
        never = next(CronSim(expression, _BEGINNING), None) is None
    except (CronSimError, ValueError) as error:
        raise ScheduleError(f"{str(error).lower()} (the fields are {_FIELDS})") from None
    if never:
        raise ScheduleError("no day is ever like that")
    return Cron(expression, zone)


@dataclass(frozen=True, slots=True)
class Due:
    """What fell due: the last time that did, and how many did; with `MOST_COUNTED`, it may be more."""

    time: float
    count: int


def due_between(schedule: Schedule, after: float, until: float) -> Due | None:
    """Return what falls due after a time until another, in seconds since 1970; None: nothing."""
    due, count = None, 0
    following = schedule.next_after(after)
    while following is not None and following <= until:
        if count == MOST_COUNTED:
            return Due(_last_until(schedule, until), count)
        due, count = following, count + 1
        following = schedule.next_after(due)
    return None if due is None else Due(due, count)


def _last_until(schedule: Schedule, until: float) -> float:
    """Return the last due time until then, of which there is one; found in spans that double."""
    span, due = 1.0, None
    while due is None or due > until:
        due, span = schedule.next_after(until - span), span * 2
    while (following := schedule.next_after(due)) is not None and following <= until:
        due = following
    return due
