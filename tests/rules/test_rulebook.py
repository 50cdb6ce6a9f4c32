"""The rule book: an event goes in, what is to be done comes out."""

from __future__ import annotations

import re
from dataclasses import replace

from parsers.message import Trust
from rules.condition import Equals, Matches
from rules.rule import Count, Rule
from rules.rulebook import RuleBook
from tests.rules.sample_rules import AT_ONCE, FAILED, NOW, PARSER, PLACE, failed


def test_rules_see_an_event_in_their_order() -> None:
    """Every rule that wants it decides for itself."""
    rulebook = RuleBook([FAILED, AT_ONCE, replace(AT_ONCE, name="third")])
    names = [[one.incident.match.rule.name for one in rulebook.feed(failed(), NOW)] for _ in range(3)]
    assert names == [["at-once", "third"], ["at-once", "third"], ["ssh", "at-once", "third"]]


def test_only_candidates_are_asked() -> None:
    """The sieve's answer spares the other rules."""
    rulebook = RuleBook([AT_ONCE, replace(AT_ONCE, name="second")])
    decisions = rulebook.feed(failed(), NOW, (1,))
    assert [decision.incident.match.rule.name for decision in decisions] == ["second"]


def test_what_one_rule_finds_is_not_anothers() -> None:
    """Named groups add fields to their rule's copy of the event."""
    finds = replace(AT_ONCE, name="finds", match=Matches("message", re.compile("for (?P<labels_who>[a-z]+)")))
    asks = replace(AT_ONCE, name="asks", match=Equals("labels.who", "root"))
    event = failed()
    (decision,) = RuleBook([finds, asks]).feed(event, NOW)
    assert decision.jobs[0].event["labels.who"] == "root"
    assert "labels.who" not in event.fields


def test_what_is_to_be_done_is_held_back_from_strangers() -> None:
    """The rule fires and says so, and starts nothing; a rule that starts nothing is not held."""
    (decision,) = RuleBook([AT_ONCE]).feed(failed(trust=Trust.NETWORK), NOW)
    assert (decision.held, decision.jobs) == (True, ())
    (decision,) = RuleBook([replace(AT_ONCE, do=())]).feed(failed(trust=Trust.NETWORK), NOW)
    assert (decision.held, decision.jobs) == (False, ())
    (decision,) = RuleBook([AT_ONCE], least_trust=Trust.NETWORK).feed(failed(trust=Trust.NETWORK), NOW)
    assert (decision.held, len(decision.jobs)) == (False, 2)


def test_strangers_are_counted_apart() -> None:
    """Two forged messages and two true ones are not the three that the rule wants, nor four."""
    rulebook = RuleBook([FAILED])
    senders = [Trust.DATAGRAM, Trust.LOCAL, Trust.DATAGRAM, Trust.LOCAL, Trust.DATAGRAM, Trust.LOCAL]
    held = [[one.held for one in rulebook.feed(failed(trust=trust), NOW)] for trust in senders]
    assert held == [[], [], [], [], [True], [False]]


def test_an_event_without_the_counted_field_counts_nowhere() -> None:
    """No incident, however many come."""
    rule = replace(FAILED, when=Count(1, 60.0, ("labels.absent",)))
    assert RuleBook([rule]).feed(failed(), NOW) == []


def test_a_reload_keeps_the_windows_of_rules_that_count_the_same() -> None:
    """Another command, place or test changes no count; another condition, window or name does."""
    changes: list[tuple[Rule, bool]] = [
        (FAILED, True),
        (replace(FAILED, place=replace(PLACE, line=9), do=FAILED.do[:1], trust=Trust.NETWORK), True),
        (replace(FAILED, match=Equals("event.outcome", "failure")), False),
        (replace(FAILED, unless=Equals("user.name", "x")), False),
        (replace(FAILED, when=Count(3, 61.0, ("source.ip",))), False),
        (replace(FAILED, name="renamed"), False),
    ]
    for rule, kept in changes:
        former = RuleBook([AT_ONCE, FAILED])
        for _ in range(2):
            former.feed(failed(), NOW)
        rulebook = RuleBook([rule, AT_ONCE])
        rulebook.inherit(former)
        fired = {decision.incident.match.rule.name for decision in rulebook.feed(failed(), NOW)}
        assert (rule.name in fired) is kept
        assert rulebook.correlation(0).rule is rule


def test_equal_regular_expressions_count_the_same() -> None:
    """A reload reads the file anew, and the same pattern is the same condition."""
    rule = replace(FAILED, match=Matches("message", re.compile("Failed (?:x|password)")))
    former = RuleBook([rule])
    former.feed(failed(), NOW)
    re.purge()
    rulebook = RuleBook([replace(rule, match=Matches("message", re.compile("Failed (?:x|password)")))])
    rulebook.inherit(former)
    window = rulebook.correlation(0).window
    assert window is not None
    assert len(window) == 1


def test_needs_stand_beside_their_rules() -> None:
    """The sieve is told what each rule needs to see, in the rules' order."""
    rulebook = RuleBook([replace(AT_ONCE, match=Equals("host.name", "x")), AT_ONCE], PARSER.grammars)
    assert rulebook.needs[0] is None
    assert rulebook.needs[1]


def test_keys_are_bounded() -> None:
    """A stranger's addresses push each other out."""
    rulebook = RuleBook([FAILED], max_keys=2)
    for number in range(5):
        rulebook.feed(failed(f"192.0.2.{number}"), NOW)
    window = rulebook.correlation(0).window
    assert window is not None
    assert (len(window), window.evicted) == (2, 3)
