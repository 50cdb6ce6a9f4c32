"""YAML read strictly: what is refused, where it is said to be, and what plain scalars are."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import OperatorError, Place
from rules.strict_yaml import MAX_DEPTH, MappingNode, Node, ScalarNode, SequenceNode, parse, shown


def value_of(text: str) -> str | int | bool | None:
    """Return what a scalar is under the key `k`."""
    root = parse(f"k: {text}\n", "f")
    assert isinstance(root, MappingNode)
    node = root.entries[0].value
    assert isinstance(node, ScalarNode)
    return node.value()


def fault_of(text: str) -> str:
    """Return the first error of a text, thrown or left at a node."""
    try:
        node = parse(text, "f")
    except OperatorError as error:
        return str(error)
    return str(next(iter(_faults(node))))


def _faults(node: Node | None) -> list[OperatorError]:
    if node is None:
        return []
    found = list(node.faults)
    if isinstance(node, SequenceNode):
        found += [fault for item in node.items for fault in _faults(item)]
    if isinstance(node, MappingNode):
        found += [fault for entry in node.entries for fault in _faults(entry.value)]
    return found


@pytest.mark.parametrize(
    "trap",
    [
        *("on", "off", "yes", "no", "Yes", "NO", "y", "n"),
        *("1:30", "12:30:45", "0777", "0o17", "0x1F", "0b1", "1_000", "+5"),
        *(".5", "1.10", "12e3", ".inf", ".NaN", "2026-11-22", "2026-11-22T10:00:00Z", "=", "١٢"),
    ],
)
def test_what_yaml_1_1_would_turn_into_something_else_is_text(trap: str) -> None:
    """Truth values, base 60, octal, underscores, fractions and dates stay what stands in the file."""
    assert value_of(trap) == trap


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False)),
        *(("~", None), ("null", None), ("Null", None), ("NULL", None), ("", None)),
        *(("0", 0), ("-7", -7), ("514", 514), ("999999999999999999", 999999999999999999)),
        *(("tRUE", "tRUE"), ("9999999999999999999", "9999999999999999999")),
        *(("'5'", "5"), ('"true"', "true"), ("''", ""), ('"~"', "~")),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """Only whole numbers, truth values and null are more than text, and only without quotes."""
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f:3:1: the key "a" stands twice; the first is in line 1'),
        ("x:\n  ? [a]\n  : 1\n", "f:2:5: a key must be a word"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "f:3:3: merge keys"),
        ("a: !!python/object:os.system [ls]\n", 'f:1:4: the tag "!!python/object:os.system" is not read'),
        ("a: !secret x\n", 'f:1:4: the tag "!secret" is not read'),
        ("a: !!str 5\n", 'f:1:4: the tag "!!str" is not read'),
        ("a:\n\tb: 1\n", "f:2:1: a tab: YAML is indented with blanks only"),
        ("a: [1, 2\nb: 3\n", "f:2:2: the list is not closed"),
        ("a: {b: 1\n", "f:2:1: the mapping is not closed"),
        ("a: b: c\n", 'f:1:5: a second ": " in one line'),
        ("a: @x\n", "f:1:4: text that begins with @ must stand in quotes"),
        ("a: %x\n", "f:1:4: text that begins with % must stand in quotes"),
        ("a: *.csv\n", "f:1:4: text that begins with * or & must stand in quotes"),
        ("a: *csv\n", "f:1:4: no anchor &csv comes before this; put text that begins with * in quotes: '*csv'"),
        ('a: "\\d+"\n', "f:1:5: a backslash in double quotes begins an escape; use single quotes for patterns"),
        ("a: 'x\n", "f:2:1: the closing quote is missing (in what begins in line 1)"),
        ("run: [echo, ${source.ip}]\n", "f:1:14: inside [ ] and { } put text with ${...} in quotes"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here"),
        ("&a [*a]\n", "f:1:5: *a stands inside what it repeats"),
        ("a: x\x07y\n", 'f:1:5: the character U+0007 cannot stand in YAML; in double quotes write "\\x07"'),
        ("b: 1\na: x\u2028y\n", 'f:2:5: the character U+2028 cannot stand in YAML; in double quotes write "\\u2028"'),
        ("a: \ud800\n", "f:1:4: the character U+D800 cannot stand in YAML"),
        ("%YAML 3.0\n---\na\n", "f:1:1: this is no YAML: found incompatible YAML document"),
        ("- a\nb: 1\n", "f:2:1: a list entry (- ) is wanted here"),
        ("a: |\n  x\n y\n", "f:3:2: a key is wanted here; check the indentation"),
    ],
)
def test_an_error_names_its_place_and_what_to_write(text: str, error: str) -> None:
    """Each of the usual slips gets one line with file, line, column and advice."""
    found = fault_of(text)
    assert found.startswith(error)
    assert "\n" not in found


def test_nodes_know_their_places() -> None:
    """Lines and columns count from 1, in characters, and a byte order mark is no character."""
    root = parse("\ufeffä: ö\nlist:\n  - {k: v}\n", "f")
    assert isinstance(root, MappingNode)
    assert root.entries[0].value.place == Place("f", 1, 4)
    items = root.entries[1].value
    assert isinstance(items, SequenceNode)
    assert items.items[0].place == Place("f", 3, 5)


@pytest.mark.parametrize(
    ("text", "inset"), [("abc", 0), ("'abc'", 1), ('"abc"', 1), ("'a''b'", None), ('"\\x41"', None), ("|\n  abc", None)]
)
def test_a_scalar_tells_whether_its_text_stands_in_the_file_as_it_is(text: str, inset: int | None) -> None:
    """An error inside a pattern can then name the pattern's own column."""
    root = parse(f"k: {text}\n", "f")
    assert isinstance(root, MappingNode)
    node = root.entries[0].value
    assert isinstance(node, ScalarNode)
    assert node.inset == inset


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "\ufeff"])
def test_a_file_without_content_is_nothing(text: str) -> None:
    """An empty file is no error here; whoever reads it decides."""
    assert parse(text, "f") is None


def test_aliases_repeat_a_value() -> None:
    """An anchor's value can be used again, as it is."""
    root = parse("a: &nets [10.0.0.0/8]\nb: *nets\n", "f")
    assert isinstance(root, MappingNode)
    assert root.entries[0].value is root.entries[1].value


def test_aliases_of_aliases_are_bounded() -> None:
    """A billion laughs is refused at once."""
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
    begun = time.process_time()
    with pytest.raises(OperatorError, match=r"^f:\d+:\d+: more than 250,000 values"):
        parse("\n".join(lines), "f")
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5000, "- " * 5000, "? " * 5000])
def test_depth_is_bounded(text: str) -> None:
    """Deep nesting is an error long before Python's stack ends."""
    with pytest.raises(OperatorError, match=f"nested deeper than {MAX_DEPTH} levels"):
        parse(text, "f")


def test_what_an_error_quotes_is_one_short_printable_line() -> None:
    """Control characters and bidirectional marks of a file do not reach the terminal."""
    assert shown("a\n\x1b\u202e" + "x" * 100) == '"a\\n\\x1b\\u202e' + "x" * 53 + '..."'


yaml_like = st.text(st.sampled_from("ab:-[]{}*&!?|>'\"#%@,~ \n\t<$.0\x00\ufeff\x85é\ud800")) | st.text()


@given(yaml_like)
def test_any_text_is_a_tree_or_an_operators_error(text: str) -> None:
    """Nothing but OperatorError ever comes out, with file and line."""
    try:
        node = parse(text, "f")
    except OperatorError as error:
        faults = [error]
    else:
        faults = _faults(node)
    for fault in faults:
        assert fault.place
        assert fault.place.file == "f"
        assert fault.place.line >= 1
        assert fault.place.column >= 1
