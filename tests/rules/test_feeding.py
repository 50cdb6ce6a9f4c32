"""Rules that feed each other: what is told is certain, and names the circle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parsers.errors import Place
from rules.condition import Equals
from rules.feeding import Feeding
from rules.load import Defaults, load_rules
from rules.merge import merge
from rules.rule import Rule
from rules.step import Emit

RULE = Rule("last", Place("f", 1, 1), Equals("x", 0))


def wrong(text: str) -> list[str]:
    """Merge the rules of a text; return each error's line and which rules feed each other."""
    loaded = load_rules(text, "f", Defaults())
    assert not loaded.errors
    found = merge([loaded]).errors
    return [f"{error.place.line if error.place else 0}: {error.problem.partition(';')[0]}" for error in found]


ITSELF = "1: the rule matches the very event that it emits here"


@pytest.mark.parametrize(
    "text",
    [
        "match: {event.action: a}, do: {emit: {event.action: a}}",
        "match: {}, do: {emit: {event.action: a}}",
        "match: {event.action: [a, b], event.outcome: {exists: false}}, do: {emit: {event.action: b}}",
        "match: {event.action: {glob: 'a*'}}, unless: {user.name: root}, do: {emit: {event.action: ab}}",
        "match: {event.action: a}, do: {emit: {event.action: a, user.name: '${user.name}'}}",
        "match: {user.name: {exists: true}}, do: {emit: {user.name: 'not ${user.name}'}}",
        "match: {event.dataset: emit}, do: {emit: {event.action: a}}",
        "match: {event.action: a}, do: {run: [x]}, on_failure: {emit: {event.action: a}}",
        "match: {event.action: a}, when: {count: 5, within: 1m, by: []}, do: {emit: {event.action: a}}",
        "match: {message: {regex: 'x+'}}, do: {emit: {message: axb}}",
    ],
)
def test_a_rule_that_feeds_itself(text: str) -> None:
    """Whatever the event is that caused it, the one it emits fulfils its `match`."""
    assert wrong(f"- {{rule: r, {text}}}") == [ITSELF]


@pytest.mark.parametrize(
    "text",
    [
        "match: {event.action: a}, do: {emit: {event.action: b}}",
        "match: {event.action: a}, unless: {event.dataset: emit}, do: {emit: {event.action: a}}",
        "match: {event.dataset: gateway}, do: {emit: {event.action: a}}",
        "match: {event.action: a, user.name: root}, do: {emit: {event.action: a, user.name: '${user.name}'}}",
        "match: {user.name: {exists: true}}, do: {emit: {user.name: '${user.name}'}}",
        "match: {rule.name: {exists: false}}, do: {emit: {event.action: a}}",
        "match: {event.action: a, gateway.trust: local}, do: {emit: {event.action: a}}",
        "when: {all: [{x: a}, {x: b}], within: 1m, by: []}, do: {emit: {x: a}}",
        "match: {message: {contains: x}}, do: {emit: {event.action: a}}",
    ],
)
def test_what_is_not_certain_is_not_told(text: str) -> None:
    """It depends on the event, or on what the gateway adds, or another event has to come as well."""
    assert wrong(f"- {{rule: r, {text}}}") == []


def test_a_circle_is_named() -> None:
    """It is an error of the rule that closes it, once; what leads there or away is none."""
    rules = """
- {rule: before, match: {event.action: z}, do: {emit: {event.action: a}}}
- {rule: a, match: {event.action: a}, do: {emit: {event.action: b}}}
- {rule: b, match: {event.action: [b, d]}, do: [{run: [x]}, {emit: {event.action: c}}, {emit: {event.action: y}}]}
- {rule: c, match: {event.action: c}, else: {emit: {event.action: a}},
   when: {absent: {event.action: z}, within: 1m, by: []}}
- {rule: after, match: {event.action: y}, do: {emit: {event.action: x}}}
- {rule: d, match: {event.action: y}, do: {emit: {event.action: d}}}
"""
    assert wrong(rules) == [
        "5: these rules feed each other: c → a → b → c",
        "8: these rules feed each other: d → b → d",
    ]


def test_a_long_chain_takes_no_stack() -> None:
    """Each of many rules feeds the one before it; the last closes the circle."""
    fed = [replace(RULE, name=f"r{n}", match=Equals("x", n), do=(Emit("e", {"x": n - 1}),)) for n in range(1, 400)]
    feeding = Feeding()
    assert [feeding.wrong(rule, {}) for rule in fed] == [None] * len(fed)
    error = feeding.wrong(replace(RULE, match=Equals("x", 0), do=(Emit("e", {"x": 399}),)), {})
    assert error is not None
    assert error.problem.startswith("these rules feed each other: last → r399 → r398")
