"""ISC BIND: queries and who was refused them, zones and transfers, trouble in resolving and validating.

The forms are those of the logging chapter of the BIND 9 Administrator Reference Manual, with the category and severity
that `print-category` and `print-severity` put before them. A stranger chooses the names asked for; BIND escapes blanks,
quotes and parentheses in them, but neither `'` nor `/`, so a quoted name ends at the last type and class.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.named_examples import EXAMPLES
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
                r"(?:not loaded due to errors|loading from "
                r"|refresh: (?:failure|could not|timeout|unexpected|retry limit)"
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


GRAMMAR = Grammar(
    name="named",
    programs=("named", "named-*", "bind9"),
    forms=(*_QUERIES[:2], *_RESOLVER, *_ZONES, *_QUERIES[2:], *_SERVER_STATE),
    examples=EXAMPLES,
)
