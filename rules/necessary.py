"""Turn what a text must match into an expression over raw octets that every such text's octets match too.

The result is a superset in the syntax that Hyperscan takes: anchors, lookaround and the ends that may be empty are
left out, atomic groups are plain ones, and a character outside ASCII is one to four octets from 0x80 up, which holds
for UTF-8 and for the lone surrogates that stand for octets that are none. What fixes no text and is long (an IP
address in all its forms) becomes any octets of its alphabet: it would cost much and sift little.

A newline inside a frame is looked for as `NEWLINE`, which who scans must put in its place. So no expression reaches
from one line into the next, and one word in a batch does not make hits of all that comes behind it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import _compiler as compiler  # type: ignore[attr-defined]
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MIN_LITERAL = 2
"""Shortest text that is worth looking for: a single character stands in every message."""

MAX_REPEAT = 4
"""Highest upper bound of a repeat that is kept, for bounds cost Hyperscan states; a character's most octets."""

MAX_LEAST = 16
"""Highest lower bound that is kept, which costs less."""

MAX_VAGUE = 16
"""Longest element, in positions, that is kept although it fixes no text."""

MAX_POSITIONS = 4000
"""Longest element of any kind; copies of repeated groups and back references can multiply without end."""

NEWLINE = b"\x0b"
"""The octet that stands for a newline inside a frame: few sets hold a newline and not a vertical tab."""

_HIGH = frozenset(range(0x80, 0x100))
_ANYTHING = frozenset(range(0x100)) - {0x0A}
_TYPES = re.ASCII | re.LOCALE | re.UNICODE


@dataclass(frozen=True, slots=True)
class Necessary:
    """An expression that is found in the octets of every message in question.

    Attributes:
        expression: for Hyperscan, without flags; matches one octet at least.
        literal: how many characters in a row it fixes; the longer, the rarer.
        core: only those characters, for when Hyperscan finds the expression too large; empty where it is that already.
    """

    expression: str
    literal: int
    core: str = ""


@dataclass(frozen=True, slots=True)
class _Run:
    """So many octets of one set; `most` is None where there is no bound."""

    octets: frozenset[int]
    least: int
    most: int | None

    @property
    def size(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class _Branch:
    """One of several sequences."""

    alternatives: tuple[_Sequence, ...]
    least: int
    most: int | None
    octets: frozenset[int]
    size: int


_Sequence = tuple["_Run | _Branch", ...]


def of_regex(pattern: str, flags: int = 0, least: int = MIN_LITERAL) -> Necessary | None:
    """Return what is necessary for `re.search` to find this pattern in a text.

    None when it fixes fewer than `least` characters in a row, or may match nothing at all.
    """
    # re.compile keeps its answer to flags that stand in the pattern; the parser alone does not
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # whoever compiled the pattern has been told
        tree = parser.parse(pattern, flags)
    sequence = _trimmed(_Translation().sequence(tree, tree.state.flags))
    literal, core = _rarest_part(sequence)
    return Necessary(_text(sequence), literal, core) if sequence and literal >= least else None


def of_literal(text: str) -> Necessary | None:
    """Return what is necessary for a text to be found in another."""
    return of_regex(re.escape(text))


def required_literal(necessary: Necessary) -> Necessary:
    """Return the longest text that an expression fixes, for expressions that Hyperscan finds too large."""
    return Necessary(necessary.core or necessary.expression, necessary.literal)


class _Translation:
    """Walks the tree of one pattern."""

    def __init__(self) -> None:
        self._groups: dict[int, _Sequence] = {}

    def sequence(self, tree: Iterable[tuple[Any, Any]], flags: int) -> _Sequence:
        found: list[_Run | _Branch] = []
        for code, argument in tree:
            for element in self._element(code, argument, flags):
                _append(found, element)
        return tuple(found)

    def _element(self, code: Any, argument: Any, flags: int) -> _Sequence:
        if code is op.LITERAL:
            return _literal(argument, flags)
        if code in (op.NOT_LITERAL, op.ANY, op.IN):
            return (_one_of(code, argument, flags),)
        if code is op.SUBPATTERN:
            group, add, remove, inner = argument
            found = self.sequence(inner, ((flags & ~_TYPES if add & _TYPES else flags) | add) & ~remove)
            if group is not None:
                self._groups[group] = found
            return found
        if code is op.ATOMIC_GROUP:
            return self.sequence(argument, flags)
        if code is op.BRANCH:
            return (_branch([self.sequence(branch, flags) for branch in argument[1]]),)
        if code in (op.GROUPREF, op.GROUPREF_EXISTS):
            return self._reference(code, argument, flags)
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            low, high, inner = argument
            return _repeated(self.sequence(inner, flags), low, None if high is op.MAXREPEAT else high)
        if code in (op.ASSERT, op.ASSERT_NOT):
            self.sequence(argument[1], flags)  # for its groups
        return ()  # AT, ASSERT, ASSERT_NOT, FAILURE: they take no octet

    def _reference(self, code: Any, argument: Any, flags: int) -> _Sequence:
        if code is op.GROUPREF_EXISTS:
            _, yes, no = argument
            return (_branch([self.sequence(yes, flags), self.sequence(no or (), flags)]),)
        if flags & re.IGNORECASE:
            return (_Run(_ANYTHING, 0, None),)
        return _bounded(self._groups.get(argument, (_Run(_ANYTHING, 0, None),)))


def _literal(number: int, flags: int) -> _Sequence:
    character = chr(number)
    if not flags & re.IGNORECASE:
        try:
            return _fixed(character.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:  # a surrogate that stands for no octet: no text holds it
            return (_Run(_HIGH, 1, 4),)
    if character.lower() in _FOLDS and character.isascii() and not flags & re.ASCII:
        return (_FOLDS[character.lower()],)
    found = _ascii_members(op.LITERAL, number, flags)
    return (_Run(found, 1, 1) if character.isascii() else _Run(found | _HIGH, 1, 4),)


def _one_of(code: Any, argument: Any, flags: int) -> _Run:
    items = tuple(argument) if code is op.IN else argument
    found = _ascii_members(code, items, flags)
    high = code is not op.IN or any(_beyond_ascii(kind, value, flags) for kind, value in items)
    if flags & re.IGNORECASE and not flags & re.ASCII:
        high |= any(chr(number).lower() in _FOLDS for number in found)
    # an empty set matches nothing, and nothing is what it may find
    return _Run(found | _HIGH, 1, 4) if high else _Run(found or frozenset({0}), 1, 1)


@lru_cache(maxsize=1024)
def _ascii_members(code: Any, argument: Any, flags: int) -> frozenset[int]:
    """Return the ASCII characters that one element matches; `re` itself knows best."""
    state = parser.State()
    state.flags = flags & ~re.DEBUG
    matches = compiler.compile(parser.SubPattern(state, [(code, argument)])).match
    found = frozenset(number for number in range(0x80) if matches(chr(number)))
    return found - {0x0A} | {NEWLINE[0]} if 0x0A in found else found


def _beyond_ascii(kind: Any, value: Any, flags: int) -> bool:
    """Tell whether an item of a set may hold characters outside ASCII, but for ignored case."""
    if kind is op.LITERAL:
        return bool(value > 0x7F)
    if kind is op.RANGE:
        return bool(value[1] > 0x7F)
    if kind is op.CATEGORY:
        ascii_only = (op.CATEGORY_DIGIT, op.CATEGORY_SPACE, op.CATEGORY_WORD) if flags & re.ASCII else ()
        return value not in ascii_only
    return True  # NEGATE


def _append(sequence: list[_Run | _Branch], element: _Run | _Branch) -> None:
    """Add an element; runs of the same set become one."""
    last = sequence[-1] if sequence else None
    if isinstance(element, _Run) and isinstance(last, _Run) and element.octets == last.octets and not _is_fixed(last):
        sequence[-1] = _Run(last.octets, last.least + element.least, _sum((last.most, element.most)))
    else:
        sequence.append(element)


def _sum(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def _most(sequence: _Sequence) -> int | None:
    return _sum(element.most for element in sequence)


def _least(sequence: _Sequence) -> int:
    return sum(element.least for element in sequence)


def _size(sequence: _Sequence) -> int:
    return sum(element.size for element in sequence)


def _fixed(octets: bytes) -> _Sequence:
    return tuple(_Run(frozenset({octet}), 1, 1) for octet in octets.replace(b"\n", NEWLINE))


def _is_fixed(element: _Run | _Branch) -> bool:
    """Tell whether an element is one character, of either case at most."""
    if isinstance(element, _Branch):
        return element in _FOLDS.values()
    if element.least != 1 or element.most != 1 or len(element.octets) > 2:
        return False
    return len({chr(octet).lower() for octet in element.octets}) == 1


def _branch(alternatives: Iterable[_Sequence]) -> _Run | _Branch:
    found = tuple(dict.fromkeys(alternatives))
    mosts = [_most(sequence) for sequence in found]
    branch = _Branch(
        found,
        min(map(_least, found)),
        None if None in mosts else max(most for most in mosts if most is not None),
        frozenset[int]().union(*(element.octets for sequence in found for element in sequence)),
        sum(map(_size, found)) + 1,
    )
    # an element that may be left out is kept for what it fixes when it is there
    vague = branch.size > MAX_VAGUE and min(_rarest_part(sequence)[0] for sequence in found if sequence) < MIN_LITERAL
    return _blurred((branch,)) if vague or branch.size > MAX_POSITIONS else branch


def _blurred(sequence: _Sequence, low: int = 1, high: int | None = 1) -> _Run:
    """Return a superset of a repeated sequence: so many octets of its alphabet."""
    most = _most(sequence)
    octets = frozenset[int]().union(*(element.octets for element in sequence))
    return _Run(octets, _least(sequence) * low, None if most is None or high is None else most * high)


def _bounded(sequence: _Sequence) -> _Sequence:
    return sequence if _size(sequence) <= MAX_POSITIONS // MAX_REPEAT else (_blurred(sequence),)


def _repeated(inner: _Sequence, low: int, high: int | None) -> _Sequence:
    if not inner or high == 0:
        return ()
    if (low, high) == (1, 1):
        return inner
    if (low, high) == (0, 1) and len(inner) > 1:
        return (_branch([inner, ()]),)
    if low == 0 or _rarest_part(inner)[0] < MIN_LITERAL:
        return (_blurred(inner, low, high),)
    copies = min(low, MAX_REPEAT)
    found = _bounded(inner) * copies
    return found if high == copies else (*found, _blurred(inner, 0, high))


def _trimmed(sequence: _Sequence) -> _Sequence:
    """Leave out what may be empty at both ends: such an end would report a hit at every octet."""
    return _trim(_trim(sequence, -1), 0)


def _trim(sequence: _Sequence, end: int) -> _Sequence:
    found = list(sequence)
    while found and found[end].least == 0:
        found.pop(end)
    if not found:
        return ()
    last = found[end]
    if isinstance(last, _Run):
        least = min(last.least, MAX_LEAST)
        found[end] = _Run(last.octets, least, least)
    elif not _is_fixed(last):
        found[end] = _branch([_trim(alternative, end) for alternative in last.alternatives])
        if isinstance(found[end], _Run):  # it was blurred
            return _trim(tuple(found), end)
    return tuple(found)


def _rarest_part(sequence: _Sequence) -> tuple[int, str]:
    """Return the most characters that the sequence fixes in a row, and an expression for them."""
    best, run = (0, ""), []
    for element in (*sequence, None):
        if element is not None and _is_fixed(element):
            run.append(element)
            continue
        if len(run) > best[0]:
            best = len(run), _text(run)
        run = []
        if isinstance(element, _Branch):
            parts = [_rarest_part(alternative) for alternative in element.alternatives]
            literal = min(length for length, _ in parts)
            if literal > best[0]:
                best = literal, _either(dict.fromkeys(text for _, text in parts))
    return best


def _either(texts: Iterable[str]) -> str:
    return f"(?:{'|'.join(texts)})"


def _text(sequence: Sequence[_Run | _Branch]) -> str:
    """Write a sequence in Hyperscan's syntax."""
    return "".join(
        _class(element.octets) + _quantifier(element.least, element.most)
        if isinstance(element, _Run)
        else _either(map(_text, element.alternatives))
        for element in sequence
    )


def _quantifier(least: int, most: int | None) -> str:
    if least == most and least <= MAX_LEAST:
        return "" if least == 1 else f"{{{least}}}"
    if most is not None and most <= MAX_REPEAT:
        return f"{{{least},{most}}}"
    return {0: "*", 1: "+"}.get(least) or f"{{{min(least, MAX_LEAST)},}}"


@lru_cache(maxsize=1024)
def _class(octets: frozenset[int]) -> str:
    if len(octets) == 1:
        return _octet(min(octets))
    ranges: list[list[int]] = []
    for code in sorted(octets):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    parts = (f"{_octet(low)}-{_octet(top)}" if top > low else _octet(low) for low, top in ranges)
    return f"[{''.join(parts)}]"


def _octet(code: int) -> str:
    character = chr(code)
    return character if character.isalnum() and code < 0x80 else f"\\x{code:02x}"


def _fold(letter: str, *others: bytes) -> _Branch:
    cases = frozenset({ord(letter), ord(letter.upper())})
    found = _branch([(_Run(cases, 1, 1),), *map(_fixed, others)])
    assert isinstance(found, _Branch)  # noqa: S101 -- it is too short to be blurred
    return found


_FOLDS: dict[str, _Branch] = {}
_FOLDS.update(
    {
        "i": _fold("i", "\u0130".encode(), "\u0131".encode()),  # with a dot as a capital, without one as a small letter
        "k": _fold("k", "\u212a".encode()),  # Kelvin
        "s": _fold("s", "\u017f".encode()),  # the long s
    }
)
"""ASCII letters to which characters outside ASCII fold when case is ignored."""
