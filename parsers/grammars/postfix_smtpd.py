"""Postfix's network side, smtpd and postscreen: connections, rejections, logins; and the words all its daemons share.

The forms are those of `smtpd(8)`, `postscreen(8)` and `dnsblog(8)`, https://www.postfix.org/POSTSCREEN_README.html.
They are the first part of the grammar in `postfix.py`.
"""

from __future__ import annotations

from pyparsing import FollowedBy, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form
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
            lit(": ")
            + rx(r"Connection lost to authentication server|Invalid authentication mechanism")("event.reason")
        ),
        {**_AUTH, "event.outcome": "unknown"},
    ),
    Form("sasl-failed", _sasl(Opt(rx(r": ?")) + Opt(rx(r"(?:[^,]++|,(?! sasl_username=))++")("event.reason"))), {**_AUTH, "event.outcome": "failure"}),
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

_REJECTIONS = (
    Form("reject", _rejected(_screened() | client()), _REJECT),
)

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


def _seen(base: dict[str, FieldValue], address: str, **more: FieldValue) -> dict[str, FieldValue]:
    """Return an example's fields: what its form sets, the client's address, and the rest with `__` for `.`."""
    return {**base, "source.ip": address, **{name.replace("__", "."): value for name, value in more.items()}}


def _domain(base: dict[str, FieldValue], address: str, **more: FieldValue) -> dict[str, FieldValue]:
    return _seen(base, address, source__domain="client.example.net", **more)


_FAILED: dict[str, FieldValue] = {**_AUTH, "event.outcome": "failure"}
_PEER = "client.example.net[192.0.2.25]"

EXAMPLES = (
    Example(f"connect from {_PEER}", _domain(net("smtp-connect"), "192.0.2.25")),
    Example("connect from unknown[2001:db8::25]", _seen(net("smtp-connect"), "2001:db8::25")),
    Example("connect from unknown[unknown]", net("smtp-connect")),
    Example("connect from unknown[192.0.2.25]:40112", _seen(net("smtp-connect"), "192.0.2.25", source__port=40112)),
    Example(
        f"disconnect from {_PEER} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
        _domain(
            net("smtp-disconnect"), "192.0.2.25", postfix__commands="ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"
        ),
    ),
    Example(
        "disconnect from unknown[192.0.2.25] ehlo=1 auth=0/3 quit=1 commands=2/5",
        _seen(
            net("smtp-disconnect", "failure"),
            "192.0.2.25",
            postfix__commands="ehlo=1 auth=0/3 quit=1 commands=2/5",
        ),
    ),
    Example("disconnect from unknown[192.0.2.25]", _seen(net("smtp-disconnect"), "192.0.2.25")),
    Example(
        f"lost connection after STARTTLS from {_PEER}",
        _domain(net("smtp-lost-connection"), "192.0.2.25", postfix__command="STARTTLS"),
    ),
    Example(
        "lost connection after DATA (31337 bytes) from unknown[192.0.2.25]",
        _seen(net("smtp-lost-connection"), "192.0.2.25", postfix__command="DATA"),
    ),
    Example(
        "NOQUEUE: lost connection after CONNECT from unknown[192.0.2.25]",
        _seen(net("smtp-lost-connection"), "192.0.2.25", postfix__command="CONNECT"),
    ),
    Example(
        f"timeout after END-OF-MESSAGE from {_PEER}",
        _domain(net("smtp-timeout"), "192.0.2.25", postfix__command="END-OF-MESSAGE"),
    ),
    Example(
        "too many errors after AUTH from unknown[192.0.2.25]",
        _seen(net("smtp-too-many-errors", "failure"), "192.0.2.25", postfix__command="AUTH"),
    ),
    Example(
        "improper command pipelining after DATA from unknown[192.0.2.25]: x from unknown[203.0.113.9]: y",
        _seen(
            net("smtp-improper-pipelining", "failure"),
            "192.0.2.25",
            postfix__command="DATA",
            postfix__input="x from unknown[203.0.113.9]: y",
        ),
    ),
    Example(
        f"warning: {_PEER}: SASL LOGIN authentication failed: VXNlcm5hbWU6",
        _domain(_FAILED, "192.0.2.25", postfix__sasl_method="LOGIN", event__reason="VXNlcm5hbWU6"),
    ),
    Example(
        "warning: unknown[192.0.2.25]: SASL PLAIN authentication failed:",
        _seen(_FAILED, "192.0.2.25", postfix__sasl_method="PLAIN"),
    ),
    Example(
        "warning: unknown[::ffff:192.0.2.25]:2525: SASL PLAIN authentication failed: wrong, sasl_username=mallory",
        _seen(
            _FAILED,
            "192.0.2.25",
            source__port=2525,
            postfix__sasl_method="PLAIN",
            event__reason="wrong",
            user__name="mallory",
        ),
    ),
    Example(  # a user name that is a copy of the line
        "warning: unknown[192.0.2.25]: SASL PLAIN authentication failed: no, sasl_username=warning: "
        "unknown[203.0.113.9]: SASL PLAIN authentication failed: no, sasl_username=root",
        _seen(
            _FAILED,
            "192.0.2.25",
            postfix__sasl_method="PLAIN",
            event__reason="no",
            user__name="warning: unknown[203.0.113.9]: SASL PLAIN authentication failed: no, sasl_username=root",
        ),
    ),
    Example(
        "warning: unknown[192.0.2.25]: SASL LOGIN authentication failed: Connection lost to authentication server",
        _seen(
            {**_AUTH, "event.outcome": "unknown"},
            "192.0.2.25",
            postfix__sasl_method="LOGIN",
            event__reason="Connection lost to authentication server",
        ),
    ),
    Example(
        f"4XkPqW2zBczQR: client={_PEER}, sasl_method=PLAIN, sasl_username=alice@example.com",
        _domain(
            {**_AUTH, "event.outcome": "success"},
            "192.0.2.25",
            postfix__queue_id="4XkPqW2zBczQR",
            postfix__sasl_method="PLAIN",
            user__name="alice@example.com",
        ),
    ),
    Example(
        "5B1A2C3D4E: client=unknown[2001:db8::25]",
        _seen(_ACCEPTED, "2001:db8::25", postfix__queue_id="5B1A2C3D4E"),
    ),
    Example(
        f"NOQUEUE: reject: RCPT from {_PEER}: 554 5.7.1 <bob@example.org>: Relay access denied; "
        "from=<eve@example.net> to=<bob@example.org> proto=ESMTP helo=<client.example.net>",
        _domain(
            _REJECT,
            "192.0.2.25",
            postfix__verdict="reject",
            postfix__command="RCPT",
            postfix__reply_code="554",
            postfix__dsn="5.7.1",
            postfix__rejected="bob@example.org",
            event__reason="Relay access denied",
            email__from__address="eve@example.net",
            email__to__address="bob@example.org",
            postfix__protocol="ESMTP",
            postfix__helo="client.example.net",
        ),
    ),
    Example(
        "NOQUEUE: reject: EHLO from unknown[192.0.2.25]: 504 5.5.2 <pc>: Helo command rejected: need fully-qualified "
        "hostname; proto=SMTP helo=<pc>",
        _seen(
            _REJECT,
            "192.0.2.25",
            postfix__verdict="reject",
            postfix__command="EHLO",
            postfix__reply_code="504",
            postfix__dsn="5.5.2",
            postfix__rejected="pc",
            event__reason="Helo command rejected: need fully-qualified hostname",
            postfix__protocol="SMTP",
            postfix__helo="pc",
        ),
    ),
    Example(
        "5B1A2C3D4E: milter-reject: DATA from unknown[192.0.2.25]: 550 5.7.1 Command rejected; "
        "from=<> to=<bob@example.com> proto=ESMTP helo=<mx.example.net>",
        _seen(
            _REJECT,
            "192.0.2.25",
            postfix__queue_id="5B1A2C3D4E",
            postfix__verdict="milter-reject",
            postfix__command="DATA",
            postfix__reply_code="550",
            postfix__dsn="5.7.1",
            event__reason="Command rejected",
            email__to__address="bob@example.com",
            postfix__protocol="ESMTP",
            postfix__helo="mx.example.net",
        ),
    ),
    Example(  # a HELO name that is a copy of the line
        "NOQUEUE: reject: VRFY from unknown[192.0.2.25]: 550 5.1.1 <root>: Recipient address rejected: no such user; "
        "to=<root> proto=SMTP helo=<x> VRFY from unknown[203.0.113.9]: 550 5.1.1 <y>: no; to=<z> proto=SMTP helo=<w>",
        _seen(
            _REJECT,
            "192.0.2.25",
            postfix__verdict="reject",
            postfix__command="VRFY",
            postfix__reply_code="550",
            postfix__dsn="5.1.1",
            postfix__rejected="root",
            event__reason="Recipient address rejected: no such user",
            email__to__address="root",
            postfix__protocol="SMTP",
            postfix__helo="x> VRFY from unknown[203.0.113.9]: 550 5.1.1 <y>: no; to=<z> proto=SMTP helo=<w",
        ),
    ),
    Example(  # a quoted local part may hold what follows an address
        "NOQUEUE: reject: RCPT from unknown[192.0.2.25]: 450 4.7.25 Client host rejected: cannot find your hostname, "
        '[192.0.2.25]; from=<"a> to=<b> proto=ESMTP helo=<c"@example.net> to=<bob@example.com> proto=ESMTP helo=<pc>',
        _seen(
            _REJECT,
            "192.0.2.25",
            postfix__verdict="reject",
            postfix__command="RCPT",
            postfix__reply_code="450",
            postfix__dsn="4.7.25",
            event__reason="Client host rejected: cannot find your hostname, [192.0.2.25]",
            email__from__address='"a> to=<b> proto=ESMTP helo=<c"@example.net',
            email__to__address="bob@example.com",
            postfix__protocol="ESMTP",
            postfix__helo="pc",
        ),
    ),
    Example(
        "NOQUEUE: reject: RCPT from [192.0.2.25]:50123: 550 5.7.1 Service unavailable; client [192.0.2.25] blocked "
        "using dnsbl.example.org; from=<a@example.net>, to=<bob@example.com>, proto=ESMTP, helo=<pc>",
        _seen(
            _REJECT,
            "192.0.2.25",
            source__port=50123,
            postfix__verdict="reject",
            postfix__command="RCPT",
            postfix__reply_code="550",
            postfix__dsn="5.7.1",
            event__reason="Service unavailable; client [192.0.2.25] blocked using dnsbl.example.org",
            email__from__address="a@example.net",
            email__to__address="bob@example.com",
            postfix__protocol="ESMTP",
            postfix__helo="pc",
        ),
    ),
    Example(
        "CONNECT from [192.0.2.25]:50123 to [198.51.100.5]:25",
        _seen(
            net("smtp-connect"),
            "192.0.2.25",
            source__port=50123,
            destination__ip="198.51.100.5",
            destination__port=25,
        ),
    ),
    Example(
        "PASS NEW [2001:db8::25]:50123", _seen(net("smtp-screened", "success"), "2001:db8::25", source__port=50123)
    ),
    Example(
        "PREGREET 11 after 0.03 from [192.0.2.25]:50123: EHLO from [203.0.113.9]:1: \\r\\n",
        _seen(
            net("smtp-screened", "failure"),
            "192.0.2.25",
            source__port=50123,
            event__reason="PREGREET",
            postfix__input="EHLO from [203.0.113.9]:1: \\r\\n",
        ),
    ),
    Example(
        "DNSBL rank 4 for [192.0.2.25]:50123",
        _seen(net("smtp-screened", "failure"), "192.0.2.25", source__port=50123, event__reason="DNSBL rank 4"),
    ),
    Example(
        "DENYLISTED [192.0.2.25]:50123",
        _seen(net("smtp-screened", "failure"), "192.0.2.25", source__port=50123, event__reason="DENYLISTED"),
    ),
    Example("ALLOWLISTED [192.0.2.25]:50123", _seen(net("smtp-screened", "success"), "192.0.2.25", source__port=50123)),
    Example("DISCONNECT [192.0.2.25]:50123", _seen(net("smtp-disconnect"), "192.0.2.25", source__port=50123)),
    Example(
        "HANGUP after 0.4 from [192.0.2.25]:50123 in tests before SMTP handshake",
        _seen(
            net("smtp-screened", "failure"),
            "192.0.2.25",
            source__port=50123,
            event__reason="HANGUP after 0.4",
            postfix__input="SMTP handshake",
        ),
    ),
    Example(
        "COMMAND TIME LIMIT from [192.0.2.25]:50123 after CONNECT",
        _seen(
            net("smtp-screened", "failure"),
            "192.0.2.25",
            source__port=50123,
            event__reason="COMMAND TIME LIMIT",
            postfix__input="CONNECT",
        ),
    ),
    Example(
        "addr 192.0.2.25 listed by domain dnsbl.example.org as 127.0.0.4",
        _seen(
            net("dnsbl-listed"),
            "192.0.2.25",
            postfix__dnsbl="dnsbl.example.org",
            postfix__dnsbl_answer="127.0.0.4",
        ),
    ),
    Example(
        f"Anonymous TLS connection established from {_PEER}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 "
        "(256/256 bits) key-exchange X25519 server-signature ECDSA (prime256v1)",
        _domain(
            net("tls-established", "success"),
            "192.0.2.25",
            tls__version="1.3",
            tls__cipher="TLS_AES_256_GCM_SHA384",
        ),
    ),
    Example(
        "Untrusted TLS connection established to mx.example.org[2001:db8::19]:25: TLSv1.2 with cipher "
        "ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits)",
        {
            **net("tls-established", "success"),
            "destination.domain": "mx.example.org",
            "destination.ip": "2001:db8::19",
            "destination.port": 25,
            "tls.version": "1.2",
            "tls.cipher": "ECDHE-RSA-AES128-GCM-SHA256",
        },
    ),
    Example(
        "SSL_accept error from unknown[192.0.2.25]: -1",
        _seen(net("tls-established", "failure"), "192.0.2.25", event__reason="SSL_accept error", error__message="-1"),
    ),
    Example(
        "warning: hostname dyn.example.net does not resolve to address 192.0.2.25: Name or service not known",
        _seen(
            _MISMATCH,
            "192.0.2.25",
            postfix__claimed_name="dyn.example.net",
            error__message="Name or service not known",
        ),
    ),
    Example(
        "warning: 192.0.2.25: hostname dyn.example.net verification failed: Temporary failure in name resolution",
        _seen(
            _MISMATCH,
            "192.0.2.25",
            postfix__claimed_name="dyn.example.net",
            error__message="Temporary failure in name resolution",
        ),
    ),
    Example(
        "warning: 2001:db8::25: address not listed for hostname dyn.example.net",
        _seen(_MISMATCH, "2001:db8::25", postfix__claimed_name="dyn.example.net"),
    ),
    Example(
        "warning: Connection rate limit exceeded: 61 from unknown[192.0.2.25] for service smtp",
        _seen(
            net("smtp-limit-exceeded", "failure"),
            "192.0.2.25",
            event__reason="Connection rate limit exceeded",
            postfix__count="61",
            service__name="smtp",
        ),
    ),
    Example(
        "warning: non-SMTP command from unknown[192.0.2.25]: GET / HTTP/1.1",
        _seen(net("smtp-non-smtp-command", "failure"), "192.0.2.25", postfix__input="GET / HTTP/1.1"),
    ),
    Example(
        "warning: Illegal address syntax from unknown[192.0.2.25] in MAIL command: <a b@example.net>",
        _seen(
            net("smtp-illegal-address", "failure"),
            "192.0.2.25",
            postfix__command="MAIL",
            postfix__input="<a b@example.net>",
        ),
    ),
)
