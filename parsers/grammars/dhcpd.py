"""ISC dhcpd: leases asked for, offered, given and refused.

The forms are those of `dhcpd(8)` and of server/dhcp.c in ISC DHCP 4.4. A client chooses its host name, which stands in
parentheses before ` via `; the address, the hardware address and what follows ` via ` are the server's words.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.tokens import end, integer, ip_address, lit, rx, up_to, word

_REFUSED = (
    r"(?:unknown lease|wrong network|ignored|unknown network segment|peer holds all free leases|lease [^ ]+ unavailable"
    r"|network [^ ]+: no free leases|no free leases|not responding|database update failed)"
)


def _mac() -> ParserElement:
    return rx(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{2})+")("client.mac")


def _lease() -> ParserElement:
    return ip_address()("client.ip")


def _who() -> ParserElement:
    """Match `mac (hostname)`; the name may hold anything, so it ends at the last `) via `."""
    return Opt(_mac()) + Opt(lit(" (") + rx(r".+(?=\) via )")("dhcpd.hostname") + lit(")"))


def _via() -> ParserElement:
    """Match the interface, or the relay's address."""
    return lit(" via ") + (ip_address()("dhcpd.relay") | rx(r"[^ :]+")("observer.ingress.interface.name"))


_REASON = lit(": ") + rx(r".+")("event.reason")
_RELEASED = Opt(rx(r" \(") + rx(r"(?:not )?found")("event.reason") + lit(")"))


def _both(
    name: str, start: ParserElement, sets: dict[str, FieldValue], outcome: str | None = None
) -> tuple[Form, Form]:
    """Return the form of a message that was refused, and of the same message otherwise."""
    refused = start + lit(": ") + rx(rf"(?={_REFUSED}).+")("event.reason") + end()
    taken: dict[str, FieldValue] = sets if outcome is None else {**sets, "event.outcome": outcome}
    return (
        Form(f"{name}-refused", refused, {**sets, "event.outcome": "failure"}),
        Form(name, start + Opt(_REASON) + end(), taken),
    )


def _sets(action: str) -> dict[str, FieldValue]:
    return {"network.protocol": "dhcp", "event.category": ["network"], "event.action": action}


_DISCOVER, _REQUEST, _INFORM = _sets("dhcp-discover"), _sets("dhcp-request"), _sets("dhcp-inform")
_OFFER, _ACK, _NAK = _sets("dhcp-offer"), {**_sets("dhcp-ack"), "event.outcome": "success"}, _sets("dhcp-nak")
_RELEASE, _DECLINE, _BOOTP = _sets("dhcp-release"), _sets("dhcp-decline"), _sets("bootp")
_REFUSAL: dict[str, FieldValue] = {**_NAK, "event.outcome": "failure"}
_CONFLICT: dict[str, FieldValue] = {**_sets("dhcp-address-conflict"), "event.outcome": "failure"}
_DDNS = _sets("dns-update")
_V6 = _sets("dhcpv6-message")

_MESSAGES = (
    *_both("discover", lit("DHCPDISCOVER from ") + _who() + _via(), _DISCOVER),
    Form("offer", lit("DHCPOFFER on ") + _lease() + lit(" to ") + _who() + _via() + Opt(_REASON) + end(), _OFFER),
    *_both(
        "request",
        lit("DHCPREQUEST for ")
        + _lease()
        + Opt(lit(" (") + ip_address()("server.ip") + lit(")"))
        + lit(" from ")
        + _who()
        + _via(),
        _REQUEST,
    ),
    Form("ack", lit("DHCPACK on ") + _lease() + lit(" to ") + _who() + _via() + Opt(_REASON) + end(), _ACK),
    Form(
        "ack-inform",
        lit("DHCPACK to ")
        + _lease()
        + Opt(lit(" (") + Opt(_mac() | lit("<no client hardware address>")) + lit(")"))
        + _via()
        + end(),
        _ACK,
    ),
    Form("nak", lit("DHCPNAK on ") + _lease() + lit(" to ") + _who() + _via() + Opt(_REASON) + end(), _REFUSAL),
    Form(
        "release",
        lit("DHCPRELEASE of ") + _lease() + lit(" from ") + _who() + _via() + _RELEASED + end(),
        _RELEASE,
    ),
    Form(
        "decline",
        lit("DHCPDECLINE of ") + _lease() + lit(" from ") + _who() + _via() + (_REASON | _RELEASED) + end(),
        {**_DECLINE, "event.outcome": "failure"},
    ),
    *_both("inform", lit("DHCPINFORM from ") + _lease() + _via(), _INFORM),
    Form("bootp-request", lit("BOOTREQUEST from ") + _who() + _via() + Opt(_REASON) + end(), _BOOTP),
    Form(
        "bootp-reply", lit("BOOTREPLY ") + rx(r"(?:on|for) ") + _lease() + lit(" to ") + _who() + _via() + end(), _BOOTP
    ),
)

_LEASES = (
    Form(
        "abandoned",
        lit("Abandoning IP address ") + _lease() + lit(": ") + rx(r".+")("event.reason") + end(),
        _CONFLICT,
    ),
    Form(
        "still-answers",
        lit("ICMP Echo reply while lease ") + _lease() + lit(" valid.") + end(),
        {**_CONFLICT, "event.reason": "ICMP echo reply while the lease is valid"},
    ),
    Form(
        "duplicate",
        rx(r"(?:uid|client) lease ")
        + _lease()
        + lit(" for client ")
        + _mac()
        + lit(" is duplicate on ")
        + word()("dhcpd.subnet")
        + end(),
        _sets("dhcp-duplicate-lease"),
    ),
    Form(
        "dns-added",
        rx(r"[Aa]dded (?:new )?forward map from ") + word()("dns.question.name") + lit(" to ") + _lease() + end(),
        {**_DDNS, "event.outcome": "success"},
    ),
    Form(
        "dns-failed",
        rx(r"(?:Unable to add|Can't update) forward map (?:from )?")
        + up_to(" to ")("dns.question.name")
        + lit(" to ")
        + _lease()
        + Opt(_REASON)
        + end(),
        {**_DDNS, "event.outcome": "failure"},
    ),
    Form(
        "failover",
        lit("failover peer ")
        + up_to(": I move from ")("dhcpd.peer")
        + lit(": I move from ")
        + up_to(" to ")("dhcpd.old_state")
        + lit(" to ")
        + rx(r".+")("dhcpd.state")
        + end(),
        _sets("dhcp-failover"),
    ),
)

_SERVER = (
    Form(
        "no-subnet",
        lit("No subnet declaration for ")
        + word()("observer.ingress.interface.name")
        + Opt(lit(" (") + rx(r"[^)]+")("dhcpd.addresses") + lit(")"))
        + rx(r"\.?\Z"),
        {"event.category": ["configuration"], "event.action": "dhcp-no-subnet", "event.outcome": "failure"},
    ),
    Form(
        "leases-written",
        lit("Wrote ") + integer()("dhcpd.leases") + lit(" leases to leases file.") + end(),
        {"event.action": "dhcp-leases-written"},
    ),
    Form(
        "started",
        lit("Internet Systems Consortium DHCP Server ") + word()("service.version") + end(),
        {"event.category": ["process"], "event.action": "service-started"},
    ),
    Form(
        "v6-from",
        rx(r"(?:Solicit|Request|Renew|Rebind|Release|Decline|Confirm|Information-request)")("dhcpd.message")
        + lit(" message from ")
        + ip_address()("source.ip")
        + lit(" port ")
        + integer()("source.port")
        + Opt(rx(r", transaction ID (?:0x)?") + rx(r"[0-9A-Fa-f]+")("dhcpd.transaction"))
        + end(),
        _V6,
    ),
    Form(
        "v6-to",
        lit("Sending ")
        + rx(r"(?:Advertise|Reply|Reconfigure)")("dhcpd.message")
        + lit(" to ")
        + ip_address()("destination.ip")
        + lit(" port ")
        + integer()("destination.port")
        + end(),
        _V6,
    ),
)

_MAC = "02:00:5e:10:00:01"
_ETH: dict[str, FieldValue] = {"client.mac": _MAC, "observer.ingress.interface.name": "eth0"}
_LEASED: dict[str, FieldValue] = {**_ETH, "client.ip": "192.0.2.50"}

_EXAMPLES = (
    Example(f"DHCPDISCOVER from {_MAC} via eth0", {**_DISCOVER, **_ETH}),
    Example(f"DHCPDISCOVER from {_MAC} (laptop) via eth0", {**_DISCOVER, **_ETH, "dhcpd.hostname": "laptop"}),
    Example(
        f"DHCPDISCOVER from {_MAC} via 198.51.100.1: network 198.51.100.0/24: no free leases",
        {
            **_DISCOVER,
            "client.mac": _MAC,
            "dhcpd.relay": "198.51.100.1",
            "event.outcome": "failure",
            "event.reason": "network 198.51.100.0/24: no free leases",
        },
    ),
    Example(
        f"DHCPDISCOVER from {_MAC} via eth0: load balance to peer east",
        {**_DISCOVER, **_ETH, "event.reason": "load balance to peer east"},
    ),
    Example(  # a host name that is a copy of the line
        f"DHCPDISCOVER from {_MAC} (x) via eth9: network 203.0.113.0/24: no free leases) via eth0",
        {**_DISCOVER, **_ETH, "dhcpd.hostname": "x) via eth9: network 203.0.113.0/24: no free leases"},
    ),
    Example(f"DHCPOFFER on 192.0.2.50 to {_MAC} (laptop) via eth0", {**_OFFER, **_LEASED, "dhcpd.hostname": "laptop"}),
    Example(f"DHCPREQUEST for 192.0.2.50 from {_MAC} via eth0", {**_REQUEST, **_LEASED}),
    Example(
        f"DHCPREQUEST for 192.0.2.50 (192.0.2.1) from {_MAC} (laptop) via eth0",
        {**_REQUEST, **_LEASED, "server.ip": "192.0.2.1", "dhcpd.hostname": "laptop"},
    ),
    Example(
        f"DHCPREQUEST for 192.0.2.50 from {_MAC} via eth0: unknown lease 192.0.2.50.",
        {**_REQUEST, **_LEASED, "event.outcome": "failure", "event.reason": "unknown lease 192.0.2.50."},
    ),
    Example(f"DHCPACK on 192.0.2.50 to {_MAC} via eth0", {**_ACK, **_LEASED}),
    Example(  # a host name with a lease of its own
        f"DHCPACK on 192.0.2.50 to {_MAC} (a) via eth1 DHCPACK on 203.0.113.9 to 00:00:00:00:00:00 (b) via eth0",
        {
            **_ACK,
            **_LEASED,
            "dhcpd.hostname": "a) via eth1 DHCPACK on 203.0.113.9 to 00:00:00:00:00:00 (b",
        },
    ),
    Example(f"DHCPACK to 192.0.2.50 ({_MAC}) via eth0", {**_ACK, **_LEASED}),
    Example(f"DHCPNAK on 192.0.2.50 to {_MAC} via eth0", {**_REFUSAL, **_LEASED}),
    Example(
        f"DHCPRELEASE of 192.0.2.50 from {_MAC} (laptop) via eth0 (found)",
        {**_RELEASE, **_LEASED, "dhcpd.hostname": "laptop", "event.reason": "found"},
    ),
    Example(
        f"DHCPDECLINE of 192.0.2.50 from {_MAC} via eth0: abandoned",
        {**_DECLINE, **_LEASED, "event.outcome": "failure", "event.reason": "abandoned"},
    ),
    Example(
        "DHCPINFORM from 192.0.2.50 via eth0",
        {**_INFORM, "client.ip": "192.0.2.50", "observer.ingress.interface.name": "eth0"},
    ),
    Example(
        "DHCPINFORM from 192.0.2.50 via 198.51.100.1: unknown network segment",
        {
            **_INFORM,
            "client.ip": "192.0.2.50",
            "dhcpd.relay": "198.51.100.1",
            "event.outcome": "failure",
            "event.reason": "unknown network segment",
        },
    ),
    Example(f"BOOTREQUEST from {_MAC} via eth0", {**_BOOTP, **_ETH}),
    Example(f"BOOTREPLY for 192.0.2.50 to printer ({_MAC}) via eth0", None),
    Example(f"BOOTREPLY on 192.0.2.50 to {_MAC} via eth0", {**_BOOTP, **_LEASED}),
    Example(
        "Abandoning IP address 192.0.2.50: pinged before offer",
        {**_CONFLICT, "client.ip": "192.0.2.50", "event.reason": "pinged before offer"},
    ),
    Example(
        "ICMP Echo reply while lease 192.0.2.50 valid.",
        {**_CONFLICT, "client.ip": "192.0.2.50", "event.reason": "ICMP echo reply while the lease is valid"},
    ),
    Example(
        f"uid lease 192.0.2.50 for client {_MAC} is duplicate on 192.0.2.0/24",
        {
            **_sets("dhcp-duplicate-lease"),
            "client.ip": "192.0.2.50",
            "client.mac": _MAC,
            "dhcpd.subnet": "192.0.2.0/24",
        },
    ),
    Example(
        "Added new forward map from laptop.example.com to 192.0.2.50",
        {
            **_DDNS,
            "event.outcome": "success",
            "dns.question.name": "laptop.example.com",
            "client.ip": "192.0.2.50",
        },
    ),
    Example(
        "Unable to add forward map from laptop.example.com to 192.0.2.50: REFUSED",
        {
            **_DDNS,
            "event.outcome": "failure",
            "dns.question.name": "laptop.example.com",
            "client.ip": "192.0.2.50",
            "event.reason": "REFUSED",
        },
    ),
    Example(
        "failover peer east: I move from normal to communications-interrupted",
        {
            **_sets("dhcp-failover"),
            "dhcpd.peer": "east",
            "dhcpd.old_state": "normal",
            "dhcpd.state": "communications-interrupted",
        },
    ),
    Example(
        "No subnet declaration for eth1 (198.51.100.7).",
        {
            "event.category": ["configuration"],
            "event.action": "dhcp-no-subnet",
            "event.outcome": "failure",
            "observer.ingress.interface.name": "eth1",
            "dhcpd.addresses": "198.51.100.7",
        },
    ),
    Example("Wrote 12 leases to leases file.", {"event.action": "dhcp-leases-written", "dhcpd.leases": "12"}),
    Example(
        "Internet Systems Consortium DHCP Server 4.4.3-P1",
        {"event.category": ["process"], "event.action": "service-started", "service.version": "4.4.3-P1"},
    ),
    Example(
        "Solicit message from fe80::5eff:fe10:1 port 546, transaction ID 0xA1B2C3",
        {
            **_V6,
            "dhcpd.message": "Solicit",
            "source.ip": "fe80::5eff:fe10:1",
            "source.port": 546,
            "dhcpd.transaction": "A1B2C3",
        },
    ),
    Example(
        "Sending Reply to fe80::5eff:fe10:1 port 546",
        {
            **_V6,
            "dhcpd.message": "Reply",
            "destination.ip": "fe80::5eff:fe10:1",
            "destination.port": 546,
        },
    ),
    Example("All rights reserved.", None),
)

GRAMMAR = Grammar(
    name="dhcpd", programs=("dhcpd", "dhcpd4", "dhcpd6"), forms=(*_MESSAGES, *_LEASES, *_SERVER), examples=_EXAMPLES
)
