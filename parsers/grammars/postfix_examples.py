"""Postfix's messages, in our own words, and what each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example

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


def _net(action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    """Return what a form of the network side sets."""
    sets: dict[str, FieldValue] = {**_NET, "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_MAIL: dict[str, FieldValue] = {"event.category": ["email"]}

_DELIVERY: dict[str, FieldValue] = {**_MAIL, "event.action": "mail-delivery"}

_CHECKED: dict[str, FieldValue] = {**_MAIL, "event.action": "mail-content-check"}

_STARTED: dict[str, FieldValue] = {"event.category": ["process"], "event.action": "service-started"}


def _seen(base: dict[str, FieldValue], address: str, **more: FieldValue) -> dict[str, FieldValue]:
    """Return an example's fields: what its form sets, the client's address, and the rest with `__` for `.`."""
    return {**base, "source.ip": address, **{name.replace("__", "."): value for name, value in more.items()}}


def _domain(base: dict[str, FieldValue], address: str, **more: FieldValue) -> dict[str, FieldValue]:
    return _seen(base, address, source__domain="client.example.net", **more)


_FAILED: dict[str, FieldValue] = {**_AUTH, "event.outcome": "failure"}
_PEER = "client.example.net[192.0.2.25]"

_SMTPD = (
    Example(f"connect from {_PEER}", _domain(_net("smtp-connect"), "192.0.2.25")),
    Example("connect from unknown[2001:db8::25]", _seen(_net("smtp-connect"), "2001:db8::25")),
    Example("connect from unknown[unknown]", _net("smtp-connect")),
    Example("connect from unknown[192.0.2.25]:40112", _seen(_net("smtp-connect"), "192.0.2.25", source__port=40112)),
    Example(
        f"disconnect from {_PEER} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
        _domain(
            _net("smtp-disconnect"), "192.0.2.25", postfix__commands="ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"
        ),
    ),
    Example(
        "disconnect from unknown[192.0.2.25] ehlo=1 auth=0/3 quit=1 commands=2/5",
        _seen(
            _net("smtp-disconnect", "failure"),
            "192.0.2.25",
            postfix__commands="ehlo=1 auth=0/3 quit=1 commands=2/5",
        ),
    ),
    Example("disconnect from unknown[192.0.2.25]", _seen(_net("smtp-disconnect"), "192.0.2.25")),
    Example(
        f"lost connection after STARTTLS from {_PEER}",
        _domain(_net("smtp-lost-connection"), "192.0.2.25", postfix__command="STARTTLS"),
    ),
    Example(
        "lost connection after DATA (31337 bytes) from unknown[192.0.2.25]",
        _seen(_net("smtp-lost-connection"), "192.0.2.25", postfix__command="DATA"),
    ),
    Example(
        "NOQUEUE: lost connection after CONNECT from unknown[192.0.2.25]",
        _seen(_net("smtp-lost-connection"), "192.0.2.25", postfix__command="CONNECT"),
    ),
    Example(
        f"timeout after END-OF-MESSAGE from {_PEER}",
        _domain(_net("smtp-timeout"), "192.0.2.25", postfix__command="END-OF-MESSAGE"),
    ),
    Example(
        "too many errors after AUTH from unknown[192.0.2.25]",
        _seen(_net("smtp-too-many-errors", "failure"), "192.0.2.25", postfix__command="AUTH"),
    ),
    Example(
        "improper command pipelining after DATA from unknown[192.0.2.25]: x from unknown[203.0.113.9]: y",
        _seen(
            _net("smtp-improper-pipelining", "failure"),
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
            _net("smtp-connect"),
            "192.0.2.25",
            source__port=50123,
            destination__ip="198.51.100.5",
            destination__port=25,
        ),
    ),
    Example(
        "PASS NEW [2001:db8::25]:50123", _seen(_net("smtp-screened", "success"), "2001:db8::25", source__port=50123)
    ),
    Example(
        "PREGREET 11 after 0.03 from [192.0.2.25]:50123: EHLO from [203.0.113.9]:1: \\r\\n",
        _seen(
            _net("smtp-screened", "failure"),
            "192.0.2.25",
            source__port=50123,
            event__reason="PREGREET",
            postfix__input="EHLO from [203.0.113.9]:1: \\r\\n",
        ),
    ),
    Example(
        "DNSBL rank 4 for [192.0.2.25]:50123",
        _seen(_net("smtp-screened", "failure"), "192.0.2.25", source__port=50123, event__reason="DNSBL rank 4"),
    ),
    Example(
        "DENYLISTED [192.0.2.25]:50123",
        _seen(_net("smtp-screened", "failure"), "192.0.2.25", source__port=50123, event__reason="DENYLISTED"),
    ),
    Example(
        "ALLOWLISTED [192.0.2.25]:50123", _seen(_net("smtp-screened", "success"), "192.0.2.25", source__port=50123)
    ),
    Example("DISCONNECT [192.0.2.25]:50123", _seen(_net("smtp-disconnect"), "192.0.2.25", source__port=50123)),
    Example(
        "HANGUP after 0.4 from [192.0.2.25]:50123 in tests before SMTP handshake",
        _seen(
            _net("smtp-screened", "failure"),
            "192.0.2.25",
            source__port=50123,
            event__reason="HANGUP after 0.4",
            postfix__input="SMTP handshake",
        ),
    ),
    Example(
        "COMMAND TIME LIMIT from [192.0.2.25]:50123 after CONNECT",
        _seen(
            _net("smtp-screened", "failure"),
            "192.0.2.25",
            source__port=50123,
            event__reason="COMMAND TIME LIMIT",
            postfix__input="CONNECT",
        ),
    ),
    Example(
        "addr 192.0.2.25 listed by domain dnsbl.example.org as 127.0.0.4",
        _seen(
            _net("dnsbl-listed"),
            "192.0.2.25",
            postfix__dnsbl="dnsbl.example.org",
            postfix__dnsbl_answer="127.0.0.4",
        ),
    ),
    Example(
        f"Anonymous TLS connection established from {_PEER}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 "
        "(256/256 bits) key-exchange X25519 server-signature ECDSA (prime256v1)",
        _domain(
            _net("tls-established", "success"),
            "192.0.2.25",
            tls__version="1.3",
            tls__cipher="TLS_AES_256_GCM_SHA384",
        ),
    ),
    Example(
        "Untrusted TLS connection established to mx.example.org[2001:db8::19]:25: TLSv1.2 with cipher "
        "ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits)",
        {
            **_net("tls-established", "success"),
            "destination.domain": "mx.example.org",
            "destination.ip": "2001:db8::19",
            "destination.port": 25,
            "tls.version": "1.2",
            "tls.cipher": "ECDHE-RSA-AES128-GCM-SHA256",
        },
    ),
    Example(
        "SSL_accept error from unknown[192.0.2.25]: -1",
        _seen(_net("tls-established", "failure"), "192.0.2.25", event__reason="SSL_accept error", error__message="-1"),
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
            _net("smtp-limit-exceeded", "failure"),
            "192.0.2.25",
            event__reason="Connection rate limit exceeded",
            postfix__count="61",
            service__name="smtp",
        ),
    ),
    Example(
        "warning: non-SMTP command from unknown[192.0.2.25]: GET / HTTP/1.1",
        _seen(_net("smtp-non-smtp-command", "failure"), "192.0.2.25", postfix__input="GET / HTTP/1.1"),
    ),
    Example(
        "warning: Illegal address syntax from unknown[192.0.2.25] in MAIL command: <a b@example.net>",
        _seen(
            _net("smtp-illegal-address", "failure"),
            "192.0.2.25",
            postfix__command="MAIL",
            postfix__input="<a b@example.net>",
        ),
    ),
)


_ID: dict[str, FieldValue] = {"postfix.queue_id": "4XkPqW2zBczQR"}
_RELAY: dict[str, FieldValue] = {
    **_ID,
    "destination.domain": "mx.example.org",
    "destination.ip": "198.51.100.19",
    "destination.port": 25,
}

_QUEUE = (
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
            **_net("smtp-connect-out", "failure"),
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


EXAMPLES: tuple[Example, ...] = (*_SMTPD, *_QUEUE)
