"""Hours of the calendar, as OpenStreetMap writes opening hours: `Mo-Fr 08:00-18:00; PH off`.

Source: https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache

from opening_hours import (  # type: ignore[attr-defined]  # its stubs leave the exceptions out
    OpeningHours,
    ParserError,
    UnknownCountryError,
)

_FAR = 366.0 * 86400
"""Seconds after which the hours are looked at anew, where they change never."""

_NEAR = 60.0
"""Seconds after which they are looked at anew where clocks are set before the hours change: an hour comes twice then,
or not at all."""

_WHERE = re.compile(r"--> 1:([0-9]+)")
_WORD = re.compile(r"[^\s;,]+")
_HOLIDAYS = re.compile(r'"[^"]*"|\b(?:(PH)|SH)\b')
"""Public and school holidays, and the comments in which the words mean nothing."""


class HoursError(ValueError):
    """The text is no opening hours; `offset` is where, in characters."""

    def __init__(self, problem: str, offset: int = 0) -> None:
        super().__init__(problem)
        self.offset = offset


@dataclass(frozen=True)
class Hours:
    """Hours in a time zone, with the public holidays (`PH`) of a country (ISO 3166-1) where it is named."""

    text: str
    zone: tzinfo
    country: str | None = None
    _known: list[tuple[float, float, bool]] = field(default_factory=list, compare=False, repr=False)
    """The stretch of time that was looked at last, and whether it is within the hours."""

    def hold(self, now: float) -> bool:
        """Tell whether it is within the hours, `now` in seconds since 1970."""
        known = self._known
        if known:
            begin, end, answer = known[0]
            if begin <= now < end:
                return answer
        hours, clock = _parsed(self.text, self.country), datetime.fromtimestamp(now, self.zone).replace(tzinfo=None)
        answer, change = hours.is_open(clock), hours.next_change(clock)
        # where clocks are not set meanwhile, as much time passes as they show
        end = now + _FAR if change is None else now + (change - clock).total_seconds()
        if change is not None and datetime.fromtimestamp(end, self.zone).replace(tzinfo=None) != change:
            end = now + _NEAR
        known[:] = [(now, end, answer)]
        return answer

    def __str__(self) -> str:
        """Render as a rule file has it."""
        return f"{self.text} ({self.zone})"


@lru_cache(1000)
def _parsed(text: str, country: str | None) -> OpeningHours:
    return OpeningHours(text, country=country)


def hours_of(text: str, zone: tzinfo, country: str | None = None) -> Hours:
    """Read hours.

    Raises:
        HoursError: the text is no such hours, it names holidays that nobody knows, or the country is not known.
    """
    try:
        _parsed(text, country)
    except ParserError as error:
        raise _unread(text, str(error)) from None
    except UnknownCountryError:
        raise HoursError(f"there is no country {country}; write its ISO code, such as DE") from None
    for word in _HOLIDAYS.finditer(text):
        if word[0] == "SH":
            raise HoursError(
                'school holidays (SH) are not known here; write their dates: "Jul 25-Sep 05"', word.start()
            )
        if word[1] and country is None:
            problem = 'public holidays (PH) are those of a country; write {hours: "...", country: DE}'
            raise HoursError(problem, word.start())
    return Hours(text, zone, country)


def _unread(text: str, error: str) -> HoursError:
    """Name the word at which the parser stopped; what it expected there are names of its grammar's, and not told."""
    where = _WHERE.search(error)
    offset = int(where[1]) - 1 if where else 0
    word = next((word for word in _WORD.finditer(text) if word.end() > offset), None)
    if word is None:
        return HoursError(
            'something is missing at the end of these opening hours; write e.g. "Mo-Fr 08:00-18:00"', offset
        )
    what = f'"{word[0]}", at character {word.start() + 1}, is not read as opening hours'
    return HoursError(f'{what}; write e.g. "Mo-Fr 08:00-18:00"', word.start())
