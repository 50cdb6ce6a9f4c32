"""Run the tests that stand inside a rule: in virtual time, through the very stages that the gateway runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from parsers.errors import Place
from parsers.message import Batch, Origin, Trust, one_frame
from parsers.parse import Parser
from rules.job import FillError, fill_argv
from rules.rule import Expect, Rule, Send
from rules.rulebook import Decision, RuleBook
from rules.sieve import Sieve

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


def run_tests(rule: Rule, parser: Parser, least_trust: Trust = Trust.ACCOUNT) -> list[Failure]:
    """Run a rule's tests from their first step to their last; time and counts go on from step to step."""
    if not rule.tests:
        return []
    rulebook = RuleBook([rule], parser.grammars, least_trust)
    sieve = Sieve(rulebook.needs)
    now = START
    seen: list[Decision] = []
    failures: list[Failure] = []
    for step in rule.tests:
        now += step.advance
        if step.send is not None:
            for batch in batches(step.send, now):
                now = batch.received
                for message, wanted in sieve.candidates(batch):
                    seen.extend(rulebook.feed(parser.parse(message), now, wanted))
        if step.expect is not None:
            problem = check(step.expect, rule, seen)
            if problem is not None:
                failures.append(Failure(rule.name, step.place, problem))
            seen = []
    return failures


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


def check(expect: Expect, rule: Rule, seen: Sequence[Decision]) -> str | None:
    """Say what differs from the expectation; None when nothing does."""
    done = [decision for decision in seen if not decision.held]
    held = len(seen) - len(done)
    if len(done) != expect.do:
        why = f"; {held} more came true and were held back, for the sender is not trusted" if held else ""
        return f"expected `do` {expect.do} time(s), it was done {len(done)} time(s){why}"
    if expect.argv is None or not done:
        return None
    if not rule.do:
        return "expected a command, and the rule has none"
    try:
        task = rule.do[0]
        argv = fill_argv(task.argv, done[0].jobs[0].event, options=task.options)
    except FillError as error:
        return f"the command cannot be filled in: {error}"
    if tuple(argv) != expect.argv:
        return f"expected the command {list(expect.argv)}, it is {list(argv)}"
    return None
