"""What becomes of a job when an attempt at one of its steps has ended: decided purely, written by the worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.jobs.lanes import lane_of
from gateway.jobs.records import JobRecord, State
from parsers.event import FieldValue
from rules.attempts import failure_job, finished_fields, steps_of
from rules.job import Job, Part, fill_known
from rules.outcome import Ending, Outcome, problem_of
from rules.retry import next_wait
from rules.rule import Rule
from rules.step import DeadLetter, Decrypt, Step


@dataclass(frozen=True, slots=True)
class Progress:
    """What an attempt's end makes of its job.

    Attributes:
        record: the job as it is now.
        wait: seconds until the next try; None: there is none, or no failure.
        fields: of the event that tells of the attempt.
        failure: the job of `on_failure`, when this was the last try.
    """

    record: JobRecord
    wait: float | None
    fields: dict[str, FieldValue]
    failure: Job | None = None


def step_at(rule: Rule | None, record: JobRecord) -> Step | None:
    """Return the step that a job is at; None when its rule, or the step, is no more."""
    steps = steps_of(rule, record.job.part) if rule else ()
    return steps[record.step] if record.step < len(steps) else None


def step_again(rule: Rule | None, record: JobRecord) -> int:
    """Return the step at which a job begins that ended and is to be done again: the one that failed.

    What it had decrypted is gone, so when that step comes after one that decrypts, this is the first to do again.
    """
    steps = steps_of(rule, record.job.part) if rule else ()
    decrypting = (number for number, step in enumerate(steps) if isinstance(step, Decrypt))
    return min(record.step, next(decrypting, record.step))


def after(record: JobRecord, outcome: Outcome, rule: Rule | None, now: float, chance: Callable[[], float]) -> Progress:
    """Decide what becomes of a job.

    Args:
        record: the job, RUNNING, with the attempt counted.
        outcome: how the attempt ended.
        rule: the job's rule as it is now; None when it is no more.
        now: seconds since 1970.
        chance: returns a number from 0 up to 1.
    """
    job = record.job
    step = step_at(rule, record)
    name = step.name if step else "-"
    if outcome.success:
        following = step_at(rule, replace(record, step=record.step + 1))
        if following is None:
            ended = replace(record, state=State.SUCCEEDED, step=record.step + 1, problem="", ended=now)
        else:
            ended = replace(
                record,
                state=State.WAITING,
                step=record.step + 1,
                attempt=0,
                due=now,
                lane=lane_of(following),
                problem="",
            )
        return Progress(ended, None, finished_fields(job, name, record.attempt, outcome))
    problem = problem_of(outcome)
    wait = next_wait(rule, outcome, record.attempt, chance) if rule else None
    if wait is not None:
        fields = finished_fields(job, name, record.attempt, outcome, now + wait)
        return Progress(replace(record, state=State.WAITING, due=now + wait, problem=problem), wait, fields)
    fields = finished_fields(job, name, record.attempt, outcome)
    box = _box(record, outcome, rule, fields)
    state = State.FAILED if box is None else State.DEAD
    ended = replace(record, state=state, box=box or "", problem=problem, ended=now)
    return Progress(ended, None, fields, failure_job(rule, job, fields, now) if rule else None)


def _box(record: JobRecord, outcome: Outcome, rule: Rule | None, fields: dict[str, FieldValue]) -> str | None:
    """Return the name of the box that a job which failed for good goes into, if it becomes a dead letter.

    An undo always does: what it was to undo stays, and somebody has to see to it.
    """
    if rule is None:
        return None
    if record.job.part is not Part.ON_FAILURE:
        for step in rule.on_failure:
            if isinstance(step, DeadLetter):
                return fill_known(step.box, {**record.job.event, **fields})
    lost = outcome.ending is Ending.LOST and not rule.idempotent
    return rule.name if lost or record.job.part is Part.UNDO else None
