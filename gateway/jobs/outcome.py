"""How one attempt of a job ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Ending(enum.Enum):
    """The ways an attempt can end."""

    EXITED = "exited"  # with exit_code
    KILLED = "killed"  # by a signal that was not ours
    TIMED_OUT = "timed-out"
    NOT_STARTED = "not-started"  # ENOENT, EACCES, an unknown user, a value that cannot be filled in
    LOST = "lost"  # the runner died while it ran


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt of a job ended.

    Attributes:
        seconds: from start to end.
        error: why it was not started, or what else is to be said, in words.
        stdout: the first octets up to the task's limit; more were thrown away when `stdout_dropped` is not 0.
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

    @property
    def success(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.ending is Ending.EXITED and self.exit_code == 0
