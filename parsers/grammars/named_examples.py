"""BIND's messages, in our own words, and what each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example


def _sets(action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    sets: dict[str, FieldValue] = {"network.protocol": "dns", "event.category": ["network"], "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_DENIED = _sets("dns-query", "failure")
_TRANSFER_DENIED = _sets("zone-transfer", "failure")
_UPDATE_DENIED = _sets("dns-update", "failure")
_RESOLVE_FAILED = _sets("dns-resolve", "failure")
_ASKER: dict[str, FieldValue] = {"source.ip": "192.0.2.1", "source.port": 5353}
_NAME: dict[str, FieldValue] = {
    "dns.question.name": "www.example.com",
    "dns.question.class": "IN",
    "dns.question.type": "A",
}
_WWW: dict[str, FieldValue] = {**_ASKER, **_NAME}
_PEER: dict[str, FieldValue] = {"destination.ip": "198.51.100.53", "destination.port": 53}
_EXAMPLE_ZONE: dict[str, FieldValue] = {"named.zone": "example.com"}

EXAMPLES: tuple[Example, ...] = (
    Example(
        "client @0x7f00c0ffee00 192.0.2.1#5353 (www.example.com): query: www.example.com IN A +E(0)K (192.0.2.53)",
        {**_sets("dns-query"), **_WWW, "named.flags": "+E(0)K", "destination.ip": "192.0.2.53"},
    ),
    Example(
        "queries: info: client 2001:db8::7#5353 (example.org): view inside: query: example.org IN AAAA - "
        "(2001:db8::53)",
        {
            **_sets("dns-query"),
            "named.category": "queries",
            "log.level": "info",
            "named.view": "inside",
            "source.ip": "2001:db8::7",
            "source.port": 5353,
            "dns.question.name": "example.org",
            "dns.question.class": "IN",
            "dns.question.type": "AAAA",
            "named.flags": "-",
            "destination.ip": "2001:db8::53",
        },
    ),
    Example(
        "client 192.0.2.1#5353: query: www.example.com IN A +ED (192.0.2.53) [ECS 203.0.113.0/24/0]",
        {
            **_sets("dns-query"),
            **_WWW,
            "named.flags": "+ED",
            "destination.ip": "192.0.2.53",
            "named.ecs": "203.0.113.0/24/0",
        },
    ),
    Example(
        "client @0x7f00c0ffee00 192.0.2.1#5353 (www.example.com): query (cache) 'www.example.com/A/IN' denied "
        "(allow-query-cache did not match)",
        {**_DENIED, **_WWW, "event.reason": "allow-query-cache did not match"},
    ),
    Example(
        "security: info: client 192.0.2.1#5353: query 'www.example.com/A/IN' denied",
        {**_DENIED, **_WWW, "named.category": "security", "log.level": "info"},
    ),
    Example(
        "error: client 192.0.2.1#5353: view inside: query (cache) './NS/IN' denied",
        {
            **_DENIED,
            **_ASKER,
            "log.level": "error",
            "named.view": "inside",
            "dns.question.name": ".",
            "dns.question.class": "IN",
            "dns.question.type": "NS",
        },
    ),
    Example(  # a name that is a copy of the line as far as BIND leaves it
        "client 192.0.2.1#5353 (x'/A/IN'\\032denied): query (cache) 'client\\032203.0.113.9#1:\\032query\\032'x/A/IN'"
        "\\032denied/A/IN' denied",
        {
            **_DENIED,
            **_WWW,
            "dns.question.name": "client\\032203.0.113.9#1:\\032query\\032'x/A/IN'\\032denied",
        },
    ),
    Example(
        "query-errors: info: client @0x7f00c0ffee00 192.0.2.1#5353 (www.example.com): query failed (SERVFAIL) for "
        "www.example.com/IN/A at query.c:7841",
        {**_DENIED, **_WWW, "named.category": "query-errors", "log.level": "info", "event.reason": "SERVFAIL"},
    ),
    Example(
        "update-security: error: client @0x7f00c0ffee00 192.0.2.1#5353 (example.com): zone transfer "
        "'example.com/AXFR/IN' denied",
        {
            **_TRANSFER_DENIED,
            **_ASKER,
            "named.category": "update-security",
            "log.level": "error",
            "dns.question.name": "example.com",
            "dns.question.type": "AXFR",
            "dns.question.class": "IN",
        },
    ),
    Example(
        "client 192.0.2.1#5353 (example.com): bad zone transfer request: 'example.com/IN': non-authoritative zone "
        "(NOTAUTH)",
        {**_TRANSFER_DENIED, **_ASKER, **_EXAMPLE_ZONE, "event.reason": "non-authoritative zone (NOTAUTH)"},
    ),
    Example(
        "client @0x7f00c0ffee00 192.0.2.1#5353/key ns2 (example.com): transfer of 'example.com/IN': AXFR started: "
        "TSIG ns2 (serial 7)",
        {
            **_sets("zone-transfer", "success"),
            **_ASKER,
            **_EXAMPLE_ZONE,
            "dns.question.type": "AXFR",
            "named.stage": "started",
        },
    ),
    Example("client 192.0.2.1#5353: update 'example.com/IN' denied", {**_UPDATE_DENIED, **_ASKER, **_EXAMPLE_ZONE}),
    Example(
        "client @0x7f00c0ffee00 192.0.2.1#5353: updating zone 'example.com/IN': update unsuccessful: "
        "pc.example.com/A: 'RRset exists' prerequisite not satisfied (NXRRSET)",
        {
            **_UPDATE_DENIED,
            **_ASKER,
            **_EXAMPLE_ZONE,
            "event.reason": "update unsuccessful: pc.example.com/A: 'RRset exists' prerequisite not satisfied "
            "(NXRRSET)",
        },
    ),
    Example(
        "client 192.0.2.1#5353: updating zone 'example.com/IN': adding an RR at 'pc.example.com' A 192.0.2.50",
        {
            **_sets("dns-update"),
            **_ASKER,
            **_EXAMPLE_ZONE,
            "named.update": "adding an RR at 'pc.example.com' A 192.0.2.50",
        },
    ),
    Example(
        "client 192.0.2.1#5353: request has invalid signature: TSIG ns2: tsig verify failure (BADKEY)",
        {
            **_sets("dns-signature", "failure"),
            **_ASKER,
            "named.key": "ns2",
            "event.reason": "tsig verify failure (BADKEY)",
        },
    ),
    Example(
        "client 192.0.2.1#5353: received notify for zone 'example.com'",
        {**_sets("dns-notify"), **_ASKER, **_EXAMPLE_ZONE},
    ),
    Example(
        "rate-limit: info: client @0x7f00c0ffee00 192.0.2.1#5353 (www.example.com): rate limit drop all response to "
        "192.0.2.0/24",
        {
            **_sets("dns-rate-limit", "failure"),
            **_ASKER,
            "named.category": "rate-limit",
            "log.level": "info",
            "named.verdict": "drop",
            "event.reason": "all response",
            "named.network": "192.0.2.0/24",
        },
    ),
    Example(
        "client 192.0.2.1#5353: no more recursive clients (1000/900/1000): quota reached",
        {
            **_sets("dns-quota", "failure"),
            **_ASKER,
            "event.reason": "no more recursive clients (1000/900/1000): quota reached",
        },
    ),
    Example(
        "zone example.com/IN: refused notify from non-primary: 192.0.2.1#5353",
        {**_sets("dns-notify", "failure"), **_ASKER, **_EXAMPLE_ZONE},
    ),
    Example(
        "general: info: zone example.com/IN/inside: loaded serial 2026010201 (DNSSEC signed)",
        {
            "event.action": "zone-loaded",
            "event.outcome": "success",
            "named.category": "general",
            "log.level": "info",
            **_EXAMPLE_ZONE,
            "named.serial": "2026010201",
        },
    ),
    Example(
        "zone example.com/IN: not loaded due to errors.",
        {
            "event.action": "zone-loaded",
            "event.outcome": "failure",
            **_EXAMPLE_ZONE,
            "event.reason": "not loaded due to errors.",
        },
    ),
    Example(
        "zone example.com/IN: sending notifies (serial 7)",
        {"event.action": "zone-message", **_EXAMPLE_ZONE, "event.reason": "sending notifies (serial 7)"},
    ),
    Example(
        "transfer of 'example.com/IN' from 198.51.100.53#53: Transfer completed: 1 messages, 9 records, 400 bytes",
        {
            **_sets("zone-transfer", "success"),
            **_EXAMPLE_ZONE,
            **_PEER,
            "event.reason": "Transfer completed: 1 messages, 9 records, 400 bytes",
        },
    ),
    Example(
        "xfer-in: error: transfer of 'example.com/IN' from 198.51.100.53#53: failed while receiving responses: REFUSED",
        {
            **_TRANSFER_DENIED,
            "named.category": "xfer-in",
            "log.level": "error",
            **_EXAMPLE_ZONE,
            **_PEER,
            "event.reason": "failed while receiving responses: REFUSED",
        },
    ),
    Example(
        "transfer of 'example.com/IN' from 198.51.100.53#53: connected using 192.0.2.53#40001",
        {
            **_sets("zone-transfer"),
            **_EXAMPLE_ZONE,
            **_PEER,
            "event.reason": "connected using 192.0.2.53#40001",
        },
    ),
    Example(
        "lame-servers: info: lame server resolving 'www.example.com' (in 'example.com'?): 198.51.100.53#53",
        {
            **_RESOLVE_FAILED,
            "named.category": "lame-servers",
            "log.level": "info",
            "dns.question.name": "www.example.com",
            **_EXAMPLE_ZONE,
            **_PEER,
            "event.reason": "lame server",
        },
    ),
    Example(
        "REFUSED unexpected RCODE resolving 'www.example.com/A/IN': 198.51.100.53#53",
        {**_RESOLVE_FAILED, **_NAME, **_PEER, "event.reason": "REFUSED unexpected RCODE"},
    ),
    Example(
        "unexpected RCODE (SERVFAIL) resolving 'www.example.com/A/IN': 198.51.100.53#53",
        {**_RESOLVE_FAILED, **_NAME, **_PEER, "event.reason": "unexpected RCODE (SERVFAIL)"},
    ),
    Example(
        "network unreachable resolving 'www.example.com/A/IN': 2001:db8::53#53",
        {
            **_RESOLVE_FAILED,
            **_NAME,
            "destination.ip": "2001:db8::53",
            "destination.port": 53,
            "event.reason": "network unreachable",
        },
    ),
    Example(
        "DNS format error from 198.51.100.53#53 resolving www.example.com/A for 192.0.2.1#5353: invalid response",
        {
            **_RESOLVE_FAILED,
            **_PEER,
            "dns.question.name": "www.example.com",
            "dns.question.type": "A",
            "event.reason": "invalid response",
        },
    ),
    Example(
        "dnssec: info: validating www.example.com/A: no valid signature found",
        {
            **_sets("dnssec-validation", "failure"),
            "named.category": "dnssec",
            "log.level": "info",
            "dns.question.name": "www.example.com",
            "dns.question.type": "A",
            "event.reason": "no valid signature found",
        },
    ),
    Example(
        "listening on IPv4 interface eth0, 192.0.2.53#53",
        {
            **_sets("listening", "success"),
            "observer.ingress.interface.name": "eth0",
            "server.ip": "192.0.2.53",
            "server.port": 53,
        },
    ),
    Example(
        "no longer listening on 192.0.2.53#53",
        {**_sets("listening-stopped"), "server.ip": "192.0.2.53", "server.port": 53},
    ),
    Example(
        "starting BIND 9.18.24-1-Debian (Extended Support Version) <id:>",
        {"event.category": ["process"], "event.action": "service-started", "service.version": "9.18.24-1-Debian"},
    ),
    Example("exiting", {"event.category": ["process"], "event.action": "service-stopped"}),
    Example(
        "reloading configuration succeeded",
        {"event.category": ["configuration"], "event.action": "configuration-loaded", "event.outcome": "success"},
    ),
    Example(
        "reloading configuration failed: file not found",
        {
            "event.category": ["configuration"],
            "event.action": "configuration-loaded",
            "event.outcome": "failure",
            "error.message": "file not found",
        },
    ),
    Example(
        "received control channel command 'reload example.com'",
        {
            "event.category": ["configuration"],
            "event.action": "control-command",
            "named.command": "reload example.com",
        },
    ),
    Example(
        "/etc/bind/named.conf.options:12: unknown option 'recursive'",
        {
            "event.category": ["configuration"],
            "event.action": "configuration-loaded",
            "event.outcome": "failure",
            "file.path": "/etc/bind/named.conf.options",
            "named.line": "12",
            "error.message": "unknown option 'recursive'",
        },
    ),
    Example("success resolving 'www.example.com/A' (in 'example.com'?) after reducing the advertised size", None),
    Example("generating session key for dynamic DNS", None),
)
