"""vsftpd: logins, transfers and refusals, as it writes them with `syslog_enable=YES` or into `vsftpd.log`.

The forms are those of `vsftpd.conf(5)` (`xferlog_enable`, `log_ftp_protocol`) and of logging.c. A stranger chooses the
user name before the address and the path behind it. So a user name holds no `]`, a path holds no `] OK ` and `] FAIL `,
and the line ends where the form does: a line that could be read in two ways is not read.
"""

from __future__ import annotations

from pyparsing import NotAny, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.tokens import end, integer, lit, peer_address, rx

_STAMP = Opt(rx(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4} (?=\[)"))
_PID = Opt(lit("[pid ") + integer()("process.pid") + lit("] "))
_USER = lit("[") + rx(r"[^\]]+")("user.name") + lit("] ")
_CLIENT = lit('Client "') + peer_address("source.ip") + lit('"')
_ONE_READING = NotAny(rx(r"(?:[^\]]++|\](?! (?:OK|FAIL) ))*+\] (?:OK|FAIL) "))


def _line(content: ParserElement) -> ParserElement:
    return _STAMP + _PID + content + end()


def _quoted(field: str) -> ParserElement:
    return lit(', "') + _ONE_READING + rx(r'.+(?="\Z)')(field) + lit('"')


def _sets(category: str, action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    sets: dict[str, FieldValue] = {"network.protocol": "ftp", "event.category": [category], "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_LOGIN = _sets("authentication", "ftp-login", "success")
_LOGIN_FAILED = _sets("authentication", "ftp-login", "failure")


def _transfer(verb: str) -> ParserElement:
    size = Opt(lit(", ") + integer()("file.size") + lit(" bytes"))
    path = _ONE_READING + rx(r'.+(?=", [0-9]+ bytes, [0-9.]+Kbyte/sec\Z|", [0-9.]+Kbyte/sec\Z|"\Z)')("file.path")
    return lit(f"{verb}: ") + _CLIENT + lit(', "') + path + lit('"') + size + Opt(rx(r", [0-9.]+Kbyte/sec"))


def _file(verb: str, action: str) -> tuple[Form, Form]:
    name = verb.lower()
    return (
        Form(name, _line(_USER + _transfer(f"OK {verb}")), _sets("file", action, "success")),
        Form(f"{name}-failed", _line(_USER + _transfer(f"FAIL {verb}")), _sets("file", action, "failure")),
    )


_FORMS = (
    Form("connect", _line(rx(r"CONNECT: ") + _CLIENT + Opt(_quoted("event.reason"))), _sets("network", "ftp-connect")),
    Form("login-failed", _line(_USER + lit("FAIL LOGIN: ") + _CLIENT + Opt(_quoted("event.reason"))), _LOGIN_FAILED),
    Form(
        "login",
        _line(
            _USER
            + lit("OK LOGIN: ")
            + _CLIENT
            + Opt(lit(', anon password "') + _ONE_READING + rx(r'.+(?="\Z)')("vsftpd.anonymous_password") + lit('"'))
        ),
        _LOGIN,
    ),
    *_file("UPLOAD", "upload-complete"),
    *_file("DOWNLOAD", "download-complete"),
    *_file("DELETE", "file-deleted"),
    *_file("MKDIR", "directory-created"),
    *_file("RMDIR", "directory-deleted"),
    *_file("RENAME", "file-renamed"),
    *_file("APPEND", "upload-complete"),
    *_file("CHMOD", "file-mode-changed"),
    Form(
        "command",
        _line(Opt(_USER) + lit("FTP command: ") + _CLIENT + _quoted("vsftpd.command")),
        _sets("network", "ftp-command"),
    ),
    Form(
        "response",
        _line(Opt(_USER) + lit("FTP response: ") + _CLIENT + _quoted("vsftpd.response")),
        _sets("network", "ftp-response"),
    ),
    Form(
        "debug", _line(Opt(_USER) + lit("DEBUG: ") + _CLIENT + _quoted("event.reason")), _sets("network", "ftp-debug")
    ),
)

_FROM: dict[str, FieldValue] = {"source.ip": "192.0.2.21"}
_ALICE: dict[str, FieldValue] = {**_FROM, "user.name": "alice"}


_EXAMPLES = (
    Example('CONNECT: Client "192.0.2.21"', {**_sets("network", "ftp-connect"), **_FROM}),
    Example(
        'Fri Jan  2 10:00:00 2026 [pid 8123] CONNECT: Client "::ffff:192.0.2.21"',
        {**_sets("network", "ftp-connect"), **_FROM, "process.pid": 8123},
    ),
    Example(
        'CONNECT: Client "192.0.2.21", "Connection refused: too many sessions."',
        {**_sets("network", "ftp-connect"), **_FROM, "event.reason": "Connection refused: too many sessions."},
    ),
    Example('[alice] OK LOGIN: Client "192.0.2.21"', {**_LOGIN, **_ALICE}),
    Example(
        '[ftp] OK LOGIN: Client "2001:db8::21", anon password "guest@example.net"',
        {
            **_LOGIN,
            "user.name": "ftp",
            "source.ip": "2001:db8::21",
            "vsftpd.anonymous_password": "guest@example.net",
        },
    ),
    Example('[alice] FAIL LOGIN: Client "192.0.2.21"', {**_LOGIN_FAILED, **_ALICE}),
    Example('[pid 8124] [alice] FAIL LOGIN: Client "192.0.2.21"', {**_LOGIN_FAILED, **_ALICE, "process.pid": 8124}),
    Example(
        '[alice] FAIL LOGIN: Client "192.0.2.21", "User is not in the allow user list."',
        {**_LOGIN_FAILED, **_ALICE, "event.reason": "User is not in the allow user list."},
    ),
    # user names that are copies of the line
    Example('[x] FAIL LOGIN: Client "203.0.113.9"] FAIL LOGIN: Client "192.0.2.21"', None),
    Example('[x] FAIL LOGIN: Client "203.0.113.9", "] FAIL LOGIN: Client "192.0.2.21"', None),
    Example('[x] OK MKDIR: Client "203.0.113.9", "/a] FAIL LOGIN: Client "192.0.2.21"', None),
    Example(
        '[alice] OK UPLOAD: Client "192.0.2.21", "/in/report.csv", 5120 bytes, 99.50Kbyte/sec',
        {
            **_sets("file", "upload-complete", "success"),
            **_ALICE,
            "file.path": "/in/report.csv",
            "file.size": 5120,
        },
    ),
    Example(  # a file name that is a copy of the end of the line
        '[alice] OK UPLOAD: Client "192.0.2.21", "/a", 1 bytes, 1.00Kbyte/sec", 77 bytes, 2.00Kbyte/sec',
        {
            **_sets("file", "upload-complete", "success"),
            **_ALICE,
            "file.path": '/a", 1 bytes, 1.00Kbyte/sec',
            "file.size": 77,
        },
    ),
    Example(
        '[alice] FAIL UPLOAD: Client "192.0.2.21", "/in/report.csv", 0.00Kbyte/sec',
        {**_sets("file", "upload-complete", "failure"), **_ALICE, "file.path": "/in/report.csv"},
    ),
    Example(
        '[pid 8124] [alice] OK DOWNLOAD: Client "192.0.2.21", "/out/a b.txt", 12 bytes, 0.90Kbyte/sec',
        {
            **_sets("file", "download-complete", "success"),
            **_ALICE,
            "process.pid": 8124,
            "file.path": "/out/a b.txt",
            "file.size": 12,
        },
    ),
    Example(
        '[alice] FAIL DOWNLOAD: Client "192.0.2.21", "/out/none", 0.00Kbyte/sec',
        {**_sets("file", "download-complete", "failure"), **_ALICE, "file.path": "/out/none"},
    ),
    *(
        Example(
            f'[alice] {word} {verb}: Client "192.0.2.21", "/in/x"',
            {**_sets("file", action, outcome), **_ALICE, "file.path": "/in/x"},
        )
        for verb, action in (
            ("DELETE", "file-deleted"),
            ("MKDIR", "directory-created"),
            ("RMDIR", "directory-deleted"),
            ("CHMOD", "file-mode-changed"),
            ("APPEND", "upload-complete"),
        )
        for word, outcome in (("OK", "success"), ("FAIL", "failure"))
    ),
    *(
        Example(
            f'[alice] {word} RENAME: Client "192.0.2.21", "/in/x /in/y"',
            {**_sets("file", "file-renamed", outcome), **_ALICE, "file.path": "/in/x /in/y"},
        )
        for word, outcome in (("OK", "success"), ("FAIL", "failure"))
    ),
    Example(
        'FTP command: Client "192.0.2.21", "USER root"',
        {**_sets("network", "ftp-command"), **_FROM, "vsftpd.command": "USER root"},
    ),
    Example(
        '[alice] FTP response: Client "192.0.2.21", "530 Login incorrect."',
        {**_sets("network", "ftp-response"), **_ALICE, "vsftpd.response": "530 Login incorrect."},
    ),
    Example(
        'DEBUG: Client "192.0.2.21", "Control connection terminated without SSL shutdown."',
        {
            **_sets("network", "ftp-debug"),
            **_FROM,
            "event.reason": "Control connection terminated without SSL shutdown.",
        },
    ),
    Example("could not bind listening IPv4 socket", None),
)

GRAMMAR = Grammar(name="vsftpd", programs=("vsftpd",), forms=_FORMS, examples=_EXAMPLES)
