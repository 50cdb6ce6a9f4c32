"""Why a rule wants an event or does not: the same answers as matching gives, with reasons."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest
from hypothesis import given, settings

from parsers.event import Event, FieldValue
from parsers.grammars import sshd
from parsers.message import Message, Origin, Trust
from parsers.parse import Parser
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
from rules.explain import Answer, explain, explain_rule, nearest
from rules.load import Defaults, load_rules
from rules.match import compile_condition
from rules.words import words
from tests.rules.test_review import conditions, events

NO_TRUST = Trust.DATAGRAM


def event(text: str = "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2") -> Event:
    """Parse a text."""
    return Parser([sshd.GRAMMAR]).parse(Message(text.encode(), Origin("test", Trust.NETWORK), 0.0))


@given(conditions, events)
@settings(max_examples=200, deadline=None)
def test_the_answer_is_that_of_matching(condition: Condition, fields: dict[str, FieldValue]) -> None:
    """The whole holds just when the rule matches, and nothing is missing just then."""
    answer = explain(condition, dict(fields))
    assert answer.holds is compile_condition(condition)(dict(fields))
    assert answer.holds or answer.missing or answer.words == "any"


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


def test_the_nearest_rules_come_first() -> None:
    """Fewest failed conditions first; a rule of which nothing holds is not near."""
    rules = load_rules(
        """
- {rule: far, match: {event.action: x, event.outcome: y}}
- {rule: two, match: {event.action: ssh-login, user.name: u, source.ip: v}}
- {rule: one, match: {event.action: ssh-login, user.name: u}}
- {rule: excluded, match: {event.action: ssh-login, user.name: root}, unless: {source.ip: 192.0.2.7}}
- {rule: wants, match: {event.action: ssh-login}}
""",
        "r.yaml",
        Defaults(),
    ).rules
    all_of_them = [explain_rule(rule, event(), NO_TRUST) for rule in rules]
    assert [one.rule.name for one in nearest(all_of_them)] == ["excluded", "one", "two", "far"]
    assert [one.rule.name for one in nearest(all_of_them, 5)] == ["excluded", "one", "two"]
    assert [one.rule.name for one in nearest(all_of_them, 1)] == ["excluded"]
    assert [one.wanted for one in all_of_them] == [False, False, False, False, True]


def test_trust_and_commands() -> None:
    """Commands are filled in as they would be, also those that this sender may not start."""
    (rule,) = load_rules(
        "- {rule: r, match: {event.action: ssh-login}, do: [{run: [echo, '${user.name}']}, {run: [echo, '${nope}']}]}",
        "r.yaml",
        Defaults(),
    ).rules
    found = explain_rule(rule, event(), Trust.ACCOUNT)
    assert not found.trusted
    assert explain_rule(rule, event(), Trust.NETWORK).trusted
    good, bad = found.commands
    assert (good.task, good.argv, good.problem) == ("r/do/1", ("echo", "root"), None)
    assert (bad.argv, bad.problem) == ((), "the event has no field nope")
    assert found.match == Answer("event.action: ssh-login", True, "ssh-login")


def test_steps_about_files() -> None:
    """A decrypted file is shown where nobody has one: what is shown is not done."""
    (rule,) = load_rules(
        """
- rule: r
  match: {event.action: ssh-login}
  do:
    - {decrypt: {key: keys/a.age, file: "/in/${user.name}.gpg"}}
    - {run: [import, "${file.decrypted.path}"]}
    - {delete: "/in/${user.name}.gpg"}
    - {move: "/in/${user.name}.gpg", to: processed}
""",
        "r.yaml",
        Defaults(),
    ).rules
    found = explain_rule(rule, event(), Trust.NETWORK)
    assert [(one.kind, one.argv, one.words, one.problem) for one in found.commands] == [
        ("decrypt", (), "/in/root.gpg with keys/a.age", None),
        ("run", ("import", "/private/root"), "", None),
        ("delete", (), "/in/root.gpg", None),
        ("move", (), "/in/root.gpg to processed", None),
    ]


def test_steps_of_every_kind_and_what_undoes_them() -> None:
    """Each in a few words; the event that closes a state is explained as well."""
    (rule,) = load_rules(
        """
- rule: r
  match: {event.action: ssh-login, event.outcome: failure}
  when: {count: 2, within: 1m, by: [source.ip]}
  do:
    - {stream: [cat]}
    - {mail: [root, ops], subject: "${user.name} from ${nobody.has}"}
    - {forward: centre}
    - {emit: {event.action: alarm, labels.of: "${source.ip}"}}
    - {pause: other}
    - {emit: {labels.x: "${nobody.has}"}}
  undo: {match: {event.action: ssh-login, event.outcome: success}, run: [unban, "${source.ip}"]}
""",
        "r.yaml",
        Defaults(),
    ).rules
    found = explain_rule(rule, event(), Trust.NETWORK)
    assert [(one.kind, one.argv, one.words, one.problem) for one in found.commands] == [
        ("stream", ("cat",), "", None),
        ("mail", (), "root, ops: root from -", None),
        ("forward", (), "centre", None),
        ("emit", (), "event.action: alarm, labels.of: 192.0.2.7", None),
        ("pause", (), "other", None),
        ("emit", (), "", "the event has no field nobody.has"),
    ]
    assert [one.argv for one in found.undoing] == [("unban", "192.0.2.7")]
    assert found.closes is not None
    assert not found.closes.wanted
    login = explain_rule(rule, event("sshd[7]: Accepted password for root from 192.0.2.7 port 1 ssh2"), Trust.NETWORK)
    assert login.closes is not None
    assert (login.wanted, login.concerned, login.closes.wanted) == (False, True, True)
    assert login.closes.key == ("192.0.2.7",)
    assert nearest([login]) == []
