"""`launch.py PATCH [twistd's arguments]`: twistd with one thing in the gateway changed, which has no switch for it.

What a patch changes it imports itself: one of them has to come before all imports.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from pathlib import Path

OFFSET = struct.Struct("<d")
"""What the file holds that is the wall clock's offset: seconds."""
OFFSET_FILE = "BATTERY_CLOCK"
"""The variable that names it."""


def acknowledge_early() -> None:
    """Acknowledge what is not on disk yet: the mistake that the batteries must notice."""
    from twisted.internet.defer import Deferred, succeed

    from gateway.jobs.worker import Worker
    from gateway.pipeline import Effects

    commit = Worker.commit

    def commit_later(self: Worker, effects: Effects) -> Deferred[None]:
        commit(self, effects)
        return succeed(None)

    Worker.commit = commit_later  # type: ignore[method-assign]


def start_runner_at_once() -> None:
    """Start a runner that died again at once, for one that dies a hundred times in a row would wait for minutes."""
    from gateway.runner import client

    client.LONGEST_WAIT = 0.1


def set_clock() -> None:
    """Let the wall clock be off by what a file says; the monotonic clock, which nobody can set, stays as it is.

    This is done before anything else is imported, so that whoever asks for the time gets the answer from here. The
    library libfaketime would be the usual way, but its 0.9.10 moves timeouts of epoll_wait(2) too, and breaks
    clock_nanosleep(2): with it timers are off by half a second when nothing is wrong.
    """
    with Path(os.environ[OFFSET_FILE]).open("rb") as file:
        offset = mmap.mmap(file.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    true_time, true_time_ns = time.time, time.time_ns  # noqa: TID251 -- this is what stands in their place

    def seconds() -> float:
        moved: float = OFFSET.unpack(offset)[0]
        return moved

    time.time = lambda: true_time() + seconds()  # noqa: TID251
    time.time_ns = lambda: true_time_ns() + round(seconds() * 1e9)


def believe_any_end() -> None:
    """Take an upload by FTP for whole however its data connection ended."""
    from gateway.sources.ftp.streams import Receiving

    lost = Receiving.connectionLost

    def connection_lost(self: Receiving, _: object) -> None:
        lost(self)

    Receiving.connectionLost = connection_lost  # type: ignore[method-assign,assignment]


PATCHES = {
    "acknowledge-early": acknowledge_early,
    "believe-any-end": believe_any_end,
    "set-clock": set_clock,
    "start-runner-at-once": start_runner_at_once,
}

if __name__ == "__main__":
    PATCHES[sys.argv.pop(1)]()
    from twisted.scripts.twistd import run

    run()
