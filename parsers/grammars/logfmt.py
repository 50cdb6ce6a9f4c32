r"""Texts that are key=value pairs from end to end (logfmt), whatever program wrote them.

There is no standard; the form is that of https://pkg.go.dev/github.com/go-logfmt/logfmt and of many firewalls: keys
without blanks, values bare or in double quotes with the escapes of JSON. One word that is no pair, and the text is
prose. Keys become fields as `aliases.field_name` says.
"""

from __future__ import annotations

import re

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.aliases import put
from parsers.grammars.tokens import rx

MAX_PAIRS = 256
"""More is no message that a rule is written for, and each pair costs a microsecond."""

_KEY = r"[A-Za-z_@][A-Za-z0-9_.@/-]*+"
_QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BARE = r'(?!")[^ \t"]*+'
_ALL = rf"(?:{_KEY}=(?:{_QUOTED}|{_BARE})(?:[ \t]++|\Z)){{2,{MAX_PAIRS}}}+\Z"
_PAIR = re.compile(rf'({_KEY})=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^ \t"]*+))')
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_TEXT = "labels.logfmt"


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        character = chr(int(found[1], 16))
        return "\ufffd" if "\ud800" <= character <= "\udfff" else character
    return _ESCAPES.get(found[2], found[2])


def _refine(fields: dict[str, FieldValue]) -> bool:
    text = str(fields.pop(_TEXT))
    for key, quoted, bare in _PAIR.findall(text):
        put(fields, key, _ESCAPE.sub(_unescaped, quoted) if "\\" in quoted else quoted or bare)
    return True


GRAMMAR = Grammar(
    name="logfmt",
    programs=(),
    forms=(Form("pairs", rx(_ALL)(_TEXT), refine=_refine, any_field=True, escape=r"\\"),),
    examples=(
        Example(
            'time=2026-11-22T10:00:00Z level=warn msg="login failed" user=alice src_ip=192.0.2.7 sport=5000 attempt=3',
            {
                "log.time": "2026-11-22T10:00:00Z",
                "log.level": "warn",
                "log.message": "login failed",
                "user.name": "alice",
                "source.ip": "192.0.2.7",
                "source.port": 5000,
                "labels.attempt": "3",
            },
        ),
        Example(
            'method=GET path=/shop status=503 duration=12ms err="dial \\"db\\":\\n\\u0074imeout" host=web1 empty= q=""',
            {
                "http.request.method": "GET",
                "url.path": "/shop",
                "http.response.status_code": 503,
                "labels.duration": "12ms",
                "error.message": 'dial "db":\ntimeout',
                "labels.host": "web1",
                "labels.empty": "",
                "labels.q": "",
            },
        ),
        Example(
            "srcip=fw.example.org dstip=2001:db8::17 dstport=0443 source.ip=192.0.2.7 action=deny token=YWI=",
            {
                "source.address": "fw.example.org",
                "destination.ip": "2001:db8::17",
                "destination.port": 443,
                "source.ip": "192.0.2.7",
                "event.action": "deny",
                "labels.token": "YWI=",
            },
        ),
        Example(  # an attack: a message that claims trust, a host and a second source
            "gateway.trust=local log.syslog.hostname=db1 host.name=db1 event.module=sshd src=192.0.2.7 "
            "src=198.51.100.1",
            {
                "labels.gateway.trust": "local",
                "labels.log.syslog.hostname": "db1",
                "labels.host.name": "db1",
                "labels.event.module": "sshd",
                "source.ip": "192.0.2.7",
                "labels.src": "198.51.100.1",
            },
        ),
        Example(  # an attack: quotes keep a copy of the form inside one value
            'msg="x user=root src=198.51.100.1 \\" user=root" user=mallory\\',
            {"log.message": 'x user=root src=198.51.100.1 " user=root', "user.name": "mallory\\"},
        ),
        Example("Accepted user=alice src=192.0.2.7", None),
        Example("key=value", None),
        Example('a=b c="unclosed', None),
        Example('a="b"c=d e=f', None),
    ),
)
