"""Rules about timers: they cost messages nothing, and `gateway check` knows what a timer's event has."""

from __future__ import annotations

import pytest

from parsers.grammars import json_cee, sshd
from parsers.lowering import CompiledGrammar
from rules.condition import AllOf, AnyOf, Condition, Contains, Equals, OneOf
from rules.load import Defaults, load_rules
from rules.needs import Needs
from rules.review import Review

GRAMMARS = [CompiledGrammar(module.GRAMMAR) for module in (sshd, json_cee)]
NIGHTLY = Equals("event.dataset", "nightly")


@pytest.mark.parametrize(
    "condition",
    [
        NIGHTLY,
        AllOf((NIGHTLY, Equals("event.action", "timer"))),
        OneOf("event.dataset", ("nightly", "drop")),
        AnyOf((NIGHTLY, Equals("event.dataset", "gateway"))),
    ],
)
def test_no_message_need_be_looked_at(condition: Condition) -> None:
    """No message comes through a timer, so the sieve looks for nothing; of another source, it would want them all."""
    assert Needs(GRAMMARS, ["nightly"]).of(condition) == ()
    assert Needs(GRAMMARS).of(NIGHTLY) is None


def test_a_message_that_would_do_as_well() -> None:
    """The sieve looks for that, and for nothing else."""
    either = AnyOf((NIGHTLY, Contains("message", "backup now")))
    assert Needs(GRAMMARS, ["nightly"]).of(either) == Needs(GRAMMARS).of(Contains("message", "backup now"))


def doubts(text: str) -> list[str]:
    """Review one rule."""
    loaded = load_rules(f"- {{rule: r, {text}}}", "r.yaml", Defaults())
    assert not loaded.errors
    review = Review(GRAMMARS, ["net", "nightly"], loaded.rules, ["nightly"])
    return [doubt.words for doubt in review.of(loaded.rules[0])]


@pytest.mark.parametrize(
    "text",
    [
        "match: {event.dataset: nightly}",
        "match: {event.action: timer}",
        "match: {event.dataset: nightly, event.action: timer, gateway.trust: local}",
        'match: {event.dataset: nightly}, do: {run: [backup, "${event.start}", "${gateway.timer.late}"]}',
        "match: {event.dataset: nightly, gateway.timer.missed: {gt: 0}}",
        "match: {any: [{event.dataset: nightly}, {event.action: ssh-login}]}",
        "match: {event.dataset: net, event.action: ssh-login}",
    ],
)
def test_rules_that_fire(text: str) -> None:
    """Nothing is said of them."""
    assert doubts(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "match: {event.dataset: nightly, event.action: tiemr}",
            'no event of nightly has event.action: tiemr; did you mean "timer"?',
        ),
        ("match: {event.dataset: nightly, event.action: ssh-login}", "no event of nightly has event.action: ssh-login"),
        ("match: {event.dataset: nightly, source.ip: 192.0.2.7}", "no event of nightly has the field source.ip"),
        ("match: {event.dataset: nigthly}", 'the value nigthly; did you mean "nightly"?'),
        ("match: {event.dataset: net, event.action: timer}", "it can never fire"),
        (
            'match: {event.dataset: nightly}, do: {run: [backup, "${user.name}"]}',
            "wants ${user.name}, which no message that it matches has",
        ),
    ],
)
def test_rules_that_never_fire(text: str, problem: str) -> None:
    """It is said what a timer's event has instead."""
    (said,) = doubts(text)
    assert problem in said
