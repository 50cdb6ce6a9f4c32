"""Serve one gateway: take its requests, start children, and tell how they ended."""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gateway.clock import now
from gateway.runner import tree
from gateway.runner.children import (
    Child,
    Identity,
    StartError,
    empty_input,
    environment,
    identity,
    input_file,
    lines_of,
    start_child,
)
from gateway.runner.conversation import Conversation
from gateway.runner.folders import JobFolders
from gateway.runner.loads import Loads
from gateway.runner.processes import Processes
from gateway.runner.protocol import (
    Cancel,
    Clean,
    Ended,
    NotTaken,
    Ready,
    Reload,
    Reloaded,
    ReloadFailed,
    Request,
    Room,
    Start,
    Starting,
)
from gateway.runner.running import Cause, RunningJob
from gateway.runner.streams import CANCELLED, MAX_EVENTS, Streams
from gateway.runner.tasks import LOADER, LastGood, LoadError
from gateway.runner.waiting import Lanes, Waiting
from rules.decrypted import plain_name
from rules.job import FillError, fill_argv
from rules.mail import compose
from rules.outcome import Ending, Outcome
from rules.step import Task

MAX_WAITING = 2000
"""Starts of one task that wait here; the gateway sends about twice as many as may run and keeps the rest."""


class Server:
    """The runner's side of one connection; `serve` returns when the gateway is gone and all tasks have ended."""

    def __init__(
        self,
        connection: socket.socket,
        config: Path,
        limit: int,
        loader: str = LOADER,
        last_good: LastGood | None = None,
        folders: Path | None = None,
    ) -> None:
        connection.setblocking(False)
        self._last_good = last_good or LastGood()
        self._tasks: dict[str, Task] | None = None  # None until they are loaded for the first time
        self._selector = selectors.DefaultSelector()
        self._gateway = Conversation(connection, self._selector, self._obey, self._stop)
        self._loads = Loads(self._selector, config, loader, self._loaded)
        self._processes = Processes(self._loads.pids)
        self._streams = Streams(self._processes, self._selector, self._ended)
        self._waiting = Waiting()
        self._lanes = Lanes(limit)
        self._folders = JobFolders(folders)
        self._chosen: list[tuple[Start, Task | None]] = []  # those that are being told to be starting
        self._asked_to_stop = False
        self._stopping = False

    def serve(self) -> None:
        """Serve until the end."""
        tree.become_subreaper()
        wakeup_read, wakeup_write = os.pipe()
        os.set_blocking(wakeup_read, False)
        os.set_blocking(wakeup_write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the wake-up pipe is what counts
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        self._selector.register(wakeup_read, selectors.EVENT_READ, lambda _: os.read(wakeup_read, 4096))
        self._loads.begin()
        gc.freeze()  # what is there stays; collections need not look at it again
        while not (self._stopping and not self._processes):
            self._turn()
        self._gateway.flush()

    def _on_terminate(self, _number: int, _frame: object) -> None:
        self._asked_to_stop = True

    def _turn(self) -> None:
        """Wait for something to happen, and do what follows from it."""
        self._gateway.watch()
        times = min(
            self._processes.next_time(), self._streams.next_time(), self._folders.next_time(), self._loads.until
        )
        for key, mask in self._selector.select(None if times == float("inf") else max(0.0, times - time.monotonic())):
            key.data(mask)
        if self._asked_to_stop:
            self._stop()
        self._processes.fetch_statuses()
        self._processes.keep_times()
        self._loads.keep_time()
        self._streams.go_on()
        self._folders.go_on()
        self._start_waiting()
        self._gateway.flush()

    # Requests

    def _obey(self, request: Request) -> None:
        match request:
            case Start():
                self._take(request)
            case Cancel():
                self._cancel(request.job)
            case Reload():
                self._loads.begin()
            case Clean():
                self._folders.remove(request.job)

    def _take(self, start: Start) -> None:
        if self._stopping:
            return  # the gateway still has it
        task = self._tasks.get(start.task) if self._tasks else None
        if start.job in self._waiting or start.job in self._lanes:
            self._gateway.tell(NotTaken(start.job, "a job with this id runs or waits already"))
        elif self._waiting.count(start.task) >= (MAX_EVENTS if task and task.stream else MAX_WAITING):
            self._gateway.tell(NotTaken(start.job, f"too many jobs of {start.task} wait already"))
        else:
            self._waiting.add(start)

    def _cancel(self, job: str) -> None:
        chosen = next((item for item in self._chosen if item[0].job == job), None)
        if chosen:
            self._chosen.remove(chosen)
        if chosen or self._waiting.withdraw(job):
            self._ended(Outcome(job, Ending.NOT_STARTED, error=CANCELLED))
        elif not self._streams.cancel(job) and (running := self._processes.get(job)):
            self._processes.end(running, Cause.CANCEL)

    def _loaded(self, result: dict[str, Task] | LoadError) -> None:
        first = self._tasks is None
        if isinstance(result, LoadError):
            if first:
                self._tasks = self._last_good.recall()
                self._gateway.tell(Ready(os.getpid(), _rooms(self._tasks), str(result), self._folders.names()))
            else:
                self._gateway.tell(ReloadFailed(str(result)))
            return
        self._tasks = result
        self._last_good.keep(result)
        self._streams.change(result)
        rooms = _rooms(result)
        self._gateway.tell(Ready(os.getpid(), rooms, folders=self._folders.names()) if first else Reloaded(rooms))

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._waiting.clear()  # the gateway still has them
        self._chosen.clear()
        self._streams.stop()
        self._processes.stop()

    # Starting

    def _start_waiting(self) -> None:
        """Start what may run, once the gateway has been told so.

        What was said lies in the socket even when this process dies in the next moment; where the socket is full,
        nothing is started until it has taken it.
        """
        if self._tasks is not None and not self._chosen and not self._gateway.blocked:
            self._choose(self._tasks)
        self._gateway.flush()
        if self._gateway.blocked:
            return
        chosen, self._chosen = self._chosen, []
        for start, task in chosen:
            if task is None:
                words = f"the runner knows no task {start.task}; reload it when the configuration has changed"
                self._ended(Outcome(start.job, Ending.REFUSED, error=words))
            elif task.stream:
                self._streams.take(start, task)
            else:
                self._start(start, task)

    def _choose(self, tasks: Mapping[str, Task]) -> None:
        def free(name: str) -> bool:
            task = tasks.get(name)
            return task is None or (self._lanes.free(task) and (not task.stream or self._streams.free(name)))

        while start := self._waiting.next(free):
            task = tasks.get(start.task)
            if task is not None:
                self._lanes.take(start.job, task)
                self._gateway.tell(Starting(start.job))
            self._chosen.append((start, task))

    def _start(self, start: Start, task: Task) -> None:
        try:
            who = identity(task.user, task.group)
            argv = fill_argv(task.argv, start.fields, options=task.options)
            child = self._child(start, task, argv, who)
        except FillError as error:
            self._ended(Outcome(start.job, Ending.REFUSED, error=str(error)))
            return
        except StartError as error:
            self._ended(Outcome(start.job, error.ending, error=str(error)))
            return
        self._processes.add(RunningJob(start.job, task, child, self._selector, self._ended))

    def _child(self, start: Start, task: Task, argv: list[str], who: Identity) -> Child:
        if not task.decrypts:
            return start_child(task, argv, environment(task, start, who), who, _input(start, task, who))
        name = plain_name(argv[-1])
        if name is None:
            raise StartError(f"{argv[-1]!r} is no path of a file", Ending.REFUSED)
        with self._folders.of(start.job, who) as (here, usual):
            whole = [*argv[:-2], "--seen-as", str(usual / name), *argv[-2:], f"./{name}"]
            inside = replace(task, cwd=here)
            return start_child(inside, whole, environment(task, start, who), who, _input(start, task, who))

    def _ended(self, outcome: Outcome) -> None:
        self._lanes.leave(outcome.job)
        self._gateway.tell(Ended(outcome))


def _input(start: Start, task: Task, who: Identity) -> int:
    if task.mail is not None:
        host = socket.gethostname()
        sender = task.mail.sender or f"{who.name}@{host}"
        return input_file(compose(task.mail, start.fields, sender=sender, hostname=host, job=start.job, now=now()))
    if task.lines:
        return input_file(lines_of(start.fields, task.lines))
    if not task.stdin:
        return empty_input()
    return input_file(json.dumps(start.fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


def _rooms(tasks: Mapping[str, Task]) -> dict[str, Room]:
    return {name: _room(task) for name, task in tasks.items()}


def _room(task: Task) -> Room:
    if task.stream:
        return Room(MAX_EVENTS, stream=True)
    return Room(1 if task.lock else task.concurrency)
