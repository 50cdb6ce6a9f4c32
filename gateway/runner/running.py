"""What runs: a process with all that it started, where its ending stands, and what it writes."""

from __future__ import annotations

import enum
import functools
import os
import selectors
import signal
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from gateway.runner.children import Child
from gateway.runner.protocol import MAX_OUTPUT
from rules.outcome import Ending, Outcome
from rules.step import Task

READ_SIZE = 64 * 1024
"""Octets of one read: what a pipe holds."""

READS_AT_ONCE = 16
"""Reads of one output before the others get their turn."""

LAST_READS = 32
"""Reads of what a pipe holds after all who wrote to it are gone; somebody else may have been handed its end."""


class Phase(enum.Enum):
    """Where a process stands; it only moves down this list."""

    RUNNING = enum.auto()
    FINISHING = enum.auto()  # its standard input was closed, so that it may end by itself
    TERMINATING = enum.auto()  # TERM was sent; the grace runs
    KILLING = enum.auto()  # KILL is sent to whatever is left


class Cause(enum.Enum):
    """Why a process is ended before it ends itself."""

    TIMEOUT = enum.auto()
    CANCEL = enum.auto()
    STOP = enum.auto()  # the gateway stops, or is gone
    CHANGED = enum.auto()  # a stream's task is another now
    OUT_OF_STEP = enum.auto()  # a stream's program does not keep to the protocol


class Output:
    """One output of a process; what is not kept of it is counted in `dropped`."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.descriptor: int = descriptor
        self.dropped = 0
        self.closed = False
        self._limit = limit
        self._parts: deque[bytes] = deque()
        self._size = 0

    def read(self, times: int = READS_AT_ONCE) -> bool:
        """Take what is there; False when nothing more will come."""
        for _ in range(times):
            try:
                data = os.read(self.descriptor, READ_SIZE)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._keep(data)
        return True

    def close(self) -> None:
        """Close the pipe; whoever still writes to it gets SIGPIPE."""
        if not self.closed:
            self.closed = True
            os.close(self.descriptor)

    def text(self) -> bytes:
        """Return what was kept."""
        return b"".join(self._parts)

    def _keep(self, data: bytes) -> None:
        raise NotImplementedError


class Head(Output):
    """An output of which the first octets are kept."""

    def _keep(self, data: bytes) -> None:
        kept = data[: self._limit - self._size]
        if kept:
            self._parts.append(kept)
            self._size += len(kept)
        self.dropped += len(data) - len(kept)


class Tail(Output):
    """An output of which the last octets are kept, until somebody takes them."""

    def _keep(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        while self._size > self._limit:
            over = self._size - self._limit
            oldest = self._parts.popleft()
            if len(oldest) > over:
                self._parts.appendleft(oldest[over:])
            gone = min(over, len(oldest))
            self._size -= gone
            self.dropped += gone

    def take(self) -> tuple[bytes, int]:
        """Return what was kept and how much was not, and begin anew."""
        taken = self.text(), self.dropped
        self._parts.clear()
        self._size = self.dropped = 0
        return taken


class Running(ABC):
    """A process that we started, with all that it started itself.

    Attributes:
        name: what its processes have as GATEWAY_JOB: the attempt's id, or the task's name for a stream.
        until: the monotonic time at which the present phase is over.
        survivors: processes that were there when the first had ended.
        error: what else is to be said of its end.
    """

    def __init__(self, name: str, task: Task, pid: int, until: float) -> None:
        self.name = name
        self.task = task
        self.pid = pid
        self.phase = Phase.RUNNING
        self.cause: Cause | None = None
        self.status: int | None = None
        self.until = until
        self.kill_until = until  # set anew when the killing begins
        self.survivors: set[int] = set()
        self.error: str | None = None

    @property
    def first_alive(self) -> bool:
        """Whether its first process has not ended."""
        return self.status is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of its first process; None while it lives, or when a signal ended it."""
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        return code if code is not None and code >= 0 else None

    @property
    def signal(self) -> int | None:
        """The signal that ended its first process."""
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        return -code if code is not None and code < 0 else None

    def expired(self) -> Cause:
        """Say why it is ended now that its time is up."""
        return Cause.TIMEOUT

    def close_input(self) -> bool:
        """Let it end by itself by closing its standard input; False where that means nothing to it."""
        return False

    def first_ended(self) -> None:  # noqa: B027 -- most have nothing to do then
        """Take note that its first process has ended; others may be left."""

    @abstractmethod
    def over(self, now: float) -> None:
        """Take note that nothing of it runs any more."""

    def more_words(self) -> list[str]:
        """Say what else there is to say of its end."""
        words = []
        if self.survivors:
            words.append(f"{len(self.survivors)} processes that it left behind were ended")
        if self.error:
            words.append(self.error)
        return words


class RunningJob(Running):
    """One attempt of a job that has a process of its own; `ended` is told how it ended."""

    def __init__(
        self, job: str, task: Task, child: Child, selector: selectors.BaseSelector, ended: Callable[[Outcome], None]
    ) -> None:
        self._started = time.monotonic()
        super().__init__(job, task, child.pid, self._started + task.timeout)
        self._selector = selector
        self._ended = ended
        self._outputs = [Head(pipe, min(task.output, MAX_OUTPUT)) for pipe in (child.stdout, child.stderr)]
        for output in self._outputs:
            selector.register(output.descriptor, selectors.EVENT_READ, functools.partial(self._read, output))

    def over(self, now: float) -> None:
        """Take what is left in the pipes, close them, and tell how it ended."""
        for output in self._outputs:
            if not output.closed:
                output.read(LAST_READS)
                self._close(output)
        self._ended(self._outcome(now))

    def _read(self, output: Output, _mask: int) -> None:
        if not output.closed and not output.read():
            self._close(output)

    def _close(self, output: Output) -> None:
        self._selector.unregister(output.descriptor)
        output.close()

    def _outcome(self, now: float) -> Outcome:
        return Outcome(
            job=self.name,
            ending=self._ending(),
            exit_code=self.exit_code,
            signal=self.signal,
            seconds=now - self._started,
            error=self._words(),
            stdout=self._outputs[0].text(),
            stderr=self._outputs[1].text(),
            stdout_dropped=self._outputs[0].dropped,
            stderr_dropped=self._outputs[1].dropped,
            survivors=len(self.survivors),
        )

    def _ending(self) -> Ending:
        match self.cause:
            case Cause.TIMEOUT:
                return Ending.TIMED_OUT
            case Cause.STOP:
                return Ending.LOST
            case None if self.exit_code is not None:
                return Ending.EXITED
            case _:
                return Ending.KILLED

    def _words(self) -> str | None:
        words = []
        match self.cause:
            case Cause.TIMEOUT:
                words.append(f"it ran longer than its timeout of {self.task.timeout:g} seconds")
            case Cause.CANCEL:
                words.append("it was cancelled")
            case Cause.STOP:
                words.append("the gateway stopped while it ran")
            case None if self.signal is not None:
                words.append(f"it was killed by {signal_name(self.signal)}")
        return "; ".join(words + self.more_words()) or None


def signal_name(number: int) -> str:
    """Return SIGTERM for 15, and the number for one that has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
