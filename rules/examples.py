"""Run the tests that stand inside a rule: in virtual time, through the very stages that the gateway runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from parsers.errors import Place
from parsers.event import Event, FieldValue
from parsers.message import Batch, Message, Origin, Trust, one_frame
from parsers.parse import Parser
from rules.decrypted import example_event
from rules.job import FillError, fill_argv
from rules.own_events import own_event, own_message
from rules.rule import Expect, Rule, Send
from rules.rulebook import Decision, RuleBook
from rules.sieve import Sieve
from rules.step import Task

START = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
"""When every test begins: a Monday noon, far from the ends of months and years."""

HOST = "host.example"


@dataclass(frozen=True, slots=True)
class Failure:
    """What a test expected and did not find; `place` is the test's step."""

    rule: str
    place: Place
    problem: str

    def __str__(self) -> str:
        """Render as one line."""
        return f"{self.place}: rule {self.rule}: {self.problem}"


@dataclass(slots=True)
class Seen:
    """What happened since the last expectation."""

    decisions: list[Decision] = field(default_factory=list)
    undone: int = 0


def run_tests(rule: Rule, parser: Parser, least_trust: Trust = Trust.ACCOUNT) -> list[Failure]:
    """Run a rule's tests from their first step to their last; time, counts and states go on from step to step."""
    if not rule.tests:
        return []
    rulebook = RuleBook([rule], parser.grammars, least_trust)
    sieve = Sieve(rulebook.needs)
    states = rulebook.correlation(0).states
    now = START
    seen = Seen()
    failures: list[Failure] = []
    for step in rule.tests:
        now += step.advance
        seen.undone += len(list(rulebook.fall_due(now)))
        for arrived, event, wanted in _sent(step.send, now, sieve, parser) if step.send else ():
            now = arrived
            seen.undone += len(list(rulebook.fall_due(now)))
            if event is not None:
                findings = rulebook.feed(event, now, wanted)
                seen.decisions += findings.decisions
                seen.undone += len(findings.closings)
        if step.expect is not None:
            problem = check(step.expect, rule, seen, 0 if states is None else len(states))
            if problem is not None:
                failures.append(Failure(rule.name, step.place, problem))
            seen = Seen()
    return failures


def _sent(
    send: Send, now: float, sieve: Sieve, parser: Parser
) -> Iterator[tuple[float, Event | None, Sequence[int] | None]]:
    """Yield when each message arrives, what it means, and for which rules; no event where the sieve drops it."""
    if send.fields is not None:
        for number in range(send.times):
            received = now + number * send.every
            yield received, own_event(own_message_of(send.fields, received, send.trust)), None
        return
    for batch in batches(send, now):
        yield batch.received, None, None
        for message, wanted in sieve.candidates(batch):
            yield batch.received, parser.parse(message), wanted


def own_message_of(fields: Mapping[str, FieldValue], received: float, trust: Trust = Trust.LOCAL) -> Message:
    """Return the message of an event of the gateway's own that a test sends."""
    dataset = str(fields["event.dataset"])
    return own_message(fields, received, dataset, Origin(dataset, trust))


def batches(send: Send, now: float) -> Iterator[Batch]:
    """Yield what a `send` delivers, one message at a time, `every` seconds apart."""
    origin = Origin("test", send.trust, send.address)
    for number in range(send.times):
        received = now + number * send.every
        yield Batch(one_frame(frame_of(send.text, received)), origin, received)


def frame_of(text: str, now: float) -> bytes:
    """Put an RFC 3164 header before a text that has none of its own."""
    if not text.startswith("<"):
        stamp = datetime.fromtimestamp(now, UTC)
        text = f"<13>{stamp:%b} {stamp.day:2d} {stamp:%H:%M:%S} {HOST} {text}"
    return text.encode("utf-8", "surrogateescape")


def check(expect: Expect, rule: Rule, seen: Seen, opened: int) -> str | None:
    """Say what differs from the expectation, when so many states are open; None when nothing does."""
    done = [decision for decision in seen.decisions if not decision.held]
    held = len(seen.decisions) - len(done)
    if expect.do not in (None, len(done)):
        why = f"; {held} more came true and were held back, for the sender is not trusted" if held else ""
        return f"expected `do` {expect.do} time(s), it was done {len(done)} time(s){why}"
    if expect.undo not in (None, seen.undone):
        return f"expected `undo` {expect.undo} time(s), it was done {seen.undone} time(s)"
    if expect.open not in (None, opened):
        return f"expected {expect.open} open state(s), there are {opened}"
    return None if expect.argv is None else _check_command(expect.argv, rule, done)


def _check_command(wanted: tuple[str, ...], rule: Rule, done: Sequence[Decision]) -> str | None:
    number, task = next(((number, step) for number, step in enumerate(rule.do) if isinstance(step, Task)), (0, None))
    if task is None:
        return "expected a command, and the rule has none"
    if not done:
        return "expected a command, and nothing was done"
    try:
        event = example_event(done[0].jobs[0].event, rule.do, number)
        argv = fill_argv(task.argv, event, options=task.options)
    except FillError as error:
        return f"the command cannot be filled in: {error}"
    if tuple(argv) != wanted:
        return f"expected the command {list(wanted)}, it is {list(argv)}"
    return None
