"""The gateway's own events: how they travel, which rules see them, and where their chains end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from parsers.errors import Place
from parsers.event import FieldValue
from rules.condition import AllOf, AnyOf, Condition, Contains, Equals, Not, OneOf
from rules.findings import Findings
from rules.match import compile_condition
from rules.needs import Needs
from rules.own_events import (
    ANCESTORS,
    EMITTED,
    GATEWAY,
    MAX_ANCESTORS,
    ancestors_of,
    asks_for_own,
    own_event,
    own_message,
    ways_to_own,
)
from rules.rule import Rule, Undo
from rules.rulebook import RuleBook
from rules.when import Count
from tests.rules.sample_rules import NOW, PARSER
from tests.rules.test_review import conditions, events

OURS = Equals("event.dataset", GATEWAY)
FAILURE = Equals("event.outcome", "failure")
FINISHED = Equals("event.action", "job-finished")


def rule(name: str, match: Condition, **others: object) -> Rule:
    """Return a rule that only tells the log."""
    return replace(Rule(name, Place(""), match), **others)  # type: ignore[arg-type]


def show(rules: list[Rule], dataset: str = GATEWAY, **fields: FieldValue) -> list[str]:
    """Return which rules fire at an event of our own; `_` stands for a dot."""
    named = {name.replace("__", "."): value for name, value in fields.items()}
    found = RuleBook(rules).feed(own_event(own_message(named, NOW, dataset)), NOW)
    return [decision.incident.match.rule.name for decision in found.decisions]


def test_a_message_means_what_was_put_in() -> None:
    """Octets that are no text become readable, and nobody but us says whose event it is."""
    event = own_event(own_message({"error.message": "a\udcff", "event.dataset": "x", "n": [1, True, None]}, NOW))
    assert event.fields == {
        "error.message": "a\\xff",
        "event.dataset": "gateway",
        "n": [1, True, None],
        "gateway.trust": "local",
    }
    assert event.timestamp.timestamp() == event.message.received == NOW


@pytest.mark.parametrize(
    ("condition", "asks"),
    [
        (OURS, True),
        (OneOf("event.dataset", ("x", GATEWAY)), True),
        (Equals("event.dataset", "syslog"), False),
        (Equals("event.module", GATEWAY), False),
        (Contains("event.dataset", GATEWAY), False),
        (AllOf((FAILURE, OURS)), True),
        (AllOf((FAILURE, AllOf((OURS, FINISHED)))), True),
        (AnyOf((FAILURE, OURS)), True),
        (AllOf(()), False),
        (AnyOf(()), False),
        (Not(OURS), False),
        (Not(FAILURE), False),
        (Not(AllOf((OURS, FAILURE))), False),
        (Not(Not(OURS)), True),
        (AllOf((Not(OURS), FAILURE)), False),
    ],
)
def test_who_asks_for_them(condition: Condition, asks: bool) -> None:
    """Only who names them, wherever that stands; what must not be asks for nothing."""
    assert asks_for_own(condition) is asks


def test_one_way_to_ask_opens_no_other() -> None:
    """Of several ways to fulfil a rule, only those that name our events are open to them."""
    either = rule("either", AnyOf((AllOf((OURS, FINISHED)), FAILURE)))
    inner = rule("inner", AllOf((FAILURE, AnyOf((OURS, Equals("x", 1))))))
    assert show([either], event__action="job-finished") == ["either"]
    assert show([either], event__outcome="failure") == []
    assert show([inner], event__outcome="failure") == ["inner"]
    assert show([inner], event__outcome="success") == []


@given(conditions, conditions, events)
def test_the_ways_to_our_events_are_among_all(one: Condition, two: Condition, fields: dict[str, FieldValue]) -> None:
    """What a rule wants of our events it wants of events."""
    condition = AllOf((one, AnyOf((two, AllOf((OURS, one))))))
    asked = ways_to_own(condition)
    assert asked is not None
    ours = {**fields, "event.dataset": GATEWAY}
    assert compile_condition(asked)(dict(ours)) is compile_condition(one)(dict(ours))


def test_emitted_events_are_for_all_rules() -> None:
    """A rule need not know that an event is not from outside."""
    asks, does_not = rule("asks", AllOf((OURS, FAILURE))), rule("does-not", FAILURE)
    assert show([asks, does_not], event__outcome="failure") == ["asks"]
    assert show([asks, does_not], EMITTED, event__outcome="failure") == ["does-not"]


def test_a_rule_never_sees_what_it_caused() -> None:
    """Through however many others; nor does its own event close its state."""
    rules = [rule("a", FAILURE), rule("b", FAILURE), rule("c", FAILURE)]
    fields: dict[str, FieldValue] = {"event.outcome": "failure", ANCESTORS: ancestors_of({ANCESTORS: ["a"]}, "c")}
    found = RuleBook(rules).feed(own_event(own_message(fields, NOW, EMITTED)), NOW)
    assert [one.incident.match.rule.name for one in found.decisions] == ["b"]
    closing = rule("a", FAILURE, undo=Undo((), None, match=AllOf((OURS, FINISHED))))
    book = RuleBook([closing])
    book.feed(own_event(own_message({"event.outcome": "failure"}, NOW, EMITTED)), NOW)
    finished: dict[str, FieldValue] = {"event.action": "job-finished"}
    assert not book.feed(own_event(own_message({**finished, ANCESTORS: ["a"]}, NOW)), NOW).closings
    assert book.feed(own_event(own_message({**finished, ANCESTORS: ["b"]}, NOW)), NOW).closings


def test_a_chain_of_rules_ends() -> None:
    """An event with too many ancestors is shown to nobody, and who wanted it is told."""
    rules = [
        rule("wants", FAILURE),
        rule("closes", FINISHED, undo=Undo((), None, match=FAILURE)),
        rule("not", FINISHED),
    ]
    book = RuleBook(rules)
    for count in (MAX_ANCESTORS - 1, MAX_ANCESTORS):
        fields: dict[str, FieldValue] = {"event.outcome": "failure", ANCESTORS: [f"r{n}" for n in range(count)]}
        found = book.feed(own_event(own_message(fields, NOW, EMITTED)), NOW)
        assert bool(found.decisions) is (count < MAX_ANCESTORS)
    assert found == Findings(cut=("wants", "closes"))
    uninteresting: dict[str, FieldValue] = {"x": 1, ANCESTORS: fields[ANCESTORS]}
    assert book.feed(own_event(own_message(uninteresting, NOW, EMITTED)), NOW) == Findings()


def test_a_closing_event_may_be_ours_though_the_opening_is_not() -> None:
    """Each of the two conditions asks for itself."""
    mixed = rule("mixed", FAILURE, when=Count(1, 9.0, ("x",)), undo=Undo((), None, match=AllOf((OURS, FINISHED))))
    book = RuleBook([mixed])
    assert book.feed(own_event(own_message({"event.outcome": "failure", "x": 1}, NOW, EMITTED)), NOW).decisions
    assert not book.feed(own_event(own_message({"event.outcome": "failure", "x": 2}, NOW)), NOW).matched
    (closing,) = book.feed(own_event(own_message({"event.action": "job-finished", "x": 1}, NOW)), NOW).closings
    assert (closing.rule, closing.key) == ("mixed", ("1",))


def test_no_message_from_outside_is_ours() -> None:
    """A rule that wants only our events costs the sieve nothing; one that wants others as well is looked for."""
    needs = Needs(PARSER.grammars)
    assert needs.of(OURS) == ()
    assert needs.of(AllOf((FINISHED, OneOf("event.dataset", (GATEWAY, EMITTED))))) == ()
    assert needs.of(OneOf("event.dataset", (GATEWAY, "main"))) is None
    assert needs.of(AnyOf((OURS, Equals("event.action", "ssh-login")))) == needs.of(Equals("event.action", "ssh-login"))
