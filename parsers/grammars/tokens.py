"""The words that grammars share; none skips white space: a log message's blanks are part of its form."""

from __future__ import annotations

from re import escape

from pyparsing import Literal, Opt, ParserElement, Regex


def lit(text: str) -> ParserElement:
    """Match exactly this text."""
    return Literal(text).leave_whitespace()


def rx(pattern: str) -> ParserElement:
    """Match a regular expression without groups; for one token, not for a whole message."""
    return Regex(pattern).leave_whitespace()


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
# Either `::` or six full groups must stand in it, for `12:30:45` and a MAC address are none; the tail backs out of a
# colon that follows the address (`2001:db8::1: refused`).
_IPV6 = (
    r"(?=[0-9A-Fa-f:]*::|(?:[0-9A-Fa-f]{1,4}:){6})(?:[0-9A-Fa-f]{0,4}:){2,8}"
    rf"(?:{_IPV4}(?![0-9])|[0-9A-Fa-f]{{1,4}}(?![0-9A-Fa-f])|(?<=::))(?:%[A-Za-z0-9_.-]{{1,15}})?"
)


def ipv4() -> ParserElement:
    """Match an IPv4 address in dotted decimal notation."""
    return rx(rf"{_IPV4}(?![0-9])")


def ip_address() -> ParserElement:
    """Match an IPv4 or IPv6 address in text form (RFC 4291, section 2.2), with an optional zone."""
    return rx(rf"(?:{_IPV4}(?![0-9.]*[0-9])|{_IPV6})")


def peer_address(name: str) -> ParserElement:
    """Match an address into this field, without the `::ffff:` that a dual-stack socket puts before IPv4."""
    return Opt(rx(r"::[Ff]{4}:(?=[0-9]{1,3}\.)")) + ip_address()(name)


def integer() -> ParserElement:
    """Match decimal digits."""
    return rx(r"[0-9]+")


def word() -> ParserElement:
    """Match everything up to the next blank, at least one character."""
    return rx(r"[^ ]+")


def up_to(stop: str) -> ParserElement:
    """Match everything before the first occurrence of this text (at least one character); the text itself stays."""
    first, others = escape(stop[0]), escape(stop[1:])
    # runs without the first character at once: a look-ahead for each character takes ten times as long
    return rx(rf"(?:[^{first}\n]++|{first}(?!{others}))++" if others else rf"[^{first}\n]+")


def up_to_last(stop: str) -> ParserElement:
    """Match everything before the last occurrence of this text, which stays.

    For names that a stranger chose (`Failed password for root from x from 192.0.2.1`): what the program wrote
    stands at the end.
    """
    return rx(rf".+(?={escape(stop)})")


def rest() -> ParserElement:
    """Match what is left, which may be nothing."""
    return rx(r"(?s:.*)")


def end() -> ParserElement:
    """Match only at the end of the text."""
    return rx(r"\Z")
