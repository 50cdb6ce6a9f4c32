"""Stand-ins that let a worker run without threads, processes and time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from gateway.jobs.database import Database
from gateway.jobs.perform import Performance
from gateway.jobs.private import PrivateFolders
from gateway.jobs.records import JobRecord, State
from gateway.jobs.transactions import recover
from gateway.jobs.worker import Worker
from gateway.pipeline import Effects
from parsers.message import Message, Origin, Trust
from rules.findings import Closing
from rules.job import Attempt, Job, Part
from rules.outcome import Ending, Outcome
from rules.own_events import own_event
from rules.plan import NEVER, job_id
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.step import Step, Task
from rules.windows.window import Key
from tests.gateway.told import Told

T = TypeVar("T")

START = 1_000_000.0
ORIGIN = Origin("syslog", Trust.LOCAL)


class StoreNow:
    """A store whose transactions are done at once; while `hold` is set they wait for `go_on`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.hold = False
        self.commits = 0
        self._held: list[Callable[[], None]] = []

    def transact(self, work: Callable[[Database], T]) -> Deferred[T]:
        """Do work in a transaction of its own."""
        if not self.hold:
            return self._do(work)
        answer: Deferred[T] = Deferred()

        def later() -> None:
            self._do(work).chainDeferred(answer)

        self._held.append(later)
        return answer

    def go_on(self) -> None:
        """Do what was held."""
        self.hold = False
        held, self._held = self._held, []
        for work in held:
            work()

    def _do(self, work: Callable[[Database], T]) -> Deferred[T]:
        self.database.begin()
        try:
            result = work(self.database)
        except Exception as error:  # noqa: BLE001 -- as the real one does
            self.database.rollback()
            return fail(error)
        self.database.commit()
        self.commits += 1
        return succeed(result)


class RulesNow:
    """The rules in use; what they find in the gateway's own events is planned as the pipeline does."""

    def __init__(self, *rules: Rule) -> None:
        self.book = RuleBook(rules)
        self.seen: list[dict[str, object]] = []
        self.closed: list[tuple[str, Key]] = []
        self.opened: list[tuple[str, Key, float]] = []

    def decide(self, message: Message) -> Effects:
        """Show the rules an own event."""
        event = own_event(message)
        self.seen.append(dict(event.fields))
        findings = self.book.feed(event, message.received)
        jobs = [(job, 0) for decision in findings.decisions for job in decision.jobs]
        return Effects([message], jobs, []) if findings.matched else Effects()

    def rule(self, name: str) -> Rule | None:
        """Return a rule."""
        return self.book.rule(name)

    def open_state(self, rule: str, key: Key, due: float, job: str, opened: float) -> None:
        """Take note."""
        self.opened.append((rule, key, due))

    def close_state(self, rule: str, key: Key, job: str) -> None:
        """Take note."""
        self.closed.append((rule, key))


class Performing:
    """Does nothing: `end` says how an attempt ended."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.running: dict[str, Deferred[Performance]] = {}
        self.cancelled: list[str] = []

    def perform(self, step: Step, attempt: Attempt) -> Deferred[Performance]:
        """Take note of an attempt."""
        self.attempts.append(attempt)
        self.running[attempt.id] = Deferred()
        return self.running[attempt.id]

    def cancel(self, attempt: Attempt) -> None:
        """Take note."""
        self.cancelled.append(attempt.id)

    def end(self, attempt: str, code: int = 0, **more: object) -> None:
        """End an attempt with an exit code, or with what `more` says of its performance."""
        outcome = Outcome(attempt, Ending.EXITED, code)
        self.running.pop(attempt).callback(Performance(outcome, **more))  # type: ignore[arg-type]

    def lose(self, attempt: str, ending: Ending = Ending.LOST) -> None:
        """End an attempt without a result."""
        self.running.pop(attempt).callback(Performance(Outcome(attempt, ending)))

    def names(self) -> list[str]:
        """Return the steps that were begun."""
        return [attempt.task for attempt in self.attempts]


class House:
    """A worker with all its stand-ins; `again` starts another one on the same files, as after a kill."""

    def __init__(self, folder: Path, *rules: Rule, processes: int = 8) -> None:
        self._folder = folder
        self._processes = processes
        self.clock = Clock()
        self.clock.advance(START)
        self.ready = True
        """Whether processes can be started at once."""
        self.wall = 0.0
        """By how much the wall clock was set."""
        self.rules = RulesNow(*rules)
        self._begin()

    def _begin(self) -> None:
        self.database = Database.open(self._folder)
        self.store = StoreNow(self.database)
        self.performs = Performing()
        self.told = Told()
        self.cleaned: list[str] = []
        self.worker = Worker(
            self.clock,
            self.store,
            self.performs,
            self.told,
            now=lambda: self.clock.seconds() + self.wall,
            processes=self._processes,
            chance=lambda: 0.5,
            private=PrivateFolders(Path("/jobs"), self.cleaned.append),
        )
        self.worker.start(self.rules, recover(self.database, self.rules.book.rules))
        if self.ready:
            self.worker.go()

    def again(self, seconds: float = 0.0) -> None:
        """Die, and start again so much later."""
        self.database.close()
        now = self.clock.seconds() + seconds
        self.clock = Clock()  # what the dead worker wanted to do later will never happen
        self.clock.advance(now)
        self._begin()

    def close(self) -> None:
        """Close the files."""
        self.database.close()

    def happen(self, rule: str, key: Key = (), text: bytes = b"text", *, undo_after: float | None = None) -> str:
        """Let a rule's incident happen now; return the id of its job."""
        message = Message(text, ORIGIN, self.clock.seconds())
        job = Job(job_id(rule, "do", *key, text, self.clock.seconds()), rule, Part.DO, key, {"message": text.decode()})
        jobs = [(job, 0)]
        if (found := self.rules.rule(rule)) is not None and found.undo is not None:
            due = NEVER if undo_after is None else self.clock.seconds() + undo_after
            undo = Job(job_id(rule, "undo", *key, text, self.clock.seconds()), rule, Part.UNDO, key, job.event, due)
            jobs.append((undo, 0))
        self.commit(Effects([message], jobs, []))
        return job.id

    def commit(self, effects: Effects) -> Deferred[None]:
        """Hand effects to the worker."""
        return self.worker.commit(effects)

    def closing(self, rule: str, key: Key = ()) -> None:
        """Let an event close a state."""
        self.commit(Effects([Message(b"up again", ORIGIN, self.clock.seconds())], [], [(Closing(rule, key), 0)]))

    def job(self, identity: str) -> JobRecord:
        """Return a job as the store has it."""
        record = self.database.job(identity)
        assert record is not None
        return record

    def state(self, identity: str) -> State:
        """Return where a job stands."""
        return self.job(identity).state

    def of(self, rule: str, part: Part = Part.DO) -> list[JobRecord]:
        """Return a rule's jobs, the oldest first."""
        return self.database.jobs(rule=rule, part=part, limit=1000)[::-1]


def task(name: str, **more: object) -> Task:
    """Make a step that runs a process."""
    return Task(name, ("/bin/true",), **more)  # type: ignore[arg-type]


Open = Callable[..., House]
