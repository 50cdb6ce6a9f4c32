"""The gateway's side of the runner: a service that starts it, hands it jobs, and starts it again when it dies."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorProcess,
    IReactorSocket,
    IReactorTime,
)

from gateway.notice import Notify
from gateway.notices import runner as notices
from gateway.runner.backlog import MAX_WAITING, Backlog, Entry
from gateway.runner.keeper import LAST_PATIENCE
from gateway.runner.link import Connection, Connections, Keeper
from gateway.runner.protocol import (
    MAX_LINE,
    Cancel,
    Clean,
    Ended,
    NotTaken,
    ProtocolError,
    Ready,
    Reload,
    Reloaded,
    ReloadFailed,
    Reply,
    Room,
    Start,
    Starting,
    Waits,
    request_line,
)
from gateway.runner.tasks import LOADER
from parsers.errors import OperatorError
from rules.job import Attempt
from rules.outcome import Ending, Outcome

DEFAULT_LIMIT = 8
"""Tasks at a time."""

FIRST_WAIT = 1.0
"""Seconds before a runner that died is started again; twice as long each time that it dies soon."""

LONGEST_WAIT = 60.0
"""Seconds between two starts at most; one that lived longer than this begins at FIRST_WAIT again."""

STOP_PATIENCE = 2 * LAST_PATIENCE
"""Seconds until a runner that does not stop is killed: more than its two processes take together."""

CANCELLED = "it was cancelled before it was started"
STOPPED = "the gateway stopped before it was started"
GONE = "the runner is gone; restart the gateway"


class IRunnerReactor(IReactorTime, IReactorProcess, IReactorSocket):
    """What the service needs of a reactor."""


class Runner(Service):
    """The runner as the gateway sees it.

    Its process is started in `privilegedStartService`, and keeps the privileges that the gateway has then.

    Args:
        reactor: provides time, processes and sockets.
        config: the configuration that the runner loads its tasks from.
        notify: told of starts, deaths and reloads.
        limit: tasks at a time.
        first_wait: seconds before a runner that died is started again.
        lock: a file whose lock keeps the runner from serving beside a former one that is still ending its tasks; its
            folder is there when the service starts.
        loader: MODULE:FUNCTION that loads the tasks.
        folders: where private folders of jobs are made; the folder above it is there when the service starts.
    """

    def __init__(
        self,
        reactor: IRunnerReactor,
        config: Path,
        notify: Notify,
        *,
        limit: int = DEFAULT_LIMIT,
        first_wait: float = FIRST_WAIT,
        lock: Path | None = None,
        loader: str = LOADER,
        folders: Path | None = None,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._notify = notify
        self._limit = limit
        self._first_wait = self._wait = first_wait
        self._lock = lock
        self._loader = loader
        self._folders = folders
        self._unclean: dict[str, None] = {}  # jobs whose folders are to be removed once there is a runner
        self._backlog = Backlog(limit)
        self._cancelled: set[str] = set()  # those that the runner has been asked to end
        self._keeper: Keeper | None = None
        self._connection: Connection | None = None
        self._tasks: Mapping[str, Room] | None = None  # None while no runner is ready
        self._ready_at = 0.0
        self._again: IDelayedCall | None = None
        self._uid = os.geteuid()
        self._gone = False
        self._stopping: Deferred[None] | None = None
        self._patience: IDelayedCall | None = None
        self._reloading: list[Deferred[frozenset[str]]] = []
        self._reload_next: list[Deferred[frozenset[str]]] = []
        self.found: Callable[[tuple[str, ...]], None] = lambda _: None
        """Told the ids of jobs of which there are private folders, whenever a runner is ready."""
        self.gave_up: Callable[[], None] = lambda: None
        """Called when it cannot be started again with the privileges that it had."""
        self.ready: Deferred[None] = Deferred()
        """Fires when the runner has its tasks for the first time."""

    def privilegedStartService(self) -> None:
        """Start the runner, with the privileges of this moment."""
        self._uid = os.geteuid()
        self._begin()
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """Begin to take jobs; starts the runner where nobody has called `privilegedStartService`."""
        if self._keeper is None and self._again is None:
            self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        """End all tasks (their outcome is LOST) and the runner; fires when it is gone."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._stopping is not None:
            return self._stopping
        stopping = self._stopping = Deferred()
        if self._again:
            self._again.cancel()
            self._again = None
        self._abandon_waiting(STOPPED)
        if self._keeper is None:
            self._stopped()
        else:
            self._patience = self._reactor.callLater(STOP_PATIENCE, self._keeper.kill)
            if self._connection and self._tasks is not None:
                self._connection.finish()
            else:  # nobody reads the connection yet
                self._keeper.finish()
        return stopping

    def run(self, attempt: Attempt) -> Deferred[Outcome]:
        """Run an attempt; fires with its outcome, whatever happens. To cancel the Deferred ends the attempt."""
        answer: Deferred[Outcome] = Deferred(lambda _: self.cancel(attempt.id))
        start = Start(attempt.id, attempt.task, attempt.rule, attempt.key, attempt.event, attempt.number)

        def tell(outcome: Outcome) -> None:
            if not answer.called:  # it is, when it was cancelled
                answer.callback(outcome)

        problem = self._unacceptable(start)
        if problem is None and not self._backlog.add(Entry(start, tell)):
            problem = f"{MAX_WAITING} jobs wait already"
        if problem is not None:
            return succeed(Outcome(attempt.id, Ending.NOT_STARTED, error=problem))
        self._send_jobs()
        return answer

    def cancel(self, job: str) -> None:
        """End a job; its outcome comes as always."""
        if entry := self._backlog.withdraw(job):
            entry.tell(Outcome(job, Ending.NOT_STARTED, error=CANCELLED))
        elif self._connection and job in self._backlog:
            self._cancelled.add(job)
            self._connection.send(Cancel(job))

    def clean(self, job: str) -> None:
        """Remove the private folders of a job that has ended; what is lost of this, the next start sees to."""
        if self._connection and self._tasks is not None:
            self._connection.send(Clean(job))
        elif self._stopping is None:
            self._unclean[job] = None

    def reload(self) -> Deferred[frozenset[str]]:
        """Load the tasks again; fires with their names, or fails with an OperatorError while those of before stay."""
        answer: Deferred[frozenset[str]] = Deferred()
        self._reload_next.append(answer)
        self._send_reload()
        return answer

    def _unacceptable(self, start: Start) -> str | None:
        if self._stopping is not None:
            return "the gateway is stopping"
        if self._gone:
            return GONE
        if start.job in self._backlog:
            return "a job with this id runs or waits already"
        return None

    # Jobs

    def _send_jobs(self) -> None:
        while self._connection and self._tasks is not None and (start := self._backlog.next(self._tasks)):
            try:
                line = request_line(start)
                if len(line) > MAX_LINE:
                    raise ProtocolError(f"its event is longer than {MAX_LINE} octets")
            except ProtocolError as error:
                self._end(Outcome(start.job, Ending.REFUSED, error=str(error)))
            else:
                self._connection.write(line)

    def _end(self, outcome: Outcome) -> None:
        self._cancelled.discard(outcome.job)
        if entry := self._backlog.forget(outcome.job):
            entry.tell(outcome)

    def _abandon_waiting(self, words: str) -> None:
        for entry in self._backlog.forget_waiting():
            entry.tell(Outcome(entry.start.job, Ending.NOT_STARTED, error=words))
        reloads = self._reloading + self._reload_next
        self._reloading, self._reload_next = [], []
        for answer in reloads:
            answer.errback(OperatorError(words))

    # Replies

    def replied(self, reply: Reply) -> None:
        """Take note of what the runner says."""
        match reply:
            case Ready():
                self._ready(reply)
            case Starting():
                self._backlog.started(reply.job)
            case Ended():
                self._end(reply.outcome)
                self._send_jobs()
            case NotTaken():
                self._end(Outcome(reply.job, Ending.NOT_STARTED, error=reply.words))
                self._send_jobs()
            case Reloaded() | ReloadFailed():
                self._reloaded(reply)
            case Waits():
                self.waits(reply.pid)

    def _ready(self, reply: Ready) -> None:
        self._ready_at = self._reactor.seconds()
        self._notify(notices.RunnerStarted(reply.pid, len(reply.tasks)))
        if reply.error is None:
            self._reloaded(Reloaded(reply.tasks), told=True)
        else:
            self._tasks = reply.tasks  # those that loaded last
            self._reloaded(ReloadFailed(reply.error))
        unclean, self._unclean = self._unclean, {}
        for job in unclean:  # before one of them is begun again
            self.clean(job)
        self.found(tuple(job for job in reply.folders if job not in unclean))
        self._send_jobs()
        if not self.ready.called:
            self.ready.callback(None)

    def _reloaded(self, reply: Reloaded | ReloadFailed, *, told: bool = False) -> None:
        answers, self._reloading = self._reloading, []
        if isinstance(reply, Reloaded):
            self._tasks = reply.tasks
            if not told:
                self._notify(notices.RunnerReloaded(len(reply.tasks)))
            for answer in answers:
                answer.callback(frozenset(reply.tasks))
        else:
            self._notify(notices.RunnerReloadFailed(reply.words))
            for answer in answers:
                answer.errback(OperatorError(reply.words))
        self._send_reload()

    def _send_reload(self) -> None:
        if self._stopping is not None or self._gone:
            answers, self._reload_next = self._reload_next, []
            for answer in answers:
                answer.errback(OperatorError(GONE if self._gone else STOPPED))
        elif self._connection and self._tasks is not None and self._reload_next and not self._reloading:
            self._reloading, self._reload_next = self._reload_next, []
            self._connection.send(Reload())

    # The runner's life

    def _begin_again(self) -> None:
        self._again = None
        try:
            self._begin()
        except OSError as error:  # no process or no descriptor is left: the next time there may be
            self._notify(notices.RunnerKeeperDied(f"it cannot be started: {error.strerror}"))
            self._begin_later()

    def _begin_later(self) -> None:
        self._again = self._reactor.callLater(self._wait, self._begin_again)
        self._wait = min(2 * self._wait, LONGEST_WAIT)

    def _begin(self) -> None:
        if self._keeper is None:
            keeper = Keeper(self)
            keeper.spawn(self._reactor, self._config, self._limit, self._loader, self._lock, self._folders)
            self._keeper = keeper
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            factory = Connections(self)
            self._reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
            self._keeper.hand_over(theirs)

    def connected(self, connection: Connection) -> None:
        """Take note of a connection to a runner that is about to say that it is ready."""
        self._connection = connection

    def garbled(self, error: ProtocolError) -> None:
        """Take note of a line that is no reply: our bug, and nothing that follows can be trusted."""
        self._tasks = None  # so that nothing more is sent
        self._notify(notices.RunnerGarbled(str(error)))

    def disconnected(self) -> None:
        """Take note that the runner is gone; it is started again.

        Jobs that it said it was starting are lost. The others wait again: it says so before it starts one.
        """
        self._connection, self._tasks = None, None
        lost = self._backlog.take_back()
        if self._stopping is None:
            if self._reactor.seconds() - self._ready_at > LONGEST_WAIT:
                self._wait = self._first_wait
            self._notify(notices.RunnerDied(len(lost), self._wait))
            if not self._gone:
                self._begin_later()
        self._reload_next = self._reloading + self._reload_next
        self._reloading = []
        cancelled, self._cancelled = self._cancelled, set()
        for job in cancelled:
            if entry := self._backlog.withdraw(job):
                entry.tell(Outcome(job, Ending.NOT_STARTED, error=CANCELLED))
        for entry in lost:
            entry.tell(Outcome(entry.start.job, Ending.LOST, error="the runner died while it ran"))
        if self._stopping is not None:
            self._abandon_waiting(STOPPED)
            if self._keeper:
                self._keeper.finish()
        elif self._gone:
            self._abandon_waiting(GONE)

    def keeper_ended(self, words: str) -> None:
        """Take note that the outer process is gone; it can be started anew while we still have our privileges."""
        self._keeper = None
        if self._stopping is not None:
            self._stopped()
            return
        self._notify(notices.RunnerKeeperDied(words))
        if self._uid != os.geteuid():
            self._gone = True
            if self._again:
                self._again.cancel()
                self._again = None
            self._notify(notices.RunnerGone(self._uid))
            self.gave_up()
            self._abandon_waiting(GONE)

    def waits(self, pid: int) -> None:
        """Take note that another runner has not ended yet."""
        self._notify(notices.RunnerWaits(pid))

    def said(self, line: str) -> None:
        """Take note of a line on the runner's standard error."""
        self._notify(notices.RunnerSaid(line))

    def _stopped(self) -> None:
        if self._patience and self._patience.active():
            self._patience.cancel()
        stopping = self._stopping
        if stopping is not None and not stopping.called:
            stopping.callback(None)
