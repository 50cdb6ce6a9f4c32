"""RELP, the receiver's side: octets in; messages, their transactions and answers out (librelp, doc/relp.md).

A frame is `TXNR SP COMMAND SP DATALEN [SP DATA] LF`. Where the document leaves room, imrelp's answers decide, for
those are what omrelp was written against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from parsers.framing.framer import OverLimit
from parsers.framing.lines import NO_FRAMES
from parsers.framing.misdirected import may_be_misdirected, misdirected, shown
from parsers.message import NEWLINE, Frames

MAX_FRAME = 128 * 1024
"""Default limit of a message in octets: librelp's own."""

MAX_OFFERS = 32 * 1024
"""Octets that `open` and `close` may carry; librelp's clients send about 100, in three lines."""

LAST_TXNR = 999_999_999
"""A transaction number has at most nine digits; then comes 1 again."""

SERVERCLOSE = b"0 serverclose 0\n"
"""We end the session; a client repeats elsewhere, or later, what it has no answer for."""

_LF = 0x0A
_SP = b" "
_MAX_HEADER = 9 + 1 + 32 + 1 + 9 + 1
_COMMANDS = frozenset({b"open", b"syslog", b"close"})
_SYSLOG = re.compile(rb"([0-9]{1,9}) syslog ([0-9]{1,9}) ")
_HEADER = re.compile(rb"([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})([ \n])")
_HEADER_BEGUN = re.compile(rb"[0-9]{1,9}(?: (?:[A-Za-z]{1,32}(?: [0-9]{0,9})?)?)?\Z")
_PLAIN_SYSLOG = re.compile(rb"(?:[0-9]{1,7} )?<")


@dataclass(frozen=True, slots=True)
class Received:
    """What the octets of one read came to, in the order of its parts.

    Attributes:
        answer: is to be sent at once.
        frames: the messages; `error` says why the session cannot go on.
        first: the transaction of the first message.
        count: how many transactions are to be answered once `frames` are kept: more than there are frames when a
            message was empty or was dropped.
        farewell: is to be sent when all transactions before are answered; then the connection is to be closed. None
            while the session goes on.
    """

    frames: Frames = NO_FRAMES
    answer: bytes = b""
    first: int = 0
    count: int = 0
    farewell: bytes | None = None


NOTHING = Received()


def acknowledgement(first: int, count: int) -> bytes:
    """Render `200 OK` for transactions that follow each other."""
    over = first + count - 1 - LAST_TXNR
    if over > 0:
        return acknowledgement(first, count - over) + acknowledgement(1, over)
    return (b"%d rsp 6 200 OK\n" * count) % tuple(range(first, first + count))


def _response(number: int, data: bytes) -> bytes:
    return b"%d rsp %d %b\n" % (number, len(data), data) if data else b"%d rsp 0\n" % number


@dataclass(slots=True)
class _Found:
    """What was found in the octets of one read; `more` tells whether the search goes on at `position`."""

    data: bytes
    first: int
    position: int = 0
    more: bool = True
    starts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    truncated: list[int] = field(default_factory=list)
    count: int = 0
    dropped: int = 0
    answer: bytes = b""
    farewell: bytes | None = None
    error: str | None = None

    def received(self) -> Received:
        data = self.data if self.starts else b""
        frames = Frames(data, self.starts, self.stops, frozenset(self.truncated), self.dropped, self.error)
        return Received(frames, self.answer, self.first, self.count, self.farewell)


class RelpReceiver:
    """One session, seen by the receiver.

    Transaction numbers rise by one from 1. What is no RELP, an unknown command and a number out of turn end the
    session with `serverclose`, and nothing is looked at behind it. A message and its transaction come out together,
    when the frame is whole. At most `max_frame` octets and a header are kept between two reads.

    Args:
        max_frame: the limit of a message in octets, at least 1.
        over_limit: what happens to a longer message; cut and dropped ones are acknowledged, else the sender would
            repeat them for ever.
        software: who we are, for the client's log.

    Attributes:
        is_open: the client has opened the session.
    """

    __slots__ = (
        "_cut",
        "_held",
        "_max_frame",
        "_next",
        "_over_limit",
        "_received",
        "_software",
        "_stopped",
        "_surplus",
        "_wanted",
        "is_open",
    )

    def __init__(
        self,
        max_frame: int = MAX_FRAME,
        over_limit: OverLimit = OverLimit.TRUNCATE,
        *,
        software: str = "event-gateway",
    ) -> None:
        self._max_frame = max_frame
        self._over_limit = over_limit
        self._software = software
        self._next = 1  # the transaction number whose turn it is
        self._held = bytearray()  # a frame that is not whole yet
        self._wanted = 0  # looking again is no use before so many octets are held
        self._surplus = 0  # octets to come that belong to a message over the limit
        self._cut = False  # what is held is such a message: its DATALEN is longer than its data here
        self._received = 0
        self._stopped = False
        self.is_open = False

    def feed(self, data: bytes) -> Received:
        """Take what the next read delivered."""
        if self._stopped:
            return NOTHING
        self._received += len(data)
        if self._surplus:
            thrown = min(self._surplus, len(data))
            self._surplus -= thrown
            data = data[thrown:]
        held = self._held
        if held:
            if self._surplus or len(held) + len(data) < self._wanted:
                held += data
                return NOTHING
            data = b"".join((held, data))
            held.clear()
        found = _Found(data, self._next)
        self._find(found)
        if found.farewell is not None:
            self._stopped = True
            if found.error is not None:
                found.error += f" (octet {self._received - len(data) + found.position} of the stream)"
        return found.received() if found.count or found.answer or self._stopped else NOTHING

    def _find(self, found: _Found) -> None:
        """Find the frames in octets that begin where a frame begins."""
        data, size, limit = found.data, len(found.data), self._max_frame
        header, add_start, add_stop = _SYSLOG.match, found.starts.append, found.stops.append
        while found.more:
            if self.is_open and not self._cut:
                position, number = found.position, self._next
                before = number
                while syslog := header(data, position):
                    start = syslog.end()
                    length = int(syslog[2])
                    stop = start + length
                    if stop >= size or not 0 < length <= limit or data[stop] != _LF or int(syslog[1]) != number:
                        break
                    add_start(start)
                    add_stop(stop)
                    position = stop + 1
                    number += 1
                found.position = position
                found.count += number - before
                self._next = number if number <= LAST_TXNR else 1
            self._take(found)

    def _take(self, found: _Found) -> None:
        """Take the frame at the position, of whatever command."""
        header = _HEADER.match(found.data, found.position)
        if header is None:
            self._no_header(found)
            return
        number, command, length, start = int(header[1]), header[2], int(header[3]), header.end()
        if number != self._next:
            self._refuse(found, f"transaction {number} came where the turn was at {self._next}")
        elif command not in _COMMANDS:
            self._refuse(found, f"the command {shown(command)} is not offered")
        elif (header[4] == _SP) != (length > 0):
            wrong = "no space" if length else "a space"
            self._refuse(found, f"{wrong} follows a DATALEN of {length}")
        elif command == b"syslog" and self.is_open and length > self._max_frame:
            self._over(found, start, length)
        elif length > (self._max_frame if command == b"syslog" else MAX_OFFERS):
            self._refuse(found, f"the {length} octets of {shown(command)} are too many")
        elif length:
            self._whole(found, command, start, start + length)
        else:
            found.position = start
            self._perform(found, command, b"")

    def _whole(self, found: _Found, command: bytes, start: int, stop: int) -> None:
        """Take a frame when it is whole, hold it when it is not."""
        data = found.data
        if stop >= len(data):
            self._keep(found, stop + 1 - found.position)
        elif self._ends(found, stop):
            found.position = stop + 1
            if command == b"syslog" and self.is_open:
                found.starts.append(start)
                found.stops.append(stop)
            self._perform(found, command, data[start:stop] if command == b"open" else b"")

    def _perform(self, found: _Found, command: bytes, data: bytes) -> None:
        """Do what a whole frame asks for."""
        number = self._next
        self._next = number + 1 if number < LAST_TXNR else 1
        if command == b"syslog":
            if self.is_open:
                found.count += 1
            else:
                found.answer += _response(number, b"500 command disabled")
                found.first = self._next
        elif command == b"close":
            self._end(found, _response(number, b""))
        elif self.is_open:
            self._refuse(found, "a second `open`", _response(number, b"500 protocol error: connection already open"))
        elif not _offers_syslog(data):
            answer = _response(number, b"500 required command not supported by client")
            self._refuse(found, "the peer's `open` does not offer the command syslog", answer)
        else:
            offers = f"200 OK\nrelp_version=0\nrelp_software={self._software}\ncommands=syslog"
            found.answer += _response(number, offers.encode("ascii"))
            found.first = self._next
            self.is_open = True

    def _over(self, found: _Found, start: int, length: int) -> None:
        """Take a message over the limit, or what there is of it."""
        data, limit = found.data, self._max_frame
        if self._over_limit is OverLimit.CLOSE:
            self._refuse(found, f"a message of {length} octets is longer than the limit of {limit} (max_frame)")
            return
        kept = limit if self._over_limit is OverLimit.TRUNCATE else 0
        stop = start + (kept if self._cut else length)
        if stop < len(data):
            self._cut = False
            if not self._ends(found, stop):
                return
            found.position = stop + 1
            if kept:
                found.truncated.append(start)
                found.starts.append(start)
                found.stops.append(start + kept)
            else:
                found.dropped += 1
            self._perform(found, b"syslog", b"")
        elif len(data) - start < kept:
            self._keep(found, start - found.position + kept)
        else:
            self._surplus = stop - len(data)
            self._cut = True
            self._keep(found, start - found.position + kept + 1, start + kept)

    def _ends(self, found: _Found, stop: int) -> bool:
        """Tell whether a frame ends where its DATALEN says."""
        if found.data[stop] == _LF:
            return True
        found.position = stop
        after = shown(found.data[stop : stop + _MAX_HEADER])
        self._refuse(found, f"no newline where a frame's DATALEN says that it ends, but {after}")
        return False

    def _no_header(self, found: _Found) -> None:
        """Look at what is not, or not yet, the beginning of a frame."""
        rest = found.data[found.position : found.position + _MAX_HEADER]
        at_start = self._received - len(found.data) + found.position == 0
        if not rest or _HEADER_BEGUN.match(rest) or (at_start and may_be_misdirected(rest)):
            self._keep(found, len(rest) + 1)
            return
        error = misdirected(rest) if at_start else None
        if error is None and at_start and _PLAIN_SYSLOG.match(rest):
            error = (
                f"the peer sends syslog without RELP to a RELP port, {shown(rest)}: send it to a tcp or tls source, "
                "or let the sender use RELP (rsyslog: omrelp)"
            )
        self._refuse(found, error or f"no frame of RELP: {shown(rest)}")

    def _keep(self, found: _Found, wanted: int, stop: int | None = None) -> None:
        """Hold what begins at the position until `wanted` octets of it are there."""
        self._held += memoryview(found.data)[found.position : stop]
        self._wanted = wanted
        found.more = False

    def _refuse(self, found: _Found, error: str, answer: bytes = b"") -> None:
        found.error = error
        self._end(found, answer)

    def _end(self, found: _Found, answer: bytes) -> None:
        found.farewell = answer + SERVERCLOSE
        found.more = False


def _offers_syslog(offers: bytes) -> bool:
    """Tell whether a client's offers, lines of `NAME=VALUE[,VALUE...]`, have syslog among `commands`."""
    pairs = (line.partition(b"=") for line in offers.split(NEWLINE))
    return any(name == b"commands" and b"syslog" in values.split(b",") for name, _, values in pairs)
