"""What becomes of a file that is whole: its checks, its lines where it is a log, its event, its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred, inlineCallbacks

from gateway.checks.checks import Outcome, Verdict, about, judge
from gateway.checks.signers import Signers
from gateway.drop.account import After, Content, Demand
from gateway.drop.budget import Budget
from gateway.file_source_config import FilesSource
from gateway.log_files.log_feed import Fed, FeedStopped, LogFeed
from gateway.notice import Notify
from gateway.notices.files import (
    FileNotKept,
    FileRejected,
    FileSidecarFailed,
    FileUnreadable,
    FileVanished,
    FileWaits,
    LogNotCleared,
    LogUnreadable,
)
from gateway.sources.files.clearing import clear, file_beside, read_beside
from gateway.sources.files.events import complete_event, log_failed_event, rejected_event
from gateway.sources.files.reported import Entry, Reported
from gateway.sources.files.whole import Look, Stamp, State, look_at, stamp_of
from parsers.message import Message, Origin, Trust

T = TypeVar("T")

RETRY = 60.0
"""Seconds after which a file that could not be read, or whose event could not be kept, is looked at again."""

Bookmarks = Mapping[str, str | None]


class Pipeline(Protocol):
    """What is asked of the pipeline; each Deferred fires when it is on disk, and fails when it could not be kept."""

    def report(self, message: Message, bookmarks: Bookmarks = ..., *, keep: bool = ...) -> Deferred[None]:
        """Take an event of our own, and keep the bookmarks in the same transaction."""
        ...

    def note(self, bookmarks: Bookmarks) -> Deferred[None]:
        """Keep bookmarks."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the files of a source are delivered to, and with.

    Attributes:
        bookmarks: reads those whose names begin so.
        signers: reads the keys of those who may sign.
        feed: for logs; None: there are none.
        in_thread: calls a function in a thread.
        now: the wall clock, in seconds since 1970.
    """

    pipeline: Pipeline
    bookmarks: Callable[[str], Deferred[dict[str, str]]]
    signers: Signers
    feed: LogFeed | None
    in_thread: Callable[[Callable[[], Any]], Deferred[Any]]
    notify: Notify
    now: Callable[[], float]


def log_bookmark(source: str, path: str, stamp: Stamp) -> str:
    """Name the place in a log; another file of the same name has another."""
    return f"log/{source}/{'-'.join(map(str, stamp))}{path}"


def _is_place(bookmark: str) -> bool:
    """Tell whether the log is still there in which this is a place. Blocks."""
    _, _, stamp, path = bookmark.split("/", 3)
    try:
        return stamp == "-".join(map(str, stamp_of(os.lstat(f"/{path}"))))
    except OSError:
        return False


class FileDelivery:
    """Delivers the files of one source.

    Attributes:
        source: its settings; may be replaced.
        stopping: nothing more is read.
    """

    def __init__(self, source: FilesSource, reported: Reported, around: Surroundings) -> None:
        self.source = source
        self.stopping = False
        self._reported = reported
        self._around = around
        self._again = Budget(around.now)
        self._forgotten: dict[str, None] = {}  # bookmarks, in their order

    # In a thread.

    def look(self, path: str, seen: Stamp | None, *, closed: bool) -> Look:
        """Look whether a file is whole, hash it, and check it; raises Stopped."""
        entry = self._reported.get(path)
        look = look_at(path, entry.stamp if entry else None, seen, closed=closed, stopping=lambda: self.stopping)
        checks = self.source.checks
        if look.state is not State.WHOLE or (checks.checksum is Demand.OFF and checks.signature is Demand.OFF):
            return look
        try:
            return replace(look, verdict=self._judge(path, look.sha256))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not os.path.lexists(path):
                return Look(State.GONE)
            return Look(State.UNREADABLE, problem=error.strerror or str(error))  # or one that it is about is gone
        except Exception as error:  # noqa: BLE001 -- content that meets a bug must not stop the others
            return Look(State.UNREADABLE, problem=f"its checks failed ({type(error).__name__}: {error})")

    def _judge(self, path: str, sha256: str) -> Verdict:
        folder, _, name = path.rpartition("/")
        return judge(
            Path(path),
            name,
            sha256,
            self.source.checks,
            self._around.signers,
            read=lambda beside: read_beside(folder, beside),
            data=lambda beside: self._data(folder, beside),
            now=self._around.now(),
        )

    def _data(self, folder: str, name: str) -> Path | None:
        """Find a file that a sidecar is about, while there is time to read it; OSError when it is just going."""
        path = file_beside(folder, name)
        return path if path is not None and self._again.take(path.stat().st_size) else None

    # On the reactor.

    def settle(self, path: str, look: Look) -> Deferred[float | None]:
        """Deliver what is whole, forget what is gone; see `arrivals.Delivery`."""
        return self._settle(path, look)

    @inlineCallbacks
    def _settle(self, path: str, look: Look) -> Generator[Deferred[Any], Any, float | None]:
        name = self.source.name
        match look.state:
            case State.GONE | State.NO_FILE:
                if not self.forget(path) and look.state is State.GONE:
                    self._around.notify(FileVanished(name, path))
            case State.UNREADABLE:
                self._around.notify(FileUnreadable(name, path, look.problem, RETRY))
                return RETRY
            case State.REPORTED:
                yield self._clear_leftover(path)
            case State.WHOLE:
                try:
                    again: float | None = yield self._deliver(path, look)
                except FeedStopped:
                    return RETRY
                except Exception as error:  # noqa: BLE001 -- whatever it is, the file must be delivered later
                    self._around.notify(FileNotKept(name, path, str(error) or type(error).__name__))
                    return RETRY
                return again
            case _:
                pass  # OPEN: the news will be that it was closed
        return None

    @inlineCallbacks
    def _deliver(self, path: str, look: Look) -> Generator[Deferred[Any], Any, float | None]:
        verdict, now = look.verdict, self._around.now()
        problem = ""
        if verdict is not None and verdict.outcome is Outcome.HOLD:
            wait = min(look.changed, now) + self.source.checks.wait - now
            if wait > 0:
                self._around.notify(FileWaits(self.source.name, path, verdict.problem, wait))
                return wait
            problem = f"{verdict.problem} within {self.source.checks.wait:g} s"
        elif verdict is not None and verdict.outcome is Outcome.REJECT:
            problem = verdict.problem
        if problem:
            self._around.notify(FileRejected(self.source.name, path, problem))
            yield self._report(path, look, rejected_event(self.source.name, path, look, problem, now), rejected=True)
        elif self.source.content is Content.SYSLOG and self._around.feed is not None:
            yield self._deliver_log(path, look, self._around.feed)
        else:
            yield self._report(path, look, complete_event(self.source.name, path, look, now))
        if not problem:
            self._tell_sidecar(path, verdict)
        return None

    @inlineCallbacks
    def _deliver_log(self, path: str, look: Look, feed: LogFeed) -> Generator[Deferred[Any], Any, None]:
        source, around = self.source, self._around
        place = log_bookmark(source.name, path, cast(Stamp, look.stamp))
        begun: dict[str, str] = yield around.bookmarks(place)
        origin = Origin(source.name, Trust.LOCAL, zone=source.zone, file=path)
        fed: Fed = yield feed.feed(Path(path), place, origin, source.unpacking, begun.get(place))
        if fed.problem is None:
            event = complete_event(source.name, path, look, around.now(), fed.messages)
        else:
            event = log_failed_event(source.name, path, look, fed, around.now())
            around.notify(LogUnreadable(source.name, path, fed.problem, fed.messages))
        yield self._report(path, look, event, {place: None}, rejected=fed.problem is not None)
        yield self._clear_leftover(path)

    def _tell_sidecar(self, path: str, verdict: Verdict | None) -> None:
        if verdict is not None and verdict.speaks_against:
            subject = about(path.rpartition("/")[2])
            self._around.notify(FileSidecarFailed(self.source.name, path, subject, verdict.problem))

    def _report(
        self, path: str, look: Look, event: Message, bookmarks: Bookmarks | None = None, *, rejected: bool = False
    ) -> Deferred[None]:
        entry = Entry(cast(Stamp, look.stamp), rejected)
        name = self._reported.bookmark(path)
        self._forgotten.pop(name, None)
        kept = self._around.pipeline.report(event, {**(bookmarks or {}), name: entry.text()})
        return kept.addCallback(lambda _: self._reported.add(path, entry))

    @property
    def clears(self) -> bool:
        """Whether what is done with does not stay."""
        return self.source.content is Content.SYSLOG and self.source.after is not After.KEEP

    @inlineCallbacks
    def _clear_leftover(self, path: str) -> Generator[Deferred[Any], Any, None]:
        """Take a log away that is done with, as `after` says; it may be here because the gateway was killed."""
        entry, source = self._reported.get(path), self.source
        if not self.clears or entry is None or entry.rejected:
            return
        roots = tuple(map(str, source.folders))
        problem = yield self._around.in_thread(lambda: clear(path, entry.stamp, source.after, source.processed, roots))
        if problem:
            self._around.notify(LogNotCleared(source.name, path, problem))

    @inlineCallbacks
    def forget_places(self) -> Generator[Deferred[Any], Any, None]:
        """Forget the places in logs that are gone, or were replaced before they were read to their end."""
        places: dict[str, str] = yield self._around.bookmarks(f"log/{self.source.name}/")
        stale: list[str] = yield self._around.in_thread(lambda: [name for name in places if not _is_place(name)])
        self._forgotten |= dict.fromkeys(stale)
        self.flush()

    # Bookmarks that are not needed any more.

    def forget(self, path: str) -> bool:
        """Forget a file that is gone; tell whether it was reported. See `flush`."""
        known = self._reported.forget(path)
        if known:
            self._forgotten[self._reported.bookmark(path)] = None
        return known

    def flush(self) -> Deferred[None] | None:
        """Keep what was forgotten; None: there is nothing. Does not fail: a scan forgets it again."""
        if not self._forgotten:
            return None
        forgotten: dict[str, str | None] = dict(self._forgotten)
        self._forgotten.clear()
        return self._around.pipeline.note(forgotten).addErrback(lambda _: None)
