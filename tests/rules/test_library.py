"""The rules that come with the gateway: they load, they do what their tests say, and no stranger's text fools them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources

import pytest

from gateway.config import library_names
from parsers.event import Event, FieldValue
from parsers.fields import is_reserved
from parsers.message import Message
from parsers.parse import Parser, builtin_grammars
from rules.examples import START, batches, own_message_of, run_tests
from rules.load import Defaults, LoadedFile, load_rules, merge
from rules.match import wants
from rules.own_events import own_event
from rules.rule import Rule, Send
from rules.rulebook import RuleBook
from rules.sieve import Sieve
from rules.strict_yaml import MappingNode, ScalarNode, SequenceNode, parse

FILES = ("drop", "gateway", "pam", "postfix", "ssh", "sudo", "web")

INNOCENT_ADDRESS = "203.0.113.66"
INNOCENT_USER = "innocent"
"""In the library's tests both stand only in what a stranger made up, and must never be what a rule believes."""

LOOPBACK = "127.0.0.1"


def read(name: str) -> str:
    """Return the text of a shipped file."""
    return resources.files("rules").joinpath("library", f"{name}.yaml").read_text("utf-8")


def loaded() -> list[LoadedFile]:
    """Load all shipped files."""
    return [load_rules(read(name), f"library/{name}.yaml", Defaults()) for name in FILES]


RULES, TWICE = merge(loaded())
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@pytest.fixture(scope="module")
def parser() -> Parser:
    """Return the parser that the gateway runs."""
    return Parser(builtin_grammars())


def sends(rule: Rule) -> Iterator[Send]:
    """Yield every message of a rule's tests, once."""
    for step in rule.tests:
        if step.send is not None:
            yield replace(step.send, times=1, every=0.0)


def events(rule: Rule, parser: Parser) -> Iterator[Event]:
    """Yield the events of a rule's tests."""
    for send in sends(rule):
        if send.fields is not None:
            yield own_event(own_message_of(send.fields, START))
            continue
        for batch in batches(send, START):
            for frame in batch.frames.texts():
                yield parser.parse(Message(frame, batch.origin, batch.received))


def wanted(rule: Rule, parser: Parser) -> list[dict[str, FieldValue]]:
    """Return the fields of those events of its tests that a rule wants."""
    test = wants(rule.match, rule.unless)
    return [fields for event in events(rule, parser) if (fields := test(event.fields)) is not None]


def descriptions() -> dict[str, str]:
    """Return what each rule says of itself; a loaded rule does not keep it."""
    found = {}
    for name in FILES:
        root = parse(read(name), name)
        assert isinstance(root, SequenceNode)
        for node in root.items:
            assert isinstance(node, MappingNode)
            texts = {entry.key: entry.value.text for entry in node.entries if isinstance(entry.value, ScalarNode)}
            found[texts["rule"]] = texts.get("description", "")
    return found


def test_all_files_are_offered() -> None:
    """The configuration knows exactly these files."""
    assert library_names() == FILES


def test_all_load_without_errors_and_warnings() -> None:
    """What is shipped is right, and no two rules share a name."""
    assert [str(flaw) for file in loaded() for flaw in (*file.errors, *file.warnings)] == []
    assert TWICE == ()


def test_no_rule_acts_by_itself() -> None:
    """A shipped rule only tells the log; what to do is the operator's choice."""
    assert [rule.name for rule in RULES if rule.do] == []


def test_every_rule_says_what_it_is_for() -> None:
    """The description is one or two sentences."""
    assert [name for name, text in descriptions().items() if not text.endswith(".") or len(text) < 20] == []


@every_rule
def test_its_tests_pass(rule: Rule, parser: Parser) -> None:
    """Every test that a rule carries holds, in virtual time."""
    assert [str(failure) for failure in run_tests(rule, parser)] == []


@every_rule
def test_its_tests_show_when_it_fires_and_when_not(rule: Rule) -> None:
    """Each rule has a case for it and one against it; one that counts, the edges of its number and of its time."""
    expected = {step.expect.do > 0 for step in rule.tests if step.expect and step.expect.do is not None}
    assert expected == {True, False}
    if rule.when is None:
        return
    below = [step for step in rule.tests if step.send and step.send.times == rule.when.count - 1]
    assert below, "no test stops one event short"
    assert any(step.advance == rule.when.within for step in rule.tests), "no test lets the window pass"


@every_rule
def test_its_tests_hold_an_attack(rule: Rule) -> None:
    """Among the messages is one in which a stranger names somebody else."""
    assert [send for send in sends(rule) if INNOCENT_ADDRESS in send.text or INNOCENT_USER in send.text]


@every_rule
def test_it_never_believes_a_stranger(rule: Rule, parser: Parser) -> None:
    """What a stranger's text claims is never the address or user that a rule counts or reports."""
    for fields in wanted(rule, parser):
        assert fields.get("source.ip") != INNOCENT_ADDRESS
        assert fields.get("user.name") != INNOCENT_USER


@every_rule
def test_other_programs_cannot_claim_its_events(rule: Rule, parser: Parser) -> None:
    """A program that writes JSON or key=value, with the right fields even, does not set off the rule."""
    test = wants(rule.match, rule.unless)
    found = wanted(rule, parser)
    assert found
    for fields in found:
        claims = {name: value for name, value in fields.items() if not is_reserved(name) or name == "event.module"}
        pairs = " ".join(f"{name}={json.dumps(plain)}" for name, plain in claims.items() if isinstance(plain, str))
        for text in (json.dumps(claims), f"@cee: {json.dumps(claims)}", pairs):
            (batch,) = batches(Send(f"shop[7]: {text}"), START)
            event = parser.parse(Message(batch.frames.texts()[0], batch.origin, batch.received))
            assert event.fields["event.module"] in ("json", "logfmt")
            assert test(event.fields) is None


@every_rule
def test_a_rule_that_counts_addresses_leaves_out_loopback(rule: Rule, parser: Parser) -> None:
    """What comes from the machine itself is never counted against an address."""
    if rule.when is None or "source.ip" not in rule.when.by:
        return
    unless = wants(rule.match, rule.unless)
    for fields in wanted(rule, parser):
        assert unless({**fields, "source.ip": LOOPBACK}) is None
        assert unless({**fields, "source.ip": "::1"}) is None


@every_rule
def test_the_sieve_can_tell_most_messages_apart(rule: Rule, parser: Parser) -> None:
    """No rule makes every message a candidate, nor every line of a busy service that goes well."""
    needs = RuleBook([rule], parser.grammars).needs
    assert needs[0] is not None
    sieve = Sieve(needs)
    for text in (
        'nginx: 192.0.2.7 - - [22/Nov/2026:10:00:00 +0000] "GET /a.css HTTP/1.1" 200 612 "-" "Mozilla/5.0"',
        "sshd[7]: pam_unix(sshd:session): session closed for user alice",
        "postfix/qmgr[7]: 4XkPqW2zBczQR: from=<alice@example.com>, size=2345, nrcpt=2 (queue active)",
        "systemd[1]: Started Session 4 of User alice.",
        'app[7]: {"level": "info", "msg": "C:\\\\temp", "user": "alice"}',
    ):
        for batch in batches(Send(text), START):
            assert list(sieve.candidates(batch)) == []
