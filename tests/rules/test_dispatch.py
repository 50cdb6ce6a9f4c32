"""The index of values spares rules that could not want an event anyway, and never another."""

from __future__ import annotations

import re
import warnings
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.event import FieldValue
from parsers.message import Message, Trust
from parsers.parse import Parser
from rules.condition import AllOf, AnyOf, Condition, Equals, Exists, Matches, Not, OneOf
from rules.correlate import Correlation
from rules.dispatch import Dispatch
from rules.look import looks
from rules.rulebook import RuleBook
from tests.rules.random_messages import GRAMMARS, batch
from tests.rules.random_rules import rule

PARSER = Parser(GRAMMARS)
ODD: tuple[FieldValue, ...] = (["a", "success", None], ["x"], 17, True, {"a": "b"}, "", None)


@given(st.integers(0, 2**64))
@settings(max_examples=15, deadline=None)
def test_the_rules_find_the_same_with_and_without_it(seed: int) -> None:
    """Whatever they wait for, and whatever came."""
    random = Random(seed)
    arrived = batch(random)
    data = arrived.frames.data
    messages = [Message(data[start:stop], arrived.origin, arrived.received) for start, stop in arrived.frames]
    events = [PARSER.parse(message) for message in messages[:12]]
    for event in events:
        if random.random() < 0.2:  # senders of JSON name their fields themselves, and not all are text
            event.fields["event.action"] = random.choice(ODD)
        if random.random() < 0.2:
            event.fields["event.outcome"] = random.choice(ODD)
    if not events:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        rules = [rule(random, events, f"r{number}") for number in range(8)]
    indexed, plain = RuleBook(rules, parse=PARSER.parse), RuleBook(rules, parse=PARSER.parse)
    for number, event in enumerate(events * 2):
        now = arrived.received + number
        assert indexed.feed(event, now) == plain.feed(event, now, range(len(rules)))
        for due in indexed.dues(now):
            assert indexed.end(due, now) == plain.end(due, now)


@given(st.integers(0, 2**64))
@settings(max_examples=20, deadline=None)
def test_the_quick_test_turns_away_no_event_that_a_rule_looks_for(seed: int) -> None:
    """It searches nothing, and so lets through more."""
    random = Random(seed)
    arrived = batch(random)
    data = arrived.frames.data
    messages = [Message(data[start:stop], arrived.origin, arrived.received) for start, stop in arrived.frames]
    events = [PARSER.parse(message) for message in messages[:12]]
    if not events:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        rules = [rule(random, events, f"r{number}") for number in range(8)]
    for look in looks([Correlation(one) for one in rules], Trust.LOCAL).values():
        assert all(look.may(event.fields) for event in events if look.asks_for(event.fields))


LOGIN = Equals("event.action", "login")
FINDS = Matches("message", re.compile("(?P<event_action>x)"))
EVERYTHING: list[dict[str, FieldValue]] = [
    {},
    {"event.action": "login"},
    {"event.action": "login", "event.outcome": "failure"},
    {"event.action": ["logout", "login"], "event.outcome": "odd"},
    {"event.action": "logout", "event.outcome": ["failure"]},
    {"event.action": 17, "process.name": "sshd"},
]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (LOGIN, [1, 2, 3]),
        (OneOf("event.action", (17, "login")), [1, 2, 3, 5]),
        (AllOf((Equals("process.name", "sshd"), Exists("x", True))), [5]),
        (AllOf((LOGIN, Equals("event.outcome", "failure"))), [2]),
        (Equals("event.outcome", "failure"), [2, 4]),
        (Equals("http.response.status_code", "true"), []),
        (AnyOf((LOGIN, Equals("process.name", "sshd"))), [1, 2, 3, 5]),
        (AnyOf((LOGIN, Exists("x", True))), [0, 1, 2, 3, 4, 5]),
        (AllOf((LOGIN, FINDS)), [0, 1, 2, 3, 4, 5]),
        (AllOf((AllOf((LOGIN,)), AnyOf((FINDS,)))), [0, 1, 2, 3, 4, 5]),
        (Not(LOGIN), [0, 1, 2, 3, 4, 5]),
        (AnyOf(()), []),
    ],
    ids=str,
)
def test_a_rule_is_found_by_what_it_asks_for(condition: Condition, found: list[int]) -> None:
    """One value of a list is enough; what a rule finds itself in the text need not be the event's."""
    dispatch = Dispatch({7: [condition], 3: [Exists("x", True)]})
    assert [number for number, fields in enumerate(EVERYTHING) if 7 in dispatch.of(fields)] == found
    assert all(3 in dispatch.of(fields) for fields in EVERYTHING)
    assert all(list(dispatch.of(fields)) == sorted(dispatch.of(fields)) for fields in EVERYTHING)
