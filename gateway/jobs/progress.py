"""What becomes of a job when an attempt at one of its steps has ended: decided purely, written by the worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.jobs.lanes import lane_of
from gateway.jobs.outcome import Ending, Outcome
from gateway.jobs.records import JobRecord, State
from gateway.jobs.retry import policy_for, wait_before
from parsers.event import FieldValue
from rules.job import Job, Part, fill_known
from rules.own_events import ANCESTORS, ancestors_of
from rules.plan import job_id
from rules.rule import Rule
from rules.step import DeadLetter, Decrypt, Step

MAX_TAIL = 2000
"""Characters of a task's output in the event that tells of it: a traceback's end."""

RUN_AGAIN = 5
"""Times that a job is run again because the runner or the gateway died with it, whatever the rule says: one that
kills them must not do so for ever."""


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


def steps_of(rule: Rule, part: Part) -> tuple[Step, ...]:
    """Return the steps that a job goes through; a dead letter is no step but what becomes of the job that failed."""
    return tuple(step for step in rule.steps(part) if not isinstance(step, DeadLetter))


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
        return Progress(ended, None, _fields(record, name, outcome, final=True))
    problem = problem_of(outcome)
    wait = _next_wait(record, outcome, rule, chance)
    if wait is not None:
        fields = _fields(record, name, outcome, final=False)
        fields["gateway.job.next_try"] = datetime.fromtimestamp(now + wait, UTC).isoformat()
        return Progress(replace(record, state=State.WAITING, due=now + wait, problem=problem), wait, fields)
    fields = _fields(record, name, outcome, final=True)
    box = _box(record, outcome, rule, fields)
    state = State.FAILED if box is None else State.DEAD
    ended = replace(record, state=state, box=box or "", problem=problem, ended=now)
    return Progress(ended, None, fields, _on_failure(record, rule, fields, now))


def _next_wait(record: JobRecord, outcome: Outcome, rule: Rule | None, chance: Callable[[], float]) -> float | None:
    policy = policy_for(rule, outcome) if rule else None
    if policy is None:
        return None
    if outcome.ending is Ending.LOST:
        if record.attempt > max(policy.times, RUN_AGAIN):
            return None
        return 0.0 if record.attempt == 1 else wait_before(policy, record.attempt - 1, chance)
    return wait_before(policy, record.attempt, chance) if record.attempt <= policy.times else None


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


def _on_failure(record: JobRecord, rule: Rule | None, fields: dict[str, FieldValue], now: float) -> Job | None:
    if rule is None or record.job.part is Part.ON_FAILURE or not steps_of(rule, Part.ON_FAILURE):
        return None
    told = {name: value for name, value in fields.items() if name.startswith(_TOLD)}
    identity = job_id(
        record.job.id, Part.ON_FAILURE.value, now
    )  # once more when it failed again after `gateway jobs retry`
    return Job(identity, rule.name, Part.ON_FAILURE, record.job.key, {**record.job.event, **told})


_TOLD = ("gateway.job.", "process.exit_code", "error.message")
"""Beginnings of the fields of an attempt's event that `on_failure` gets beside those of the cause."""


def _fields(record: JobRecord, step: str, outcome: Outcome, *, final: bool) -> dict[str, FieldValue]:
    job = record.job
    known = "unknown" if outcome.ending is Ending.LOST else "failure"
    fields: dict[str, FieldValue] = {
        "event.kind": "event",
        "event.action": "job-finished",
        "event.outcome": "success" if outcome.success else known,
        "event.duration": round(outcome.seconds * 1e9),
        "rule.name": job.rule,
        "gateway.key": list(job.key),
        "gateway.job.id": job.id,
        "gateway.job.part": job.part.value,
        "gateway.job.step": step,
        "gateway.job.attempt": record.attempt,
        "gateway.job.ending": outcome.ending.value,
        "gateway.job.final": final,
        ANCESTORS: ancestors_of(job.event, job.rule),
    }
    if outcome.exit_code is not None:
        fields["process.exit_code"] = outcome.exit_code
    if outcome.signal is not None:
        fields["gateway.job.signal"] = outcome.signal
    if tail := output_tail(outcome):
        fields["gateway.job.output"] = tail
    if not outcome.success:
        fields["error.message"] = problem_of(outcome)
    if outcome.survivors:
        fields["gateway.job.survivors"] = outcome.survivors
    return fields


def output_tail(outcome: Outcome, limit: int = MAX_TAIL) -> str:
    """Return the end of what it wrote, standard error first."""
    output = (outcome.stderr.strip() or outcome.stdout.strip()).decode("utf-8", "backslashreplace")
    return output[-limit:]


def problem_of(outcome: Outcome) -> str:
    """Say in words how an attempt failed."""
    match outcome.ending:
        case Ending.EXITED:
            words = f"exit code {outcome.exit_code}"
        case Ending.KILLED:
            words = f"killed by signal {outcome.signal}"
        case Ending.TIMED_OUT:
            return outcome.error or "it ran longer than its timeout"
        case Ending.NOT_STARTED:
            words = "it could not be started"
        case Ending.LOST:
            return outcome.error or "the runner died while it ran"
        case _:
            return outcome.error or "it failed"
    return f"{words}: {outcome.error}" if outcome.error else words
