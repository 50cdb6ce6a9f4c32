"""Postfix: what its daemons say about connections, rejections, logins, the queue and deliveries.

The forms are those of `smtpd(8)`, `postscreen(8)`, `cleanup(8)`, `qmgr(8)`, `smtp(8)`, `bounce(8)`, `anvil(8)` and
`master(8)`; see also https://www.postfix.org/DEBUG_README.html and POSTSCREEN_README.html.

What a stranger chose: addresses, HELO names, header texts, SASL user names, PTR names. The client `host[ip]` is the
program's: Postfix lets no blank and no bracket into a host name, and no stranger's text stands before it, but in header
checks. Addresses come in their quoted form (`info_log_address_format = external`), so a quoted part is one unit.
"""

from __future__ import annotations

from pyparsing import NotAny, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars import postfix_smtpd as smtpd
from parsers.grammars.postfix_smtpd import client, envelope, mailbox, net, queue_id, server
from parsers.grammars.tokens import end, integer, lit, peer_address, rest, rx

_ORIGIN = r" from [^\[\] ]+\[[^\]]*\]; (?:from|to|proto|helo)="


def _content(origin: ParserElement) -> ParserElement:
    """`reject: header Subject: text from host[ip]; from=<> …: reason`, as header and body checks write it."""
    return (
        queue_id()
        + rx(rf"{smtpd.VERDICT}(?=: )")("postfix.verdict")
        + lit(": ")
        + rx(r"(?:header|body|mime-header|nested-header)(?= )")("postfix.content")
        + lit(" ")
        + origin
    )


def _delivery(status: str) -> ParserElement:
    return (
        queue_id()
        + mailbox("to", "email.to.address")
        + Opt(lit(", ") + mailbox("orig_to", "postfix.orig_to"))
        + lit(", relay=")
        + (server() | rx(r"[^, ]+")("postfix.relay"))
        + Opt(lit(", conn_use=") + integer())
        + Opt(lit(", delay=") + rx(r"[0-9.]+")("postfix.delay"))
        + Opt(lit(", delays=") + rx(r"[0-9./e+-]+")("postfix.delays"))
        + Opt(lit(", dsn=") + rx(r"[0-9.]+")("postfix.dsn"))
        + lit(", status=")
        + rx(status)("postfix.status")
        + Opt(rx(r" +\(") + rx(r".+(?=\))")("event.reason") + lit(")"))
        + rest()
    )


_MAIL: dict[str, FieldValue] = {"event.category": ["email"]}
_DELIVERY: dict[str, FieldValue] = {**_MAIL, "event.action": "mail-delivery"}
_CHECKED: dict[str, FieldValue] = {**_MAIL, "event.action": "mail-content-check"}
_STARTED: dict[str, FieldValue] = {"event.category": ["process"], "event.action": "service-started"}

_CONTENT = (
    Form(
        "content-check",
        # one origin only: with two, the header's text or the HELO name wrote the other one
        _content(
            NotAny(rx(rf".*{_ORIGIN}.*{_ORIGIN}"))
            + rx(rf".+?(?={_ORIGIN})")("postfix.text")
            + lit(" from ")
            + client()
            + lit("; ")
            + envelope()
            + Opt(lit(": ") + rx(r".+")("event.reason"))
            + rest()
        ),
        _CHECKED,
    ),
    Form(
        "content-check-origin-unclear",
        _content(rx(r".+")("postfix.text") + end()),
        _CHECKED,
    ),
)

_QUEUE = (
    Form(
        "queued",
        queue_id()
        + lit("from=<")
        + Opt(rx(r".+(?=>, size=[0-9]+, nrcpt=)")("email.from.address"))
        + lit(">, size=")
        + integer()("postfix.size")
        + lit(", nrcpt=")
        + integer()("postfix.recipients")
        + rest(),
        {**_MAIL, "event.action": "mail-queued"},
    ),
    Form("removed", queue_id() + lit("removed") + end(), {**_MAIL, "event.action": "mail-removed"}),
    Form(
        "message-id",
        queue_id()
        + Opt(lit("resent-"))
        + lit("message-id=")
        + Opt(lit("<"))
        + Opt(rx(r".*[^>](?=>?\Z)")("email.message_id"))
        + rest(),
        {**_MAIL, "event.action": "mail-message-id"},
    ),
    Form("sent", _delivery(r"sent|deliverable"), {**_DELIVERY, "event.outcome": "success"}),
    Form("deferred", _delivery(r"deferred|undelivered"), {**_DELIVERY, "event.outcome": "unknown"}),
    Form("bounced", _delivery(r"bounced|SOFTBOUNCE|undeliverable|expired"), {**_DELIVERY, "event.outcome": "failure"}),
    Form(
        "expired",
        queue_id()
        + lit("from=<")
        + Opt(rx(r".+(?=>, status=)")("email.from.address"))
        + lit(">, status=")
        + rx(r"(?:force-)?expired")("postfix.status")
        + Opt(lit(", ") + rx(r".+")("event.reason"))
        + rest(),
        {**_DELIVERY, "event.outcome": "failure"},
    ),
    Form(
        "bounce",
        queue_id()
        + rx(r"(?:sender|postmaster) (?:non-delivery|delivery status|delay) notification")("postfix.notification")
        + lit(": ")
        + rx(smtpd.QUEUE_ID)("postfix.notification_id")
        + end(),
        {**_MAIL, "event.action": "mail-bounce"},
    ),
    Form(
        "pickup",
        queue_id()
        + lit("uid=")
        + integer()("user.id")
        + lit(" from=<")
        + Opt(rx(r".+(?=>)")("email.from.address"))
        + lit(">")
        + end(),
        {**_MAIL, "event.action": "mail-submitted"},
    ),
    Form(
        "server-said",
        queue_id()
        + lit("host ")
        + server()
        + rx(r" (?:said|refused to talk to me): ")
        + rx(r".+")("error.message")
        + rest(),
        {"network.protocol": "smtp", **_MAIL, "event.action": "smtp-refused", "event.outcome": "failure"},
    ),
    Form(
        "connect-failed",
        Opt(queue_id()) + lit("connect to ") + server() + lit(": ") + rx(r".+")("error.message") + rest(),
        net("smtp-connect-out", "failure"),
    ),
)

_DAEMONS = (
    Form(
        "statistics-client",
        lit("statistics: ")
        + rx(r"max (?:[a-z]+ )*[a-z]+(?= [0-9])")("postfix.statistic")
        + lit(" ")
        + rx(r"[0-9]+(?:/[0-9]+s)?")("postfix.value")
        + lit(" for (")
        + rx(r"[^: )]+")("service.name")
        + lit(":")
        + peer_address("source.ip")
        + lit(") at ")
        + rest(),
        {"event.category": ["network"], "event.action": "smtp-statistics"},
    ),
    Form(
        "statistics",
        lit("statistics: ")
        + rx(r"(?:max|start|domain) (?:[a-z]+ )*[a-z]+(?= [0-9])")("postfix.statistic")
        + lit(" ")
        + rx(r"[0-9]+(?:/[0-9]+s)?")("postfix.value")
        + rest(),
        {"event.action": "smtp-statistics"},
    ),
    Form(
        "started",
        rx(r"(?:daemon started|reload) -- version ")
        + rx(r"[^ ,]+")("service.version")
        + Opt(lit(", configuration ") + rx(r".+")("file.path"))
        + rest(),
        _STARTED,
    ),
    Form(
        "stopped",
        rx(r"(?:terminating on signal [0-9]+|stopping the Postfix mail system)")("event.reason") + end(),
        {"event.category": ["process"], "event.action": "service-stopped"},
    ),
    Form(
        "trouble",
        smtpd.maybe_queue_id()
        + rx(r"(?:warning|error|fatal|panic)(?=: )")("log.level")
        + lit(": ")
        + rx(r"(?s:.+)")("error.message"),
    ),
)


_ID: dict[str, FieldValue] = {"postfix.queue_id": "4XkPqW2zBczQR"}
_RELAY: dict[str, FieldValue] = {
    **_ID,
    "destination.domain": "mx.example.org",
    "destination.ip": "198.51.100.19",
    "destination.port": 25,
}

_EXAMPLES = (
    Example(
        "4XkPqW2zBczQR: from=<alice@example.com>, size=2345, nrcpt=2 (queue active)",
        {
            **_MAIL,
            **_ID,
            "event.action": "mail-queued",
            "email.from.address": "alice@example.com",
            "postfix.size": "2345",
            "postfix.recipients": "2",
        },
    ),
    Example(  # a sender that is a copy of the line
        '4XkPqW2zBczQR: from=<"x>, size=1, nrcpt=9 (queue active)"@example.net>, size=2345, nrcpt=1 (queue active)',
        {
            **_MAIL,
            **_ID,
            "event.action": "mail-queued",
            "email.from.address": '"x>, size=1, nrcpt=9 (queue active)"@example.net',
            "postfix.size": "2345",
            "postfix.recipients": "1",
        },
    ),
    Example("5B1A2C3D4E: removed", {**_MAIL, "postfix.queue_id": "5B1A2C3D4E", "event.action": "mail-removed"}),
    Example(
        "4XkPqW2zBczQR: message-id=<20260102.abc@example.com>",
        {**_MAIL, **_ID, "event.action": "mail-message-id", "email.message_id": "20260102.abc@example.com"},
    ),
    Example("4XkPqW2zBczQR: message-id=<>", {**_MAIL, **_ID, "event.action": "mail-message-id"}),
    Example(
        "4XkPqW2zBczQR: to=<bob@example.org>, relay=mx.example.org[198.51.100.19]:25, delay=1.3, "
        "delays=0.1/0.02/0.7/0.5, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9F)",
        {
            **_DELIVERY,
            **_RELAY,
            "event.outcome": "success",
            "email.to.address": "bob@example.org",
            "postfix.delay": "1.3",
            "postfix.delays": "0.1/0.02/0.7/0.5",
            "postfix.dsn": "2.0.0",
            "postfix.status": "sent",
            "event.reason": "250 2.0.0 Ok: queued as 9F",
        },
    ),
    Example(
        "4XkPqW2zBczQR: to=<bob@example.com>, orig_to=<root>, relay=local, delay=0.05, delays=0.03/0/0/0.02, "
        "dsn=2.0.0, status=sent (delivered to mailbox)",
        {
            **_DELIVERY,
            **_ID,
            "event.outcome": "success",
            "email.to.address": "bob@example.com",
            "postfix.orig_to": "root",
            "postfix.relay": "local",
            "postfix.delay": "0.05",
            "postfix.delays": "0.03/0/0/0.02",
            "postfix.dsn": "2.0.0",
            "postfix.status": "sent",
            "event.reason": "delivered to mailbox",
        },
    ),
    Example(
        "4XkPqW2zBczQR: to=<bob@example.com>, relay=mail.example.com[private/dovecot-lmtp], delay=0.4, "
        "dsn=2.0.0, status=sent (250 2.0.0 Saved)",
        {
            **_DELIVERY,
            **_ID,
            "event.outcome": "success",
            "email.to.address": "bob@example.com",
            "destination.domain": "mail.example.com",
            "postfix.socket": "private/dovecot-lmtp",
            "postfix.delay": "0.4",
            "postfix.dsn": "2.0.0",
            "postfix.status": "sent",
            "event.reason": "250 2.0.0 Saved",
        },
    ),
    Example(
        "4XkPqW2zBczQR: to=<bob@example.org>, relay=none, delay=30, delays=0.1/0/30/0, dsn=4.4.1, status=deferred "
        "(connect to mx.example.org[198.51.100.19]:25: Connection timed out)",
        {
            **_DELIVERY,
            **_ID,
            "event.outcome": "unknown",
            "email.to.address": "bob@example.org",
            "postfix.relay": "none",
            "postfix.delay": "30",
            "postfix.delays": "0.1/0/30/0",
            "postfix.dsn": "4.4.1",
            "postfix.status": "deferred",
            "event.reason": "connect to mx.example.org[198.51.100.19]:25: Connection timed out",
        },
    ),
    Example(  # the recipient and the remote server's answer are copies of the line
        '4XkPqW2zBczQR: to=<"x>, relay=evil[203.0.113.9]:25, delay=1, dsn=2.0.0, status=sent (x"@example.org>, '
        "relay=mx.example.org[198.51.100.19]:25, delay=2, dsn=5.1.1, status=bounced (host mx.example.org"
        "[198.51.100.19] said: 550 5.1.1 to=<y>, relay=evil[203.0.113.9]:25, delay=1, dsn=2.0.0, status=sent (z))",
        {
            **_DELIVERY,
            **_RELAY,
            "event.outcome": "failure",
            "email.to.address": '"x>, relay=evil[203.0.113.9]:25, delay=1, dsn=2.0.0, status=sent (x"@example.org',
            "postfix.delay": "2",
            "postfix.dsn": "5.1.1",
            "postfix.status": "bounced",
            "event.reason": "host mx.example.org[198.51.100.19] said: 550 5.1.1 to=<y>, relay=evil[203.0.113.9]:25, "
            "delay=1, dsn=2.0.0, status=sent (z)",
        },
    ),
    Example(
        "4XkPqW2zBczQR: from=<alice@example.com>, status=expired, returned to sender",
        {
            **_DELIVERY,
            **_ID,
            "event.outcome": "failure",
            "email.from.address": "alice@example.com",
            "postfix.status": "expired",
            "event.reason": "returned to sender",
        },
    ),
    Example(
        "4XkPqW2zBczQR: sender non-delivery notification: 4XkPqX1yCczQT",
        {
            **_MAIL,
            **_ID,
            "event.action": "mail-bounce",
            "postfix.notification": "sender non-delivery notification",
            "postfix.notification_id": "4XkPqX1yCczQT",
        },
    ),
    Example(
        "4XkPqW2zBczQR: uid=1000 from=<alice>",
        {**_MAIL, **_ID, "event.action": "mail-submitted", "user.id": "1000", "email.from.address": "alice"},
    ),
    Example(
        "4XkPqW2zBczQR: host mx.example.org[198.51.100.19] said: 451 4.7.1 Try later (in reply to RCPT TO command)",
        {
            **_MAIL,
            **_ID,
            "network.protocol": "smtp",
            "event.action": "smtp-refused",
            "event.outcome": "failure",
            "destination.domain": "mx.example.org",
            "destination.ip": "198.51.100.19",
            "error.message": "451 4.7.1 Try later (in reply to RCPT TO command)",
        },
    ),
    Example(
        "connect to mx.example.org[2001:db8::19]:25: Network is unreachable",
        {
            **net("smtp-connect-out", "failure"),
            "destination.domain": "mx.example.org",
            "destination.ip": "2001:db8::19",
            "destination.port": 25,
            "error.message": "Network is unreachable",
        },
    ),
    Example(
        "5B1A2C3D4E: reject: header Subject: Cheap pills from client.example.net[192.0.2.25]; "
        "from=<eve@example.net> to=<bob@example.com> proto=ESMTP helo=<pc>: 5.7.1 no pills",
        {
            **_CHECKED,
            "postfix.queue_id": "5B1A2C3D4E",
            "postfix.verdict": "reject",
            "postfix.content": "header",
            "postfix.text": "Subject: Cheap pills",
            "source.domain": "client.example.net",
            "source.ip": "192.0.2.25",
            "email.from.address": "eve@example.net",
            "email.to.address": "bob@example.com",
            "postfix.protocol": "ESMTP",
            "postfix.helo": "pc",
            "event.reason": "5.7.1 no pills",
        },
    ),
    Example(  # a header that is a copy of the line: whose origin is whose cannot be told, so none is taken
        "5B1A2C3D4E: reject: header Subject: x from unknown[203.0.113.9]; from=<a> to=<b> from "
        "unknown[192.0.2.25]; from=<eve@example.net> to=<bob@example.com> proto=ESMTP helo=<pc>: 5.7.1 no",
        {
            **_CHECKED,
            "postfix.queue_id": "5B1A2C3D4E",
            "postfix.verdict": "reject",
            "postfix.content": "header",
            "postfix.text": "Subject: x from unknown[203.0.113.9]; from=<a> to=<b> from "
            "unknown[192.0.2.25]; from=<eve@example.net> to=<bob@example.com> proto=ESMTP helo=<pc>: 5.7.1 no",
        },
    ),
    Example(
        "statistics: max connection rate 7/60s for (smtp:192.0.2.25) at Jan  2 10:00:00",
        {
            "event.category": ["network"],
            "event.action": "smtp-statistics",
            "postfix.statistic": "max connection rate",
            "postfix.value": "7/60s",
            "service.name": "smtp",
            "source.ip": "192.0.2.25",
        },
    ),
    Example(
        "statistics: max cache size 3 at Jan  2 10:00:00",
        {"event.action": "smtp-statistics", "postfix.statistic": "max cache size", "postfix.value": "3"},
    ),
    Example(
        "daemon started -- version 3.7.11, configuration /etc/postfix",
        {**_STARTED, "service.version": "3.7.11", "file.path": "/etc/postfix"},
    ),
    Example(
        "terminating on signal 15",
        {
            "event.category": ["process"],
            "event.action": "service-stopped",
            "event.reason": "terminating on signal 15",
        },
    ),
    Example(
        "warning: database /etc/aliases.db is older than source file /etc/aliases",
        {
            "log.level": "warning",
            "error.message": "database /etc/aliases.db is older than source file /etc/aliases",
        },
    ),
    Example(
        "fatal: parameter inet_interfaces: no local interface found for 192.0.2.80",
        {
            "log.level": "fatal",
            "error.message": "parameter inet_interfaces: no local interface found for 192.0.2.80",
        },
    ),
    Example("starting TLS engine", None),
    Example("xconnect from unknown[203.0.113.9]", None),
)

GRAMMAR = Grammar(
    name="postfix",
    programs=("postfix", "postfix/*", "postfix-*"),
    forms=(*_QUEUE, *smtpd.FORMS, *_CONTENT, *_DAEMONS),
    examples=(*smtpd.EXAMPLES, *_EXAMPLES),
)
