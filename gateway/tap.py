"""Build and wire everything: what `twistd gateway` runs. The reactor has its one home here."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver
from twisted.python.components import Componentized
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from gateway import clock
from gateway.config import ConfigErrors
from gateway.jobs.worker import Worker
from gateway.listeners import Listeners
from gateway.loading import Loaded, load_all, make_stages
from gateway.log import LogFile, Teller, log_file
from gateway.notices import ConfigurationWarning, Notify, Ready, Reloaded, ReloadRefused, RuleOff
from gateway.pipeline import Pipeline, Stages
from gateway.runner.client import Runner

POLL = 10.0
"""Seconds between two looks at certificate files and at the kernel's count of dropped datagrams."""

DRAIN = 10.0
"""Seconds that running processes get to end when the gateway stops."""


class Options(TwistedOptions):
    """The options of `twistd gateway`."""

    synopsis = "[--config FILE]"
    longdesc = "Takes in remote syslog, matches it against rules and runs local processes. See `gateway --help`."

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["config"] = Path("gateway.yaml")

    def opt_config(self, file: str) -> None:
        """The configuration file (default: gateway.yaml)."""
        self["config"] = Path(file)

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
    try:
        loaded = load_all(options["config"])
        loaded.config.state.mkdir(parents=True, exist_ok=True)
    except ConfigErrors as error:
        raise SystemExit(f"{error}\nThe configuration does not load, nothing was started.") from None
    except OSError as error:
        raise SystemExit(f"the state folder cannot be made: {error}") from None
    parent: Mapping[str, str | None] = options.parent or {}
    if parent.get("syslog"):
        raise SystemExit("a gateway that logs to syslog may feed itself: use --logfile, or systemd's journal")
    return Gateway(reactor, loaded, log_file(parent.get("logfile")))


class Gateway(MultiService):
    """The running gateway."""

    def __init__(self, reactor: Any, loaded: Loaded, log: LogFile) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._log = log
        self._loaded = loaded
        self._notify: Notify = Teller(reactor)
        config = loaded.config
        self._runner = Runner(reactor, config.path, self._notify, limit=config.processes)
        self._runner.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._worker = Worker(self._runner, self._notify)
        self._pipeline = Pipeline(make_stages(loaded), self._worker, self._notify)
        self._listeners = Listeners(reactor, self._pipeline, config.limits, self._notify, clock.now)
        self._poll = LoopingCall(self._listeners.poll)
        self._poll.clock = reactor
        self._reloading = False
        self._reload_again = False

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
            raise SystemExit("no source could be opened, so that nothing could ever arrive")

    def startService(self) -> None:
        """Begin: from here on SIGHUP reloads, SIGUSR1 says what came in."""
        super().startService()  # type: ignore[no-untyped-call]
        call = self._reactor.callFromThread
        signal.signal(signal.SIGHUP, lambda *_: call(self.reload))
        signal.signal(signal.SIGUSR1, lambda *_: call(self._pipeline.tell_totals))
        self._poll.start(POLL, now=False)
        self._notify(Ready(len(self._loaded.rules), len(self._listeners)))

    @inlineCallbacks
    def stopService(self):  # type: ignore[no-untyped-def]
        """Stop taking messages, let running processes end, then stop the runner."""
        if self._poll.running:
            self._poll.stop()
        yield self._listeners.stop()
        idle = self._worker.whenIdle()
        idle.addTimeout(DRAIN, self._reactor, onTimeoutCancel=lambda *_: None)
        yield idle
        self._pipeline.tell_totals()
        yield super().stopService()  # type: ignore[no-untyped-call]

    def reload(self) -> None:
        """Read the configuration, rules and certificates anew; what does not load leaves the old in use."""
        if self._reloading:
            self._reload_again = True
            return
        self._reloading = True
        pool = self._reactor.getThreadPool()
        # compiling a thousand rules takes seconds, and the compiler gives the interpreter free meanwhile
        work: Deferred[tuple[Loaded, Stages]] = deferToThreadPool(
            self._reactor, pool, _load_again, self._loaded.config.path
        )
        work.addCallbacks(self._take_over, self._refuse)
        work.addBoth(self._reloaded)

    def _take_over(self, fresh: tuple[Loaded, Stages]) -> None:
        loaded, stages = fresh
        self._loaded = loaded
        self._tell_flaws(loaded)
        self._pipeline.replace(stages)
        self._listeners.follow(loaded.config.sources, loaded.config.limits)
        self._runner.reload()
        self._notify(Reloaded(str(loaded.config.path), len(loaded.rules), len(self._listeners)))

    def _refuse(self, failure: object) -> None:
        error = getattr(failure, "value", failure)
        problems = error.errors if isinstance(error, ConfigErrors) else (error,)
        for problem in problems:
            self._notify(ReloadRefused(str(problem)))

    def _reloaded(self, _: object) -> None:
        self._reloading = False
        if self._reload_again:
            self._reload_again = False
            self.reload()

    def _tell_flaws(self, loaded: Loaded) -> None:
        for warning in loaded.warnings:
            self._notify(ConfigurationWarning(str(warning)))
        for error in loaded.errors:
            self._notify(RuleOff(str(error)))


def _load_again(path: Path) -> tuple[Loaded, Stages]:
    loaded = load_all(path)
    return loaded, make_stages(loaded)
