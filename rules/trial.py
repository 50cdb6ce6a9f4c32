"""The gateway as a rule's test sees it: its very stages, in virtual time, and jobs that only seem to run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parsers.event import Event, FieldValue
from parsers.message import Message, Trust
from parsers.parse import Parser
from rules.condition import AllOf, AnyOf, Condition, Equals, Not, OneOf
from rules.course import Course, Happening
from rules.example import Send
from rules.findings import Decision
from rules.fired import fired
from rules.job import Part
from rules.look import conditions_of
from rules.match import plain
from rules.own_events import own_event, own_message
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.sent import batches, meaning, message_of, times_of
from rules.sieve import Sieve
from rules.step import Emit, Pause, Resume
from rules.trial_jobs import Done, TrialJobs

MAX_KEPT = 32
"""Messages since the last expectation that are looked at to say why nothing happened: the last ones."""


@dataclass(slots=True)
class Seen:
    """What one rule came to since the last expectation."""

    decisions: list[Decision] = field(default_factory=list)
    done: Done = field(default_factory=Done)

    def came(self, part: Part) -> list[Decision]:
        """Return the decisions to do one part that were not held back."""
        otherwise = part is Part.ELSE
        return [one for one in self.decisions if not one.held and one.incident.otherwise is otherwise]

    @property
    def held(self) -> int:
        """How many decisions were held back, for the sender is not trusted."""
        return sum(decision.held for decision in self.decisions)


class Trial:
    """A test's gateway.

    Args:
        rules: the one whose test it is, and those that it names.
        parser: what the gateway parses with.
        least_trust: of senders that may start processes.
        now: when the test begins.
        caused: is told the fields of each event that the rules themselves cause, before they see it.

    Attributes:
        rulebook: the rules with their state.
        jobs: what seems to run.
        arrived: the messages since the last expectation, the last ones.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        parser: Parser,
        least_trust: Trust,
        now: float,
        caused: Callable[[Mapping[str, FieldValue]], object] | None = None,
    ) -> None:
        self._parser = parser
        self._others = len(rules) > 1
        self.rulebook = RuleBook(rules, parser.grammars, least_trust, parse=self.event_of)
        self._sieve = Sieve(self.rulebook.needs)
        self._course = Course(self.rulebook, now)
        self.jobs = TrialJobs({rule.name: rule for rule in rules}, rules[0].name, self.rulebook.close)
        self._decisions: dict[str, list[Decision]] = {rule.name: [] for rule in rules}
        self.arrived: deque[Message] = deque(maxlen=MAX_KEPT)
        self._least_trust = least_trust
        self._caused = caused

    @property
    def now(self) -> float:
        """The virtual time, in seconds since 1970."""
        return self._course.now

    def event_of(self, message: Message) -> Event:
        """Return what a message of the test means."""
        return meaning(message, self._parser)

    def go_on_to(self, now: float) -> None:
        """Let time pass: waits end, states close, tasks end and are tried again, each at its own instant."""
        while (due := self._next_due()) is not None and due <= now:
            self._happened(self._course.go_on_to(due))
            for dataset, fields in self.jobs.go_on(due):
                if self._others:  # a rule never sees what it caused itself
                    event = own_event(own_message(fields, due, dataset))
                    if self._caused is not None:
                        self._caused(event.fields)
                    self._happened(self._course.show(event, due))
        self._happened(self._course.go_on_to(now))

    def send(self, send: Send) -> Iterator[Message]:
        """Let messages arrive; yields each before the rules see it, for whoever looks on."""
        if send.fields is not None:
            for received, _ in times_of(send, self.now):
                self.go_on_to(received)
                message = message_of(send.fields, received, send)
                yield self._arrives(message)
                self._show(self.event_of(message), None)
            return
        for batch in batches(send, self.now):
            self.go_on_to(batch.received)
            start, stop = next(iter(batch.frames))
            yield self._arrives(Message(batch.frames.data[start:stop], batch.origin, batch.received))
            for message, wanted in self._sieve.candidates(batch):
                self._show(self._parser.parse(message), wanted)

    def seen(self, rule: str) -> Seen:
        """Return what a rule came to since `look_away`."""
        return Seen(self._decisions[rule], self.jobs.done[rule])

    def look_away(self, rule: str) -> None:
        """Begin anew with a rule: what it came to until now has been looked at."""
        if rule in self._decisions:
            self._decisions[rule] = []
            self.jobs.done[rule] = Done()
        self.arrived.clear()

    def _arrives(self, message: Message) -> Message:
        self.arrived.append(message)
        return message

    def _show(self, event: Event, wanted: Sequence[int] | None) -> None:
        self._happened(self._course.show(event, self.now, wanted))
        if self.jobs.next_due() is not None:
            self.go_on_to(self.now)

    def _next_due(self) -> float | None:
        dues = (self.rulebook.next_due(), self.rulebook.next_closing(), self.jobs.next_due())
        return min((due for due in dues if due is not None), default=None)

    def _happened(self, happenings: Iterable[Happening]) -> None:
        for time, what in happenings:
            if isinstance(what, Decision):
                rule = what.incident.match.rule
                self._decisions[rule.name].append(what)
                if self._caused is not None and self._others and not what.incident.otherwise:
                    self._caused(fired(what, rule.trust or self._least_trust, time).fields)
                self.jobs.decided(what, time)
            else:
                self.jobs.closes(what, time)


def with_named(rule: Rule, others: Mapping[str, Rule]) -> list[Rule]:
    """Return a rule and those of the others that its test cannot do without, through however many.

    These are whose open states it asks for, whom it pauses or resumes, whose jobs or emitted events it asks for by
    `rule.name`, who emits an `event.action` that it asks for, and whom its expectations name.
    """
    found = {rule.name: rule}
    rest = [rule]
    while rest:
        for name in _names(rest.pop(), others):
            if name in others and name not in found:
                found[name] = others[name]
                rest.append(others[name])
    return list(found.values())


def _names(rule: Rule, others: Mapping[str, Rule]) -> Iterator[str]:
    yield from (asked.rule for asked in (*rule.circumstances.if_open, *rule.circumstances.unless_open))
    yield from (step.rule for part in Part for step in rule.steps(part) if isinstance(step, Pause | Resume))
    yield from (step.expect.rule for step in rule.tests if step.expect is not None and step.expect.rule is not None)
    asked = [(field, value) for match, _ in conditions_of(rule) for field, value in _asked(match)]
    yield from (value for name, value in asked if name == "rule.name")
    actions = {value for name, value in asked if name == "event.action"}
    if actions:
        yield from (other.name for other in others.values() if not actions.isdisjoint(_emitted(other)))


def _emitted(rule: Rule) -> set[str]:
    """Return the actions of the events that a rule emits."""
    emits = (step for part in Part for step in rule.steps(part) if isinstance(step, Emit))
    return {plain(emit.fields["event.action"]) for emit in emits if "event.action" in emit.fields}


def _asked(condition: Condition) -> Iterator[tuple[str, str]]:
    """Yield the fields that a condition wants to have a value, each with that value."""
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            for part in conditions:
                yield from _asked(part)
        case Not(Not(inner)):
            yield from _asked(inner)
        case Equals(name, value):
            yield name, plain(value)
        case OneOf(name, values):
            for value in values:
                yield name, plain(value)
