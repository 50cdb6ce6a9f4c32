"""The rules that come with the gateway: they load, they do what their tests say, and no stranger's text fools them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

import pytest

from gateway.config import ACTING, COSTLY, library_names, telling_library
from parsers.event import Event, FieldValue
from parsers.fields import is_reserved
from parsers.message import Message
from parsers.parse import Parser, builtin_grammars
from rules.condition import AllOf, Condition, OneOf
from rules.coverage import Coverage
from rules.example import Send
from rules.examples import START, run_tests
from rules.job import Part, fill_argv
from rules.load import Defaults, LoadedFile, load_rules
from rules.match import wants
from rules.merge import merge
from rules.own_events import own_event
from rules.review import Review
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.sent import batches, own_message_of
from rules.sieve import Sieve
from rules.step import Task
from rules.when import Count

FILES = (
    *("backup", "ban-file", "ban-ipset", "ban-nftables", "certificates", "digest", "disk", "dovecot", "drop"),
    *("first-seen", "ftp", "gateway", "heartbeat", "import", "kernel", "openvpn", "pam", "postfix", "silence", "ssh"),
    *("sudo", "systemd", "web"),
)

BANS = ("ban-file", "ban-ipset", "ban-nftables")

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


LOADED = loaded()
RULES, TWICE, *_ = merge(LOADED)
FOUND = {file.file.removeprefix("library/").removesuffix(".yaml"): file.rules for file in LOADED}
FILE_OF = {rule.name: name for name, rules in FOUND.items() for rule in rules}
BY_NAME = {rule.name: rule for rule in RULES}
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)

PARSER = Parser(builtin_grammars())
BOOK = RuleBook(RULES, PARSER.grammars)


@cache
def outcome_of(name: str) -> tuple[list[str], list[str]]:
    """Run the tests of a rule; return what failed, and what of the rule they do not reach."""
    coverage = Coverage(BY_NAME[name])
    failures = run_tests(BY_NAME[name], PARSER, coverage=coverage)
    return list(map(str, failures)), [str(item) for item in coverage.items() if not item.reached]


def sends(rule: Rule) -> Iterator[Send]:
    """Yield every message of a rule's tests, once."""
    for step in rule.tests:
        if step.send is not None:
            yield replace(step.send, times=1, every=0.0)


@cache
def events(name: str) -> tuple[Event, ...]:
    """Return the events of a rule's tests."""
    found: list[Event] = []
    for send in sends(BY_NAME[name]):
        if send.fields is not None:
            found.append(own_event(own_message_of(send.fields, START)))
        for batch in batches(send, START) if send.texts else ():
            messages = (Message(frame, batch.origin, batch.received) for frame in batch.frames.texts())
            found += map(PARSER.parse, messages)
    return tuple(found)


def wanted(rule: Rule) -> list[dict[str, FieldValue]]:
    """Return the fields of those events of its tests that a rule wants."""
    test = wants(rule.match, rule.unless)
    return [fields for event in events(rule.name) if (fields := test(dict(event.fields))) is not None]


def test_all_files_are_offered() -> None:
    """The configuration knows exactly these files."""
    assert library_names() == FILES


def test_all_load_without_errors_and_warnings() -> None:
    """What is shipped is right, and no two rules share a name."""
    assert [str(flaw) for file in LOADED for flaw in (*file.errors, *file.warnings)] == []
    assert TWICE == ()


def test_what_acts_is_told_apart() -> None:
    """Most shipped rules only tell the log; the files whose rules do more are known by their names."""
    assert {FILE_OF[rule.name] for rule in RULES if any(rule.steps(part) for part in Part)} == ACTING


def test_no_rule_has_every_message_parsed_unless_its_file_says_so() -> None:
    """The sieve can look for each; what it cannot look for stands in a file that nobody loads unawares."""
    assert {FILE_OF[rule.name] for rule, need in zip(RULES, BOOK.needs, strict=True) if need is None} == COSTLY
    assert set(telling_library()) == set(FILES) - ACTING - COSTLY


def test_every_rule_says_what_it_is_for() -> None:
    """The description is one or two sentences."""
    short = [rule.name for rule in RULES if not rule.description.endswith(".") or len(rule.description) < 20]
    assert short == []


def test_nothing_in_it_looks_like_a_mistake() -> None:
    """`gateway check` has no doubt about any of them."""
    review = Review(PARSER.grammars, ["syslog"], RULES)
    assert [(rule.name, doubt.words) for rule in RULES for doubt in review.of(rule)] == []


@every_rule
def test_its_tests_pass(rule: Rule) -> None:
    """Every test that a rule carries holds, in virtual time."""
    assert outcome_of(rule.name)[0] == []


@every_rule
def test_its_tests_reach_all_of_it(rule: Rule) -> None:
    """Each condition was true and false, each window came true and fell short, each step was done."""
    assert outcome_of(rule.name)[1] == []


@every_rule
def test_its_tests_show_when_it_fires_and_when_not(rule: Rule) -> None:
    """Each rule has a case for it and one against it; one that counts, the edges of its number and of its time."""
    expected = {step.expect.do > 0 for step in rule.tests if step.expect and step.expect.do is not None}
    assert expected == {True, False}
    if not isinstance(rule.when, Count) or rule.when.count == 1:
        return
    below = [step for step in rule.tests if step.send and step.send.times == rule.when.count - 1]
    assert below, "no test stops one event short"
    assert any(step.advance == rule.when.within for step in rule.tests), "no test lets the window pass"


@every_rule
def test_its_tests_hold_an_attack(rule: Rule) -> None:
    """Among the messages is one in which a stranger names somebody else."""
    texts = [text for send in sends(rule) for text in (*send.texts, str(send.fields))]
    assert [text for text in texts if INNOCENT_ADDRESS in text or INNOCENT_USER in text]


@every_rule
def test_it_never_believes_a_stranger(rule: Rule) -> None:
    """What a stranger's text claims is never the address, user or machine that a rule counts or reports."""
    for fields in wanted(rule):
        assert fields.get("source.ip") != INNOCENT_ADDRESS
        assert fields.get("user.name") != INNOCENT_USER
        assert fields.get("host.name") != INNOCENT_USER


@every_rule
def test_other_programs_cannot_claim_its_events(rule: Rule) -> None:
    """A program that writes JSON or key=value, with the right fields even, does not set off the rule."""
    test = wants(rule.match, rule.unless)
    found = wanted(rule)
    assert found
    for fields in found if FILE_OF[rule.name] != "silence" else ():  # that is about whoever says anything
        claims = {name: value for name, value in fields.items() if not is_reserved(name) or name == "event.module"}
        pairs = " ".join(f"{name}={json.dumps(plain)}" for name, plain in claims.items() if isinstance(plain, str))
        for text in (json.dumps(claims), f"@cee: {json.dumps(claims)}", pairs):
            (batch,) = batches(Send((f"shop[7]: {text}",)), START)
            event = PARSER.parse(Message(batch.frames.texts()[0], batch.origin, batch.received))
            assert event.fields["event.module"] in ("json", "logfmt")
            assert test(event.fields) is None


@every_rule
def test_a_rule_that_counts_addresses_leaves_out_loopback(rule: Rule) -> None:
    """What comes from the machine itself is never counted against an address."""
    if rule.when is None or "source.ip" not in rule.when.by:
        return
    unless = wants(rule.match, rule.unless)
    for fields in wanted(rule):
        assert unless({**fields, "source.ip": LOOPBACK}) is None
        assert unless({**fields, "source.ip": "::1"}) is None


def test_the_sieve_can_tell_most_messages_apart() -> None:
    """No rule makes every message a candidate, nor every line of a busy service that goes well."""
    telling = [index for index, rule in enumerate(RULES) if FILE_OF[rule.name] not in COSTLY]
    needs = [BOOK.needs[index] for index in telling]
    sieve = Sieve(needs)
    for text in (
        'nginx: 192.0.2.7 - - [22/Nov/2026:10:00:00 +0000] "GET /a.css HTTP/1.1" 200 612 "-" "Mozilla/5.0"',
        "sshd[7]: pam_unix(sshd:session): session closed for user alice",
        "postfix/qmgr[7]: 4XkPqW2zBczQR: from=<alice@example.com>, size=2345, nrcpt=2 (queue active)",
        "systemd[1]: Started Session 4 of User alice.",
        "<6>Mar  2 12:00:00 web1 kernel: [8123.4] usb 1-1: new high-speed USB device number 7 using xhci_hcd",
        'app[7]: {"level": "info", "msg": "C:\\\\temp", "user": "alice"}',
    ):
        for batch in batches(Send((text,)), START):
            found = [RULES[telling[index]].name for _, indexes in sieve.candidates(batch) for index in indexes]
            assert found == []


@pytest.mark.parametrize("name", BANS)
def test_what_a_rule_finds_is_banned(name: str) -> None:
    """The rules of other files come true, and the address is banned because of it, in whichever version it is."""
    found = {rule.name: rule for rule in (*FOUND["ssh"], *FOUND[name])}
    rulebook = RuleBook(list(found.values()), PARSER.grammars, parse=PARSER.parse)
    for address in ("192.0.2.7", "2001:db8::7"):
        commands: list[list[str]] = []
        for _ in range(5):
            (batch,) = batches(Send((f"sshd[7]: Failed password for root from {address} port 4000 ssh2",)), START)
            event = PARSER.parse(Message(batch.frames.texts()[0], batch.origin, batch.received))
            for decision in rulebook.feed(event, START).decisions:
                for job in decision.jobs:
                    steps = found[job.rule].steps(job.part)
                    commands += [fill_argv(step.argv, job.event) for step in steps if isinstance(step, Task)]
        ban, unban = (command for command in commands if address in " ".join(command))
        assert ban != unban


def test_a_ban_makes_its_file(tmp_path: Path) -> None:
    """With its folder, once; and each address stands in it once, until it is taken out."""
    (rule,) = load_rules(read("ban-file").replace("/var/lib/gateway", f"{tmp_path}/new"), "f", Defaults()).rules
    for address, part in (("192.0.2.7", Part.DO), ("2001:db8::7", Part.DO), ("192.0.2.7", Part.DO), ("::7", Part.UNDO)):
        for step in rule.steps(part):
            assert isinstance(step, Task)
            subprocess.run(fill_argv(step.argv, {"source.ip": address}), check=True)
    file = tmp_path / "new" / "banned"
    assert file.read_text() == "# written by the gateway\n2001:db8::7\n192.0.2.7\n"
    (undo,) = rule.steps(Part.UNDO)
    assert isinstance(undo, Task)
    subprocess.run(fill_argv(undo.argv, {"source.ip": "192.0.2.7"}), check=True)
    assert file.read_text() == "# written by the gateway\n2001:db8::7\n"


def test_all_bans_are_for_the_same() -> None:
    """They are for rules that there are, each of which counts the address that is banned."""
    counting = {rule.name for rule in RULES if isinstance(rule.when, Count) and rule.when.by == ("source.ip",)}
    asked = {values for name in BANS for rule in FOUND[name] for values in _rules_in(rule.match)}
    assert len(asked) == 1
    assert asked.pop() <= counting


def _rules_in(condition: Condition) -> Iterator[frozenset[object]]:
    """Yield the names of rules that a condition asks for."""
    match condition:
        case AllOf(conditions):
            for part in conditions:
                yield from _rules_in(part)
        case OneOf("rule.name", values):
            yield frozenset(values)
