"""Do what a step says: each kind of step has its way, and each ends in an outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from parsers.event import FieldValue
from rules.attempts import emitted_fields
from rules.job import Attempt, fill_known
from rules.outcome import Ending, Outcome
from rules.step import Decrypt, Delete, Emit, Forward, Mail, Move, Pause, Resume, Step, Task


@dataclass(frozen=True, slots=True)
class Performance:
    """How an attempt ended, and what is to be kept together with that.

    Attributes:
        emitted: the fields of an event of our own.
        pause: the rule whose jobs are to wait from now on.
        resume: the rule whose jobs go on.
    """

    outcome: Outcome
    emitted: Mapping[str, FieldValue] | None = None
    pause: str | None = None
    resume: str | None = None


class Performs(Protocol):
    """Whoever does what a step says."""

    def perform(self, step: Step, attempt: Attempt) -> Deferred[Performance]:
        """Do it; fires when it is done or has failed."""
        ...

    def cancel(self, attempt: Attempt) -> None:
        """End an attempt that is under way; it fires as always."""
        ...


class Runs(Protocol):
    """What starts processes (`gateway.runner.client.Runner`)."""

    def run(self, attempt: Attempt) -> Deferred[Outcome]:
        """Start a process; fires with its outcome, and never fails."""
        ...

    def cancel(self, attempt: str) -> None:
        """End an attempt by its id."""
        ...


class Sends(Protocol):
    """What sends mails and messages (`gateway.outgoing.Outgoing`)."""

    def perform(self, step: Mail | Forward, attempt: Attempt) -> Deferred[Outcome]:
        """Send; fires with its outcome, and never fails."""
        ...


class Disposes(Protocol):
    """What deletes and moves files (`gateway.drop.disposal.Disposal`)."""

    def perform(self, step: Delete | Move, attempt: Attempt) -> Deferred[Outcome]:
        """Delete or move; fires with the outcome, and never fails."""
        ...


class Performer:
    """Does what steps say.

    Args:
        runner: starts processes.
        outgoing: sends mails and messages.
        by_runner: tells whether a mail goes through a program (sendmail) instead of SMTP.

    Attributes:
        disposal: deletes and moves files; None: there are no folders whose files are ours.
    """

    def __init__(
        self, runner: Runs, outgoing: Sends, by_runner: Callable[[], bool], disposal: Disposes | None = None
    ) -> None:
        self._runner = runner
        self._outgoing = outgoing
        self._by_runner = by_runner
        self.disposal = disposal

    def perform(self, step: Step, attempt: Attempt) -> Deferred[Performance]:
        """Do what a step says; fires when it is done or has failed."""
        match step:
            case Task() | Decrypt():
                return self._runner.run(attempt).addCallback(Performance)
            case Mail() if self._by_runner():
                return self._runner.run(attempt).addCallback(Performance)
            case Mail() | Forward():
                return self._outgoing.perform(step, attempt).addCallback(Performance)
            case Delete() | Move() if self.disposal is not None:
                return self.disposal.perform(step, attempt).addCallback(Performance)
            case Emit():
                return succeed(Performance(_done(attempt), emitted=emitted_fields(step, attempt)))
            case Pause():
                return succeed(Performance(_done(attempt), pause=fill_known(step.rule, attempt.event)))
            case Resume():
                return succeed(Performance(_done(attempt), resume=fill_known(step.rule, attempt.event)))
        return succeed(Performance(Outcome(attempt.id, Ending.REFUSED, error=f"{step.name} is no step to perform")))

    def cancel(self, attempt: Attempt) -> None:
        """End an attempt that is under way; only processes can be ended, the others end by themselves."""
        self._runner.cancel(attempt.id)


def _done(attempt: Attempt) -> Outcome:
    return Outcome(attempt.id, Ending.CONFIRMED)
