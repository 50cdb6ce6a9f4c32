"""Postfix's network side, smtpd and postscreen: connections, rejections, logins; and the words all its daemons share.

The forms are those of `smtpd(8)`, `postscreen(8)` and `dnsblog(8)`, https://www.postfix.org/POSTSCREEN_README.html.
They are the first part of the grammar in `postfix.py`.
"""

from __future__ import annotations

from pyparsing import FollowedBy, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form
from parsers.grammars.tokens import end, integer, ip_address, lit, peer_address, rest, rx, word

QUEUE_ID = r"(?:[0-9A-F]{5,15}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,20})(?=[:, )]|\Z)"
# ends before the `>` that a word of the program follows; a quoted part is one unit and may hold anything
_MAILBOX = (
    r'(?:[^">]++|"(?:[^"\\]++|\\.)*+"|"'
    r"|>(?!,? (?:to|proto|helo)=|, (?:orig_to|relay|size|status)=|[ ]*\Z))++"
)


def queue_id() -> ParserElement:
    """Match `4XyZ…: `, short or long."""
    return rx(QUEUE_ID)("postfix.queue_id") + lit(": ")


def maybe_queue_id() -> ParserElement:
    """Match the queue id, `NOQUEUE: ` or nothing."""
    return Opt(lit("NOQUEUE: ") | queue_id())


def _name(field: str) -> ParserElement:
    return lit("unknown") + FollowedBy(lit("[")) | rx(r"[^\[\]<> ]+")(field)


def client() -> ParserElement:
    """Match `host[ip]`, `unknown[unknown]`, with a port behind it where smtpd_client_port_logging is on."""
    address = lit("unknown") | peer_address("source.ip") | rx(r"[^\] ]+")
    return _name("source.domain") + lit("[") + address + lit("]") + Opt(lit(":") + integer()("source.port"))


def _screened() -> ParserElement:
    """Match `[ip]:port`, as postscreen writes a client."""
    return lit("[") + peer_address("source.ip") + lit("]:") + integer()("source.port")


def server() -> ParserElement:
    """Match `host[ip]:port`, or a socket in the brackets."""
    address = peer_address("destination.ip") | rx(r"[^\]]+")("postfix.socket")
    return (
        rx(r"[^\[\]<>, ]+")("destination.domain")
        + lit("[")
        + address
        + lit("]")
        + Opt(lit(":") + integer()("destination.port"))
    )


def mailbox(key: str, field: str) -> ParserElement:
    """Match `key=<address>`; the null sender sets nothing."""
    return lit(f"{key}=<") + Opt(rx(_MAILBOX)(field)) + lit(">")


def envelope() -> ParserElement:
    """Match `from=<> to=<> proto=ESMTP helo=<>`, each where known; postscreen puts commas between."""
    gap = Opt(rx(r",? "))
    return (
        Opt(mailbox("from", "email.from.address") + gap)
        + Opt(mailbox("to", "email.to.address") + gap)
        + Opt(lit("proto=") + rx(r"[A-Z]+")("postfix.protocol") + gap)
        + Opt(lit("helo=<") + rx(r".+(?=>)")("postfix.helo") + lit(">"))
    )


_COMMAND = r"[A-Z][A-Z-]*(?: [A-Z]+)?"
VERDICT = "(?:reject|reject_warning|milter-reject|milter-hold|milter-discard|discard|hold|filter|redirect|warn|warning)"


def _reply() -> ParserElement:
    """Match `554 5.7.1 <x>: reason` up to the envelope."""
    return (
        Opt(rx(r"[245][0-9]{2}(?= )")("postfix.reply_code") + lit(" "))
        + Opt(rx(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= )")("postfix.dsn") + lit(" "))
        + Opt(lit("<") + rx(r'(?:[^">]++|"(?:[^"\\]++|\\.)*+"|>(?!: ))++(?=>: )')("postfix.rejected") + lit(">: "))
        + rx(r"(?:[^;]++|;(?! (?:from=<|to=<|proto=)))++")("event.reason")
    )


def _rejected(who: ParserElement) -> ParserElement:
    return (
        maybe_queue_id()
        + rx(rf"{VERDICT}(?=: )")("postfix.verdict")
        + lit(": ")
        + rx(rf"{_COMMAND}(?= from )")("postfix.command")
        + lit(" from ")
        + who
        + lit(": ")
        + _reply()
        + Opt(lit("; ") + envelope())
        + rest()
    )


def _tls() -> ParserElement:
    return (
        rx(r"(?:TLS|SSL)(?=v)") + lit("v") + rx(r"[0-9.]+")("tls.version") + lit(" with cipher ") + word()("tls.cipher")
    )


_SMTP: dict[str, FieldValue] = {"network.protocol": "smtp"}
_NET: dict[str, FieldValue] = {**_SMTP, "event.category": ["network"]}
_ACCEPTED: dict[str, FieldValue] = {**_SMTP, "event.category": ["email"], "event.action": "mail-accepted"}
_AUTH: dict[str, FieldValue] = {**_SMTP, "event.category": ["authentication"], "event.action": "mail-login"}
_REJECT: dict[str, FieldValue] = {
    **_SMTP,
    "event.category": ["email"],
    "event.action": "smtp-reject",
    "event.outcome": "failure",
}
_MISMATCH: dict[str, FieldValue] = {**_NET, "event.action": "hostname-mismatch", "event.outcome": "failure"}


def net(action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    """Return what a form of the network side sets."""
    sets: dict[str, FieldValue] = {**_NET, "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


def _cut_off(words: str) -> ParserElement:
    """`lost connection after AUTH (12 bytes) from host[ip]` and its like."""
    return (
        maybe_queue_id()
        + lit(f"{words} after ")
        + rx(rf"{_COMMAND}(?= )")("postfix.command")
        + Opt(rx(r" \([0-9]+ bytes\)"))
        + lit(" from ")
        + client()
        + end()
    )


def _sasl(reason: ParserElement) -> ParserElement:
    return (
        lit("warning: ")
        + client()
        + lit(": SASL ")
        + word()("postfix.sasl_method")
        + lit(" authentication failed")
        + reason
        + Opt(lit(", sasl_username=") + rx(r".+")("user.name"))
        + end()
    )


_STATS = r"[a-z_]+=[0-9/]+(?: [a-z_]+=[0-9/]+)*(?= ?\Z)"

_CONNECTIONS = (
    Form("connect", lit("connect from ") + client() + end(), net("smtp-connect")),
    Form(
        "disconnect-login-failed",
        lit("disconnect from ")
        + client()
        + lit(" ")
        + rx(rf"(?=(?:.* )?auth=0/){_STATS}")("postfix.commands")
        + rest(),
        net("smtp-disconnect", "failure"),
    ),
    Form(
        "disconnect",
        lit("disconnect from ") + client() + Opt(lit(" ") + rx(_STATS)("postfix.commands")) + rx(r" ?\Z"),
        net("smtp-disconnect"),
    ),
    Form("lost-connection", _cut_off("lost connection"), net("smtp-lost-connection")),
    Form("timeout", _cut_off("timeout"), net("smtp-timeout")),
    Form("too-many-errors", _cut_off("too many errors"), net("smtp-too-many-errors", "failure")),
    Form(
        "pipelining",
        maybe_queue_id()
        + Opt(lit("warning: "))
        + lit("improper command pipelining after ")
        + rx(rf"{_COMMAND}(?= from )")("postfix.command")
        + lit(" from ")
        + client()
        + Opt(lit(": ") + rx(r".+")("postfix.input"))
        + rest(),
        net("smtp-improper-pipelining", "failure"),
    ),
)

_LOGINS = (
    Form(
        "sasl-unavailable",
        _sasl(
            lit(": ") + rx(r"Connection lost to authentication server|Invalid authentication mechanism")("event.reason")
        ),
        {**_AUTH, "event.outcome": "unknown"},
    ),
    Form(
        "sasl-failed",
        _sasl(Opt(rx(r": ?")) + Opt(rx(r"(?:[^,]++|,(?! sasl_username=))++")("event.reason"))),
        {**_AUTH, "event.outcome": "failure"},
    ),
    Form(
        "client-authenticated",
        queue_id()
        + lit("client=")
        + client()
        + lit(", sasl_method=")
        + rx(r"[^ ,]+")("postfix.sasl_method")
        + lit(", sasl_username=")
        + rx(r"(?:[^,]++|,(?! (?:sasl_sender|orig_queue_id|orig_client)=))++")("user.name")
        + rest(),
        {**_AUTH, "event.outcome": "success"},
    ),
    Form("client", queue_id() + lit("client=") + client() + rest(), _ACCEPTED),
)

_REJECTIONS = (Form("reject", _rejected(_screened() | client()), _REJECT),)

_POSTSCREEN = (
    Form(
        "screen-connect",
        lit("CONNECT from ")
        + _screened()
        + lit(" to [")
        + peer_address("destination.ip")
        + lit("]:")
        + integer()("destination.port")
        + end(),
        net("smtp-connect"),
    ),
    Form("screen-pass", rx(r"PASS (?:NEW|OLD) ") + _screened() + end(), net("smtp-screened", "success")),
    Form(
        "pregreet",
        lit("PREGREET ")
        + integer()
        + lit(" after ")
        + rx(r"[0-9.]+")
        + lit(" from ")
        + _screened()
        + Opt(lit(": ") + rx(r".+")("postfix.input"))
        + rest(),
        {**net("smtp-screened", "failure"), "event.reason": "PREGREET"},
    ),
    Form(
        "screen-listed",
        rx(r"(?:DNSBL rank [0-9]+(?= for )|(?:DENY|BLACK)LISTED)")("event.reason")
        + Opt(lit(" for"))
        + lit(" ")
        + _screened()
        + end(),
        net("smtp-screened", "failure"),
    ),
    Form("screen-allowed", rx(r"(?:ALLOW|WHITE)LISTED ") + _screened() + end(), net("smtp-screened", "success")),
    Form("screen-disconnect", lit("DISCONNECT ") + _screened() + end(), net("smtp-disconnect")),
    Form(
        "screen-violation",
        rx(
            r"(?:HANGUP|BARE NEWLINE|NON-SMTP COMMAND|COMMAND (?:PIPELINING|TIME LIMIT|COUNT LIMIT|LENGTH LIMIT)"
            r"|DATA without RCPT)(?: after [0-9.]+)?(?= from )"
        )("event.reason")
        + lit(" from ")
        + _screened()
        + Opt(rx(r" (?:in tests )?(?:after|before) ") + rx(r".+")("postfix.input"))
        + rest(),
        net("smtp-screened", "failure"),
    ),
    Form(
        "dnsbl-listed",
        lit("addr ")
        + ip_address()("source.ip")
        + lit(" listed by domain ")
        + word()("postfix.dnsbl")
        + lit(" as ")
        + ip_address()("postfix.dnsbl_answer")
        + end(),
        net("dnsbl-listed"),
    ),
)

_TLS = (
    Form(
        "tls-from",
        Opt(rx(r"(?:Anonymous|Untrusted|Trusted|Verified) "))
        + lit("TLS connection established from ")
        + client()
        + lit(": ")
        + _tls()
        + rest(),
        net("tls-established", "success"),
    ),
    Form(
        "tls-to",
        Opt(rx(r"(?:Anonymous|Untrusted|Trusted|Verified) "))
        + lit("TLS connection established to ")
        + server()
        + lit(": ")
        + _tls()
        + rest(),
        net("tls-established", "success"),
    ),
    Form(
        "tls-failed",
        rx(r"SSL_accept error(?= from )")("event.reason")
        + lit(" from ")
        + client()
        + lit(": ")
        + rx(r".+")("error.message")
        + rest(),
        net("tls-established", "failure"),
    ),
)

_WARNINGS = (
    Form(
        "name-mismatch",
        lit("warning: hostname ")
        + word()("postfix.claimed_name")
        + lit(" does not resolve to address ")
        + peer_address("source.ip")
        + Opt(lit(": ") + rx(r".+")("error.message"))
        + end(),
        _MISMATCH,
    ),
    Form(
        "name-unverified",
        lit("warning: ")
        + peer_address("source.ip")
        + (
            lit(": address not listed for hostname ") + word()("postfix.claimed_name")
            | lit(": hostname ")
            + word()("postfix.claimed_name")
            + lit(" verification failed: ")
            + rx(r".+")("error.message")
        )
        + end(),
        _MISMATCH,
    ),
    Form(
        "limit-exceeded",
        lit("warning: ")
        + rx(r"[A-Z][A-Za-z ]+ limit exceeded(?=: )")("event.reason")
        + lit(": ")
        + integer()("postfix.count")
        + lit(" from ")
        + client()
        + lit(" for service ")
        + word()("service.name")
        + end(),
        net("smtp-limit-exceeded", "failure"),
    ),
    Form(
        "non-smtp-command",
        lit("warning: non-SMTP command from ") + client() + Opt(lit(": ") + rx(r".+")("postfix.input")) + rest(),
        net("smtp-non-smtp-command", "failure"),
    ),
    Form(
        "illegal-address",
        lit("warning: Illegal address syntax from ")
        + client()
        + lit(" in ")
        + rx(r"[A-Z]+")("postfix.command")
        + lit(" command: ")
        + rx(r".+")("postfix.input")
        + rest(),
        net("smtp-illegal-address", "failure"),
    ),
)

FORMS = (*_CONNECTIONS, *_LOGINS, *_REJECTIONS, *_POSTSCREEN, *_TLS, *_WARNINGS)
