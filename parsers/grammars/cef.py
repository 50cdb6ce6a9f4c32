r"""ArcSight's Common Event Format, whatever program wrote it.

Documented in "Micro Focus Security ArcSight Common Event Format", version 26:
`CEF:0|Vendor|Product|Version|SignatureID|Name|Severity|key=value key=value`, with `\|` and `\\` in the header and
`\=`, `\\`, `\n` and `\r` in values. A value runs to the next blank that a key and a bare `=` follow. `CEF:` may be
missing, for a syslog header's parser takes it for the tag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyparsing import Opt

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.aliases import put
from parsers.grammars.tokens import lit, rest, rx

MAX_PAIRS = 256
"""CEF's dictionary has some 150 keys; more is no record that a rule is written for."""

KEYS: Mapping[str, str] = {
    "act": "event.action",
    "app": "network.protocol",
    "dhost": "destination.domain",
    "dmac": "destination.mac",
    "dntdom": "user.target.domain",
    "duid": "user.target.id",
    "duser": "user.target.name",
    "dvc": "observer.ip",
    "dvchost": "observer.hostname",
    "externalId": "event.id",
    "filePath": "file.path",
    "fname": "file.name",
    "fsize": "file.size",
    "in": "source.bytes",
    "out": "destination.bytes",
    "request": "url.original",
    "requestClientApplication": "user_agent.original",
    "requestContext": "http.request.referrer",
    "requestMethod": "http.request.method",
    "rt": "log.time",
    "shost": "source.domain",
    "smac": "source.mac",
    "sntdom": "user.domain",
    "suid": "user.id",
    "suser": "user.name",
}
"""CEF's own words in ECS names: the source's user acts (`user.*`), the destination's is acted upon."""

HASHES = {32: "file.hash.md5", 40: "file.hash.sha1", 64: "file.hash.sha256", 128: "file.hash.sha512"}
"""The field of a file's hash, by the number of its hexadecimal digits."""

_HEADER = r"(?!\|)[^|\\]*+(?:\\.[^|\\]*+)*+"
_ESCAPED = ("observer.vendor", "observer.product", "observer.version", "event.code", "rule.name")
_KEY = re.compile(r"(?:\A|(?<= ))([A-Za-z0-9_][A-Za-z0-9_.\[\]-]*+)=")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r"}
_TEXT = "labels.cef"


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text) if "\\" in text else text


def _pairs(text: str) -> list[tuple[str, str]] | None:
    """Split an extension into keys and values with their escapes; None for what is none, or too long a one."""
    found = list(_KEY.finditer(text))
    if len(found) > MAX_PAIRS or (text and (not found or found[0].start() > 0)):
        return None
    stops = [*(match.start() for match in found), len(text)][1:]
    return [(match[1], text[match.end() : stop].rstrip(" ")) for match, stop in zip(found, stops, strict=True)]


def _refine(fields: dict[str, FieldValue]) -> bool:
    pairs = _pairs(str(fields.pop(_TEXT)).strip(" \r\n"))
    if pairs is None:
        return False
    for header in _ESCAPED:
        if header in fields:
            fields[header] = _unescaped(str(fields[header]))
    words = {key for key, _ in pairs}
    labels = {key[:-5]: _unescaped(value) for key, value in pairs if key.endswith("Label") and value}
    for key, value in pairs:
        if not value or (key.endswith("Label") and key[:-5] in words):
            continue
        name = HASHES.get(len(value)) if key == "fileHash" else KEYS.get(key)
        if key in labels:
            name = f"labels.{labels[key]}"
        put(fields, key, _unescaped(value), name)
    return True


_WALL: Mapping[str, FieldValue] = {
    "observer.vendor": "Example",
    "observer.product": "Wall",
    "observer.version": "1.2",
    "event.code": "100",
    "rule.name": "port scan",
    "event.severity": 7,
}
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

GRAMMAR = Grammar(
    name="cef",
    programs=(),
    forms=(
        Form(
            "cef",
            rx(r" *(?:CEF: ?)?[01]\|")
            + Opt(rx(_HEADER)("observer.vendor"))
            + lit("|")
            + Opt(rx(_HEADER)("observer.product"))
            + lit("|")
            + Opt(rx(_HEADER)("observer.version"))
            + lit("|")
            + Opt(rx(_HEADER)("event.code"))
            + lit("|")
            + Opt(rx(_HEADER)("rule.name"))
            + lit("|")
            + Opt(rx(r"(?i:[0-9]{1,2}|unknown|low|medium|high|very-high)(?=\|)")("event.severity"))
            + lit("|")
            + rest()(_TEXT),
            refine=_refine,
            any_field=True,
            escape=r"\\",
        ),
    ),
    examples=(
        Example(
            "CEF:0|Example|Wall|1.2|100|port scan|7|src=192.0.2.7 spt=40000 dst=198.51.100.1 dpt=22 proto=TCP act=drop "
            "msg=22 ports in 3 s outcome=failure cnt=22",
            {
                **_WALL,
                "source.ip": "192.0.2.7",
                "source.port": 40000,
                "destination.ip": "198.51.100.1",
                "destination.port": 22,
                "network.transport": "TCP",
                "event.action": "drop",
                "log.message": "22 ports in 3 s",
                "event.outcome": "failure",
                "labels.cnt": "22",
            },
        ),
        Example(
            r" CEF: 1|Ex\|ample|a\\b|||sign-in|Very-High|suser=CORP\\alice duser=root cs1Label=Access Group cs1=wheel "
            r"cs2Label= cs2=x shost= request=https://www.example.org/?a\=b&c=d reason=first line\nsecond",
            {
                "observer.vendor": "Ex|ample",
                "observer.product": "a\\b",
                "rule.name": "sign-in",
                "event.severity": "Very-High",
                "user.name": "CORP\\alice",
                "user.target.name": "root",
                "labels.Access Group": "wheel",
                "labels.cs2": "x",
                "url.original": "https://www.example.org/?a=b&c=d",
                "event.reason": "first line\nsecond",
            },
        ),
        Example(  # a syslog parser took `CEF:` for the tag
            f"0|Example|Wall|1.2|100|port scan|7|fname=a b.exe fsize=4096 fileHash={_SHA256} app=SMTP ",
            {
                **_WALL,
                "file.name": "a b.exe",
                "file.size": 4096,
                "file.hash.sha256": _SHA256,
                "network.protocol": "SMTP",
            },
            "CEF",
        ),
        Example("CEF:0|Example|Wall|1.2|100|port scan|7|", _WALL),
        Example(  # an attack: a message with a second source, escaped and not
            r"CEF:0|Example|Wall|1.2|100|port scan|7|src=192.0.2.7 msg=hi src\=203.0.113.9 src=198.51.100.1 "
            "dst=nowhere",
            {
                **_WALL,
                "source.ip": "192.0.2.7",
                "log.message": "hi src=203.0.113.9",
                "labels.src": "198.51.100.1",
                "destination.address": "nowhere",
            },
        ),
        Example(  # an attack: labels that are the gateway's own fields
            "CEF:0|Example|Wall|1.2|100|port scan|7|gateway.trust=local cs1Label=gateway.trust cs1=local",
            {**_WALL, "labels.gateway.trust": "local", "labels.cs1": "local"},
        ),
        Example("CEF:0|Example|Wall|1.2|100|port scan", None),
        Example("CEF:0|Example|Wall|1.2|100|port scan|7|no pairs here", None),
    ),
)
