"""Newline and NUL framing (RFC 6587, section 3.4.2): cuts nothing, finds the last frame's end and keeps the rest."""

from __future__ import annotations

from dataclasses import replace

from parsers.framing.framer import MAX_FRAME, OverLimit
from parsers.framing.misdirected import OPENING, may_be_misdirected, misdirected
from parsers.message import NEWLINE, Frames

NO_FRAMES = Frames(b"")
_CR = 0x0D
_SWAP_LF_AND_NUL = bytes.maketrans(b"\n\0", b"\0\n")


class LineFramer:
    """Takes newline-terminated frames out of one stream.

    A line end is LF or CR LF; neither counts towards the limit. Octets after the last line end are a frame when the
    stream ends. At most `max_frame` octets and a CR are kept between two reads.

    Args:
        max_frame: the limit of a frame in octets, at least 1.
        over_limit: what happens to a longer line; with TRUNCATE its first `max_frame` octets are the frame and the
            rest up to the line end is thrown away, so that one line never becomes two frames.
        nul: a NUL ends a frame too, as some senders write it (RFC 6587, section 3.4.2).
        peer: the octets come from a peer, who may have come to the wrong port (`misdirected`), and not from a file.
    """

    __slots__ = ("_max_frame", "_nul", "_opening", "_over_limit", "_skipping", "_stopped", "_tail")

    def __init__(
        self,
        max_frame: int = MAX_FRAME,
        over_limit: OverLimit = OverLimit.TRUNCATE,
        *,
        nul: bool = False,
        peer: bool = True,
    ) -> None:
        self._max_frame = max_frame
        self._over_limit = over_limit
        self._nul = nul
        self._opening = peer  # nothing but a possible greeting of another protocol came yet
        self._tail = bytearray()
        self._skipping = False  # the rest of an over-long line
        self._stopped = False

    def feed(self, data: bytes) -> Frames:
        """Take what the next read delivered; return the lines that are whole now."""
        if self._stopped:
            return NO_FRAMES
        if self._nul and b"\0" in data:
            data = data.replace(b"\0", NEWLINE)
        if self._opening:
            answer = self._greet(data)
            if answer is not None:
                return answer
            data = bytes(self._tail) + data
            self._tail.clear()
        if self._skipping:
            data = self._skip(data)
        cut = data.rfind(NEWLINE) + 1
        tail = self._tail
        if not cut:
            tail += data
            return self._limited(b"") if len(tail) > self._max_frame else NO_FRAMES
        if tail:
            whole = b"".join((tail, memoryview(data)[:cut]))
            tail.clear()
        else:
            whole = data[:cut]
        if cut < len(data):
            tail += memoryview(data)[cut:]
        if len(whole) <= self._max_frame and len(tail) <= self._max_frame:
            return Frames(whole)
        return self._limited(whole)

    def end(self) -> Frames:
        """Take the end of the stream; what stands after the last line end is a frame."""
        frames = self._limited(b"") if len(self._tail) > self._max_frame else NO_FRAMES
        last = bytes(self._tail)
        self._tail.clear()
        self._stopped = True
        return Frames(last + NEWLINE) if last.rstrip(b"\r") else frames

    def _greet(self, data: bytes) -> Frames | None:
        """Look at the first octets of the connection for a protocol that is not syslog; None when it may be syslog."""
        opening = bytes(self._tail) + data[:OPENING]
        error = misdirected(opening)
        if error is None and may_be_misdirected(opening):
            self._tail += data
            return NO_FRAMES
        self._opening = False
        if error is None:
            return None
        self._stopped = True
        self._tail.clear()
        return Frames(b"", error=error)

    def _skip(self, data: bytes) -> bytes:
        """Throw away the rest of an over-long line."""
        stop = data.find(NEWLINE)
        self._skipping = stop < 0
        return b"" if stop < 0 else data[stop + 1 :]

    def _limited(self, whole: bytes) -> Frames:
        """Apply the limit to whole lines and to the tail.

        Hops from line end to line end, each time as far as the limit reaches, so that only the over-long lines and
        one line end per `max_frame` octets are looked at.
        """
        limit, start, begin = self._max_frame, 0, 0
        parts: list[bytes] = []
        truncated: list[int] = []
        dropped = written = 0
        while len(whole) - start > limit:
            stop = whole.rfind(NEWLINE, start, start + limit + 1)
            if stop < 0 and whole.startswith(b"\r\n", start + limit):
                stop = start + limit + 1
            if stop >= 0:
                start = stop + 1
                continue
            parts.append(whole[begin:start])
            written += start - begin
            if self._over_limit is OverLimit.CLOSE:
                return self._closed(b"".join(parts))
            if self._over_limit is OverLimit.TRUNCATE:
                truncated.append(written)
                parts.append(whole[start : start + limit] + NEWLINE)
                written += limit + 1
            else:
                dropped += 1
            begin = start = whole.index(NEWLINE, start) + 1
        parts.append(whole[begin:])
        written += len(whole) - begin
        tail = self._tail
        if len(tail) > limit + 1 or (len(tail) > limit and tail[-1] != _CR):
            if self._over_limit is OverLimit.CLOSE:
                return self._closed(b"".join(parts))
            if self._over_limit is OverLimit.TRUNCATE:
                truncated.append(written)
                parts.append(bytes(tail[:limit]) + NEWLINE)
            else:
                dropped += 1
            tail.clear()
            self._skipping = True
        return Frames(b"".join(parts), truncated=frozenset(truncated), dropped=dropped)

    def _closed(self, before: bytes) -> Frames:
        self._stopped = True
        self._tail.clear()
        return Frames(before, error=f"a line is longer than the limit of {self._max_frame} octets (max_frame)")


class NulFramer:
    """Takes NUL-terminated frames out of one stream; a newline is content.

    The newline framer does it, over octets in which LF and NUL have changed places.
    """

    __slots__ = ("_lines",)

    def __init__(self, max_frame: int = MAX_FRAME, over_limit: OverLimit = OverLimit.TRUNCATE) -> None:
        self._lines = LineFramer(max_frame, over_limit)

    def feed(self, data: bytes) -> Frames:
        """Take what the next read delivered; return the frames that are whole now."""
        return _swapped(self._lines.feed(data.translate(_SWAP_LF_AND_NUL)))

    def end(self) -> Frames:
        """Take the end of the stream; what stands after the last NUL is a frame."""
        return _swapped(self._lines.end())


def _swapped(frames: Frames) -> Frames:
    """Give the octets back their places; newlines are content now, so the bounds are spelt out."""
    bounds = list(frames)
    return replace(
        frames,
        data=frames.data.translate(_SWAP_LF_AND_NUL) if bounds else b"",
        starts=[start for start, _ in bounds],
        stops=[stop for _, stop in bounds],
    )
