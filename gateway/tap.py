"""Build and wire everything: what `twistd gateway` runs. The reactor has its one home here."""

from __future__ import annotations

import gc
import os
import random
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from gateway import clock
from gateway.attendance import Attendance
from gateway.clock import SteadyClock
from gateway.config import ConfigErrors
from gateway.control.inside import RunningInside
from gateway.control.server import Control
from gateway.drop.service import DropBox
from gateway.jobs.blocks import Entry
from gateway.jobs.database import Database
from gateway.jobs.inspection import Inspection
from gateway.jobs.journal_lock import check_unused
from gateway.jobs.perform import Performer
from gateway.jobs.private import FOLDER, PrivateFolders
from gateway.jobs.records import Damage
from gateway.jobs.retention import Retention
from gateway.jobs.schema import LOCK
from gateway.jobs.store import Store
from gateway.jobs.transactions import Recovered, recover
from gateway.jobs.worker import Worker
from gateway.list_files import ListFiles
from gateway.listeners import Listeners
from gateway.loading import Loaded, load_again, load_all, make_stages
from gateway.log import LogFile, Teller, log_file
from gateway.notices.jobs import GatewayFault
from gateway.notices.journal import JournalDamaged, Rebuilt
from gateway.notices.life import (
    ClockSet,
    ConfigurationWarning,
    Ready,
    ReadyInPart,
    Reloaded,
    ReloadedInPart,
    ReloadRefused,
    RuleOff,
    Stopping,
)
from gateway.notices.rules import ListLost
from gateway.outgoing.service import Outgoing, flaws
from gateway.outgoing_config import SendmailSettings
from gateway.pipeline import Pipeline, Stages
from gateway.runner.client import STOP_PATIENCE, Runner
from gateway.waits import Waits
from parsers.errors import OperatorError
from parsers.message import Message
from rules.rebuild import KeptState

POLL = 10.0
"""Seconds between two looks at certificate files, dropped datagrams and ports that could not be had."""

DRAIN = 10.0
"""Seconds that running processes get to end when the gateway stops."""

SWITCH = 0.0001
"""Seconds that the journal's thread waits for the interpreter while we are busy. It asks at each of its handful of
calls for a commit, so that at the usual 5 ms a flood of messages could keep it from writing for seconds."""

RUNNER = 2 * STOP_PATIENCE
"""Seconds that the runner gets to end, with all that it still runs, before the store is closed without it."""

GENERATIONS = (10_000, 20, 100)
"""After how many new objects the collector of cycles looks: there are next to none, and with Python's usual 700 it took
a third of the time of a flood of small uploads."""

PAST = 2
"""Windows' lengths that are read back: what filled a window may itself have been counted after another was full."""

CLOSE = 2.0
"""Seconds that connections get to close when the gateway stops."""


class CannotStart(SystemExit, Exception):  # noqa: N818 -- it is the end of a start, not of a program
    """The gateway cannot start.

    A SystemExit, so that twistd ends with one line and no traceback; and an Exception, because twistd looks for one
    before it removes its pid file and tells the process that waits for the daemon to start.
    """

    def __str__(self) -> str:
        """Render as one line."""
        return str(self.code)


class Options(TwistedOptions):
    """The options of `twistd gateway`."""

    synopsis = "[--config FILE]"
    longdesc = "Takes in remote syslog, matches it against rules and runs local processes. See `gateway --help`."

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["config"] = Path("gateway.yaml").absolute()

    def opt_config(self, file: str) -> None:
        """The configuration file (default: gateway.yaml)."""
        self["config"] = Path(file).absolute()  # twistd --rundir changes the working directory later

    opt_c = opt_config

    def parseArgs(self, *rest: str) -> None:
        """Refuse what is left."""
        if rest:
            raise UsageError(f"unexpected: {' '.join(rest)}")


def makeService(options: Options) -> Gateway:
    """Build the gateway, or end with one line for each thing that is wrong with its configuration."""
    from twisted.internet import reactor  # noqa: TID251 -- this is its one home

    # Twisted's timers follow the wall clock: a step of -1 h would stop them for an hour. Nothing is scheduled yet.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    sys.setswitchinterval(SWITCH)
    gc.set_threshold(*GENERATIONS)
    parent: Mapping[str, Any] = options.parent or {}
    try:
        loaded = load_all(options["config"])
        _make_state_folder(loaded.config.state)
        check_unused(loaded.config.state / "journal" / LOCK)
        log = _open_log(parent)
    except ConfigErrors as error:
        raise CannotStart(f"{error}\nThe configuration does not load, nothing was started.") from None
    except OperatorError as error:
        raise CannotStart(str(error)) from None
    return Gateway(reactor, loaded, log)


def _make_state_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"the state folder {folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OperatorError(f"the state folder {folder} cannot be written by user {os.geteuid()}")


def _open_log(parent: Mapping[str, Any]) -> LogFile:
    """Open the log where `twistd` would: it asks us for an observer, and then does not open it."""
    path, daemon = parent.get("logfile"), not parent.get("nodaemon", True)
    if parent.get("syslog"):
        raise OperatorError("a gateway that logs to syslog may feed itself: use --logfile, or systemd's journal")
    if daemon and path == "-":
        raise OperatorError("a daemon has no standard output to log to: use --logfile FILE, or twistd -n")
    try:
        return log_file(path or "twistd.log" if daemon else path)
    except OSError as error:
        raise OperatorError(f"the log {path or 'twistd.log'} cannot be written: {error.strerror}") from None


class Gateway(MultiService):
    """The running gateway.

    SIGHUP reads configuration, rules and certificates anew. Either all of it loads and takes the place of the old, or
    everything stays as it was and each error is said. Windows go on counting. A source that stays keeps its port, one
    that is new opens, one that is gone gives its port up; connections stay open in each case, those of a source that
    is gone until their peers close them, and changed settings are for connections to come. Only a
    TLS peer that a new policy no longer permits is cut off.
    """

    def __init__(self, reactor: Any, loaded: Loaded, log: LogFile) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._log = log
        self._loaded = loaded
        self._notify = Teller(reactor)
        config = loaded.config
        self._clock = SteadyClock(clock.now, reactor.seconds)
        self._runner = Runner(
            reactor,
            config.path,
            self._notify,
            limit=config.processes,
            lock=config.state / "runner.lock",
            folders=config.state / FOLDER,
        )
        self._runner.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._outgoing = Outgoing(reactor, config.mail, config.destinations, self._notify)
        self._outgoing.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._store = Store(reactor, self._notify, retention=config.journal, now=self._clock.now)
        self._runner.gave_up = self._store.fault = _end_at_once
        self._inspection = Inspection(reactor, config.state, self._store.tell_damages, self._notify)
        performer = Performer(self._runner, self._outgoing, self._mails_by_program)
        self._worker = Worker(
            reactor,
            self._store,
            performer,
            self._notify,
            now=self._clock.now,
            processes=config.processes,
            chance=random.random,
            private=PrivateFolders(config.state / FOLDER, self._runner.clean),
        )
        self._runner.found = self._worker.found
        self._worker.fault = _end_at_once
        self._pipeline = Pipeline(make_stages(loaded), self._worker, self._notify)
        self._attendance = Attendance(config.state / "alive")
        self._waits = Waits(reactor, self._pipeline, self._attendance, self._clock.now, self._notify)
        self._drop = DropBox(
            reactor,
            lambda: self._loaded.config,
            self._pipeline,
            self._store,
            self._runner.run,
            self._notify,
            self._clock.now,
        )
        performer.disposal = self._drop
        self._listeners = Listeners(
            reactor,
            self._pipeline,
            config.limits,
            self._notify,
            self._clock.now,
            socket.gethostname(),
            self._drop,
            lambda prefix: self._store.read(lambda database: database.bookmarks(prefix)),
        )
        rules = lambda: [rule.name for rule in self._loaded.rules]  # noqa: E731 -- others after each reload
        standings = self._pipeline.standings
        inside = RunningInside(
            self._store, self._worker.operators, self._clock.now, self._worker.status, rules, standings
        )
        self._worker.committed = inside.committed
        Control(reactor, config.state / "control.sock", inside, self._notify).setServiceParent(self)  # type: ignore[no-untyped-call]
        self._lists = ListFiles(reactor, reactor.getThreadPool(), self._notify, self.reload)
        self._lists.follow(loaded.lists, loaded.lost)
        self._lists.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._poll = LoopingCall(self._look_after)
        self._poll.clock = reactor
        self._reloading = self._reload_again = self._stopping = False

    def setServiceParent(self, parent: object) -> None:  # noqa: N802 -- Twisted's name
        """Give the application our log, whose lines a peer cannot forge."""
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._log)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def privilegedStartService(self) -> None:
        """Start the runner and take the ports, while twistd still has the privileges for it."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._tell_flaws(self._loaded)
        self._listeners.follow(self._loaded.config.sources, self._loaded.config.limits)
        if not len(self._listeners):
            raise CannotStart("no source could be opened, so that nothing could ever arrive")

    def startService(self) -> None:
        """Begin, as the user that we shall be: from here on SIGHUP reloads, SIGUSR1 says what came in."""
        self._open_store()
        super().startService()  # type: ignore[no-untyped-call]
        self._drop.start()
        call = self._reactor.callFromThread
        signal.signal(signal.SIGHUP, lambda *_: call(self.reload))
        signal.signal(signal.SIGUSR1, lambda *_: call(self._pipeline.tell_totals))
        self._poll.start(POLL, now=False)
        self._waits.start()
        self._runner.ready.addCallback(self._go)
        gc.freeze()  # what is loaded stays: a collection that looks at it all stops everything for a tenth of a second

    def _open_store(self) -> None:
        """Read back what the last gateway knew, and go on with its jobs."""
        config, begun = self._loaded.config, self._reactor.seconds()
        try:
            database = Database.open(config.state / "journal")
        except OperatorError as error:
            raise CannotStart(str(error)) from None
        try:
            recovered = self._recover(database)
            records, states = self._rebuild(database)
        except sqlite3.DatabaseError as error:
            words = f"the journal in {config.state / 'journal'} cannot be read ({error}): `gateway journal repair`"
            raise CannotStart(words) from None
        self._notify(Rebuilt(records, states, self._reactor.seconds() - begun))
        self._store.retention = self._retention()
        self._store.start(database)
        self._worker.start(self._pipeline, recovered)

    def _recover(self, database: Database) -> Recovered:
        try:
            return recover(database, self._loaded.rules)
        except sqlite3.DatabaseError:
            database.reindex()
            return recover(database, self._loaded.rules)

    def _rebuild(self, database: Database) -> tuple[int, int]:
        """Let the rules see again what they counted; return how many messages that was and how many states are open."""
        now = self._clock.now()
        since = self._attendance.since(PAST * self._pipeline.longest_window(), now)
        open_states = database.open_states()
        states = [
            KeptState(one.job.rule, one.job.key, one.job.id, one.created, one.due, one.ended)
            for one in (*open_states, *database.states_since(since))
        ]
        openings = database.openings(now - self._retention().age)
        records = self._pipeline.rebuild(self._whole(database.entries(since=since)), states, openings)
        return records, len(open_states)

    def _retention(self) -> Retention:
        """Return what is kept: what the operator wants, and what the rules need to go on counting."""
        wanted = self._loaded.config.journal
        needed = max(PAST * self._pipeline.longest_window(), self._pipeline.longest_growth())
        return replace(wanted, age=max(wanted.age, needed))

    def _whole(self, entries: Iterable[Entry | Damage]) -> Iterator[Message]:
        for entry in entries:
            if isinstance(entry, Damage):
                self._notify(JournalDamaged(str(entry)))
            else:
                yield entry.message

    def _mails_by_program(self) -> bool:
        return isinstance(self._loaded.config.mail, SendmailSettings)

    def _look_after(self) -> None:
        """Look after what changes by itself."""
        try:
            step = self._clock.follow()
            if step:
                self._pipeline.shift(step, self._clock.now())
                shifted = self._worker.shift(step)
                shifted.addCallbacks(lambda count: self._notify(ClockSet(step, count)), lambda _: None)
            self._listeners.poll()
            self._pipeline.tell_evictions()
            self._pipeline.tell_stopped_searches()
        except Exception as error:  # noqa: BLE001 -- or nothing would ever be looked after again
            self._notify(GatewayFault(f"{type(error).__name__}: {error}"))

    def _go(self, _: None) -> None:
        self._worker.go()
        self._inspection.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._tell_ready()

    def _tell_ready(self) -> None:
        rules, sources, missing = len(self._loaded.rules), len(self._listeners), ", ".join(self._listeners.missing)
        self._notify(ReadyInPart(rules, sources, missing) if missing else Ready(rules, sources))

    @inlineCallbacks
    def stopService(self):  # type: ignore[no-untyped-def]
        """Stop taking messages, let running processes end, then stop the runner."""
        self._stopping = True
        self._notify(Stopping(DRAIN))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # we heard it
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever presses Ctrl-C twice wants it now, and loses nothing
        if self._poll.running:
            self._poll.stop()
        self._waits.stop()
        yield self._within(CLOSE, self._listeners.stop())
        yield self._within(CLOSE, self._drop.stop())
        yield self._within(DRAIN, self._worker.stop())
        self._pipeline.tell_totals()
        children: Deferred[None] = maybeDeferred(super().stopService)
        yield self._within(RUNNER, children)
        yield self._within(CLOSE, self._worker.whenIdle())  # what the runner has ended is to be kept
        yield self._store.stop()
        self._notify.end_period()

    def _within(self, seconds: float, work: Deferred[None]) -> Deferred[None]:
        return work.addTimeout(seconds, self._reactor, onTimeoutCancel=lambda *_: None)

    def reload(self) -> None:
        """Read the configuration, rules and certificates anew; an error anywhere leaves all of the old in use."""
        self._log.reopen()
        if self._reloading:
            self._reload_again = True
            return
        self._reloading = True
        pool = self._reactor.getThreadPool()
        # compiling a thousand rules takes seconds, and the compiler gives the interpreter free meanwhile
        work: Deferred[tuple[Loaded, Stages]] = deferToThreadPool(
            self._reactor, pool, _load_again, self._loaded.config.path
        )
        work.addCallback(self._take_over)
        work.addErrback(self._refuse)
        work.addBoth(self._reloaded)

    @inlineCallbacks
    def _take_over(self, fresh: tuple[Loaded, Stages]):  # type: ignore[no-untyped-def]
        if self._stopping:
            return
        loaded, stages = fresh
        yield self._runner.reload()  # first, so that no rule asks for a task that the runner does not know yet
        former, self._loaded = self._loaded, loaded
        self._tell_flaws(loaded)
        if former.config.processes != loaded.config.processes:
            self._notify(ConfigurationWarning('"runner": limit changes at the next start only'))
        self._pipeline.replace(stages)
        self._worker.follow()
        self._outgoing.follow(loaded.config.mail, loaded.config.destinations)
        self._drop.follow()
        self._lists.follow(loaded.lists)
        self._store.retention = self._retention()
        yield self._listeners.follow(loaded.config.sources, loaded.config.limits)
        path, rules, sources = str(loaded.config.path), len(loaded.rules), len(self._listeners)
        missing = ", ".join(self._listeners.missing)
        self._notify(ReloadedInPart(path, rules, sources, missing) if missing else Reloaded(path, rules, sources))

    def _refuse(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, ConfigErrors):
            problems = [str(problem) for problem in error.errors]
        elif isinstance(error, OperatorError):
            problems = [str(error)]
        else:
            problems = [f"a bug of the gateway, please report it: {type(error).__name__}: {error}"]
        for problem in problems:
            self._notify(ReloadRefused(problem))

    def _reloaded(self, _: object) -> None:
        self._reloading = False
        if self._reload_again:
            self._reload_again = False
            self.reload()

    def _tell_flaws(self, loaded: Loaded) -> None:
        for warning in loaded.warnings:
            self._notify(ConfigurationWarning(str(warning)))
        for listed, error in loaded.lost.items():
            self._notify(ListLost(listed.name, str(error)))
        for error in loaded.errors:
            if error not in loaded.lost.values():
                self._notify(RuleOff(str(error)))


def _end_at_once() -> None:
    """End like a kill: what is on disk is right, and whoever started us starts us again."""
    os._exit(os.EX_SOFTWARE)


def _load_again(path: Path) -> tuple[Loaded, Stages]:
    loaded = load_again(path)
    if broken := list(flaws(loaded.config.mail, loaded.config.destinations)):
        raise ConfigErrors(broken)
    return loaded, make_stages(loaded)
