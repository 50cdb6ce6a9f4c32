"""RFC 5424: `VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA [SP MSG]`.

The grammar reads more than the RFC allows, for real senders write more: fields of any length and of any characters
but blanks, 9 digits of fraction, structured data without quotes (VMware) or without an SD-ID (Check Point).
"""

from __future__ import annotations

import re
from datetime import UTC

from pyparsing import MatchFirst, OneOrMore, Opt, ZeroOrMore

from parsers.envelopes.plain import MALFORMED, Envelope
from parsers.envelopes.timestamps import RFC3339, from_iso
from parsers.grammars.tokens import lit, rx
from parsers.lowering import lower

_SP = lit(" ")
_VERSION = rx(r"[1-9][0-9]{0,2}")
_TIMESTAMP = rx(rf"-(?= )|{RFC3339}(?= )")
_FIELD = rx(r"[^\x00-\x20\x7f]+")
_NAME = r'[^\x00-\x20\x7f="\]]+'
_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_UNQUOTED = r'[^\x00-\x20\x7f"\]]+'
_PARAM = rf" +{_NAME}= *(?:{_QUOTED}|{_UNQUOTED})"
_ELEMENT = rf"\[{_NAME}(?s:{_PARAM})* ?\]"
_AT_END = r"(?=\s|\Z)"
_BOM = lit("\ufeff")  # says that MSG is UTF-8, which it is taken for anyway

_STRUCTURED_DATA = MatchFirst(
    [
        rx(rf"(?s:-|(?:{_ELEMENT})+){_AT_END}")("data"),
        # not well formed: up to a bracket that a blank or the end follows, as rsyslog does
        rx(rf"(?s:\[[^\]\\]*(?:(?:\\.|\](?!\s|\Z))[^\]\\]*)*\]){_AT_END}")("malformed"),
        rx(rf"(?s:(?:{_ELEMENT})+)")("before"),
    ]
)
HEADER = (
    _VERSION("version")
    + _SP
    + _TIMESTAMP("timestamp")
    + _SP
    + _FIELD("hostname")
    + _SP
    + _FIELD("appname")
    + _SP
    + _FIELD("procid")
    + _SP
    + _FIELD("msgid")
    + _SP
    + _STRUCTURED_DATA
    + Opt(_SP)
    + Opt(MatchFirst([_SP + ZeroOrMore(_BOM), OneOrMore(_BOM) + Opt(_SP)]))
).leave_whitespace()
"""What stands between PRI and MSG, and one blank that MSG begins with.

rsyslog's RSYSLOG_SyslogProtocol23Format keeps the blank between the tag and the text of what a local program wrote; it
is no part of what was said, as in RFC 3164.
"""

NAMES = ("version", "timestamp", "hostname", "appname", "procid", "msgid", "data", "malformed", "before")
"""The results names of HEADER, in their order."""

_match = re.compile(lower(HEADER).pattern).match
_elements = re.compile(rf"(?s:\[({_NAME})((?:{_PARAM})*) ?\])").findall
_params = re.compile(rf"(?s: +({_NAME})= *(?:({_QUOTED})|({_UNQUOTED})))").findall
_unescape = re.compile(r'\\(["\\\]])').sub


def parse_rfc5424(text: str, start: int, priority: int) -> Envelope | None:
    """Read the frame whose VERSION is at `start`; None when its header is no RFC 5424 header."""
    match = _match(text, start)
    if match is None:
        return None
    version, stamp, hostname, appname, procid, msgid, data, malformed, before = match.groups()
    timestamp = None
    if stamp != "-":
        timestamp = from_iso(stamp, None, UTC)
        if timestamp is None:
            return None
    structured_data = None
    if malformed is not None:
        structured_data = {MALFORMED: {"raw": malformed}}
    elif data != "-":
        structured_data = parse_structured_data(data or before)
    return Envelope(
        "rfc5424",
        priority,
        int(version),
        timestamp,
        None if hostname == "-" else hostname,
        None if appname == "-" else appname,
        None if procid == "-" else procid,
        None if msgid == "-" else msgid,
        structured_data,
        text[match.end() :],
    )


def parse_structured_data(text: str) -> dict[str, dict[str, str]]:
    r"""Take well-formed structured data apart.

    Only `\"`, `\\` and `\]` are escapes (RFC 5424, section 6.3.3); any other backslash is literal. The parameters of
    a repeated SD-ID are put together, and of a repeated name the last one counts.
    """
    elements: dict[str, dict[str, str]] = {}
    for identifier, params in _elements(text):
        element = elements.setdefault(identifier, {})
        for name, quoted, unquoted in _params(params):
            value = quoted[1:-1] if quoted else unquoted
            element[name] = _unescape(r"\1", value) if "\\" in value else value
    return elements
