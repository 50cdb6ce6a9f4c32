"""A search with what a user wrote ends in time, says so when it was stopped, and recovers by itself."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from fnmatch import translate

import pytest
import regex

from parsers.event import Event
from rules.answer import explain
from rules.condition import AllOf, Matches
from rules.match import holds
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.searching import (
    LEAST,
    LIMIT,
    MAX_EXCERPT,
    Stopped,
    TooSlowError,
    harmless_length,
    searching,
    stoppable,
)
from rules.steps import Steps
from tests.rules.sample_patterns import HARMLESS, NOTORIOUS, TEXTS, USUAL, compiled
from tests.rules.sample_rules import AT_ONCE, NOW, failed

ENDLESS = re.compile(r"^(?P<user_name>a|a)*$")
BAIT = "a" * 60 + "!"


@pytest.mark.parametrize("pattern", HARMLESS)
def test_what_is_harmless_is_searched_by_re_itself(pattern: str) -> None:
    """However long the text is, and at no cost."""
    harmless = re.compile(pattern)
    assert harmless_length(harmless) is None
    assert searching(harmless) == harmless.search


@pytest.mark.parametrize(
    "pattern", [r"\d+ foo", r"^.* from .* port", r"^(?:[a-z]+, )*end", r" ; (?:USER|COMMAND)=.* ; USER="]
)
def test_short_texts_are_searched_by_re(pattern: str) -> None:
    """As long as lines of a log usually are, it takes few steps."""
    assert 60 < (harmless_length(re.compile(pattern)) or 0) < 2000


@pytest.mark.parametrize("pattern", USUAL)
def test_both_ways_find_the_same(pattern: str) -> None:
    """Whatever the text's length, so that nobody sees where one way ends and the other begins."""
    search, length = searching(compiled(pattern)), harmless_length(compiled(pattern)) or 0
    for text in TEXTS:
        for tried in (text, text + " " * (length + 1)):
            ours, expected = search(tried), compiled(pattern).search(tried)
            assert (ours and ours.span()) == (expected and expected.span())
            for name in compiled(pattern).groupindex if ours is not None and expected is not None else ():
                assert ours is not None
                assert expected is not None
                assert ours[name] == expected[name]


@pytest.mark.parametrize("pattern", NOTORIOUS)
def test_no_text_stalls_it(pattern: str) -> None:
    """Of the notorious patterns, each with what makes it notorious: the search ends, or is stopped."""
    search = searching(re.compile(pattern))
    for pump in ("a", "x", "ab", ' a="b"'):
        for text in (pump * 30, pump * 2000):
            with suppress(TooSlowError):
                search(text + "\0!")


def test_a_search_that_is_stopped_says_so() -> None:
    """With the pattern, the beginning of the text and how long it took."""
    with pytest.raises(TooSlowError, match=r"longer than 50 ms") as caught:
        searching(ENDLESS)(BAIT * 10)
    error = caught.value
    assert (error.pattern, error.text, error.length) == (ENDLESS.pattern, (BAIT * 10)[:MAX_EXCERPT], len(BAIT) * 10)
    assert error.seconds == LIMIT


def test_a_flood_costs_less_each_time_and_never_switches_off() -> None:
    """The time halves down to the least, in which ordinary texts are still searched, and found."""
    stopped = Stopped(ENDLESS)
    limits = []
    for _ in range(8):
        with pytest.raises(TooSlowError):
            stopped.search(BAIT)
        limits.append(stopped.limit)
    assert limits[:2] == [LIMIT / 2, LIMIT / 4]
    assert limits[-1] == LEAST
    found = stopped.search("aaa")
    assert found is not None
    assert found["user_name"] == "a"


def test_it_recovers_with_ordinary_texts() -> None:
    """After the flood each search that ends gives a little time back, up to the limit."""
    stopped = Stopped(ENDLESS)
    stopped.limit = LEAST
    for _ in range(100):
        stopped.search("b")
    assert 2 * LEAST < stopped.limit < 3 * LEAST
    for _ in range(400):
        stopped.search("b")
    assert stopped.limit == LIMIT


def test_each_search_has_a_time_of_its_own() -> None:
    """One rule's flood takes nothing from another rule."""
    one, other = Stopped(ENDLESS), Stopped(ENDLESS)
    with pytest.raises(TooSlowError):
        one.search(BAIT)
    assert other.limit == LIMIT


def test_a_limit_is_kept_by_the_package() -> None:
    """It is asked at each search; a version of `regex` that ignored it would be noticed here."""
    with pytest.raises(TimeoutError):
        stoppable(ENDLESS).search(BAIT, timeout=0.002)
    assert stoppable(ENDLESS).flags & regex.V1


def slow_rule(*, unless: bool = False) -> Rule:
    """Return a rule that cannot be searched for in a bait."""
    slow = Matches("message", ENDLESS)
    return replace(AT_ONCE, match=AllOf(()) if unless else slow, unless=slow if unless else None)


def bait(text: str = BAIT) -> Event:
    """Return an event with such a text."""
    event = failed()
    event.fields["message"] = text
    return event


@pytest.mark.parametrize("unless", [False, True])
def test_a_rule_whose_search_was_stopped_does_nothing_and_is_named(unless: bool) -> None:
    """Wherever the condition stands: nobody starts a process, or gets round an exception, by making a search slow."""
    quick = replace(AT_ONCE, name="quick")
    rulebook = RuleBook([slow_rule(unless=unless), quick])
    findings = rulebook.feed(bait(), NOW)
    (stopped,) = findings.stopped
    assert (stopped.rule, stopped.pattern, stopped.length) == (AT_ONCE.name, ENDLESS.pattern, len(BAIT))
    assert [decision.incident.match.rule.name for decision in findings.decisions] == ["quick"]
    assert rulebook.feed(bait("bbb"), NOW).stopped == ()


def test_whoever_only_looks_is_answered() -> None:
    """An explanation says that it is not known; other tests say that it was not found."""
    assert not holds(Matches("message", ENDLESS))({"message": BAIT})
    answer = explain(Matches("message", ENDLESS), {"message": BAIT})
    assert not answer.holds
    assert "not known: the search for" in str(answer)


@pytest.mark.parametrize("glob", ["*a*b*c*d*e*f*g*h", "*" * 40 + "x", "/srv/*/in/*.csv", "[a-z]*[0-9]*?*.gz"])
def test_globs_need_no_limit(glob: str) -> None:
    """A shell pattern becomes one that gives nothing back; nothing in it grows with more than the text's square."""
    assert Steps(re.compile("\\A" + translate(glob))).most(4096) < 4096**2
