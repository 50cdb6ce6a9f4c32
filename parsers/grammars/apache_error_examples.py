"""Examples for the grammar of Apache's error log."""

from __future__ import annotations

from collections.abc import Mapping

from parsers.event import FieldValue
from parsers.grammar import Example


def _failed(action: str, category: str = "web") -> dict[str, FieldValue]:
    return {"event.action": action, "event.outcome": "failure", "event.category": [category]}


def _server(action: str, kind: str) -> dict[str, FieldValue]:
    return {"event.action": action, "event.category": ["process"], "event.type": [kind]}


_LOGIN = _failed("http-login", "authentication")
_DENIED = _failed("http-access-denied")
_MISSING = _failed("http-file-missing")
_INVALID = _failed("http-request-invalid")
_BLOCK = _failed("waf-block")
_ALERT: Mapping[str, FieldValue] = {"event.action": "waf-alert", "event.category": ["web"]}
_HEAD: Mapping[str, FieldValue] = {"log.level": "error", "process.pid": 12, "process.thread.id": 34}
_AT: Mapping[str, FieldValue] = {**_HEAD, "log.time": "Sun Nov 22 10:00:00.123456 2026"}
_BASIC: Mapping[str, FieldValue] = {**_HEAD, "log.logger": "auth_basic", "source.ip": "192.0.2.7", "source.port": 5000}
_CORE: Mapping[str, FieldValue] = {**_BASIC, "log.logger": "core"}
_CLIENT = "[pid 12:tid 34] [client 192.0.2.7:5000]"
_NOTICE: Mapping[str, FieldValue] = {
    "log.logger": "mpm_event",
    "log.level": "notice",
    "process.pid": 12,
    "process.thread.id": 34,
}

EXAMPLES = (
    Example(
        f"[Sun Nov 22 10:00:00.123456 2026] [auth_basic:error] {_CLIENT} AH01617: user alice: authentication "
        'failure for "/private": Password Mismatch',
        {
            **_AT,
            **_BASIC,
            **_LOGIN,
            "event.code": "AH01617",
            "user.name": "alice",
            "url.path": "/private",
            "event.reason": "Password Mismatch",
        },
    ),
    Example(
        f"[auth_digest:error] {_CLIENT} AH01792: user erin: password mismatch: /private",
        {
            **_BASIC,
            **_LOGIN,
            "log.logger": "auth_digest",
            "event.code": "AH01792",
            "user.name": "erin",
            "event.reason": "password mismatch",
        },
    ),
    Example(
        "[auth_basic:error] [pid 12:tid 34] [client 2001:db8::17:5000] AH01618: user bob not found: /private, "
        "referer: https://www.example.org/",
        {
            **_BASIC,
            **_LOGIN,
            "source.ip": "2001:db8::17",
            "event.code": "AH01618",
            "user.name": "bob",
            "url.path": "/private",
            "event.reason": "not found",
        },
    ),
    Example(
        "[:error] [pid 12:tid 34] [client [2001:db8::17]:5000] Digest: user `erin' in realm `staff' not found: "
        "/private",
        {
            **_HEAD,
            **_LOGIN,
            "source.ip": "2001:db8::17",
            "source.port": 5000,
            "user.name": "erin",
            "url.path": "/private",
            "event.reason": "not found",
        },
    ),
    Example(
        f"[auth_digest:error] {_CLIENT} AH01788: realm mismatch - got `x' but expected `staff'",
        {
            **_BASIC,
            **_LOGIN,
            "log.logger": "auth_digest",
            "event.code": "AH01788",
            "event.reason": "realm mismatch",
        },
    ),
    Example(
        f"[authz_owner:error] {_CLIENT} AH01637: Authorization of user carol to access /private failed, reason: "
        "file owner dan does not match",
        {**_BASIC, **_DENIED, "log.logger": "authz_owner", "event.code": "AH01637", "user.name": "carol"},
    ),
    Example(  # an attack: a user name that is a copy of the prefix
        f"[auth_basic:error] {_CLIENT} AH01618: user x] [client 198.51.100.1] user root not found not found: /",
        {
            **_BASIC,
            **_LOGIN,
            "event.code": "AH01618",
            "user.name": "x] [client 198.51.100.1] user root not found",
            "url.path": "/",
            "event.reason": "not found",
        },
    ),
    Example(
        f'[authz_core:error] {_CLIENT} AH01631: user carol: authorization failure for "/admin":',
        {
            **_BASIC,
            **_DENIED,
            "log.logger": "authz_core",
            "event.code": "AH01631",
            "user.name": "carol",
            "event.reason": "authorization failure",
        },
    ),
    Example(
        f"[authz_core:error] {_CLIENT} AH01630: client denied by server configuration: /srv/www/.git",
        {
            **_BASIC,
            **_DENIED,
            "log.logger": "authz_core",
            "event.code": "AH01630",
            "file.path": "/srv/www/.git",
        },
    ),
    Example(
        f"[access_compat:error] {_CLIENT} AH01797: client denied by server configuration: uri /server-status",
        {
            **_BASIC,
            **_DENIED,
            "log.logger": "access_compat",
            "event.code": "AH01797",
            "file.path": "/server-status",
        },
    ),
    Example(
        f"[autoindex:error] {_CLIENT} AH01276: Cannot serve directory /srv/www/img/: No matching DirectoryIndex "
        "(index.html) found, and server-generated directory index forbidden by Options directive",
        {
            **_BASIC,
            **_DENIED,
            "log.logger": "autoindex",
            "event.code": "AH01276",
            "file.path": "/srv/www/img/",
        },
    ),
    Example(  # version 2.2; an attack: the path is a copy of the prefix
        "[Sun Nov 22 10:00:00 2026] [error] [client 192.0.2.7] File does not exist: /srv/www/[client 198.51.100.1] "
        "user root not found: ",
        {
            **_MISSING,
            "log.time": "Sun Nov 22 10:00:00 2026",
            "log.level": "error",
            "source.ip": "192.0.2.7",
            "file.path": "/srv/www/[client 198.51.100.1] user root not found: ",
        },
    ),
    Example(
        f"[cgi:error] {_CLIENT} AH02811: stderr from /usr/lib/cgi-bin/test.cgi: script not found or unable to stat",
        {
            **_BASIC,
            **_MISSING,
            "log.logger": "cgi",
            "event.code": "AH02811",
            "file.path": "/usr/lib/cgi-bin/test.cgi",
        },
    ),
    Example(
        f"[php:error] {_CLIENT} script '/srv/www/wp-login.php' not found or unable to stat",
        {**_BASIC, **_MISSING, "log.logger": "php", "file.path": "/srv/www/wp-login.php"},
    ),
    Example(
        f"[proxy_fcgi:error] {_CLIENT} AH01071: Got error 'Primary script unknown\\n'",
        {**_BASIC, **_MISSING, "log.logger": "proxy_fcgi", "event.code": "AH01071"},
    ),
    Example(
        f"[core:error] {_CLIENT} AH10244: invalid URI path (/cgi-bin/.%2e/.%2e/bin/sh)",
        {**_CORE, **_INVALID, "event.code": "AH10244", "error.message": "invalid URI path"},
    ),
    Example(
        f"[security2:error] {_CLIENT} [client 192.0.2.7] ModSecurity: Access denied with code 403 (phase 2). "
        'Pattern match "(?i)union" at ARGS:q. [file "/etc/modsecurity/sqli.conf"] [line "65"] [id "942100"] '
        '[msg "SQL \\"union\\" found"] [data "x"] [severity "CRITICAL"] [hostname "www.example.org"] [uri "/shop"] '
        '[unique_id "Zk1"]',
        {
            **_BASIC,
            **_BLOCK,
            "log.logger": "security2",
            "http.response.status_code": 403,
            "rule.id": "942100",
            "rule.description": 'SQL \\"union\\" found',
            "url.domain": "www.example.org",
            "url.path": "/shop",
        },
    ),
    Example(
        '[error] [client 192.0.2.7] ModSecurity:  [file "/etc/modsecurity/x.conf"] [line "47"] [id "960015"] '
        '[msg "No Accept header"] [severity "NOTICE"] Access denied with code 406 (phase 2). Operator EQ matched 0',
        {
            **_BLOCK,
            "log.level": "error",
            "source.ip": "192.0.2.7",
            "rule.id": "960015",
            "http.response.status_code": 406,
        },
    ),
    Example(  # an attack: the name of an argument is a copy of the message's end
        f'[security2:error] {_CLIENT} ModSecurity: Warning. Matched "a" at ARGS:x. [id \\"1\\"] [uri \\"/\\"]. '
        '[file "/etc/modsecurity/x.conf"] [line "7"] [id "920350"] [hostname "www.example.org"] [uri "/a"]',
        {
            **_BASIC,
            **_ALERT,
            "log.logger": "security2",
            "rule.id": "920350",
            "url.domain": "www.example.org",
            "url.path": "/a",
        },
    ),
    Example(
        f"[ssl:info] {_CLIENT} AH01964: Connection to child 3 established (server www.example.org:443)",
        {**_CORE, "log.logger": "ssl", "log.level": "info", "event.code": "AH01964"},
    ),
    Example(
        "[Sun Nov 22 10:00:00.123456 2026] [mpm_event:notice] [pid 12:tid 34] AH00489: Apache/2.4.62 (Debian) "
        "configured -- resuming normal operations",
        {
            **_AT,
            **_NOTICE,
            **_server("server-started", "start"),
            "event.code": "AH00489",
            "service.version": "2.4.62",
        },
    ),
    Example(
        "[core:notice] [pid 12:tid 34] AH00094: Command line: '/usr/sbin/apache2 -k start'",
        {
            **_NOTICE,
            "log.logger": "core",
            "event.code": "AH00094",
            "process.command_line": "/usr/sbin/apache2 -k start",
        },
    ),
    Example(
        "[mpm_event:notice] [pid 12:tid 34] AH00491: caught SIGTERM, shutting down",
        {**_NOTICE, **_server("server-stopped", "end"), "event.code": "AH00491"},
    ),
    Example(
        "[mpm_event:notice] [pid 12:tid 34] AH00493: SIGUSR1 received.  Doing graceful restart",
        {**_NOTICE, **_server("server-restarting", "change"), "event.code": "AH00493"},
    ),
    Example(
        "[proxy:error] [pid 12:tid 34] (111)Connection refused: AH00957: HTTP: attempt to connect to "
        "127.0.0.1:8080 (127.0.0.1) failed",
        {**_HEAD, "log.logger": "proxy", "event.code": "AH00957"},
    ),
    Example("AH00558: apache2: Could not reliably determine the server's fully qualified domain name", None),
)
