"""That a rule came true is an event for rules that ask for it: what it says, who sees it, and how far it is trusted."""

from __future__ import annotations

import pytest

from parsers.event import Event
from parsers.message import Message, Origin, Trust
from rules.examples import run_tests
from rules.findings import Findings
from rules.fired import cause_of
from rules.load import Defaults, load_rules
from rules.plan import fields_of
from rules.rule import Rule
from rules.rulebook import RuleBook
from tests.rules.sample_rules import NOW, PARSER

FAILED = b"<13>Nov 22 10:00:00 web1 sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"

GUESSING = """
- rule: guessing
  match: {event.action: ssh-login, event.outcome: failure}
  when: {count: 2, within: 10m, by: [source.ip]}
"""
BAN = """
- rule: ban
  match: {event.dataset: gateway, event.action: rule-fired, rule.name: guessing}
  when: {count: 1, within: 1m, by: [source.ip]}
  do: {run: [ban, "${source.ip}"]}
  undo: {after: 10m, run: [unban, "${source.ip}"]}
"""


def rules(text: str) -> tuple[Rule, ...]:
    """Load rules that must be right."""
    loaded = load_rules(text, "a.yaml", Defaults())
    assert loaded.errors == ()
    return loaded.rules


def failure(trust: Trust = Trust.LOCAL, **origin: object) -> Event:
    """Return a login that failed, said by somebody."""
    return PARSER.parse(Message(FAILED, Origin("loghosts", trust, **origin), NOW))  # type: ignore[arg-type]


def book(text: str, least: Trust = Trust.ACCOUNT) -> RuleBook:
    """Make a rule book that parses what windows have kept."""
    return RuleBook(rules(text), PARSER.grammars, least, parse=PARSER.parse)


def names(findings: Findings) -> list[str]:
    """Return which rules came true, in their order."""
    return [decision.incident.match.rule.name for decision in findings.decisions]


def test_a_rule_acts_upon_another_ones_coming_true() -> None:
    """Both decisions come of one message, so that they are kept as one."""
    rulebook = book(GUESSING + BAN)
    assert names(rulebook.feed(failure(), NOW)) == []
    findings = rulebook.feed(failure(), NOW)
    assert names(findings) == ["guessing", "ban"]
    do, undo = findings.decisions[1].jobs
    assert do.key == undo.key == ("192.0.2.7",)


def test_the_event_says_what_came_true_and_of_what() -> None:
    """It has the fields of the event behind it, and what they would hide stands beside them."""
    rulebook = book(GUESSING + BAN)
    rulebook.feed(failure(), NOW)
    _, ban = rulebook.feed(failure(address="198.51.100.1"), NOW).decisions
    fields = fields_of(ban.incident)
    assert {
        "event.kind": "alert",
        "event.action": "rule-fired",
        "event.dataset": "gateway",
        "event.module": "sshd",
        "event.outcome": "failure",
        "source.ip": "192.0.2.7",
        "user.name": "root",
        "host.name": "web1",
        "rule.name": "guessing",
        "gateway.trust": "account",
        "gateway.cause.action": "ssh-login",
        "gateway.cause.dataset": "loghosts",
        "gateway.cause.trust": "local",
        "gateway.ancestors": ["guessing"],
    }.items() <= fields.items()
    assert "gateway.cause.rule" not in fields
    assert cause_of(ban.incident.match) == ("loghosts", "local")
    assert ban.incident.match.event.message.origin.address == "198.51.100.1"


@pytest.mark.parametrize(
    "match",
    [
        "{event.dataset: gateway, event.outcome: failure}",
        "{event.dataset: gateway, event.action: job-finished}",
        "{event.action: rule-fired}",
        "{}",
    ],
)
def test_only_who_asks_for_it_sees_it(match: str) -> None:
    """What is about jobs, or about messages, is not."""
    rulebook = book(GUESSING.replace("count: 2", "count: 1") + f"- {{rule: other, match: {match}}}")
    assert "gateway" not in {
        decision.incident.match.event.fields["event.dataset"] for decision in rulebook.feed(failure(), NOW).decisions
    }


def test_a_rule_that_acted_upon_it_is_told_of_in_turn() -> None:
    """A chain names all rules in it, and its beginning."""
    rulebook = book(
        GUESSING.replace("count: 2", "count: 1")
        + BAN
        + "- {rule: tell, match: {event.dataset: gateway, event.action: [rule-fired], rule.name: ban}}"
    )
    findings = rulebook.feed(failure(), NOW)
    assert names(findings) == ["guessing", "ban", "tell"]
    fields = findings.decisions[-1].incident.match.event.fields
    assert fields["gateway.ancestors"] == ["guessing", "ban"]
    assert fields["gateway.cause.action"] == "ssh-login"
    assert fields["gateway.cause.trust"] == "local"


def test_rules_that_listen_to_all_do_not_listen_for_ever() -> None:
    """No rule sees what it caused."""
    every = "{event.dataset: gateway, event.action: rule-fired}"
    text = "".join(f"- {{rule: {name}, match: {every}}}\n" for name in ("one", "two"))
    found = names(book(GUESSING.replace("count: 2", "count: 1") + text).feed(failure(), NOW))
    assert found == ["guessing", "one", "two", "two", "one"]


@pytest.mark.parametrize(
    ("sender", "detection", "held"),
    [
        (failure(), "", False),
        (failure(Trust.DATAGRAM, trusted=True), "", False),
        (failure(Trust.DATAGRAM), "", True),
        (failure(Trust.NETWORK), "trust: datagram", True),  # its window may hold what was forged
        (failure(Trust.ACCOUNT), "trust: local", True),
        (failure(Trust.LOCAL), "trust: local", False),
    ],
)
def test_it_is_trusted_as_far_as_all_that_made_the_rule_true(sender: Event, detection: str, held: bool) -> None:
    """A rule that acts upon another's finding acts for nobody who could not make it act himself."""
    text = GUESSING.replace("count: 2", "count: 1") + f"  {detection}\n" + BAN
    _, ban = book(text).feed(sender, NOW).decisions
    assert ban.held is held


def test_equal_causes_make_different_jobs() -> None:
    """Two equal lines of one batch differ in where they stood."""
    text = GUESSING.replace("count: 2", "count: 1") + BAN.partition("  undo")[0]
    rulebook = book(text)
    event = failure()
    ids = set()
    for offset in (0, 100):
        event = PARSER.parse(event.message._replace(offset=offset))
        ids |= {job.id for decision in rulebook.feed(event, NOW).decisions for job in decision.jobs}
    assert len(ids) == 2
    again = book(text)
    same = {job.id for decision in again.feed(event, NOW).decisions for job in decision.jobs}
    assert same < ids


def test_the_end_of_a_wait_is_told_of_too() -> None:
    """A host gone silent can be acted upon by another rule; what did not come true is not told."""
    text = """
- rule: silent
  match: {process.name: sshd}
  when: {absent: match, within: 1h, by: [host.name]}
- rule: tell
  match: {event.dataset: gateway, event.action: rule-fired, rule.name: silent}
  do: {mail: [root], subject: "${host.name}"}
"""
    rulebook = book(text)
    rulebook.feed(failure(), NOW)
    (due,) = rulebook.dues(NOW + 3600)
    assert names(rulebook.end(due, NOW + 3600)) == ["silent", "tell"]


def test_a_rules_own_test_can_show_it() -> None:
    """The rule that is asked for comes along."""
    text = GUESSING + BAN
    text += """  test:
    - {send: "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2", expect: {do: 0}}
    - {send: "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2", expect: {do: 1, argv: [ban, 192.0.2.7]}}
    - {advance: 10m, expect: {undo: 1}}
"""
    found = rules(text)
    assert [str(flaw) for flaw in run_tests(found[1], PARSER, others=found)] == []
