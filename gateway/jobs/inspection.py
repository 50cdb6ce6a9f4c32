"""Read the whole store once after a start, in a process of its own: a damage is to be known before it is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from gateway.jobs.records import Damage
from gateway.notice import Notify
from gateway.notices.journal import JournalInspected, JournalNotInspected

MAX_OUTPUT = 1024**2
"""Octets of the process's answer: thousands of damages, of which the first say enough."""


class Inspection(Service):
    """Runs `gateway journal verify` at low priority, beside the gateway that writes.

    Args:
        reactor: starts the process.
        state: the state folder.
        tell: told of the damages.
        notify: told how it ended.
    """

    def __init__(
        self, reactor: IReactorProcess, state: Path, tell: Callable[[Sequence[Damage]], None], notify: Notify
    ) -> None:
        self._reactor = reactor
        self._state = state
        self._tell = tell
        self._notify = notify
        self._reading: _Reading | None = None

    def startService(self) -> None:
        """Begin to read."""
        super().startService()  # type: ignore[no-untyped-call]
        program = [sys.executable, "-P", "-s", "-m", "gateway"]  # -P: no module out of the working directory
        words = [*program, "journal", "verify", "--json", "--state-dir", str(self._state)]
        self._reading = _Reading(self._ended)
        try:
            self._reactor.spawnProcess(self._reading, "/usr/bin/nice", ["nice", "-n", "19", *words], env=None)
        except OSError as error:
            self._reading = None
            self._notify(JournalNotInspected(error.strerror or str(error)))

    def stopService(self) -> Deferred[None]:
        """Stop reading; fires when the process is gone."""
        super().stopService()  # type: ignore[no-untyped-call]
        return self._reading.stop() if self._reading is not None else succeed(None)

    def _ended(self, answer: bytes, said: bytes) -> None:
        self._reading = None
        try:
            found = json.loads(answer)
            damages = [Damage(one["table"], one["first"], one["last"], one["problem"]) for one in found["damages"]]
            self._tell(damages)
            self._notify(JournalInspected(found["records"], found["jobs"], len(damages), found["seconds"]))
        except (ValueError, LookupError, TypeError):
            if self.running:
                words = said.decode("utf-8", "backslashreplace").strip() or "it ended without a word"
                self._notify(JournalNotInspected(words[-500:]))


class _Reading(ProcessProtocol):
    """One process; `ended` is given what it wrote to its standard output and error."""

    def __init__(self, ended: Callable[[bytes, bytes], None]) -> None:
        self._ended = ended
        self._output = {1: bytearray(), 2: bytearray()}
        self._gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """It has nothing to read."""
        self._process.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N803 -- Twisted's name
        """Keep what it writes, as far as it can matter."""
        output = self._output[childFD]
        output += data[: MAX_OUTPUT - len(output)]

    def processEnded(self, reason: Failure) -> None:  # noqa: ARG002 -- what it wrote says more
        """Hand on what it wrote."""
        self._ended(bytes(self._output[1]), bytes(self._output[2]))
        self._gone.callback(None)

    def stop(self) -> Deferred[None]:
        """End it; fires when it is gone."""
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")
        return self._gone

    @property
    def _process(self):  # type: ignore[no-untyped-def]
        assert self.transport is not None  # noqa: S101 -- it has been started
        return self.transport
