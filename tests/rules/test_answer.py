"""What a condition makes of an event: the same answer as matching gives, with reasons."""

from __future__ import annotations

import re

from hypothesis import given, settings

from parsers.event import FieldValue
from rules.answer import explain
from rules.condition import AllOf, AnyOf, Condition, Equals, Matches, Not
from rules.match import compile_condition
from tests.rules.test_review import conditions, events


@given(conditions, events)
@settings(max_examples=200, deadline=None)
def test_the_answer_is_that_of_matching(condition: Condition, fields: dict[str, FieldValue]) -> None:
    """The whole holds just when the rule matches, and nothing is missing just then."""
    answer = explain(condition, dict(fields))
    assert answer.holds is compile_condition(condition)(dict(fields))
    assert answer.holds or answer.missing or answer.words == "any"


def test_what_must_not_hold_finds_nothing_for_others() -> None:
    """As in matching: a group's field is there for what stands behind it only where its condition is to hold."""
    finds, asks = Matches("message", re.compile("for (?P<mood>\\w+)")), Equals("mood", "happy")
    event: dict[str, FieldValue] = {"message": "for happy"}
    for negated in (Not(Not(finds)), Not(AllOf((finds, Equals("a", 1))))):
        fields = dict(event)
        assert not explain(AllOf((negated, asks)), fields).holds
        assert fields == event


def test_what_was_found_is_told() -> None:
    """Each condition with the event's value; a regular expression's groups are fields for those behind it."""
    condition = AllOf(
        (
            Matches("message", re.compile("for (?P<mood>\\w+)")),
            Equals("mood", "happy"),
            Not(Equals("a", 1)),
            AnyOf((Equals("a", 2), Equals("b", 3))),
        )
    )
    answer = explain(condition, {"message": "for sad", "a": 1})
    regex, mood, negation, either = answer.parts
    assert (regex.holds, mood.holds, mood.found) == (True, False, "sad")
    assert (negation.holds, negation.parts[0].found) == (False, 1)
    assert (either.words, either.missing) == ("any", 1)
    assert (answer.missing, answer.held) == (3, 1)
    assert answer.to_dict()["parts"]
