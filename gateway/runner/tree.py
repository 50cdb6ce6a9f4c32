"""Find and signal the processes below one process, as proc(5) shows them.

With PR_SET_CHILD_SUBREAPER (prctl(2)) a process whose parent has died becomes our child, however often it forked and
made itself a session. So everything a child of ours has started hangs below us, and nothing can leave.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def become_subreaper() -> None:
    """Make orphans below this process its children (Linux 3.4)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: signal.Signals) -> None:
    """Ask for this signal when the process that forked us ends."""
    _prctl(PR_SET_PDEATHSIG, number)


@dataclass(frozen=True, slots=True)
class Process:
    """One process; pid and start time (ticks since boot) together name it for good, the pid alone is used again."""

    pid: int
    parent: int
    session: int
    state: str
    started: int

    @property
    def alive(self) -> bool:
        """Whether it is more than an exit status that waits to be fetched."""
        return self.state not in "ZX"


def look(pid: int) -> Process | None:
    """Return what is known of a process, None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # ENOENT, or ESRCH when it went while it was read
        return None
    # The name stands in parentheses and may hold anything, parentheses too.
    fields = text[text.rindex(b")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[3]), fields[0].decode(), int(fields[19]))


def children(pid: int) -> list[int]:
    """List the children of a process.

    Of our own children none is missed, for only we fetch their exit statuses and so nothing leaves the list while it
    is read. Of others, one may be missed while its siblings end; whoever wants them all looks again.
    """
    if not _CHILDREN_FILES:
        return _children_by_parent(pid)
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 -- names are wanted, and this is the hot path
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:  # noqa: PTH123 -- hot too
                while text := file.read(65536):
                    found += map(int, text.split())
    except OSError:  # it ended, or the thread did
        pass
    return found


_CHILDREN_FILES = Path(f"/proc/self/task/{os.getpid()}/children").exists()
"""Kernels without CONFIG_PROC_CHILDREN have no such files; those of the distributions have them."""


def _children_by_parent(pid: int) -> list[int]:
    everybody = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 -- names are wanted
    return [process.pid for process in everybody if process and process.parent == pid]


def below(pid: int) -> Iterator[Process]:
    """Yield the living processes below a process, parents before their children."""
    for child in children(pid):
        yield from subtree(child)


def subtree(pid: int) -> Iterator[Process]:
    """Yield a process, when it lives, and those below it; a loop, for a chain of processes can be long."""
    waiting, seen = [pid], {pid}
    while waiting:
        process = look(waiting.pop())
        if process is None:
            continue
        if process.alive:
            yield process
        found = set(children(process.pid)) - seen
        seen |= found
        waiting += found


def send(process: Process, *signals: signal.Signals) -> bool:
    """Send signals to exactly this process; False when it is gone or not ours to signal.

    A descriptor is taken first and the process looked at again, so that no stranger is hit that got the pid meanwhile.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        again = look(process.pid)
        if again is None or again.started != process.started:
            return False
        for number in signals:
            signal.pidfd_send_signal(descriptor, number)
    except OSError:  # ESRCH: gone; EPERM: it has become somebody else (set-user-id) and we are not root
        return False
    finally:
        os.close(descriptor)
    return True


def mark(pid: int, name: str) -> str | None:
    """Return a variable of the environment that a process was started with; None when absent or not readable."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    prefix = name.encode() + b"="
    for variable in environment.split(b"\0"):
        if variable.startswith(prefix):
            return variable[len(prefix) :].decode("ascii", "replace")
    return None
