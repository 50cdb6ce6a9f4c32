"""Commands that look into a gateway which runs in this process: a real control socket over a made-up store."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from twisted.internet import reactor as _reactor  # noqa: TID251 -- a real socket needs the real one
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gateway import clock
from gateway.commands import main
from gateway.control.inside import RunningInside
from gateway.control.server import Control
from rules.rulebook import RuleBook
from rules.standing import Asked, Standing, standings
from tests.gateway.kept import RULES, Changing, Reading, fill
from tests.gateway.told import Told

reactor: Any = _reactor


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def run(*words: str) -> Ran:
    """Run a command in this thread."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(words))
    return Ran(code, out.getvalue(), err.getvalue())


class OnlineCase(TestCase):
    """A gateway's inside and its control socket."""

    timeout = 20

    def setUp(self) -> None:
        """Start it."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = Path(folder.name)
        fill(self.state / "journal", clock.now())
        self.told = Told()
        self.worker = Changing()
        self.paused: dict[str, float] = {}
        self.rulebook = RuleBook(())
        self.inside = RunningInside(
            Reading(self.state / "journal"),
            self.worker,
            clock.now,
            lambda: {"paused": self.paused},
            lambda: RULES,
            self.standings,
        )
        self.control = Control(reactor, self.state / "control.sock", self.inside, self.told)
        self.control.startService()
        self.addCleanup(lambda: self.control.stopService() if self.control.running else None)

    def standings(self, questions: Sequence[Asked], now: float) -> list[Standing]:
        """Look up how rules stand; there is none until `rulebook` has some."""
        return standings(self.rulebook, questions, now)

    def command(self, *words: str) -> Deferred[Ran]:
        """Run a command in a thread, for it asks and waits."""
        return deferToThread(run, *words, "--state-dir", str(self.state))
