"""Octet counting (RFC 6587, section 3.4.1; RFC 5425, section 4.3): `MSG-LEN SP MSG`, found and never cut out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from parsers.framing.framer import MAX_FRAME, MAX_LENGTH_DIGITS, OverLimit
from parsers.framing.lines import NO_FRAMES
from parsers.framing.misdirected import may_be_misdirected, misdirected, shown
from parsers.message import NEWLINE, Frames

_HEADER = re.compile(rb"[\n\r\0]*+([1-9][0-9]{0,%d}) " % (MAX_LENGTH_DIGITS - 1))
_BETWEEN = re.compile(rb"[\n\r\0]*+")
_COUNT_BEGUN = re.compile(rb"[1-9][0-9]{0,%d}\Z" % (MAX_LENGTH_DIGITS - 1))
_LESS_THAN = 0x3C


@dataclass(slots=True)
class _Found:
    """The frames found in the octets of one read; `error` ends the stream at `position`."""

    data: bytes
    position: int = 0
    starts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    truncated: list[int] = field(default_factory=list)
    dropped: int = 0
    error: str | None = None

    def frames(self) -> Frames:
        if self.starts:
            return Frames(self.data, self.starts, self.stops, frozenset(self.truncated), self.dropped, self.error)
        return Frames(b"", dropped=self.dropped, error=self.error) if self.dropped or self.error else NO_FRAMES


class OctetFramer:
    """Takes octet-counted frames out of one stream.

    A count has no leading zero and at most MAX_LENGTH_DIGITS digits. Newlines, CRs and NULs between frames are
    skipped, for many senders put them there. Anything else where a count should stand ends the stream: no receiver
    can find the next frame. At most `max_frame` octets and a count are kept between two reads.

    Args:
        max_frame: the limit of a frame in octets, at least 1.
        over_limit: what happens to a longer frame; its octets are skipped exactly, without being kept.
        lines: text that begins with `<` where a count should stand is a frame up to its line end, for senders that
            mix the two framings.
        offset: how many octets of the stream came before the first that is fed.
    """

    __slots__ = (
        "_held",
        "_in_line",
        "_lines",
        "_max_frame",
        "_over_limit",
        "_received",
        "_skip",
        "_skip_line",
        "_stopped",
        "_wanted",
    )

    def __init__(
        self,
        max_frame: int = MAX_FRAME,
        over_limit: OverLimit = OverLimit.TRUNCATE,
        *,
        lines: bool = False,
        offset: int = 0,
    ) -> None:
        self._max_frame = max_frame
        self._over_limit = over_limit
        self._lines = lines
        self._received = offset
        self._held = bytearray()  # a frame that is not whole yet, with its count
        self._wanted = 0  # looking again is no use before so many octets are held
        self._in_line = False  # what is held is a line
        self._skip = 0  # octets to come that belong to an over-long frame
        self._skip_line = False  # the rest of an over-long line
        self._stopped = False

    def feed(self, data: bytes) -> Frames:
        """Take what the next read delivered; return the frames that are whole now."""
        if self._stopped:
            return NO_FRAMES
        self._received += len(data)
        if self._skip or self._skip_line:
            data = self._skipped(data)
        held = self._held
        if held:
            size = len(held) + len(data)
            if size < self._wanted or (self._in_line and size <= self._max_frame + 1 and NEWLINE not in data):
                held += data
                return NO_FRAMES
            data = b"".join((held, data))
            held.clear()
            self._in_line = False
        found = _Found(data)
        self._find(found)
        if found.error is not None:
            self._stopped = True
            found.error += f" (octet {self._received - len(data) + found.position} of the stream)"
        return found.frames()

    def end(self) -> Frames:
        """Take the end of the stream: a frame that is not whole is an error, a line without its line end is a frame."""
        held = bytes(self._held)
        self._held.clear()
        if self._stopped:
            return NO_FRAMES
        self._stopped = True
        if self._in_line:
            return Frames(held, (0,), (len(held.removesuffix(b"\r")),))
        if self._skip:
            return Frames(b"", error=f"the stream ended {self._skip} octets before the end of a frame over the limit")
        if held:
            header = _HEADER.match(held)
            came = f"{len(held) - header.end()} of its {int(header[1])} octets came" if header else shown(held)
            return Frames(b"", error=f"the stream ended inside a frame: {came}")
        return NO_FRAMES

    def _find(self, found: _Found) -> None:
        """Find the frames in octets that begin where a frame begins."""
        data, position, limit, size = found.data, 0, self._max_frame, len(found.data)
        header, add_start, add_stop = _HEADER.match, found.starts.append, found.stops.append
        more = True
        while more:
            while counted := header(data, position):
                start = counted.end()
                stop = start + int(counted[1])
                if stop > size or stop - start > limit:
                    break
                add_start(start)
                add_stop(stop)
                position = stop
            found.position = position
            more = self._odd_frame(found, counted.end(), int(counted[1])) if counted else self._no_count(found)
            position = found.position

    def _odd_frame(self, found: _Found, start: int, length: int) -> bool:
        """Take a frame that is over the limit or not whole; tell whether the search can go on behind it."""
        size, limit = len(found.data), self._max_frame
        if length > limit and self._over_limit is OverLimit.CLOSE:
            found.error = f"a frame of {length} octets is longer than the limit of {limit} (max_frame)"
            return False
        if length <= limit or (self._over_limit is OverLimit.TRUNCATE and size - start < limit):
            return self._keep(found, start - found.position + min(length, limit))
        if self._over_limit is OverLimit.TRUNCATE:
            found.truncated.append(start)
            found.starts.append(start)
            found.stops.append(start + limit)
        else:
            found.dropped += 1
        found.position = min(start + length, size)
        self._skip = start + length - found.position
        return True

    def _no_count(self, found: _Found) -> bool:
        """Look at what stands where a count should; tell whether the search can go on behind it."""
        between = _BETWEEN.match(found.data, found.position)
        found.position = between.end() if between else found.position
        rest = found.data[found.position : found.position + 32]
        if not rest:
            return False
        if self._lines and rest[0] == _LESS_THAN:
            return self._line(found)
        at_start = self._received - len(found.data) + found.position == 0
        if _COUNT_BEGUN.match(rest) or (at_start and may_be_misdirected(rest)):
            return self._keep(found, len(rest) + 1)
        found.error = (misdirected(rest) if at_start else None) or _wrong_count(rest)
        return False

    def _line(self, found: _Found) -> bool:
        """Take a line where a count should stand; tell whether the search can go on behind it."""
        data, start, limit = found.data, found.position, self._max_frame
        newline = data.find(NEWLINE, start)
        stop = len(data) if newline < 0 else newline - data.startswith(b"\r", newline - 1)
        # Without its line end, a CR behind `limit` octets may still belong to the line end.
        if newline < 0 and (stop - start <= limit or (stop - start == limit + 1 and data.endswith(b"\r"))):
            self._in_line = True
            return self._keep(found, 0)
        if stop - start > limit:
            if self._over_limit is OverLimit.CLOSE:
                found.error = f"a line is longer than the limit of {limit} octets (max_frame)"
                return False
            self._skip_line = newline < 0
            stop = start + limit
            if self._over_limit is OverLimit.TRUNCATE:
                found.truncated.append(start)
            else:
                found.dropped += 1
                stop = start
        if stop > start:
            found.starts.append(start)
            found.stops.append(stop)
        found.position = len(data) if newline < 0 else newline + 1
        return True

    def _keep(self, found: _Found, wanted: int) -> bool:
        """Hold what begins at the position until `wanted` octets of it are there."""
        self._held += memoryview(found.data)[found.position :]
        self._wanted = wanted
        return False

    def _skipped(self, data: bytes) -> bytes:
        """Throw away what belongs to a frame or a line over the limit."""
        if self._skip_line:
            stop = data.find(NEWLINE)
            self._skip_line = stop < 0
            return b"" if stop < 0 else data[stop + 1 :]
        skip = min(self._skip, len(data))
        self._skip -= skip
        return data[skip:]


def _wrong_count(rest: bytes) -> str:
    digits = len(rest) - len(rest.lstrip(b"0123456789"))
    if rest.startswith(b"0 "):
        problem = "the octet count of a frame is 0"
    elif rest.startswith(b"0"):
        problem = "an octet count begins with 0"
    elif digits > MAX_LENGTH_DIGITS:
        problem = f"an octet count has more than {MAX_LENGTH_DIGITS} digits"
    elif digits:
        problem = "an octet count is not followed by a space"
    else:
        problem = "no octet count where a frame should begin"
    return f"{problem}: {shown(rest)}; a sender that ends its messages with newlines needs framing: lines"
