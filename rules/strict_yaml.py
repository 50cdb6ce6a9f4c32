"""YAML as a tree of nodes with places, read strictly: nothing changes its meaning silently.

The tree is built from the parser's events, never by YAML's constructors: a document cannot make objects, and neither
deep nesting nor aliases of aliases can exhaust the stack or the memory. Which plain scalar is a number or a truth
value follows the core schema of YAML 1.2 (section 10.3.2), narrowed to what YAML 1.1 reads in the same way: `yes`,
`1:30`, `0777`, `1_000` and `2026-11-22` are text. Whoever wants a type asks for it (`rules.schema`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from parsers.errors import OperatorError, Place

MAX_DEPTH = 64
"""Levels of nesting: a rule needs ten; readers recurse, and Python's stack ends at a thousand."""

MAX_NODES = 250_000
"""Nodes of a document with its aliases written out: ten thousand rules; "billion laughs" is 10 lines and 10^9."""

MAX_SHOWN = 60
"""Characters of a wrong value that an error quotes."""

Fault = OperatorError
"""Something wrong with a node which does not stop the reading of the rest of the file."""


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value.

    Attributes:
        plain: it stands without quotes, so it may be more than text.
        inset: columns between `place` and the text, where the text stands in the file letter by letter; else None.
    """

    place: Place
    text: str
    plain: bool
    inset: int | None = None
    faults: tuple[Fault, ...] = ()

    def value(self) -> str | int | bool | None:
        """Return what the scalar is: text, a whole number, a truth value, or None for nothing at all."""
        if not self.plain:
            return self.text
        if self.text in _CONSTANTS:
            return _CONSTANTS[self.text]
        return int(self.text) if _INTEGER.fullmatch(self.text) else self.text

    def place_of(self, offset: int) -> Place:
        """Return where a character of the text stands; where that is not known, where the value begins."""
        if self.inset is None:
            return self.place
        return Place(self.place.file, self.place.line, self.place.column + self.inset + offset)


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    place: Place
    items: tuple[Node, ...]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value."""

    key: str
    place: Place
    value: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Keys and values; each key once.

    Attributes:
        whole: False: what else it holds could not be read, so that nobody can say what is missing.
    """

    place: Place
    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...] = ()
    whole: bool = True


Node = ScalarNode | SequenceNode | MappingNode

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
"""Up to 18 digits, which is what 64 bits hold; longer ones are text: nobody calculates with them."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""Characters that YAML refuses (section 5.1), a byte order mark inside the text, and the three that YAML 1.1 takes
for line breaks and YAML 1.2 does not."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(text: str, file: str) -> Node | None:
    """Return the document of a file, None where there is nothing but comments.

    Duplicate keys, merge keys, tags and odd keys are `faults` of their nodes, so that the rest can be used.

    Raises:
        OperatorError: the text is no YAML, holds more than one document, or is too deep or too large.
    """
    text = text.removeprefix("\ufeff")
    if found := _FORBIDDEN.search(text):
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        raise OperatorError(
            f'the character U+{ord(found[0]):04X} cannot stand in YAML; in double quotes write "{_escape(found[0])}"',
            Place(file, line, column),
        )
    builder = _Builder(text, file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _in_our_words(error, text, file) from None
    except yaml.YAMLError as error:
        raise OperatorError(f"this is no YAML: {' '.join(str(error).split())}", Place(file, 1, 1)) from None
    return builder.root


def shown(text: str) -> str:
    """Return a word of the file as an error quotes it: on one line, printable, and not too long."""
    cut = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
    return '"' + "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut) + '"'


class _Open:
    """A list or mapping whose end has not come yet."""

    def __init__(self, place: Place, anchor: str | None, *, mapping: bool) -> None:
        self.place, self.anchor, self.mapping = place, anchor, mapping
        self.children: list[Node] = []
        self.faults: list[Fault] = []
        self.weight = 1

    def close(self) -> Node:
        if not self.mapping:
            return SequenceNode(self.place, tuple(self.children), tuple(self.faults))
        entries: dict[str, Entry] = {}
        whole = True
        for key, value in zip(self.children[::2], self.children[1::2], strict=True):
            if wrong := self._wrong_key(key, entries):
                self.faults.append(OperatorError(wrong, key.place))
                whole = whole and isinstance(key, ScalarNode) and key.text in entries
            elif isinstance(key, ScalarNode):
                entries[key.text] = Entry(key.text, key.place, value)
        return MappingNode(self.place, tuple(entries.values()), tuple(self.faults), whole)

    @staticmethod
    def _wrong_key(key: Node, entries: dict[str, Entry]) -> str | None:
        if key.faults:
            return key.faults[0].problem
        if not isinstance(key, ScalarNode):
            return "a key must be a word, not a list or a mapping; put text that begins with [ or { in quotes"
        if key.plain and key.value() is None:
            return "a key is missing before the colon"
        if key.plain and key.text == "<<":
            return 'merge keys ("<<") are not read; write the keys out, or use an alias for a whole value'
        if first := entries.get(key.text):
            return f"the key {shown(key.text)} stands twice; the first is in line {first.place.line}"
        return None


class _Builder:
    """Makes the tree out of the parser's events."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._documents = 0
        self._weight = 0
        self.root: Node | None = None

    def take(self, event: yaml.Event) -> None:
        mark, end = event.start_mark, event.end_mark
        if mark is None or end is None:
            raise TypeError("an event without its place")
        place = Place(self._file, mark.line + 1, mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise OperatorError("a second document begins here; a file holds one: take the line --- away", place)
        elif isinstance(event, yaml.ScalarEvent):
            plain = not event.style
            quote = 0 if plain else 1
            literal = self._text[mark.index + quote : end.index - quote] == event.value
            faults = tuple(self._tagged(event.tag, place))
            self._weigh(1, place)
            self._add(ScalarNode(place, event.value, plain, quote if literal else None, faults), event.anchor, 1)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", place)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            self._add(done.close(), done.anchor, done.weight)

    def _start(self, event: yaml.CollectionStartEvent, place: Place) -> None:
        if len(self._open) == MAX_DEPTH:
            raise OperatorError(f"nested deeper than {MAX_DEPTH} levels", place)
        self._weigh(1, place)
        opened = _Open(place, event.anchor, mapping=isinstance(event, yaml.MappingStartEvent))
        opened.faults.extend(self._tagged(event.tag, place))
        self._open.append(opened)

    def _alias(self, name: str, place: Place) -> None:
        if any(opened.anchor == name for opened in self._open):
            raise OperatorError(f"*{name} stands inside what it repeats", place)
        if name not in self._anchors:
            raise OperatorError(
                f"no anchor &{name} comes before this; put text that begins with * in quotes: '*{name}'", place
            )
        node, weight = self._anchors[name]
        self._weigh(weight, place)
        self._add(node, None, weight)

    def _weigh(self, weight: int, place: Place) -> None:
        self._weight += weight
        if self._weight > MAX_NODES:
            raise OperatorError(f"more than {MAX_NODES:,} values with all aliases written out; split the file", place)

    def _add(self, node: Node, anchor: str | None, weight: int) -> None:
        if anchor:
            self._anchors[anchor] = node, weight
        if self._open:
            self._open[-1].children.append(node)
            self._open[-1].weight += weight
        elif not (isinstance(node, ScalarNode) and node.plain and not node.text):
            self.root = node

    @staticmethod
    def _tagged(tag: str | None, place: Place) -> Iterable[Fault]:
        if tag is not None:
            tag_name = tag.replace("tag:yaml.org,2002:", "!!")
            yield OperatorError(
                f"the tag {shown(tag_name)} is not read; write the value without it, text in quotes", place
            )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}"


_ADVICE = (
    ("mapping values are not allowed", 'a second ": " in one line; put the text in quotes, or check the indentation'),
    ("unknown escape character", "a backslash in double quotes begins an escape; use single quotes for patterns"),
    ("found unexpected end of stream", "the closing quote is missing"),
    ("could not find expected ':'", 'a colon and a blank (": ") must follow the key'),
    (
        "did not find expected ',' or ']'",
        "the list is not closed, or a comma is missing; put text with , or ] in quotes",
    ),
    ("expected ',' or ']'", "the list is not closed, or a comma is missing; put text with , or ] in quotes"),
    ("did not find expected ',' or '}'", "the mapping is not closed, or a comma is missing"),
    ("expected ',' or '}'", "the mapping is not closed, or a comma is missing"),
    ("did not find expected key", "a key is wanted here; check the indentation"),
    ("did not find expected '-' indicator", "a list entry (- ) is wanted here; check the indentation"),
    ("expected <block end>", "check the indentation"),
    ("found a tab character that violates indentation", "a tab: YAML is indented with blanks only"),
    ("block sequence entries are not allowed", "a list entry (- ) cannot begin here; put it on a line of its own"),
)


def _in_our_words(error: yaml.MarkedYAMLError, text: str, file: str) -> OperatorError:
    mark = error.problem_mark or error.context_mark
    context = error.context or ""
    if "scanning an alias" in context or "scanning an anchor" in context:
        mark = error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
    index = mark.index if mark else len(text)
    problem, at = error.problem or "", text[index : index + 1]
    began = error.context_mark.line + 1 if error.context_mark else place.line
    if "scanning an alias" in context or "scanning an anchor" in context:
        problem = "text that begins with * or & must stand in quotes"
    elif "," in problem and text[max(0, index - 1) : index + 1] == "${":
        problem = 'inside [ ] and { } put text with ${...} in quotes: "${source.ip}"'
    elif "cannot start any token" in problem:
        problem = (
            "a tab: YAML is indented with blanks only"
            if at == "\t"
            else f"text that begins with {at} must stand in quotes"
        )
    else:
        problem = next((advice for part, advice in _ADVICE if part in problem), f"this is no YAML: {problem}")
    since = f" (in what begins in line {began})" if began < place.line else ""
    return OperatorError(problem + since, place)
