"""From a frame to its envelope: PRI first, then the header that its first characters promise."""

from __future__ import annotations

import re
from datetime import tzinfo

from parsers.envelopes.plain import MALFORMED, Envelope, plain
from parsers.envelopes.rfc3164 import parse_rfc3164
from parsers.envelopes.rfc5424 import parse_rfc5424

__all__ = ["MALFORMED", "PRIORITIES", "Envelope", "parse_envelope"]

PRIORITIES = {str(value): value for value in range(192)}
"""All that may stand in PRI (RFC 5424, section 6.2.1): no leading zeros, at most 23 * 8 + 7."""

_VERSION = re.compile(r"[1-9][0-9]{0,2} ").match


def parse_envelope(frame: bytes, now: float, zone: tzinfo) -> Envelope:
    """Take who and when out of a frame; never raises and never loses the text.

    What is no header of any form is plain text. One line end or NUL at the end of the frame is no content.

    Args:
        frame: the frame's octets, read as UTF-8; octets that are none become lone surrogates (PEP 383).
        now: the time of receipt in seconds since 1970.
        zone: the sender's zone where its stamps name none.
    """
    text = frame.decode("utf-8", "surrogateescape")
    if text and text[-1] in "\n\0":
        text = text[:-1]
    if text[:1] == "<":
        stop = text.find(">", 1, 5)
        priority = PRIORITIES.get(text[1:stop]) if stop > 0 else None
        if priority is None:
            return plain(text, None)
        start = stop + 1
        if _VERSION(text, start):
            return parse_rfc5424(text, start, priority) or plain(text, priority)
        return parse_rfc3164(text, start, priority, now, zone) or plain(text[start:], priority)
    return parse_rfc3164(text, 0, None, now, zone) or plain(text, None)
