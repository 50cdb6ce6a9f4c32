"""How a task's arguments are filled from an event."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parsers.event import FieldValue
from rules.job import FillError, check_argument, check_argv, fill, fill_argv

FIELDS: dict[str, FieldValue] = {
    "source.ip": "192.0.2.7",
    "source.port": 4000,
    "user.name": "root",
    "ratio": 0.5,
    "yes": True,
    "empty": "",
    "option": "-rf",
    "hosts": ["a", "b"],
    "log.syslog.structured_data": {"meta@1": {"ip": "192.0.2.9"}},
}


@pytest.mark.parametrize(
    ("argument", "filled"),
    [
        ("plain", "plain"),
        ("${source.ip}", "192.0.2.7"),
        ("{ ${source.ip} }", "{ 192.0.2.7 }"),
        ("${user.name}@${source.ip}:${source.port}", "root@192.0.2.7:4000"),
        ("${ratio} ${yes}", "0.5 true"),
        ("${log.syslog.structured_data.meta@1.ip}", "192.0.2.9"),
        ("$$", "$"),
        ("$${source.ip}", "${source.ip}"),
        ("$$${user.name}", "$root"),
        ("costs 5$ or $x", "costs 5$ or $x"),
        ("--from=${option}", "--from=-rf"),
        ("a${option}", "a-rf"),
        ("${empty}", ""),
    ],
)
def test_values_stand_where_the_argument_names_them(argument: str, filled: str) -> None:
    """A field's value replaces its name in braces, and `$$` is a dollar sign."""
    check_argument(argument)
    assert fill(argument, FIELDS) == filled


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("${absent}", "no field absent"),
        ("${hosts}", "is a list"),
        ("${log.syslog.structured_data}", "is a table"),
        ("${option}", "begins with '-'"),
        ("${empty}${option}", "begins with '-'"),
        ("${source.ip", "not closed"),
        ("a${b${user.name}", "not closed"),
    ],
)
def test_what_cannot_be_filled_is_an_error(argument: str, words: str) -> None:
    """A value that is missing, is not one value or would become an option keeps the job from being started."""
    with pytest.raises(FillError, match=words):
        fill(argument, FIELDS)


def test_a_nul_cannot_be_part_of_an_argument() -> None:
    """The system would end the argument there, so that a program would see less than the rule's author."""
    with pytest.raises(FillError, match="NUL"):
        fill("${name}", {"name": "a\0b"})


def test_options_are_allowed_where_the_task_says_so() -> None:
    """`options: true` lets a value begin with a minus sign."""
    assert fill("${option}", FIELDS, options=True) == "-rf"


@pytest.mark.parametrize("hostile", ["; rm -rf /", "$(id)", "`id`", "a\nb", "a b", "'\"", "${user.name}", "$$", "*"])
def test_a_hostile_value_stays_one_argument(hostile: str) -> None:
    """Nothing in a value is looked at again: no splitting, no shell, no second filling."""
    assert fill_argv(["echo", "${x}"], {"x": hostile}) == ["echo", hostile]


def test_octets_that_are_no_text_are_shown() -> None:
    """Lone surrogates, from octets that were no UTF-8 or from JSON, become characters that a program can be given."""
    assert fill("${x}", {"x": "a\udcffb"}) == "a\\xffb"
    assert fill("${x}", {"x": "a\ud800b"}) == "a\\ud800b"


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("a\0b", "NUL"),
        ("${", "not closed"),
        ("${source.ip", "not closed"),
        ("${}", "no name"),
        ("${HOME:-/root}", "no name"),
        ("${ user.name }", "no name"),
        ("${-x}", "no name"),
    ],
)
def test_mistakes_are_found_without_an_event(argument: str, words: str) -> None:
    """A loader can tell the author of a rule at once."""
    with pytest.raises(FillError, match=words):
        check_argument(argument)


@pytest.mark.parametrize(
    ("argv", "words"), [([], "no program"), ([""], "no program"), (["${user.name}"], "cannot come from an event")]
)
def test_the_program_is_the_rules_own(argv: list[str], words: str) -> None:
    """Which program runs must not depend on what a message says, neither at load nor when it runs."""
    with pytest.raises(FillError, match=words):
        check_argv(argv)
    with pytest.raises(FillError, match=words):
        fill_argv(argv, FIELDS)


@given(st.lists(st.text(), min_size=1, max_size=4), st.text(), st.text())
@example(["echo", "${a}${b}"], "", "-x")
def test_filling_keeps_the_number_of_arguments_and_makes_no_options(argv: list[str], a: str, b: str) -> None:
    """Whatever the values are: as many arguments as before, no NUL, and none begins with `-` that did not."""
    try:
        filled = fill_argv(argv, {"a": a, "b": b})
    except FillError:
        return
    assert len(filled) == len(argv)
    for before, after in zip(argv, filled, strict=True):
        assert "\0" not in after
        assert before.startswith("-") or not after.startswith("-")
        after.encode()
