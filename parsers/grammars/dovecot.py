"""Dovecot: logins, refused logins, sessions and mail delivered into mailboxes.

The forms are those of Dovecot 2.2 to 2.4 with the default `login_log_format_elements` and `mail_log_prefix`,
https://doc.dovecot.org/admin_manual/logging/. A stranger chooses the user name (`auth_username_chars` keeps most
characters out by default, the administrator may let all in) and the password, where `auth_verbose_passwords` writes it.
"""

from __future__ import annotations

from pyparsing import NotAny, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.dovecot_examples import EXAMPLES
from parsers.grammars.tokens import end, integer, lit, peer_address, rest, rx, word

_LEVEL = r"(?:(?:Info|Warning|Error|Fatal|Panic|Debug): )?"
_PROTOCOL = r"(?:imap|pop3|submission|managesieve|sieve|lmtp)"


def _login_service(content: ParserElement) -> ParserElement:
    """Match `imap-login: content`; the service stands in front where all of Dovecot logs under one name."""
    return Opt(rx(rf"{_PROTOCOL}(?=-login: )")("network.protocol") + lit("-login: ")) + rx(_LEVEL) + content


def _session() -> ParserElement:
    """Match `user=<u>, method=PLAIN, rip=address, lip=address, …, session=<s>`."""
    return (
        Opt(lit("user=<") + Opt(rx(r".+(?=>, (?:method=[^ ,]+, )?rip=)")("user.name")) + lit(">, "))
        + Opt(lit("method=") + rx(r"[^ ,]+")("dovecot.method") + lit(", "))
        + lit("rip=")
        + peer_address("source.ip")
        + Opt(lit(", rport=") + integer()("source.port"))
        + Opt(lit(", lip=") + peer_address("destination.ip"))
        + Opt(lit(", lport=") + integer()("destination.port"))
        + Opt(lit(", mpid=") + integer()("dovecot.mail_pid"))
        + Opt(rx(r".*(?=, session=<[^>]*>)"))
        + Opt(lit(", session=<") + rx(r"[^>]+")("dovecot.session") + lit(">"))
        + rest()
    )


_ENDED = (
    r"(?:Disconnected|Aborted login|Login aborted|Client has quit the connection|Remote closed connection"
    r"|Connection closed|Authentication failed|Maximum number of connections)"
)
_FAILED = r"(?:auth failed|tried to use|proxy dest auth failed)"


def _ended(reason: str) -> ParserElement:
    """Match `Disconnected: Inactivity (reason) (code): user=<u>, …`; the program writes all before `user=<`."""
    return _login_service(
        rx(rf"{_ENDED}(?:[^(]++|\((?!{reason}))*+")
        + lit("(")
        + rx(rf"{reason}[^)]*")("event.reason")
        + lit(")")
        + Opt(lit(" (") + rx(r"[a-z_]+")("event.code") + lit(")"))
        + lit(": ")
        + _session()
    )


_ADDRESS = r"[0-9A-Fa-f]{0,4}[.:][0-9A-Fa-f.:]{1,42}"
_BEHIND = r"(?:,<[A-Za-z0-9+/=]{0,40}>)?(?:,(?:[a-z0-9]{1,16}:[A-Za-z0-9-]{1,24})?)?\)"
_ASKED = rf"(?:[^,]++|,(?!{_ADDRESS}{_BEHIND}))*+,{_ADDRESS}{_BEHIND}(?:<[^>]{{0,80}}>)?: "
# only these: in `lmtp(user): msgid=<…>` a stranger wrote the rest of the line
_DRIVER = (
    r"(?:pam|passwd-file|passwd|shadow|sql|ldap|lua|static|dict|checkpassword|bsdauth|vpopmail|oauth2|cache|policy|auth)"
    r"(?=\()"
)
_RESULT = (
    r"(?:[Uu]nknown user|[Pp]assword mismatch|pam_(?:authenticate|acct_mgmt)\(\) failed|[Ii]nvalid credentials"
    r"|[Uu]ser (?:disabled|is disabled)|[Aa]ccount (?:disabled|expired)|[Ll]ogin rejected|[Aa]uthentication failed)"
)


def _auth(content: ParserElement) -> ParserElement:
    """Match what the auth processes write before their result."""
    return (
        Opt(lit("dovecot: "))
        + Opt(rx(r"auth(?:-worker)?(?:\([0-9a-z]+\))?: "))
        + rx(_LEVEL)
        + Opt(rx(r"conn [^ ]+ \([^)]*\): auth-worker<[0-9]+>: "))
        + content
    )


def _result() -> ParserElement:
    return (
        rx(r"\)(?:<[^>]*>)?: ") + rx(_LEVEL) + Opt(rx(r"[a-z][a-z-]*: ")) + rx(rf"{_RESULT}.*")("event.reason") + end()
    )


_USER_PREFIX = (
    rx(r"[a-z][a-z0-9-]*(?=\()")("service.name")
    + lit("(")
    + rx(r"[^()<>]+(?=\)[<:])")("user.name")
    + lit(")")
    + Opt(lit("<") + integer()("process.pid") + lit(">"))
    + Opt(lit("<") + rx(r"[^>]+")("dovecot.session") + lit(">"))
    + lit(": ")
)
"""`imap(user)<pid><session>: `; the user has logged in."""


def _process(content: ParserElement) -> ParserElement:
    return _USER_PREFIX + rx(_LEVEL) + content


def _delivered(before: str, box: ParserElement) -> ParserElement:
    return _process(
        Opt(lit("sieve: "))
        + lit("msgid=")
        + Opt(lit("<"))
        + rx(rf".*[^>](?=>?: {before})")("email.message_id")
        + rx(rf">?: {before}")
        + box
    )


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

_FORMS = (
    Form("login", _login_service(rx(r"(?:Login|Logged in): ") + _session()), _LOGIN),
    Form("login-failed", _ended(_FAILED), _LOGIN_FAILED),
    Form(
        "too-many-connections",
        _login_service(
            rx(r"Maximum number of connections from user\+IP exceeded")("event.reason")
            + rx(r" \([^)]*\): ")
            + _session()
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "login-aborted",
        _ended(r"(?:no auth attempts|disconnected |client didn't finish|aborted authentication|no authentication)"),
        _ABORTED,
    ),
    Form(
        "login-process-closed",
        _login_service(
            rx(rf"{_ENDED}(?:: (?:Inactivity|Logged out|Too many [a-z ]+|Connection closed)[^:]*)?")("event.reason")
            + lit(": ")
            + _session()
        ),
        _ABORTED,
    ),
    Form(
        "auth-failed",
        _auth(
            # one asked-from address only: with two, a user name or a password wrote the other one
            rx(_DRIVER)("dovecot.driver")
            + lit("(")
            + NotAny(rx(rf"(?:{_ASKED}){{2}}"))
            + rx(rf"(?:[^,]++|,(?!{_ADDRESS}{_BEHIND}))++")("user.name")
            + lit(",")
            + peer_address("source.ip")
            + Opt(lit(",<") + rx(r"[^>]+")("dovecot.session") + lit(">"))
            + rx(r"[^)]*")
            + _result()
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "auth-failed-origin-unclear",
        _auth(rx(_DRIVER)("dovecot.driver") + rx(rf"\(.*\)(?:<[^>]*>)?: (?:[a-z-]+: )?{_RESULT}.*\Z")),
        _LOGIN_FAILED,
    ),
    Form(
        "session-closed",
        _process(
            rx(r"(?:Disconnected|Connection closed|Logged out|Server shutting down).*?(?= (?:in|bytes|top)=[0-9])")(
                "event.reason"
            )
            + Opt(rx(r" (?:in|bytes)=") + integer()("source.bytes") + rx(r" out=|/") + integer()("destination.bytes"))
            + rest()
        ),
        _CLOSED,
    ),
    Form(
        "saved",
        _delivered("(?:saved mail to|stored mail into mailbox) ", rx(r".+")("dovecot.mailbox") + end()),
        _SAVED,
    ),
    Form(
        "save-failed",
        _delivered(
            "(?:save failed to|failed to store into mailbox) ",
            rx(r"'[^']*'|[^:]+")("dovecot.mailbox") + lit(": ") + rx(r".+")("error.message") + end(),
        ),
        _SAVE_FAILED,
    ),
    Form(
        "forwarded",
        _delivered(r"forwarded to <", rx(r".+(?=>\Z)")("email.to.address") + lit(">") + end()),
        _FORWARDED,
    ),
    Form("discarded", _delivered(r"(?:marked message to be discarded|discarded)", rest()), _DISCARDED),
    Form(
        "lmtp-connect",
        rx(r"lmtp\(")
        + integer()("process.pid")
        + lit("): ")
        + rx(_LEVEL)
        + lit("Connect from ")
        + (lit("local") | peer_address("source.ip"))
        + end(),
        {"event.category": ["network"], "event.action": "lmtp-connect", "network.protocol": "lmtp"},
    ),
    Form(
        "started",
        rx(r"(?:master: )?(?:Info: )?Dovecot v")
        + word()("service.version")
        + rx(r"(?: \([0-9a-f]+\))? starting up")
        + Opt(lit(" for ") + rx(r"[a-z0-9, -]+")("dovecot.protocols"))
        + rest(),
        {"event.category": ["process"], "event.action": "service-started"},
    ),
    Form(
        "stopped",
        rx(r"master: (?:Warning: )?Killed with signal ")
        + integer()("dovecot.signal")
        + Opt(lit(" (") + rx(r"[^)]+")("event.reason") + lit(")"))
        + end(),
        {"event.category": ["process"], "event.action": "service-stopped"},
    ),
    Form(
        "user-trouble",
        _USER_PREFIX
        + rx(r"(?:Error|Fatal|Panic|Warning)(?=: )")("log.level")
        + lit(": ")
        + rx(r"(?s:.+)")("error.message"),
    ),
    Form(
        "trouble",
        rx(r"[a-z][a-z0-9-]*(?=[(:])")("service.name")
        + Opt(lit("(") + rx(r"[^()]*") + lit(")"))
        + lit(": ")
        + rx(r"(?:Error|Fatal|Panic|Warning)(?=: )")("log.level")
        + lit(": ")
        + rx(r"(?s:.+)")("error.message"),
    ),
)

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


GRAMMAR = Grammar(
    name="dovecot",
    programs=(
        "dovecot",
        "dovecot:*",
        "dovecot-auth",
        "auth-worker",
        "imap-login",
        "pop3-login",
        "submission-login",
        "managesieve-login",
    ),
    forms=_FORMS,
    examples=EXAMPLES,
)
