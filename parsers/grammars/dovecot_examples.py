"""Dovecot's messages, in our own words, and what each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example


def _login(outcome: str) -> dict[str, FieldValue]:
    return {"event.category": ["authentication"], "event.action": "mail-login", "event.outcome": outcome}


_LOGIN, _LOGIN_FAILED = _login("success"), _login("failure")
_CLOSED: dict[str, FieldValue] = {"event.category": ["session"], "event.action": "mail-session-closed"}
_SAVED: dict[str, FieldValue] = {
    "event.category": ["email"],
    "event.action": "mail-saved",
    "event.outcome": "success",
}
_SAVE_FAILED: dict[str, FieldValue] = {**_SAVED, "event.outcome": "failure"}
_FORWARDED: dict[str, FieldValue] = {**_SAVED, "event.action": "mail-forwarded"}
_DISCARDED: dict[str, FieldValue] = {**_SAVED, "event.action": "mail-discarded"}
_ABORTED: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.action": "mail-login-aborted",
    "event.outcome": "unknown",
}
_PEER: dict[str, FieldValue] = {"source.ip": "192.0.2.31", "destination.ip": "198.51.100.31"}
_IMAP: dict[str, FieldValue] = {**_PEER, "network.protocol": "imap", "user.name": "alice"}
_TAIL = "method=PLAIN, rip=192.0.2.31, lip=198.51.100.31"
_ALICE: dict[str, FieldValue] = {"user.name": "alice", "source.ip": "192.0.2.31"}
_BOX: dict[str, FieldValue] = {
    "service.name": "lmtp",
    "user.name": "alice",
    "process.pid": 812,
    "dovecot.session": "Qk3",
}

EXAMPLES: tuple[Example, ...] = (
    Example(
        f"imap-login: Login: user=<alice>, {_TAIL}, mpid=812, TLS, session=<a1B2c3>",
        {
            **_LOGIN,
            **_IMAP,
            "dovecot.method": "PLAIN",
            "dovecot.mail_pid": "812",
            "dovecot.session": "a1B2c3",
        },
    ),
    Example(
        "Info: Login: user=<alice>, method=PLAIN, rip=2001:db8::31",
        {**_LOGIN, "user.name": "alice", "source.ip": "2001:db8::31", "dovecot.method": "PLAIN"},
        program="pop3-login",
    ),
    Example(
        f"imap-login: Disconnected (auth failed, 3 attempts in 14 secs): user=<alice>, {_TAIL}, TLS, session=<a1B2c3>",
        {
            **_LOGIN_FAILED,
            **_IMAP,
            "dovecot.method": "PLAIN",
            "event.reason": "auth failed, 3 attempts in 14 secs",
            "dovecot.session": "a1B2c3",
        },
    ),
    Example(
        "pop3-login: Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed): user=<>, "
        "rip=::ffff:192.0.2.31, lip=::ffff:198.51.100.31",
        {
            **_LOGIN_FAILED,
            **_PEER,
            "network.protocol": "pop3",
            "event.reason": "auth failed, 1 attempts in 2 secs",
            "event.code": "auth_failed",
        },
    ),
    Example(
        "submission-login: Aborted login (tried to use disallowed plaintext auth): user=<>, rip=192.0.2.31, "
        "lip=198.51.100.31, session=<a1B2c3>",
        {
            **_LOGIN_FAILED,
            **_PEER,
            "network.protocol": "submission",
            "event.reason": "tried to use disallowed plaintext auth",
            "dovecot.session": "a1B2c3",
        },
    ),
    Example(  # a user name that is a copy of the line
        f"imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN, rip=203.0.113.9, "
        f"session=<z>, {_TAIL}, session=<a1B2c3>",
        {
            **_LOGIN_FAILED,
            **_IMAP,
            "user.name": "x>, method=PLAIN, rip=203.0.113.9, session=<z",
            "dovecot.method": "PLAIN",
            "event.reason": "auth failed, 1 attempts in 2 secs",
            "dovecot.session": "a1B2c3",
        },
    ),
    Example(
        f"imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN, rip=203.0.113.9, y>, "
        f"{_TAIL}, session=<a1B2c3>",
        {
            **_LOGIN_FAILED,
            **_IMAP,
            "user.name": "x>, method=PLAIN, rip=203.0.113.9, y",
            "dovecot.method": "PLAIN",
            "event.reason": "auth failed, 1 attempts in 2 secs",
            "dovecot.session": "a1B2c3",
        },
    ),
    Example(
        f"imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): "
        f"user=<alice>, {_TAIL}",
        {
            **_LOGIN_FAILED,
            **_IMAP,
            "dovecot.method": "PLAIN",
            "event.reason": "Maximum number of connections from user+IP exceeded",
        },
    ),
    Example(
        "imap-login: Disconnected: Connection closed: SSL_accept() failed: error:0A0000C1 (no auth attempts in 0 secs)"
        ": user=<>, rip=192.0.2.31, lip=198.51.100.31, TLS handshaking: SSL_accept() failed: error:0A0000C1",
        {**_ABORTED, **_PEER, "network.protocol": "imap", "event.reason": "no auth attempts in 0 secs"},
    ),
    Example(
        "imap-login: Disconnected: Inactivity: user=<>, rip=192.0.2.31, lip=198.51.100.31",
        {**_ABORTED, **_PEER, "network.protocol": "imap", "event.reason": "Disconnected: Inactivity"},
    ),
    Example(
        "auth-worker(991): pam(alice,192.0.2.31): pam_authenticate() failed: Authentication failure "
        "(Password mismatch?)",
        {
            **_LOGIN_FAILED,
            **_ALICE,
            "dovecot.driver": "pam",
            "event.reason": "pam_authenticate() failed: Authentication failure (Password mismatch?)",
        },
    ),
    Example(
        "auth: passwd-file(alice,192.0.2.31,<a1B2c3>): unknown user",
        {
            **_LOGIN_FAILED,
            **_ALICE,
            "dovecot.driver": "passwd-file",
            "dovecot.session": "a1B2c3",
            "event.reason": "unknown user",
        },
    ),
    Example(
        "auth-worker(991): conn unix:auth-worker (pid=990,uid=111): auth-worker<7>: sql(alice,2001:db8::31): "
        "Password mismatch",
        {
            **_LOGIN_FAILED,
            "user.name": "alice",
            "source.ip": "2001:db8::31",
            "dovecot.driver": "sql",
            "event.reason": "Password mismatch",
        },
    ),
    Example(
        "auth(alice,192.0.2.31,sasl:plain)<a1B2c3>: Info: sql: Password mismatch",
        {**_LOGIN_FAILED, **_ALICE, "dovecot.driver": "auth", "event.reason": "Password mismatch"},
    ),
    # a user name and a password that bring an address of their own: whose is whose cannot be told, so none is taken
    Example(
        "auth: sql(x,203.0.113.9): unknown user,192.0.2.31): unknown user",
        {**_LOGIN_FAILED, "dovecot.driver": "sql"},
    ),
    Example(
        "auth: sql(alice,192.0.2.31): Password mismatch (given password: x,203.0.113.9): unknown user)",
        {**_LOGIN_FAILED, "dovecot.driver": "sql"},
    ),
    Example(
        "imap(alice)<812><a1B2c3>: Disconnected: Logged out in=120 out=4567 deleted=0 expunged=0",
        {
            **_CLOSED,
            "service.name": "imap",
            "user.name": "alice",
            "process.pid": 812,
            "dovecot.session": "a1B2c3",
            "event.reason": "Disconnected: Logged out",
            "source.bytes": 120,
            "destination.bytes": 4567,
        },
    ),
    Example(
        "imap(alice): Connection closed (IDLE running for 0.001 secs) in=12 out=34",
        {
            **_CLOSED,
            "service.name": "imap",
            "user.name": "alice",
            "event.reason": "Connection closed (IDLE running for 0.001 secs)",
            "source.bytes": 12,
            "destination.bytes": 34,
        },
    ),
    Example(
        "pop3(alice): Disconnected: Logged out top=0/0, retr=1/900, del=0/3, size=4096",
        {
            **_CLOSED,
            "service.name": "pop3",
            "user.name": "alice",
            "event.reason": "Disconnected: Logged out",
        },
    ),
    Example(
        "lmtp(alice)<812><Qk3>: msgid=<20260102.abc@example.com>: saved mail to INBOX",
        {**_SAVED, **_BOX, "email.message_id": "20260102.abc@example.com", "dovecot.mailbox": "INBOX"},
    ),
    Example(
        "lmtp(alice)<812><Qk3>: sieve: msgid=<20260102.abc@example.com>: stored mail into mailbox 'Lists/x'",
        {**_SAVED, **_BOX, "email.message_id": "20260102.abc@example.com", "dovecot.mailbox": "'Lists/x'"},
    ),
    Example(  # a message-id that is a copy of the line
        "lmtp(alice)<812><Qk3>: msgid=<a>: saved mail to Trash b>: saved mail to INBOX",
        {
            **_SAVED,
            **_BOX,
            "email.message_id": "a>: saved mail to Trash b",
            "dovecot.mailbox": "INBOX",
        },
    ),
    Example(
        "lmtp(alice)<812><Qk3>: msgid=<20260102.abc@example.com>: save failed to INBOX: Quota exceeded",
        {
            **_SAVE_FAILED,
            **_BOX,
            "email.message_id": "20260102.abc@example.com",
            "dovecot.mailbox": "INBOX",
            "error.message": "Quota exceeded",
        },
    ),
    Example(
        "lmtp(alice)<812><Qk3>: sieve: msgid=<20260102.abc@example.com>: forwarded to <bob@example.org>",
        {
            **_FORWARDED,
            **_BOX,
            "email.message_id": "20260102.abc@example.com",
            "email.to.address": "bob@example.org",
        },
    ),
    Example(
        "lmtp(alice)<812><Qk3>: sieve: msgid=<20260102.abc@example.com>: marked message to be discarded if not "
        "explicitly delivered (discard action)",
        {**_DISCARDED, **_BOX, "email.message_id": "20260102.abc@example.com"},
    ),
    Example(
        "lmtp(812): Connect from 192.0.2.31",
        {
            "event.category": ["network"],
            "event.action": "lmtp-connect",
            "network.protocol": "lmtp",
            "process.pid": 812,
            "source.ip": "192.0.2.31",
        },
    ),
    Example(
        "master: Dovecot v2.3.19.1 (9b53102964) starting up for imap, lmtp",
        {
            "event.category": ["process"],
            "event.action": "service-started",
            "service.version": "2.3.19.1",
            "dovecot.protocols": "imap, lmtp",
        },
    ),
    Example(
        "master: Warning: Killed with signal 15 (by pid=1 uid=0 code=kill)",
        {
            "event.category": ["process"],
            "event.action": "service-stopped",
            "dovecot.signal": "15",
            "event.reason": "by pid=1 uid=0 code=kill",
        },
    ),
    Example(
        "imap(alice)<812><a1B2c3>: Error: Mailbox INBOX: UID 7: read failed",
        {
            "service.name": "imap",
            "user.name": "alice",
            "process.pid": 812,
            "dovecot.session": "a1B2c3",
            "log.level": "Error",
            "error.message": "Mailbox INBOX: UID 7: read failed",
        },
    ),
    Example(
        "auth: Fatal: sql: Missing connect setting",
        {"service.name": "auth", "log.level": "Fatal", "error.message": "sql: Missing connect setting"},
    ),
    Example("imap-login: Disconnected: a: a: a", None),
    Example("ssl-params: Generating SSL parameters", None),
)
