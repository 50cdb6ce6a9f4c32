"""Turn what a text must match into an expression over raw octets that every such text's octets match too.

The result is a superset in the syntax that Hyperscan takes: anchors, lookaround and the ends that may be empty are
left out, atomic groups are plain ones, and a character outside ASCII is one to four octets from 0x80 up, which holds
for UTF-8 and for the lone surrogates that stand for octets that are none.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MIN_LITERAL = 2
"""Shortest text that is worth looking for: a single character stands in every message."""

MAX_REPEAT = 32
"""Highest bounded repeat that is kept; above it the bound goes, for bounds cost Hyperscan memory and time."""

MAX_BRANCHES = 200
"""Most alternatives of one group that are kept apart; a group with more may be anything."""

_HIGH = r"\x80-\xff"
_FOLDING = "iks"  # ASCII letters that characters outside ASCII fold to: dotless i, Kelvin sign, long s
_FOLDED = "\u0130\u0131\u212a\u017f"


@dataclass(frozen=True, slots=True)
class Necessary:
    """An expression that is found in the octets of every message in question.

    Attributes:
        expression: for Hyperscan, without flags.
        literal: how many octets in a row it fixes; the longer, the rarer.
    """

    expression: str
    literal: int


@dataclass(slots=True)
class _Piece:
    """One element: `least` says whether it may be empty, `text` is set for a literal."""

    expression: str
    least: int
    literal: int = 0
    text: str | None = None
    fold: bool = False
    repeat: tuple[str, int] | None = None
    branches: list[list[_Piece]] = field(default_factory=list)


def of_regex(pattern: str, flags: int = 0) -> Necessary | None:
    """Return what is necessary for `re.search` to find this pattern in a text; None when nothing much is."""
    # re.compile keeps its answer to flags that stand in the pattern; the parser alone does not
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # whoever compiled the pattern has been told
        tree = parser.parse(pattern, flags)
    return _finish(_trim(_Translation(tree.state.flags).sequence(tree)))


def of_literal(text: str) -> Necessary | None:
    """Return what is necessary for a text to be found in another."""
    return of_regex(re.escape(text))


def required_literal(necessary: Necessary) -> Necessary:
    """Return the longest literal of an expression, for expressions that Hyperscan finds too large."""
    tree = parser.parse(necessary.expression.encode("latin-1"), 0)
    best = max(_literals(tree), key=len, default=b"")
    return Necessary(f"(?i:{''.join(_octet(code) for code in best)})", len(best))


def _literals(tree: Sequence[Any]) -> Iterator[bytes]:
    run = bytearray()
    for code, argument in tree:
        if code is op.LITERAL:
            run.append(argument)
            continue
        yield bytes(run)
        run.clear()
        if code is op.SUBPATTERN:
            yield from _literals(argument[3])
        elif code is op.MAX_REPEAT and argument[0] > 0:
            yield from _literals(argument[2])
    yield bytes(run)


def _octet(code: int) -> str:
    character = chr(code)
    return character if character.isalnum() and code < 0x80 else f"\\x{code:02x}"


class _Translation:
    """Walks the tree of one pattern."""

    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._groups: dict[int, list[_Piece]] = {}

    def sequence(self, tree: Any, flags: int | None = None) -> list[_Piece]:
        flags = self._flags if flags is None else flags
        pieces: list[_Piece] = []
        for code, argument in tree:
            pieces.extend(self._piece(code, argument, flags))
        return pieces

    def _piece(self, code: Any, argument: Any, flags: int) -> list[_Piece]:
        fold = bool(flags & re.IGNORECASE)
        if code is op.LITERAL:
            return self._literal(chr(argument), fold, flags)
        if code in (op.NOT_LITERAL, op.ANY, op.IN):
            return [_one_of(*_members(code, argument, flags))]
        if code is op.SUBPATTERN:
            group, add, remove, inner = argument
            pieces = self.sequence(inner, (flags | add) & ~remove)
            if group is not None:
                self._groups[group] = pieces
            return pieces
        if code is op.ATOMIC_GROUP:
            return self.sequence(argument, flags)
        if code is op.BRANCH:
            return [_branch([self.sequence(branch, flags) for branch in argument[1]])]
        if code is op.GROUPREF:
            return list(self._groups.get(argument, []))
        if code is op.GROUPREF_EXISTS:
            _, yes, no = argument
            return [_branch([self.sequence(yes, flags), self.sequence(no or (), flags)])]
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            low, high, inner = argument
            return self._repeat(self.sequence(inner, flags), low, high)
        return []  # AT, ASSERT, ASSERT_NOT, FAILURE: they take no octet

    def _literal(self, character: str, fold: bool, flags: int) -> list[_Piece]:
        if not character.isascii():
            if fold and character in _FOLDED:
                return [_one_of(set(_FOLDING + _FOLDING.upper()), True)]
            if fold:
                return [_one_of(set(), True)]
            octets = character.encode("utf-8", "surrogateescape")
            return [_Piece(f"\\x{octet:02x}", 1, 1, text=f"\\x{octet:02x}") for octet in octets]
        if fold and character.lower() in _FOLDING and not flags & re.ASCII:
            return [_one_of({character.lower(), character.upper()}, True)]
        return [_Piece(_octet(ord(character)), 1, 1, text=_octet(ord(character)), fold=fold and character.isalpha())]

    def _repeat(self, inner: list[_Piece], low: int, high: Any) -> list[_Piece]:
        if not inner or high == 0:
            return []
        if low == high == 1:
            return inner
        unbounded = high is op.MAXREPEAT or high > MAX_REPEAT
        if len(inner) == 1 and inner[0].repeat and inner[0].least == 1:
            # characters: each is one to four octets, so at least `low` and at most four times `high` octets
            octets, width = inner[0].repeat
            least = min(low, MAX_REPEAT)
            most = "" if unbounded or high * width > MAX_REPEAT else str(high * width)
            return [_Piece(f"{octets}{{{least},{most}}}", least, repeat=(octets, 4))]
        body = _join(inner)
        if low <= 1 or low > 4:
            if low == 0:
                return [_Piece(f"(?:{body}){'?' if high == 1 else '*'}", 0)]
            return [*inner, _Piece(f"(?:{body})*", 0)]
        return [*(inner * low), _Piece(f"(?:{body})*", 0)]


def _members(code: Any, argument: Any, flags: int) -> tuple[set[str], bool]:
    """Return the ASCII characters of a set, and whether a character outside ASCII may be in it."""
    if code is op.ANY:
        every = {chr(number) for number in range(128)}
        return (every if flags & re.DOTALL else every - {"\n"}), True
    items = [(op.NEGATE, None), (op.LITERAL, argument)] if code is op.NOT_LITERAL else list(argument)
    negated = items[0][0] is op.NEGATE
    fold, ascii_only = bool(flags & re.IGNORECASE), bool(flags & re.ASCII)
    found: set[str] = set()
    high = negated
    for kind, value in items[negated:]:
        if kind is op.LITERAL:
            found.add(chr(value))
        elif kind is op.RANGE:
            found.update(chr(number) for number in range(value[0], min(value[1], 0x7F) + 1))
            high |= value[1] > 0x7F
            if fold and value[1] > 0x7F:
                found.update(_FOLDING)
        elif kind is op.CATEGORY:
            found.update(_category(value, negated=negated))
            high |= not ascii_only or value in (op.CATEGORY_NOT_DIGIT, op.CATEGORY_NOT_SPACE, op.CATEGORY_NOT_WORD)
    outside = {character for character in found if not character.isascii()}
    found -= outside
    high |= bool(outside)
    if fold:
        if outside & set(_FOLDED):
            found.update(_FOLDING)
        found |= {c.lower() for c in found} | {c.upper() for c in found}
        high |= not ascii_only and not found.isdisjoint(_FOLDING)
    if negated:
        found = {chr(number) for number in range(128)} - found
    return found, high


_CATEGORIES: dict[Any, str] = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _category(value: Any, *, negated: bool) -> set[str]:
    """Return a category's ASCII members: Unicode and ASCII disagree on 0x1c to 0x1f; the wider reading is taken."""
    sets = [
        {chr(number) for number in range(128) if re.match(_CATEGORIES[value], chr(number), flags)}
        for flags in (0, re.ASCII)
    ]
    return sets[0] & sets[1] if negated else sets[0] | sets[1]


def _one_of(members: set[str], high: bool) -> _Piece:
    codes = sorted(map(ord, members))
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    text = "".join(f"\\x{low:02x}-\\x{top:02x}" if top > low else f"\\x{low:02x}" for low, top in ranges)
    octets = f"[{text}{_HIGH if high else ''}]"
    if not text and not high:
        octets = r"[\x00]"  # an empty set matches nothing, and nothing is what it may find
    return _Piece(f"{octets}{{1,4}}" if high else octets, 1, repeat=(octets, 4 if high else 1))


def _branch(branches: list[list[_Piece]]) -> _Piece:
    least = min(sum(piece.least for piece in branch) for branch in branches)
    if len(branches) > MAX_BRANCHES:
        return _Piece(r"[\x00-\xff]*", 0) if not least else _Piece(r"[\x00-\xff]+", 1)
    expression = "(?:" + "|".join(_join(branch) for branch in branches) + ")"
    literal = min(_longest(branch) for branch in branches)
    return _Piece(expression, least, literal, branches=branches)


def _join(pieces: Sequence[_Piece]) -> str:
    """Write pieces as one expression; runs of letters that may be of either case share one group."""
    parts: list[str] = []
    for piece in pieces:
        if piece.fold and parts and parts[-1].startswith("(?i:") and piece.text is not None:
            parts[-1] = f"{parts[-1][:-1]}{piece.text})"
        elif piece.fold:
            parts.append(f"(?i:{piece.expression})")
        else:
            parts.append(piece.expression)
    return "".join(parts)


def _longest(pieces: Sequence[_Piece]) -> int:
    best = run = 0
    for piece in pieces:
        run = run + 1 if piece.text is not None else 0
        best = max(best, run, piece.literal if piece.text is None else 0)
    return best


def _trim(pieces: list[_Piece]) -> list[_Piece]:
    """Leave out what may be empty at both ends: such an end would report a hit at every octet."""
    return _trim_end(list(reversed(_trim_end(list(reversed(pieces)), first=True))))


def _trim_end(pieces: list[_Piece], *, first: bool = False) -> list[_Piece]:
    while pieces:
        last = pieces[-1]
        if last.least == 0:
            pieces.pop()
        elif last.repeat and last.text is None:
            octets, _ = last.repeat
            pieces[-1] = _Piece(octets if last.least == 1 else f"{octets}{{{last.least}}}", last.least)
            break
        elif last.branches:
            trim = (lambda branch: list(reversed(_trim_end(list(reversed(branch)))))) if first else _trim_end
            pieces[-1] = _branch([trim(list(branch)) for branch in last.branches])
            break
        else:
            break
    return pieces


def _finish(pieces: list[_Piece]) -> Necessary | None:
    literal = _longest(pieces)
    if literal < MIN_LITERAL:
        return None
    return Necessary(_join(pieces), literal)
