"""What an event will do to rules as they stand: the same as the rule book then does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.event import Event, FieldValue
from parsers.message import Message, Trust
from parsers.parse import Parser
from rules.course import Course
from rules.example import Send
from rules.explain import explain_rule
from rules.findings import Closing, Decision
from rules.load import Defaults, load_rules
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.sent import meaning, message_of
from rules.situation import ACTS, Effect, Situation, in_order, remaining, situations
from rules.standing import Asked, standing_of, standings

NOON = 1_772_452_800.0
PARSER = Parser(())

RULES = """
- {rule: at-once, match: {event.action: a}, do: {run: [x]}}
- rule: bans
  match: {event.action: a}
  when: {count: 3, within: 10s, by: [source.ip]}
  do: {run: [x]}
  undo: {after: 8s, match: {event.action: c}, count: 2, run: [y]}
- rule: suppressed
  match: {event.action: a}
  when: {count: 2, within: 10s, by: [source.ip]}
  suppress: 12s
  do: {run: [x]}
- rule: once-a-window
  match: {event.action: [a, b]}
  when: {count: 2, within: 9s, by: [source.ip]}
  suppress: {for: window, by: [source.ip]}
- rule: users
  match: {event.action: [a, b]}
  when: {distinct: user.name, count: 3, within: 10s, by: [source.ip]}
  do: {run: [x]}
- rule: all-of-them
  when: {all: [{event.action: a}, {event.action: [a, b]}, {event.action: c}], within: 10s, by: [source.ip]}
- rule: in-order
  when:
    sequence: [{event.action: a}, {event.action: [a, b]}, {event.action: c}]
    unless: {event.action: d}
    within: 10s
    by: [source.ip]
- rule: moves-on
  when:
    sequence: [{event.action: [a, b]}, {match: {event.action: [a, c]}, by: [destination.ip]}]
    within: 10s
    by: [source.ip]
  do: {run: [x]}
- rule: recovered
  match: {event.action: a}
  when: {absent: {event.action: [b, c]}, within: 5s, by: [source.ip]}
  do: {run: [x]}
  else: {run: [y]}
- rule: dropped
  match: {event.action: a}
  when: {absent: {event.action: [a, c]}, within: 5s, by: [source.ip]}
- {rule: silent, match: {event.action: a}, when: {absent: match, within: 6s, by: [source.ip]}}
- {rule: digest, match: {event.action: b}, when: {digest: 10s, max: 3, by: [source.ip]}, do: {run: [x]}}
- {rule: settled, match: {event.action: b}, when: {settled: 3s, by: [source.ip]}}
- {rule: while-banned, match: {event.action: [a, b]}, if_open: bans, do: {run: [x]}}
- {rule: while-free, match: {event.action: a}, when: {count: 2, within: 9s, by: [source.ip]}, unless_open: bans}
- {rule: by-night, match: {event.action: a}, during: {hours: "22:00-06:00", zone: UTC}, do: {run: [x]}}
"""

LOADED = load_rules(RULES, "r.yaml", Defaults())


def of(message: Message) -> Event:
    """Return what a message of these tests means."""
    return meaning(message, PARSER)


def event(action: str, now: float = NOON, trust: Trust = Trust.LOCAL, **fields: FieldValue) -> Event:
    """Make an event; `_` stands for `.` in the names of fields."""
    named = {name.replace("_", "."): value for name, value in fields.items()}
    all_fields: dict[str, FieldValue] = {
        "event.dataset": "x",
        "event.action": action,
        "source.ip": "192.0.2.7",
        **named,
    }
    sent = Send(texts=(), fields=all_fields, trust=trust)
    found = of(message_of(all_fields, now, sent))
    return replace(found, fields={**found.fields, "gateway.trust": trust.name.lower()})


class Running:
    """A rule book in its course, and what it is asked before each event."""

    def __init__(self, rules: tuple[Rule, ...] = LOADED.rules) -> None:
        self.rules = rules
        self.others = {rule.name: rule for rule in rules}
        self.course = Course(RuleBook(rules, parse=of))

    def expect(self, one: Event) -> dict[str, Situation]:
        """Return what is expected of an event."""
        now = one.message.received
        for _ in self.course.go_on_to(now):
            pass
        book = self.course.rulebook
        explanations = [explain_rule(rule, one, Trust.ACCOUNT, self.others) for rule in self.rules]
        found = situations(explanations, lambda asked: standings(book, asked, now), one.fields, now)
        return {at.explanation.rule.name: at for at in found}

    def show(self, one: Event) -> tuple[dict[str, Decision], set[str]]:
        """Show it to the rules; return what they decide, and whose states close."""
        whats = [what for _, what in self.course.show(one, one.message.received)]
        decided = {what.incident.match.rule.name: what for what in whats if isinstance(what, Decision)}
        return decided, {what.rule for what in whats if isinstance(what, Closing)}


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("aaabbcd"),
        st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0, 11.0]),
        st.sampled_from(["u", "v", "w"]),
        st.sampled_from([Trust.LOCAL, Trust.LOCAL, Trust.NETWORK]),
        st.sampled_from(["192.0.2.7", "192.0.2.8"]),
    ),
    max_size=25,
)


def test_the_rules_of_these_tests_load() -> None:
    """All of them."""
    assert LOADED.errors == ()


@given(EVENTS)
@settings(max_examples=40, deadline=None)
def test_what_is_expected_is_what_happens(came: list[tuple[str, float, str, Trust, str]]) -> None:
    """Whether a rule acts, is held back, or closes a state; and how far its window is then."""
    running, now = Running(), NOON
    for action, later, user, trust, address in came:
        now += later
        one = event(action, now, trust, user_name=user, source_ip=address, destination_ip="192.0.2.8")
        expected = running.expect(one)
        decided, closed = running.show(one)
        for name, at in expected.items():
            decision = decided.get(name)
            really = None
            if decision is not None:
                really = Effect.ELSE if decision.incident.otherwise else Effect.FIRED
                really = Effect.HELD if decision.held else really
            assert (at.effect if at.effect in ACTS else None) is really, (name, at.effect)
            assert at.closes is (name in closed), name
            if at.effect is Effect.COUNTED and at.key is not None:
                asked = Asked(name, at.key, at.explanation.trusted)
                after = standing_of(running.course.rulebook, asked, now).progress
                assert after is not None, name
                assert at.after is not None, name
                if name != "in-order":  # of several chains the one that is told may be another
                    assert (at.after.have, at.after.need, at.after.due) == (after.have, after.need, after.due), name


def test_what_a_stranger_sends_is_no_repeat() -> None:
    """An open state swallows what could have opened it; others are counted apart, and are told so."""
    running = Running()
    for second in range(3):
        running.show(event("a", NOON + second))
    stranger = event("a", NOON + 3, Trust.NETWORK)
    assert running.expect(event("a", NOON + 3))["bans"].effect is Effect.SWALLOWED
    assert running.expect(stranger)["bans"].effect is Effect.COUNTED
    running.show(stranger)
    running.show(stranger)
    assert running.expect(stranger)["bans"].effect is Effect.HELD
    assert running.show(stranger)[0]["bans"].held


def test_looking_changes_nothing() -> None:
    """A rule that was asked about counts as one that was not."""
    asked, other = Running(), Running()
    for second, action in enumerate("aabacabbca"):
        one = event(action, NOON + second, user_name="u")
        for _ in range(3):
            asked.expect(one)
        for _ in other.course.go_on_to(one.message.received):
            pass
        assert asked.show(one)[0].keys() == other.show(one)[0].keys()


@pytest.mark.parametrize(
    ("actions", "name", "effect", "remains"),
    [
        ("a", "bans", Effect.COUNTED, 2),
        ("aa", "bans", Effect.COUNTED, 1),
        ("aaa", "bans", Effect.FIRED, 3),
        ("aaaa", "bans", Effect.SWALLOWED, 3),
        ("aaa", "suppressed", Effect.SUPPRESSED, 2),
        ("aaac", "bans", Effect.UNWANTED, 3),
        ("ad", "in-order", Effect.ENDED, 3),
        ("d", "in-order", Effect.UNCHANGED, 3),
        ("c", "in-order", Effect.UNCHANGED, 3),
        ("ac", "dropped", Effect.ENDED, 1),
        ("aa", "recovered", Effect.UNCHANGED, 0),
        ("a", "while-banned", Effect.NOT_NOW, 1),
        ("aaa", "while-banned", Effect.FIRED, 1),
        ("a", "by-night", Effect.NOT_NOW, 1),
        ("bb", "digest", Effect.COUNTED, 1),
    ],
)
def test_what_the_last_event_does(actions: str, name: str, effect: Effect, remains: int) -> None:
    """Each effect, and how many events are still missing."""
    running = Running()
    for number, action in enumerate(actions):
        one = event(action, NOON + number / 10, user_name="u")
        at = running.expect(one)[name]
        running.show(one)
    assert (at.effect, at.remaining) == (effect, remains)


def test_an_event_that_counts_nowhere() -> None:
    """It lacks what the rule counts by, or the field whose values it counts."""
    running = Running()
    one = event("a")
    del one.fields["source.ip"]
    assert running.expect(one)["bans"].effect is Effect.UNCOUNTED
    assert running.expect(event("a"))["users"].effect is Effect.UNCOUNTED


def test_the_nearest_miss_comes_first() -> None:
    """What acted, what stands in the way, then by how many events are missing, those that wait for time last."""
    running = Running()
    for number in range(2):
        running.show(event("a", NOON + number, user_name="u"))
    expected = running.expect(event("a", NOON + 2, user_name="u"))
    concerned, others = in_order(list(expected.values()))
    names = [at.explanation.rule.name for at in concerned]
    assert names[:3] == ["at-once", "bans", "while-banned"]
    assert names.index("suppressed") < names.index("all-of-them") < names.index("users") < names.index("silent")
    assert {at.explanation.rule.name for at in others} == {"digest", "settled"}


def test_of_rules_that_miss_as_many_conditions_the_fuller_comes_first() -> None:
    """Conditions decide, then counts."""
    text = """
- {rule: empty, match: {event.action: b, source.ip: 192.0.2.7}, when: {count: 3, within: 1m, by: [source.ip]}}
- {rule: fuller, match: {event.action: b, source.ip: 192.0.2.7}, when: {count: 9, within: 1m, by: [source.ip]}}
- {rule: far, match: {event.action: b, user.name: x, source.ip: 192.0.2.7}}
"""
    running = Running(load_rules(text, "r.yaml", Defaults()).rules)
    for _ in range(8):
        running.course.rulebook.feed(event("b"), NOON, [1])
    _, others = in_order(list(running.expect(event("a", user_name="u")).values()))
    assert [at.explanation.rule.name for at in others] == ["fuller", "empty", "far"]
    assert remaining(running.rules[1].when, None) == 9
