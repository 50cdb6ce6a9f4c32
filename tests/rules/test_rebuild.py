"""A rule book rebuilt from what was kept does afterwards what the one that died would have done."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.errors import Place
from parsers.event import Event
from parsers.grammars import json_cee
from parsers.message import Batch, Frames, Message, Origin, Trust
from parsers.parse import Parser
from rules.condition import AllOf, Equals, OneOf
from rules.findings import Findings
from rules.job import Job, Part
from rules.own_events import own_event, own_message
from rules.plan import NEVER
from rules.rebuild import CHUNK, KeptState, rebuild
from rules.rule import Rule, Undo
from rules.rulebook import RuleBook
from rules.sieve import Sieve
from rules.step import Task
from rules.wait_records import over
from rules.when import (
    Absent,
    Circumstances,
    Count,
    Digest,
    Distinct,
    Every,
    OpenOf,
    Section,
    Sequence,
    Settled,
    Stage,
    Suppress,
    When,
)

PARSER = Parser([json_cee.GRAMMAR])
KEYS = ("labels.k",)
MAX_KEYS = 3
SENDERS = (
    Origin("main", Trust.LOCAL, "127.0.0.1"),
    Origin("main", Trust.NETWORK, "192.0.2.1", trusted=True),
    Origin("udp", Trust.DATAGRAM, "192.0.2.9"),
)


def does(name: str) -> tuple[Task, ...]:
    """Return steps; what they are does not matter here."""
    return (Task(f"{name}/do/1", ("x",)),)


def rule(name: str, action: str, when: When | None, undo: Undo | None) -> Rule:
    """Return a rule that wants events of an action."""
    return Rule(name, Place(""), Equals("event.action", action), when=when, do=does(name), undo=undo)


UNDO = does("x")
RULES = (
    rule("plain", "a", Count(3, 20.0, KEYS), None),
    rule("all", "a", Count(4, 15.0, ()), Undo(UNDO, 12.0)),
    rule("timed", "a", Count(2, 20.0, KEYS), Undo(UNDO, 5.0, 2.0, 30.0)),
    rule("pair", "a", Count(1, 10.0, KEYS), Undo(UNDO, None, match=Equals("event.action", "b"))),
    rule("both", "b", Count(2, 9.0, KEYS), Undo(UNDO, 25.0, match=OneOf("event.action", ("a", "c")), by=KEYS)),
    rule("once", "c", None, Undo(UNDO, 7.0, 3.0)),
    Rule(
        "watch",
        Place(""),
        AllOf((Equals("event.dataset", "gateway"), Equals("event.action", "a"))),
        when=Count(2, 30.0, KEYS),
        undo=Undo((), 6.0),
    ),
)


A, B, C = (Stage(Equals("event.action", action)) for action in "abc")
WAITING = (
    rule("distinct", "a", Distinct("labels.n", 3, 20.0, KEYS), None),
    replace(rule("every", "a", Every((A, B, B), 12.0, KEYS), None), match=AllOf(())),
    replace(rule("sequence", "a", Sequence((A, B, A), 12.0, KEYS, C), Undo(UNDO, 6.0)), match=AllOf(())),
    replace(rule("absent", "a", Absent(B, 6.0, KEYS), None), otherwise=does("else")),
    rule("silence", "a", Absent(None, 9.0, KEYS), Undo(UNDO, None, match=A.match, count=2)),
    rule("digest", "a", Digest(11.0, (), 4, (Section("one", Equals("labels.k", "1")),)), None),
    rule("settled", "b", Settled(5.0, KEYS), Undo(UNDO, 30.0, match=C.match, count=3)),
    replace(rule("files", "a", Settled(1.0, KEYS, ("1*", "2*", "*"), 9.0), None), otherwise=does("else")),
    replace(rule("once", "a", None, None), suppress=Suppress(6.0, KEYS)),
    replace(rule("window", "b", Count(2, 9.0, KEYS), None), suppress=Suppress(None, KEYS)),
    replace(rule("quietly", "b", Digest(5.0, KEYS, 2), None), suppress=Suppress(15.0, ("labels.n",))),
    rule("ceases", "c", Count(2, 9.0, KEYS), Undo(UNDO, None, quiet=8.0, at_most=1)),
    rule("stays-away", "c", None, Undo(UNDO, None, match=B.match, within=8.0)),
    replace(
        rule("open", "a", Count(2, 20.0, KEYS), None),
        circumstances=Circumstances(if_open=(OpenOf("sequence"),), unless_open=(OpenOf("ceases", KEYS),)),
    ),
)
"""Rules of every kind; what waits ends by records in the journal."""


@dataclass
class Store:
    """The model of what is kept: messages, and states with their jobs."""

    messages: list[Message] = field(default_factory=list)
    states: dict[str, KeptState] = field(default_factory=dict)
    openings: dict[tuple[str, tuple[str, ...]], int] = field(default_factory=dict)
    ending: set[str] = field(default_factory=set)

    def keep(self, message: Message, findings: Findings) -> None:
        """Keep a message that matched, and what came of it."""
        if not findings.matched:
            return
        self.messages.append(message)
        self.ending.update(closing.job for closing in findings.closings)
        for job in jobs_of(findings):
            if job.part is Part.UNDO and job.due is not None:
                self.states[job.id] = KeptState(job.rule, job.key, job.id, message.received + 0.01, job.due)
                times = self.openings.pop((job.rule, job.key), 0)
                self.openings[job.rule, job.key] = times + 1
                of_rule = [one for one in self.openings if one[0] == job.rule]
                if len(of_rule) > MAX_KEYS:  # memory holds no more, and the store is asked for no more
                    del self.openings[of_rule[0]]

    def undone(self, job: str, now: float) -> None:
        """A state's undo has succeeded."""
        self.ending.discard(job)
        self.states[job] = self.states[job]._replace(closed=now)


def jobs_of(findings: Findings) -> list[Job]:
    """Return the jobs of all decisions."""
    return [job for decision in findings.decisions for job in decision.jobs]


@dataclass
class Running:
    """A rule book at work, as the pipeline uses it."""

    book: RuleBook
    sieve: Sieve
    store: Store

    def arrive(self, texts: list[bytes], origin: Origin, now: float) -> list[Findings]:
        """Take a batch."""
        data = b"".join(text + b"\n" for text in texts)
        candidates = self.sieve.candidates(Batch(Frames(data), origin, now))
        return [self.feed(message, PARSER.parse(message), wanted) for message, wanted in candidates]

    def feed(self, message: Message, event: Event, wanted: tuple[int, ...] | None) -> Findings:
        """Show one event to the rules and keep what comes of it."""
        findings = self.book.feed(event, message.received, wanted)
        self.store.keep(message, findings)
        return findings

    def own(self, action: str, key: str, now: float) -> list[Findings]:
        """Show the rules an event of the gateway's own."""
        message = own_message({"event.action": action, "labels.k": key}, now)
        return [self.feed(message, own_event(message), None)]

    def end_waits(self, now: float) -> list[Findings]:
        """End the waits whose time has come, as the pipeline does."""
        found = []
        for due in self.book.dues(now):
            message = over(due, now)
            found.append(self.feed(message, own_event(message), None))
        return found

    def pass_time(self, now: float, *, undo_all: bool) -> list[tuple[str, str, tuple[str, ...]]]:
        """Undo what is due, and, when the workers come to it, what events have closed."""
        closed = [("time", closing.job, closing.key) for closing in self.book.fall_due(now)]
        for _, job, _ in closed:
            self.store.undone(job, now)
        for job in sorted(self.store.ending) if undo_all else ():
            state = self.store.states[job]
            self.book.close(state.rule, state.key, job)
            self.store.undone(job, now)
        return closed


class Book(NamedTuple):
    """Rules with their sieve, which takes long to make."""

    rules: tuple[Rule, ...]
    sieve: Sieve


def new_book(rules: tuple[Rule, ...]) -> RuleBook:
    """Return a rule book that knows nothing."""
    return RuleBook(rules, PARSER.grammars, max_keys=MAX_KEYS, parse=PARSER.parse)


BOOKS = {
    "states": Book(RULES, Sieve(new_book(RULES).needs)),
    "waits": Book(WAITING, Sieve(new_book(WAITING).needs)),
}


def texts(actions: str, key: str) -> list[bytes]:
    """Return messages of these actions, among them some that nobody wants."""
    fields = ({"event.action": action, "labels.k": key, "labels.n": n % 3} for n, action in enumerate(actions))
    return [json.dumps({**one, "file.name": f"{one['labels.n']}{key}"}).encode() for one in fields]


INSTANT = 1e-6
"""Seconds between two reads at least. Equal messages of one instant would be one cause: their jobs have the same id,
and of those the store has one."""

STEP = st.tuples(
    st.sampled_from(["batch"] * 5 + ["own"]),
    st.text("abcz", min_size=1, max_size=4),
    st.sampled_from("123456"),
    st.sampled_from(SENDERS),
    st.sampled_from([INSTANT, INSTANT, 0.5, 1.0, 4.0, 11.0]),
    st.booleans(),
)


def go(running: Running, step: tuple[str, str, str, Origin, float, bool], now: float) -> object:
    """Do one step; return what can be seen of it."""
    kind, actions, key, origin, _, undo_all = step
    closed = running.pass_time(now, undo_all=undo_all)
    own = kind == "own"
    found = running.end_waits(now)
    found += running.own(actions[0], key, now) if own else running.arrive(texts(actions, key), origin, now)
    seen = [
        ([(job, job.event) for job in jobs_of(one)], one.closings) for one in found if one.decisions or one.closings
    ]
    return closed, seen


def nothing_is_lost(message: Message, error: Exception) -> None:
    """Fail: what was once counted can be counted again."""
    raise AssertionError(message) from error


def restarted(rules: tuple[Rule, ...], running: Running) -> Running:
    """Return what comes up after this one was killed."""
    store = running.store
    book = new_book(rules)
    states = list(store.states.values())
    count = rebuild(book, running.sieve, PARSER, store.messages, states, store.openings, nothing_is_lost)
    assert count == len(store.messages)
    copy = Store(list(store.messages), dict(store.states), dict(store.openings), set(store.ending))
    return Running(book, running.sieve, copy)


@pytest.mark.parametrize("kind", BOOKS)
@given(steps=st.lists(STEP, max_size=60), restart=st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_a_restart_changes_nothing(
    kind: str, steps: list[tuple[str, str, str, Origin, float, bool]], restart: int
) -> None:
    """Whatever came, and wherever it was cut off: jobs, ids, due times and closings go on as they would have."""
    rules, sieve = BOOKS[kind]
    living = Running(new_book(rules), sieve, Store())
    reborn: Running | None = None
    now = 1_000.0
    for number, step in enumerate(steps):
        now += step[4]
        if number == restart:
            reborn = restarted(rules, living)
        expected = go(living, step, now)
        if reborn is not None:
            assert go(reborn, step, now) == expected


def fold(
    messages: list[Message], states: list[KeptState], rules: tuple[Rule, ...] = RULES
) -> tuple[RuleBook, list[Exception]]:
    """Rebuild a rule book; return it, and what went wrong."""
    lost: list[Exception] = []
    book = RuleBook(rules, PARSER.grammars)
    sieve = Sieve(book.needs)
    rebuild(book, sieve, PARSER, messages, states, {}, lambda _, error: lost.append(error))
    return book, lost


def message(action: str, now: float, key: str = "1") -> Message:
    """Return a kept message."""
    return Message(texts(action, key)[0], SENDERS[0], now)


def counted(book: RuleBook, name: str, now: float) -> int:
    """Return how many events of the key 1 a rule counts."""
    correlation = book.named(name)
    assert correlation is not None
    assert correlation.window is not None
    progress = correlation.window.progress(("1",), now)
    return progress.have if progress else 0


def open_keys(book: RuleBook, name: str) -> list[tuple[str, ...]]:
    """Return which states of a rule are open."""
    correlation = book.named(name)
    assert correlation is not None
    assert correlation.states is not None
    return [key for key, _ in correlation.states.items()]


def test_the_store_says_what_is_open() -> None:
    """A state whose event is no more is open; one that the store does not know is not."""
    old = KeptState("timed", ("9",), "old", 5.0, 2_000.0)
    book, _ = fold([message("a", 1_000.0), message("a", 1_001.0)], [old])
    assert open_keys(book, "timed") == [("9",)]
    assert open_keys(book, "pair") == []
    assert [(one.key, one.job) for one in book.fall_due(2_000.0)] == [(("9",), "old")]


def test_a_state_that_no_time_closes_is_so_after_a_restart() -> None:
    """Its row has a time that never comes."""
    book, _ = fold([], [KeptState("pair", ("9",), "old", 5.0, NEVER)])
    assert open_keys(book, "pair") == [("9",)]
    assert list(book.fall_due(NEVER + 1)) == []


def test_what_was_swallowed_then_is_swallowed_now() -> None:
    """Another rule had a message kept; for the rule whose state was open it was a repeat, and counts nowhere."""
    state = KeptState("timed", ("1",), "old", 990.0, 1_005.0, 1_005.5)
    repeats = [message("a", 1_000.0), message("a", 1_006.0)]
    book, _ = fold(repeats, [state])
    assert counted(book, "timed", 1_006.0) == 1


def test_rules_that_are_gone_or_new() -> None:
    """States of a rule that is no more are nobody's; a new rule counts what others had kept."""
    new = rule("new", "a", Count(3, 60.0, KEYS), None)
    book, _ = fold([message("a", 1_000.0), message("a", 1_001.0)], [KeptState("gone", (), "x", 1.0, 9.0)], (new,))
    event = PARSER.parse(message("a", 1_002.0))
    assert len(book.feed(event, 1_002.0).decisions) == 1


def test_a_message_that_meets_a_bug_is_left_out() -> None:
    """The gateway must come up all the same, and says what it could not read."""
    broken = Message(b"no json", own_message({}, 1_000.0).origin, 1_000.0)
    book, lost = fold([broken, message("a", 1_001.0)], [])
    assert len(lost) == 1
    assert counted(book, "plain", 1_001.0) == 1


def test_many_messages() -> None:
    """Nothing is lost where one portion ends and the next begins."""
    counting = rule("new", "a", Count(CHUNK + 50, 1e9, KEYS), None)
    kept = [message("a", 1_000.0 + number) for number in range(CHUNK + 49)]
    book, _ = fold(kept, [], (counting,))
    assert len(book.feed(PARSER.parse(message("a", 9_000.0)), 9_000.0).decisions) == 1
