"""How rules stand for a key: what is open, suppressed and counted, within bounds."""

from __future__ import annotations

from rules.load import Defaults, load_rules
from rules.standing import MAX_TEXT, MAX_VALUES, Asked, standing_of, version_of
from tests.rules.test_situation import NOON, Running, event


def test_an_open_state_and_a_suppression_are_told() -> None:
    """Since when, until when; and how many of the closing events have come."""
    running = Running()
    for number in range(3):
        running.show(event("a", NOON + number))
    book = running.course.rulebook
    bans = standing_of(book, Asked("bans", ("192.0.2.7",)), NOON + 3)
    assert bans.opened is not None
    assert (bans.opened.since, bans.opened.due, bans.endings) == (NOON + 2, NOON + 10, 0)
    running.show(event("c", NOON + 3))
    assert standing_of(book, Asked("bans", ("192.0.2.7",)), NOON + 3).endings == 1
    suppressed = standing_of(book, Asked("suppressed", ("192.0.2.7",), suppress=("192.0.2.7",)), NOON + 3)
    assert suppressed.suppressed == NOON + 13
    assert standing_of(book, Asked("nobody", ()), NOON).version is None


def test_what_a_stranger_makes_long_is_cut() -> None:
    """Values of his choice, and their number; how many there are is told all the same."""
    rule = "- {rule: r, match: {event.action: a}, when: {distinct: user.name, count: 5000, within: 1h, by: []}}"
    running = Running(load_rules(rule, "r.yaml", Defaults()).rules)
    for number in range(120):
        running.show(event("a", NOON, user_name=f"{number:03}".ljust(200, "x")))
    progress = standing_of(running.course.rulebook, Asked("r", ()), NOON).progress
    assert progress is not None
    assert (progress.have, len(progress.words), len(progress.has)) == (120, MAX_TEXT, MAX_VALUES // 200)


def test_versions_differ_where_counting_does() -> None:
    """By conditions, kind, numbers and key; not by what is done."""
    texts = [
        "- {rule: r, match: {event.action: a}, when: {count: 3, within: 10s, by: [source.ip]}}",
        "- {rule: r, match: {event.action: b}, when: {count: 3, within: 10s, by: [source.ip]}}",
        "- {rule: r, match: {event.action: a}, when: {count: 4, within: 10s, by: [source.ip]}}",
        "- {rule: r, match: {event.action: a}, when: {count: 3, within: 11s, by: [source.ip]}}",
        "- {rule: r, match: {event.action: a}, when: {count: 3, within: 10s, by: []}}",
        "- {rule: r, match: {event.action: a}}",
    ]
    versions = {version_of(load_rules(text, "r.yaml", Defaults()).rules[0]) for text in texts}
    assert len(versions) == len(texts)
    same = "- {rule: other, match: {event.action: b}, when: {count: 3, within: 10s, by: [source.ip]}, do: {run: [x]}}"
    assert version_of(load_rules(same, "q.yaml", Defaults()).rules[0]) in versions
