"""How one attempt of a job ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass

MAX_TAIL = 2000
"""Characters of a task's output in the event that tells of it: a traceback's end."""


class Ending(enum.Enum):
    """The ways an attempt can end."""

    EXITED = "exited"  # with exit_code
    KILLED = "killed"  # by a signal that was not ours
    TIMED_OUT = "timed-out"
    CONFIRMED = "confirmed"  # it was done: a stream's program answered OK, a mail was taken, a message acknowledged
    DECLINED = "declined"  # it was not done: another answer, or none before a stream's program ended in good order
    NOT_STARTED = "not-started"  # ENOENT, EACCES, an unknown user: another try may find it mended
    REFUSED = "refused"  # a value that cannot be filled in, a task that is no more: another try would end the same
    LOST = "lost"  # the runner died while it ran, or a connection before the answer: nobody knows what was done


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt of a job ended.

    Attributes:
        seconds: from start to end.
        error: why it was not started, what a stream's program answered, or what else is to be said, in words.
        stdout: the first octets up to the task's limit; more were thrown away when `stdout_dropped` is not 0. Of a
            stream there are none.
        stderr: as `stdout`; of a stream the last octets that its program wrote since the outcome before.
        temporary: it asks for another try itself, as the exit code EX_TEMPFAIL does.
        survivors: processes of its tree that had to be killed after its first process ended.
    """

    job: str
    ending: Ending
    exit_code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    error: str | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_dropped: int = 0
    stderr_dropped: int = 0
    survivors: int = 0
    temporary: bool = False

    @property
    def success(self) -> bool:
        """Whether it was done: exit code 0, or an answer that says so."""
        return self.ending is Ending.CONFIRMED or (self.ending is Ending.EXITED and self.exit_code == 0)


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
