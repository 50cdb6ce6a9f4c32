"""Apache httpd's error log, version 2.4 (and 2.2's, which lacks module and process).

Documented at https://httpd.apache.org/docs/2.4/mod/core.html#errorlogformat; the words of the messages are found by
their AH numbers in httpd's source, ModSecurity's at
https://github.com/owasp-modsecurity/ModSecurity/wiki/ModSecurity-2-Data-Formats.

httpd writes the client before anything a stranger chose, so all is anchored at the front. A user of basic
authentication ends at its first colon. ModSecurity escapes the quotes of what it quotes, so ` [id "` is its own.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.apache_error_examples import EXAMPLES
from parsers.grammars.tokens import integer, ipv4, lit, rx

_VALUE = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_PATH = r".+?(?=, referer: |\Z)"


def _head() -> ParserElement:
    stamp = rx(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:.]{8,15} [0-9]{4}")
    return (
        Opt(lit("[") + stamp("log.time") + lit("] "))
        + lit("[")
        + Opt(Opt(rx(r"[A-Za-z0-9_]+(?=:)")("log.logger")) + lit(":"))
        + rx(r"(?:emerg|alert|crit|error|warn|notice|info|debug|trace[1-8])")("log.level")
        + lit("] ")
        + Opt(lit("[pid ") + integer()("process.pid") + Opt(lit(":tid ") + integer()("process.thread.id")) + lit("] "))
        + Opt(rx(r"[A-Za-z0-9_.]+\.c\([0-9]+\): "))
        + Opt(rx(r"\([0-9]+\)[A-Z][^\[:]*: "))
    )


def _client() -> ParserElement:
    """Match `[client ADDRESS:PORT] `; before its port an IPv6 address may stand with or without brackets."""
    ipv6 = rx(r"[0-9A-Fa-f:]+(?:(?<=[0-9A-Fa-f])|(?<=::))(?=:[0-9]{1,5}\])") | rx(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]+")
    boxed = lit("[") + rx(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]+")("source.ip") + lit("]")
    name = rx(r"[A-Za-z0-9_.-]+")
    return (
        rx(r"\[(?:client|remote) ")
        + (ipv4()("source.ip") + rx(r"(?=[:\]])") | ipv6("source.ip") | boxed | name("source.address"))
        + Opt(lit(":") + integer()("source.port"))
        + lit("] ")
    )


def _code() -> ParserElement:
    return Opt(rx(r"AH[0-9]{5}")("event.code") + lit(": "))


def _of_client(name: str, text: ParserElement, sets: dict[str, FieldValue]) -> Form:
    return Form(name, _head() + _client() + _code() + text, sets)


def _failed(action: str, category: str = "web") -> dict[str, FieldValue]:
    return {"event.action": action, "event.outcome": "failure", "event.category": [category]}


def _server(action: str, kind: str) -> dict[str, FieldValue]:
    return {"event.action": action, "event.category": ["process"], "event.type": [kind]}


def _skip_to(tag: str) -> ParserElement:
    """Match everything up to and with ModSecurity's next tag of this name."""
    return rx(rf"[^\[]*+(?:\[(?!{tag[1:]})[^\[]*+)*+") + lit(tag)


def _modsecurity(verdict: ParserElement) -> ParserElement:
    return (
        Opt(rx(r"\[client [^\] ]+\] "))
        + rx("ModSecurity: +")
        + verdict
        + _skip_to('[id "')
        + rx(r"[0-9]+")("rule.id")
        + lit('"]')
        + Opt(rx(rf' \[rev "{_VALUE}"\]'))
        + Opt(lit(' [msg "') + rx(_VALUE)("rule.description") + lit('"]'))
        + Opt(_skip_to('[hostname "') + rx(_VALUE)("url.domain") + lit('"]'))
        + Opt(_skip_to('[uri "') + rx(_VALUE)("url.path") + lit('"]'))
    )


def _modsecurity_tags_first() -> ParserElement:
    """Match a verdict behind its tags, as ModSecurity 2.5 and forks of it write it."""
    return (
        Opt(rx(r"\[client [^\] ]+\] "))
        + rx("ModSecurity: +")
        + rx(rf'(?:\[(?!id )[a-z_]+ "{_VALUE}"\] ?)*+\[id "')
        + rx(r"[0-9]+")("rule.id")
        + rx(rf'"\](?: ?\[[a-z_]+ "{_VALUE}"\])*+ ?Access denied with code ')
        + integer()("http.response.status_code")
    )


_LOGIN = _failed("http-login", "authentication")
_DENIED = _failed("http-access-denied")
_MISSING = _failed("http-file-missing")
_INVALID = _failed("http-request-invalid")
_BLOCK = _failed("waf-block")
_ALERT: dict[str, FieldValue] = {"event.action": "waf-alert", "event.category": ["web"]}

_FORMS = (
    _of_client(
        "password-mismatch",
        Opt(lit("Digest: "))
        + lit("user ")
        + (
            Opt(rx(r'[^:]+(?=: authentication failure for ")')("user.name"))
            + lit(': authentication failure for "')
            + rx(r'.*(?=": Password Mismatch)')("url.path")
            + lit('": ')
            + lit("Password Mismatch")("event.reason")
            | rx(r"[^:]+(?=: password mismatch: )")("user.name") + lit(": ") + lit("password mismatch")("event.reason")
        ),
        _LOGIN,
    ),
    _of_client(
        "user-unknown",
        Opt(lit("Digest: "))
        + lit("user ")
        + (
            lit("`") + rx(r"[^']+(?=' in realm `)")("user.name") + rx(r"' in realm `[^']*'")
            | Opt(rx(r"[^:]+(?= not found: )")("user.name"))
        )
        + lit(" ")
        + lit("not found")("event.reason")
        + lit(": ")
        + rx(_PATH)("url.path"),
        _LOGIN,
    ),
    _of_client(
        "login-invalid",
        Opt(lit("Digest: "))
        + rx(
            r"client used wrong authentication scheme|(?:invalid (?:qop|nonce)|realm mismatch|unknown algorithm)(?= )"
        )("event.reason"),
        _LOGIN,
    ),
    _of_client(
        "user-not-authorized",
        lit("user ")
        + rx(r'[^:]+(?=: authorization failure for ")')("user.name")
        + lit(": ")
        + lit("authorization failure")("event.reason")
        | lit("Authorization of user ") + rx(r"[^:]+(?= to access .* failed)")("user.name"),
        _DENIED,
    ),
    _of_client(
        "access-denied",
        lit("client denied by server configuration: ") + Opt(lit("uri ")) + rx(_PATH)("file.path"),
        _DENIED,
    ),
    _of_client("directory-denied", lit("Cannot serve directory ") + rx(r".+?(?=: )")("file.path"), _DENIED),
    _of_client(
        "file-missing",
        rx(r"(?:File does not exist: |script not found or unable to stat: |stderr from (?=.+: script not found))")
        + rx(r".+?(?=, referer: |: script not found|\Z)")("file.path"),
        _MISSING,
    ),
    _of_client(
        "script-missing",
        lit("script '") + rx(r".+(?=' not found or unable to stat)")("file.path") + lit("'"),
        _MISSING,
    ),
    _of_client("script-unknown", lit("Got error 'Primary script unknown"), _MISSING),
    _of_client(
        "request-invalid",
        rx(
            r"(?i:invalid (?:method|URI) in request|invalid URI path|request failed: (?:URI too long|invalid "
            r"characters in URI|erroneous characters after protocol string))"
        )("error.message"),
        _INVALID,
    ),
    _of_client(
        "waf-block",
        _modsecurity(lit("Access denied with code ") + integer()("http.response.status_code")),
        _BLOCK,
    ),
    _of_client("waf-block-tags-first", _modsecurity_tags_first(), _BLOCK),
    _of_client("waf-alert", _modsecurity(lit("Warning.")), _ALERT),
    Form("client", _head() + _client() + _code()),
    Form(
        "started",
        _head()
        + _code()
        + rx(r"[^ /]+/")  # `Apache/`, or what ServerTokens makes of it
        + rx(r"[0-9.]+(?= )")("service.version")
        + rx(r".* configured -- resuming normal operations"),
        _server("server-started", "start"),
    ),
    Form(
        "command-line",
        _head() + _code() + lit("Command line: '") + rx(r".*(?='\Z)")("process.command_line") + lit("'"),
        {},
    ),
    Form(
        "stopped",
        _head() + _code() + rx(r"caught SIG(?:TERM|WINCH), shutting down(?: gracefully)?"),
        _server("server-stopped", "end"),
    ),
    Form(
        "restarting",
        _head() + _code() + rx(r"SIG(?:HUP|USR1) received\. +(?:Attempting to restart|Doing graceful restart)"),
        _server("server-restarting", "change"),
    ),
    Form("other", _head() + _code()),
)

GRAMMAR = Grammar(
    name="apache_error",
    programs=("apache", "apache2", "httpd", "httpd/*"),
    forms=_FORMS,
    examples=EXAMPLES,
)
