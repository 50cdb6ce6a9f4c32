"""What a source knows about its sender, beside what the message says."""

from __future__ import annotations

import pytest

from parsers.message import Message, Origin, Trust
from parsers.parse import Parser

NAMELESS, NAMED = b"<13>app: text", b"<13>Jan  1 00:00:00 web1 app: text"


@pytest.mark.parametrize(
    ("frame", "origin", "host"),
    [
        (NAMED, Origin("local", Trust.LOCAL, host="here"), "web1"),
        (NAMELESS, Origin("local", Trust.LOCAL, host="here"), "here"),
        (NAMELESS, Origin("udp", Trust.DATAGRAM, "192.0.2.1", host="here"), "192.0.2.1"),
        (NAMELESS, Origin("local", Trust.LOCAL), None),
    ],
)
def test_whose_host_name_it_is(frame: bytes, origin: Origin, host: str | None) -> None:
    """The message's own, else the peer's address, else the name that the source knows."""
    assert Parser([]).parse(Message(frame, origin, 0.0)).fields.get("host.name") == host
