"""Limits of connections: they refuse, and later admit again; a count never leaks."""

from __future__ import annotations

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers, sampled_from
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

from gateway.notices.sources import ConnectionRefused
from gateway.sources.admission import READ, Admission, AdmittingFactory
from tests.gateway.told import Told


def address(number: int) -> IPv4Address:
    """Make an address."""
    return IPv4Address("TCP", f"192.0.2.{number}", 4000)


class Listener:
    """A factory with limits, and what it says."""

    def __init__(self, limit: int = 3, limit_per_address: int = 2, inner: Factory | None = None) -> None:
        self.told, self.admission = Told(), Admission(limit, limit_per_address)
        self.factory = AdmittingFactory(inner or Factory.forProtocol(Protocol), self.admission, "tcp", self.told)

    def connect(self, number: int = 1) -> ProtocolWrapper | None:
        """Let somebody connect; None when refused."""
        connection = self.factory.buildProtocol(address(number))
        if connection is not None:
            connection.makeConnection(StringTransport())
        return connection


def lose(connection: ProtocolWrapper | None, error: Exception | None = None) -> None:
    """Let a connection end."""
    assert connection is not None
    connection.connectionLost(Failure(error or ConnectionDone()))


def test_too_many_from_one_address() -> None:
    """One more than its share is refused and told, another address gets in, and after one has left, so does it."""
    listener = Listener()
    first, _ = listener.connect(), listener.connect()
    assert listener.connect() is None
    assert "connections_per_address" in listener.told.of(ConnectionRefused)[0].problem
    assert listener.connect(2) is not None
    lose(first, ConnectionLost())
    assert listener.connect() is not None


def test_too_many_in_all() -> None:
    """The sum over all addresses is limited too."""
    listener = Listener()
    connections = [listener.connect(number) for number in range(3)]
    assert listener.connect(9) is None
    assert "limits: connections)" in listener.told.of(ConnectionRefused)[0].problem
    lose(connections[0])
    assert listener.connect(9) is not None


def test_a_protocol_that_cannot_be_made_is_not_counted() -> None:
    """A bug below does not use up the places."""

    class Broken(Factory):
        def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
            raise RuntimeError("a bug")

    listener = Listener(inner=Broken())
    for _ in range(5):
        with pytest.raises(RuntimeError):
            listener.connect()
    assert len(listener.admission) == 0
    assert listener.told == []


def test_a_protocol_that_fails_at_its_end_is_counted_no_more() -> None:
    """A bug in the end of a connection leaves no count behind."""

    class Broken(Protocol):
        def connectionLost(self, reason: Failure | None = None) -> None:
            raise RuntimeError("a bug")

    listener = Listener(inner=Factory.forProtocol(Broken))
    connection = listener.connect()
    with pytest.raises(RuntimeError):
        lose(connection)
    assert len(listener.admission) == 0
    assert listener.admission.close().called


def test_limits_can_change() -> None:
    """Lower limits cut nobody off; who comes is measured by them."""
    listener = Listener()
    first, second = listener.connect(), listener.connect()
    listener.admission.limit_per_address = 1
    lose(first)
    assert listener.connect() is None
    lose(second)
    assert listener.connect() is not None


def test_reads_are_large() -> None:
    """A transport is told to read much at a time."""

    class Transport(StringTransport):
        bufferSize = 1  # noqa: N815 -- Twisted's name

    connection = Listener().factory.buildProtocol(address(1))
    transport = Transport()  # type: ignore[no-untyped-call]
    assert connection is not None
    connection.makeConnection(transport)
    assert transport.bufferSize == READ


def test_closing_all() -> None:
    """`close` fires when the last connection is gone; with none it fires at once."""
    listener = Listener()
    assert listener.admission.close().called
    connections = [listener.connect(), listener.connect(2)]
    closed = listener.admission.close()
    for connection in connections:
        assert connection is not None
        assert connection.disconnecting
        assert not closed.called
        lose(connection)
    assert closed.called


class Counting(RuleBasedStateMachine):
    """Connections come and go in any order; the counts are those of a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = Listener(4, 2)
        self.open: list[tuple[int, ProtocolWrapper]] = []

    @rule(number=sampled_from([1, 2, 3]))
    def come(self, number: int) -> None:
        """Connect; refused exactly when a limit is reached."""
        mine = sum(number == other for other, _ in self.open)
        connection = self.listener.connect(number)
        assert (connection is None) == (mine >= 2 or len(self.open) >= 4)
        if connection is not None:
            self.open.append((number, connection))

    @precondition(lambda self: self.open)
    @rule(index=integers(0, 3))
    def go(self, index: int) -> None:
        """Disconnect."""
        lose(self.open.pop(index % len(self.open))[1])

    @invariant()
    def counts_agree(self) -> None:
        """Nothing leaks."""
        assert len(self.listener.admission) == len(self.open)
        assert set(self.listener.admission._by_address) == {f"192.0.2.{number}" for number, _ in self.open}


TestCounting = Counting.TestCase
