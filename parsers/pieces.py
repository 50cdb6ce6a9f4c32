"""What each pyparsing token is as a regular expression; `parsers.lowering` puts these pieces together."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from re import _parser as regex_parser  # type: ignore[attr-defined]  # tells the widths and choices of an expression
from typing import Any

import pyparsing as pp


class CannotLower(Exception):  # noqa: N818 - an answer, not an error
    """The expression has no exact translation; says which element and why."""

    def __init__(self, element: pp.ParserElement, reason: str) -> None:
        super().__init__(f"{type(element).__name__} {str(element)[:80]}: {reason}")


@dataclass(frozen=True, slots=True)
class Piece:
    """The translation of one element.

    Attributes:
        least: the fewest characters it matches.
        tokens: how many tokens pyparsing makes of it; None where that depends on the text.
        verbatim: those tokens, put together, are the text that it matched.
        names: the results name of each capturing group, in order.
        optional: the names that a match may leave unset.
    """

    pattern: str
    least: int = 0
    tokens: int | None = 1
    verbatim: bool = True
    names: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()


NOTHING = "(?!)"
"""Matches nowhere."""

_TO_UPPER = {"I": "Ii\u0131", "S": "Ss\u017f"}  # all characters whose upper() is this letter, where there are three
_LIGATURES = ("SS", "FF", "FI", "FL", "ST")  # upper() of one character may be these two
_NO_LIMIT = pp.Word("a").maxLen
_ONE_REPEAT = re.compile(
    r"(?P<scope>\(\?[ims]+:)?(?:\[\^?\]?(?:\\.|[^\]\\])*\]|\.|\\[dDsSwW]|[A-Za-z0-9 ])"
    r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})(?(scope)(?P<close>\)))",
    re.DOTALL,
)
_GROUPS = re.compile(
    r"(?P<keep>\\[^1-9]|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?#[^)]*\)|\(\?(?![P(]))"
    r"|(?P<open>\((?!\?))|(?P<refer>\\[1-9]|\(\?)",
    re.DOTALL,
)
_CHOICES = frozenset(
    {"BRANCH", "MAX_REPEAT", "MIN_REPEAT", "SUBPATTERN", "GROUPREF", "GROUPREF_EXISTS", "GROUPREF_IGNORE"}
)


def one_of(characters: set[str] | str) -> str:
    """Match one of these characters."""
    return f"[{''.join(re.escape(c) for c in sorted(set(characters)))}]" if characters else NOTHING


def _none_of(characters: set[str]) -> str:
    return f"[^{one_of(characters)[1:]}" if characters else "(?s:.)"


def _without_groups(source: str, element: pp.ParserElement) -> str:
    def rewrite(found: re.Match[str]) -> str:
        if found["refer"]:
            raise CannotLower(element, "its regular expression refers to a group")
        return "(?:" if found["open"] else found[0]

    return _GROUPS.sub(rewrite, source)


def _atomic(compiled: re.Pattern[str], element: pp.ParserElement) -> Piece:
    """Translate a token's regular expression: no groups, its flags inside, and never backed into."""
    source = re.sub(r"\A\(\?[aiLmsux]+\)", "", compiled.pattern)
    if compiled.groups:
        if compiled.groupindex:
            raise CannotLower(element, "its regular expression names groups; give the element a results name")
        if compiled.flags & re.VERBOSE:
            raise CannotLower(element, "its verbose regular expression has groups; write (?:...)")
        source = _without_groups(source, element)
    letters = "".join(c for c in "aimsx" if compiled.flags & re.RegexFlag[c.upper()])
    if letters:
        source = f"(?{letters}:{source}" + ("\n)" if "x" in letters else ")")  # the newline ends a comment
    tree = regex_parser.parse(source)
    found = _ONE_REPEAT.fullmatch(source)
    if found:
        source = source[:-1] + "+)" if found["close"] else source + "+"
    elif "|" in source or any(str(operator) in _CHOICES for operator, _ in tree):
        source = f"(?>{source})"
    return Piece(source, least=tree.getwidth()[0])


def _empty(_: Any) -> Piece:
    return Piece("", tokens=0)


def _literal(e: Any) -> Piece:
    return Piece(re.escape(e.match), least=len(e.match))


def _caseless(e: Any, text: str) -> Piece:
    if not text.isascii() or any(pair in text for pair in _LIGATURES):
        raise CannotLower(e, "letters beyond ASCII and those of ligatures change their number with their case")
    pattern = "".join(one_of(_TO_UPPER.get(c, c + c.lower())) for c in text)
    return Piece(pattern, least=len(text), verbatim=not any(c.isalpha() for c in text))


def _caseless_literal(e: Any) -> Piece:
    return _caseless(e, e.match)


def _keyword(e: Any) -> Piece:
    if not e.caseless:
        return replace(_literal(e), pattern=_apart(re.escape(e.match), one_of(e.identChars)))
    if not "".join(e.identChars).isascii():
        raise CannotLower(e, "identifier characters beyond ASCII")
    piece = _caseless(e, e.caselessmatch)
    return replace(
        piece, pattern=_apart(piece.pattern, one_of("".join(_TO_UPPER.get(c, c + c.lower()) for c in e.identChars)))
    )


def _apart(pattern: str, from_these: str) -> str:
    return f"(?<!{from_these}){pattern}(?!{from_these})"


def _word(e: Any) -> Piece:
    compiled = getattr(e, "re", None)
    if compiled is not None:
        return _atomic(compiled, e)
    body = one_of(e.bodyChars)
    pattern = f"{one_of(e.initChars)}{body}{{{e.minLen - 1},{'' if e.maxLen == _NO_LIMIT else e.maxLen - 1}}}+"
    if e.asKeyword:
        pattern = f"(?<!{body}){pattern}"
    if e.asKeyword or e.maxSpecified:
        pattern += f"(?!{body})"
    return Piece(pattern, least=e.minLen)


def _regex(e: Any) -> Piece:
    if e.asGroupList or e.asMatch:
        raise CannotLower(e, "as_group_list and as_match make other tokens than text")
    return _atomic(e.re, e)


def _quoted(e: Any) -> Piece:
    return replace(_atomic(e.re, e), verbatim=not e.unquote_results)


def _run(one: str, e: Any) -> Piece:
    return Piece(f"{one}{{{e.minLen},{'' if e.maxLen == _NO_LIMIT else e.maxLen}}}+", least=e.minLen)


def _chars_not_in(e: Any) -> Piece:
    return _run(_none_of(e.notCharsSet), e)


def _white(e: Any) -> Piece:
    return _run(one_of(e.matchWhite), e)


def _line_start(_: Any) -> Piece:
    return Piece("(?m:^)", tokens=0)


def _string_start(e: Any) -> Piece:
    if e.skipWhitespace:
        raise CannotLower(e, "it accepts white space before it; say leave_whitespace()")
    return Piece(r"\A", tokens=0)


def _preceded_by(e: Any) -> Piece:
    plain = isinstance(e.expr, pp.Literal) and not isinstance(e.expr, pp.CaselessLiteral)
    named = e.resultsName or e.expr.resultsName
    if not plain or named or e.expr.skipWhitespace or e.expr.parseAction or len(e.parseAction) > 1 or not e.exact:
        raise CannotLower(e, "only an unnamed literal can be looked back at")
    return Piece(f"(?<={re.escape(e.expr.match)})", tokens=0)


TOKENS: dict[type, Callable[[Any], Piece]] = {
    pp.Empty: _empty,
    pp.Literal: _literal,
    type(pp.Literal("x")): _literal,  # pyparsing's faster class for one character
    pp.CaselessLiteral: _caseless_literal,
    pp.Keyword: _keyword,
    pp.CaselessKeyword: _keyword,
    pp.Word: _word,
    pp.Char: _word,
    pp.Regex: _regex,
    pp.QuotedString: _quoted,
    pp.CharsNotIn: _chars_not_in,
    pp.White: _white,
    pp.LineStart: _line_start,
    pp.StringStart: _string_start,
    pp.PrecededBy: _preceded_by,
}
"""How each kind of token is translated; skipping white space and names are the caller's."""
