"""What an operator may ask of a job: why not, in words, and what it comes to."""

from __future__ import annotations

from collections.abc import Collection

from gateway.jobs.records import JobRecord, State
from parsers.errors import OperatorError
from rules.job import Part
from rules.schema import did_you_mean


def is_undo_waiting(record: JobRecord) -> bool:
    """Tell whether a job only waits for its time to undo what `do` did."""
    return record.job.part is Part.UNDO and record.state is State.WAITING and not record.attempt


def check_retry(record: JobRecord) -> None:
    """Check that a job can be done again.

    Raises:
        OperatorError: it succeeded, runs, or waits for its turn anyway.
    """
    if is_undo_waiting(record):
        raise OperatorError("is an open state that waits for its time; `gateway open close` does its undo now")
    if record.state is State.WAITING and record.attempt:
        return  # its next try can come at once
    if record.state in _NOT_RETRIED:
        raise OperatorError(_NOT_RETRIED[record.state])


def check_cancel(record: JobRecord) -> None:
    """Check that a job can be cancelled.

    Raises:
        OperatorError: it has ended already.
    """
    if record.state in _ENDED:
        raise OperatorError(f"has ended already: it {_ENDED[record.state]}")


def check_close(record: JobRecord, now: float) -> None:
    """Check that an open state can be closed; `now` is in seconds since 1970.

    Raises:
        OperatorError: it is being undone already, or its time has come.
    """
    if record.state is State.RUNNING:
        raise OperatorError(f"is being undone already; see `gateway jobs show {record.job.id[:12]}`")
    if record.due <= now:
        raise OperatorError("is due to be undone already, and waits for its turn")


def check_hold(rule: str, *, known: Collection[str] | None, paused: Collection[str]) -> None:
    """Check that a rule can be paused or resumed; one that is paused can always be, also when it is no more.

    Args:
        rule: the name that was asked for.
        known: names of the rules in use; None: they are not known.
        paused: rules that are paused now.

    Raises:
        OperatorError: there is no such rule.
    """
    if known is not None and rule not in known and rule not in paused:
        raise OperatorError(f'there is no rule "{rule}"{did_you_mean(rule, {*known, *paused})}')


def words_for_begun(
    record: JobRecord, words: str, *, known: Collection[str] | None, paused: Collection[str] = ()
) -> str:
    """Say what doing a job comes to: `words`, or what it waits for.

    Args:
        record: the job.
        words: for one that nothing holds up.
        known: names of the rules in use; None: they are not known.
        paused: rules that are paused now.
    """
    if known is not None and record.job.rule not in known:
        return f"waits until the rule {record.job.rule} is loaded again"
    if is_held(record, paused):
        return f"waits until `gateway jobs resume {record.job.rule}`: its rule is paused"
    return words


def is_held(record: JobRecord, paused: Collection[str]) -> bool:
    """Tell whether a job belongs to what pausing its rule holds up; an undo or a report of a failure does not."""
    return record.job.part is Part.DO and record.job.rule in paused


def words_for_hold(*, paused: bool, done: bool) -> str:
    """Say what pausing or resuming a rule has come to."""
    if done:
        return "is paused: its jobs wait until `gateway jobs resume`" if paused else "goes on"
    return "is paused already" if paused else "is not paused"


def words_for_cancel(record: JobRecord) -> str:
    """Say what cancelling a job that is as `record` has it comes to."""
    if record.open:
        return "is cancelled: its state is closed, and what was to be undone stays as it is"
    if record.state is State.DEAD:
        return f"is thrown away, out of the box {record.box}"
    return "is cancelled" + (": what it has done so far stays as it is" if record.step or record.attempt else "")


_NOT_RETRIED = {
    State.WAITING: "waits for its turn already",
    State.RUNNING: "runs at this moment",
    State.SUCCEEDED: "has succeeded: what was done is not done twice",
}
_ENDED = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "was cancelled",
    State.DROPPED: "was dropped",
}
