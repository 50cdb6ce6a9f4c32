"""OpenSSH's server: logins, refusals, and what happens on a connection before and after.

The forms are those that `sshd(8)` writes with LogLevel INFO and VERBOSE, from release 5 to the split of the daemon into
sshd, sshd-session and sshd-auth (9.8). PAM's own lines are the pam grammar's.

What a stranger chose: user names, the client's version string and key exchange offer, reasons for a disconnect, PTR
names, a certificate's key id and the client user of hostbased logins. What sshd wrote stands at the end of the message,
so names reach to the last place where the rest of the message is sshd's own; where a stranger's text stands on both
sides and could pass for sshd's, the message yields no address.
"""

from __future__ import annotations

from pyparsing import And, NotAny, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.sshd_examples import EXAMPLES
from parsers.grammars.tokens import end, integer, ip_address, lit, peer_address, rest, rx, word

_AUTH: dict[str, FieldValue] = {"event.category": ["authentication"], "event.type": ["start"]}
_LOGIN: dict[str, FieldValue] = {**_AUTH, "event.action": "ssh-login"}
_FAILED: dict[str, FieldValue] = {**_LOGIN, "event.outcome": "failure"}
_ACCEPTED: dict[str, FieldValue] = {**_LOGIN, "event.outcome": "success"}
_NETWORK: dict[str, FieldValue] = {"event.category": ["network"], "event.type": ["connection"]}
_PROCESS: dict[str, FieldValue] = {"event.category": ["process"]}

_PREAUTH = r"(?: \[preauth\])?"
_FINGERPRINT = r"(?:SHA256|MD5):[^ ]+"


def _name(behind: str) -> ParserElement:
    """Match a user name, blanks and all, as far as the rest of the message is sshd's own."""
    return rx(rf"[^ ]*(?={behind}\Z)|.*(?={behind}\Z)")("user.name")


def _peer() -> ParserElement:
    return peer_address("source.ip") + lit(" port ") + integer()("source.port")


def _peer_maybe_port() -> ParserElement:
    return peer_address("source.ip") + Opt(lit(" port ") + integer()("source.port"))


def _host() -> ParserElement:
    """Match a host, which is an address unless `UseDNS` is on."""
    address = And([peer_address("source.ip") + rx(r"(?= |\Z)")])("source.address")
    return address | word()("source.address")


def _preauth() -> ParserElement:
    return Opt(lit(" [preauth]"))


def _user_kind() -> ParserElement:
    return Opt(lit("authenticating user ") | lit("invalid user ") | lit("user "))


def _attempt(verb: str, *, then: str = "") -> ParserElement:
    """`Failed METHOD for [invalid user ]NAME from ADDRESS port N ssh2[: KEYTYPE FINGERPRINT]`."""
    behind = rf" from [^ ]+ port [0-9]+ ssh2(?:: [A-Za-z0-9-]+ {_FINGERPRINT})?{_PREAUTH}{then}"
    key = lit(": ") + rx(r"[A-Za-z0-9-]+")("ssh.key_type") + lit(" ") + rx(rf"{_FINGERPRINT}(?<!\])")("ssh.fingerprint")
    return (
        lit(f"{verb} ")
        + word()("ssh.method")
        + lit(" for ")
        + Opt(lit("invalid user ") | lit("illegal user "))
        + _name(behind)
        + lit(" from ")
        + _peer()
        + lit(" ssh2")
        + Opt(key)
        + _preauth()
    )


def _credential(verb: str) -> ParserElement:
    """A login by certificate or host, whose end holds text that others chose; one origin only may stand in it."""
    origin = r" from [^ ]+ port [0-9]+ ssh2"
    return (
        NotAny(rx(rf"(?>.*?{origin}).*{origin}"))
        + lit(f"{verb} ")
        + word()("ssh.method")
        + lit(" for ")
        + Opt(lit("invalid user "))
        + rx(rf".*(?={origin}: )")("user.name")
        + lit(" from ")
        + _peer()
        + lit(" ssh2: ")
        + rx(r"[A-Za-z0-9-]+")("ssh.key_type")
        + lit(" ")
        + rx(_FINGERPRINT + r"(?<!,)")("ssh.fingerprint")
        + rx(r", client user | ID ")
        + rest()
    )


def _gone(*verbs: str, preauth: bool) -> ParserElement:
    """`Connection closed by [authenticating|invalid] user NAME ADDRESS port N [preauth]`."""
    tail = r" \[preauth\]" if preauth else ""
    named = (
        (lit("authenticating user ") | lit("invalid user ") | lit("user "))
        + _name(rf" [^ ]+ port [0-9]+{tail}")
        + lit(" ")
    )
    verb = lit(verbs[0])
    for other in verbs[1:]:
        verb = verb | lit(other)
    return verb + Opt(named) + _peer_maybe_port() + (lit(" [preauth]") if preauth else lit("")) + end()


def _with_error(expression: ParserElement) -> ParserElement:
    return Opt(lit("error: ")) + expression


_ATTEMPTS = (
    Form("failed", _attempt("Failed") + end(), _FAILED),
    Form("accepted", _attempt("Accepted") + end(), _ACCEPTED),
    Form("accepted-credential", _credential("Accepted"), _ACCEPTED),
    Form("failed-credential", _credential("Failed"), _FAILED),
    Form(
        "repeated-failure",
        rx(r"message repeated [0-9]+ times: \[ ") + _attempt("Failed", then=r"\]") + lit("]") + end(),
        _FAILED,
    ),
    Form("partial", _attempt("Partial") + end(), {**_AUTH, "event.action": "ssh-login-continued"}),
    Form("postponed", _attempt("Postponed") + end(), {**_AUTH, "event.action": "ssh-login-continued"}),
    Form(
        "invalid-user",
        (lit("Invalid user ") | lit("Illegal user "))
        + _name(r" from [^ ]+(?: port [0-9]+)?")
        + lit(" from ")
        + _peer_maybe_port()
        + end(),
        {**_AUTH, "event.action": "ssh-invalid-user", "event.outcome": "failure"},
    ),
    Form(
        "invalid-user-request",
        lit("input_userauth_request: invalid user ") + _name(_PREAUTH) + _preauth() + end(),
        {**_AUTH, "event.action": "ssh-invalid-user", "event.outcome": "failure"},
    ),
    Form(
        "too-many-attempts",
        _with_error(lit("maximum authentication attempts exceeded for "))
        + Opt(lit("invalid user "))
        + _name(rf" from [^ ]+ port [0-9]+ ssh2{_PREAUTH}")
        + lit(" from ")
        + _peer()
        + lit(" ssh2")
        + _preauth()
        + end(),
        {**_AUTH, "event.action": "ssh-too-many-attempts", "event.outcome": "failure"},
    ),
    Form(
        "too-many-failures",
        lit("Disconnecting")
        + Opt(
            lit(" ")
            + _user_kind()
            + _name(rf" [^ ]+ port [0-9]+: Too many authentication failures{_PREAUTH}")
            + lit(" ")
            + _peer()
        )
        + lit(": Too many authentication failures")
        + Opt(lit(" for ") + Opt(lit("invalid user ")) + _name(_PREAUTH))
        + _preauth()
        + end(),
        {**_AUTH, "event.action": "ssh-too-many-attempts", "event.outcome": "failure"},
    ),
    Form(
        "pam-failure",
        lit("error: PAM: ")
        + rx(r"(?:(?! for ).)+")("event.reason")
        + lit(" for ")
        + Opt(lit("illegal user ") | lit("invalid user "))
        + _name(r" from [^ ]+")
        + lit(" from ")
        + _host()
        + end(),
        _FAILED,
    ),
    Form(
        "user-not-allowed",
        lit("User ")
        + rx(r".*(?= from [^ ]+ not allowed because )")("user.name")
        + lit(" from ")
        + _host()
        + lit(" not allowed because ")
        + rx(r".+")("event.reason")
        + end(),
        {**_AUTH, "event.action": "ssh-user-not-allowed", "event.outcome": "failure"},
    ),
    Form(
        "root-refused",
        lit("ROOT LOGIN REFUSED FROM ") + _peer_maybe_port() + _preauth() + end(),
        {**_FAILED, "user.name": "root"},
    ),
    Form(
        "key-refused",
        lit("Authentication refused: ") + rx(r".+")("event.reason") + end(),
        {**_AUTH, "event.action": "ssh-key-refused", "event.outcome": "failure"},
    ),
)

_CONNECTIONS = (
    Form(
        "closed-preauth",
        _gone("Connection closed by ", "Connection reset by ", "Disconnected from ", preauth=True),
        {**_NETWORK, "event.action": "ssh-preauth-close"},
    ),
    Form(
        "closed",
        _gone("Connection closed by ", "Connection reset by ", "Disconnected from ", preauth=False),
        {**_NETWORK, "event.action": "ssh-disconnect"},
    ),
    Form(
        "received-disconnect",
        _with_error(lit("Received disconnect from "))
        + _peer_maybe_port()
        + rx(r": ?")
        + rx(r"[0-9]+(?=:)")("ssh.disconnect_code")
        + rx(r": ?")
        + rx(r"(?s:.*)(?= \[preauth\]\Z)|(?s:.*)")("event.reason")
        + _preauth(),
        {**_NETWORK, "event.action": "ssh-disconnect"},
    ),
    Form(
        "no-identification",
        lit("Did not receive identification string from ") + _peer_maybe_port() + rest(),
        {**_NETWORK, "event.action": "ssh-no-identification"},
    ),
    Form(
        "negotiation-failed",
        Opt(lit("fatal: "))
        + lit("Unable to negotiate with ")
        + _peer_maybe_port()
        + lit(": ")
        + rx(r"no matching [a-zA-Z ]+ found")("event.reason")
        + rest(),
        {**_NETWORK, "event.action": "ssh-negotiation", "event.outcome": "failure"},
    ),
    Form(
        "bad-protocol",
        Opt(lit("error: "))
        + lit("Bad protocol version identification '")
        + rx(r".*(?=' from [^ ]+(?: port [0-9]+)?\Z)")("ssh.client_version")
        + lit("' from ")
        + _peer_maybe_port()
        + end(),
        {**_NETWORK, "event.action": "ssh-bad-protocol", "event.outcome": "failure"},
    ),
    Form(
        "protocol-versions-differ",
        lit("Protocol major versions differ for ") + _peer_maybe_port() + lit(":") + rest(),
        {**_NETWORK, "event.action": "ssh-bad-protocol", "event.outcome": "failure"},
    ),
    Form(
        "banner-exchange",
        Opt(lit("error: "))
        + lit("banner exchange: Connection from ")
        + _peer()
        + lit(": ")
        + rx(r".+")("event.reason")
        + end(),
        {**_NETWORK, "event.action": "ssh-bad-protocol", "event.outcome": "failure"},
    ),
    Form(
        "key-exchange-identification",
        Opt(lit("error: ")) + lit("kex_exchange_identification: ") + rx(r".+")("event.reason") + end(),
        {**_NETWORK, "event.action": "ssh-bad-protocol", "event.outcome": "failure"},
    ),
    Form(
        "dispatch-failed",
        Opt(lit("error: ") | lit("fatal: "))
        + lit("ssh_dispatch_run_fatal: Connection from ")
        + Opt(
            (lit("authenticating user ") | lit("invalid user ") | lit("user "))
            + rx(r".*(?= [^ ]+ port [0-9]+: )")("user.name")
            + lit(" ")
        )
        + _peer()
        + lit(": ")
        + rx(r".+")("event.reason")
        + end(),
        {**_NETWORK, "event.action": "ssh-preauth-close"},
    ),
    Form(
        "connection",
        lit("Connection from ")
        + _peer()
        + Opt(lit(" on ") + peer_address("destination.ip") + lit(" port ") + integer()("destination.port"))
        + Opt(rx(r' rdomain "[^"]*"'))
        + end(),
        {"event.category": ["network"], "event.type": ["connection", "start"], "event.action": "ssh-connection"},
    ),
    Form(
        "login-timeout",
        Opt(lit("fatal: "))
        + lit("Timeout before authentication for ")
        + Opt(lit("connection from "))
        + _peer_maybe_port()
        + Opt(lit(" to ") + peer_address("destination.ip") + rx(r", pid = ") + integer()("process.pid"))
        + end(),
        {**_AUTH, "event.action": "ssh-login-timeout", "event.outcome": "failure"},
    ),
    Form(
        "dropped",
        Opt(lit("error: "))
        + rx(r"drop connection #[0-9]+ from \[")
        + peer_address("source.ip")
        + lit("]:")
        + integer()("source.port")
        + lit(" on [")
        + peer_address("destination.ip")
        + lit("]:")
        + integer()("destination.port")
        + rx(r" ?")
        + rx(r".*")("event.reason")
        + end(),
        {"event.category": ["network"], "event.type": ["connection", "denied"], "event.action": "ssh-connection-drop"},
    ),
    Form(
        "penalty",
        rx(r"srclimit_penalise: ipv[46]: ")
        + Opt(lit("new "))
        + ip_address()("source.ip")
        + rx(r"/[0-9]+ ")
        + rx(r".+")("event.reason")
        + end(),
        {"event.category": ["network"], "event.type": ["denied"], "event.action": "ssh-penalty"},
    ),
    Form(
        "refused-by-wrapper",
        lit("refused connect from ")
        + rx(r"[^ ]+(?= \()")("source.domain")
        + lit(" (")
        + ip_address()("source.ip")
        + lit(")")
        + end(),
        {"event.category": ["network"], "event.type": ["connection", "denied"], "event.action": "ssh-connection-drop"},
    ),
    Form(
        "reverse-mapping",
        lit("reverse mapping checking getaddrinfo for ")
        + rx(r".+(?= \[[^ \]]+\] failed)")("source.domain")
        + lit(" [")
        + peer_address("source.ip")
        + lit("] failed")
        + rest(),
        {**_NETWORK, "event.action": "ssh-reverse-mapping", "event.outcome": "failure"},
    ),
    Form(
        "address-maps",
        lit("Address ")
        + peer_address("source.ip")
        + lit(" maps to ")
        + rx(r".+(?=, but this does not)")("source.domain")
        + rest(),
        {**_NETWORK, "event.action": "ssh-reverse-mapping", "event.outcome": "failure"},
    ),
    Form(
        "username-changed",
        NotAny(rx(r"(?>.*? port [0-9]+: ).* port [0-9]+: "))
        + lit("Disconnecting ")
        + _user_kind()
        + rx(r".*(?= [^ ]+ port [0-9]+: Change of username)")("user.name")
        + lit(" ")
        + _peer()
        + lit(": ")
        + rx(r"Change of username or service not allowed")("event.reason")
        + rest(),
        {**_AUTH, "event.action": "ssh-preauth-close", "event.outcome": "failure"},
    ),
    Form(
        "session-start",
        lit("Starting session: ")
        + rx(r".+(?= for [^ ]+ from [^ ]+ port [0-9]+ id [0-9]+\Z)")("ssh.session_type")
        + lit(" for ")
        + word()("user.name")
        + lit(" from ")
        + _peer()
        + rx(r" id [0-9]+")
        + end(),
        {"event.category": ["session"], "event.type": ["start"], "event.action": "ssh-session-start"},
    ),
    Form(
        "session-close",
        lit("Close session: user ") + word()("user.name") + lit(" from ") + _peer() + rx(r" id [0-9]+") + end(),
        {"event.category": ["session"], "event.type": ["end"], "event.action": "ssh-session-end"},
    ),
)

_DAEMON = (
    Form(
        "listening",
        lit("Server listening on ") + ip_address()("server.ip") + lit(" port ") + integer()("server.port") + rest(),
        {**_PROCESS, "event.type": ["start"], "event.action": "ssh-listen"},
    ),
    Form(
        "signal",
        lit("Received ") + rx(r"(?:signal [0-9]+|SIG[A-Z0-9]+)(?=;)")("event.reason") + rest(),
        {**_PROCESS, "event.type": ["change"], "event.action": "ssh-signal"},
    ),
    Form(
        "fatal",
        lit("fatal: ") + rx(r"(?s:.+)")("event.reason"),
        {**_PROCESS, "event.type": ["error"], "event.action": "ssh-fatal", "event.outcome": "failure"},
    ),
)

GRAMMAR = Grammar(
    name="sshd",
    programs=("sshd", "sshd-session", "sshd-auth"),
    forms=(*_ATTEMPTS, *_CONNECTIONS, *_DAEMON),
    examples=EXAMPLES,
)
