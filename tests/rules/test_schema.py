"""Mappings and lists: all errors are collected, and unknown keys get the nearest right word."""

from __future__ import annotations

import pytest

from parsers.errors import OperatorError
from rules.schema import Fields, Problems, SpoiltError, as_list, as_one_or_more, as_table
from rules.strict_yaml import Node, parse
from rules.values import as_int, as_text


def node_of(text: str) -> Node:
    """Return the document."""
    root = parse(text, "f")
    assert root is not None
    return root


def messages(problems: Problems) -> list[str]:
    """Return the errors as the operator sees them."""
    return [str(error) for error in problems.errors]


def test_keys_are_taken_with_their_types_and_defaults() -> None:
    """A key that is absent has its default."""
    problems = Problems()
    with Fields(node_of("count: 5\n"), problems) as fields:
        assert fields.take("count", as_int(1, 9), 1) == 5
        assert fields.take("name", as_text(), None) is None
    assert not problems.count


def test_every_error_is_collected_in_the_order_of_the_file() -> None:
    """One wrong value does not hide the next; a wrong value's default is returned meanwhile."""
    problems = Problems()
    with Fields(node_of("list: [a, 3, 99]\ncount: five\nbogus: 1\n"), problems, "when") as fields:
        assert fields.take("count", as_int(1, 9), 1) == 1
        assert fields.take("list", as_list(as_int(1, 9)), ()) == (3,)
    assert messages(problems) == [
        'f:1:8: a whole number from 1 to 9 is wanted, not "a"',
        'f:1:14: a whole number from 1 to 9 is wanted, not "99"',
        'f:2:8: "count": a whole number from 1 to 9 is wanted, not "five"',
        'f:3:1: unknown key "bogus" in "when"; known are count, list',
    ]


def test_a_missing_key_beside_an_unknown_one_is_one_error() -> None:
    """Most likely it is what was meant, under the name that another program has for it."""
    problems = Problems()
    with Fields(node_of("findtime: 10m\n"), problems, "when") as fields:
        fields.require("within", as_text(), "in which time")
    assert messages(problems) == [
        'f:1:1: unknown key "findtime" in "when"; and the key "within" is missing in "when"; in which time'
    ]
    problems = Problems()
    with Fields(node_of("findtime: 10m\n"), problems, "when", habits={"findtime": "within"}) as fields:
        fields.require("within", as_text())
    assert messages(problems) == ['f:1:1: unknown key "findtime" in "when"; write "within"']


def test_what_is_wrong_because_of_something_else_is_no_error() -> None:
    """It counts, so that what is read is off, and is a warning where there is more to say than the error did."""
    problems = Problems()

    def spoilt(node: Node, _: Problems) -> None:
        raise SpoiltError("off as well" if node.place.column > 4 else "", node.place)

    assert problems.attempt(node_of("a: 1"), spoilt) is None
    assert problems.attempt(node_of("    a: 1"), spoilt) is None
    assert (problems.count, problems.errors) == (2, ())
    assert [str(warning) for warning in problems.warnings] == ["f:1:5: off as well"]


def test_a_misspelt_key_is_said_once_with_the_right_word() -> None:
    """The key that is missing because it is misspelt is not reported a second time."""
    problems = Problems()
    with Fields(node_of("wihtin: 10m\n"), problems, "when") as fields:
        fields.require("within", as_text())
    assert messages(problems) == ['f:1:1: unknown key "wihtin" in "when"; did you mean "within"?']


def test_what_an_alias_repeats_is_said_once_but_counts_each_time() -> None:
    """Whoever uses a broken value through an alias is broken too."""
    problems = Problems()
    with Fields(node_of("a: &x [no]\nb: *x\n"), problems) as fields:
        fields.take("a", as_list(as_int(1, 9)), ())
        before = problems.count
        fields.take("b", as_list(as_int(1, 9)), ())
    assert problems.count > before
    assert len(problems.errors) == 1


def test_an_exception_leaves_unknown_keys_alone() -> None:
    """A mapping that was given up half way does not call its other keys unknown."""
    problems = Problems()

    def give_up() -> None:
        with Fields(node_of("a: 1\n"), problems):
            raise OperatorError("enough")

    with pytest.raises(OperatorError, match="enough"):
        give_up()
    assert not problems.count


def test_a_list_is_wanted_where_it_is() -> None:
    """Text is no list, and an empty list is refused where one entry is needed."""
    problems = Problems()
    assert problems.attempt(node_of("x"), as_list(as_text())) is None
    assert problems.attempt(node_of("[]"), as_list(as_text(), least=1)) is None
    assert problems.attempt(node_of("x"), as_one_or_more(as_text())) == ("x",)
    assert messages(problems) == [
        "f:1:1: a list is wanted here, not the text \"x\": [...], or lines that begin with '- '",
        "f:1:1: the list is empty",
    ]


def test_a_table_has_the_operators_own_keys() -> None:
    """Keys follow a pattern, and reserved ones are refused."""
    problems = Problems()
    table = problems.attempt(
        node_of("A: x\n1b: y\nGATEWAY_C: z\n"), as_table(as_text(), "[A-Z_]+", "a name", ("GATEWAY_",))
    )
    assert table == {"A": "x"}
    assert messages(problems) == [
        'f:2:1: a name is wanted, not "1b"',
        "f:3:1: GATEWAY_C is the gateway's own to set; choose another name",
    ]
