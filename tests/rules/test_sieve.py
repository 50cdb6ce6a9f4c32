"""The sieve never drops a message that a rule would match; what it passes is whole, once and in order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.message import Batch, Frames, Message, Origin, Trust, one_frame
from parsers.parse import Parser
from rules import sieve as sieve_module
from rules.condition import Condition, Equals
from rules.look import conditions_of
from rules.match import wants
from rules.necessary import Necessary, of_literal
from rules.needs import Needs
from rules.rulebook import RuleBook
from rules.sieve import Sieve, is_sound
from tests.rules.random_conditions import condition
from tests.rules.random_messages import GRAMMARS, batch
from tests.rules.random_rules import rule

PARSER = Parser(GRAMMARS)
NEEDS = Needs(PARSER.grammars)
ORIGIN = Origin("main", Trust.LOCAL)


def literal(text: str) -> tuple[Necessary, ...]:
    """What a text needs."""
    necessary = of_literal(text)
    assert necessary is not None
    return (necessary,)


def lines(*frames: bytes) -> Batch:
    """A batch of newline-terminated frames."""
    return Batch(Frames(b"".join(frame + b"\n" for frame in frames)), ORIGIN, 1.0)


def counted(*frames: bytes, between: bytes = b"9 ") -> Batch:
    """A batch of frames with something before each."""
    data, starts, stops = b"", [], []
    for frame in frames:
        data += between
        starts.append(len(data))
        data += frame
        stops.append(len(data))
    return Batch(Frames(data, tuple(starts), tuple(stops)), ORIGIN, 1.0)


def sift(sieve: Sieve, arrived: Batch) -> list[tuple[bytes, tuple[int, ...]]]:
    """Return the candidates' frames, each with its rules."""
    return [(message.frame, wanted) for message, wanted in sieve.candidates(arrived)]


def test_this_hyperscan_is_sound() -> None:
    """The installed version finds what others are known to miss; else every test here would tell nothing."""
    assert is_sound()


def test_an_unsound_hyperscan_is_not_relied_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a Hyperscan that misses matches, every rule sees every message: slower, and nothing is lost."""
    monkeypatch.setattr(sieve_module, "is_sound", lambda: False)
    assert sift(Sieve([literal("abc"), literal("xyz")]), lines(b"abc", b"q")) == [(b"abc", (0, 1)), (b"q", (0, 1))]


@pytest.mark.parametrize("form", [lines, counted])
def test_only_frames_with_a_hit_pass(form: Callable[..., Batch]) -> None:
    """Each candidate comes once, in order, with all rules that it may be for."""
    sieve = Sieve([literal("abc"), literal("bcd"), literal("zz")])
    arrived = form(b"q", b"abc abc", b"abcd", b"", b"zz", b"abc")
    assert sift(sieve, arrived) == [(b"abc abc", (0,)), (b"abcd", (0, 1)), (b"zz", (2,)), (b"abc", (0,))]


@pytest.mark.parametrize("form", [lines, counted])
def test_a_rule_without_needs_sees_every_message(form: Callable[..., Batch]) -> None:
    """Others still see only what concerns them."""
    sieve = Sieve([literal("abc"), None])
    assert sieve.always == (1,)
    assert sift(sieve, form(b"abc", b"q", b"xabc")) == [(b"abc", (0, 1)), (b"q", (1,)), (b"xabc", (0, 1))]


def test_a_rule_that_nothing_can_fulfil_sees_nothing() -> None:
    """No alternative, no message."""
    assert sift(Sieve([()]), lines(b"abc")) == []
    assert sift(Sieve([]), lines(b"abc")) == []


def test_hits_outside_frames_count_for_none() -> None:
    """Octet counts and line ends are no message."""
    assert sift(Sieve([literal("99 ")]), counted(b"abc", b"99 x", between=b"99 ")) == [(b"99 x", (0,))]
    assert sift(Sieve([literal("\r\n")]), lines(b"abc\r", b"x")) == []


def test_a_newline_inside_a_frame_hides_nothing() -> None:
    """Octet-counted messages and datagrams may hold several lines."""
    sieve = Sieve([literal("two\nlines")])
    for arrived in (counted(b"two\nlines", b"two lines"), Batch(one_frame(b"two\nlines"), ORIGIN, 1.0)):
        assert sift(sieve, arrived) == [(b"two\nlines", (0,))]


def test_equal_frames_of_a_batch_are_told_apart() -> None:
    """A message knows where it began in its batch, and whether it was cut."""
    frames = Frames(b"abc\nabc\n", truncated=frozenset({4}))
    for sieve in (Sieve([literal("abc")]), Sieve([None])):
        found = [message for message, _ in sieve.candidates(Batch(frames, ORIGIN, 1.0))]
        assert [(message.offset, message.truncated) for message in found] == [(0, False), (4, True)]


def test_a_compiled_sieve_is_used_again() -> None:
    """A dump serves the next start; one that is of no use costs only time."""
    needs = [literal("abc"), literal("xyz")]
    first = Sieve(needs)
    again = Sieve(needs, first.dump())
    spoilt = Sieve(needs, b"no database at all")
    assert (first.was_compiled, again.was_compiled, spoilt.was_compiled) == (True, False, True)
    assert sift(first, lines(b"xyz", b"q")) == sift(again, lines(b"xyz", b"q")) == sift(spoilt, lines(b"xyz", b"q"))
    assert Sieve.key_of(needs) == Sieve.key_of(list(needs)) != Sieve.key_of(needs[:1])


def test_an_expression_that_is_too_large_is_sought_by_its_longest_text() -> None:
    """Hyperscan takes no expression of any size; the rule sees more messages then, and misses none."""
    large = Necessary("[a-z]{40000}abcdef", 6, "abcdef")
    assert sift(Sieve([(large,), literal("xyz")]), lines(b"1abcdef1", b"xyz")) == [(b"1abcdef1", (0,)), (b"xyz", (1,))]


@given(st.integers(0, 2**64))
@settings(max_examples=60, deadline=None)
def test_the_sieve_never_drops_what_a_rule_would_match(seed: int) -> None:
    """The contract: each rule gets all that it matches; nothing comes twice or changed."""
    random = Random(seed)
    arrived = batch(random)
    frames = list(arrived.frames)
    if not frames:
        return
    data, origin, received = arrived.frames.data, arrived.origin, arrived.received
    cut = arrived.frames.truncated
    messages = [Message(data[start:stop], origin, received, start in cut, start) for start, stop in frames]
    events = [PARSER.parse(message) for message in messages]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        conditions: list[Condition] = [condition(random, random.choice(events).fields) for _ in range(4)]
    needs = [NEEDS.of(one) for one in conditions]
    tests = [wants(one, None) for one in conditions]
    for rules in (range(4), [index for index in range(4) if needs[index] is not None]):
        found = list(Sieve([needs[index] for index in rules]).candidates(arrived))
        offsets = [message.offset for message, _ in found]
        assert offsets == sorted(set(offsets))
        assert all(message in messages for message, _ in found)
        passed = {message.offset: {rules[place] for place in wanted} for message, wanted in found}
        for message, event in zip(messages, events, strict=True):
            for index in rules:
                if tests[index](event.fields) is not None:
                    assert index in passed.get(message.offset, ()), f"{conditions[index]} misses {message.frame!r}"


@given(st.integers(0, 2**64))
@settings(max_examples=40, deadline=None)
def test_the_sieve_never_drops_what_a_rule_looks_for(seed: int) -> None:
    """The contract holds for every stage of a rule, for what breaks off, what must not stay away, and what closes."""
    random = Random(seed)
    arrived = batch(random)
    data = arrived.frames.data
    messages = [
        Message(data[start:stop], arrived.origin, arrived.received, offset=start) for start, stop in arrived.frames
    ]
    if not messages:
        return
    events = [PARSER.parse(message) for message in messages]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        rules = [rule(random, events, f"r{number}") for number in range(4)]
    found = Sieve(RuleBook(rules, PARSER.grammars).needs).candidates(arrived)
    passed = {message.offset: set(wanted) for message, wanted in found}
    tests = [[wants(match, unless) for match, unless in conditions_of(one)] for one in rules]
    for message, event in zip(messages, events, strict=True):
        for index, some in enumerate(tests):
            if any(test(event.fields) is not None for test in some):
                assert index in passed.get(message.offset, ()), f"{rules[index]} misses {message.frame!r}"


def test_an_ordinary_rule_sifts() -> None:
    """The contract is not held by passing everything."""
    need = NEEDS.of(Equals("event.action", "ssh-login"))
    assert need is not None
    noise = (b"<30>Jan  1 00:00:00 web1 systemd[1]: Started x.service.", b"<13>hello", b'<13>app: {"a":"b"}')
    login = b"<38>Jan  1 00:00:00 web1 sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
    assert sift(Sieve([need]), lines(*noise, login)) == [(login, (0,))]
