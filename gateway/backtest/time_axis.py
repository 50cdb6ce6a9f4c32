"""Where a time axis has its lines, and what stands at them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SECONDS = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
)
_DAYS = (1, 2, 7, 14)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
_MONTH = 30.44 * _DAY


class Tick(NamedTuple):
    """A line of the axis.

    Attributes:
        strong: a new day, or month, or year begins here, as `context` says.
        context: what the labels from here on leave unsaid; empty where nothing changes.
    """

    time: float
    label: str
    strong: bool
    context: str


def ticks(first: float, last: float, zone: tzinfo, most: int) -> list[Tick]:
    """Return the lines of an axis, at most about `most`, at times that a clock or a calendar shows as round ones.

    Args:
        first: between when, in seconds since 1970,
        last: and when.
        zone: whose clock.
        most: how many labels have room.
    """
    step = max((last - first) / most, 1)
    if (seconds := next((one for one in _SECONDS if one >= step), None)) is not None:
        times = _clock(first, last, zone, seconds)
        label = "%H:%M:%S" if seconds < _MINUTE else "%H:%M"
        context, strong = "%a %d %b %Y", "%H:%M:%S"
    elif (days := next((one for one in _DAYS if one * _DAY >= step), None)) is not None:
        times, label, context, strong = _days(first, last, zone, days), "%d", "%b %Y", "%d"
    else:
        months = next((one for one in _MONTHS if one * _MONTH >= step), _MONTHS[-1])
        label = "%Y" if months >= 12 else "%b"
        times, context, strong = _months(first, last, zone, months), "" if months >= 12 else "%Y", "%m"
    return list(_labelled(times, label, context, strong))


def _labelled(times: Iterator[datetime], label: str, context: str, strong: str) -> Iterator[Tick]:
    said = ""
    for time in times:
        words = time.strftime(context)
        starts = time.strftime(strong) in ("00:00:00", "01")
        yield Tick(time.timestamp(), time.strftime(label), starts, words if words != said else "")
        said = words


def _clock(first: float, last: float, zone: tzinfo, step: int) -> Iterator[datetime]:
    """Yield round times of the day; where the clock is set, those that it shows."""
    begin = datetime.fromtimestamp(first, zone)
    day = _midnight(begin)
    start = (begin.hour * _HOUR + begin.minute * _MINUTE + begin.second) // step * step
    while day.timestamp() <= last:
        for seconds in range(start, _DAY, step):
            time = day + timedelta(seconds=seconds)  # of the clock on the wall
            if first <= time.timestamp() <= last:
                yield time
            elif time.timestamp() > last:
                return
        day += timedelta(days=1)
        start = 0


def _days(first: float, last: float, zone: tzinfo, step: int) -> Iterator[datetime]:
    day = _midnight(datetime.fromtimestamp(first, zone))
    while day.timestamp() <= last:
        # each month begins anew, so that its first is among them; what comes right before it has no room
        if day.timestamp() >= first and (day.day - 1) % step == 0 and (day.day <= 28 or step < 7):
            yield day
        day += timedelta(days=1)


def _months(first: float, last: float, zone: tzinfo, step: int) -> Iterator[datetime]:
    begin = datetime.fromtimestamp(first, zone)
    month = begin.year * 12 + begin.month - 1
    month -= month % step
    while True:
        time = datetime(month // 12, month % 12 + 1, 1, tzinfo=zone)
        if time.timestamp() > last:
            return
        if time.timestamp() >= first:
            yield time
        month += step


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
