"""Serve one gateway: take its requests, start children, and tell how they ended."""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from gateway.jobs.outcome import Ending, Outcome
from gateway.runner import tree
from gateway.runner.children import StartError, environment, identity, start_child
from gateway.runner.ownership import Ownership
from gateway.runner.protocol import (
    Cancel,
    Ended,
    Lines,
    ProtocolError,
    Ready,
    Refused,
    Reload,
    Reloaded,
    ReloadFailed,
    Reply,
    Request,
    Start,
    Started,
    read_request,
    reply_line,
)
from gateway.runner.running import Capture, Cause, Phase, Running
from gateway.runner.tasks import LOADER, LastGood, LoadError, Loading
from rules.job import FillError, Task, fill_argv

MAX_QUEUE = 2000
"""Starts that wait here; the gateway sends about twice as many as may run and keeps the rest."""

MAX_UNSENT = 8 * 1024 * 1024
"""Octets of replies that the gateway has not taken; above it nothing more is started or read."""

STOP_GRACE = 10.0
"""Seconds between TERM and KILL when the gateway stops, whatever grace the task has: an init system waits 90."""

LOAD_TIME = 60.0
"""Seconds for loading the tasks."""

KILL_TIME = 10.0
"""Seconds of killing, round after round, before a job is given up with processes left (uninterruptible sleep)."""

KILL_PAUSE = 0.01
"""Seconds between two rounds of killing."""

KILL_SLICE = 0.05
"""Seconds one round of killing may hold up the other jobs."""

WRITE_SIZE = 256 * 1024
"""Octets of one write: about what a unix socket takes at a time."""


class Server:
    """The runner's side of one connection; `serve` returns when the gateway is gone and all tasks have ended."""

    def __init__(
        self,
        connection: socket.socket,
        config: Path,
        limit: int,
        loader: str = LOADER,
        last_good: LastGood | None = None,
    ) -> None:
        self._connection = connection
        self._last_good = last_good or LastGood()
        self._config = config
        self._limit = limit
        self._loader = loader
        self._lines = Lines()
        self._unsent = bytearray()
        self._tasks: dict[str, Task] | None = None  # None until they are loaded for the first time
        self._loading: tuple[Loading, float] | None = None
        self._reload_again = False
        self._queue: deque[Start] = deque()
        self._running: dict[str, Running] = {}
        self._first: dict[int, Running] = {}  # by the pid of its first process
        self._ownership = Ownership(self._running, self._first)
        self._selector = selectors.DefaultSelector()
        self._asked_to_stop = False
        self._stopping = False
        self._reading = True
        self._watched = 0

    def serve(self) -> None:
        """Serve until the end."""
        tree.become_subreaper()
        self._connection.setblocking(False)
        wakeup_read, wakeup_write = os.pipe()
        os.set_blocking(wakeup_read, False)
        os.set_blocking(wakeup_write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the wake-up pipe is what counts
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        self._selector.register(wakeup_read, selectors.EVENT_READ, wakeup_read)
        self._load()
        gc.freeze()  # what is there stays; collections need not look at it again
        while not (self._stopping and not self._running):
            self._turn()
        self._flush()

    def _on_terminate(self, _number: int, _frame: object) -> None:
        self._asked_to_stop = True

    def _turn(self) -> None:
        """Wait for something to happen, and do what follows from it."""
        self._watch_connection()
        for key, mask in self._selector.select(self._patience()):
            match key.data:
                case socket.socket():
                    if mask & selectors.EVENT_WRITE:
                        self._flush()
                    if mask & selectors.EVENT_READ:
                        self._receive()
                case Capture() as output:
                    if not output.closed and not output.read():
                        self._close(output)
                case Loading() as loading:
                    if loading.read():
                        self._selector.unregister(key.fd)
                        self._loaded(loading)
                case wakeup:
                    os.read(wakeup, 4096)
        if self._asked_to_stop:
            self._stop()
        self._fetch_statuses()
        self._keep_times()
        self._start_waiting()
        self._flush()

    def _patience(self) -> float | None:
        times = [job.until for job in self._running.values()]
        if self._loading:
            times.append(self._loading[1])
        return max(0.0, min(times) - time.monotonic()) if times else None

    # The connection

    def _watch_connection(self) -> None:
        wanted = selectors.EVENT_WRITE if self._unsent else 0
        if self._reading and len(self._unsent) < MAX_UNSENT:
            wanted |= selectors.EVENT_READ
        if wanted == self._watched:
            return
        if not self._watched:
            self._selector.register(self._connection, wanted, self._connection)
        elif wanted:
            self._selector.modify(self._connection, wanted, self._connection)
        else:
            self._selector.unregister(self._connection)
        self._watched = wanted

    def _receive(self) -> None:
        try:
            data = self._connection.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._reading = False
            self._stop()
            return
        try:
            for line in self._lines.feed(data):
                self._obey(read_request(line))
        except ProtocolError as error:
            sys.stderr.write(f"the gateway sent what it should not: {error}\n")
            self._reading = False
            self._stop()

    def _tell(self, reply: Reply) -> None:
        self._unsent += reply_line(reply)

    def _flush(self) -> None:
        while self._unsent:
            try:
                sent = self._connection.send(bytes(self._unsent[:WRITE_SIZE]))
            except BlockingIOError:
                return
            except OSError:  # the gateway is gone; the end of its requests says so too
                self._unsent.clear()
                return
            del self._unsent[:sent]

    # Requests

    def _obey(self, request: Request) -> None:
        match request:
            case Start():
                self._take(request)
            case Cancel():
                self._cancel(request.job)
            case Reload():
                self._load()

    def _take(self, start: Start) -> None:
        if self._stopping:
            return  # the gateway still has it
        if start.job in self._running or any(start.job == waiting.job for waiting in self._queue):
            self._tell(Refused(start.job, "a job with this id runs or waits already"))
        elif len(self._queue) >= MAX_QUEUE:
            self._tell(Refused(start.job, f"{MAX_QUEUE} jobs wait already"))
        else:
            self._queue.append(start)

    def _cancel(self, job: str) -> None:
        for start in self._queue:
            if start.job == job:
                self._queue.remove(start)
                self._not_started(job, "it was cancelled before it was started")
                return
        if running := self._running.get(job):
            self._end(running, Cause.CANCEL)

    def _load(self) -> None:
        if self._loading:
            self._reload_again = True  # what is being read may be older than this request
            return
        loading = Loading(self._config, self._loader)
        self._loading = (loading, time.monotonic() + LOAD_TIME)
        self._selector.register(loading.descriptor, selectors.EVENT_READ, loading)

    def _loaded(self, loading: Loading) -> None:
        self._loading = None
        first = self._tasks is None
        try:
            self._tasks = loading.result()
        except LoadError as error:
            self._load_failed(str(error))
            return
        self._last_good.keep(self._tasks)
        counts = _counts(self._tasks)
        self._tell(Ready(os.getpid(), counts) if first else Reloaded(counts))
        self._load_once_more()

    def _load_failed(self, words: str) -> None:
        if self._tasks is None:
            self._tasks = self._last_good.recall()
            self._tell(Ready(os.getpid(), _counts(self._tasks), words))
        else:
            self._tell(ReloadFailed(words))
        self._load_once_more()

    def _load_once_more(self) -> None:
        if self._reload_again:
            self._reload_again = False
            self._load()

    # Starting

    def _start_waiting(self) -> None:
        if not self._queue or self._tasks is None or len(self._unsent) >= MAX_UNSENT:
            return
        busy: dict[str, int] = {}
        for job in self._running.values():
            busy[job.task.name] = busy.get(job.task.name, 0) + 1
        passed: deque[Start] = deque()
        while self._queue and len(self._running) < self._limit:
            start = self._queue.popleft()
            task = self._tasks.get(start.task)
            if task is None:
                words = f"the runner knows no task {start.task}; reload it when the configuration has changed"
                self._not_started(start.job, words)
            elif busy.get(task.name, 0) >= max(1, task.concurrency):
                passed.append(start)
            elif self._start(start, task):
                busy[task.name] = busy.get(task.name, 0) + 1
        self._queue.extendleft(reversed(passed))

    def _start(self, start: Start, task: Task) -> bool:
        try:
            argv = fill_argv(task.argv, start.fields, options=task.options)
            who = identity(task.user, task.group)
            variables = environment(task, start, who)
            stdin = json.dumps(start.fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
            child = start_child(task, argv, variables, who, stdin if task.stdin else None)
        except (FillError, StartError) as error:
            self._not_started(start.job, str(error))
            return False
        job = Running(start.job, task, child, time.monotonic())
        self._running[job.job] = job
        self._first[job.pid] = job
        for output in job.outputs:
            self._selector.register(output.descriptor, selectors.EVENT_READ, output)
        self._tell(Started(job.job, job.pid))
        return True

    def _not_started(self, job: str, words: str) -> None:
        self._tell(Ended(Outcome(job, Ending.NOT_STARTED, error=words)))

    # Ending

    def _fetch_statuses(self) -> None:
        """Fetch the exit statuses of all children that have ended, and end the jobs whose first process has."""
        fetched = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            fetched = True
            if job := self._first.pop(pid, None):
                job.status = status
        if fetched:
            for job in [job for job in self._running.values() if not job.first_alive]:
                self._after_first(job)

    def _after_first(self, job: Running) -> None:
        """Finish a job whose first process has ended, or see to those that it left behind."""
        left = self._left(job)
        if not left:
            self._finish(job)
            return
        job.survivors.update(process.pid for process in left)
        if job.phase is Phase.RUNNING:
            self._terminate(job, left)

    def _left(self, job: Running) -> list[tree.Process]:
        others = [self._loading[0].pid] if self._loading else []
        return self._ownership.processes(job, others)

    def _end(self, job: Running, cause: Cause) -> None:
        if job.phase is Phase.RUNNING:
            job.cause = cause
            self._terminate(job, self._left(job))
        elif cause is Cause.STOP:
            job.until = min(job.until, time.monotonic() + STOP_GRACE)

    def _terminate(self, job: Running, processes: list[tree.Process]) -> None:
        job.phase = Phase.TERMINATING
        grace = min(job.task.grace, STOP_GRACE) if self._stopping else job.task.grace
        job.until = time.monotonic() + grace
        for process in processes:
            tree.send(process, signal.SIGTERM, signal.SIGCONT)  # a stopped process takes TERM only when it goes on

    def _keep_times(self) -> None:
        now = time.monotonic()
        if self._loading and now >= self._loading[1]:
            loading = self._loading[0]
            self._loading = None
            self._selector.unregister(loading.descriptor)
            loading.give_up()
            self._load_failed(f"{self._config} was not loaded within {LOAD_TIME:g} seconds")
        for job in [job for job in self._running.values() if now >= job.until]:
            match job.phase:
                case Phase.RUNNING:
                    self._end(job, Cause.TIMEOUT)
                case Phase.TERMINATING:
                    job.phase = Phase.KILLING
                    job.kill_until = now + KILL_TIME
                    self._kill(job)
                case Phase.KILLING:
                    self._kill(job)

    def _kill(self, job: Running) -> None:
        """Kill what is left of a job, round after round: each round sees fewer that can still fork.

        A process that has been sent KILL cannot fork any more (fork(2) fails when a fatal signal is pending).
        """
        end = time.monotonic() + KILL_SLICE
        while True:
            left = self._left(job)
            for process in left:
                tree.send(process, signal.SIGKILL)
            if not job.first_alive:
                job.survivors.update(process.pid for process in left)
            self._fetch_statuses()
            if job.job not in self._running:
                return
            now = time.monotonic()
            if now >= job.kill_until:
                job.error = f"{len(left)} of its processes cannot be killed: {', '.join(str(p.pid) for p in left[:10])}"
                self._finish(job)
                return
            if now >= end:
                job.until = now + KILL_PAUSE
                return

    def _finish(self, job: Running) -> None:
        del self._running[job.job]
        self._first.pop(job.pid, None)
        for output in job.outputs:
            if not output.closed:
                self._selector.unregister(output.descriptor)
        self._tell(Ended(job.outcome(time.monotonic())))
        self._ownership.forget(job)

    def _close(self, output: Capture) -> None:
        self._selector.unregister(output.descriptor)
        output.close()

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._queue.clear()  # the gateway still has them
        for job in list(self._running.values()):
            self._end(job, Cause.STOP)


def _counts(tasks: Mapping[str, Task]) -> dict[str, int]:
    return {name: task.concurrency for name, task in tasks.items()}
