"""Regular expressions to measure with, in the manner of fail2ban's and logcheck's; one finds the failed logins.

They keep to what POSIX ERE (rsyslog), PCRE (syslog-ng) and Python's `re` (the gateway) read alike, and need no quoting
in any configuration: no backslash, no quote, and ` ?` at the head because rsyslog's `$msg` begins with a space.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

FAILED_LOGIN = "^ ?Failed (password|publickey) for (invalid user )?[^ ]+ from [0-9a-f.:]+ port [0-9]+( ssh2)?$"
"""The expression that finds the interesting messages, and no other."""

ADDRESS = "[0-9a-f.:]+"
# fmt: off
VERBS = (
    "Rejected", "Denied", "Refused", "Dropped", "Blocked", "Forbidden", "Expired", "Aborted", "Revoked",
    "Suspended", "Throttled", "Quarantined"
)
NOUNS = (
    "authentication", "certificate", "command", "connection", "cookie", "credential", "download", "handshake",
    "header", "identity", "login", "mailbox", "message", "packet", "password", "payload", "permission", "probe",
    "query", "recipient", "redirect", "relay", "request", "sender", "session", "signature", "challenge", "ticket",
    "token", "transfer", "tunnel", "upload"
)
REASONS = (
    "bad checksum", "limit reached", "no such account", "not on the list", "out of sequence", "policy violation",
    "signature mismatch", "timed out", "too many attempts", "unexpected end", "unknown key", "unsupported version",
    "wrong realm", "wrong zone", "stale nonce"
)
MODULES = (
    "acl", "auth", "core", "dns", "filter", "ftp", "gate", "http", "imap", "ldap", "nas", "proxy", "quota",
    "radius", "sftp", "smtp", "sql", "vpn", "waf", "xmpp"
)
# fmt: on


def _kinds(random: Random) -> Iterator[str]:
    """Yield expressions of each kind in turn, for ever."""
    while True:
        verb, noun, reason, module = (random.choice(words) for words in (VERBS, NOUNS, REASONS, MODULES))
        other = random.choice(NOUNS)
        yield f"^ ?{verb} {noun} for (invalid |unknown |locked )?user [^ ]+ from {ADDRESS}( port [0-9]+)?$"
        yield f"^ ?{module}[0-9]*: {noun} from [^ ]+[(]{ADDRESS}[)] {verb.lower()}: {reason}$"
        yield f"{noun} {other} (failure|failed|error): {reason}; .*client={ADDRESS}"
        yield f"^ ?mod_{module}[.]c: {verb.lower()} {noun} [^ ]+ [(]{reason}[)], {other} [0-9]+ of [0-9]+$"
        yield f"^ ?warning: [^ ]+: {module} {noun} {verb.lower()}: ({reason}|{random.choice(REASONS)})"
        yield f"({verb}|{random.choice(VERBS)}) {noun} ([0-9]+) (times|tries) by {ADDRESS}, {reason}"
        yield f"^ ?{module}_{noun}: rhost={ADDRESS} +user=[^ ]* +({reason})$"
        yield f"^ ?<[^ ]+> {noun} of [^ ]+ {verb.lower()} by {module} policy [0-9a-f]+: {reason}"


def expressions(count: int, *, seed: int = 7) -> list[str]:
    """Return so many different expressions; the first is FAILED_LOGIN, the others find nothing in the generated log."""
    found = dict.fromkeys([FAILED_LOGIN])
    kinds = _kinds(Random(seed))
    while len(found) < count:
        found[next(kinds)] = None
    return list(found)
