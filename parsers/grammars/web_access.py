r"""Access logs of nginx, Apache and all that write the common or combined log format.

Documented at https://httpd.apache.org/docs/2.4/mod/mod_log_config.html (common, combined, vhost_combined) and
https://nginx.org/en/docs/http/ngx_http_log_module.html (combined, escape=default).

It serves every program, for the tag is the administrator's choice (`access_log syslog:...,tag=shop`) and a file has
none; the shape is proof enough. What a stranger chose (user, request, referrer, agent) cannot hold a bare quote: nginx
writes `\x22`, Apache `\"`. So the first bare quote opens the request, and the time stamp before it is the server's.
Values stay as they were logged, with these escapes.

The line's own time stamp is `log.time`, in every grammar of this package.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyparsing import FollowedBy, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.http_request import TARGET_FIELDS, split_target
from parsers.grammars.tokens import integer, ip_address, lit, rx

_TIME = (
    r"(?:[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}(?::[0-9]{2}){3}(?: [+-][0-9]{4})?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2}))"
)
_QUOTED = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_TARGET = r'(?=[^ "])[^"\\ ]*+(?:(?:\\.| (?!HTTP/[0-9.]+"))[^"\\ ]*+)*+'

_OLD_TARGET = r'(?:/|[a-z]+://)[^"\\ ]*+(?=")'  # HTTP/0.9 names no version


def _quoted(field: str) -> ParserElement:
    """Match ` "value"`; an empty value or `-` fills no field."""
    return lit(' "') + (lit('-"') | lit('"') | rx(_QUOTED)(field) + lit('"'))


def _client() -> ParserElement:
    """Match the client, and the virtual host before it: with its port, or a name that an address follows."""
    address = ip_address()("source.ip") + lit(" ")
    name = rx(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|unix:)(?= )")("source.address") + lit(" ")
    host = rx(r"(?:[A-Za-z0-9_*.-]+|\[[0-9A-Fa-f:.]+\])(?=:[0-9]+ )|[0-9.-]*[A-Za-z_][A-Za-z0-9_.-]*(?= )")(
        "server.address"
    )
    return Opt(
        host + (lit(":") + integer()("server.port") + lit(" ") | lit(" ") + FollowedBy(ip_address() + lit(" ")))
    ) + (address | name)


def _request() -> ParserElement:
    method = rx(r"[A-Za-z][A-Za-z0-9_.!#$%&'*+^`|~-]*")("http.request.method") + lit(" ")
    target = rx(rf"{_TARGET}(?= HTTP/)|{_OLD_TARGET}")("url.original")
    return (
        method + target + Opt(lit(" HTTP/") + rx(r"[0-9.]+")("http.version"))
        | rx(r'-?(?=")')
        | rx(_QUOTED)("http.request.line")  # no HTTP: TLS octets, a scanner's greeting
    )


def _line(status: str) -> ParserElement:
    """Match a whole line whose status code matches `status`."""
    user = rx(rf'[^"\\]*(?:\\.[^"\\]*)*(?= \[{_TIME}\] ")')
    return (
        _client()
        + rx(r'[^ "]+ ')
        + (rx(r'-(?= \[[^\]"]+\] ")') | lit('""') | user("user.name"))
        + lit(" [")
        + rx(_TIME)("log.time")
        + lit('] "')
        + _request()
        + lit('" ')
        + rx(status)("http.response.status_code")
        + lit(" ")
        + (integer()("http.response.body.bytes") | lit("-"))
        + Opt(_quoted("http.request.referrer") + Opt(_quoted("user_agent.original")))
        + rx(r"(?= |\Z)")
    )


def _sets(outcome: str) -> dict[str, FieldValue]:
    return {"event.action": "http-request", "event.outcome": outcome, "event.category": ["web"]}


_COMMON: Mapping[str, FieldValue] = {
    "event.action": "http-request",
    "event.category": ["web"],
    "log.time": "22/Nov/2026:10:00:00 +0000",
}
_SERVED: Mapping[str, FieldValue] = {**_COMMON, "event.outcome": "success"}
_FAILED: Mapping[str, FieldValue] = {**_COMMON, "event.outcome": "failure"}
_NOW = "[22/Nov/2026:10:00:00 +0000]"

GRAMMAR = Grammar(
    name="web_access",
    programs=(),
    forms=(
        Form("request", _line("[0-3][0-9]{2}"), _sets("success"), split_target, TARGET_FIELDS),
        Form("request-failed", _line("[4-9][0-9]{2}"), _sets("failure"), split_target, TARGET_FIELDS),
    ),
    examples=(
        Example(
            f'192.0.2.7 - - {_NOW} "GET /shop/list?page=2&sort=a HTTP/1.1" 200 612 "https://www.example.org/" "curl/8"',
            {
                **_SERVED,
                "source.ip": "192.0.2.7",
                "http.request.method": "GET",
                "url.original": "/shop/list?page=2&sort=a",
                "url.path": "/shop/list",
                "url.query": "page=2&sort=a",
                "http.version": "1.1",
                "http.response.status_code": 200,
                "http.response.body.bytes": 612,
                "http.request.referrer": "https://www.example.org/",
                "user_agent.original": "curl/8",
            },
            "nginx",
        ),
        Example(
            f'2001:db8::17 - carol {_NOW} "HEAD / HTTP/2.0" 304 -',
            {
                **_SERVED,
                "source.ip": "2001:db8::17",
                "user.name": "carol",
                "http.request.method": "HEAD",
                "url.original": "/",
                "url.path": "/",
                "http.version": "2.0",
                "http.response.status_code": 304,
            },
            "httpd",
        ),
        Example(
            f'www.example.org:443 198.51.100.9 - - {_NOW} "POST /login HTTP/1.1" 302 0 "-" "" 0.004 "10.9.8.7"',
            {
                **_SERVED,
                "server.address": "www.example.org",
                "server.port": 443,
                "source.ip": "198.51.100.9",
                "http.request.method": "POST",
                "url.original": "/login",
                "url.path": "/login",
                "http.version": "1.1",
                "http.response.status_code": 302,
                "http.response.body.bytes": 0,
            },
            "apache2",
        ),
        Example(
            f'*.example.org:80 2001:db8::17 - - {_NOW} "GET /" 200 5',
            {
                **_SERVED,
                "server.address": "*.example.org",
                "server.port": 80,
                "source.ip": "2001:db8::17",
                "http.request.method": "GET",
                "url.original": "/",
                "url.path": "/",
                "http.response.status_code": 200,
                "http.response.body.bytes": 5,
            },
        ),
        Example(
            f'www.example.org 192.0.2.7 - - {_NOW} "GET / HTTP/1.1" 500 -',
            {
                **_FAILED,
                "server.address": "www.example.org",
                "source.ip": "192.0.2.7",
                "http.request.method": "GET",
                "url.original": "/",
                "url.path": "/",
                "http.version": "1.1",
                "http.response.status_code": 500,
            },
        ),
        Example(  # a proxy's absolute form, and a client whose name was looked up
            f'pc7.example.net - - {_NOW} "GET http://www.example.org/a?b HTTP/1.1" 403 199',
            {
                **_FAILED,
                "source.address": "pc7.example.net",
                "http.request.method": "GET",
                "url.original": "http://www.example.org/a?b",
                "url.path": "/a",
                "url.query": "b",
                "http.version": "1.1",
                "http.response.status_code": 403,
                "http.response.body.bytes": 199,
            },
        ),
        Example(  # TLS on the plain port
            f'192.0.2.7 - - {_NOW} "\\x16\\x03\\x01\\x00\\xEE" 400 157 "-" "-"',
            {
                **_FAILED,
                "source.ip": "192.0.2.7",
                "http.request.line": "\\x16\\x03\\x01\\x00\\xEE",
                "http.response.status_code": 400,
                "http.response.body.bytes": 157,
            },
        ),
        Example(
            f'192.0.2.7 - - {_NOW} "-" 408 -',
            {**_FAILED, "source.ip": "192.0.2.7", "http.response.status_code": 408},
        ),
        Example(
            f'192.0.2.7 - - {_NOW} "" 400 0 "-" "-"',
            {
                **_FAILED,
                "source.ip": "192.0.2.7",
                "http.response.status_code": 400,
                "http.response.body.bytes": 0,
            },
        ),
        Example(  # an attack: the user name is a copy of the log's form, its quotes escaped as Apache does
            f'192.0.2.7 - x {_NOW} \\"GET / HTTP/1.1\\" 200 5 {_NOW} "GET /admin HTTP/1.1" 401 381',
            {
                **_FAILED,
                "source.ip": "192.0.2.7",
                "user.name": f'x {_NOW} \\"GET / HTTP/1.1\\" 200 5',
                "http.request.method": "GET",
                "url.original": "/admin",
                "url.path": "/admin",
                "http.version": "1.1",
                "http.response.status_code": 401,
                "http.response.body.bytes": 381,
            },
        ),
        Example(  # an attack: a user name that begins like a virtual host's client
            f'192.0.2.7 - 198.51.100.1 - - {_NOW} "GET / HTTP/1.1" 401 381',
            {
                **_FAILED,
                "source.ip": "192.0.2.7",
                "user.name": "198.51.100.1 - -",
                "http.request.method": "GET",
                "url.original": "/",
                "url.path": "/",
                "http.version": "1.1",
                "http.response.status_code": 401,
                "http.response.body.bytes": 381,
            },
        ),
        Example(  # an attack: the URL says 200, the server says 404
            f'192.0.2.7 - - {_NOW} "GET /x HTTP/1.1\\" 200 5 \\"-\\" \\"- HTTP/1.1" 404 153 "\\"" "a \\"b\\" {_NOW}"',
            {
                **_FAILED,
                "source.ip": "192.0.2.7",
                "http.request.method": "GET",
                "url.original": '/x HTTP/1.1\\" 200 5 \\"-\\" \\"-',
                "url.path": '/x HTTP/1.1\\" 200 5 \\"-\\" \\"-',
                "http.version": "1.1",
                "http.response.status_code": 404,
                "http.response.body.bytes": 153,
                "http.request.referrer": '\\"',
                "user_agent.original": f'a \\"b\\" {_NOW}',
            },
        ),
        Example(f'203.0.113.5, 192.0.2.7 - - {_NOW} "GET / HTTP/1.1" 200 5', None),  # X-Forwarded-For proves nothing
        Example('192.0.2.7 - - "GET / HTTP/1.1" 200 5', None),
    ),
)
