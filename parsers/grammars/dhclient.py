"""ISC dhclient: asking for a lease, getting one, getting none.

The forms are those of `dhclient(8)` and of client/dhclient.c in ISC DHCP 4.4. All words are the client's own; addresses
come from whoever answered on the local network.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.tokens import end, integer, ip_address, lit, rx, word


def _sets(action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    sets: dict[str, FieldValue] = {"network.protocol": "dhcp", "event.category": ["network"], "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_XID = Opt(lit(" (xid=0x") + rx(r"[0-9A-Fa-f]+")("dhclient.transaction") + lit(")"))
_LEASE = ip_address()("client.ip")
_SERVER = ip_address()("server.ip")


def _sent(message: str) -> ParserElement:
    """Match `DHCPREQUEST for address on interface to server port 67 interval 5 (xid=0x…)`."""
    return (
        lit(message)
        + Opt(rx(r" (?:for|of) ") + _LEASE)
        + lit(" on ")
        + word()("observer.egress.interface.name")
        + lit(" to ")
        + _SERVER
        + lit(" port ")
        + integer()("server.port")
        + Opt(lit(" interval ") + integer()("dhclient.interval"))
        + _XID
        + end()
    )


def _received(message: str) -> ParserElement:
    """Match `DHCPACK of address from server (xid=0x…)`."""
    return lit(message) + Opt(lit(" of ") + _LEASE) + lit(" from ") + _SERVER + _XID + end()


_FORMS = (
    Form("discover", _sent("DHCPDISCOVER"), _sets("dhcp-discover")),
    Form("request", _sent("DHCPREQUEST"), _sets("dhcp-request")),
    Form("release", _sent("DHCPRELEASE"), _sets("dhcp-release")),
    Form("decline", _sent("DHCPDECLINE"), _sets("dhcp-decline", "failure")),
    Form("offer", _received("DHCPOFFER"), _sets("dhcp-offer")),
    Form("ack", _received("DHCPACK"), _sets("dhcp-ack", "success")),
    Form("nak", _received("DHCPNAK"), _sets("dhcp-nak", "failure")),
    Form(
        "bound",
        lit("bound to ")
        + _LEASE
        + Opt(
            rx(r"(?: --|:) (?:immediate renewal|renewal in )")
            + Opt(integer()("dhclient.renewal"))
            + Opt(lit(" seconds"))
            + Opt(lit("."))
        )
        + end(),
        _sets("dhcp-bound", "success"),
    ),
    Form(
        "no-offers",
        rx(r"No DHCPOFFERS received")("event.reason") + Opt(lit(".")) + end(),
        _sets("dhcp-bound", "failure"),
    ),
    Form(
        "no-lease",
        rx(r"No working leases in persistent database")("event.reason") + rx(r" - (?:sleeping|exiting)\.?\Z"),
        _sets("dhcp-bound", "failure"),
    ),
    Form("recorded", lit("Trying recorded lease ") + _LEASE + end(), _sets("dhcp-recorded-lease")),
    Form(
        "packet-failed",
        rx(r"(?:receive|send)_packet(?: failed)?(?= on |: )")("event.reason")
        + Opt(lit(" on ") + rx(r"[^ :]+")("observer.egress.interface.name"))
        + lit(": ")
        + rx(r".+")("error.message")
        + end(),
        _sets("dhcp-packet-failed", "failure"),
    ),
    Form(
        "v6-sent",
        lit("XMT: ")
        + rx(r"[A-Z][A-Za-z-]+")("dhclient.message")
        + lit(" on ")
        + rx(r"[^ ,]+")("observer.egress.interface.name")
        + lit(", interval ")
        + integer()("dhclient.interval")
        + lit("ms.")
        + end(),
        _sets("dhcpv6-message"),
    ),
    Form(
        "v6-received",
        lit("RCV: ")
        + rx(r"[A-Z][A-Za-z-]+")("dhclient.message")
        + lit(" message on ")
        + word()("observer.egress.interface.name")
        + lit(" from ")
        + ip_address()("server.ip")
        + rx(r"\.?\Z"),
        _sets("dhcpv6-message"),
    ),
)

_ETH: dict[str, FieldValue] = {"observer.egress.interface.name": "eth0"}
_ASKED: dict[str, FieldValue] = {**_ETH, "server.ip": "255.255.255.255", "server.port": 67}
_GIVEN: dict[str, FieldValue] = {"client.ip": "192.0.2.50", "server.ip": "192.0.2.1"}

_EXAMPLES = (
    Example(
        "DHCPDISCOVER on eth0 to 255.255.255.255 port 67 interval 5",
        {**_sets("dhcp-discover"), **_ASKED, "dhclient.interval": "5"},
    ),
    Example(
        "DHCPDISCOVER on eth0 to 255.255.255.255 port 67 interval 8 (xid=0xa1b2c3d4)",
        {
            **_sets("dhcp-discover"),
            **_ASKED,
            "dhclient.interval": "8",
            "dhclient.transaction": "a1b2c3d4",
        },
    ),
    Example("DHCPREQUEST on eth0 to 255.255.255.255 port 67", {**_sets("dhcp-request"), **_ASKED}),
    Example(
        "DHCPREQUEST for 192.0.2.50 on eth0 to 192.0.2.1 port 67 (xid=0x1f)",
        {**_sets("dhcp-request"), **_ETH, **_GIVEN, "server.port": 67, "dhclient.transaction": "1f"},
    ),
    Example(
        "DHCPRELEASE of 192.0.2.50 on eth0 to 192.0.2.1 port 67",
        {**_sets("dhcp-release"), **_ETH, **_GIVEN, "server.port": 67},
    ),
    Example(
        "DHCPDECLINE of 192.0.2.50 on eth0 to 255.255.255.255 port 67",
        {**_sets("dhcp-decline", "failure"), **_ASKED, "client.ip": "192.0.2.50"},
    ),
    Example("DHCPOFFER of 192.0.2.50 from 192.0.2.1", {**_sets("dhcp-offer"), **_GIVEN}),
    Example("DHCPOFFER from 192.0.2.1", {**_sets("dhcp-offer"), "server.ip": "192.0.2.1"}),
    Example(
        "DHCPACK of 192.0.2.50 from 192.0.2.1 (xid=0x1f)",
        {**_sets("dhcp-ack", "success"), **_GIVEN, "dhclient.transaction": "1f"},
    ),
    Example("DHCPNAK from 192.0.2.1", {**_sets("dhcp-nak", "failure"), "server.ip": "192.0.2.1"}),
    Example(
        "bound to 192.0.2.50 -- renewal in 1734 seconds.",
        {**_sets("dhcp-bound", "success"), "client.ip": "192.0.2.50", "dhclient.renewal": "1734"},
    ),
    Example("No DHCPOFFERS received.", {**_sets("dhcp-bound", "failure"), "event.reason": "No DHCPOFFERS received"}),
    Example(
        "No working leases in persistent database - sleeping.",
        {**_sets("dhcp-bound", "failure"), "event.reason": "No working leases in persistent database"},
    ),
    Example("Trying recorded lease 192.0.2.50", {**_sets("dhcp-recorded-lease"), "client.ip": "192.0.2.50"}),
    Example(
        "receive_packet failed on eth0: Network is down",
        {
            **_sets("dhcp-packet-failed", "failure"),
            **_ETH,
            "event.reason": "receive_packet failed",
            "error.message": "Network is down",
        },
    ),
    Example(
        "send_packet: Network is unreachable",
        {
            **_sets("dhcp-packet-failed", "failure"),
            "event.reason": "send_packet",
            "error.message": "Network is unreachable",
        },
    ),
    Example(
        "XMT: Solicit on eth0, interval 1080ms.",
        {**_sets("dhcpv6-message"), **_ETH, "dhclient.message": "Solicit", "dhclient.interval": "1080"},
    ),
    Example(
        "RCV: Reply message on eth0 from fe80::1.",
        {**_sets("dhcpv6-message"), **_ETH, "dhclient.message": "Reply", "server.ip": "fe80::1"},
    ),
    Example("DHCPACK of 192.0.2.50 from 192.0.2.1 from 203.0.113.9", None),
    Example("All rights reserved.", None),
)

GRAMMAR = Grammar(
    name="dhclient",
    programs=("dhclient", "dhclient4", "dhclient6", "dhclient-*"),
    forms=_FORMS,
    examples=_EXAMPLES,
)
