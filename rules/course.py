"""The rules in virtual time: tests, backtests and explanations go through it as the gateway does through the real."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from parsers.event import Event
from rules.findings import Closing, Decision, Findings
from rules.rulebook import RuleBook


class Happening(NamedTuple):
    """What happened, and when, in seconds since 1970."""

    time: float
    what: Decision | Closing


class Course:
    """A rule book and a clock that only goes on: whoever comes with an earlier time is taken for late.

    Attributes:
        now: the latest time so far.
        matched: a rule counted the event that was shown last.
    """

    def __init__(self, rulebook: RuleBook, now: float = float("-inf")) -> None:
        self.rulebook = rulebook
        self.now = now
        self.matched = False

    def go_on_to(self, now: float) -> Iterator[Happening]:
        """Let time pass; yield what falls due until then, in order of time: ends of waits, and of open states."""
        while (due := self._next_due()) is not None and due <= now:
            self.now = max(self.now, due)
            for closing in list(self.rulebook.fall_due(due)):
                yield Happening(self.now, closing)
            for wait in self.rulebook.dues(due):
                yield from self._happenings(self.rulebook.end(wait, self.now))
        self.now = max(self.now, now)

    def show(self, event: Event, now: float, candidates: Iterable[int] | None = None) -> Iterator[Happening]:
        """Go on to the time of an event and show it to the rules (by index; None: to all); yield what happens."""
        yield from self.go_on_to(now)
        findings = self.rulebook.feed(event, self.now, candidates)
        self.matched = findings.matched
        yield from self._happenings(findings)

    def _next_due(self) -> float | None:
        dues = (self.rulebook.next_due(), self.rulebook.next_closing())
        return min((due for due in dues if due is not None), default=None)

    def _happenings(self, findings: Findings) -> Iterator[Happening]:
        for one in findings.came:
            yield Happening(self.now, one)
