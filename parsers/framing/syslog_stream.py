"""The framings a syslog listener can have, and how `auto` chooses one of them."""

from __future__ import annotations

import enum
import re

from parsers.framing.framer import MAX_FRAME, MAX_LENGTH_DIGITS, Framer, OverLimit
from parsers.framing.lines import NO_FRAMES, LineFramer, NulFramer
from parsers.framing.misdirected import RELP, RELP_OPENING
from parsers.framing.octet_counting import OctetFramer
from parsers.message import Frames

MAX_OPENING_DIGITS = 20
"""How many digits `auto` waits through for what follows them: one more than the longest decimal of 64 bits."""

_COUNT = re.compile(rb"[0-9]{1,%d} " % MAX_LENGTH_DIGITS)
_TOO_LONG = re.compile(rb"[0-9]{%d,%d} |[0-9]{%d}" % (MAX_LENGTH_DIGITS + 1, MAX_OPENING_DIGITS, MAX_OPENING_DIGITS))
_DIGITS = re.compile(rb"[0-9]*+\Z")


class Framing(enum.Enum):
    """How a stream is divided into messages: a listener's `framing`."""

    LINES = "lines"
    OCTET = "octet"
    AUTO = "auto"
    NUL = "nul"
    LINES_OR_NUL = "lines-or-nul"


class AutoFramer:
    """Decides once per connection, by its first octets, between octet counting and lines.

    Digits and a space are octet counting; anything else is lines that end with LF or NUL. Deciding again at each
    frame would cut up every line that begins with a digit.
    """

    __slots__ = ("_chosen", "_max_frame", "_opening", "_over_limit", "_skipped")

    def __init__(self, max_frame: int = MAX_FRAME, over_limit: OverLimit = OverLimit.TRUNCATE) -> None:
        self._max_frame = max_frame
        self._over_limit = over_limit
        self._opening = b""
        self._skipped = 0
        self._chosen: Framer | None = None

    def feed(self, data: bytes) -> Frames:
        """Take what the next read delivered; return the frames that are whole now."""
        if self._chosen is not None:
            return self._chosen.feed(data)
        opening = self._opening + data
        begun = opening.lstrip(b"\r\n\0")
        self._skipped += len(opening) - len(begun)
        self._opening = b""
        if _TOO_LONG.match(begun):
            self._chosen = _Closed()
            return Frames(
                b"",
                error=f"the stream begins with more than {MAX_LENGTH_DIGITS} digits, which is no octet count: "
                "if this sender's lines begin with numbers, set framing: lines",
            )
        if _DIGITS.match(begun) or (len(begun) < len(RELP_OPENING) and RELP_OPENING.startswith(begun)):
            self._opening = begun
            return NO_FRAMES
        if begun.startswith(RELP_OPENING):
            self._chosen = _Closed()
            return Frames(b"", error=RELP)
        if _COUNT.match(begun):
            self._chosen = OctetFramer(self._max_frame, self._over_limit, lines=True, offset=self._skipped)
        else:
            self._chosen = LineFramer(self._max_frame, self._over_limit, nul=True)
        return self._chosen.feed(begun)

    def end(self) -> Frames:
        """Take the end of the stream; a few digits and nothing else are a cut-off count."""
        if self._chosen is not None:
            return self._chosen.end()
        self._chosen = _Closed()
        if self._opening:
            return Frames(b"", error=f"the stream ended inside an octet count: {self._opening.decode('ascii')}")
        return NO_FRAMES


class _Closed:
    """What is left of a stream that could not go on."""

    def feed(self, data: bytes) -> Frames:  # noqa: ARG002 -- the protocol's signature
        return NO_FRAMES

    def end(self) -> Frames:
        return NO_FRAMES


def framer(framing: Framing, max_frame: int = MAX_FRAME, over_limit: OverLimit = OverLimit.TRUNCATE) -> Framer:
    """Make the framer of one connection; its state is small until octets come."""
    match framing:
        case Framing.LINES:
            return LineFramer(max_frame, over_limit)
        case Framing.LINES_OR_NUL:
            return LineFramer(max_frame, over_limit, nul=True)
        case Framing.NUL:
            return NulFramer(max_frame, over_limit)
        case Framing.OCTET:
            return OctetFramer(max_frame, over_limit)
        case Framing.AUTO:
            return AutoFramer(max_frame, over_limit)
