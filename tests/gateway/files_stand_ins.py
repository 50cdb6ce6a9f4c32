"""A watcher of folders in a real folder, with a pipeline that remembers what is on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.internet import reactor as _reactor  # noqa: TID251 -- real news of folders need the real one
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from gateway import clock
from gateway.file_source_config import FilesSource
from gateway.log_files.log_feed import LogFeed
from gateway.sources.files.source import FilesWatcher
from gateway.zone import local_zone
from parsers.errors import Place
from parsers.message import Batch, Message
from tests.gateway.own_kinds import assert_known
from tests.gateway.told import Told

reactor: Any = _reactor

QUIET = 0.005
"""Seconds."""


class Disk:
    """A pipeline and its store: an event and its bookmarks are kept together, or not at all.

    Attributes:
        events: the fields of what was reported.
        lines: what was accepted of logs.
        refuses: nothing can be kept.
        waits: what is reported is kept when `keep_all` is called, and not before.
    """

    def __init__(self) -> None:
        self.bookmarks: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.lines: list[bytes] = []
        self.refuses = False
        self.waits = False
        self._waiting: list[Callable[[], None]] = []

    def accept(self, batch: Batch, bookmarks: Mapping[str, str | None] | None = None) -> Deferred[None]:
        """Take lines of a log."""
        return self._keep(lambda: self.lines.extend(batch.frames.texts()), bookmarks or {})

    def report(
        self, message: Message, bookmarks: Mapping[str, str | None] | None = None, *, keep: bool = True
    ) -> Deferred[None]:
        """Take an event."""
        assert message.origin.dataset == "files"
        assert keep
        assert_known(message)
        return self._keep(lambda: self.events.append(json.loads(message.frame)), bookmarks or {})

    def note(self, bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        """Keep bookmarks."""
        return self._keep(lambda: None, bookmarks)

    def read(self, prefix: str) -> Deferred[dict[str, str]]:
        """Return bookmarks."""
        return succeed({name: text for name, text in self.bookmarks.items() if name.startswith(prefix)})

    def keep_all(self) -> None:
        """Keep what waits."""
        self.waits = False
        while self._waiting:
            self._waiting.pop(0)()

    def _keep(self, what: Callable[[], None], bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        if self.refuses:
            return fail(OSError(28, "no space"))
        kept: Deferred[None] = Deferred()

        def keep() -> None:
            what()
            for name, text in bookmarks.items():
                if text is None:
                    self.bookmarks.pop(name, None)
                else:
                    text.encode()
                    self.bookmarks[name] = text
            kept.callback(None)

        if self.waits:
            self._waiting.append(keep)
        else:
            keep()
        return kept

    def paths(self, action: str = "file-complete") -> list[str]:
        """Return the paths of the events with this action, in their order."""
        return [event["file.path"] for event in self.events if event["event.action"] == action]


class FilesCase(TestCase):
    """A folder, a store that outlives watchers, and watchers that are stopped when the test is over."""

    timeout = 20

    def setUp(self) -> None:
        """Make the folder."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.base = Path(folder.name)
        self.root = self.base / "in"
        self.root.mkdir()
        self.disk = Disk()
        self.told = Told()
        self.source = FilesSource("inbox", Place("g.yaml", 1, 1), (self.root,), local_zone(), quiet=QUIET)
        self.running: FilesWatcher | None = None
        self.feed: LogFeed | None = None

    async def tearDown(self) -> None:  # type: ignore[override]  # trial waits for it
        """Stop what runs."""
        await self.stop()

    async def start(self, **changes: Any) -> FilesWatcher:
        """Start a watcher, with other settings than usual where they are given."""
        self.source = replace(self.source, **changes)
        pool = reactor.getThreadPool()
        self.feed = LogFeed(self.disk.accept, pool, lambda: False, reactor, clock.now)
        watcher = FilesWatcher(self.source, self.disk, self.disk.read, self.feed, reactor, pool, self.told, clock.now)
        self.running = watcher
        await watcher.start()
        return watcher

    async def stop(self) -> None:
        """Stop it."""
        running, self.running = self.running, None
        if running is not None:
            await cast(LogFeed, self.feed).stop()
            await running.stop()

    async def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait until something is true."""
        end = reactor.seconds() + seconds
        while not true():
            assert reactor.seconds() < end, f"{self.disk.events} {self.told.lines()}"
            await deferLater(reactor, 0.002)

    async def settled(self) -> None:
        """Wait until nothing goes on, and a little longer than news take."""
        running = cast(FilesWatcher, self.running)
        await deferLater(reactor, 3 * QUIET)
        await self.until(lambda: running.idle)

    async def arrived(self, *names: str) -> None:
        """Wait until nothing goes on; then these files are what was reported since the last time, once each."""
        await self.until(lambda: len(self.disk.paths()) >= len(names))
        await self.settled()
        assert sorted(self.disk.paths()) == sorted(str(self.root / name) for name in names)
        self.disk.events.clear()
