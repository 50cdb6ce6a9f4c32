"""The gateway's two links to the runner: the process, and the connection that carries requests and replies."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, ITransport
from twisted.internet.protocol import ProcessProtocol, ServerFactory, connectionDone
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.python.failure import Failure

import gateway
from gateway.runner.protocol import Lines, ProtocolError, Reply, Request, Waits, read_reply, request_line

MAX_SAID = 4096
"""Octets of one line on the runner's standard error."""


class Owner(Protocol):
    """Whoever is told what the links see."""

    def connected(self, connection: Connection) -> None:
        """There is a connection; the runner will say when it is ready."""

    def replied(self, reply: Reply) -> None:
        """The runner has said something."""

    def garbled(self, error: ProtocolError) -> None:
        """The runner has sent a line that is no reply; the connection is being dropped."""

    def disconnected(self) -> None:
        """The connection is gone."""

    def said(self, line: str) -> None:
        """There was a line on standard error."""

    def waits(self, pid: int) -> None:
        """The outer process waits for another runner to end."""

    def keeper_ended(self, words: str) -> None:
        """The outer process is gone."""


class Connections(ServerFactory):
    """Makes the one connection that is handed to it."""

    noisy = False

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def buildProtocol(self, addr: object) -> Connection:  # noqa: ARG002 -- Twisted's signature
        """Return the protocol of the connection."""
        return Connection(self._owner)


class Connection(StreamProtocol):
    """Lines to and from the inner process."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._lines = Lines()
        self._broken = False

    def connectionMade(self) -> None:
        """Tell the service."""
        self._owner.connected(self)

    def dataReceived(self, data: bytes) -> None:
        """Pass the runner's replies on."""
        if self._broken:
            return
        try:
            for line in self._lines.feed(data):
                self._owner.replied(read_reply(line))
        except ProtocolError as error:
            self._broken = True
            self._owner.garbled(error)
            cast(Any, self.transport).abortConnection()

    def send(self, request: Request) -> None:
        """Ask the runner for something."""
        self.write(request_line(request))

    def write(self, line: bytes) -> None:
        """Send a request that is a line already."""
        cast(ITransport, self.transport).write(line)

    def finish(self) -> None:
        """Ask for nothing more, and go on reading until all has been said."""
        cast(Any, self.transport).loseWriteConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 -- Twisted's signature
        """Tell the service."""
        self._owner.disconnected()


class Keeper(ProcessProtocol):
    """The runner's outer process."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._control: socket.socket | None = None
        self._text = {1: b"", 2: b""}

    def spawn(
        self,
        reactor: IReactorProcess,
        config: Path,
        limit: int,
        loader: str,
        lock: Path | None,
        folders: Path | None = None,
    ) -> None:
        """Start it, from the code that runs here and with nothing of our environment."""
        root = Path(gateway.__file__).resolve().parent.parent
        # -P: the working directory is no place to take a root process's code from.
        argv = [sys.executable, "-P", "-s", "-m", "gateway.runner", "--config", str(config.absolute()), "--fd", "3"]
        argv += ["--limit", str(limit), "--loader", loader]
        argv += ["--lock", str(lock.absolute())] if lock else []
        argv += ["--folders", str(folders.absolute())] if folders else []
        environment = {"PYTHONPATH": str(root), "LANG": "C.UTF-8"}
        self._control, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open("rb") as nothing:
            descriptors: dict[int, int | str] = {0: nothing.fileno(), 1: "r", 2: "r", 3: theirs.fileno()}
            reactor.spawnProcess(self, argv[0], argv, environment, childFDs=descriptors)

    def hand_over(self, connection: socket.socket) -> None:
        """Give it one end of a socket pair to serve."""
        if self._control:
            with suppress(OSError):  # it is gone, which its end will tell
                socket.send_fds(self._control, [b"+"], [connection.fileno()])

    def finish(self) -> None:
        """Let it end."""
        if self._control:
            self._control.close()
            self._control = None

    def kill(self) -> None:
        """End it the hard way; what it has started ends too, for each process asks to be told of its parent's end."""
        try:
            cast(IProcessTransport, self.transport).signalProcess("KILL")
        except Exception as error:  # noqa: BLE001 -- EPERM when we are not root any more
            self._owner.said(f"the runner does not stop and cannot be killed: {error}")

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N803 -- Twisted's signature
        """Pass on what it says on standard output (that it waits) or standard error, line by line."""
        *lines, rest = (self._text[childFD] + data).split(b"\n")
        self._text[childFD] = rest[:MAX_SAID]
        for line in lines:
            if childFD == 1:
                with suppress(ProtocolError):  # what an operator's module prints is no reply, and comes here too
                    reply = read_reply(line)
                    if isinstance(reply, Waits):
                        self._owner.waits(reply.pid)
                        continue
            self._owner.said(line[:MAX_SAID].decode("utf-8", "backslashreplace"))

    def processEnded(self, reason: Failure) -> None:
        """Tell the service."""
        self.finish()
        words = "it ended" if reason.check(ProcessDone) else reason.getErrorMessage()
        self._owner.keeper_ended(words)
