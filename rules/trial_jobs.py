"""How jobs would go in a rule's test: their steps in order, tries after failures, `on_failure`; in virtual time.

A step takes no time, but for one that runs longer than its timeout. Each job is for itself: how many may run at a time,
locks, `rate` and `busy` have no part in it, nor what becomes of dead letters.
"""

from __future__ import annotations

import heapq
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from parsers.event import FieldValue
from rules.attempts import emitted_fields, failure_job, finished_fields, perhaps_done, steps_of
from rules.decrypted import example_event
from rules.example import Outcomes
from rules.findings import Closing, Decision
from rules.job import Attempt, FillError, Job, Part, fill, fill_argv, fill_known
from rules.mail import subject_of
from rules.outcome import Ending, Outcome
from rules.own_events import EMITTED, GATEWAY
from rules.retry import next_wait
from rules.rule import Rule
from rules.step import DeadLetter, Decrypt, Delete, Emit, Mail, Move, Pause, Resume, Step, Task, process_of
from rules.windows.window import Key

_DONE = Outcome("", Ending.CONFIRMED)
_NAMED = (Part.ON_FAILURE,)
"""Parts whose processes end otherwise only where the test names the step."""


@dataclass(slots=True)
class Done:
    """What the jobs of one rule did.

    Attributes:
        commands: of every process that was started for the first time, or why its command cannot be filled in.
        tries: how many processes were started.
        failed: how many jobs failed for good.
        undone: how many states were undone.
        emitted: the fields of every event that was emitted.
        subjects: of every mail.
        steps: the names of all steps that were begun.
        refused: the attempts that were not begun, for a value cannot be filled in: part, step, and why.
    """

    commands: list[list[str] | FillError] = field(default_factory=list)
    tries: int = 0
    failed: int = 0
    undone: int = 0
    emitted: list[Mapping[str, FieldValue]] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    steps: set[str] = field(default_factory=set)
    refused: list[tuple[Part, str, FillError]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Run:
    """A job on its way: at which step it is, which attempt at it was begun last, and whether it was given up."""

    rule: Rule
    job: Job
    step: int = 0
    attempt: int = 0
    over: bool = False
    undo: Job | None = None


class TrialJobs:
    """The jobs of all rules of a test.

    Args:
        rules: by their names.
        tested: the rule whose outcomes the test chooses.
        close: closes the open state of a rule and key that this job was to undo.
    """

    def __init__(self, rules: Mapping[str, Rule], tested: str, close: Callable[[str, Key, str], object]) -> None:
        self._rules = rules
        self._tested = tested
        self._close = close
        self._outcomes = Outcomes()
        self._ended: dict[str, int] = {}
        self._agenda: list[tuple[float, int, _Run, Outcome | None]] = []
        self._number = 0
        self._opened: dict[str, tuple[Job, _Run | None]] = {}
        self._paused: dict[str, list[_Run]] = {}
        self.done: dict[str, Done] = {name: Done() for name in rules}

    def choose(self, outcomes: Outcomes) -> None:
        """End the tested rule's attempts like this from now on."""
        self._outcomes = outcomes
        self._ended.clear()

    def next_due(self) -> float | None:
        """Return when something is to be done; None: nothing."""
        return self._agenda[0][0] if self._agenda else None

    def decided(self, decision: Decision, now: float) -> None:
        """Begin the jobs of a decision; the one that undoes waits until its state closes."""
        rule = self._rules[decision.incident.match.rule.name]
        run: _Run | None = None
        for job in decision.jobs:
            if job.part is Part.UNDO:
                self._opened[job.id] = (job, run)
                if run is not None:
                    run.undo = job
            else:
                run = _Run(rule, job)
                self._at(now, run)

    def closes(self, closing: Closing, now: float) -> None:
        """Begin the job that undoes a state; what was still being tried for it is given up."""
        opened = self._opened.pop(closing.job, None)
        if opened is None:
            return
        job, run = opened
        if run is not None:
            run.over = True
        self.done[job.rule].undone += 1
        self._at(now, _Run(self._rules[job.rule], job))

    def go_on(self, now: float) -> Iterator[tuple[str, Mapping[str, FieldValue]]]:
        """Do what is due; yield the datasets and fields of the events that come of it."""
        while self._agenda and self._agenda[0][0] <= now:
            _, _, run, outcome = heapq.heappop(self._agenda)
            if run.over:
                continue
            if outcome is None:
                self._begin(run, now)
            else:
                yield from self._end(run, outcome, now)

    def _at(self, time: float, run: _Run, outcome: Outcome | None = None) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (time, self._number, run, outcome))

    def _begin(self, run: _Run, now: float) -> None:
        """Begin an attempt; how it will end is known at once."""
        if run.job.part is Part.DO and run.rule.name in self._paused:
            self._paused[run.rule.name].append(run)
            return
        step = self._step_of(run)
        if step is None:
            run.over = True
            return
        run.attempt += 1
        outcome = self._perform(run, step)
        self._at(now + outcome.seconds, run, outcome)

    def _step_of(self, run: _Run) -> Step | None:
        steps = steps_of(run.rule, run.job.part)
        return steps[run.step] if run.step < len(steps) else None

    def _perform(self, run: _Run, step: Step) -> Outcome:
        done = self.done[run.rule.name]
        done.steps.add(step.name)
        event = example_event(run.job.event, steps_of(run.rule, run.job.part), run.step)
        try:
            if isinstance(step, Task):
                argv = fill_argv(step.argv, event, options=step.options)
                if run.attempt == 1:
                    done.commands.append(argv)
            elif isinstance(step, Decrypt | Delete | Move):
                fill(step.file, event, options=True)
        except FillError as error:
            done.refused.append((run.job.part, step.name, error))
            if isinstance(step, Task):
                done.commands.append(error)
            return Outcome("", Ending.REFUSED, error=str(error))
        done.tries += process_of(step) is not None
        outcome = self._outcome_of(run, step)
        if isinstance(step, Mail) and run.attempt == 1:
            done.subjects.append(subject_of(step, event))
        return outcome

    def _outcome_of(self, run: _Run, step: Step) -> Outcome:
        """Return how the test wants the attempt to end."""
        if run.rule.name != self._tested:
            return _as_it_ends(_DONE, step)
        name = step.name.removeprefix(f"{run.rule.name}/")
        chosen = self._outcomes.steps.get(name, ())
        if not chosen and process_of(step) is not None and run.job.part not in _NAMED:
            name, chosen = "", self._outcomes.processes
        if not chosen:
            return _as_it_ends(_DONE, step)
        number = self._ended.get(name, 0)
        self._ended[name] = number + 1
        return _as_it_ends(chosen[min(number, len(chosen) - 1)], step)

    def _end(self, run: _Run, outcome: Outcome, now: float) -> Iterator[tuple[str, Mapping[str, FieldValue]]]:
        """Take note of how an attempt ended, and go on with the job."""
        job, rule, step = run.job, run.rule, self._step_of(run)
        if step is None:
            return
        wait = None if outcome.success else next_wait(rule, outcome, run.attempt, lambda: 0.5)
        fields = finished_fields(job, step.name, run.attempt, outcome, None if wait is None else now + wait)
        yield GATEWAY, fields
        if outcome.success:
            yield from self._done(run, step, now)
            run.step, run.attempt = run.step + 1, 0
            self._at(now, run)
        elif wait is not None:
            self._at(now + wait, run)
        else:
            self._failed(run, outcome, fields, now)

    def _done(self, run: _Run, step: Step, now: float) -> Iterator[tuple[str, Mapping[str, FieldValue]]]:
        """Do what a step of the gateway's own does."""
        job = run.job
        match step:
            case Emit():
                emitted = emitted_fields(step, Attempt(job.id, job.rule, step.name, job.key, job.event, run.attempt))
                self.done[job.rule].emitted.append(emitted)
                yield EMITTED, emitted
            case Pause():
                self._paused.setdefault(fill_known(step.rule, job.event), [])
            case Resume():
                for waiting in self._paused.pop(fill_known(step.rule, job.event), ()):
                    self._at(now, waiting)

    def _failed(self, run: _Run, outcome: Outcome, fields: Mapping[str, FieldValue], now: float) -> None:
        """Do what follows from a job's last failure: see to the state that it opened, and `on_failure`."""
        job, rule = run.job, run.rule
        run.over = True
        if job.part is not Part.ON_FAILURE:
            self.done[rule.name].failed += 1
            letters = (step.name for step in rule.on_failure if isinstance(step, DeadLetter))
            self.done[rule.name].steps.update(letters)
        failure = failure_job(rule, job, fields, now)
        if failure is not None:
            self._at(now, _Run(rule, failure))
        if run.undo is not None and run.undo.id in self._opened:
            self._close(rule.name, job.key, run.undo.id)
            if perhaps_done(run.step, run.attempt, outcome.ending):
                self.closes(Closing(rule.name, job.key, job=run.undo.id), now)
            else:
                del self._opened[run.undo.id]

    def unknown_steps(self, outcomes: Outcomes) -> Sequence[str]:
        """Return the steps that outcomes name and the tested rule has not."""
        rule = self._rules[self._tested]
        known = {step.name.removeprefix(f"{rule.name}/") for part in Part for step in rule.steps(part)}
        return [name for name in outcomes.steps if name not in known]


def _as_it_ends(outcome: Outcome, step: Step) -> Outcome:
    """Return an outcome as a step of its kind has it: a process ends with an exit code, a mail is confirmed."""
    process = process_of(step)
    exits = process is not None and not process.stream
    match outcome.ending:
        case Ending.CONFIRMED if exits:
            return Outcome("", Ending.EXITED, 0)
        case Ending.DECLINED if exits:
            return Outcome("", Ending.EXITED, 1)
        case Ending.TIMED_OUT if process is not None:
            words = f"it ran longer than its timeout of {process.timeout:g} seconds"
            return replace(outcome, seconds=process.timeout, error=words)
        case Ending.KILLED if outcome.signal is not None:
            return replace(outcome, error=f"it was killed by {signal.Signals(outcome.signal).name}")
    return outcome
