"""The drop box in the running gateway: its threads, its accounts, its logins, and the files that come in."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.accounts.accounts import Accounts
from gateway.accounts.checker import external_check
from gateway.accounts.logins import LoginDesk
from gateway.checks.signers import Signers
from gateway.config import Config
from gateway.drop.box import Box
from gateway.drop.disposal import Disposal
from gateway.drop_config import DropSettings
from gateway.file_source_config import FilesSource
from gateway.jobs.store import Store
from gateway.log_files.log_feed import LogFeed
from gateway.notice import Notify
from gateway.notices.jobs import GatewayFault
from gateway.pipeline import Pipeline
from gateway.sources.files.source import FilesWatcher
from rules.job import Attempt
from rules.outcome import Outcome
from rules.step import Delete, Move

THREADS = 16
"""Threads that wait for the disk, and judge passwords; most of them sleep."""

POLL = 5.0
"""Seconds between two looks at the accounts file."""

SWEEP = 60.0
"""Seconds between two looks for files that are too old, or have waited too long."""


class _Background(Thread):
    """A thread that nobody waits for at the end: it may hang on a network file system."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments, daemon=True)


class _Threads(ThreadPool):
    threadFactory = _Background  # type: ignore[assignment]  # noqa: N815 -- Twisted has it as exactly Thread


class DropBox:
    """What all ways in for files share.

    Args:
        reactor: provides time and threads.
        config: returns the configuration as it is now.
        pipeline: takes events, and the lines of logs.
        store: keeps how far things have come.
        run: starts a process, for the program that judges passwords.
        now: the wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        reactor: Any,
        config: Callable[[], Config],
        pipeline: Pipeline,
        store: Store,
        run: Callable[[Attempt], Deferred[Outcome]],
        notify: Notify,
        now: Callable[[], float],
    ) -> None:
        settings = config().drop
        self.pool = _Threads(0, THREADS, "files")
        """Threads for whoever waits for the disk."""
        self._reactor = reactor
        self._pipeline = pipeline
        self._store = store
        self._run = run
        self._notify = notify
        self._now = now
        self._config = config
        self._feed = LogFeed(pipeline.accept, self.pool, self._is_full, reactor, now)
        self._accounts = Accounts(settings, notify)
        self._box = Box(
            settings,
            self.pool,
            reactor,
            pipeline,
            self._bookmarks,
            self._accounts.all,
            notify,
            now,
            feed=self._feed,
            signers=Signers(notify),
            zone_of=lambda source: config().zone_of(source),
        )
        self.logins = LoginDesk(self._accounts, self._box.open, pipeline.report, reactor, self.pool, notify, now)
        """Lets clients in."""
        self._disposal = Disposal(reactor, self.pool, self._roots, lambda: self.settings.folder)
        self._follow_checker()
        self._calls: list[LoopingCall] = []
        self._watchers: list[FilesWatcher] = []
        """Those that are to begin with us."""

    @property
    def settings(self) -> DropSettings:
        """What all ways into the drop box share, as it is now."""
        return self._config().drop

    def start(self) -> None:
        """Finish what the last run left, and look after accounts and old files from now on."""
        self.pool.start()
        self._accounts.poll()
        self._box.start()
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            self._begin(watcher)
        for work, seconds in ((self._poll_accounts, POLL), (self._box.sweep, SWEEP)):
            call = LoopingCall(self._do, work)
            call.clock = self._reactor
            call.start(seconds, now=False)
            self._calls.append(call)

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[Any], Any, None]:
        """End what is under way; what is whole is finished, what is not is removed."""
        for call in self._calls:
            if call.running:
                call.stop()
        yield self._feed.stop()
        yield self._box.stop()

    def perform(self, step: Delete | Move, attempt: Attempt) -> Deferred[Outcome]:
        """Delete or move a file because a rule says so; fires with the outcome, and never fails."""
        return self._disposal.perform(step, attempt)

    def watch(self, source: FilesSource) -> FilesWatcher:
        """Watch folders, from `start` on at the earliest."""
        watcher = FilesWatcher(
            source, self._pipeline, self._bookmarks, self._feed, self._reactor, self.pool, self._notify, self._now
        )
        if self._calls:
            self._begin(watcher)
        else:
            self._watchers.append(watcher)
        return watcher

    def follow(self) -> None:
        """Go on with another configuration, for what comes from then on."""
        self._accounts.follow(self.settings)
        self._box.follow(self.settings)
        self._box.judge_again()
        self._follow_checker()

    def _is_full(self) -> bool:
        return self._pipeline.pending > self._config().limits.pending

    def _roots(self) -> list[Path]:
        """Return the folders whose files rules may delete and move."""
        accounts = [account.folder for account in self._accounts.all()]
        return list(dict.fromkeys((self.settings.folder, *accounts, *self._config().watched())))

    def _poll_accounts(self) -> Deferred[None]:
        polled = self._accounts.poll_in_thread(self._reactor, self.pool)
        return polled.addCallback(lambda _: self._box.judge_again())  # accounts expire, too

    def _begin(self, watcher: FilesWatcher) -> None:
        watcher.start().addErrback(self._tell_fault)

    def _follow_checker(self) -> None:
        self.logins.check_external = external_check(self._run) if self.settings.checker else None

    def _bookmarks(self, prefix: str) -> Deferred[dict[str, str]]:
        return self._store.read(lambda database: database.bookmarks(prefix))

    def _do(self, work: Callable[[], object]) -> Deferred[object]:
        return maybeDeferred(work).addErrback(self._tell_fault)

    def _tell_fault(self, failure: Failure) -> None:
        self._notify(GatewayFault(f"{type(failure.value).__name__}: {failure.value}"))
