"""Typed readers for the operator's files: they collect every error, each with its place and what to do.

A reader is a function of a node: a leaf (`as_duration()`) raises OperatorError, a composite reads its parts through
`Problems.attempt`, so that one wrong value does not hide the next. Whoever reads asks afterwards whether errors came.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from parsers.errors import OperatorError, Place
from rules.pieces import Pieces
from rules.strict_yaml import Entry, MappingNode, Node, ScalarNode, SequenceNode, shown

MAX_WORD = 100
"""Characters of a wrong word that are compared with the right ones: comparing takes time in the square of them."""

T = TypeVar("T")
D = TypeVar("D")


class SpoiltError(OperatorError):
    """What cannot be read because of something else that is wrong and told there: no error of its own."""


class Problems:
    """What is wrong with a file: errors, each of which turns something off, and warnings.

    Attributes:
        fields: the fields of events that are known here; None: whatever an event's field is called is right.
        places: where each step stands, by its name.
        named: where `${...}` names a field, in what is being read.
        filled: the same for each step, by the step's name and the field's.
        pieces: the lists and macros that conditions may name.
        used: where those stand that they do name.
    """

    def __init__(self, pieces: Pieces | None = None, fields: Container[str] | None = None) -> None:
        self.pieces = pieces or Pieces()
        self.fields = fields
        self.used: set[Place] = set()
        self.places: dict[str, Place] = {}
        self.named: dict[str, Place] = {}
        self.filled: dict[tuple[str, str], Place] = {}
        self._spoilt = 0
        self._errors: list[OperatorError] = []
        self._warnings: list[OperatorError] = []

    @property
    def count(self) -> int:
        """How much is wrong so far; compare two counts to see whether what was read between is good."""
        return len(self._errors) + self._spoilt

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
        if isinstance(node, MappingNode) and not node.whole:
            return None
        try:
            return reader(node, self)
        except SpoiltError as error:
            self._spoilt += 1
            if error.problem:
                self._warnings.append(error)
            return None
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
        usual: what stands for keys that are absent; a key whose value is null or [] takes it away.
        habits: what other programs call a key, and what it is called here; or, where it stands elsewhere, what to write
            (`key: value`).
    """

    def __init__(
        self,
        node: Node,
        problems: Problems,
        name: str | None = None,
        usual: Mapping[str, Entry] | None = None,
        habits: Mapping[str, str] | None = None,
    ) -> None:
        self.place, self.problems = node.place, problems
        self._usual = usual or {}
        self._habits = habits or {}
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
            self.problems.error(f"unknown key {shown(key)}{self._in}{self._advice(key)}", entry.place)
        for problem in self._missing.values():
            self.problems.error(problem, self.place)

    def _advice(self, key: str) -> str:
        """Say what a wrong key should be; a key that is missing may be the one that was meant, and is said once."""
        meant = self._habits.get(key.lower())
        if meant in self._known:
            self._missing.pop(meant, None)
            return f'; write "{meant}"'
        if meant is not None and ":" in meant:
            self._missing.pop(meant.partition(":")[0], None)
            return f"; write {meant}"
        near = nearest(key, self._known)
        if near:
            self._missing.pop(near, None)
            return f'; did you mean "{near}"?'
        if self._missing:
            problem = self._missing.pop(next(iter(self._missing)))
            return f"; and {problem}"
        return f"; known are {', '.join(dict.fromkeys(self._known))}"

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def left(self) -> tuple[str, ...]:
        """Return the keys that nobody has taken yet."""
        return tuple(self._entries)

    def place_of(self, key: str) -> Place:
        """Return where a key that has not been taken stands, else where the mapping begins."""
        return self._entries[key].place if key in self._entries else self.place

    def place_of_second(self, keys: Iterable[str]) -> Place:
        """Return where the second of these keys stands, of which only one may be there."""
        return sorted(map(self.place_of, keys), key=lambda place: (place.line, place.column))[1]

    def value_of(self, key: str) -> Node | None:
        """Return the value of a key that has not been taken, unread; None where it is absent."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def pop(self, key: str) -> Entry | None:
        """Take a key without reading it; None where it is absent."""
        self._known.append(key)
        entry = self._entries.pop(key, None)
        if key in self._usual:
            return self._usual[key] if entry is None else None if _is_nothing(entry.value) else entry
        return entry

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


def _is_nothing(node: Node) -> bool:
    if isinstance(node, ScalarNode):
        return node.plain and node.value() is None
    return isinstance(node, SequenceNode) and not node.items


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
