r"""Texts that are one JSON object, with or without the cookie `@cee:`, whatever program wrote them.

JSON: RFC 8259. The cookie: https://cee.mitre.org/language/1.0-beta1/clt.html, as rsyslog and syslog-ng write it.

Objects within the object become names with dots, which become fields as `aliases.field_name` says; arrays, numbers and
truth values stay what they are. Of a key that comes twice the last counts, as in most readers. What is no JSON (also
`NaN` and `Infinity`, which RFC 8259 excludes) or goes beyond a limit is declined whole: half a record would lie.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import NoReturn

from pyparsing import Opt

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.aliases import put
from parsers.grammars.tokens import rx

MAX_DEPTH = 16
"""Deepest nesting: Elasticsearch allows 20 in an index, and whoever walks the value later recurses once a level."""

MAX_VALUES = 1024
"""Most values in all: a frame of 64 KiB could hold 16,000, and a rule's window keeps events in memory."""

_LONGEST_NUMBER = 2**63 - 1
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_TEXT = "labels.json"

_BEFORE = r"[:,\[ \t\r\n]-?"  # not in the middle of a word, as in a hash
_NUMBERS = (
    _BEFORE + r"[0-9][0-9.]*[eE][+-]?[0-9]",
    _BEFORE + r"0\.0000",  # Python writes 1e-05
    # from 16 digits on a fraction may not come back as it was: so many before the point, so many behind it
    *(
        _BEFORE + rf"[0-9]{{{least},}}\.[0-9]{{{16 - most}}}"
        for least, most in ((1, 3), (4, 7), (8, 9), (10, 12), (13, 15))
    ),
)


class _DeclinedError(ValueError):
    """The object goes beyond a limit, or no other program could read what we would write."""


def _not_json(constant: str) -> NoReturn:
    raise _DeclinedError(constant)


_DECODER = json.JSONDecoder(parse_constant=_not_json)


class _Flat:
    """Collects the fields of one object, and counts what is in it."""

    def __init__(self, fields: dict[str, FieldValue], *, escapes: bool) -> None:
        self._fields = fields
        self._escapes = escapes
        self._left = MAX_VALUES

    def take(self, members: dict[str, FieldValue], path: str = "", depth: int = 1) -> None:
        """Set the fields of an object whose members' names begin with `path`."""
        for key, value in members.items():
            name = path + self._text(key)
            if isinstance(value, dict) and value:
                self._count(depth)
                self.take(value, f"{name}.", depth + 1)
            else:
                put(self._fields, name, self._clean(value, depth))

    def _clean(self, value: FieldValue, depth: int) -> FieldValue:
        """Return the value as every reader of our JSON can take it."""
        self._count(depth)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._clean(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {self._text(key): self._clean(item, depth + 1) for key, item in value.items()}
        if isinstance(value, float) and not isfinite(value):
            raise _DeclinedError  # 1e999
        if isinstance(value, int) and not -_LONGEST_NUMBER <= value <= _LONGEST_NUMBER:
            return str(value)  # beyond 64 bits other readers lose digits or fail
        return value

    def _count(self, depth: int) -> None:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise _DeclinedError

    def _text(self, text: str) -> str:
        r"""Replace half of a surrogate pair (`\ud800`), which no encoding can carry; octets that were no UTF-8 stay."""
        return _LONE.sub("\ufffd", text) if self._escapes and not text.isascii() else text


def _refine(fields: dict[str, FieldValue]) -> bool:
    text = str(fields.pop(_TEXT))
    try:
        members, stop = _DECODER.raw_decode(text)
        if text[stop:].strip(" \t\r\n"):
            return False
        found: dict[str, FieldValue] = {}
        _Flat(found, escapes="\\u" in text).take(members)
    except (ValueError, RecursionError):  # numbers of thousands of digits, and brackets by the thousand
        return False
    fields.update(found)
    return True


GRAMMAR = Grammar(
    name="json",
    programs=(),
    forms=(
        Form(
            "object",
            Opt(rx(r" *@cee: *")) + rx(r'\{[ \t\r\n]*+["}](?s:.*)(?<=\})[ \t\r\n]*+\Z')(_TEXT),
            refine=_refine,
            any_field=True,
            escape=r"\\",
            numbers=_NUMBERS,
        ),
    ),
    examples=(
        Example(
            '@cee: {"time":"2026-11-22T10:00:00Z","level":"warn","msg":"login failed","user":"alice","src":"192.0.2.7",'
            '"sport":"5000","tries":[1,2.5,null],"ok":false}',
            {
                "log.time": "2026-11-22T10:00:00Z",
                "log.level": "warn",
                "log.message": "login failed",
                "user.name": "alice",
                "source.ip": "192.0.2.7",
                "source.port": 5000,
                "labels.tries": [1, 2.5, None],
                "labels.ok": False,
            },
        ),
        Example(
            '@cee:{"event":{"action":"upload","category":["file"]},"file.path":"/srv/a b.csv","app":{"id":7,"x":{}}}',
            {
                "event.action": "upload",
                "event.category": ["file"],
                "file.path": "/srv/a b.csv",
                "labels.app.id": 7,
                "labels.app.x": {},
            },
        ),
        Example(
            '{"source": {"ip": "2001:db8::17", "port": 5000}, "err": "a \\"b\\" \\u00e9", "gone": null, "host": "w"}\n',
            {
                "source.ip": "2001:db8::17",
                "source.port": 5000,
                "error.message": 'a "b" é',
                "labels.host": "w",
            },
        ),
        Example(  # an attack: an object that claims trust, a host and another form
            '{"gateway":{"trust":"local"},"log":{"syslog":{"hostname":"db1"}},"host":{"name":"db1"},"@timestamp":"x",'
            '"message":"{}","event.module":"sshd","src":"192.0.2.7; reboot"}',
            {
                "labels.gateway.trust": "local",
                "labels.log.syslog.hostname": "db1",
                "labels.host.name": "db1",
                "log.time": "x",
                "log.message": "{}",
                "labels.event.module": "sshd",
                "source.address": "192.0.2.7; reboot",
            },
        ),
        Example(  # halves of surrogate pairs, a key twice, a number beyond 64 bits
            '{"a":"\\ud800x","a":"\\udfffy","b":18446744073709551616}',
            {"labels.a": "\ufffdy", "labels.b": "18446744073709551616"},
        ),
        Example("{}", {}),
        Example('{"a":1} trailing', None),
        Example('{"a":NaN}', None),
        Example('{"a":1e999}', None),
        Example('{"a":1,}', None),
        Example('["a"]', None),
    ),
)
