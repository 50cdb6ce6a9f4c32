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
from parsers.grammar import Form, Grammar
from parsers.grammars import postfix_smtpd as smtpd
from parsers.grammars.postfix_examples import EXAMPLES
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
        + rx(r"max (?:[a-z]++ )*[a-z]++(?= [0-9])")("postfix.statistic")
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
        + rx(r"(?:max|start|domain) (?:[a-z]++ )*[a-z]++(?= [0-9])")("postfix.statistic")
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

GRAMMAR = Grammar(
    name="postfix",
    programs=("postfix", "postfix/*", "postfix-*"),
    forms=(*_QUEUE, *smtpd.FORMS, *_CONTENT, *_DAEMONS),
    examples=EXAMPLES,
)
