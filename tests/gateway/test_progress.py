"""What becomes of a job when an attempt has ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.jobs.progress import Progress, after, step_at
from gateway.jobs.records import JobRecord, State
from parsers.errors import Place
from rules.condition import AllOf
from rules.job import Job, Part
from rules.outcome import MAX_TAIL, Ending, Outcome, output_tail, problem_of
from rules.rule import Retry, Rule, Undo
from rules.step import DeadLetter, Mail, Task

NOW = 1000.0
DO = (Task("r/do/1", ("/bin/one",)), Task("r/do/2", ("/bin/two",), lock="disk"))
RULE = Rule("r", Place(""), AllOf(()), do=DO)
PATIENT = replace(RULE, retry=Retry(times=2, wait=10.0, grow=2.0, jitter=0.0))
RECORD = JobRecord(
    1, Job("j", "r", Part.DO, ("192.0.2.7",), {"message": "x", "gateway.ancestors": ["first"]}), State.RUNNING, 7,
    990.0, 990.0, step=0, attempt=1, lane="r/do/1",
)  # fmt: skip
GOOD = Outcome("j-1", Ending.EXITED, 0, seconds=0.5)
BAD = Outcome("j-1", Ending.EXITED, 3, seconds=0.5, stderr=b"no such table\n")


def ended(record: JobRecord, outcome: Outcome, rule: Rule | None = RULE) -> Progress:
    """Decide with a chance that adds no jitter."""
    return after(record, outcome, rule, NOW, lambda: 0.5)


def test_a_step_that_succeeded_is_followed_by_the_next() -> None:
    """The cursor moves on, with a fresh count of attempts, into the lane of the next step."""
    progress = ended(RECORD, GOOD)
    assert progress.record == replace(RECORD, state=State.WAITING, step=1, attempt=0, due=NOW, lane="lock:disk")
    assert progress.fields["event.outcome"] == "success"
    assert progress.failure is None


def test_after_the_last_step_the_job_has_succeeded() -> None:
    """And when it ended is kept."""
    last = replace(RECORD, step=1, problem="an earlier failure")
    assert ended(last, GOOD).record == replace(last, state=State.SUCCEEDED, step=2, problem="", ended=NOW)


def test_a_failure_without_retry_is_the_last_word() -> None:
    """The record says what was wrong; the steps behind it are not done."""
    progress = ended(RECORD, BAD)
    assert progress.record == replace(RECORD, state=State.FAILED, problem="exit code 3", ended=NOW)
    assert progress.wait is None
    assert progress.fields["gateway.job.final"] is True


def test_a_failure_is_tried_again_as_often_as_the_rule_says() -> None:
    """Two more times, with growing waits, and then no more."""
    first = ended(RECORD, BAD, PATIENT)
    assert (first.record.state, first.record.due, first.wait) == (State.WAITING, NOW + 10, 10.0)
    assert first.fields["gateway.job.next_try"] == "1970-01-01T00:16:50+00:00"
    assert first.fields["gateway.job.final"] is False
    second = ended(replace(RECORD, attempt=2), BAD, PATIENT)
    assert second.wait == 20.0
    assert ended(replace(RECORD, attempt=3), BAD, PATIENT).record.state is State.FAILED


def test_every_attempt_is_an_event() -> None:
    """With outcome, exit code, duration in nanoseconds, output tail, and the rules that caused it."""
    assert ended(RECORD, BAD).fields == {
        "event.kind": "event",
        "event.action": "job-finished",
        "event.outcome": "failure",
        "event.duration": 500_000_000,
        "rule.name": "r",
        "gateway.key": ["192.0.2.7"],
        "gateway.job.id": "j",
        "gateway.job.part": "do",
        "gateway.job.step": "r/do/1",
        "gateway.job.attempt": 1,
        "gateway.job.ending": "exited",
        "gateway.job.final": True,
        "gateway.job.output": "no such table",
        "gateway.ancestors": ["first", "r"],
        "process.exit_code": 3,
        "error.message": "exit code 3",
    }


def test_on_failure_comes_once_after_the_last_try() -> None:
    """It sees the event of the cause, and how the attempt ended."""
    rule = replace(PATIENT, on_failure=(Mail("r/on_failure/1", ("ops",), "failed"),))
    assert ended(RECORD, BAD, rule).failure is None
    failure = ended(replace(RECORD, attempt=3), BAD, rule).failure
    assert failure is not None
    assert failure.part is Part.ON_FAILURE
    assert failure.event["message"] == "x"
    assert failure.event["process.exit_code"] == 3
    assert failure.event["error.message"] == "exit code 3"
    assert failure.event["gateway.job.attempt"] == 3
    own = JobRecord(2, failure, State.RUNNING, 7, NOW, NOW, attempt=1)
    assert ended(own, BAD, rule).failure is None, "a failure of on_failure has no on_failure"


def test_a_dead_letter_keeps_the_job_in_its_box() -> None:
    """Its name may come from the event; it is no step of on_failure."""
    rule = replace(RULE, on_failure=(DeadLetter("r/on_failure/1", "box-${gateway.job.attempt}"),))
    progress = ended(RECORD, BAD, rule)
    assert (progress.record.state, progress.record.box) == (State.DEAD, "box-1")
    assert progress.failure is None


def test_a_lost_attempt_is_made_again_at_once_and_not_for_ever() -> None:
    """Also where the rule says nothing about retries; one that kills the gateway each time must end."""
    lost = Outcome("j-1", Ending.LOST, error="the gateway died while it ran")
    assert ended(RECORD, lost).wait == 0.0
    assert ended(RECORD, lost).fields["event.outcome"] == "unknown"
    assert ended(replace(RECORD, attempt=2), lost).wait == 10.0
    assert ended(replace(RECORD, attempt=6), lost).record.state is State.FAILED


def test_what_must_not_be_repeated_becomes_a_dead_letter_when_it_is_lost() -> None:
    """`idempotent: false`: nobody knows what it has done."""
    lost = Outcome("j-1", Ending.LOST)
    progress = ended(RECORD, lost, replace(PATIENT, idempotent=False))
    assert (progress.record.state, progress.record.box) == (State.DEAD, "r")


def test_the_end_of_a_job_whose_rule_is_gone_is_kept() -> None:
    """It failed."""
    refused = Outcome("j-1", Ending.REFUSED, error="the rule r is no more")
    assert ended(RECORD, refused, None).record.state is State.FAILED


def test_an_undo_that_failed_for_good_is_a_dead_letter() -> None:
    """What it was to undo stays, and somebody has to see to it."""
    undo = ended(replace(RECORD, job=replace(RECORD.job, part=Part.UNDO)), BAD)
    assert (undo.record.state, undo.record.box) == (State.DEAD, "r")


def test_a_step_that_a_reload_took_away_is_none() -> None:
    """A job that stood at the second of two steps finds only one."""
    assert step_at(replace(RULE, do=DO[:1]), replace(RECORD, step=1)) is None
    assert step_at(None, RECORD) is None
    undo = Undo((Task("r/undo/1", ("/bin/undo",)),), 10.0)
    found = step_at(replace(RULE, undo=undo), replace(RECORD, job=replace(RECORD.job, part=Part.UNDO)))
    assert found == undo.steps[0]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome("j", Ending.EXITED, 2), "exit code 2"),
        (Outcome("j", Ending.KILLED, signal=9), "killed by signal 9"),
        (Outcome("j", Ending.TIMED_OUT), "it ran longer than its timeout"),
        (Outcome("j", Ending.NOT_STARTED, error="no such program"), "it could not be started: no such program"),
        (Outcome("j", Ending.REFUSED, error="the event has no field x"), "the event has no field x"),
        (Outcome("j", Ending.DECLINED, error="550 no such user"), "550 no such user"),
        (Outcome("j", Ending.LOST), "the runner died while it ran"),
    ],
)
def test_failures_in_words(outcome: Outcome, words: str) -> None:
    """Each ending says what happened."""
    assert problem_of(outcome) == words


def test_the_tail_of_the_output_is_kept() -> None:
    """Standard error first, its end, and octets that are no UTF-8 made visible."""
    assert output_tail(Outcome("j", Ending.EXITED, stdout=b"out", stderr=b" \n")) == "out"
    assert output_tail(Outcome("j", Ending.EXITED, stdout=b"out", stderr=b"err\xff\n")) == "err\\xff"
    assert len(output_tail(Outcome("j", Ending.EXITED, stderr=b"x" * 10 * MAX_TAIL))) == MAX_TAIL
