"""Which files are whole and new: each waits until it is quiet, then is looked at in a thread, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from gateway.sources.files.whole import Look, Stamp, State, Stopped

AT_ONCE = 4
"""Files of one source that are read at a time: enough to keep a disk busy, and not all threads of the pool."""

MAX_COMMITS = 256
"""Files that are looked at and whose events are not on disk yet; beyond, no more are looked at."""

MAX_READY = 1_000
"""Files that stand in line to be looked at; the others wait on, so that many at once do not hold up the reactor."""

PATIENCE = 300.0
"""Seconds for which a file that nobody was seen to close must not change, where the kernel does not tell who has it
open: a program that writes may pause, a dump of a database say, but hardly this long."""


@dataclass(slots=True)
class _Waiting:
    due: float
    closed: bool = False
    seen: Stamp | None = None


_Next = Callable[[], None] | None
"""What comes after a look: nothing, or another."""


class Delivery(Protocol):
    """What is done with files; the first blocks and is called in a thread, the other on the reactor."""

    def look(self, path: str, seen: Stamp | None, *, closed: bool) -> Look:
        """Look whether a file is whole; see `whole.look_at`."""
        ...

    def settle(self, path: str, look: Look) -> Deferred[float | None]:
        """Do what is to be done with a file at which nothing goes on any more; does not fail.

        Fires when that is done, with None, or with seconds after which it is to be looked at again.
        """
        ...


class Arrivals:
    """Files that may be new.

    Args:
        in_thread: calls a function in a thread.

    Attributes:
        quiet: seconds for which nothing must have happened to a file.
    """

    def __init__(
        self,
        clock: IReactorTime,
        delivery: Delivery,
        in_thread: Callable[[Callable[[], Look]], Deferred[Look]],
        quiet: float,
    ) -> None:
        self.quiet = quiet
        self._clock = clock
        self._delivery = delivery
        self._in_thread = in_thread
        self._waiting: dict[str, _Waiting] = {}  # in the order in which they are due
        self._later: dict[str, _Waiting] = {}
        self._ready: deque[tuple[str, _Waiting]] = deque()
        self._busy: dict[str, bool | None] = {}  # what to do after: nothing, or look again, at what is closed or not
        self._looking = 0
        self._timer: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None

    @property
    def active(self) -> int:
        """How many files wait until they are quiet, or are looked at."""
        return len(self._waiting) + len(self._busy)

    def hint(self, path: str, *, closed: bool, seen: Stamp | None = None) -> None:
        """Something happened to a file: look at it when it is quiet.

        Args:
            path: absolute.
            closed: whoever wrote it has closed it, or moved it here.
            seen: its stamp, where it was just looked at.
        """
        if self._stopped is not None:
            return
        if path in self._busy:
            self._busy[path] = closed or bool(self._busy[path])
            return
        self._later.pop(path, None)
        self._waiting.pop(path, None)
        self._wait(path, _Waiting(self._clock.seconds() + self.quiet, closed, seen))

    def found(self, path: str, stamp: Stamp) -> None:
        """A scan has seen a file; nothing changes for one that is waiting already."""
        if path not in self._waiting and path not in self._later and path not in self._busy:
            self.hint(path, closed=False, seen=stamp)

    def touch(self, path: str) -> None:
        """Something but a write happened to a file: its mode or times, say."""
        waiting = self._waiting.get(path)
        self.hint(path, closed=waiting is not None and waiting.closed)

    def hasten(self, path: str) -> None:
        """Look at a file at once that is put off."""
        if waiting := self._later.get(path):
            self.hint(path, closed=True, seen=waiting.seen)

    def put_off(self, path: str, seconds: float, *, closed: bool = True, seen: Stamp | None = None) -> None:
        """Look at a file after some time, to within the time between two polls."""
        if self._stopped is None:
            self._later[path] = _Waiting(self._clock.seconds() + seconds, closed, seen)

    def forget(self, path: str) -> bool:
        """A file is gone; false: it is being looked at, and will be again."""
        self._waiting.pop(path, None)
        self._later.pop(path, None)
        if path not in self._busy:
            return True
        self._busy[path] = True
        return False

    def poll(self) -> None:
        """Take what was put off and is due."""
        now = self._clock.seconds()
        for path in [path for path, waiting in self._later.items() if waiting.due <= now]:
            self._wait(path, self._later.pop(path))

    def stop(self) -> Deferred[None]:
        """Look at nothing more; fires when what is being looked at is done with. To be called once."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for path, _ in self._ready:
            del self._busy[path]
        for each in (self._waiting, self._later, self._ready):
            each.clear()
        self._stopped = Deferred() if self._busy else succeed(None)
        return self._stopped

    def _wait(self, path: str, waiting: _Waiting) -> None:
        self._waiting[path] = waiting
        self._wake(max(0.0, waiting.due - self._clock.seconds()))

    def _ripen(self) -> None:
        """Look at what has been quiet for long enough."""
        now = self._clock.seconds()
        while self._waiting and len(self._ready) < MAX_READY:
            path, waiting = next(iter(self._waiting.items()))
            if waiting.due > now:
                self._wake(waiting.due - now)
                break
            del self._waiting[path]
            self._busy[path] = None
            self._ready.append((path, waiting))
        self._look()

    def _wake(self, seconds: float) -> None:
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(seconds, self._ripen)

    def _look(self) -> None:
        while self._ready and self._looking < AT_ONCE and len(self._busy) - len(self._ready) < MAX_COMMITS:
            path, waiting = self._ready.popleft()
            self._looking += 1
            self._look_at(path, waiting)

    def _look_at(self, path: str, waiting: _Waiting) -> None:
        def looked(look: Look) -> Deferred[_Next]:
            self._looking -= 1
            return self._settle(path, waiting, look)

        def failed(failure: Failure) -> _Next:
            self._looking -= 1
            failure.trap(Stopped)
            return None

        looking = self._in_thread(lambda: self._delivery.look(path, waiting.seen, closed=waiting.closed))
        settled: Deferred[_Next] = looking.addCallbacks(looked, failed)
        settled.addCallback(self._finish, path)

    def _settle(self, path: str, waiting: _Waiting, look: Look) -> Deferred[_Next]:
        if look.state is State.CHANGING:
            return succeed(lambda: self.hint(path, closed=waiting.closed, seen=look.stamp))
        if look.state is State.UNSURE:
            return succeed(lambda: self.put_off(path, PATIENCE, closed=False, seen=look.stamp))

        def settled(again: float | None) -> _Next:
            return None if again is None else lambda: self.put_off(path, again)

        settling = self._delivery.settle(path, look)
        if not settling.called:
            self._look()  # what waits for its commit holds no thread
        return settling.addCallback(settled)

    def _finish(self, then: _Next, path: str) -> None:
        after = self._busy.pop(path)
        if self._stopped is not None:
            if not self._busy and not self._stopped.called:
                self._stopped.callback(None)
            return
        if after is not None:
            self.hint(path, closed=after)
        elif then is not None:
            then()
        self._ripen()
