"""The long-lived program of a stream: one event at a time goes in as a line, and lines come out."""

from __future__ import annotations

import fcntl
import math
import os
import selectors
import struct
import termios
import time
from contextlib import suppress
from typing import Protocol

from gateway.runner.children import Child, Identity, give_to, start_child
from gateway.runner.protocol import MAX_OUTPUT
from gateway.runner.running import LAST_READS, READ_SIZE, READS_AT_ONCE, Cause, Phase, Running, Tail
from rules.step import Task

MAX_ANSWER = 8 * 1024
"""Octets of one line of an answer: an error message and its story; what is longer is no answer."""

LINGER = 1.0
"""Seconds that a program gets to end by itself once it has closed a pipe, so that its exit code is known."""


class Owner(Protocol):
    """Whoever is told what the program does."""

    def said(self, line: bytes) -> None:
        """It has written a line."""

    def closed_input(self) -> None:
        """It will not read any more."""

    def child_over(self, now: float) -> None:
        """It is gone, with all that it started."""


class StreamChild(Running):
    """One life of a stream's program.

    Attributes:
        ready: it has said that it is, or need not say so.
        settled: the monotonic time from which it may be given an event.
        retiring: it is to end once it has answered.
        untouched: whether it had read nothing of the last event when it ended.
        doomed: why it is given no more events, in words.
    """

    def __init__(self, task: Task, child: Child, stdin: int, selector: selectors.BaseSelector, owner: Owner) -> None:
        super().__init__(task.name, task, child.pid, math.inf)
        self.ready = not task.ready
        self.settled = 0.0
        self.retiring = False
        self.untouched = False
        self.doomed: str | None = None
        self.started = time.monotonic()
        self._selector = selector
        self._owner = owner
        self._stdin: int | None = stdin
        self._stdout: int | None = child.stdout
        self._stderr = Tail(child.stderr, min(task.output, MAX_OUTPUT))
        self._length = 0
        self._unsent = b""
        self._line = bytearray()
        # Nothing can be read from the writing end of a pipe; epoll(7) tells there that nobody has the other any more.
        selector.register(stdin, selectors.EVENT_READ, self._on_stdin)
        selector.register(child.stdout, selectors.EVENT_READ, self._on_stdout)
        selector.register(child.stderr, selectors.EVENT_READ, self._on_stderr)

    @property
    def usable(self) -> bool:
        """Whether it may be given an event."""
        return self.phase is Phase.RUNNING and self.doomed is None and not self.retiring

    @property
    def listened_to(self) -> bool:
        """Whether what it writes still counts."""
        return self.phase in (Phase.RUNNING, Phase.FINISHING)

    def send(self, line: bytes) -> None:
        """Give it an event; it has its task's timeout to answer."""
        self.until = time.monotonic() + self.task.timeout
        self._length = len(line)
        self._unsent = line
        self._write()

    def unread(self) -> int:
        """Return how many octets of the last event it has not read."""
        if self._stdin is None:
            return 0
        size = struct.pack("i", 0)
        waiting: int = struct.unpack("i", fcntl.ioctl(self._stdin, termios.FIONREAD, size))[0]
        return len(self._unsent) + waiting

    def read_now(self, times: int = 1) -> None:
        """Take the lines that are there."""
        for _ in range(times):
            if self._stdout is None:
                return
            try:
                data = os.read(self._stdout, READ_SIZE)
            except BlockingIOError:
                return
            if data:
                self._take(data)
            else:
                self._close_stdout()
                if self.listened_to:
                    self.doom("it closed its standard output")

    def take_stderr(self) -> tuple[bytes, int]:
        """Return the last that it wrote on standard error since this was asked before, and how much more there was."""
        if not self._stderr.closed:
            self._stderr.read()
        return self._stderr.take()

    def doom(self, words: str) -> None:
        """Give it no more events, and some time to end by itself."""
        if self.doomed is None:
            self.doomed = words
            self.until = min(self.until, time.monotonic() + LINGER)

    def expired(self) -> Cause:
        """Say why it is ended: for want of an answer, or for what it did before."""
        return Cause.OUT_OF_STEP if self.doomed else Cause.TIMEOUT

    def close_input(self) -> bool:
        """Let it see the end of its input; not in the middle of a line, for it might take that for a whole one."""
        if self._unsent:
            return False
        self._close_stdin()
        return True

    def first_ended(self) -> None:
        """Take its last words; what it may have left behind cannot answer for it."""
        self.read_now(LAST_READS)

    def over(self, now: float) -> None:
        """Close the pipes."""
        self.untouched = self.unread() == self._length > 0
        self._close_stdin()
        self._close_stdout()
        if not self._stderr.closed:
            self._stderr.read(LAST_READS)
            self._selector.unregister(self._stderr.descriptor)
            self._stderr.close()
        self._owner.child_over(now)

    def _write(self) -> None:
        if self._stdin is None:
            return
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._stdin, self._unsent) :]
            wanted = selectors.EVENT_READ
        except BlockingIOError:
            wanted = selectors.EVENT_READ | selectors.EVENT_WRITE
        except BrokenPipeError:
            self._gone_reader()
            return
        with suppress(KeyError):  # its reader was seen to be gone before
            if self._selector.get_key(self._stdin).events != wanted:
                self._selector.modify(self._stdin, wanted, self._on_stdin)

    def _on_stdin(self, mask: int) -> None:
        if self._stdin is None:
            return
        if mask & selectors.EVENT_READ:
            self._gone_reader()
        elif self._unsent:
            self._write()

    def _gone_reader(self) -> None:
        if self._stdin is None:
            return
        with suppress(KeyError):
            self._selector.unregister(self._stdin)  # but it stays open: what was not read can still be told
        if self.listened_to:
            self._owner.closed_input()

    def _on_stdout(self, _mask: int) -> None:
        self.read_now(READS_AT_ONCE)

    def _on_stderr(self, _mask: int) -> None:
        if not self._stderr.closed and not self._stderr.read():
            self._selector.unregister(self._stderr.descriptor)
            self._stderr.close()

    def _take(self, data: bytes) -> None:
        if not self.listened_to:
            return  # but it is taken, lest the program hang in writing
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = bytes(self._line) + line
            self._line.clear()
            if self.listened_to:
                self._owner.said(whole)
        self._line += rest
        if len(self._line) > MAX_ANSWER and self.listened_to:
            whole = bytes(self._line)
            self._line.clear()
            self._owner.said(whole)

    def _close_stdin(self) -> None:
        if self._stdin is not None:
            with suppress(KeyError):
                self._selector.unregister(self._stdin)
            os.close(self._stdin)
            self._stdin = None

    def _close_stdout(self) -> None:
        if self._stdout is not None:
            self._selector.unregister(self._stdout)
            os.close(self._stdout)
            self._stdout = None


def start_stream(
    task: Task,
    argv: list[str],
    variables: dict[str, str],
    who: Identity,
    selector: selectors.BaseSelector,
    owner: Owner,
) -> StreamChild:
    """Start a stream's program.

    Raises:
        StartError: it could not be started.
    """
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    give_to(who, theirs)
    try:
        child = start_child(task, argv, variables, who, theirs)
    except BaseException:
        os.close(ours)
        raise
    return StreamChild(task, child, ours, selector, owner)
