"""The words that grammars share; none skips white space: a log message's blanks are part of its form."""

from __future__ import annotations

from re import escape

from pyparsing import Literal, ParserElement, Regex


def lit(text: str) -> ParserElement:
    """Match exactly this text."""
    return Literal(text).leave_whitespace()


def rx(pattern: str) -> ParserElement:
    """Match a regular expression without groups; for one token, not for a whole message."""
    return Regex(pattern).leave_whitespace()


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_IPV6 = r"(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]{2,39}(?:(?<=:)" + _IPV4 + r")?(?:%[A-Za-z0-9_.-]{1,15})?"


def ipv4() -> ParserElement:
    """Match an IPv4 address in dotted decimal notation."""
    return rx(rf"{_IPV4}(?![0-9])")


def ip_address() -> ParserElement:
    """Match an IPv4 or IPv6 address in text form (RFC 4291, section 2.2), with an optional zone."""
    return rx(rf"(?:{_IPV4}(?![0-9.]*[0-9])|{_IPV6})")


def integer() -> ParserElement:
    """Match decimal digits."""
    return rx(r"[0-9]+")


def word() -> ParserElement:
    """Match everything up to the next blank, at least one character."""
    return rx(r"[^ ]+")


def up_to(stop: str) -> ParserElement:
    """Match everything before the first occurrence of this text (at least one character); the text itself stays."""
    return rx(rf"(?:(?!{escape(stop)}).)+")


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
