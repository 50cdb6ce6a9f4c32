"""ISC BIND: queries and who was refused them, zones and transfers, trouble in resolving and validating.

The forms are those of the logging chapter of the BIND 9 Administrator Reference Manual, with the category and severity
that `print-category` and `print-severity` put before them. A stranger chooses the names asked for; BIND escapes blanks,
quotes and parentheses in them, but neither `'` nor `/`, so a quoted name ends at the last type and class.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.tokens import end, integer, ip_address, lit, peer_address, rest, rx, up_to, word

_CATEGORY = (
    r"(?:client|cname|config|database|default|delegation-only|dispatch|dnssec|dnstap|edns-disabled|general|lame-servers"
    r"|network|notify|nsid|queries|query-errors|rate-limit|resolver|responses|rpz|rpz-passthru|security|serve-stale"
    r"|spill|sslkeylog|trust-anchor-telemetry|unmatched|update|update-security|xfer-in|xfer-out|zoneload)(?=: )"
)


def _line(content: ParserElement) -> ParserElement:
    """Match `category: severity: content`, each of the two where it is printed."""
    return (
        Opt(rx(_CATEGORY)("named.category") + lit(": "))
        + Opt(rx(r"(?:critical|error|warning|notice|info|debug [0-9]+|dynamic)(?=: )")("log.level") + lit(": "))
        + content
    )


def _client(content: ParserElement) -> ParserElement:
    """Match `client @0x… address#port (name): view v: content`."""
    return _line(
        rx(r"client (?:@0x[0-9a-f]+ )?")
        + peer_address("source.ip")
        + lit("#")
        + integer()("source.port")
        + rx(r"(?:/key [^ ]+)?(?: \([^ ]+\))?: ")
        + Opt(lit("view ") + rx(r"[^ :]+")("named.view") + lit(": "))
        + content
    )


_TYPE, _CLASS = r"[A-Z][A-Z0-9-]*", r"(?:IN|CH|HS|ANY|NONE|CLASS[0-9]+|TYPE[0-9]+)"
_QUOTED = (
    lit("'")
    + rx(rf"[^ ]+(?=/{_TYPE}/{_CLASS}')")("dns.question.name")
    + lit("/")
    + rx(_TYPE)("dns.question.type")
    + lit("/")
    + rx(_CLASS)("dns.question.class")
    + lit("'")
)
_ZONE = rx(r"[^ ]+(?=/(?:IN|CH|HS)[/' :])")("named.zone") + rx(r"/(?:IN|CH|HS)")
_QUOTED_ZONE = lit("'") + _ZONE + Opt(rx(r"/[^ ']+")) + lit("'")
_SERVER = ip_address()("destination.ip") + lit("#") + integer()("destination.port")
_REASON = rx(r".+")("event.reason") + end()


def _sets(action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    sets: dict[str, FieldValue] = {"network.protocol": "dns", "event.category": ["network"], "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_DENIED = _sets("dns-query", "failure")
_TRANSFER_DENIED = _sets("zone-transfer", "failure")
_UPDATE_DENIED = _sets("dns-update", "failure")
_RESOLVE_FAILED = _sets("dns-resolve", "failure")
_WHY = Opt(rx(r" (?:\(|due to )") + rx(r"[^)]+")("event.reason") + Opt(lit(")")))

_QUERIES = (
    Form(
        "query",
        _client(
            lit("query: ")
            + word()("dns.question.name")
            + lit(" ")
            + rx(_CLASS)("dns.question.class")
            + lit(" ")
            + rx(_TYPE)("dns.question.type")
            + lit(" ")
            + rx(r"[+-][^ ]*")("named.flags")
            + Opt(lit(" (") + ip_address()("destination.ip") + lit(")"))
            + Opt(lit(" [ECS ") + rx(r"[^\]]+")("named.ecs") + lit("]"))
            + end()
        ),
        _sets("dns-query"),
    ),
    Form(
        "query-denied",
        _client(rx(r"query (?:\(cache\) )?") + _QUOTED + lit(" denied") + _WHY + end()),
        _DENIED,
    ),
    Form(
        "query-failed",
        _client(
            lit("query failed (")
            + rx(r"[^)]+")("event.reason")
            + lit(") for ")
            + rx(rf"[^ ]+(?=/{_CLASS}/{_TYPE} at )")("dns.question.name")
            + lit("/")
            + rx(_CLASS)("dns.question.class")
            + lit("/")
            + rx(_TYPE)("dns.question.type")
            + lit(" at ")
            + rest()
        ),
        _DENIED,
    ),
    Form("transfer-denied", _client(lit("zone transfer ") + _QUOTED + lit(" denied") + _WHY + end()), _TRANSFER_DENIED),
    Form(
        "transfer-bad",
        _client(lit("bad zone transfer request: ") + _QUOTED_ZONE + lit(": ") + _REASON),
        _TRANSFER_DENIED,
    ),
    Form(
        "transfer-out",
        _client(
            lit("transfer of ")
            + _QUOTED_ZONE
            + lit(": ")
            + rx(r"(?:AXFR|IXFR|AXFR-style IXFR)(?= )")("dns.question.type")
            + lit(" ")
            + rx(r"started|ended")("named.stage")
            + rest()
        ),
        _sets("zone-transfer", "success"),
    ),
    Form(
        "update-denied",
        _client(rx(r"update (?:forwarding )?") + _QUOTED_ZONE + lit(" denied") + _WHY + end()),
        _UPDATE_DENIED,
    ),
    Form(
        "update-unsuccessful",
        _client(
            lit("updating zone ")
            + _QUOTED_ZONE
            + lit(": ")
            + rx(r"update (?:unsuccessful|failed): .+")("event.reason")
            + end()
        ),
        _UPDATE_DENIED,
    ),
    Form(
        "update",
        _client(lit("updating zone ") + _QUOTED_ZONE + lit(": ") + rx(r".+")("named.update") + end()),
        _sets("dns-update"),
    ),
    Form(
        "bad-signature",
        _client(lit("request has invalid signature: TSIG ") + up_to(": ")("named.key") + lit(": ") + _REASON),
        _sets("dns-signature", "failure"),
    ),
    Form(
        "notify-received",
        _client(rx(r"received notify for zone '") + rx(r"[^ ]+(?=')")("named.zone") + lit("'") + rest()),
        _sets("dns-notify"),
    ),
    Form(
        "rate-limit",
        _client(
            Opt(lit("would "))
            + lit("rate limit ")
            + rx(r"drop|slip|continue|truncate")("named.verdict")
            + lit(" ")
            + rx(r"(?:[^ ]++| (?!to [0-9A-Fa-f]))++")("event.reason")
            + lit(" to ")
            + rx(r"[0-9A-Fa-f:./]+")("named.network")
            + rest()
        ),
        _sets("dns-rate-limit", "failure"),
    ),
    Form(
        "quota",
        _client(rx(r"no more (?:recursive|TCP) clients.*")("event.reason") + end()),
        _sets("dns-quota", "failure"),
    ),
)

_ZONES = (
    Form(
        "notify-refused",
        _line(
            lit("zone ")
            + _ZONE
            + Opt(rx(r"/[^ :]+"))
            + rx(r": refused notify from non-(?:master|primary): ")
            + peer_address("source.ip")
            + lit("#")
            + integer()("source.port")
            + end()
        ),
        _sets("dns-notify", "failure"),
    ),
    Form(
        "zone-loaded",
        _line(
            lit("zone ")
            + _ZONE
            + Opt(rx(r"/[^ :]+"))
            + rx(r": (?:loaded|transferred) serial ")
            + integer()("named.serial")
            + rest()
        ),
        {"event.action": "zone-loaded", "event.outcome": "success"},
    ),
    Form(
        "zone-failed",
        _line(
            lit("zone ")
            + _ZONE
            + Opt(rx(r"/[^ :]+"))
            + lit(": ")
            + rx(
                r"(?:not loaded due to errors|loading from |refresh: (?:failure|could not|timeout|unexpected|retry limit)"
                r"|expired|journal rollforward failed|has no |zone has no |serial number).*"
            )("event.reason")
            + end()
        ),
        {"event.action": "zone-loaded", "event.outcome": "failure"},
    ),
    Form(
        "zone",
        _line(lit("zone ") + _ZONE + Opt(rx(r"/[^ :]+")) + lit(": ") + _REASON),
        {"event.action": "zone-message"},
    ),
    Form(
        "transfer-in-done",
        _line(
            lit("transfer of ")
            + _QUOTED_ZONE
            + lit(" from ")
            + _SERVER
            + rx(r": (?=Transfer completed|Transfer status: success)")
            + _REASON
        ),
        _sets("zone-transfer", "success"),
    ),
    Form(
        "transfer-in-failed",
        _line(
            lit("transfer of ")
            + _QUOTED_ZONE
            + lit(" from ")
            + _SERVER
            + rx(r": (?=Transfer status: |failed |giving up|resetting)")
            + _REASON
        ),
        _TRANSFER_DENIED,
    ),
    Form(
        "transfer-in",
        _line(lit("transfer of ") + _QUOTED_ZONE + lit(" from ") + _SERVER + lit(": ") + _REASON),
        _sets("zone-transfer"),
    ),
)

_RESOLVER = (
    Form(
        "lame-server",
        _line(
            lit("lame server resolving '")
            + rx(r"[^ ]+(?=' \(in ')")("dns.question.name")
            + lit("' (in '")
            + rx(r"[^ ]+(?='\?\): )")("named.zone")
            + lit("'?): ")
            + _SERVER
            + end()
        ),
        {**_RESOLVE_FAILED, "event.reason": "lame server"},
    ),
    Form(
        "resolve-failed",
        _line(
            rx(r"(?!success )(?:[^ /]++| (?!resolving '))++")("event.reason")
            + lit(" resolving ")
            + _QUOTED
            + lit(": ")
            + _SERVER
            + end()
        ),
        _RESOLVE_FAILED,
    ),
    Form(
        "format-error",
        _line(
            lit("DNS format error from ")
            + _SERVER
            + lit(" resolving ")
            + rx(rf"[^ ]+(?=/{_TYPE}[: ])")("dns.question.name")
            + lit("/")
            + rx(_TYPE)("dns.question.type")
            + up_to(": ")
            + lit(": ")
            + _REASON
        ),
        _RESOLVE_FAILED,
    ),
    Form(
        "validation-failed",
        _line(
            rx(r"(?:view [^ :]+: )?validating (?:@0x[0-9a-f]+: )?")
            + rx(rf"[^ ]+(?=[/ ]{_TYPE}: )")("dns.question.name")
            + rx(r"[/ ]")
            + rx(_TYPE)("dns.question.type")
            + lit(": ")
            + _REASON
        ),
        _sets("dnssec-validation", "failure"),
    ),
)

_SERVER_STATE = (
    Form(
        "listening",
        _line(
            rx(r"listening on IPv[46] interfaces? ")
            + rx(r"[^ ,]+")("observer.ingress.interface.name")
            + lit(", ")
            + ip_address()("server.ip")
            + lit("#")
            + integer()("server.port")
            + end()
        ),
        _sets("listening", "success"),
    ),
    Form(
        "not-listening",
        _line(lit("no longer listening on ") + ip_address()("server.ip") + lit("#") + integer()("server.port") + end()),
        _sets("listening-stopped"),
    ),
    Form(
        "started",
        _line(lit("starting BIND ") + word()("service.version") + rest()),
        {"event.category": ["process"], "event.action": "service-started"},
    ),
    Form(
        "stopped",
        _line(lit("exiting") + rx(r"(?: \(due to [a-z ]+\))?\Z")),
        {"event.category": ["process"], "event.action": "service-stopped"},
    ),
    Form(
        "reloaded",
        _line(rx(r"reloading (?:configuration|zones) succeeded|all zones loaded") + end()),
        {"event.category": ["configuration"], "event.action": "configuration-loaded", "event.outcome": "success"},
    ),
    Form(
        "reload-failed",
        _line(rx(r"(?:reloading|loading) configuration(?: failed)?: ") + rx(r".+")("error.message") + end()),
        {"event.category": ["configuration"], "event.action": "configuration-loaded", "event.outcome": "failure"},
    ),
    Form(
        "control",
        _line(lit("received control channel command '") + rx(r".+(?=')")("named.command") + lit("'") + end()),
        {"event.category": ["configuration"], "event.action": "control-command"},
    ),
    Form(
        "file-error",
        _line(
            rx(r"/[^:]+")("file.path")
            + lit(":")
            + integer()("named.line")
            + lit(": ")
            + rx(r".+")("error.message")
            + end()
        ),
        {"event.category": ["configuration"], "event.action": "configuration-loaded", "event.outcome": "failure"},
    ),
)

_ASKER: dict[str, FieldValue] = {"source.ip": "192.0.2.1", "source.port": 5353}
_NAME: dict[str, FieldValue] = {
    "dns.question.name": "www.example.com",
    "dns.question.class": "IN",
    "dns.question.type": "A",
}
_WWW: dict[str, FieldValue] = {**_ASKER, **_NAME}
_PEER: dict[str, FieldValue] = {"destination.ip": "198.51.100.53", "destination.port": 53}
_EXAMPLE_ZONE: dict[str, FieldValue] = {"named.zone": "example.com"}

_EXAMPLES = (
    Example(
        "client @0x7f00c0ffee00 192.0.2.1#5353 (www.example.com): query: www.example.com IN A +E(0)K (192.0.2.53)",
        {**_sets("dns-query"), **_WWW, "named.flags": "+E(0)K", "destination.ip": "192.0.2.53"},
    ),
    Example(
        "queries: info: client 2001:db8::7#5353 (example.org): view inside: query: example.org IN AAAA - (2001:db8::53)",
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

GRAMMAR = Grammar(
    name="named",
    programs=("named", "named-*", "bind9"),
    forms=(*_QUERIES[:2], *_RESOLVER, *_ZONES, *_QUERIES[2:], *_SERVER_STATE),
    examples=_EXAMPLES,
)
