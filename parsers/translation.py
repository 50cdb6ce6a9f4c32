"""Translate pyparsing expressions into regular expressions that match exactly the same.

pyparsing never backs into what it matched, so every element becomes atomic: `MatchFirst` is `(?>a|b)`, `ZeroOrMore` is
`(?:x)*+`, a token that could match in several ways is `(?>...)`. White space is skipped where pyparsing skips it. What
has no exact translation raises CannotLower.

The value of a results name is the text that its element matched: several tokens are put together. Names within Group
and Suppress do not reach the top, as in pyparsing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyparsing as pp

from parsers.pieces import NOTHING, TOKENS, CannotLower, Piece, one_of

_NO_DEFAULT = pp.Opt(pp.Empty()).defaultValue


class EndlessRepeatError(ValueError):
    """A repeat of what may match nothing: pyparsing would never come back from it."""

    def __init__(self, element: pp.ParserElement) -> None:
        super().__init__(f"{str(element)[:80]} repeats what may match nothing, which would never end")


@dataclass(frozen=True, slots=True)
class Lowered:
    """One expression as a regular expression for `re.match`.

    Attributes:
        names: the field that each capturing group fills, in the groups' order; where a name comes twice, the last
            group that took part wins.
        optional: the names that a match may leave unset.
    """

    pattern: str
    names: tuple[str, ...]
    optional: frozenset[str]


def lower(expression: pp.ParserElement) -> Lowered:
    """Translate an expression.

    Raises:
        CannotLower: it has no exact translation.
        EndlessRepeatError: pyparsing would never come back from it.
    """
    expression.streamline()
    piece = _Walk().element(expression, last=True)
    return Lowered(piece.pattern, piece.names, piece.optional)


class _Walk:
    """Walks one expression; knows what it is inside of, to notice an expression that comes back to itself."""

    def __init__(self) -> None:
        self.inside: list[pp.ParserElement] = []

    def element(self, e: Any, *, skip: bool = True, last: bool = False, named: bool = True) -> Piece:
        """Translate one element.

        Args:
            e: any pyparsing element; Any because its options are not in pyparsing's types.
            skip: the caller lets the element skip white space before it (pyparsing's callPreParse).
            last: nothing is matched behind it, so that the end of the text may be matched as such: pyparsing goes
                one past the end there, and what follows would notice.
            named: results names in it reach the top.
        """
        if e.parseAction and not isinstance(e, pp.PrecededBy):
            raise CannotLower(e, "it has a parse action or condition")
        if e.failAction or e.debug or e.ignoreExprs:
            raise CannotLower(e, "it has a fail action, debugging or ignored expressions")
        if any(e is outer for outer in self.inside):
            raise CannotLower(e, "it comes back to itself")
        kind = type(e)
        self.inside.append(e)
        if kind in TOKENS:
            piece = TOKENS[kind](e)
        elif kind in _COMPOUNDS:
            piece = _COMPOUNDS[kind](self, e, last, named)
        else:
            raise CannotLower(e, "this kind of element has no translation")
        self.inside.pop()
        if named and e.resultsName and kind is not pp.Opt:
            piece = _capture(e, piece)
        return _after_blanks(e, piece) if skip and e.callPreparse else piece


def _after_blanks(e: Any, piece: Piece) -> Piece:
    blanks = _blanks(e)
    return replace(piece, pattern=blanks + piece.pattern, verbatim=False) if blanks else piece


def _blanks(e: Any) -> str:
    """Match the white space that the element skips."""
    if isinstance(e, pp.LineStart):
        blank = f"{one_of(e.skipper.whiteChars)}*+" if e.skipper.whiteChars else ""
        lines = rf"(?:\n{blank})*+" if "\n" in e.orig_whiteChars else ""
        return rf"(?>\A|{blank}{lines})"
    return f"{one_of(e.whiteChars)}*+" if e.skipWhitespace and e.whiteChars else ""


def _capture(e: Any, piece: Piece) -> Piece:
    if not e.modalResults:
        raise CannotLower(e, "a name that lists all matches is no single value")
    if piece.tokens == 0 and not e.saveAsList:
        return piece  # pyparsing sets no name without a token
    if not piece.verbatim:
        raise CannotLower(e, "the value of its name is not the text that it matched")
    lists = e.saveAsList and isinstance(e, pp.And | pp.MatchFirst | pp.ZeroOrMore | pp.OneOrMore | pp.Opt)
    if piece.tokens != 1 and not lists:
        raise CannotLower(e, "its name may stay unset or take the first token only; use Combine")
    if e.resultsName in piece.names:
        raise CannotLower(e, f"the name {e.resultsName} stands inside itself")
    return replace(piece, pattern=f"({piece.pattern})", names=(e.resultsName, *piece.names))


def _sequence(pieces: list[Piece]) -> Piece:
    counts = [piece.tokens for piece in pieces]
    return Piece(
        "".join(piece.pattern for piece in pieces),
        least=sum(piece.least for piece in pieces),
        tokens=None if None in counts else sum(filter(None, counts)),
        verbatim=all(piece.verbatim for piece in pieces),
        names=tuple(name for piece in pieces for name in piece.names),
        optional=frozenset().union(*(piece.optional for piece in pieces)),
    )


def _and(walk: _Walk, e: Any, last: bool, named: bool) -> Piece:
    if not e.exprs or any(type(part) is pp.And._ErrorStop for part in e.exprs):  # noqa: SLF001 - the class has no other name
        raise CannotLower(e, "it is empty or stops all alternatives with '-'")
    final = len(e.exprs) - 1
    return _sequence(
        [
            walk.element(part, skip=index > 0, last=last and index == final, named=named)
            for index, part in enumerate(e.exprs)
        ]
    )


def _first(walk: _Walk, e: Any, last: bool, named: bool) -> Piece:
    pieces = [walk.element(part, last=last, named=named) for part in e.exprs]
    if len(pieces) < 2:
        return pieces[0] if pieces else Piece(NOTHING)
    counts = {piece.tokens for piece in pieces}
    names = tuple(name for piece in pieces for name in piece.names)
    return Piece(
        f"(?>{'|'.join(piece.pattern for piece in pieces)})",
        least=min(piece.least for piece in pieces),
        tokens=counts.pop() if len(counts) == 1 else None,
        verbatim=all(piece.verbatim for piece in pieces),
        names=names,
        optional=frozenset(names),
    )


def _longest(walk: _Walk, e: Any, last: bool, named: bool) -> Piece:
    if len(e.exprs) > 1:
        raise CannotLower(e, "the longest of several matches; order them and use MatchFirst")
    piece = _first(walk, e, last, named)
    return _after_blanks(e, piece) if all(part.callPreparse for part in e.exprs) else piece


def _opt(walk: _Walk, e: Any, last: bool, named: bool) -> Piece:
    if e.defaultValue is not _NO_DEFAULT:
        raise CannotLower(e, "it has a default value")
    inner = walk.element(e.expr, skip=False, last=last, named=named)
    if named and e.resultsName:
        inner = _capture(e, inner)
    # possessive repeats lose track of groups in some releases of Python 3.11; alternatives never do
    pattern = f"(?>{inner.pattern}|)" if inner.names else f"(?:{inner.pattern})?+"
    return replace(
        inner, pattern=pattern, least=0, tokens=0 if inner.tokens == 0 else None, optional=frozenset(inner.names)
    )


def _repeat(walk: _Walk, e: Any, last: bool, named: bool) -> Piece:
    inner = walk.element(e.expr, last=last and e.max_count == 1, named=named)
    if e.not_ender is not None:
        inner = _sequence([walk.element(e.not_ender, last=True, named=False), inner])
    if inner.least == 0 and e.max_count is None:
        raise EndlessRepeatError(e)
    if len(set(inner.names)) < len(inner.names):
        raise CannotLower(e, "a name comes twice within a repeat")
    fewest = 0 if isinstance(e, pp.ZeroOrMore) else 1
    times = f"{{{fewest},{'' if e.max_count is None else e.max_count}}}"
    return replace(
        inner,
        pattern=f"(?>(?:{inner.pattern}){times})" if inner.names else f"(?:{inner.pattern}){times}+",
        least=inner.least * fewest,
        tokens=0 if inner.tokens == 0 else None,
        optional=inner.optional if fewest else frozenset(inner.names),
    )


def _skip_to(walk: _Walk, e: Any, last: bool, named: bool) -> Piece:
    if e.failOn is not None or e.ignoreExpr is not None or e.ignorer.ignoreExprs:
        raise CannotLower(e, "it has fail_on or ignore")
    target = walk.element(e.expr, skip=False, last=last or not e.includeMatch, named=False)
    skipped = Piece(f"(?>(?s:.*?)(?={target.pattern}))")
    if not e.includeMatch:
        return skipped
    return _sequence([skipped, walk.element(e.expr, skip=False, last=last, named=named)])


def _followed_by(walk: _Walk, e: Any, _last: bool, named: bool) -> Piece:
    inner = walk.element(e.expr, last=True, named=named)
    return replace(inner, pattern=f"(?={inner.pattern})", least=0, tokens=0, verbatim=True)


def _not_any(walk: _Walk, e: Any, _last: bool, _named: bool) -> Piece:
    return Piece(f"(?!{walk.element(e.expr, last=True, named=False).pattern})", tokens=0)


def _end(e: Any, last: bool) -> None:
    if not last:
        raise CannotLower(e, "it goes past the end of the text, and something follows")


def _line_end(_walk: _Walk, e: Any, last: bool, _named: bool) -> Piece:
    _end(e, last)
    return Piece(r"(?>\n|\Z)", tokens=None)


def _string_end(_walk: _Walk, e: Any, last: bool, _named: bool) -> Piece:
    _end(e, last)
    return Piece(r"\Z", tokens=0)


def _inner(walk: _Walk, e: Any, last: bool, named: bool) -> Piece:
    if e.expr is None:
        raise CannotLower(e, "it was never given an expression")
    return walk.element(e.expr, skip=False, last=last, named=named)


def _suppress(walk: _Walk, e: Any, last: bool, _named: bool) -> Piece:
    return replace(_inner(walk, e, last, named=False), tokens=0, verbatim=False)


def _group(walk: _Walk, e: Any, last: bool, _named: bool) -> Piece:
    return replace(_inner(walk, e, last, named=False), tokens=1)


def _combine(walk: _Walk, e: Any, last: bool, named: bool) -> Piece:
    inner = _inner(walk, e, last, named=named and not e.resultsName)
    return replace(inner, tokens=1, verbatim=inner.verbatim and (not e.joinString or inner.tokens == 1))


_COMPOUNDS: dict[type, Callable[[_Walk, Any, bool, bool], Piece]] = {
    pp.And: _and,
    pp.MatchFirst: _first,
    pp.Or: _longest,
    pp.Opt: _opt,
    pp.ZeroOrMore: _repeat,
    pp.OneOrMore: _repeat,
    pp.SkipTo: _skip_to,
    pp.FollowedBy: _followed_by,
    pp.NotAny: _not_any,
    pp.LineEnd: _line_end,
    pp.StringEnd: _string_end,
    pp.Forward: _inner,
    pp.Suppress: _suppress,
    pp.Group: _group,
    pp.Combine: _combine,
}
