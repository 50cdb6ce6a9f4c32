"""The schemas and the readers know the same keys, and agree about documents."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway import config
from gateway.schema import NAMES
from gateway.schema.shapes import Schema
from parsers.errors import OperatorError
from rules import load
from rules.schema import Fields
from rules.strict_yaml import MappingNode, Node, parse
from tests.gateway.schema_documents import CONFIG, RULES, Checked, Where, documents, files, nodes, plain

ROOT = Path(__file__).parents[2]

ELSEWHERE = {"dead_letter", "stdin"}
"""Keys that a reader takes only to say why they cannot stand there."""

OTHERS = ("gateway/accounts/accounts_file.py",)
"""Readers of other documents."""

CHECKED = {name: Checked(name) for name in NAMES}


class Reading(NamedTuple):
    """A document as a reader went through it: for each mapping who read it, and which keys that one knows."""

    root: Node
    errors: tuple[str, ...]
    mappings: dict[int, list[tuple[str, set[str]]]]


Reader = Callable[[str, str], Reading]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Read a document of one of the two kinds, and watch how."""
    folder = tmp_path_factory.mktemp("read")
    files(folder)
    seen: list[tuple[Node, Fields, str]] = []
    roots: list[Node] = []

    def watched(self: Fields, node: Node, *rest: Any, **named: Any) -> None:
        seen.append((node, self, sys._getframe(1).f_code.co_qualname))
        initialise(self, node, *rest, **named)

    def kept(text: str, file: str) -> Node | None:
        root = parse(text, file)
        if root is not None:
            roots.append(root)
        return root

    def read_document(name: str, text: str) -> Reading:
        seen.clear()
        roots.clear()
        if name == "rules":
            errors = load.load_rules(text, "file.yaml", load.Defaults()).errors
        else:
            path = folder / "gateway.yaml"
            path.write_text(text)
            try:
                config.load(path)
                errors = ()
            except config.ConfigErrors as error:
                errors = error.errors
        mappings: dict[int, list[tuple[str, set[str]]]] = {}
        for node, fields, reader in seen:
            mappings.setdefault(id(node), []).append((reader, set(fields._known)))
        return Reading(roots[0], tuple(error.problem for error in errors), mappings)

    initialise = Fields.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fields, "__init__", watched)
        patch.setattr(load, "parse", kept)
        patch.setattr(config, "parse", kept)
        yield read_document


DOCUMENTS = [(name, text) for name, texts in (("rules", RULES), ("config", CONFIG)) for text in documents(texts)]


@pytest.mark.parametrize(("name", "text"), DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_each_mapping_has_the_keys_that_its_reader_knows(read: Reader, name: str, text: str) -> None:
    """A key that a reader learns must be in the schema, and one that it forgets must go from there."""
    schema, reading = CHECKED[name], read(name, text)
    assert reading.errors == ()
    value = plain(reading.root)
    schema.validator.validate(value)
    for path, node in nodes(reading.root):
        for reader, known in reading.mappings.get(id(node), ()):
            found, inner = schema.at(path, value), _at(value, path)
            keys = schema.keys(found, inner)
            assert keys, path
            assert keys <= known, (path, reader)
            assert known <= schema.keys(found, inner, valid=False) | ELSEWHERE, (path, reader)


def test_no_reader_of_a_mapping_is_left_out(read: Reader) -> None:
    """The documents above go through every place in the program that reads the keys of a mapping."""
    seen = {reader for each in DOCUMENTS for found in read(*each).mappings.values() for reader, _ in found}
    assert set(_readers()) - seen == set()


def _readers() -> Iterator[str]:
    """Yield the functions that read the keys of a mapping."""
    for file in (*(ROOT / "rules").glob("*.py"), *(ROOT / "gateway").rglob("*.py")):
        text = file.read_text()
        is_one = re.search(r"from rules.schema import [^\n]*\bFields\b", text)
        if is_one and str(file.relative_to(ROOT)) not in OTHERS:
            yield from _calling(ast.parse(text), "")


def _calling(node: ast.AST, name: str) -> Iterator[str]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "Fields":
            yield name
        if isinstance(inner, ast.FunctionDef | ast.ClassDef):
            before = f"{name}.<locals>." if name and isinstance(node, ast.FunctionDef) else f"{name}." if name else ""
            yield from _calling(inner, before + inner.name)
        else:
            yield from _calling(inner, name)


STRUCTURE = re.compile(
    r"unknown key|the key .* is missing|exactly one of|does one thing|waits for one thing|is the first"
)


def test_both_agree_when_a_key_comes_or_goes(read: Reader) -> None:
    """What a reader takes, the schema takes; what a reader refuses for its keys, the schema refuses.

    Each kind of mapping is changed where it first stands.
    """
    done: set[tuple[str, frozenset[str]]] = set()
    for name, text in DOCUMENTS:
        schema, reading = CHECKED[name], read(name, text)
        value = plain(reading.root)
        for path, node in nodes(reading.root):
            reader = next((reader for reader, _ in reading.mappings.get(id(node), ())), None)
            if reader is None or not isinstance(node, MappingNode):
                continue
            found, inner = schema.at(path, value), _at(value, path)
            kind = reader, frozenset(schema.keys(found, inner))
            if kind not in done:
                done.add(kind)
                for where, changed in _changed(schema, found, value, path):
                    _compare(read, name, changed, where)


@pytest.mark.parametrize(("name", "folder"), [("rules", "tests/rules/wrong"), ("config", "tests/gateway/wrong")])
def test_wrong_files_are_wrong_for_both(read: Reader, name: str, folder: str) -> None:
    """An editor underlines what `gateway check` would say of the keys."""
    for file in sorted((ROOT / folder).glob("*.yaml")):
        text = file.read_text()
        try:
            root = parse(text, str(file))
        except OperatorError:
            continue  # it is no YAML, which every editor knows by itself
        if root is not None and any(map(STRUCTURE.search, read(name, text).errors)):
            assert not CHECKED[name].takes(plain(root)), file


def _changed(schema: Checked, found: list[Schema], value: object, path: Where) -> Iterator[tuple[Where, object]]:
    """Yield a document with one key more or less in one of its mappings, and which."""
    inner = _at(value, path)
    own = schema.keys(found, inner)
    others = sorted(schema.keys(found, inner, valid=False) - own)[::3]  # of other kinds: a thousand are too many
    for key in (*sorted(own - set(inner)), *others):
        yield (*path, f"+{key}"), _with(value, path, {**inner, key: schema.value_of(found, key)})
    yield (*path, "+bogus-key"), _with(value, path, {**inner, "bogus-key": 1})
    for gone in inner:
        yield (*path, f"-{gone}"), _with(value, path, {key: inner[key] for key in inner if key != gone})


def _with(value: Any, path: Where, inner: object) -> object:
    """Return a document with another value at a path."""
    if not path:
        return inner
    changed = value.copy()
    changed[path[0]] = _with(value[path[0]], path[1:], inner)
    return changed


def _compare(read: Reader, name: str, value: object, where: Where) -> None:
    errors = read(name, json.dumps(value)).errors
    if not errors or any(map(STRUCTURE.search, errors)):
        assert CHECKED[name].takes(value) == (not errors), (where, errors)


def _at(value: Any, path: Where) -> Any:
    for step in path:
        value = value[step]
    return value
