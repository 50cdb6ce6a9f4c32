"""A pattern that is spelled out for `regex` finds what `re` finds with the original: the same place and groups."""

from __future__ import annotations

import re
from random import Random

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.searching import stoppable
from rules.spelled_out import UnspeakableError, spelled_out
from tests.rules.random_patterns import CHARACTERS, Patterns
from tests.rules.sample_patterns import HARMLESS, TEXTS, USUAL, compiled, library

ENOUGH = 5.0
"""Seconds: nothing here is to be stopped."""


def both_find(pattern: re.Pattern[str], text: str) -> None:
    """Assert that both searches of a text find the same."""
    ours, other = pattern.search(text), stoppable(pattern).search(text, timeout=ENOUGH)
    assert (ours is None) is (other is None), (pattern, text)
    if ours is not None and other is not None:
        assert ours.span() == other.span(), (pattern, text)
        assert ours.groupdict() == {name: other[name] for name in pattern.groupindex}, (pattern, text)


@pytest.mark.parametrize("pattern", [*USUAL, *HARMLESS])
def test_what_administrators_write(pattern: str) -> None:
    """In every text, also where it does not fit, with octets that are no UTF-8 and letters of many scripts."""
    for text in TEXTS:
        both_find(compiled(pattern), text)
        both_find(compiled(pattern), f"{text} {text[:20]}")


def test_the_library() -> None:
    """The patterns of the ready rules, each with the samples and with a text of its own."""
    patterns = library()
    assert len(patterns) > 50
    for pattern in patterns:
        own = re.sub(r"[\^$?()\\*+|]|\[[^\]]*\]", "", pattern)
        for text in (*TEXTS, own, f"GET /{own}/x?{own}"):
            both_find(re.compile(pattern), text)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_texts_made_for_the_pattern(data: st.DataObject) -> None:
    """What the pattern itself describes, and nearly that."""
    pattern = re.compile(data.draw(st.sampled_from([one for one in USUAL if "[[" not in one])))
    text = data.draw(st.from_regex(pattern))
    cut = data.draw(st.integers(0, len(text)))
    both_find(pattern, text)
    both_find(pattern, text[:cut] + data.draw(st.sampled_from((*CHARACTERS, ""))) + text[cut + 1 :])


@pytest.mark.parametrize("seed", range(24))
def test_random_patterns(seed: int) -> None:
    """All that can stand in a pattern, nested, with flags, on characters that engines disagree about."""
    pattern, text, flags = Patterns(Random(seed)).make()
    random = re.compile(pattern, flags)
    try:
        spelled_out(random)
    except UnspeakableError:
        return
    both_find(random, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\w+", "e\u0301"),  # a combining mark
        (r"\w", "\xb2"),  # a digit that is no decimal
        (r"\s", "\x1c"),
        (r"\d+", "\u0664\U00016ac0"),
        (r"(?i)i\b", "\u0130"),
        (r"(?i)[^a-z]", "\u0130\u0131"),
        (r"(?i)\xdf", "\u1e9ess"),
        (r"\b", "e\u0301"),
        (r"\B", ""),
        (r"a{e<=1}", "b"),
        (r"(?:foo){e}", "fo"),
        (r"[[:alpha:]]", "a"),
        (r"$", "a\n"),
        (r"a\Z", "a\n"),
        (r"(?m)^b$", "a\nb\nc"),
        (r"(?m)b$", "b\x85"),
        (r".+", "a\x85\u2028b"),
        (r"(?!)|x", "x"),
    ],
)
def test_where_the_languages_differ(pattern: str, text: str) -> None:
    """What `regex` would read otherwise means what it means to `re`."""
    both_find(compiled(pattern), text)


def test_each_character_is_in_the_same_sets() -> None:
    """Of the scripts that there are letters, digits and blanks of."""
    everything = "".join(map(chr, (*range(0x3100), *range(0xA000, 0xAC10), *range(0xD7F0, 0x11200))))
    for pattern in (r"\w+", r"\d+", r"\s+", r"(?a:\W+)", r"(?i)[b-k]+"):
        found = [one.span() for one in re.finditer(pattern, everything)]
        assert found == [one.span() for one in stoppable(re.compile(pattern)).finditer(everything)]


def test_what_cannot_be_said() -> None:
    """Two letters of which the second is the first in another case: the engines know different pairs."""
    with pytest.raises(UnspeakableError, match="a back reference that ignores case"):
        spelled_out(re.compile(r"(?i)(a+)\1"))
    assert regex.search(spelled_out(re.compile(r"(a)(b)\2")), "abb", regex.V1)
