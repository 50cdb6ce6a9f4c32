"""PostgreSQL: connections and refused ones, errors and their statements, slow statements, the server's own state.

The forms are those of the server log, https://www.postgresql.org/docs/current/runtime-config-logging.html, by syslog
or from a file, behind Debian's `log_line_prefix` (`%m [%p] %q%u@%d `, with `%h` or `%r` where it was added), pgBadger's
(`user=%u,db=%d,app=%a,client=%h`) or none. A stranger chooses user, database and application names, in the prefix and
in the message. So an address is taken only from a line in which one `:  ` stands, as behind the severity: with two, a
name may have written one.
"""

from __future__ import annotations

from pyparsing import NotAny, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.postgresql_examples import EXAMPLES
from parsers.grammars.tokens import end, integer, ip_address, lit, peer_address, rest, rx

_SEVERITY = r"(?:DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION)"
# where a severity ends; counting these takes one pass, counting severities takes many
_NO_MORE = NotAny(rx(r"(?:[^:]++|:(?!  ))*+:  "))
_ONE_MORE = NotAny(rx(r"(?:(?:[^:]++|:(?!  ))*+:  ){2}"))


def _prefix(user: str | None = "user.name") -> ParserElement:
    """Match what syslog and `log_line_prefix` put before the severity.

    Args:
        user: the field of the user in the prefix; None where the message names the user itself.
    """
    name = rx(r"[^ @]+(?=@)")
    named = rx(r"[^,]+(?=,db=)")
    if user is not None:
        name, named = name(user), named(user)
    unknown = lit("[unknown]")
    database = unknown | rx(r"[^ ,]+")("postgresql.log.database")
    address = lit("[local]") | _ONE_MORE + peer_address("source.ip") + Opt(
        lit("(") + integer()("source.port") + lit(")")
    )
    debian = (unknown | name) + lit("@") + database + lit(" ") + Opt(address + lit(" "))
    badger = (
        lit("user=")
        + Opt(unknown | named)
        + lit(",db=")
        + Opt(database)
        + Opt(lit(",app=") + rx(r"[^,]*"))
        + Opt(lit(",client=") + Opt(address))
        + lit(" ")
    )
    return (
        Opt(rx(r"\[[0-9]+-[0-9]+\] "))
        + Opt(rx(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{8,12} [A-Za-z0-9:/_+-]+ "))
        + Opt(lit("[") + integer()("process.pid") + rx(r"(?:-[0-9]+)?\]:? ") + Opt(rx(r"\[[0-9]+(?:-[0-9]+)?\] ")))
        + Opt(badger | NotAny(rx(rf"{_SEVERITY}:  ")) + debian)
    )


def _line(severity: str, content: ParserElement, user: str | None = "user.name") -> ParserElement:
    return _prefix(user) + rx(rf"{severity}(?=:  )")("log.level") + lit(":  ") + content


def _milliseconds(fields: dict[str, FieldValue]) -> None:
    """Turn the duration into nanoseconds, as ECS counts them."""
    whole, _, part = str(fields.pop("event.duration", "")).partition(".")
    if whole.isdecimal() and whole.isascii() and len(whole) < 13:
        fields["event.duration"] = int(whole + part.ljust(6, "0")[:6])


def _sets(category: str, action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    sets: dict[str, FieldValue] = {"event.category": [category], "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_LOGIN = _sets("authentication", "database-login", "success")
_LOGIN_FAILED = _sets("authentication", "database-login", "failure")
_CONNECT = _sets("network", "database-connect")
_CLOSED = _sets("session", "database-session-closed")
_FULL = _sets("database", "database-connect", "failure")
_QUERY_FAILED = _sets("database", "database-query", "failure")
_READY, _STOPPED = _sets("process", "service-ready", "success"), _sets("process", "service-stopped")

_ENCRYPTION = r'(?:, (?:no encryption|SSL|GSS)[^"]*)?\Z'

_REFUSED = (
    Form(
        "authentication-failed",
        _line(
            "FATAL",
            rx(r"[A-Za-z0-9\"-]+ authentication failed(?= for user \")")("event.reason")
            + lit(' for user "')
            + rx(r'.+(?="\Z)')("user.name")
            + lit('"')
            + end(),
            None,
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "no-hba-entry",
        _line(
            "FATAL",
            _NO_MORE
            + rx(r"(?:no pg_hba\.conf entry|pg_hba\.conf rejects (?:replication )?connection)")("event.reason")
            + rx(r" for (?:replication connection from )?host \"")
            + (lit("[local]") | peer_address("source.ip"))
            + lit('", user "')
            + (rx(r'.+(?=", database ")')("user.name") | rx(rf'.+(?="{_ENCRYPTION})')("user.name"))
            + lit('"')
            + Opt(lit(', database "') + rx(rf'.+(?="{_ENCRYPTION})')("postgresql.log.database") + lit('"'))
            + rx(_ENCRYPTION),
            None,
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "no-role",
        _line(
            "FATAL",
            lit('role "')
            + rx(r'.+(?=" (?:does not exist|is not permitted to log in)\Z)')("user.name")
            + lit('" ')
            + rx(r"does not exist|is not permitted to log in")("event.reason")
            + end(),
            None,
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "no-database",
        _line(
            "FATAL",
            lit('database "')
            + rx(r'.+(?=" does not exist\Z)')("postgresql.log.missing")
            + lit('" ')
            + rx(r"does not exist")("event.reason")
            + end(),
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "too-many-connections",
        _line(
            "FATAL",
            rx(
                r"(?:sorry, too many clients already|remaining connection slots are reserved .*"
                r"|too many connections for (?:role|database) .*)"
            )("event.reason")
            + end(),
        ),
        _FULL,
    ),
    Form(
        "bad-startup-packet",
        _line(
            r"(?:FATAL|LOG)",
            rx(
                r"(?:invalid length of startup packet|incomplete startup packet|unsupported frontend protocol .*"
                r"|no PostgreSQL user name specified in startup packet|could not accept SSL connection: .*)"
            )("event.reason")
            + end(),
        ),
        _FULL,
    ),
)

_SESSIONS = (
    Form(
        "connection-received",
        _line(
            "LOG",
            _NO_MORE
            + lit("connection received: host=")
            + (lit("[local]") | peer_address("source.ip") | rx(r"[^ ]+")("source.domain"))
            + Opt(lit(" port=") + integer()("source.port"))
            + end(),
        ),
        _CONNECT,
    ),
    Form(
        "connection-authenticated",
        _line(
            "LOG",
            lit('connection authenticated: identity="')
            + rx(r'.+(?=" method=[^ ]+ \()')("user.name")
            + lit('" method=')
            + rx(r"[^ ]+")("postgresql.log.method")
            + rest(),
            None,
        ),
        _sets("authentication", "database-authentication", "success"),
    ),
    Form(
        "connection-authorized",
        _line(
            "LOG",
            rx(r"(?:replication )?connection authorized: user=")
            + rx(r".+?(?= (?:database|application_name)=| SSL enabled|\Z)")("user.name")
            + Opt(lit(" database=") + rx(r".+?(?= application_name=| SSL enabled| GSS |\Z)")("postgresql.log.database"))
            + Opt(lit(" application_name=") + rx(r".+?(?= SSL enabled| GSS |\Z)")("postgresql.log.application"))
            + rest(),
            None,
        ),
        _LOGIN,
    ),
    Form(
        "disconnection",
        _line(
            "LOG",
            _NO_MORE
            + lit("disconnection: session time: ")
            + rx(r"[0-9:.]+")("postgresql.log.session_time")
            + lit(" user=")
            + rx(r".+(?= database=.* host=[^ ]+(?: port=[0-9]+)?\Z)")("user.name")
            + lit(" database=")
            + rx(r".+(?= host=[^ ]+(?: port=[0-9]+)?\Z)")("postgresql.log.database")
            + lit(" host=")
            + (lit("[local]") | peer_address("source.ip") | rx(r"[^ ]+")("source.domain"))
            + Opt(lit(" port=") + integer()("source.port"))
            + end(),
            None,
        ),
        _CLOSED,
    ),
    Form(
        "connection-lost",
        _line(
            "LOG",
            rx(
                r"(?:could not receive data from client: .*|could not send data to client: .*"
                r"|unexpected EOF on client connection.*)"
            )("event.reason")
            + end(),
        ),
        {**_CLOSED, "event.outcome": "failure"},
    ),
)

_STATEMENTS = (
    Form(
        "duration",
        _line(
            "LOG",
            lit("duration: ")
            + rx(r"[0-9]+(?:\.[0-9]+)?")("event.duration")
            + lit(" ms")
            + Opt(
                rx(r"  (?=statement|parse|bind|execute|fastpath)")
                + rx(r"[^:]+")("postgresql.log.query_step")
                + lit(": ")
                + rx(r"(?s:.+)")("postgresql.log.query")
            ),
        ),
        _sets("database", "database-query", "success"),
        refine=_milliseconds,
        derived=("event.duration",),
    ),
    Form(
        "statement",
        _line(
            "LOG",
            rx(r"(?:statement|execute [^:]+)(?=: )")("postgresql.log.query_step")
            + lit(": ")
            + rx(r"(?s:.+)")("postgresql.log.query"),
        ),
        _sets("database", "database-query"),
    ),
    Form(
        "deadlock",
        _line(r"(?:ERROR|LOG)", rx(r"deadlock detected|process [0-9]+ detected deadlock .*")("error.message") + end()),
        _sets("database", "database-deadlock", "failure"),
    ),
    Form(
        "lock-wait",
        _line("LOG", rx(r"process [0-9]+ still waiting for .*")("event.reason") + end()),
        _sets("database", "database-lock-wait"),
    ),
    Form(
        "permission-denied",
        _line("ERROR", rx(r"permission denied for .*")("error.message") + end()),
        _sets("database", "database-permission", "failure"),
    ),
    Form("error", _line("ERROR", rx(r"(?s:.+)")("error.message")), _QUERY_FAILED),
    Form(
        "error-statement",
        _line("STATEMENT", rx(r"(?s:.+)")("postgresql.log.query")),
        _sets("database", "database-statement"),
    ),
    Form(
        "detail",
        _line(r"(?:DETAIL|HINT|CONTEXT|QUERY|LOCATION)", rx(r"(?s:.+)")("postgresql.log.detail")),
        _sets("database", "database-detail"),
    ),
)

_SERVER = (
    Form("ready", _line("LOG", lit("database system is ready to accept ") + rest()), _READY),
    Form(
        "checkpoint",
        _line("LOG", rx(r"(?:checkpoint|restartpoint) (?:starting|complete): .*")("event.reason") + end()),
        _sets("database", "database-checkpoint"),
    ),
    Form(
        "stopped",
        _line(
            "LOG",
            rx(r"(?:database system is shut down|shutting down|received (?:fast|smart|immediate) shutdown request)")(
                "event.reason"
            )
            + end(),
        ),
        _STOPPED,
    ),
    Form(
        "started",
        _line("LOG", lit("starting PostgreSQL ") + rx(r"[^ ]+")("service.version") + rest()),
        _sets("process", "service-started"),
    ),
    Form(
        "listening",
        _line(
            "LOG",
            rx(r"listening on IPv[46] address \"")
            + ip_address()("server.ip")
            + lit('", port ')
            + integer()("server.port")
            + end(),
        ),
        _sets("network", "listening", "success"),
    ),
    Form(
        "crashed",
        _line(
            "LOG",
            rx(
                r"(?:database system was (?:interrupted|not properly shut down).*"
                r"|server process \(PID [0-9]+\) was terminated by .*|terminating any other active server processes)"
            )("event.reason")
            + end(),
        ),
        _sets("process", "service-crashed", "failure"),
    ),
    Form("trouble", _line(r"(?:FATAL|PANIC|WARNING)", rx(r"(?s:.+)")("error.message"))),
    Form("notice", _line(r"(?:LOG|INFO|NOTICE|DEBUG[1-5]?)", rx(r"(?s:.+)")("event.reason"))),
)

_DEBIAN = "2026-01-02 10:00:00.123 UTC [812] alice@shop "
_BY: dict[str, FieldValue] = {"process.pid": 812, "user.name": "alice", "postgresql.log.database": "shop"}
_FATAL: dict[str, FieldValue] = {"log.level": "FATAL"}
_LOG: dict[str, FieldValue] = {"log.level": "LOG"}
_ERROR: dict[str, FieldValue] = {"log.level": "ERROR"}
_FROM: dict[str, FieldValue] = {"source.ip": "192.0.2.51", "source.port": 50123}


GRAMMAR = Grammar(
    name="postgresql",
    programs=("postgres", "postgresql", "postgresql@*"),
    forms=(*_REFUSED, *_SESSIONS, *_STATEMENTS, *_SERVER),
    examples=EXAMPLES,
)
