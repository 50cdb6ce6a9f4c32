"""See all that runs to its end: fetch exit statuses, keep times, send TERM and then KILL to whole trees."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Container

from gateway.runner import tree
from gateway.runner.ownership import Ownership
from gateway.runner.running import Cause, Phase, Running

STOP_GRACE = 10.0
"""Seconds until KILL when the gateway stops, whatever grace the task has: an init system waits 90."""

KILL_TIME = 10.0
"""Seconds of killing, round after round, before a job is given up with processes left (uninterruptible sleep)."""

KILL_PAUSE = 0.01
"""Seconds between two rounds of killing."""

KILL_SLICE = 0.05
"""Seconds one round of killing may hold up the other jobs."""


class Processes:
    """All that runs; `own` says which children are the runner's own and nobody's job."""

    def __init__(self, own: Callable[[], Container[int]]) -> None:
        self._own = own
        self._running: dict[str, Running] = {}
        self._first: dict[int, Running] = {}  # by the pid of its first process
        self._ownership = Ownership(self._running, self._first)
        self._stopping = False

    def __len__(self) -> int:
        """Count what runs."""
        return len(self._running)

    def add(self, running: Running) -> None:
        """Take note of one that was started."""
        self._running[running.name] = running
        self._first[running.pid] = running

    def get(self, name: str) -> Running | None:
        """Return what runs under a name."""
        return self._running.get(name)

    def next_time(self) -> float:
        """Return the monotonic time at which `keep_times` has something to do."""
        return min((running.until for running in self._running.values()), default=math.inf)

    def finish(self, running: Running, cause: Cause) -> None:
        """Let one end by itself within its grace where its input tells it to; else end it."""
        if running.phase is not Phase.RUNNING:
            return
        if not running.close_input():
            self.end(running, cause)
            return
        running.cause = cause
        running.phase = Phase.FINISHING
        running.until = time.monotonic() + self._grace(running)

    def end(self, running: Running, cause: Cause) -> None:
        """End one with all that it started; a cause that it has already stays."""
        if running.phase in (Phase.RUNNING, Phase.FINISHING):
            running.cause = running.cause or cause
            self._terminate(running, self._left(running))

    def stop(self) -> None:
        """End all because the gateway stops."""
        self._stopping = True
        for running in list(self._running.values()):
            self.finish(running, Cause.STOP)
            running.until = min(running.until, time.monotonic() + self._grace(running))

    def fetch_statuses(self) -> None:
        """Fetch the exit statuses of all children that have ended, and see to what they left."""
        fetched = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            fetched = True
            if running := self._first.pop(pid, None):
                running.status = status
                running.first_ended()
        if fetched:
            for running in [running for running in self._running.values() if not running.first_alive]:
                self._after_first(running)

    def keep_times(self) -> None:
        """Go on with those whose time is up."""
        now = time.monotonic()
        for running in [running for running in self._running.values() if now >= running.until]:
            match running.phase:
                case Phase.RUNNING | Phase.FINISHING:
                    self.end(running, running.expired())
                case Phase.TERMINATING:
                    running.phase = Phase.KILLING
                    running.kill_until = now + KILL_TIME
                    self._kill(running)
                case Phase.KILLING:
                    self._kill(running)

    def _grace(self, running: Running) -> float:
        # Half, for when the input was closed first, a second grace follows.
        most = STOP_GRACE / 2 if running.task.stream else STOP_GRACE
        return min(running.task.grace, most) if self._stopping else running.task.grace

    def _left(self, running: Running) -> list[tree.Process]:
        return self._ownership.processes(running, self._own())

    def _after_first(self, running: Running) -> None:
        """Finish one whose first process has ended, or see to those that it left behind."""
        left = self._left(running)
        if not left:
            self._over(running)
            return
        running.survivors.update(process.pid for process in left)
        if running.phase in (Phase.RUNNING, Phase.FINISHING):
            self._terminate(running, left)

    def _terminate(self, running: Running, processes: list[tree.Process]) -> None:
        running.phase = Phase.TERMINATING
        running.until = time.monotonic() + self._grace(running)
        for process in processes:
            tree.send(process, signal.SIGTERM, signal.SIGCONT)  # a stopped process takes TERM only when it goes on

    def _kill(self, running: Running) -> None:
        """Kill what is left of a job, round after round: each round sees fewer that can still fork.

        A process that has been sent KILL cannot fork any more (fork(2) fails when a fatal signal is pending).
        """
        end = time.monotonic() + KILL_SLICE
        while True:
            left = self._left(running)
            for process in left:
                tree.send(process, signal.SIGKILL)
            if not running.first_alive:
                running.survivors.update(process.pid for process in left)
            self.fetch_statuses()
            if running.name not in self._running:
                return
            now = time.monotonic()
            if now >= running.kill_until:
                pids = ", ".join(str(process.pid) for process in left[:10])
                running.error = f"{len(left)} of its processes cannot be killed: {pids}"
                self._over(running)
                return
            if now >= end:
                running.until = now + KILL_PAUSE
                return

    def _over(self, running: Running) -> None:
        del self._running[running.name]
        self._first.pop(running.pid, None)
        running.over(time.monotonic())
        self._ownership.forget(running)
