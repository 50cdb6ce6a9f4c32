"""How rules stand, in sentences: of every kind of `when`, of what came and of what might come."""

from __future__ import annotations

from datetime import UTC

import pytest

from gateway.commands.explained_state import sentences
from gateway.commands.rule_words import Clock, about, intent, mapping, short
from gateway.commands.told import Known
from parsers.message import Trust
from rules.condition import AllOf, AnyOf, Equals
from rules.load import Defaults, load_rules
from tests.rules.test_situation import NOON, Running, event

CLOCK = Clock(NOON, UTC)

MORE = """
- rule: sections
  match: {event.action: [a, b]}
  when:
    digest: 1h
    max: 3
    by: []
    sections: [{title: A, match: {event.action: a}}]
- rule: files
  match: {event.action: f}
  when: {settled: 2s, files: ["*.csv", done], within: 1h, by: [user.name]}
- rule: quiet
  match: {event.action: a}
  when: {count: 1, within: 1s, by: [source.ip]}
  undo: {quiet: 1m, run: [y]}
- rule: waits-while-open
  match: {event.action: [a, b]}
  when: {settled: 1s, by: [source.ip]}
  suppress: 1h
  do: {run: [x]}
  undo: {after: 1h, run: [y]}
- rule: two-endings
  match: {event.action: a}
  undo: {match: {event.action: c}, count: 2, run: [y]}
"""


def said(actions: str, name: str, known: Known = Known.LOG, trust: Trust = Trust.LOCAL, **fields: str) -> list[str]:
    """Return what is said of one rule at the last of some events, half a second apart; `.` lets two seconds pass."""
    rules = (*Running().rules, *load_rules(MORE, "m.yaml", Defaults()).rules)
    running, now, at = Running(rules), NOON, None
    for action in actions:
        if action == ".":
            now += 2.0
            continue
        one = event(action, now, trust, **{"user_name": "u", **fields})
        at = running.expect(one)[name]
        running.show(one)
        now += 0.5
    assert at is not None
    return [each.text for each in sentences(at, one.fields, CLOCK, known, Trust.ACCOUNT)]


@pytest.mark.parametrize(
    ("actions", "name", "words"),
    [
        ("a", "at-once", ["fired: every such event is enough"]),
        ("a", "bans", ["counted, 1 of 3 within 10s for 192.0.2.7 (source.ip); 2 more before 12:00:10 make it fire"]),
        (
            "a",
            "users",
            [("counted, 1 of 3 different user.name within 10s for 192.0.2.7 (source.ip) (u); 2 more before 12:00:10 "
             "make it fire")],
        ),
        (
            "c",
            "all-of-them",
            [("counted, 1 of the 3 events of `all` within 10s (number 3) for 192.0.2.7 (source.ip); 2 more before "
             "12:00:10 make it fire")],
        ),
        ("aac", "all-of-them", ["fired: all 3 have come within 10s for 192.0.2.7 (source.ip)"]),
        (
            "a",
            "in-order",
            [("counted, 1 of the sequence of 3 within 10s for 192.0.2.7 (source.ip); number 2 before 12:00:10 goes on "
             "with it")],
        ),
        ("d", "in-order", ["changes nothing: no sequence has begun for 192.0.2.7 (source.ip)"]),
        ("ad", "in-order", ["ended the sequence for 192.0.2.7 (source.ip): its `unless` breaks it off"]),
        ("c", "in-order", ["changes nothing: it is not its turn: nothing has begun for 192.0.2.7 (source.ip)"]),
        (
            "ac",
            "in-order",
            ["changes nothing: it is not its turn: 1 of the sequence of 3 within 10s for 192.0.2.7 (source.ip)"],
        ),
        ("aac", "in-order", ["fired: the sequence of 3 is whole within 10s for 192.0.2.7 (source.ip)"]),
        (
            "a",
            "recovered",
            ["waits for 192.0.2.7 (source.ip): no {event.action: [b, c]} until 12:00:05 makes it fire"],
        ),
        ("c", "recovered", ["changes nothing: nothing waits for 192.0.2.7 (source.ip)"]),
        ("ac", "recovered", ["came in time for 192.0.2.7 (source.ip): the wait ends, and `else` is done"]),
        ("ac", "dropped", ["ended the wait for 192.0.2.7 (source.ip): what must not stay away has come"]),
        ("a", "silent", ["waits for 192.0.2.7 (source.ip): nothing more until 12:00:06 makes it fire"]),
        ("ab", "silent", ["stands at a wait until 12:00:06 for 192.0.2.7 (source.ip)"]),
        (
            "a",
            "sections",
            ["collected in the section A, 1 of 3 at most for all together; handed over at 13:00:00"],
        ),
        ("aba", "sections", ["fired: 3 are collected for all together, which is as many as one digest may hold"]),
        ("b", "settled", ["waits: fires at 12:00:03 if nothing more comes for 192.0.2.7 (source.ip)"]),
        ("a", "quiet", ["fired: one event is enough, for 192.0.2.7 (source.ip)"]),
        (
            "aa",
            "quiet",
            [("its state is open since 12:00:00 while it is not quiet, at least until 12:01:00 for 192.0.2.7 "
             "(source.ip): repeats are swallowed")],
        ),
        (
            "a.a",
            "waits-while-open",
            ["waits: fires at 12:00:03 if nothing more comes for 192.0.2.7 (source.ip)",
             ("but its state is open since 12:00:01 until 13:00:01 for 192.0.2.7 (source.ip): so nothing comes of that "
             "meanwhile"),
             "but it is suppressed until 13:00:01: so nothing comes of that meanwhile"],
        ),
        ("c", "two-endings", ["closes nothing: no state is open for all together"]),
        ("ac", "two-endings", ["counts towards closing: 1 of 2 for all together"]),
        ("acc", "two-endings", ["closed its state for all together, open since 12:00:00"]),
        (
            "aaaa",
            "while-free",
            ["not now: `unless_open: bans`, and bans has a state open for 192.0.2.7"],
        ),
        ("f", "files", ["changes nothing: file.name fits none of the patterns of `files`"]),
    ],
)  # fmt: skip
def test_what_came(actions: str, name: str, words: list[str]) -> None:
    """What it did, what stood in the way, or what is still missing."""
    assert said(actions, name) == words


@pytest.mark.parametrize(
    ("actions", "name", "words"),
    [
        ("aaa", "bans", "would fire: 3 of 3 within 10s for 192.0.2.7 (source.ip)"),
        ("a", "bans", "would be counted, 1 of 3 within 10s"),
        ("b", "settled", "would wait: fires at 12:00:03"),
        ("b", "digest", "would be collected, 1 of 3 at most"),
        ("ac", "recovered", "would come in time for"),
        ("ac", "dropped", "would end the wait"),
        ("aaacc", "bans", "would close its state for"),
    ],
)
def test_what_might_come(actions: str, name: str, words: str) -> None:
    """It has not, and that is not said."""
    assert said(actions, name, Known.LIVE)[0].startswith(words)


def test_files_that_come_one_by_one() -> None:
    """Which patterns are still without one, and until when."""
    words = said("f", "files", file_name="a.csv", file_path="/in/a.csv")
    assert words == ["counted, it is *.csv; until 13:00:00, for u (user.name)"]


def test_senders_that_are_not_trusted() -> None:
    """Held back, or counted apart and held back later."""
    assert said("aaa", "bans", trust=Trust.NETWORK) == [
        "held back: sender is not trusted (network), for the rule wants account",
        "without that it had fired: 3 of 3 within 10s for 192.0.2.7 (source.ip)",
    ]
    assert said("a", "bans", trust=Trust.DATAGRAM)[1].startswith("sender is not trusted (datagram), for the rule wants")
    assert said("c", "two-endings", trust=Trust.NETWORK) == ["closes nothing: no state is open for all together"]


@pytest.mark.parametrize(
    ("action", "name", "words"),
    [
        ("a", "at-once", ""),
        ("a", "bans", "counts it for source.ip = 192.0.2.7: 3 within 10s make it true"),
        ("a", "users", "counts its user.name, u, for source.ip = 192.0.2.7: 3 different within 10s make it true"),
        ("c", "all-of-them", "takes it as all 3 of 3 for source.ip = 192.0.2.7: one of each within 10s makes it true"),
        (
            "a",
            "in-order",
            "takes it as sequence 1 of 3 for source.ip = 192.0.2.7: all in order within 10s make it true",
        ),
        ("d", "in-order", "breaks off the sequence for source.ip = 192.0.2.7, if one has begun"),
        ("a", "recovered", "waits for source.ip = 192.0.2.7: no {event.action: [b, c]} within 5s makes it true"),
        ("c", "recovered", "ends the wait for source.ip = 192.0.2.7, if there is one"),
        ("a", "silent", "waits for source.ip = 192.0.2.7: nothing more within 6s makes it true"),
        ("a", "sections", "collects it for all together, in the section A: handed over after 1h, or when there are 3"),
        ("b", "settled", "waits for source.ip = 192.0.2.7: nothing more for 3s makes it true"),
        (
            "f",
            "files",
            (
                "gathers files for user.name = u: *.csv, done; but its file.name fits none of them; true when all are "
                "there and quiet for 2s"
            ),
        ),
    ],
)
def test_what_a_rule_does_with_an_event(action: str, name: str, words: str) -> None:
    """Where it is not known what came before."""
    running = Running((*Running().rules, *load_rules(MORE, "m.yaml", Defaults()).rules))
    assert intent(running.expect(event(action, user_name="u"))[name].explanation) == words


def test_keys_conditions_and_times() -> None:
    """What is long is cut; conditions read as in a rule file; another day has its date."""
    assert about(("a", "b"), ("x", "y")) == "a, b (x, y)"
    assert len(short("x" * 1000)) == 121
    both = AllOf((Equals("a", 1), Equals("b", 2)))
    assert mapping(both) == "{a: 1, b: 2}"
    assert mapping(Equals("a", 1)) == "{a: 1}"
    assert mapping(AllOf((AnyOf((Equals("a", 1), Equals("b", 2))), Equals("c", 3)))).startswith("{all: [")
    assert CLOCK.time(NOON + 86400) == "2026-03-03 12:00:00"
