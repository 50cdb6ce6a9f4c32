"""Let connections in, so many in all and so many from one address; outside of TLS, where a refusal costs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocolFactory, ITransport
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection as TCPConnection
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from gateway.notice import Notify, host_port
from gateway.notices.sources import ConnectionRefused

READ = 256 * 1024
"""Octets that one read may deliver: work is done by the batch, and a batch is a read."""


class Admission:
    """Counts connections over all listeners that share it."""

    def __init__(self, limit: int, limit_per_address: int) -> None:
        self.limit = limit
        self.limit_per_address = limit_per_address
        self._by_address: Counter[str] = Counter()
        self._all = 0
        self._connections: set[AdmittedConnection] = set()
        self._empty: list[Deferred[None]] = []

    def enter(self, address: str) -> str | None:
        """Count one more; returns why not, and then does not count it."""
        if self._all >= self.limit:
            return f"refused, there are {self._all} connections already (limits: connections)"
        if self._by_address[address] >= self.limit_per_address:
            return (
                f"refused, this address has {self._by_address[address]} connections already "
                "(limits: connections_per_address)"
            )
        self._all += 1
        self._by_address[address] += 1
        return None

    def leave(self, address: str) -> None:
        """Count one less."""
        self._all -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def add(self, connection: AdmittedConnection) -> None:
        """Take note of a connection that is open."""
        self._connections.add(connection)

    def remove(self, connection: AdmittedConnection) -> None:
        """Take note that a connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            empty, self._empty = self._empty, []
            for promise in empty:
                promise.callback(None)

    def close(self) -> Deferred[None]:
        """Close all connections, of whatever listener; fires when the last is gone."""
        if not self._connections:
            return succeed(None)
        promise: Deferred[None] = Deferred()
        self._empty.append(promise)
        for connection in tuple(self._connections):
            connection.hang_up()
        return promise

    def __len__(self) -> int:
        """Count the connections."""
        return self._all


class AdmittedConnection(ProtocolWrapper):
    """A connection that was let in and is counted."""

    address = ""

    def makeConnection(self, transport: ITransport) -> None:
        """Read more at a time than Twisted does by itself; let no answer wait for the ACK of the one before."""
        if hasattr(transport, "bufferSize"):
            transport.bufferSize = READ
        if isinstance(transport, TCPConnection):
            transport.setTcpNoDelay(True)
        self._admitting.admission.add(self)
        super().makeConnection(transport)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Count it no more."""
        admission = self._admitting.admission
        admission.leave(self.address)
        try:
            super().connectionLost(reason)  # type: ignore[no-untyped-call]
        finally:
            admission.remove(self)

    def hang_up(self) -> None:
        """Close it from our side; TLS and RELP say goodbye first."""
        hang_up: Callable[[], None] = getattr(self.wrappedProtocol, "hang_up", self.loseConnection)
        hang_up()

    @property
    def _admitting(self) -> AdmittingFactory:
        factory = self.factory
        assert isinstance(factory, AdmittingFactory)  # noqa: S101 -- who else would make one
        return factory


class AdmittingFactory(WrappingFactory):
    """Asks before the protocol of another factory is made; a refused connection is closed at once."""

    protocol = AdmittedConnection
    noisy = False

    def __init__(self, inner: IProtocolFactory, admission: Admission, source: str, notify: Notify) -> None:
        super().__init__(inner)  # type: ignore[no-untyped-call]
        self.admission = admission
        self.source = source
        self._notify = notify

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper | None:  # type: ignore[override]
        """Make the protocol of a connection, or refuse it."""
        address = str(getattr(addr, "host", "-"))
        problem = self.admission.enter(address)
        if problem is not None:
            self._notify(ConnectionRefused(self.source, host_port(address, getattr(addr, "port", "-")), problem))
            return None
        try:
            connection = super().buildProtocol(addr)
        except BaseException:
            self.admission.leave(address)  # no connection will ever be lost for it
            raise
        assert isinstance(connection, AdmittedConnection)  # noqa: S101 -- `protocol` says so
        connection.address = address
        return connection
