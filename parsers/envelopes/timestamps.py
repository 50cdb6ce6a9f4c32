"""Time stamps of syslog headers: their forms, and the year and the zone that old ones leave out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

_YEAR = r"(?:19|20)[0-9]{2}"
BSD = (
    rf"(?:{_YEAR} )?[A-Za-z]{{3}} {{1,2}}[0-9]{{1,2}} (?:{_YEAR} )?"
    rf"[0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{0,9}})?(?: {_YEAR}(?= |: ))?"
)
"""The stamp of RFC 3164, section 4.1.2, and what devices make of it: a day with a zero or one blank, a year before or
after it, a fraction."""

_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
ISO = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_TIME}(?:[.,][0-9]+)?(?:[Zz]|[+-][0-9]{{2}}:?[0-9]{{2}})?(?=[ :]|\Z)"
"""ISO 8601 as it stands in BSD headers: a blank for the T, a comma for the point, any fraction, perhaps no zone."""

RFC3339 = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_TIME}(?:\.[0-9]{{1,9}})?(?:[Zz]|[+-][0-9]{{2}}:[0-9]{{2}})"
"""The stamp of RFC 5424, section 6.2.3, read with up to 9 digits of fraction where the RFC has 6, and a small z."""

_HOUR = 60
_OFFSETS = {  # minutes east of Greenwich, of names that mean one zone only
    "UTC": 0, "GMT": 0, "WET": 0, "WEST": _HOUR,
    "CET": _HOUR, "CEST": 2 * _HOUR, "MEZ": _HOUR, "MESZ": 2 * _HOUR, "EET": 2 * _HOUR, "EEST": 3 * _HOUR,
    "MSK": 3 * _HOUR, "SGT": 8 * _HOUR, "HKT": 8 * _HOUR, "JST": 9 * _HOUR, "KST": 9 * _HOUR,
    "AEST": 10 * _HOUR, "AEDT": 11 * _HOUR, "NZST": 12 * _HOUR, "NZDT": 13 * _HOUR,
    "EST": -5 * _HOUR, "EDT": -4 * _HOUR, "CDT": -5 * _HOUR, "MST": -7 * _HOUR, "MDT": -6 * _HOUR,
    "PST": -8 * _HOUR, "PDT": -7 * _HOUR, "AKST": -9 * _HOUR, "AKDT": -8 * _HOUR, "HST": -10 * _HOUR,
}  # fmt: skip
_SEVERAL_MEANINGS = ("CST", "IST", "BST", "AST", "SST")  # the zone configured for the sender knows better

ZONE = (
    rf"(?:(?:{'|'.join(_OFFSETS)}|[+-][0-9]{{2}}:?[0-9]{{2}})(?= ?:| )"
    rf"|(?:{'|'.join(_SEVERAL_MEANINGS)})(?= ?:))"
)
"""A zone after a stamp: an offset or a name that is one. Any other capitals may be a host or a program, and so may an
ambiguous name that no colon follows."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_BSD_PARTS = re.compile(
    r"(?:([0-9]+) )?([A-Za-z]+) +([0-9]+) (?:([0-9]+) )?([0-9]+):([0-9]+):([0-9]+)(?:\.([0-9]*))?(?: ([0-9]+))?"
)
_JANUARY, _FEBRUARY, _DECEMBER = 1, 2, 12
_CACHE_SECONDS = 900
"""For how long one answer holds: every zone's months begin on a quarter of an hour."""

_YEARS = range(1900, 9999)
"""Years that can be moved to any zone without leaving what datetime can hold."""


def infer_year(month: int, now: datetime) -> int:
    """Return the year of a stamp without one: the nearest, across New Year only.

    December received in January was last year, January received in December (a clock that is ahead) is next year,
    anything else is this year. `now` is the time of receipt in the sender's zone.
    """
    if month == _DECEMBER and now.month == _JANUARY:
        return now.year - 1
    if month == _JANUARY and now.month == _DECEMBER:
        return now.year + 1
    return now.year


def from_bsd(text: str, zone_text: str | None, now: float, zone: tzinfo) -> datetime | None:
    """Read a stamp of the form BSD; None when there is no such date or time.

    Args:
        text: what BSD matched.
        zone_text: what ZONE matched behind it.
        now: the time of receipt in seconds since 1970.
        zone: the sender's zone where the stamp names none.
    """
    return _from_bsd(text, zone_text, int(now // _CACHE_SECONDS), zone)


@lru_cache(maxsize=4096)  # senders write many lines a second
def _from_bsd(text: str, zone_text: str | None, quarter: int, zone: tzinfo) -> datetime | None:
    parts = _BSD_PARTS.fullmatch(text)
    if parts is None:
        return None
    year_first, name, day, year_middle, hour, minute, second, fraction, year_last = parts.groups()
    month = _MONTHS.get(name.lower())
    if month is None:
        return None
    zone = zone_named(zone_text, zone)
    try:
        now = datetime.fromtimestamp(quarter * _CACHE_SECONDS, zone)
        year = int(year_first or year_middle or year_last or infer_year(month, now))
        if year not in _YEARS:
            return None
        leap_day = month == _FEBRUARY and int(day) == 29 and not _is_leap(year)  # the inferred year may be wrong
        stamp = datetime(
            year,
            3 if leap_day else month,
            1 if leap_day else int(day),
            int(hour),
            int(minute),
            min(int(second), 59) if second == "60" else int(second),
            int((fraction or "").ljust(6, "0")[:6]),
            zone,
        )
    except (ValueError, OverflowError):
        return None
    return _nearer(stamp, now)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _nearer(stamp: datetime, now: datetime) -> datetime:
    """Of the two hours that the end of summer time gives the same name, take the one nearer to the receipt."""
    later = stamp.replace(fold=1)
    if later.utcoffset() != stamp.utcoffset():
        at, instants = now.timestamp(), (stamp.timestamp(), later.timestamp())
        return later if abs(instants[1] - at) < abs(instants[0] - at) else stamp
    return stamp


def from_iso(text: str, zone_text: str | None, zone: tzinfo) -> datetime | None:
    """Read a stamp of the form ISO or RFC3339; None when there is no such date or time.

    Digits of the fraction beyond microseconds are cut off. A stamp without an offset is in `zone`.
    """
    try:
        stamp = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    if stamp.year not in _YEARS:
        return None
    if stamp.tzinfo is None:
        return stamp.replace(tzinfo=zone_named(zone_text, zone))
    return stamp


def zone_named(zone_text: str | None, zone: tzinfo) -> tzinfo:
    """Return the zone that stands behind a stamp; the sender's where none stands there or its name is ambiguous."""
    if zone_text is None:
        return zone
    if zone_text[0] in "+-":
        minutes = int(zone_text[1:3]) * _HOUR + int(zone_text[-2:])
        if minutes >= 24 * _HOUR:
            return zone
        return timezone(timedelta(minutes=-minutes if zone_text[0] == "-" else minutes))
    offset = _OFFSETS.get(zone_text)
    if offset is None:
        return zone
    return timezone(timedelta(minutes=offset), zone_text) if offset else UTC
