"""PAM: what its modules say, whichever program calls them.

The forms are those of Linux-PAM's modules as described in pam_unix(8), pam_faillock(8), pam_tally2(8),
pam_succeed_if(8), pam_access(8) and pam_listfile(8), and of pam_sss(8) and pam_google_authenticator(8), which write the
same prefix, `MODULE(SERVICE:TYPE): `.

What a stranger chose: `user=`, which comes last, and `ruser=`, which comes before `rhost=`. sshd leaves `ruser=` empty
(its `tty=ssh` tells), so there the first `rhost=` is PAM's; under other services (an FTP server repeats the login name
in `ruser=`) a message with two `rhost=` yields no address.
"""

from __future__ import annotations

from pyparsing import And, NotAny, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.pam_examples import EXAMPLES
from parsers.grammars.tokens import end, integer, lit, peer_address, rest, rx

_AUTH: dict[str, FieldValue] = {"event.category": ["authentication"], "event.type": ["start"]}
_FAILED: dict[str, FieldValue] = {**_AUTH, "event.action": "pam-authentication", "event.outcome": "failure"}
_OPENED: dict[str, FieldValue] = {
    "event.category": ["session"],
    "event.type": ["start"],
    "event.action": "pam-session-start",
    "event.outcome": "success",
}
_CLOSED: dict[str, FieldValue] = {
    "event.category": ["session"],
    "event.type": ["end"],
    "event.action": "pam-session-end",
    "event.outcome": "success",
}
_CHANGED: dict[str, FieldValue] = {
    "event.category": ["iam"],
    "event.type": ["user", "change"],
    "event.action": "password-change",
    "event.outcome": "success",
}
_ACCOUNT: dict[str, FieldValue] = {**_AUTH, "event.action": "pam-account", "event.outcome": "failure"}


def _module(name: str = r"pam_[a-z0-9_]+") -> ParserElement:
    """Match `pam_unix(sshd:auth): `; some modules leave the type or the parentheses out."""
    service = rx(r"[^:()]+")("pam.service")
    return (
        rx(name + r"(?=[(:])")("pam.module")
        + Opt(lit("(") + service + Opt(lit(":") + rx(r"[a-z_]+")("pam.type")) + lit(")"))
        + lit(": ")
    )


def _address(behind: str) -> ParserElement:
    address = And([peer_address("source.ip") + rx(f"(?={behind})")])("source.address")
    return address | rx(r"[^ ']+")("source.address")


def _rhost() -> ParserElement:
    return lit("rhost=") + Opt(_address(r" |\Z"))


def _user() -> ParserElement:
    """Match the user that comes last, or the blanks where PAM knows none."""
    return Opt(rx(r" +user=") + rx(r"(?s:.+)")("user.name")) + rx(r" *") + end()


def _ids() -> ParserElement:
    """Match what libpam says about the caller, up to the terminal."""
    return (
        lit("logname=")
        + Opt(rx(r"[^ =]+(?= uid=)")("user.logname"))
        + lit(" uid=")
        + integer()("user.id")
        + lit(" euid=")
        + integer()("user.effective.id")
        + lit(" tty=")
    )


def _named(text: str) -> ParserElement:
    return lit(text) + rx(r"(?s:.+)")("user.name") + end()


_PLACES = (
    lit("ssh ruser= ") + _rhost() + _user(),
    NotAny(rx(r"(?>.*? rhost=).* rhost="))
    + Opt(rx(r"[^ =]+(?= ruser=)")("process.tty.name"))
    + lit(" ruser=")
    + Opt(rx(r".+(?= rhost=)")("source.user.name"))
    + lit(" ")
    + _rhost()
    + _user(),
)

_FAILURES = (
    *(
        Form(
            f"authentication-failure-{number}",
            _module() + rx(r"authentication failure; ") + _ids() + place,
            _FAILED,
        )
        for number, place in enumerate(_PLACES, 1)
    ),
    Form("authentication-failure-unclear", _module() + rx(r"authentication failure; ") + rest(), _FAILED),
    *(
        Form(
            f"more-failures-{number}",
            rx(r"PAM [0-9]+ more authentication failures?; ") + _ids() + place,
            _FAILED,
        )
        for number, place in enumerate(_PLACES, 1)
    ),
    Form(
        "max-retries",
        lit("PAM service(") + rx(r"[^() ]+")("pam.service") + rx(r"\) ignoring max retries; ") + rest(),
        {**_AUTH, "event.action": "pam-max-retries"},
    ),
    Form(
        "unknown-user",
        _module() + rx(r"(?:check pass; user unknown|User unknown)")("event.reason") + rest(),
        _FAILED,
    ),
    Form(
        "unidentified-user",
        _module()
        + lit("could not identify user (from getpwnam(")
        + rx(r"(?s:.*)(?=\)\)\Z)")("user.name")
        + lit("))")
        + end(),
        _FAILED,
    ),
    Form(
        "bad-user-name",
        _module() + lit("bad username [") + rx(r"(?s:.*)(?=\]\Z)")("user.name") + lit("]") + end(),
        _FAILED,
    ),
    Form(
        "no-password",
        _module()
        + rx(r"(?:auth could not identify password|conversation failed)")("event.reason")
        + Opt(lit(" for [") + rx(r"(?s:.*)(?=\]\Z)")("user.name") + lit("]"))
        + end(),
        _FAILED,
    ),
)

_SESSIONS = (
    Form(
        "session-opened",
        _module()
        + lit("session opened for user ")
        + rx(r"[^ (]+")("user.name")
        + Opt(lit("(uid=") + integer()("user.id") + lit(")"))
        + lit(" by ")
        + Opt(rx(r"[^ (]+(?=\(uid=)")("source.user.name"))
        + rx(r"\(uid=[0-9]+\)")
        + end(),
        _OPENED,
    ),
    Form(
        "session-closed",
        _module() + lit("session closed for user ") + rx(r"[^ ]+")("user.name") + end(),
        _CLOSED,
    ),
    Form("password-changed", _module() + _named("password changed for "), _CHANGED),
)

_ACCOUNTS = (
    Form(
        "account-expired",
        _module()
        + lit("account ")
        + rx(r"[^ ]+(?= has expired)")("user.name")
        + lit(" ")
        + rx(r"has expired \((?:account expired|failed to change password)\)")("event.reason")
        + end(),
        _ACCOUNT,
    ),
    Form(
        "password-expired",
        _module()
        + rx(r"expired password(?= for user )")("event.reason")
        + lit(" for user ")
        + rx(r"[^ ]+(?= \()")("user.name")
        + rest(),
        _ACCOUNT,
    ),
    Form(
        "password-will-expire",
        _module()
        + lit("password for user ")
        + rx(r"[^ ]+")("user.name")
        + lit(" ")
        + rx(r"will expire in [0-9]+ days?")("event.reason")
        + end(),
        {"event.category": ["iam"], "event.type": ["user", "info"], "event.action": "password-expiry"},
    ),
    Form(
        "locked",
        _module(r"pam_faillock")
        + lit("Consecutive login failures for user ")
        + rx(r".+(?= account (?:temporarily|permanently) locked\Z)")("user.name")
        + lit(" ")
        + rx(r"account (?:temporarily|permanently) locked")("event.reason")
        + end(),
        {**_AUTH, "event.action": "account-lock", "event.outcome": "failure"},
    ),
    Form(
        "tally",
        _module(r"pam_tally2?")
        + lit("user ")
        + rx(r".+(?= \([0-9]+\) tally )")("user.name")
        + lit(" (")
        + integer()("user.id")
        + lit(") ")
        + rx(r"tally [0-9]+, deny [0-9]+")("event.reason")
        + end(),
        {**_AUTH, "event.action": "account-lock", "event.outcome": "failure"},
    ),
    Form(
        "requirement",
        _module(r"pam_succeed_if")
        + rx(r'requirement "[^"]*" (?:not met|was met)')("event.reason")
        + lit(' by user "')
        + rx(r'(?s:.*)(?="\Z)')("user.name")
        + lit('"')
        + end(),
        {**_AUTH, "event.action": "pam-requirement"},
    ),
    Form(
        "access-denied",
        _module(r"pam_access")
        + lit("access denied for user ")
        + rx(r"[`']")
        + rx(r".*(?=' from [`'][^ ']+'\Z)")("user.name")
        + rx(r"' from [`']")
        + _address("'")
        + lit("'")
        + end(),
        _ACCOUNT,
    ),
    Form(
        "refused",
        _module(r"pam_listfile")
        + lit("Refused user ")
        + rx(r".*(?= for service [^ ]+\Z)")("user.name")
        + rx(r" for service [^ ]+")
        + end(),
        _ACCOUNT,
    ),
    Form(
        "received-for-user",
        _module(r"pam_sss")
        + lit("received for user ")
        + rx(r".*(?=: [0-9]+ \([^()]*\)\Z)")("user.name")
        + lit(": ")
        + rx(r"[0-9]+ \([^()]*\)")("event.reason")
        + end(),
        _FAILED,
    ),
    Form(
        "one-time-password-refused",
        _module(r"pam_google_authenticator|pam_oath") + _named("Invalid verification code for "),
        _FAILED,
    ),
    Form(
        "one-time-password-accepted",
        _module(r"pam_google_authenticator") + _named("Accepted google_authenticator for "),
        {**_FAILED, "event.outcome": "success"},
    ),
)

GRAMMAR = Grammar(name="pam", programs=(), forms=(*_FAILURES, *_SESSIONS, *_ACCOUNTS), examples=EXAMPLES)
