"""Watched folders as a source: what appears in them is an event once, also when the gateway was not running."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.checks.checks import covered
from gateway.checks.signers import Signers
from gateway.file_source_config import FilesSource
from gateway.log_files.log_feed import LogFeed
from gateway.notice import Notify
from gateway.notices.files import FileNotKept, NewsLost, ScanFailed
from gateway.sources.files.arrivals import Arrivals
from gateway.sources.files.clearing import read_beside
from gateway.sources.files.delivery import FileDelivery, Pipeline, Surroundings
from gateway.sources.files.names import Names
from gateway.sources.files.reported import Entry, Reported, prefix_of
from gateway.sources.files.scan import Identity, Scan, Scanned, identities
from gateway.sources.files.telling import MAX_INSTANCES, Telling
from gateway.sources.files.tree import Tree
from gateway.sources.files.watch import Watch
from gateway.sources.files.whole import Stamp, Stopped

T = TypeVar("T")

RESCAN = 60.0
"""Seconds between two scans of folders that the kernel does not watch for us."""

SLICE = 2_000
"""Files of a scan that are taken, or noted, at a time, a few milliseconds, so that others get their turn between."""

FLUSH = 1.0
"""Seconds for which bookmarks that are not needed any more are gathered."""


class Reactor(IReactorTime, IReactorFromThreads, IReactorFDSet):
    """What is asked of a reactor."""


class FilesWatcher:
    """The folders of one source.

    Args:
        source: its settings.
        pipeline: takes events and keeps bookmarks.
        bookmarks: reads the bookmarks whose names begin so.
        feed: takes the lines of logs; None: there are no logs.
        reactor: provides time, the way back from threads, and readers.
        pool: for everything that waits for a disk.
        now: the wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        source: FilesSource,
        pipeline: Pipeline,
        bookmarks: Callable[[str], Deferred[dict[str, str]]],
        feed: LogFeed | None,
        reactor: Reactor,
        pool: ThreadPool,
        notify: Notify,
        now: Callable[[], float],
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._bookmarks = bookmarks
        self._reactor = reactor
        self._pool = pool
        self._notify = notify
        self._reported = Reported(source.name)
        around = Surroundings(pipeline, bookmarks, Signers(notify), feed, self._in_thread, notify, now)
        self._delivery = FileDelivery(source, self._reported, around)
        self._arrivals = Arrivals(reactor, self._delivery, self._in_thread, source.quiet)
        self._tree = Tree(Names(source), self)
        self._watch: Watch | None = None
        self._knows = False  # what earlier runs have reported
        self._begun = False  # all folders were scanned once, in this run or an earlier one
        self._appeared: dict[str, None] = {}  # folders to be scanned
        self._all = False  # all are
        self._scanned_at = 0.0
        self._unwatched = 0
        self._telling = Telling(source.name, notify, RESCAN)
        self._slices: deque[tuple[str, Stamp | Entry]] = deque()
        self._calls: dict[str, IDelayedCall] = {}
        self._scanning: Deferred[None] | None = None
        self._looking_at_roots = False
        self._stopping = False

    @property
    def address(self) -> str:
        """What is watched, for the notice that it is."""
        return ", ".join(map(str, self._source.folders))

    def __len__(self) -> int:
        """Count the folders that the kernel watches."""
        return len(self._tree)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way but what was put off."""
        scans = self._scanning or self._all or self._appeared or self._slices or self._looking_at_roots
        return not scans and not self._arrivals.active

    # The life of the source.

    @inlineCallbacks
    def start(self) -> Generator[Deferred[Any], Any, None]:
        """Watch the folders, and take what came since the last run; fires when all of it is known.

        Fails as `bookmarks` does.
        """
        name = self._source.name
        kept: dict[str, str] = yield self._bookmarks(prefix_of(name))
        self._begun = yield self._in_thread(lambda: self._reported.load(kept))
        yield self._delivery.forget_places()
        try:
            watch = yield self._in_thread(lambda: Watch(self._reactor, self._tree.take))
        except OSError as error:
            self._telling.unwatched(len(self._source.folders), error.strerror or str(error), MAX_INSTANCES)
        else:
            self._watch = watch
            if self._stopping:
                watch.stop()
                return
            watch.start()
        self._all = self._knows = True
        yield self._scan()

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[Any], Any, None]:
        """Take nothing more; fires when nothing of this source is under way.

        Logs end when their feed does: stop that first, or at the same time.
        """
        self._stopping = self._delivery.stopping = True
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        if self._watch is not None:
            self._watch.stop()
        yield self._arrivals.stop()
        if self._scanning is not None:
            yield self._scanning
        flushed = self._delivery.flush()
        if flushed is not None:
            yield flushed

    def follow(self, source: FilesSource) -> None:
        """Go on with other settings; the name stays."""
        former, self._source = self._source, source
        self._delivery.source = source
        self._arrivals.quiet = source.quiet
        if former != source:
            self._tree.names = Names(source)
            folders = self._roots()
            for root in self._tree.roots.keys() - folders:
                del self._tree.roots[root]
            self._telling.missing &= folders
            self._scan_all()

    def poll(self) -> None:
        """Look after what does not tell by itself: files that were put off, folders that were not there.

        To be called every few seconds.
        """
        if self._stopping or not self._knows:
            return
        self._arrivals.poll()
        if self._unwatched and self._reactor.seconds() - self._scanned_at >= RESCAN:
            self._scan_all()
        if not self._looking_at_roots:
            self._looking_at_roots = True
            roots = sorted(self._roots())
            self._in_thread(lambda: identities(roots)).addBoth(self._saw_roots)

    def _saw_roots(self, found: dict[str, Identity | None] | Failure) -> None:
        """Scan roots that are there again, or that are others now: something was mounted there, say."""
        self._looking_at_roots = False
        if isinstance(found, Failure):
            return  # a bug of ours, or the pool is stopping
        for root in self._roots():
            if (now := found.get(root)) is not None and now != self._tree.roots.get(root):
                self._appeared[root] = None
        if self._appeared:
            self._begin_scan()

    # What the news mean.

    def may_be_new(self, path: str, *, closed: bool) -> None:
        """Look at a file when it is quiet."""
        self._arrivals.hint(path, closed=closed)

    def was_touched(self, path: str) -> None:
        """Look at a file when it is quiet; it may be readable now, or have another time."""
        self._arrivals.touch(path)

    def is_gone(self, path: str) -> None:
        """Forget a file."""
        if self._arrivals.forget(path):
            self._forget((path,))

    def sidecar_came(self, path: str) -> None:
        """Look again at the files that it is about: those that wait for it, and those that were rejected."""
        folder, _, name = path.rpartition("/")
        reading = self._in_thread(
            lambda: covered(name, read_beside(folder, name), lambda other: read_beside(folder, other))
        )
        reading.addCallbacks(self._recheck, lambda _: None, callbackArgs=(folder,))

    def _recheck(self, names: Iterable[str], folder: str) -> None:
        for name in names:
            path = f"{folder}/{name}"
            entry = self._reported.get(path)
            if entry is not None and entry.rejected:
                self._reported.forget(path)
                self._arrivals.hint(path, closed=True)
            else:
                self._arrivals.hasten(path)

    def folder_appeared(self, path: str) -> None:
        """Watch and scan a folder."""
        self._appeared[path] = None
        self._begin_scan()

    def folder_left(self, path: str) -> None:
        """Watch a folder no longer, and forget what was in it."""
        self._tree.leave(path, self._watch)
        self._forget(each for each in list(self._reported.paths(path)) if self._arrivals.forget(each))

    def root_left(self, path: str) -> None:
        """Wait until the folder is there again; what was in it stays known, for it may be the same that comes back."""
        self._tree.leave(path, self._watch)
        self._telling.lacks(path, "it was removed, moved or unmounted")

    def has_unusable_name(self, path: str) -> None:
        """Say that a file is passed over."""
        self._telling.unusable(path)

    def lost_track(self) -> None:
        """Scan everything."""
        self._notify(NewsLost(self._source.name, self.address))
        self._scan_all()

    # Scans: one at a time, each in a thread.

    def _scan_all(self) -> None:
        self._all = True
        self._begin_scan()

    def _begin_scan(self) -> None:
        """Scan what is to be scanned, now or after the scan that is under way."""
        if self._scanning is None and self._knows:
            # not at once: a loop that makes folders makes many of them
            self._later("scan", 0.0, self._scan)

    @inlineCallbacks
    def _scan(self) -> Generator[Deferred[Any], Any, None]:
        self._scanning = Deferred()
        try:
            while (self._all or self._appeared) and not self._stopping:
                yield self._scan_once()
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 -- the source must go on
            self._tree.scanning = False
            self._notify(ScanFailed(self._source.name, f"{type(error).__name__}: {error}"))
            self._later("retry", RESCAN, self._scan_all)
        finally:
            scanning, self._scanning = self._scanning, None
            scanning.callback(None)

    @inlineCallbacks
    def _scan_once(self) -> Generator[Deferred[Any], Any, None]:
        roots = self._roots()
        everything, folders = self._all, sorted(roots) if self._all else list(self._appeared)
        self._all = False
        self._appeared.clear()
        if everything:
            self._scanned_at, self._unwatched = self._reactor.seconds(), 0
        self._tree.scanning = True
        scan = Scan(self._tree.names, roots, self._watch, self._reported, self._is_stopping, self._delivery.clears)
        scanned: Scanned = yield self._in_thread(lambda: scan.look(folders))
        if self._stopping:
            return
        self._tree.enter(scanned, self._watch)
        if everything:
            self._tree.keep_only(scanned.watches, self._watch)
        self._telling.scanned(scanned, watching=self._watch is not None)
        self._unwatched += scanned.unwatched
        if everything and not self._begun:
            try:
                yield self._first(scanned)
            except Exception as error:  # noqa: BLE001 -- whatever it is, files must be taken
                if not self._stopping:
                    self._notify(FileNotKept(self._source.name, self.address, str(error) or type(error).__name__))
        self._slices.extend(scanned.gone)
        self._slices.extend(scanned.files)
        self._take_slice()

    def _is_gone_since(self, path: str, entry: Entry) -> None:
        if self._reported.get(path) is entry and self._arrivals.forget(path):
            self._forget((path,))

    @inlineCallbacks
    def _first(self, scanned: Scanned) -> Generator[Deferred[Any], Any, None]:
        """Note that there was a first scan; what it found is reported, or taken as known."""
        if not self._source.existing:
            known, scanned.files = scanned.files, []
            for start in range(0, len(known), SLICE):
                texts: dict[str, str | None] = {}
                for path, stamp in known[start : start + SLICE]:
                    entry = Entry(stamp)
                    self._reported.add(path, entry)
                    texts[self._reported.bookmark(path)] = entry.text()
                yield self._pipeline.note(texts)
        yield self._pipeline.note({prefix_of(self._source.name): "scanned"})
        self._begun = True

    def _take_slice(self) -> None:
        for _ in range(min(SLICE, len(self._slices))):
            path, found = self._slices.popleft()
            if isinstance(found, Entry):
                self._is_gone_since(path, found)
            else:
                self._arrivals.found(path, found)
        if self._slices:
            self._later("slice", 0.0, self._take_slice)

    # Small things.

    def _forget(self, paths: Iterable[str]) -> None:
        for path in paths:
            if self._delivery.forget(path):
                self._later("flush", FLUSH, self._delivery.flush)

    def _later(self, name: str, seconds: float, what: Callable[[], object]) -> None:
        def call() -> None:
            del self._calls[name]
            what()

        if not self._stopping and name not in self._calls:
            self._calls[name] = self._reactor.callLater(seconds, call)

    def _in_thread(self, what: Callable[[], T]) -> Deferred[T]:
        return deferToThreadPool(self._reactor, self._pool, what)

    def _is_stopping(self) -> bool:
        return self._stopping

    def _roots(self) -> frozenset[str]:
        return frozenset(map(str, self._source.folders))
