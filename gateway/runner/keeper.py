"""Keep the runner: the outer of its two processes, which outlives the inner one that does the work.

It waits for the gateway to hand it one end of a socket pair (a byte with SCM_RIGHTS) and forks a process that serves
it. When that process dies, all it had started become children of the keeper, which kills them; so no job is left
running beside its own repetition. And the keeper has the privileges that it was started with, when the gateway has
long given its own away.

Before it serves, it takes the runner's lock; a gateway that was killed and started again waits there until nothing of
the former runner is left.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from gateway.runner import tree
from gateway.runner.lock import Lock
from gateway.runner.processes import KILL_TIME, STOP_GRACE
from gateway.runner.protocol import Waits, reply_line
from gateway.runner.serve import Server
from gateway.runner.tasks import LOADER, LastGood

LAST_PATIENCE = STOP_GRACE + KILL_TIME + 5.0
"""Seconds that the inner process gets to end its tasks once its gateway is gone."""

SWEEP_PAUSE = 0.01
"""Seconds between two rounds of killing."""

LOCK_PAUSE = 0.02
"""Seconds between two looks at a lock that another has."""

LOCK_PATIENCE = 1.0
"""Seconds of waiting for it until we say so: more than tasks take that heed TERM."""


class PeerError(Exception):
    """The other end of the socket is not the gateway that started us."""


def peer(connection: socket.socket) -> tuple[int, int]:
    """Return pid and uid of whoever made the other end (SO_PEERCRED, unix(7))."""
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return pid, uid


class Keeper:
    """The outer process; `control` is the socket on which the gateway hands over connections."""

    def __init__(
        self,
        control: socket.socket,
        config: Path,
        limit: int,
        loader: str = LOADER,
        lock: Lock | None = None,
        folders: Path | None = None,
    ) -> None:
        self._lock = lock
        self._locked = lock is None
        self._say_at = time.monotonic() + LOCK_PATIENCE
        self._control = control
        self._config = config
        self._limit = limit
        self._loader = loader
        self._folders = folders
        self._last_good = LastGood()
        self._inner: int | None = None
        self._pending: socket.socket | None = None
        self._gateway, uid = peer(control)
        if self._gateway != os.getppid() or uid != os.getuid():
            raise PeerError(f"the socket was made by process {self._gateway} of user {uid}, not by our parent")

    def keep(self) -> None:
        """Serve until the gateway closes its end, or TERM."""
        tree.become_subreaper()
        wakeup = _wake_up_on(signal.SIGCHLD, signal.SIGTERM)
        while True:
            self._try_lock()
            if self._pending and self._inner is None and self._locked:
                self._fork(self._pending)
                self._pending = None
            ready, _, _ = select.select([self._control.fileno(), wakeup], [], [], None if self._locked else LOCK_PAUSE)
            if wakeup in ready and signal.SIGTERM in os.read(wakeup, 4096):
                break
            self._fetch_statuses()
            if self._control.fileno() in ready and not self._receive():
                break
        self._control.close()
        self._end_inner(LAST_PATIENCE)

    def _try_lock(self) -> None:
        if self._locked or self._lock is None:
            return
        self._locked = self._lock.take()
        if not self._locked and time.monotonic() >= self._say_at:
            self._say_at = math.inf
            sys.stdout.buffer.write(reply_line(Waits(self._lock.holder())))
            sys.stdout.flush()

    def _receive(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        except OSError:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            connection = socket.socket(fileno=descriptor)
            if peer(connection)[0] != self._gateway:
                connection.close()
                raise PeerError("a connection was handed over that the gateway has not made")
            if self._pending:
                self._pending.close()
            self._pending = connection
            if self._inner is not None:  # its gateway has given it up, so it is about to end
                self._end_inner(LAST_PATIENCE)
        return bool(data)

    def _fork(self, connection: socket.socket) -> None:
        keeper = os.getpid()
        self._inner = os.fork()
        if self._inner == 0:
            self._control.close()
            server = Server(connection, self._config, self._limit, self._loader, self._last_good, self._folders)
            serve_and_exit(keeper, server)
        connection.close()

    def _fetch_statuses(self) -> None:
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                if pid == self._inner:
                    self._inner = None
                    self._sweep()

    def _end_inner(self, patience: float) -> None:
        """Let the inner process end its tasks and itself, and see that nothing stays."""
        end = time.monotonic() + patience
        if self._inner is not None:
            with suppress(ProcessLookupError):
                os.kill(self._inner, signal.SIGTERM)
        while self._inner is not None and time.monotonic() < end:
            time.sleep(SWEEP_PAUSE)
            self._fetch_statuses()
        if self._inner is not None:
            os.kill(self._inner, signal.SIGKILL)
            os.waitpid(self._inner, 0)
            self._inner = None
        self._sweep()

    def _sweep(self) -> None:
        """Kill whatever the inner process has left."""
        end = time.monotonic() + KILL_TIME
        while processes := list(tree.below(os.getpid())):
            for process in processes:
                tree.send(process, signal.SIGKILL)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if time.monotonic() > end:
                sys.stderr.write(f"{len(processes)} processes of a lost runner cannot be killed\n")
                return
            time.sleep(SWEEP_PAUSE / 10)


def _wake_up_on(*signals: signal.Signals) -> int:
    read, write = os.pipe()
    os.set_blocking(write, False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def serve_and_exit(keeper: int, server: Server) -> NoReturn:
    """Be the inner process."""
    status = 1
    try:
        tree.die_with_parent(signal.SIGTERM)  # which ends the tasks in order
        if os.getppid() != keeper:
            os._exit(status)
        server.serve()
        status = 0
    except BaseException:  # noqa: BLE001 -- nothing may run the keeper's code in this process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def forget_what_was_inherited(keep: int) -> None:
    """Close all descriptors but 0, 1, 2 and one, unblock signals and give them their usual meaning, leave the cwd."""
    os.closerange(3, keep)
    os.closerange(keep + 1, 1 << 20)
    os.set_inheritable(keep, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    # Not ignored, for that would be inherited: a child must be stoppable by hand.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    os.umask(0o077)
    os.chdir("/")
