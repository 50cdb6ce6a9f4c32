"""nginx's error log.

Documented at https://nginx.org/en/docs/ngx_core_module.html#error_log; the words of the messages and their tail
(`, client: ..., server: ..., request: "...", upstream: "...", host: "...", referrer: "..."`) stand in nginx's source
(`ngx_http_log_error_handler` and the modules named below).

nginx writes what a stranger chose without escaping it. Where that can stand before `, client: ` it decides what we
believe:

* the user of basic authentication ends at its first colon, so it cannot hold `, client: `: the first one is nginx's;
* messages without strangers' text before it: the first one is nginx's too; in both cases a second one must stand in
  the referrer, the last thing of the line;
* paths can hold everything, and so can the referrer at the line's end. With two `, client: ` in the line nobody can
  know which is nginx's; with the line cut at nginx's 2048 octets the true one may be gone. Then no client is named: an
  attacker unnoticed here is still in the access log, an innocent address banned is not forgiven.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.http_request import TARGET_FIELDS, split_target
from parsers.grammars.tokens import integer, ip_address, lit, rx

_UNCUT = r"(?=[\x00-\x7f]{0,1900}\Z|(?s:.){0,500}\Z)"
"""Shorter than NGX_MAX_ERROR_STR (2048 octets): 1900 leave room for a syslog header and the time stamp, and 500
characters are at most 2000 octets."""

_ONE_CLIENT = rf"{_UNCUT}(?!(?s:.)*, client: (?s:.)*, client: )"


def _head() -> ParserElement:
    return (
        Opt(rx(r"[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}")("log.time") + lit(" "))
        + lit("[")
        + rx(r"(?:emerg|alert|crit|error|warn|notice|info|debug)")("log.level")
        + lit("] ")
        + integer()("process.pid")
        + lit("#")
        + integer()("process.thread.id")
        + lit(": ")
        + Opt(rx(r"\*[0-9]+ "))
    )


def _client() -> ParserElement:
    return (
        lit(", client: ")
        + (ip_address()("source.ip") | rx(r"[^, ]+")("source.address"))
        + rx(r"(?=, |\Z)")
        + Opt(lit(", server: ") + (rx(r"_?(?=, |\Z)") | rx(r'[^, "]+')("server.address")))
    )


def _request() -> ParserElement:
    """Match what the client asked for; each part only where it is well formed."""
    return (
        Opt(
            lit(', request: "')
            + rx(r"[A-Za-z][A-Za-z_-]*")("http.request.method")
            + lit(" ")
            + rx(r'[^ ].*?(?= HTTP/[0-9.]+"(?:, |\Z))')("url.original")
            + lit(" HTTP/")
            + rx(r"[0-9.]+")("http.version")
            + lit('"')
        )
        + Opt(rx(r', subrequest: "[^" ]*"'))
        + Opt(rx(r', upstream: "[^" ]*"'))
        + Opt(lit(', host: "') + rx(r'[^" ]+')("url.domain") + lit('"'))
    )


def _sure_request() -> ParserElement:
    """Match the same; a second client behind it may stand in nothing but the referrer."""
    return _request() + rx(r'(?=, referrer: "|(?!(?s:.)*, client: ))')


def _whole_request() -> ParserElement:
    """Match the same up to the end of the line: for messages whose client is sure only if the line is whole."""
    return _request() + Opt(rx(r', referrer: ".*"')) + rx(r"\Z")


def _form(name: str, text: ParserElement, sets: dict[str, FieldValue], *, whole: bool = False) -> Form:
    start = _head() + rx(_ONE_CLIENT) if whole else _head()
    stop = _whole_request() if whole else _sure_request()
    return Form(name, start + text + _client() + stop, sets, split_target, TARGET_FIELDS)


def _failed(action: str, category: str = "web", **more: FieldValue) -> dict[str, FieldValue]:
    return {"event.action": action, "event.outcome": "failure", "event.category": [category], **more}


_LOGIN = _failed("http-login", "authentication")
_DENIED = _failed("http-access-denied")
_TLS = _failed("tls-handshake", "network")

_FORMS = (
    _form(  # ngx_http_auth_basic_module
        "password-mismatch",
        lit('user "')
        + rx(r'[^:]+(?=": password mismatch, client: )')("user.name")
        + lit('": ')
        + lit("password mismatch")("event.reason"),
        _LOGIN,
    ),
    _form(
        "user-unknown",
        lit('user "') + rx(r'[^:]+(?=" was not found in ")')("user.name") + rx(r'" was not found in "[^"]*"'),
        _LOGIN,
    ),
    _form(  # ngx_http_auth_pam_module
        "pam-failure",
        rx(r"(?:PAM: )?user '")
        + rx(r"[^:]+(?=' - not authenticated: )")("user.name")
        + lit("' - not authenticated: ")
        + rx(r"[A-Z][A-Za-z ]+(?=, client: )")("event.reason"),
        _LOGIN,
    ),
    _form(
        "login-required", lit("no user/password was provided for basic authentication"), _failed("http-login-required")
    ),
    _form(  # ngx_http_access_module, ngx_http_autoindex_module
        "access-denied", lit("access forbidden by rule"), _DENIED
    ),
    _form(
        "directory-denied",
        lit('directory index of "') + rx(r'.+(?=" is forbidden, client: )')("file.path") + lit('" is forbidden'),
        _DENIED,
        whole=True,
    ),
    _form(
        "file-missing",
        rx(r'(?:(?:open|stat|lstat|realpath)\(\) )?"')
        + rx(r'.+(?=" (?:failed|is not found) \(2: )')("file.path")
        + rx(r'" (?:failed|is not found) \(2: ')
        + rx(r"[A-Za-z ]+(?=\), client: )")("error.message")
        + lit(")"),
        _failed("http-file-missing"),
        whole=True,
    ),
    _form(  # ngx_http_limit_req_module, ngx_http_limit_conn_module
        "rate-limit",
        rx(r"limiting (?:requests|connections)(?:, dry run)?(?:, excess: [0-9.]+)? by zone \"")
        + rx(r'[^"]+')("rule.name")
        + lit('"'),
        _failed("http-rate-limit"),
    ),
    _form(
        "rate-delay",
        rx(r"delaying requests?(?:, dry run)?, excess: [0-9.]+,? by zone \"") + rx(r'[^"]+')("rule.name") + lit('"'),
        {"event.action": "http-rate-delay", "event.category": ["web"]},
    ),
    _form(
        "body-too-large",
        rx(r"client intended to send too large (?:chunked )?body: ")
        + rx(r"[0-9]+(?= bytes)")("http.request.body.bytes")
        + rx(r" bytes(?: chunked body)?"),
        _failed("http-body-too-large"),
    ),
    _form(
        "tls-failure",
        rx(r"SSL_(?:do_handshake|read)\(\) failed \(")
        + rx(r"[^()]+(?:\([^()]*\)[^()]*)*(?=\))")("error.message")
        + rx(r"\)[A-Za-z ]*"),
        _TLS,
    ),
    _form(
        "upstream-failure",
        rx(
            r"(?:upstream (?:timed out|prematurely closed)|no live upstreams"
            r"|(?:connect|recv|send|writev|readv)\(\) failed)"
            r'[^"]*?(?=, client: )'
        )("error.message"),
        _failed("http-upstream"),
    ),
    _form("client", rx(r".+(?=, client: )")("error.message"), {}, whole=True),
    Form("other", _head()),
)

_HEAD: Mapping[str, FieldValue] = {"log.level": "error", "process.pid": 31, "process.thread.id": 31}
_AT: Mapping[str, FieldValue] = {**_HEAD, "log.time": "2026/11/22 10:00:00"}
_CLIENT: Mapping[str, FieldValue] = {"source.ip": "192.0.2.7"}
_GET: Mapping[str, FieldValue] = {
    "http.request.method": "GET",
    "url.original": "/a?b=c",
    "url.path": "/a",
    "url.query": "b=c",
    "http.version": "1.1",
    "url.domain": "www.example.org",
}
_TAIL = ', client: 192.0.2.7, server: _, request: "GET /a?b=c HTTP/1.1", host: "www.example.org"'
_FORGED = ', client: 198.51.100.1, server: _, request: "GET /a?b=c HTTP/1.1", host: "www.example.org"'

GRAMMAR = Grammar(
    name="nginx_error",
    programs=("nginx",),
    forms=_FORMS,
    examples=(
        Example(
            f'2026/11/22 10:00:00 [error] 31#31: *45 user "alice": password mismatch{_TAIL}',
            {**_AT, **_LOGIN, **_CLIENT, **_GET, "user.name": "alice", "event.reason": "password mismatch"},
        ),
        Example(  # an attack: the user name claims another client; a user ends at its first colon
            f'[error] 31#31: *45 user "bob" was not found in "x", client 198.51.100.1" was not found in "/x"{_TAIL}',
            {
                **_HEAD,
                **_LOGIN,
                **_CLIENT,
                **_GET,
                "user.name": 'bob" was not found in "x", client 198.51.100.1',
            },
        ),
        Example(  # an attack: the referrer claims another client
            f'[error] 31#31: *45 user "alice": password mismatch{_TAIL}, referrer: "": password mismatch{_FORGED}',
            {**_HEAD, **_LOGIN, **_CLIENT, **_GET, "user.name": "alice", "event.reason": "password mismatch"},
        ),
        Example(  # no nginx wrote this: behind the first tail stands neither a referrer nor the end
            f'[error] 31#31: *45 user "alice": password mismatch{_FORGED}" was not found in "/x"{_TAIL}', _HEAD
        ),
        Example(
            f"[error] 31#31: *7 PAM: user 'dora' - not authenticated: Authentication failure{_TAIL}",
            {**_HEAD, **_LOGIN, **_CLIENT, **_GET, "user.name": "dora", "event.reason": "Authentication failure"},
        ),
        Example(
            "[info] 31#31: *7 no user/password was provided for basic authentication, client: 2001:db8::17, "
            'server: www.example.org, request: "GET / HTTP/2.0", host: "www.example.org"',
            {
                **_HEAD,
                **_failed("http-login-required"),
                "log.level": "info",
                "source.ip": "2001:db8::17",
                "server.address": "www.example.org",
                "http.request.method": "GET",
                "url.original": "/",
                "url.path": "/",
                "http.version": "2.0",
                "url.domain": "www.example.org",
            },
        ),
        Example(
            f"2026/11/22 10:00:00 [error] 31#31: *8 access forbidden by rule{_TAIL}",
            {**_AT, **_DENIED, **_CLIENT, **_GET},
        ),
        Example(
            f'[error] 31#31: *8 directory index of "/srv/www/img/" is forbidden{_TAIL}, referrer: "https://example.org/"',
            {**_HEAD, **_DENIED, **_CLIENT, **_GET, "file.path": "/srv/www/img/"},
        ),
        Example(
            f'[error] 31#31: *9 open() "/srv/www/wp-login.php" failed (2: No such file or directory){_TAIL}',
            {
                **_HEAD,
                **_failed("http-file-missing"),
                **_CLIENT,
                **_GET,
                "file.path": "/srv/www/wp-login.php",
                "error.message": "No such file or directory",
            },
        ),
        Example(  # an attack: path (or referrer, it looks the same) with a copy of the tail; no client is believed
            f'[error] 31#31: *9 open() "/srv/x" failed (2: No such file or directory){_FORGED}, referrer: "" failed '
            f"(2: No such file or directory){_TAIL}",
            _HEAD,
        ),
        Example(  # an attack: the path is so long that nginx cut off the true client
            f'[error] 31#31: *9 open() "/srv/{"x" * 1800}" failed (2: No such file or directory){_FORGED}', _HEAD
        ),
        Example(
            f'[error] 31#31: *9 limiting requests, excess: 5.430 by zone "login"{_TAIL}',
            {**_HEAD, **_failed("http-rate-limit"), **_CLIENT, **_GET, "rule.name": "login"},
        ),
        Example(
            f'[error] 31#31: *9 limiting connections by zone "peer"{_TAIL}',
            {**_HEAD, **_failed("http-rate-limit"), **_CLIENT, **_GET, "rule.name": "peer"},
        ),
        Example(
            f'[warn] 31#31: *9 delaying request, excess: 0.720, by zone "login"{_TAIL}',
            {
                **_HEAD,
                **_CLIENT,
                **_GET,
                "log.level": "warn",
                "event.action": "http-rate-delay",
                "event.category": ["web"],
                "rule.name": "login",
            },
        ),
        Example(
            f"[error] 31#31: *9 client intended to send too large body: 10485761 bytes{_TAIL}",
            {
                **_HEAD,
                **_failed("http-body-too-large"),
                **_CLIENT,
                **_GET,
                "http.request.body.bytes": 10485761,
            },
        ),
        Example(
            "[crit] 31#31: *9 SSL_do_handshake() failed (SSL: error:0A00006C:SSL routines::bad key share) while SSL "
            "handshaking, client: 192.0.2.7, server: 0.0.0.0:443",
            {
                **_HEAD,
                **_TLS,
                **_CLIENT,
                "log.level": "crit",
                "error.message": "SSL: error:0A00006C:SSL routines::bad key share",
                "server.address": "0.0.0.0:443",
            },
        ),
        Example(
            "[error] 31#31: *9 upstream timed out (110: Connection timed out) while reading response header from "
            'upstream, client: 192.0.2.7, server: _, request: "GET /a?b=c HTTP/1.1", '
            'upstream: "http://127.0.0.1:8080/a?b=c", host: "www.example.org"',
            {
                **_HEAD,
                **_failed("http-upstream"),
                **_CLIENT,
                **_GET,
                "error.message": "upstream timed out (110: Connection timed out) while reading response header from "
                "upstream",
            },
        ),
        Example(
            "[error] 31#31: *9 upstream prematurely closed connection while reading response header from upstream"
            f"{_TAIL}",
            {
                **_HEAD,
                **_failed("http-upstream"),
                **_CLIENT,
                **_GET,
                "error.message": "upstream prematurely closed connection while reading response header from upstream",
            },
        ),
        Example(
            f'[error] 31#31: *9 rewrite or internal redirection cycle while processing "/a"{_TAIL}',
            {
                **_HEAD,
                **_CLIENT,
                **_GET,
                "error.message": 'rewrite or internal redirection cycle while processing "/a"',
            },
        ),
        Example(
            "2026/11/22 10:00:00 [notice] 31#31: signal process started",
            {**_AT, "log.level": "notice"},
        ),
        Example("nginx: configuration file /etc/nginx/nginx.conf test is successful", None),
    ),
)
