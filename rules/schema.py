"""Typed readers for the operator's files: they collect every error, each with its place and what to do.

A reader is a function of a node: a leaf (`as_duration()`) raises OperatorError, a composite reads its parts through
`Problems.attempt`, so that one wrong value does not hide the next. Whoever reads asks afterwards whether errors came.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Self, TypeVar

from parsers.errors import OperatorError, Place
from rules.strict_yaml import Entry, MappingNode, Node, ScalarNode, SequenceNode, shown

MAX_WORD = 100
"""Characters of a wrong word that are compared with the right ones: comparing takes time in the square of them."""

T = TypeVar("T")
D = TypeVar("D")


class Problems:
    """What is wrong with a file: errors, each of which turns something off, and warnings.

    Attributes:
        own_fields: fields of events that the file itself makes, and that nobody else needs to know.
        places: where each step stands, by its name.
    """

    def __init__(self) -> None:
        self.own_fields: set[str] = set()
        self.places: dict[str, Place] = {}
        self._errors: list[OperatorError] = []
        self._warnings: list[OperatorError] = []

    @property
    def count(self) -> int:
        """How many errors there have been; compare two counts to see whether what was read between is good."""
        return len(self._errors)

    @property
    def errors(self) -> tuple[OperatorError, ...]:
        """Every error in the order of the file; what an alias repeats is said once."""
        return _once(self._errors)

    @property
    def warnings(self) -> tuple[OperatorError, ...]:
        """Every warning in the order of the file, once."""
        return _once(self._warnings)

    def error(self, problem: str, place: Place) -> None:
        """Note an error."""
        self._errors.append(OperatorError(problem, place))

    def warn(self, problem: str, place: Place) -> None:
        """Note what may be meant, but probably is not."""
        self._warnings.append(OperatorError(problem, place))

    def attempt(self, node: Node, reader: Reader[T], key: str | None = None) -> T | None:
        """Read a node; None where that failed and the error is noted, named by the key whose value it is."""
        self._errors.extend(node.faults)
        try:
            return reader(node, self)
        except OperatorError as error:
            self._errors.append(error if key is None else OperatorError(f"{shown(key)}: {error.problem}", error.place))
            return None


Reader = Callable[[Node, Problems], T]


def _once(errors: Iterable[OperatorError]) -> tuple[OperatorError, ...]:
    def place(error: OperatorError) -> tuple[int, int]:
        return (error.place.line, error.place.column) if error.place else (0, 0)

    return tuple(sorted({str(error): error for error in errors}.values(), key=place))


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word that is most like this one, None where none is near."""
    return next(iter(difflib.get_close_matches(word[:MAX_WORD], sorted(known), n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return `; did you mean "x"?` for the nearest known word, nothing where none is near."""
    near = nearest(word, known, cutoff)
    return f'; did you mean "{near}"?' if near else ""


class Fields:
    """The keys of one mapping, taken one by one; leaving the `with` block reports the keys that nobody took.

    Attributes:
        name: what the mapping is called in errors (`"when"`); None for the file's own keys.
    """

    def __init__(self, node: Node, problems: Problems, name: str | None = None) -> None:
        self.place, self.problems = node.place, problems
        self._in = f' in "{name}"' if name else ""
        self._entries: dict[str, Entry] = {entry.key: entry for entry in mapping_of(node).entries}
        self._known: list[str] = []
        self._missing: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        for key, entry in self._entries.items():
            near = nearest(key, self._known)
            self._missing.pop(near or "", None)  # the misspelt key is the missing one: said once
            advice = f'; did you mean "{near}"?' if near else f"; known are {', '.join(self._known)}"
            self.problems.error(f"unknown key {shown(key)}{self._in}{advice}", entry.place)
        for problem in self._missing.values():
            self.problems.error(problem, self.place)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def left(self) -> tuple[str, ...]:
        """Return the keys that nobody has taken yet."""
        return tuple(self._entries)

    def place_of(self, key: str) -> Place:
        """Return where a key that has not been taken stands, else where the mapping begins."""
        return self._entries[key].place if key in self._entries else self.place

    def pop(self, key: str) -> Entry | None:
        """Take a key without reading it; None where it is absent."""
        self._known.append(key)
        return self._entries.pop(key, None)

    def take(self, key: str, reader: Reader[T], default: D) -> T | D:
        """Read a key's value; the default where it is absent or wrong."""
        entry = self.pop(key)
        value = self.problems.attempt(entry.value, reader, key) if entry else None
        return default if value is None else value

    def require(self, key: str, reader: Reader[T], why: str = "") -> T | None:
        """Read a key that must be there; None where it is absent or wrong, which is noted."""
        if key not in self._entries:
            self.pop(key)
            self._missing[key] = f'the key "{key}" is missing{self._in}{why and "; "}{why}'
            return None
        return self.take(key, reader, None)

    def rest(self) -> tuple[Entry, ...]:
        """Take all keys that are left, in their order."""
        left = tuple(self._entries.values())
        self._entries.clear()
        return left


def mapping_of(node: Node) -> MappingNode:
    """Return the node as a mapping."""
    if isinstance(node, MappingNode):
        return node
    raise OperatorError(f"a mapping (key: value) is wanted here, not {_kind(node)}", node.place)


def sequence_of(node: Node) -> SequenceNode:
    """Return the node as a list."""
    if isinstance(node, SequenceNode):
        return node
    raise OperatorError(f"a list is wanted here, not {_kind(node)}: [...], or lines that begin with '- '", node.place)


def scalar_of(node: Node, wanted: str = "one value") -> ScalarNode:
    """Return the node as a scalar that says something."""
    if not isinstance(node, ScalarNode):
        raise OperatorError(f"{wanted} is wanted here, not {_kind(node)}", node.place)
    if node.value() is None:
        what = f"{node.text} means nothing here; put it in quotes if it is text" if node.text else "a value is missing"
        raise OperatorError(f"{what}; {wanted} is wanted", node.place)
    return node


def _kind(node: Node) -> str:
    if isinstance(node, ScalarNode):
        return f"the text {shown(node.text)}" if node.text else "nothing"
    return "a list" if isinstance(node, SequenceNode) else "a mapping"


def as_list(reader: Reader[T], *, least: int = 0) -> Reader[tuple[T, ...]]:
    """Read a list, each entry with the same reader."""

    def read(node: Node, problems: Problems) -> tuple[T, ...]:
        items = sequence_of(node).items
        if len(items) < least:
            raise OperatorError("the list is empty", node.place)
        values = [problems.attempt(item, reader) for item in items]
        return tuple(value for value in values if value is not None)

    return read


def as_one_or_more(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """Read a value or a list of values that is not empty."""
    whole = as_list(reader, least=1)

    def read(node: Node, problems: Problems) -> tuple[T, ...]:
        return whole(node, problems) if isinstance(node, SequenceNode) else (reader(node, problems),)

    return read


def as_table(reader: Reader[T], key: str, wanted: str, reserved: Collection[str] = ()) -> Reader[dict[str, T]]:
    """Read a mapping whose keys are the operator's own and match the pattern `key`."""

    def read(node: Node, problems: Problems) -> dict[str, T]:
        table: dict[str, T] = {}
        for entry in mapping_of(node).entries:
            value = problems.attempt(entry.value, reader, entry.key)
            if not re.fullmatch(key, entry.key):
                problems.error(f"{wanted} is wanted, not {shown(entry.key)}", entry.place)
            elif entry.key.startswith(tuple(reserved)):
                problems.error(f"{entry.key} is the gateway's own to set; choose another name", entry.place)
            elif value is not None:
                table[entry.key] = value
        return table

    return read
