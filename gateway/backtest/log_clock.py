"""Tell when each line of a log was written, also where its stamps lack the year, stand still, or are wrong.

The year of an RFC 3164 stamp follows from the line before it: it is the one nearest to that. What the first line's
year is follows from when the file was changed last, for nothing in it was written later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from parsers.envelopes.envelope import parse_envelope
from parsers.event import Event
from parsers.message import Message

DAY = 86400.0
"""How far ahead of the time at which its file was changed a stamp may be: clocks differ, and so do zones."""

HOUR = 3600.0
"""How far behind the line before it a line may be without a word: senders' clocks differ, and queues wait."""

_YEAR = 365.25 * DAY
_HALF = _YEAR / 2


class LogClock:
    """The time of one log, which never goes back.

    Args:
        parse: returns what a message means.
        now: by which the year of the first line is decided, in seconds since 1970.
        limit: no line was written later than a day after it; may be set anew for each file of the log.

    Attributes:
        now: when the line that was read last was written.
        begun: a line was read that says when it was written.
        ahead: how many lines claimed to be from the future.
        behind: how many lines are more than an hour older than one that stands before them.
    """

    def __init__(self, parse: Callable[[Message], Event], now: float, limit: float) -> None:
        self._parse = parse
        self.now = now
        self.limit = limit
        self.ahead = self.behind = 0
        self.begun = False

    def read(self, message: Message) -> Event:
        """Parse a line; its time of receipt becomes the time of this clock, which is when it was written."""
        event = self._parse(message._replace(received=self.now))
        at = event.timestamp.timestamp()
        other = self._elsewhere(at)
        if other is not None:
            again = self._parse(message._replace(received=other))
            if again.timestamp != event.timestamp and again.timestamp.timestamp() <= self.limit + DAY:
                event, at = again, again.timestamp.timestamp()
        self._advance(at)
        event.message = message._replace(received=self.now)
        return event

    def look(self, frame: bytes, zone: tzinfo) -> bool:
        """Go on to when a line was written, without asking what it means; tell whether it says when."""
        at = stamp_of(frame, self.now, zone)
        if at is None:
            return False
        other = self._elsewhere(at)
        if other is not None:
            again = stamp_of(frame, other, zone)
            if again is not None and again <= self.limit + DAY:
                at = again
        if at <= self.limit + DAY and (at >= self.now or not self.begun):
            self._advance(at)
        return True

    def begin(self, at: float) -> None:
        """Go on to when a file of the log begins."""
        if not self.begun or at > self.now:
            self._advance(at)

    def _elsewhere(self, at: float) -> float | None:
        """Return for when to read a stamp again that cannot be right as it was read, if its year was a guess."""
        if at > self.limit + DAY:
            return self.now - _YEAR
        if self.begun and at < self.now - _HALF:
            return self.now + _HALF
        return None

    def _advance(self, at: float) -> None:
        if at > self.limit + DAY:
            self.ahead += 1
        elif not self.begun:
            self.begun = True
            self.now = at
        elif at > self.now:
            self.now = at
        elif at < self.now - HOUR:
            self.behind += 1


def stamp_of(frame: bytes, received: float, zone: tzinfo) -> float | None:
    """Return when a line says that it was written, in seconds since 1970; None: it does not say.

    Args:
        frame: the line.
        received: decides the year where the stamp has none.
        zone: of stamps without one.
    """
    stamp = parse_envelope(frame, received, zone).timestamp
    return None if stamp is None else stamp.timestamp()


def dated(frame: bytes, latest: float, zone: tzinfo) -> float | None:
    """Return when a line says that it was written: where it names no year, in the last one that is not after `latest`.

    None: it does not say.
    """
    at = stamp_of(frame, latest, zone)
    if at is not None and at > latest + DAY:
        return stamp_of(frame, latest - _YEAR, zone)
    return at


def middle_of(year: int) -> float:
    """Return a time by which stamps without a year, of any month, are of this one."""
    return datetime(year, 7, 1, tzinfo=UTC).timestamp()
