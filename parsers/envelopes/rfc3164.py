"""RFC 3164 in the forms that real devices send: `[stamp [host]] [tag[[pid]][:]] content`.

The RFC describes what was seen on the wire in 2001 and prescribes little; the forms here are those that rsyslog,
syslog-ng and the devices' manuals know. Without a stamp no host is expected: the first word of bare text is a word.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from pyparsing import MatchFirst, Opt

from parsers.envelopes.plain import Envelope
from parsers.envelopes.timestamps import BSD, ISO, ZONE, from_bsd, from_iso
from parsers.grammars.tokens import lit, rx
from parsers.lowering import lower

_END = r"(?= |\Z)"
_IPV4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_IPV6 = r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|[0-9.]{7,15})?(?:%[\w.-]+)?"
_NAME = r"[\w.@-][\w.@/~+-]*"  # no colon, bracket or equals sign: that is a tag, or key=value

_SEQUENCE = rx(r"[0-9]+: ") + Opt(rx(r"[\w.-]+(?=: [*.]?[A-Z0-9])")("origin") + lit(": "))
"""Cisco's `service sequence-numbers`, and `logging origin-id` behind it."""

_STAMP = (
    rx(r"[*.]?")  # Cisco: the clock was never set by NTP, or it is not in step any more
    + MatchFirst([rx(BSD)("bsd"), rx(ISO)("iso")])
    + Opt(lit(" ") + rx(ZONE)("zone") + rx(r" ?(?=:)|"))
    + rx(r":?(?: +|\Z)")
)
_FORWARDED = lit("Message forwarded from ") + rx(r"[^ :]+(?=: )")("forwarded") + lit(": ")
"""What AIX's syslogd puts in place of the host."""

_HOST = rx(rf"(?:{_NAME}|{_IPV6}){_END}|{_IPV4}(?=: )")("host") + rx(r":? *")
_REPEATED = rx(r"last message repeated [0-9]+ times?\b")
_PID = lit("[") + rx(r"[^\]\[\x00-\x1f]{0,128}(?=\])")("pid") + lit("]")
_TAG = rx(r"""[^\s\[:{"'|,<(=][^\s\[:]*""")("tag") + Opt(_PID)

HEADER = (
    rx("[ :]*")
    + Opt(_SEQUENCE)
    + _STAMP
    + Opt(MatchFirst([_FORWARDED, _HOST]))
    + Opt(~_REPEATED + _TAG + Opt(lit(":")))
    + rx(r"\t|:? ?")
).leave_whitespace()
"""What stands between PRI and the content when there is a stamp."""

BARE_TAG = (rx(r"[A-Za-z_/][\w./-]{0,63}")("tag") + Opt(_PID) + rx(r":(?: |\Z)")).leave_whitespace()
"""What may stand there when there is none: a tag of cautious form, with its colon."""

NAMES = ("origin", "bsd", "iso", "zone", "forwarded", "host", "tag", "pid")
"""The results names of HEADER, in their order."""

_match = re.compile(lower(HEADER).pattern).match
_match_bare_tag = re.compile(lower(BARE_TAG).pattern).match


def parse_rfc3164(text: str, start: int, priority: int | None, now: float, zone: tzinfo) -> Envelope | None:
    """Read the frame whose header begins at `start`; None when no header is there.

    The rest is as for `parse_envelope`; a missing year follows from `now`.
    """
    match = _match(text, start)
    if match is None:
        return _parse_bare_tag(text, start, priority)
    origin, bsd, iso, zone_text, forwarded, host, tag, pid = match.groups()
    timestamp: datetime | None
    timestamp = from_bsd(bsd, zone_text, now, zone) if iso is None else from_iso(iso, zone_text, zone)
    if timestamp is None:
        return None
    return Envelope(
        "rfc3164",
        priority,
        None,
        timestamp,
        host or forwarded or origin,
        tag,
        pid or None,
        None,
        None,
        text[match.end() :],
    )


def _parse_bare_tag(text: str, start: int, priority: int | None) -> Envelope | None:
    match = _match_bare_tag(text, start)
    if match is None:
        return None
    tag, pid = match.groups()
    return Envelope("rfc3164", priority, None, None, None, tag, pid or None, None, None, text[match.end() :])
