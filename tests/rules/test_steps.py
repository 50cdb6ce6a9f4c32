"""The bound of a search's steps holds for every text, and is small where nothing can go wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.steps import Steps
from tests.rules.counting_matcher import CountingMatcher
from tests.rules.sample_patterns import ENDLESS, HARMLESS

ENDS = ("", "", "?", "+")
LOOPS = ("*", "+", "?", "{2}", "{1,3}", "{2,}")


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Make larger patterns of smaller ones."""
    looped = st.tuples(inner, st.sampled_from(LOOPS), st.sampled_from(ENDS)).map(
        lambda it: f"(?:{it[0]}){it[1]}{it[2]}"
    )
    return st.one_of(
        looped,
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda arms: f"(?:{'|'.join(arms)})"),
        st.tuples(st.sampled_from(("(?=", "(?!", "(?>", "(")), inner).map(lambda it: f"{it[0]}{it[1]})"),
    )


ELEMENTS = st.sampled_from(("a", "b", "[ab]", "[^a]", ".", "ab", "^", "$", "a*", "[ab]+", "b?", "(?:a|ab)", "c"))
PATTERNS = st.recursive(ELEMENTS, grown, max_leaves=6)


@settings(max_examples=100, deadline=None)
@given(PATTERNS, st.text("ab", max_size=9), st.sampled_from(("", "c", "\n", "ac")))
def test_no_search_takes_more(pattern: str, text: str, end: str) -> None:
    """A matcher that tries everything in order takes no more steps, and finds where `re` does."""
    compiled = re.compile(pattern)
    text += end
    matcher = CountingMatcher(compiled, text)
    bound = Steps(compiled).most(len(text))
    if bound > 1e6:
        return
    found = matcher.search()
    assert matcher.steps <= bound
    assert (found is None) is (compiled.search(text) is None)


@pytest.mark.parametrize("pattern", HARMLESS)
def test_most_patterns_take_the_text_s_length(pattern: str) -> None:
    """Twice the text, twice the steps."""
    steps = Steps(re.compile(pattern))
    assert steps.most(20_000) < 2.1 * steps.most(10_000) < 1e7


@pytest.mark.parametrize(
    ("pattern", "power"),
    [
        (r"\d+ foo", 2),
        (r" ; (?:USER|COMMAND)=.* ; USER=", 2),
        (r"authentication (?:failure|error).* rhost=(\S+)", 2),
        (r"^\S+ from \S+ port \d+", 1),
        (r"^.* from .* port", 2),
        (r".* from .* port", 3),
        (r"^(?:[a-z]+, )*end", 2),
        (r"^x(?:, [a-z]+)*;", 2),
        (r"^(?:(?:ba|c|da)?sh|su)(?: (?:-|-i|-l|--login|root))*$", 1),
        (r"^(?>a*b?)*+c", 2),
    ],
)
def test_the_bound_grows_with_what_may_be_divided(pattern: str, power: int) -> None:
    """With each loop that may end in many places, and with the places at which a search begins."""
    steps = Steps(re.compile(pattern))
    assert steps.most(20_000) / steps.most(10_000) == pytest.approx(2**power, rel=0.1)


@pytest.mark.parametrize("pattern", [*ENDLESS, r"^(\w+\s?)*$", r"(?:a{1,9}){1,99}c"])
def test_a_loop_that_can_be_divided_in_a_loop_is_endless(pattern: str) -> None:
    """Then the number of ways is a power of the length, which is too many at once."""
    assert Steps(re.compile(pattern)).most(100) > 1e12
