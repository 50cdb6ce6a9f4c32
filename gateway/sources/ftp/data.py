"""Data connections: the port a client connects to, or the port of the client's that we connect to.

It is not read before its transfer begins, so that nobody can fill our memory, and the other end has the address that
the commands come from.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import CannotListenError, ConnectError
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IProtocol, IPushProducer, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.addresses import plain_address
from gateway.sources.ftp.context import FtpContext, Reactor
from gateway.sources.ftp.replies import Declined
from gateway.sources.ftp.starttls import tls_for
from gateway.sources.ftp.streams import Stream

PATIENCE = 30.0
"""Seconds that a client has for its data connection, from the reply that names the port."""

FOREIGN_PATIENCE = 5.0
"""Seconds that it still has when somebody else came first: it may be itself, behind a router with several addresses,
and then it should soon hear why its transfer does not begin."""

RETIREMENT = 1.0
"""Seconds that a data connection stays open whose transfer was refused. curl begins TLS before it reads the reply,
takes a connection that closes for a network that does not let EPSV through, tries PASV, and never shows our reply."""

READ = 256 * 1024
"""Octets that one read may deliver: sixteen records of TLS, one write to the disk."""


class DataConnection(Protocol):
    """One data connection; paused until a stream is put on it."""

    def __init__(self, made: Callable[[DataConnection], None]) -> None:
        self._made = made
        self._upper: IProtocol | None = None
        self._stream: Stream | None = None
        self._is_lost = False

    def connectionMade(self) -> None:
        """Read nothing yet."""
        transport = cast(ITCPTransport, self.transport)
        if hasattr(transport, "bufferSize"):
            transport.bufferSize = READ
        cast(IPushProducer, transport).pauseProducing()
        self._made(self)

    def carry(self, stream: Stream, context: FtpContext, *, protected: bool) -> None:
        """Begin: the stream gets what comes, or sends; `protected`: through TLS, whose handshake comes first."""
        self._stream = stream
        if self._is_lost:
            stream.cut("the data connection was gone before the transfer began")
            return
        self._upper = tls_for(stream, context) if protected else stream
        stream.below = self.transport
        cast(IPushProducer, self.transport).resumeProducing()
        self._upper.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        """Pass on."""
        if self._upper is not None:
            self._upper.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Pass on; a stream that never began, for want of TLS, is told so."""
        self._is_lost = True
        if self._upper is not None and self._stream is not None:
            self._upper.connectionLost(reason)
            if self._stream.transport is None:
                self._stream.cut("TLS did not come about on the data connection")

    def discard(self) -> None:
        """Close it at once; nobody wants it."""
        if self.transport is not None and not self._is_lost:
            self.transport.abortConnection()  # type: ignore[attr-defined]


class Door:
    """Where the next data connection comes from; it serves one."""

    def __init__(self) -> None:
        self._connection: DataConnection | None = None
        self._waiting: Deferred[DataConnection] | None = None
        self._problem: Declined | None = None
        self._closed = False

    def connection(self) -> Deferred[DataConnection]:
        """Return the data connection once it stands; fails with Declined: 425, it does not come."""
        if self._connection is not None:
            return succeed(self._connection)
        self._waiting = Deferred()
        waiting = self._waiting
        if self._problem is not None:
            self._give_up(self._problem)
        return waiting

    def close(self, problem: Declined | None = None) -> None:
        """Let nobody in any more; whoever waits is told."""
        self._closed = True
        if self._connection is not None:
            self._connection.discard()
        self._give_up(problem or Declined(425, "the data connection was given up"))

    def retire(self) -> None:
        """The transfer was refused: there will be none, but nobody is cut off at once."""
        self._give_up(Declined(425, "the transfer was refused"))

    def _found(self, connection: DataConnection) -> None:
        if self._closed:
            connection.discard()
            return
        self._connection = connection
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(connection)

    def _give_up(self, problem: Declined) -> None:
        self._problem = self._problem or problem
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(problem)


class PassiveDoor(Door, Factory):
    """A port that takes one connection from one address, and is closed then (PASV, EPSV).

    Args:
        peer: the address that may come.
        interface: our own address, that the client has already connected to.
        ports: the first and the last that may be used; None: any that is free.
        foreign: is told when somebody else comes.

    Raises:
        CannotListenError: no port is free.
        OSError: another program has taken it at the same time.
    """

    noisy = False

    def __init__(
        self, reactor: Reactor, peer: str, interface: str, ports: tuple[int, int] | None, foreign: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._peer = peer
        self._foreign = foreign
        self._taken = False
        self._words = "no data connection came"
        self._listens = True
        self._listening = self._listen(interface, ports)
        self.port: int = self._listening.getHost().port  # type: ignore[attr-defined]
        self._timer: IDelayedCall = reactor.callLater(PATIENCE, self._too_late)

    def _listen(self, interface: str, ports: tuple[int, int] | None) -> IListeningPort:
        if ports is None:
            return self._reactor.listenTCP(0, self, 1, interface)  # type: ignore[arg-type]
        first, last = ports
        count = last - first + 1
        start = random.randrange(count)  # noqa: S311 -- so that ports are not used again at once; TLS is what protects
        problem: Exception | None = None
        for step in range(count):
            try:
                port = first + (start + step) % count
                return self._reactor.listenTCP(port, self, 1, interface)  # type: ignore[arg-type]
            except (CannotListenError, OSError) as error:
                problem = error
        assert problem is not None  # noqa: S101 -- a range has at least one port
        raise problem

    def buildProtocol(self, addr: IAddress | None) -> DataConnection | None:
        """Let the client in, and nobody else."""
        host = plain_address(str(getattr(addr, "host", "")))
        if self._taken or self._closed:
            return None
        if host != self._peer:
            self._words = (
                f"the data connection came from {host}, and the commands come from {self._peer}; it was refused"
            )
            self._foreign(host)
            if self._timer.active() and self._timer.getTime() - self._reactor.seconds() > FOREIGN_PATIENCE:
                self._timer.reset(FOREIGN_PATIENCE)
            return None
        self._taken = True
        self._stop_listening()
        if self._problem is None:
            self._timer.cancel()
        return DataConnection(self._found)

    def retire(self) -> None:
        """A second later all is closed."""
        super().retire()
        if self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(RETIREMENT, self.close)

    def close(self, problem: Declined | None = None) -> None:
        """Let nobody in any more."""
        self._shut()
        super().close(problem)

    def _too_late(self) -> None:
        self.close(Declined(425, self._words))

    def _shut(self) -> None:
        if self._timer.active():
            self._timer.cancel()
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listens:
            self._listens = False
            self._listening.stopListening()


class ActiveDoor(Door):
    """A port of the client's own, which we connect to when the transfer begins (PORT, EPRT)."""

    def __init__(self, reactor: Reactor, host: str, port: int, local: str) -> None:
        super().__init__()
        self._reactor = reactor
        self._host = host
        self._port = port
        self._local = local

    def connection(self) -> Deferred[DataConnection]:
        """Connect."""
        endpoint = TCP6ClientEndpoint if ":" in self._host else TCP4ClientEndpoint
        found = super().connection()
        address = endpoint(self._reactor, self._host, self._port, int(PATIENCE), (self._local, 0))
        address.connect(_Once(self._found)).addErrback(self._refused)
        return found

    def _refused(self, failure: Failure) -> None:
        failure.trap(ConnectError)
        words = f"port {self._port} of {self._host} cannot be connected to ({failure.getErrorMessage()})"
        self._give_up(Declined(425, words))


class _Once(Factory):
    noisy = False

    def __init__(self, found: Callable[[DataConnection], None]) -> None:
        self._found = found

    def buildProtocol(self, addr: IAddress | None) -> DataConnection:  # noqa: ARG002 -- we chose the address
        return DataConnection(self._found)
