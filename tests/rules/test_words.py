"""Conditions in the words of a rule file."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest

from rules.condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Contains,
    Equals,
    Exists,
    Glob,
    InNetworks,
    Matches,
    Not,
    OneOf,
)
from rules.load import Defaults, load_rules
from rules.words import words


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Equals("event.action", "ssh-login"), "event.action: ssh-login"),
        (Equals("a", "on"), 'a: "on"'),
        (Equals("a", "22"), 'a: "22"'),
        (Equals("a", 22), "a: 22"),
        (Equals("a", True), "a: true"),
        (Equals("a", "b: c"), 'a: "b: c"'),
        (Equals("a", "b #c\x1b"), 'a: "b #c\\u001b"'),
        (OneOf("a", ("x", 1)), "a: [x, 1]"),
        (InNetworks("a", (ip_network("10.0.0.0/8"), ip_network("::1/128"))), 'a: {in: [10.0.0.0/8, "::1/128"]}'),
        (Glob("a", "*/x"), 'a: {glob: "*/x"}'),
        (Matches("a", re.compile("it's \\d")), "a: {regex: 'it''s \\d'}"),
        (Contains("a", "Failed password"), "a: {contains: Failed password}"),
        (Compare("a", "le", 4.0), "a: {le: 4}"),
        (Exists("a", False), "a: {exists: false}"),
        (AllOf(()), "{}"),
        (Not(AllOf(())), "not: {}"),
        (Not(Equals("a", 1)), "not: {a: 1}"),
        (AnyOf((Equals("a", 1), AllOf((Equals("b", 1), Equals("c", 2))))), "any: [{a: 1}, {all: [{b: 1}, {c: 2}]}]"),
    ],
)
def test_words_are_those_of_a_rule_file(condition: Condition, text: str) -> None:
    """They can be read back as the same condition."""
    assert words(condition) == text
    body = text if text == "{}" else f"{{{text}}}"
    (rule,) = load_rules(f"- {{rule: r, match: {body}}}", "r.yaml", Defaults()).rules
    assert rule.match == condition
