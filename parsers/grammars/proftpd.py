"""ProFTPD: logins, sessions and refusals, mod_sftp's among them.

The forms are those of the server's system log (http://www.proftpd.org/docs/howto/Logging.html) and of
modules/mod_auth.c. Each line begins with `server (client[address])`, which the server writes; a stranger chooses the
user name, which ends at the last words that the server may have written behind it.
"""

from __future__ import annotations

from pyparsing import FollowedBy, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.tokens import end, integer, ip_address, lit, peer_address, rx, up_to_last, word


def _line(content: ParserElement) -> ParserElement:
    """Match `server (client[address]) - content`; older releases write a colon for the dash."""
    name = ip_address() + FollowedBy(lit("[")) | rx(r"[^ \[\]()]+")("source.domain")
    return (
        rx(r"[^ ()]+")("server.address")
        + lit(" (")
        + name
        + lit("[")
        + peer_address("source.ip")
        + lit("])")
        + rx(r"(?: -|:) ")
        + content
    )


def _sets(category: str, action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    sets: dict[str, FieldValue] = {"event.category": [category], "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_LOGIN = _sets("authentication", "ftp-login", "success")
_LOGIN_FAILED = _sets("authentication", "ftp-login", "failure")
_FULL_STOP = rx(r"\.?\Z")
_WHO = rx(r"(?:USER|ANON) ")
_WHY = (
    r"(?:[Uu]ser not authorized for login|[Ii]ncorrect password|[Pp]assword expired|[Aa]ccount (?:disabled|expired)"
    r"|[Ii]nvalid shell(?:: '[^']*')?|[Uu]ser in [^ ]+|[Nn]o such user(?: found)?|[Nn]ot a UserAlias"
    r"|[Ll]imit (?:access|configuration) denies login|[Mm]aximum login length exceeded|[Ll]ogin denied[^:]*)"
)

_LOGINS = (
    Form(
        "login-failed",
        _line(
            _WHO
            + rx(rf".+(?= \(Login failed\): {_WHY}\.?\Z)")("user.name")
            + lit(" (Login failed): ")
            + rx(_WHY)("event.reason")
            + _FULL_STOP
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "login",
        _line(_WHO + rx(r".+(?=: Login successful\.?\Z)")("user.name") + lit(": Login successful") + _FULL_STOP),
        _LOGIN,
    ),
    Form(
        "no-such-user",
        _line(
            _WHO
            + up_to_last(": no such user found from ")("user.name")
            + lit(": ")
            + rx(r"no such user found")("event.reason")
            + lit(" from ")
            + word()
            + lit(" [")
            + ip_address()
            + lit("] to ")
            + (
                lit("[") + ip_address()("destination.ip") + lit("]")
                | rx(r"(?:::ffff:)?(?=[0-9.]+:[0-9]+\Z)") + ip_address()("destination.ip")
                | rx(r"[0-9A-Fa-f:]+(?=:[0-9]+\Z)")("destination.ip")
            )
            + lit(":")
            + integer()("destination.port")
            + end()
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "login-refused",
        _line(_WHO + rx(rf".+(?=: {_WHY}\.?\Z)")("user.name") + lit(": ") + rx(_WHY)("event.reason") + _FULL_STOP),
        _LOGIN_FAILED,
    ),
    Form(
        "unknown-user",
        _line(rx(r"no such user")("event.reason") + lit(" '") + rx(r".+(?='\Z)")("user.name") + lit("'") + end()),
        _LOGIN_FAILED,
    ),
    Form(
        "security-violation",
        _line(
            rx(r"SECURITY VIOLATION(?=: )")("event.reason")
            + lit(": ")
            + rx(r".+(?= login attempted\.?\Z)")("user.name")
            + lit(" login attempted")
            + _FULL_STOP
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "too-many-logins",
        _line(
            rx(r"Maximum login attempts \([0-9]+\) exceeded")("event.reason")
            + Opt(lit(", connection refused"))
            + _FULL_STOP
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "pam",
        _line(
            lit("PAM(")
            + rx(r".+(?=\): )")("user.name")
            + lit("): ")
            + rx(r".+[^.](?=\.?\Z)")("event.reason")
            + _FULL_STOP
        ),
        _LOGIN_FAILED,
    ),
)

_SESSIONS = (
    Form(
        "session-opened",
        _line(
            rx(r"(?:FTP|SSH2|SFTP|SCP)(?= session opened)")("proftpd.protocol") + lit(" session opened") + _FULL_STOP
        ),
        _sets("session", "ftp-session-opened"),
    ),
    Form(
        "session-closed",
        _line(
            rx(r"(?:FTP|SSH2|SFTP|SCP)(?= session closed)")("proftpd.protocol") + lit(" session closed") + _FULL_STOP
        ),
        _sets("session", "ftp-session-closed"),
    ),
    Form(
        "session-timeout",
        _line(
            rx(
                r"(?:FTP (?:session|login|no transfer|stalled)|Client session)[a-z ]*?(?:timed out|timeout)"
                r"(?: \([^)]*\))?"
            )("event.reason")
            + lit(", disconnected")
            + _FULL_STOP
        ),
        _sets("session", "ftp-session-timeout"),
    ),
    Form(
        "connection-denied",
        _line(rx(r"Connection from [^ ]+ \[[^\]]+\] denied|Connection refused \([^)]*\)")("event.reason") + _FULL_STOP),
        _sets("network", "ftp-connect", "failure"),
    ),
    Form(
        "transfer-aborted",
        _line(
            Opt(lit("notice: "))
            + lit("user ")
            + up_to_last(": aborting transfer: ")("user.name")
            + lit(": aborting transfer: ")
            + rx(r".*[^.](?=\.?\Z)")("event.reason")
            + _FULL_STOP
        ),
        _sets("file", "ftp-transfer", "failure"),
    ),
    Form(
        "chroot",
        _line(lit("Preparing to chroot to directory '") + rx(r".+(?='\Z)")("file.path") + lit("'") + end()),
        _sets("session", "ftp-chroot"),
    ),
    Form(
        "module",
        _line(
            rx(r"mod_[a-z0-9_]+(?=/)")("proftpd.module")
            + lit("/")
            + rx(r"[^: ]+")
            + lit(": ")
            + rx(r".+")("event.reason")
            + end()
        ),
        _sets("session", "ftp-module"),
    ),
    Form(
        "error",
        _line(Opt(lit("error: ")) + rx(r"error (?:[a-z]+ing) .+")("error.message") + end()),
        _sets("session", "ftp-error", "failure"),
    ),
)

_SFTP_LOG = (
    Form(
        "sftp-log",
        rx(r"mod_[a-z0-9_]+(?=/)")("proftpd.module")
        + lit("/")
        + rx(r"[^\[ ]+")
        + lit("[")
        + integer()("process.pid")
        + lit("]: ")
        + rx(r".+")("event.reason")
        + end(),
        _sets("session", "ftp-module"),
    ),
    Form(
        "started",
        rx(r"(?:[^ ]+ - )?ProFTPD ") + rx(r"[0-9][^ ]*")("service.version") + rx(r" .*STARTUP\Z"),
        _sets("process", "service-started"),
    ),
    Form(
        "stopped",
        rx(r"(?:[^ ]+ - )?ProFTPD ")
        + (rx(r"killed \(signal [0-9]+\)")("event.reason") | rx(r"[0-9][^ ]* .*SHUTDOWN"))
        + end(),
        _sets("process", "service-stopped"),
    ),
)

_HOST = "ftp.example.com (client.example.net[192.0.2.21])"
_FROM: dict[str, FieldValue] = {
    "server.address": "ftp.example.com",
    "source.domain": "client.example.net",
    "source.ip": "192.0.2.21",
}
_BARE: dict[str, FieldValue] = {"server.address": "ftp.example.com", "source.ip": "192.0.2.21"}

_EXAMPLES = (
    Example(
        f"{_HOST} - USER alice (Login failed): Incorrect password",
        {**_LOGIN_FAILED, **_FROM, "user.name": "alice", "event.reason": "Incorrect password"},
    ),
    Example(
        "ftp.example.com (::ffff:192.0.2.21[::ffff:192.0.2.21]): USER alice (Login failed): User in /etc/ftpusers.",
        {**_LOGIN_FAILED, **_BARE, "user.name": "alice", "event.reason": "User in /etc/ftpusers."},
    ),
    Example(
        f"{_HOST} - USER alice (Login failed): Invalid shell: '/bin/false'",
        {**_LOGIN_FAILED, **_FROM, "user.name": "alice", "event.reason": "Invalid shell: '/bin/false'"},
    ),
    Example(  # a user name that is a copy of the line
        f"{_HOST} - USER a (Login failed): Incorrect password ftp.example.com (b[203.0.113.9]) - USER root "
        "(Login failed): Incorrect password",
        {
            **_LOGIN_FAILED,
            **_FROM,
            "user.name": "a (Login failed): Incorrect password ftp.example.com (b[203.0.113.9]) - USER root",
            "event.reason": "Incorrect password",
        },
    ),
    Example(
        f"{_HOST} - USER mallory: no such user found from client.example.net [192.0.2.21] to 198.51.100.21:21",
        {
            **_LOGIN_FAILED,
            **_FROM,
            "user.name": "mallory",
            "event.reason": "no such user found",
            "destination.ip": "198.51.100.21",
            "destination.port": 21,
        },
    ),
    Example(  # a user name that claims another address
        f"{_HOST} - USER x: no such user found from h [203.0.113.9] to 198.51.100.21:21: no such user found from "
        "client.example.net [192.0.2.21] to ::ffff:198.51.100.21:21",
        {
            **_LOGIN_FAILED,
            **_FROM,
            "user.name": "x: no such user found from h [203.0.113.9] to 198.51.100.21:21",
            "event.reason": "no such user found",
            "destination.ip": "198.51.100.21",
            "destination.port": 21,
        },
    ),
    Example(
        "ftp.example.com (2001:db8::21[2001:db8::21]) - USER bob: no such user found from 2001:db8::21 [2001:db8::21] "
        "to 2001:db8::1:21",
        {
            **_LOGIN_FAILED,
            "server.address": "ftp.example.com",
            "source.ip": "2001:db8::21",
            "user.name": "bob",
            "event.reason": "no such user found",
            "destination.ip": "2001:db8::1",
            "destination.port": 21,
        },
    ),
    Example(f"{_HOST} - USER alice: Login successful.", {**_LOGIN, **_FROM, "user.name": "alice"}),
    Example(f"{_HOST} - ANON ftp: Login successful.", {**_LOGIN, **_FROM, "user.name": "ftp"}),
    Example(
        f"{_HOST} - ANON ftp: Limit access denies login.",
        {**_LOGIN_FAILED, **_FROM, "user.name": "ftp", "event.reason": "Limit access denies login"},
    ),
    Example(
        f"{_HOST} - no such user 'mallory'",
        {**_LOGIN_FAILED, **_FROM, "user.name": "mallory", "event.reason": "no such user"},
    ),
    Example(
        f"{_HOST}: SECURITY VIOLATION: root login attempted.",
        {**_LOGIN_FAILED, **_FROM, "user.name": "root", "event.reason": "SECURITY VIOLATION"},
    ),
    Example(
        f"{_HOST} - Maximum login attempts (3) exceeded, connection refused",
        {**_LOGIN_FAILED, **_FROM, "event.reason": "Maximum login attempts (3) exceeded"},
    ),
    Example(
        f"{_HOST} - PAM(alice): Authentication failure.",
        {**_LOGIN_FAILED, **_FROM, "user.name": "alice", "event.reason": "Authentication failure"},
    ),
    Example(
        f"{_HOST} - FTP session opened.",
        {**_sets("session", "ftp-session-opened"), **_FROM, "proftpd.protocol": "FTP"},
    ),
    Example(
        f"{_HOST} - SSH2 session closed.",
        {**_sets("session", "ftp-session-closed"), **_FROM, "proftpd.protocol": "SSH2"},
    ),
    Example(
        f"{_HOST} - FTP login timed out, disconnected",
        {**_sets("session", "ftp-session-timeout"), **_FROM, "event.reason": "FTP login timed out"},
    ),
    Example(
        f"{_HOST} - Client session idle timeout, disconnected",
        {**_sets("session", "ftp-session-timeout"), **_FROM, "event.reason": "Client session idle timeout"},
    ),
    Example(
        f"{_HOST} - Connection from client.example.net [192.0.2.21] denied.",
        {
            **_sets("network", "ftp-connect", "failure"),
            **_FROM,
            "event.reason": "Connection from client.example.net [192.0.2.21] denied",
        },
    ),
    Example(
        f"{_HOST} - notice: user alice: aborting transfer: Data connection closed.",
        {
            **_sets("file", "ftp-transfer", "failure"),
            **_FROM,
            "user.name": "alice",
            "event.reason": "Data connection closed",
        },
    ),
    Example(
        f"{_HOST} - Preparing to chroot to directory '/home/alice'",
        {**_sets("session", "ftp-chroot"), **_FROM, "file.path": "/home/alice"},
    ),
    Example(
        f"{_HOST} - mod_sftp/1.1.0: error reading packet: bad MAC",
        {
            **_sets("session", "ftp-module"),
            **_FROM,
            "proftpd.module": "mod_sftp",
            "event.reason": "error reading packet: bad MAC",
        },
    ),
    Example(
        f"{_HOST} - error setting IPV6_V6ONLY: Protocol not available",
        {
            **_sets("session", "ftp-error", "failure"),
            **_FROM,
            "error.message": "error setting IPV6_V6ONLY: Protocol not available",
        },
    ),
    Example(
        "mod_sftp/1.1.0[8123]: client sent SSH_MSG_DISCONNECT",
        {
            **_sets("session", "ftp-module"),
            "proftpd.module": "mod_sftp",
            "process.pid": 8123,
            "event.reason": "client sent SSH_MSG_DISCONNECT",
        },
    ),
    Example(
        "ftp.example.com - ProFTPD 1.3.8 (stable) (built Fri Jan 2 2026) standalone mode STARTUP",
        {**_sets("process", "service-started"), "service.version": "1.3.8"},
    ),
    Example(
        "ftp.example.com - ProFTPD killed (signal 15)",
        {**_sets("process", "service-stopped"), "event.reason": "killed (signal 15)"},
    ),
    Example("and any router, NAT, and firewall rules in the network path.", None),
    Example("USER x (h[203.0.113.9]) - y", None),
)

GRAMMAR = Grammar(name="proftpd", programs=("proftpd",), forms=(*_LOGINS, *_SESSIONS, *_SFTP_LOG), examples=_EXAMPLES)
