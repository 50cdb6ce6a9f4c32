"""Lists, macros and fields of one's own out of a configuration or a rule file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from parsers.errors import OperatorError, Place
from rules.condition import Scalar
from rules.expression import PIECE
from rules.lists import Listed, lines_of, networks_among
from rules.load_condition import FIELD, as_condition, starred_network
from rules.pieces import Macro, NamedList, Pieces
from rules.schema import Fields, Problems, Reader, SpoiltError, as_list, mapping_of, nearest, scalar_of
from rules.strict_yaml import Entry, MappingNode, Node, ScalarNode, SequenceNode, shown
from rules.values import as_text

ReadFile = Callable[[str, Place], tuple[str, str | OperatorError]]
"""Reads a list's file, named as in the configuration; returns its absolute path, and its text or why it has none."""


def take_pieces(fields: Fields, outer: Pieces, read_file: ReadFile | None) -> Pieces:
    """Take `fields`, `lists` and `macros` out of a file's mapping, and let what is read from here on use them.

    Args:
        fields: the file's own keys.
        outer: what may be used as well, and is hidden by what is called the same.
        read_file: None: lists cannot stand in files.
    """
    problems = fields.problems
    names = outer.fields.union(fields.take("fields", as_list(as_text(FIELD, "a field's name")), ()))
    lists = fields.take("lists", _as_lists(outer, read_file), dict(outer.lists))
    macros = fields.pop("macros")
    problems.pieces = Pieces(lists, outer.macros, names)
    if macros is not None:
        problems.attempt(macros.value, _as_macros(outer), "macros")
    problems.pieces = replace(problems.pieces, used=frozenset(problems.used))
    return problems.pieces


def _named_entries(node: Node, problems: Problems, taken: Mapping[str, NamedList] | None = None) -> dict[str, Entry]:
    """Return the entries whose keys can be names."""
    found: dict[str, Entry] = {}
    for entry in mapping_of(node).entries:
        if not re.fullmatch(PIECE, entry.key):
            bare = entry.key.removeprefix("$")
            advice = f"; write {bare} without the $" if re.fullmatch(PIECE, bare) else "; use letters, figures, - and _"
            problems.error(f"{shown(entry.key)} cannot be a name{advice}", entry.place)
        elif taken and entry.key in taken and taken[entry.key].place.file == entry.place.file:
            place = taken[entry.key].place
            problems.error(f'"{entry.key}" is a list already, in line {place.line}; choose another name', entry.place)
        else:
            found[entry.key] = entry
    return found


def _as_lists(outer: Pieces, read_file: ReadFile | None) -> Reader[dict[str, NamedList]]:
    def read(node: Node, problems: Problems) -> dict[str, NamedList]:
        lists = _Lists(_named_entries(node, problems), outer, read_file, problems)
        return {**outer.lists, **{name: lists[name] for name in lists.names}}

    return read


class _Lists:
    """Reads lists when they are first asked for, so that one may use another that stands behind it."""

    def __init__(
        self, entries: Mapping[str, Entry], outer: Pieces, read_file: ReadFile | None, problems: Problems
    ) -> None:
        self.names = tuple(entries)
        self._entries, self._outer, self._read_file, self._problems = entries, outer, read_file, problems
        self._known: dict[str, NamedList] = {}
        self._under_way: list[str] = []

    def __getitem__(self, name: str) -> NamedList:
        if name not in self._known:
            entry = self._entries[name]
            self._under_way.append(name)
            found = self._problems.attempt(entry.value, self._list, name)
            self._under_way.pop()
            self._known[name] = replace(found, place=entry.place) if found else NamedList(entry.place, wrong=True)
        return self._known[name]

    def _list(self, node: Node, problems: Problems) -> NamedList:
        if isinstance(node, MappingNode):
            if any(entry.key == "usual" for entry in node.entries):
                return self._outer_or_usual(node, problems)
            return self._from_file(node, problems)
        if not isinstance(node, SequenceNode):
            raise OperatorError("a list is wanted, or {file: PATH} with one entry a line", node.place)
        own: list[ScalarNode] = []
        others: list[NamedList] = []
        for item in node.items:
            scalar = scalar_of(item, "a value or a network")
            if scalar.plain and re.fullmatch(rf"\${PIECE}", scalar.text):
                others.append(self._other(scalar.text[1:], scalar.place))
            else:
                own.append(scalar)
                if network := starred_network(scalar.text):
                    raise OperatorError(f"{shown(scalar.text)} is no network; write {network}", scalar.place)
        networks = networks_among([(scalar.text, scalar.place) for scalar in own])
        values: Sequence[Scalar] = () if networks else [value for each in own if (value := each.value()) is not None]
        found = NamedList(
            node.place,
            tuple(dict.fromkeys(chain(values, *(other.values for other in others)))),
            tuple(dict.fromkeys(chain(networks or (), *(other.networks for other in others)))),
            tuple(dict.fromkeys(chain.from_iterable(other.files for other in others))),
        )
        if found.values and found.networks:
            raise OperatorError("networks and other values are in one list; make two lists", node.place)
        return found

    def _other(self, name: str, place: Place) -> NamedList:
        if name in self._under_way:
            circle = " → ".join(f"${each}" for each in (*self._under_way[self._under_way.index(name) :], name))
            raise OperatorError(f"the list uses itself: {circle}", place)
        if name in self._entries:
            found = self[name]
        elif name in self._outer.lists:
            found = self._outer.lists[name]
        else:
            near = nearest(name, (*self._entries, *self._outer.lists))
            raise OperatorError(f"there is no list ${name}{f'; did you mean ${near}?' if near else ''}", place)
        self._problems.used.add(found.place)
        if found.wrong:
            raise SpoiltError(f"off as well, for the list ${name} is wrong: see {found.place}", place)
        return found

    def _outer_or_usual(self, node: MappingNode, problems: Problems) -> NamedList:
        """Return what the configuration calls so; the `usual` values where it has no such list."""
        with Fields(node, problems, "list") as fields:
            usual = fields.take("usual", self._list, NamedList(node.place))
        outer = self._outer.lists.get(self._under_way[-1])
        if outer is None:
            return usual
        problems.used.add(outer.place)
        return outer

    def _from_file(self, node: MappingNode, problems: Problems) -> NamedList:
        with Fields(node, problems, "list") as fields:
            named = fields.value_of("file")
            place = named.place if named else node.place
            name = fields.require("file", as_text(r".+", "a file's path"))
        if name is None:
            return NamedList(node.place, wrong=True)
        if self._read_file is None:
            raise OperatorError("a list cannot stand in a file here", place)
        path, text = self._read_file(name, place)
        called = self._under_way[-1]
        try:
            if isinstance(text, OperatorError):
                raise text
            listed = Listed(called, path, lines_of(text, path))
        except OperatorError as error:
            lost = OperatorError(f"{shown(called)}: {error.problem}", error.place)
            return NamedList(node.place, files=(Listed(called, path),), wrong=True, lost=lost)
        return NamedList(node.place, files=(listed,))


def _as_macros(outer: Pieces) -> Reader[None]:
    def read(node: Node, problems: Problems) -> None:
        macros = _Macros(_named_entries(node, problems, problems.pieces.lists), outer.macros, problems)
        problems.pieces = replace(problems.pieces, macros=macros)
        problems.pieces = replace(problems.pieces, macros=dict(macros))

    return read


class _Macros(Mapping[str, Macro]):
    """Reads macros when they are first asked for, so that one may use another that stands behind it."""

    def __init__(self, entries: Mapping[str, Entry], outer: Mapping[str, Macro], problems: Problems) -> None:
        self._entries, self._outer, self._problems = entries, outer, problems
        self._known: dict[str, Macro] = {}
        self._under_way: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter({**self._outer, **self._entries})

    def __len__(self) -> int:
        return len({**self._outer, **self._entries})

    def __getitem__(self, name: str) -> Macro:
        if name not in self._entries:
            return self._outer[name]
        entry = self._entries[name]
        if name in self._under_way:
            circle = " → ".join(f"${each}" for each in (*self._under_way[self._under_way.index(name) :], name))
            return Macro(entry.place, None, circle)
        return self._known.get(name) or self._read(name, entry)

    def _read(self, name: str, entry: Entry) -> Macro:
        problems = self._problems
        before = problems.count
        self._under_way.append(name)
        condition = problems.attempt(entry.value, as_condition, name)
        self._under_way.pop()
        self._known[name] = Macro(entry.place, None if problems.count > before else condition)
        return self._known[name]
