"""Feed uploaded logs to the rules: each line is a message, once, also when the gateway is killed in the middle.

A log is first read to its end: one that is cut off or damaged counts for nothing, for whoever sent it will send it
again. What a batch of lines causes and the place behind it are committed as one. A start that finds a place goes on
there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore, inlineCallbacks
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.drop.account import Unpacking
from gateway.log_files.log_lines import Progress, Step, whole_lines
from gateway.log_files.unpack import open_log
from gateway.notice import counted
from parsers.framing.framer import MAX_FRAME
from parsers.message import Batch, Origin

MAX_BATCHES = 8
"""Batches of one log that wait for their commit: a commit takes as many as there are, and more would only wait."""

MAX_FEEDS = 4
"""Logs that are read at a time. Each takes a thread, and up to 128 MiB to unpack; more would not be faster."""

FULL_POLL = 0.05
"""Seconds after which we look again whether there is room for more."""

MIN_STEP = 1e-6
"""Seconds between the times of receipt of two batches, at least: time and offset tell equal messages apart."""

MAX_STEP_BACK = 1.0
"""Seconds that the clock may stand still or go back before we believe that it was set."""

Accept = Callable[[Batch, Mapping[str, str | None]], Deferred[None]]
"""`Pipeline.accept`: takes a batch, and what to keep together with all that it causes."""


class Reactor(IReactorTime, IReactorFromThreads):
    """What is asked of a reactor."""


class FeedStopped(Exception):  # noqa: N818 -- it is no error
    """The gateway stops; the log goes on at the next start."""


@dataclass(frozen=True, slots=True)
class Fed:
    """What became of a log, also before the last restart.

    Attributes:
        messages: its lines.
        members: files with lines in it: 1, or more of a tar archive.
        octets: of the lines, unpacked.
        problem: why it, or something in it, cannot be read to its end: nothing of it counts then. None: it can.
        cut: lines that were longer than a message may be, and were cut.
        skipped: what was in the archive beside logs and folders: links, devices, binary files.
    """

    messages: int
    members: int
    octets: int
    problem: str | None = None
    cut: int = 0
    skipped: int = 0


class LogFeed:
    """Reads logs in threads, and hands their lines on as fast as they are taken.

    Args:
        accept: takes a batch, and keeps the place in the same transaction as what the batch causes.
        pool: for reading and unpacking.
        is_full: tells whether too much is pending over all sources; then nothing more is handed on.
        reactor: provides time, and the way back from threads.
        now: the wall clock, in seconds since 1970.
        max_frame: octets of a line; longer ones are cut and flagged.
    """

    def __init__(
        self,
        accept: Accept,
        pool: ThreadPool,
        is_full: Callable[[], bool],
        reactor: Reactor,
        now: Callable[[], float],
        *,
        max_frame: int = MAX_FRAME,
    ) -> None:
        self._accept = accept
        self._pool = pool
        self._is_full = is_full
        self._reactor = reactor
        self._now = now
        self._max_frame = max_frame
        self._turns = DeferredSemaphore(MAX_FEEDS)
        self._last = 0.0  # when a batch was received last
        self._under_way: set[Deferred[None]] = set()
        self._stopping = False

    def feed(
        self, path: Path, bookmark: str, origin: Origin, unpacking: Unpacking, done: str | None = None
    ) -> Deferred[Fed]:
        """Feed a log; fires when all that its lines caused is committed. Not to be cancelled: see `stop`.

        Args:
            path: the file; its content does not change meanwhile.
            bookmark: the name under which the place is kept. It is left as it is at the end: whoever notes the end of
                the log, in whatever way, forgets it in the same transaction.
            origin: of the messages.
            unpacking: how much an archive may become.
            done: what the bookmark holds, where this log was begun before.

        Returns:
            What became of it. Fails with FeedStopped, or as an `accept` failed: then it is to be fed again, from what
            the bookmark holds by then.
        """
        fed: Deferred[Fed] = self._turns.run(self._feed, path, bookmark, origin, unpacking, done)
        ended: Deferred[None] = Deferred()
        self._under_way.add(ended)

        def end(result: Fed | Failure) -> Fed | Failure:
            self._under_way.discard(ended)
            ended.callback(None)
            return result

        return fed.addBoth(end)

    def stop(self) -> Deferred[None]:
        """Feed nothing more; fires when all feeds have failed and no thread reads."""
        self._stopping = True
        return DeferredList(list(self._under_way)).addCallback(lambda _: None)

    @inlineCallbacks
    def _feed(
        self, path: Path, bookmark: str, origin: Origin, unpacking: Unpacking, done: str | None
    ) -> Generator[Deferred[Any], Any, Fed]:
        if done is None:
            looked: Progress = yield deferToThreadPool(self._reactor, self._pool, self._look_through, path, unpacking)
            if looked.problem is not None:
                return Fed(0, 0, 0, _problem(looked), 0, looked.skipped)
        progress = Progress() if done is None else Progress.from_json(done)
        pieces = open_log(path, unpacking, progress.member, progress.offset, self._check)
        steps = whole_lines(pieces, progress, self._max_frame)
        commits = _Commits()
        ahead = self._in_thread(steps)
        try:
            while True:
                step: Step | None = yield ahead
                if step is None:
                    break
                frames, progress = step
                yield from self._room(commits)
                ahead = self._in_thread(steps)
                if frames.data:
                    commits.add(self._accept(Batch(frames, origin, self._time()), {bookmark: progress.to_json()}))
            yield commits.at_most(0)
        except Exception:
            yield ahead.addErrback(lambda _: None)  # what a thread runs cannot be closed
            pieces.close()
            raise
        return _fed(progress)

    def _look_through(self, path: Path, unpacking: Unpacking) -> Progress:
        """Read a log to its end, in a thread, and hand nothing on."""
        steps = whole_lines(open_log(path, unpacking, check=self._check), Progress(), self._max_frame)
        ((_, progress),) = deque(steps, maxlen=1)
        return progress

    def _room(self, commits: _Commits) -> Generator[Deferred[Any], Any, None]:
        """Wait until a batch may be handed on.

        Raises:
            FeedStopped: none may be any more.
        """
        yield commits.at_most(MAX_BATCHES - 1)
        while self._is_full() and not self._stopping:
            yield deferLater(self._reactor, FULL_POLL, lambda: None)
        self._check()

    def _check(self) -> None:
        """Raise FeedStopped when the gateway stops; also called in threads."""
        if self._stopping:
            raise FeedStopped("the gateway stops")

    def _in_thread(self, steps: Iterator[Step]) -> Deferred[Step | None]:
        return deferToThreadPool(self._reactor, self._pool, next, steps, None)

    def _time(self) -> float:
        """Return when a batch is received: later than the one before, unless the clock was set back."""
        now = self._now()
        if self._last - MAX_STEP_BACK < now < self._last + MIN_STEP:
            now = self._last + MIN_STEP
        self._last = now
        return now


class _Commits:
    """The batches of one log whose commits are under way."""

    def __init__(self) -> None:
        self._count = 0
        self._failure: Failure | None = None
        self._most = 0
        self._waiting: Deferred[None] | None = None  # for no more than that

    def add(self, committed: Deferred[None]) -> None:
        """Count one, until it fires."""
        self._count += 1
        committed.addCallbacks(self._end, self._fail)

    def at_most(self, most: int) -> Deferred[None]:
        """Fire when no more than that are under way; fail when one failed, and as it did."""
        self._most = most
        waiting = self._waiting = Deferred()
        self._look()
        return waiting

    def _end(self, _: None) -> None:
        self._count -= 1
        self._look()

    def _fail(self, failure: Failure) -> None:
        self._count -= 1
        self._failure = self._failure or failure
        self._look()

    def _look(self) -> None:
        waiting, failure = self._waiting, self._failure
        if waiting is None:
            return
        if failure is not None:
            self._waiting = None
            waiting.errback(failure)
        elif self._count <= self._most:
            self._waiting = None
            waiting.callback(None)


def _fed(progress: Progress) -> Fed:
    members, problem = progress.members, _problem(progress)
    return Fed(progress.messages, members, progress.octets, problem, progress.cut, progress.skipped)


def _problem(progress: Progress) -> str | None:
    if progress.problem is not None and progress.problems > 1:
        return f"{progress.problem} (and {counted(progress.problems - 1, 'further problem')} in it)"
    return progress.problem
