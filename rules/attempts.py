"""What follows from an attempt at a job's step: the events that tell of it, and the job of `on_failure`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from parsers.event import FieldValue
from rules.job import PLACEHOLDER, Attempt, Job, Part, fill_known
from rules.outcome import Ending, Outcome, output_tail, problem_of
from rules.own_events import ANCESTORS, FINISHED, ancestors_of
from rules.plan import job_id
from rules.rule import Rule
from rules.step import DeadLetter, Emit, Step

_TOLD = ("gateway.job.", "process.exit_code", "error.message")
"""Beginnings of the fields of an attempt's event that `on_failure` gets beside those of the cause."""

_PERHAPS_DONE = frozenset({Ending.KILLED, Ending.TIMED_OUT, Ending.LOST})
"""How an attempt ends of which nobody knows what it has done."""


def steps_of(rule: Rule, part: Part) -> tuple[Step, ...]:
    """Return the steps that a job goes through; a dead letter is no step but what becomes of the job that failed."""
    return tuple(step for step in rule.steps(part) if not isinstance(step, DeadLetter))


def perhaps_done(step: int, attempt: int, ending: Ending) -> bool:
    """Tell whether a job that failed for good may have done something that its undo has to undo.

    Args:
        step: the step that failed, from 0.
        attempt: which attempt at it failed, 1 for the first.
        ending: how that ended.
    """
    return step > 0 or attempt > 1 or ending in _PERHAPS_DONE


def finished_fields(
    job: Job, step: str, attempt: int, outcome: Outcome, next_try: float | None = None
) -> dict[str, FieldValue]:
    """Return the fields of the event that tells how an attempt ended.

    Args:
        job: whose attempt.
        step: the step's name.
        attempt: 1 for the first.
        outcome: how it ended.
        next_try: when the next attempt at this step is due, in seconds since 1970; None: there will be none.
    """
    known = "unknown" if outcome.ending is Ending.LOST else "failure"
    fields: dict[str, FieldValue] = {
        "event.kind": "event",
        "event.action": FINISHED,
        "event.outcome": "success" if outcome.success else known,
        "event.duration": round(outcome.seconds * 1e9),
        "rule.name": job.rule,
        "gateway.key": list(job.key),
        "gateway.job.id": job.id,
        "gateway.job.part": job.part.value,
        "gateway.job.step": step,
        "gateway.job.attempt": attempt,
        "gateway.job.ending": outcome.ending.value,
        "gateway.job.final": next_try is None,
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
    if next_try is not None:
        fields["gateway.job.next_try"] = datetime.fromtimestamp(next_try, UTC).isoformat()
    return fields


def failure_job(rule: Rule, job: Job, fields: Mapping[str, FieldValue], now: float) -> Job | None:
    """Return the job of `on_failure` that follows when the last try has failed; None when there is nothing to do.

    Args:
        rule: the job's.
        job: the one that failed.
        fields: of the event that tells of its last attempt.
        now: seconds since 1970; it is another job when this one fails again after `gateway jobs retry`.
    """
    if job.part is Part.ON_FAILURE or not steps_of(rule, Part.ON_FAILURE):
        return None
    told = {name: value for name, value in fields.items() if name.startswith(_TOLD)}
    identity = job_id(job.id, Part.ON_FAILURE.value, now)
    return Job(identity, rule.name, Part.ON_FAILURE, job.key, {**job.event, **told})


def emitted_fields(step: Emit, attempt: Attempt) -> dict[str, FieldValue]:
    """Return the fields of the event that an `emit` step makes; a value that is one `${field}` keeps its kind."""
    fields: dict[str, FieldValue] = {}
    for name, value in step.fields.items():
        if not isinstance(value, str):
            fields[name] = value
        elif (whole := PLACEHOLDER.fullmatch(value)) and whole[2] is not None:
            fields[name] = attempt.event.get(whole[2])
        else:
            fields[name] = fill_known(value, attempt.event)
    known = {name: value for name, value in fields.items() if value is not None}
    return {**known, "rule.name": attempt.rule, ANCESTORS: ancestors_of(attempt.event, attempt.rule)}
