"""Our rules over a log in virtual time, through the very stages of the gateway: what they did comes out as for SEC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from itertools import groupby

from gateway.schedule import parse_cron
from gateway.sources.timer import timer_event
from gateway.timer_source_config import TimerSource
from parsers.errors import Place
from parsers.message import Batch, Frames, Message, Origin, Trust
from parsers.parse import Parser, builtin_grammars
from rules.attempts import emitted_fields
from rules.course import Course, Happening
from rules.findings import Closing
from rules.job import Attempt, Job, fill_argv
from rules.load import Defaults, load_rules
from rules.merge import merge
from rules.own_events import EMITTED, own_event, own_message
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.sieve import Sieve
from rules.step import Emit, Task
from tests.end_to_end.sec import Action
from tests.end_to_end.sec_logs import START, Line

PARSER = Parser(builtin_grammars())


def load(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Read rule files that are right.

    Raises:
        AssertionError: one is not.
    """
    files = [load_rules(text, f"{number}.yaml", Defaults()) for number, text in enumerate(texts)]
    rules, errors, *_ = merge(files)
    wrong = [*errors, *(error for file in files for error in file.errors)]
    assert not wrong, "\n".join(str(error) for error in wrong)
    return rules


def actions_of_ours(
    rules: Sequence[Rule], log: Iterable[Line], until: int, timers: Mapping[str, str] | None = None
) -> list[Action]:
    """Show a log to the rules and let time go on until a second; return what they would have run.

    What a rule emits is shown to them at once, as in the gateway. `timers` are sources with their cron expressions; in
    a second in which one is due it comes first.
    """
    timers = timers or {}
    course = _Course(rules, frozenset(timers))
    due = sorted(
        (message for name, text in timers.items() for message in _due(name, text, until)),
        key=lambda message: message.received,
        reverse=True,
    )
    for time, lines in groupby(log, lambda line: line.time):
        while due and due[-1].received <= time:
            course.show_own(due.pop())
        course.show(time, [line.text for line in lines])
    while due:
        course.show_own(due.pop())
    course.go_on_to(until)
    return course.actions


def _due(name: str, text: str, until: int) -> Iterator[Message]:
    source = TimerSource(name, Place("gateway.yaml"), parse_cron(text, UTC), UTC)
    time = source.schedule.next_after(START - 1)
    while time is not None and time <= until:
        yield timer_event(source, time, 0, time)
        time = source.schedule.next_after(time)


class _Course:
    def __init__(self, rules: Sequence[Rule], timers: frozenset[str]) -> None:
        self.actions: list[Action] = []
        self._rulebook = RuleBook(rules, PARSER.grammars, parse=PARSER.parse, timers=timers)
        self._sieve = Sieve(self._rulebook.needs)
        self._course = Course(self._rulebook)
        self._origin = Origin("main", Trust.LOCAL)
        self._undoes: dict[str, Job] = {}

    def show(self, time: int, texts: Sequence[str]) -> None:
        batch = Batch(Frames("".join(f"{text}\n" for text in texts).encode()), self._origin, float(time))
        for message, wanted in self._sieve.candidates(batch):
            self._act(self._course.show(PARSER.parse(message), float(time), wanted))

    def show_own(self, message: Message) -> None:
        self._act(self._course.show(own_event(message), message.received))

    def go_on_to(self, time: int) -> None:
        self._act(self._course.go_on_to(float(time)))

    def _act(self, happenings: Iterable[Happening]) -> None:
        for time, what in happenings:
            if isinstance(what, Closing):
                job = self._undoes.pop(what.job)
                if what.reason != "lapsed":
                    self._perform(job, time)
                continue
            for job in what.jobs:
                if job.due is None:
                    self._perform(job, time)
                else:
                    self._undoes[job.id] = job

    def _perform(self, job: Job, time: float) -> None:
        rule = self._rulebook.rule(job.rule)
        for step in rule.steps(job.part) if rule else ():
            match step:
                case Task(argv=argv):
                    self.actions.append(Action(int(time), " ".join(fill_argv(argv, job.event))))
                case Emit(name):
                    fields = emitted_fields(step, Attempt(job.id, job.rule, name, job.key, job.event))
                    self.show_own(own_message(fields, time, EMITTED))
