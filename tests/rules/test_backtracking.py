"""Texts that a pattern cannot be searched in are found by trying; nothing is said of others."""

from __future__ import annotations

import re

import pytest

from rules.backtracking import LONG, TIMES, Weakness, weakness
from rules.searching import LIMIT, stoppable
from tests.rules.sample_patterns import ENDLESS, HARMLESS, USUAL, compiled, library


@pytest.mark.parametrize("pattern", ENDLESS)
def test_a_short_text_is_the_proof(pattern: str) -> None:
    """What is reported does happen."""
    found = weakness(re.compile(pattern))
    assert found is not None
    assert found.endless
    assert found.times == TIMES
    with pytest.raises(TimeoutError):
        stoppable(re.compile(pattern)).search(found.text, timeout=LIMIT)


@pytest.mark.parametrize("pattern", [r"(x+x+)+y", r"(?:\.|\s|\d)*(?:\d|x)*!", r"(?:[a-z]+)*$"])
def test_a_long_text_is_needed(pattern: str) -> None:
    """Where the ways multiply only with the length, a message has to be long."""
    found = weakness(re.compile(pattern))
    assert found is not None
    assert not found.endless
    assert LONG - 20 < len(found.text) < LONG + 40


@pytest.mark.parametrize(
    "pattern",
    [
        *HARMLESS,
        r"^(?:[^/]+/)*x$",
        r"^(?:\S+\s+)*error",
        r"^(?:\d{1,3}\.){3}\d{1,3}$",
        r" ; (?:USER|COMMAND)=.* ; USER=",
    ],
)
def test_nothing_is_said_of_harmless_patterns(pattern: str) -> None:
    """Also where they look dangerous: a repetition in a repetition that can be divided in one way only."""
    assert weakness(re.compile(pattern)) is None


def test_nothing_is_said_of_the_library() -> None:
    """The ready rules load without a word."""
    assert [pattern for pattern in library() if weakness(re.compile(pattern))] == []


@pytest.mark.parametrize("pattern", USUAL)
def test_what_administrators_write_is_not_endless(pattern: str) -> None:
    """It is never switched off."""
    found = weakness(compiled(pattern))
    assert found is None or not found.endless


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (Weakness("", "a", 40, "!", endless=True), "'a' * 40 + '!'"),
        (Weakness("<", " a", 40, "\0", endless=True), r"'<' + ' a' * 40 + '\x00'"),
        (Weakness("", "a", 40, "", endless=True), "'a' * 40"),
    ],
)
def test_a_text_is_shown_as_python_makes_it(found: Weakness, shown: str) -> None:
    """So it can be tried, and is short however long the text is."""
    assert str(found) == shown
    assert eval(shown) == found.text
