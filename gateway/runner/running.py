"""One job that runs: what it writes, when its time is up, and how it is ended with everything it started."""

from __future__ import annotations

import enum
import os
import signal
from collections import deque

from gateway.jobs.outcome import Ending, Outcome
from gateway.runner.children import Child
from gateway.runner.protocol import MAX_OUTPUT
from rules.job import Task

READ_SIZE = 64 * 1024
"""Octets of one read: what a pipe holds."""

READS_AT_ONCE = 16
"""Reads of one output before the others get their turn."""

LAST_READS = 32
"""Reads of what a pipe holds after all who wrote to it are gone; somebody else may have been handed its end."""


class Phase(enum.Enum):
    """Where a job stands; it only moves down this list."""

    RUNNING = enum.auto()
    TERMINATING = enum.auto()  # TERM was sent; the grace runs
    KILLING = enum.auto()  # KILL is sent to whatever is left


class Cause(enum.Enum):
    """Why a job is ended before it ends itself."""

    TIMEOUT = enum.auto()
    CANCEL = enum.auto()
    STOP = enum.auto()  # the gateway stops, or is gone


class Capture:
    """One output: its first octets, and a count of those thrown away."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.descriptor: int = descriptor
        self.dropped = 0
        self._limit = limit
        self._parts: deque[bytes] = deque()
        self._size = 0
        self.closed = False

    def read(self, times: int = READS_AT_ONCE) -> bool:
        """Take what is there; False when nothing more will come."""
        for _ in range(times):
            try:
                data = os.read(self.descriptor, READ_SIZE)
            except BlockingIOError:
                return True
            if not data:
                return False
            kept = data[: self._limit - self._size]
            if kept:
                self._parts.append(kept)
                self._size += len(kept)
            self.dropped += len(data) - len(kept)
        return True

    def close(self) -> None:
        """Close the pipe; whoever still writes to it gets SIGPIPE."""
        if not self.closed:
            self.closed = True
            os.close(self.descriptor)

    def text(self) -> bytes:
        """Return what was kept."""
        return b"".join(self._parts)


class Running:
    """One job that runs; `until` is the monotonic time at which the present phase is over."""

    def __init__(self, job: str, task: Task, child: Child, now: float) -> None:
        self.job = job
        self.task = task
        self.pid = child.pid
        self.outputs = [Capture(pipe, min(task.output, MAX_OUTPUT)) for pipe in (child.stdout, child.stderr)]
        self.phase = Phase.RUNNING
        self.cause: Cause | None = None
        self.status: int | None = None
        self.started = now
        self.until = now + task.timeout
        self.kill_until = self.until  # set anew when the killing begins
        self.survivors: set[int] = set()
        self.error: str | None = None

    @property
    def first_alive(self) -> bool:
        """Whether its first process has not ended."""
        return self.status is None

    def outcome(self, now: float) -> Outcome:
        """Say how it ended; takes what is left in the pipes and closes them."""
        for output in self.outputs:
            if not output.closed:
                output.read(LAST_READS)
                output.close()
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        return Outcome(
            job=self.job,
            ending=self._ending(code),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            seconds=now - self.started,
            error=self._words(code),
            stdout=self.outputs[0].text(),
            stderr=self.outputs[1].text(),
            stdout_dropped=self.outputs[0].dropped,
            stderr_dropped=self.outputs[1].dropped,
            survivors=len(self.survivors),
        )

    def _ending(self, code: int | None) -> Ending:
        match self.cause:
            case Cause.TIMEOUT:
                return Ending.TIMED_OUT
            case Cause.STOP:
                return Ending.LOST
            case Cause.CANCEL:
                return Ending.KILLED
            case None:
                return Ending.EXITED if code is not None and code >= 0 else Ending.KILLED

    def _words(self, code: int | None) -> str | None:
        words = []
        match self.cause:
            case Cause.TIMEOUT:
                words.append(f"it ran longer than its timeout of {self.task.timeout:g} seconds")
            case Cause.CANCEL:
                words.append("it was cancelled")
            case Cause.STOP:
                words.append("the gateway stopped while it ran")
            case None if code is not None and code < 0:
                words.append(f"it was killed by {signal_name(-code)}")
            case None:
                pass
        if self.survivors:
            words.append(f"{len(self.survivors)} processes that it left behind were ended")
        if self.error:
            words.append(self.error)
        return "; ".join(words) or None


def signal_name(number: int) -> str:
    """Return SIGTERM for 15, and the number for one that has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
