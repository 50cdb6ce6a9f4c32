r"""IBM QRadar's Log Event Extended Format, versions 1.0 and 2.0, whatever program wrote it.

Documented at https://www.ibm.com/docs/en/dsm?topic=leef-overview:
`LEEF:1.0|Vendor|Product|Version|EventID|key=value<tab>key=value`; 2.0 names its separator before the attributes, as a
character or its code (`x5E`, `0x5E`), or leaves it empty for the tab. There are no escapes. `LEEF:` may be missing,
for a syslog header's parser takes it for the tag; the tab may have become `#011` on its way through rsyslog, and some
devices separate with `|`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.aliases import put
from parsers.grammars.tokens import lit, rest, rx

MAX_PAIRS = 256
"""IBM's list has some 50 keys; more is no record that a rule is written for, and the rest is left."""

KEYS: Mapping[str, str] = {
    "accountName": "user.name",
    "devTime": "log.time",
    "domain": "user.domain",
    "dstBytes": "destination.bytes",
    "dstMAC": "destination.mac",
    "dstPort": "destination.port",
    "policy": "rule.name",
    "sev": "event.severity",
    "srcBytes": "source.bytes",
    "srcMAC": "source.mac",
    "srcPort": "source.port",
    "srcPostNAT": "source.nat.ip",
    "srcPostNATPort": "source.nat.port",
    "dstPostNAT": "destination.nat.ip",
    "dstPostNATPort": "destination.nat.port",
    "usrName": "user.name",
}
"""LEEF's own words in ECS names."""

_TEXT = "labels.leef"
_SEPARATOR = "labels.leef.separator"
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_CODE = re.compile(r"0?[xX]([0-9A-Fa-f]{1,4})")
_PIPED = re.compile(r"\|[A-Za-z_][A-Za-z0-9_.-]*=")


def _usual_separator(text: str) -> str:
    if "\t" in text:
        return "\t"
    if "#011" in text:
        return "#011"
    return "|" if _PIPED.search(text) else "\t"


def _refine(fields: dict[str, FieldValue]) -> bool:
    text = str(fields.pop(_TEXT))
    separator = str(fields.pop(_SEPARATOR, ""))
    code = _CODE.fullmatch(separator)
    if code:
        separator = chr(int(code[1], 16))
    found = False
    for piece in text.strip("\r\n").split(separator or _usual_separator(text), MAX_PAIRS)[:MAX_PAIRS]:
        key, equals, value = piece.partition("=")
        if equals and _KEY.fullmatch(key):
            found = True
            if value:
                put(fields, key, value, KEYS.get(key))
    return found or not text


def _header(version: str) -> ParserElement:
    return (
        rx(rf" *(?:LEEF: ?)?{version}\|")
        + Opt(rx(r"[^|]+")("observer.vendor"))
        + lit("|")
        + Opt(rx(r"[^|]+")("observer.product"))
        + lit("|")
        + Opt(rx(r"[^|]+")("observer.version"))
        + lit("|")
        + Opt(rx(r"[^|]+")("event.code"))
        + lit("|")
    )


_WALL: Mapping[str, FieldValue] = {
    "observer.vendor": "Example",
    "observer.product": "Wall",
    "observer.version": "1.2",
    "event.code": "100",
}
_FLOW: Mapping[str, FieldValue] = {**_WALL, "source.ip": "192.0.2.7", "source.port": 40000, "user.name": "alice b"}
_DECLARED = Opt(rx(r"(?:0?[xX][0-9A-Fa-f]{1,4}|(?s:.))(?=\|)")(_SEPARATOR)) + lit("|")

GRAMMAR = Grammar(
    name="leef",
    programs=(),
    forms=(
        Form("leef-1", _header(r"1\.0") + rest()(_TEXT), refine=_refine, any_field=True),
        Form("leef-2", _header(r"2\.0") + Opt(_DECLARED) + rest()(_TEXT), refine=_refine, any_field=True),
    ),
    examples=(
        Example(
            "LEEF:1.0|Example|Wall|1.2|100|src=192.0.2.7\tsrcPort=40000\tusrName=alice b\tsev=5\tcat=a=b\tdst=\n",
            {**_FLOW, "event.severity": 5, "labels.cat": "a=b"},
        ),
        Example("LEEF:1.0|Example|Wall|1.2|100|src=192.0.2.7#011srcPort=40000#011usrName=alice b", _FLOW),
        Example("1.0|Example|Wall|1.2|100|src=192.0.2.7|srcPort=40000|usrName=alice b|", _FLOW, "LEEF"),
        Example("LEEF:2.0|Example|Wall|1.2|100|^|src=192.0.2.7^srcPort=40000^usrName=alice b", _FLOW),
        Example("LEEF:2.0|Example|Wall|1.2|100|x5E|src=192.0.2.7^srcPort=40000^usrName=alice b", _FLOW),
        Example("LEEF:2.0|Example|Wall|1.2|100|0x7c|src=192.0.2.7|srcPort=40000|usrName=alice b", _FLOW),
        Example("LEEF:2.0|Example|Wall|1.2|100||src=192.0.2.7\tsrcPort=40000\tusrName=alice b", _FLOW),
        Example("LEEF:2.0|Example|Wall|1.2|100|src=192.0.2.7\tsrcPort=40000\tusrName=alice b", _FLOW),
        Example(  # an attack: a value that holds the form with another separator, and fields of the gateway's own
            "LEEF:2.0|Example|Wall|1.2|100|^|src=192.0.2.7^usrName=x\tsrc=198.51.100.1|src=203.0.113.9^src=none"
            "^event.module=sshd",
            {
                **_WALL,
                "source.ip": "192.0.2.7",
                "user.name": "x\tsrc=198.51.100.1|src=203.0.113.9",
                "source.address": "none",
                "labels.event.module": "sshd",
            },
        ),
        Example("LEEF:2.0|Example|Wall|1.2|100", None),
        Example("LEEF:1.0|Example|Wall|1.2|100|no pairs", None),
    ),
)
