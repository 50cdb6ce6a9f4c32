"""Peers that came to the wrong port: what their first octets say, in words for the operator."""

from __future__ import annotations

import re

OPENING = 10
"""First octets of a connection that tell: the longest greeting is `OPTIONS /`."""

_METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE")
_GREETINGS = (b"\x16\x03", b"SSH-2.0", *(method + b" /" for method in _METHODS))
_GREETING = re.compile(b"|".join(map(re.escape, _GREETINGS)))
_WORDS = {
    b"\x16": "the peer speaks TLS to a plain port: send it to the TLS listener, or switch TLS off at the sender",
    b"S": "the peer speaks SSH to a syslog port: correct its address or port",
}
_HTTP = "the peer speaks HTTP to a syslog port: correct its address or port"


RELP_OPENING = b"1 open "
"""What every RELP session begins with; as an octet count it would be a message of one letter."""

RELP = "the peer speaks RELP to a syslog port: send it to a listener of kind relp, or use omfwd at the sender"


def misdirected(opening: bytes) -> str | None:
    """Return what the peer speaks instead of syslog, None for nothing that is known.

    The first octets of a TLS record are its type, 22 for a handshake, and the major version (RFC 8446, section 5.1).
    """
    if _GREETING.match(opening):
        return _WORDS.get(opening[:1], _HTTP)
    return None


def may_be_misdirected(opening: bytes) -> bool:
    """Tell whether more octets could make a greeting of the opening."""
    return any(len(opening) < len(greeting) and greeting.startswith(opening) for greeting in _GREETINGS)


def shown(octets: bytes, limit: int = 24) -> str:
    """Render the peer's octets for one line of a log: printable ASCII, everything else escaped."""
    return ascii(octets[:limit])[1:] + ("…" if len(octets) > limit else "")
