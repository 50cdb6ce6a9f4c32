"""Listeners: a port each, one line for a port that cannot be had, and reloads that cut nobody off."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.config import Limits
from gateway.listen_address import Address
from gateway.listeners import Listeners
from gateway.notices.sources import (
    CannotListen,
    CertificateExpires,
    CertificateKept,
    CertificateReloaded,
    Listening,
    OverLimitFrames,
    PeerPolicyChanged,
    StoppedListening,
    StreamRefused,
)
from gateway.pipeline import Pipeline
from gateway.source_config import RelpStream, Source, Stream, TcpSource, TlsSource, UdpSource, UnixSource
from gateway.sources.relp import LINGER
from gateway.tls_settings import EXPIRY_WARNING, TLSSettings
from gateway.trust import PeerPolicy
from parsers.errors import Place, RemoteError
from parsers.framing.relp import SERVERCLOSE
from parsers.framing.syslog_stream import Framing
from tests.gateway.test_pipeline import Jobs, stages
from tests.gateway.told import Told
from tests.made_certificates import SERVER, make

NOW = 1_700_000_000.0
DAY = 86_400.0
PLACE = Place("gateway.yaml", 1, 1)


@implementer(IListeningPort)
class Port:
    """A port that is free again one turn after it was given up, as Twisted's."""

    def __init__(self, reactor: Reactor, key: tuple[object, ...], factory: Any) -> None:
        self.factory = factory
        self._reactor, self._key = reactor, key

    def startListening(self) -> None:  # noqa: N802 -- Twisted's name
        """It does already."""

    def stopListening(self) -> Deferred[None]:  # noqa: N802 -- Twisted's name
        """Give it up."""
        return deferLater(self._reactor, 0, self._free)

    def _free(self) -> None:
        del self._reactor.ports[self._key]

    def getHost(self) -> IPv4Address:
        """Return its address."""
        return IPv4Address("TCP", str(self._key[1]), int(str(self._key[2])))


class Reactor(MemoryReactorClock):
    """A reactor whose ports can be in use."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ports: dict[tuple[object, ...], Port] = {}
        self.refused: dict[tuple[object, ...], int] = {}

    def _listen(self, key: tuple[object, ...], factory: Any) -> Port:
        clash = next((used for used in self.ports if (used[0], used[2]) == (key[0], key[2])), None)
        number = errno.EADDRINUSE if clash else self.refused.get(key)
        if number:
            raise CannotListenError(key[1], key[2], OSError(number, os.strerror(number)))
        self.ports[key] = Port(self, key, factory)
        return self.ports[key]

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Port:  # noqa: N802
        """Listen, or raise what Twisted raises."""
        return self._listen(("tcp", interface, port), factory)

    def listenUDP(self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> Port:  # noqa: N802, N803
        """Listen, or raise what Twisted raises."""
        return self._listen(("udp", interface, port), protocol)

    def listenUNIXDatagram(self, address: str, protocol: Any, maxPacketSize: int = 8192, mode: int = 0o666) -> Port:  # noqa: N802, N803
        """Make a real socket, so that the file is there."""
        port = self._listen(("unix", address, 0), protocol)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(address)
        Path(address).chmod(mode)
        return port


def tcp(name: str = "tcp", host: str = "127.0.0.1", port: int = 1514, **more: Any) -> TcpSource:
    """Make a TCP source."""
    return TcpSource(name, PLACE, Address(host, port), UTC, **more)


def udp(name: str = "udp") -> UdpSource:
    """Make a UDP source."""
    return UdpSource(name, PLACE, Address("127.0.0.1", 1514), UTC)


class House:
    """Listeners with all their other sides visible."""

    def __init__(self) -> None:
        self.reactor, self.told, self.now = Reactor(), Told(), NOW
        self.pipeline = Pipeline(stages(), Jobs(), self.told)
        self.listeners = Listeners(
            self.reactor,  # type: ignore[arg-type]  # as far as listeners need one
            self.pipeline,
            Limits(),
            self.told,
            lambda: self.now,
            "here",
        )

    def follow(self, *sources: Source, limits: Limits | None = None) -> list[str]:
        """Let the listeners follow a configuration; returns what was told."""
        before = len(self.told)
        done = self.listeners.follow(sources, limits or Limits())
        self.reactor.advance(0)
        assert done.called
        return self.told.lines()[before:]

    def connect(self, port: int = 1514) -> tuple[Any, StringTransport]:
        """Connect to a TCP port; returns the protocol and its transport."""
        factory = next(found.factory for key, found in self.reactor.ports.items() if (key[0], key[2]) == ("tcp", port))
        protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 4000))
        transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 4000))
        if protocol is not None:
            protocol.makeConnection(transport)
        return protocol, transport

    def totals(self) -> dict[str, int]:
        """Return the messages of each source."""
        return dict(self.pipeline._frames)


def test_each_source_gets_its_port() -> None:
    """Every source listens and says where; at the start all is done at once."""
    house = House()
    done = house.listeners.follow([tcp(), udp()], Limits())
    assert done.called
    assert len(house.listeners) == 2
    assert house.told == [Listening("tcp", "127.0.0.1:1514"), Listening("udp", "127.0.0.1:1514")]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EADDRINUSE, "another program has this port already"),
        (errno.EACCES, "ports below 1024 need root"),
        (errno.EADDRNOTAVAIL, "this machine has no such address"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_a_port_that_cannot_be_had(number: int, words: str) -> None:
    """It is one line that says what to do, and the other sources go on; a later reload tries again."""
    house = House()
    house.reactor.refused["tcp", "127.0.0.1", 1514] = number
    house.follow(tcp(), udp())
    (notice,) = house.told.of(CannotListen)
    assert words in notice.problem
    assert len(house.listeners) == 1
    house.reactor.refused.clear()
    assert house.follow(tcp(), udp()) == ["tcp: listening on 127.0.0.1:1514"]


def test_every_poll_tries_again() -> None:
    """A missing source opens as soon as it can; the same words are not repeated, other ones are said."""
    house = House()
    house.reactor.refused["tcp", "127.0.0.1", 1514] = errno.EADDRINUSE
    house.follow(tcp(), udp())
    for _ in range(3):
        house.listeners.poll()
    assert len(house.told.of(CannotListen)) == 1
    assert house.listeners.missing == ["tcp"]
    house.reactor.refused["tcp", "127.0.0.1", 1514] = errno.EACCES
    house.listeners.poll()
    assert len(house.told.of(CannotListen)) == 2
    house.reactor.refused.clear()
    house.listeners.poll()
    assert house.told[-1] == Listening("tcp", "127.0.0.1:1514")
    assert house.listeners.missing == []
    assert len(house.listeners) == 2


def test_a_missing_source_is_given_up() -> None:
    """One that the configuration no longer names is not tried again, and neither is any after the stop."""
    house = House()
    house.reactor.refused["tcp", "127.0.0.1", 1514] = errno.EADDRINUSE
    house.follow(tcp(), udp())
    house.follow(udp())
    house.reactor.refused.clear()
    house.listeners.poll()
    assert len(house.listeners) == 1


def test_the_local_socket_knows_its_host(tmp_path: Path) -> None:
    """What comes through it is from this machine."""
    origin = House().listeners._datagram_origin(unix(tmp_path / "log"))(None)
    assert (origin.host, origin.address) == ("here", None)


def test_a_source_that_stays_keeps_its_port() -> None:
    """A reload that changes nothing opens and closes nothing, and a connection goes on."""
    house = House()
    house.follow(tcp(), udp())
    ports = dict(house.reactor.ports)
    protocol, transport = house.connect()
    protocol.dataReceived(b"<13>one\n<13>tw")
    assert house.follow(tcp(), udp()) == []
    assert house.reactor.ports == ports
    protocol.dataReceived(b"o\n")
    assert not transport.disconnecting
    assert house.totals() == {"tcp": 2}


def test_changed_settings_are_for_connections_to_come() -> None:
    """Framing, zone, name and limits are those of the time when a connection began."""
    house = House()
    house.follow(tcp())
    old, _ = house.connect()
    changed = tcp("new-name", stream=Stream(Framing.OCTET))
    house.follow(changed, limits=Limits(connections_per_address=2))
    new, _ = house.connect()
    old.dataReceived(b"7 <13>on\n")
    new.dataReceived(b"7 <13>one")
    assert house.totals() == {"tcp": 1, "new-name": 1}
    assert house.connect()[0] is None
    assert "new-name: 192.0.2.1" in house.told.lines()[-1]


def test_sources_come_and_go() -> None:
    """A new one opens its port, one that is gone gives it up; its connections go on until their peers close them."""
    house = House()
    house.follow(tcp())
    protocol, transport = house.connect()
    said = house.follow(tcp("more", port=1515))
    assert said == ["tcp: no longer listening on 127.0.0.1:1514", "more: listening on 127.0.0.1:1515"]
    protocol.dataReceived(b"<13>one\n")
    assert house.totals() == {"tcp": 1}
    assert not transport.disconnecting


def test_a_port_changes_hands() -> None:
    """What a new source needs is given up first: another address or another protocol on the same port works at once."""
    house = House()
    house.follow(tcp())
    house.follow(tcp(host="0.0.0.0"))
    house.follow(tcp("other"))
    assert house.told.of(CannotListen) == []
    assert len(house.listeners) == 1


def test_stopping() -> None:
    """All ports are given up, then all connections closed, and what came is handed on before it is done."""
    house = House()
    house.follow(tcp(), udp())
    protocol, transport = house.connect()
    protocol.dataReceived(b"<13>last")
    stopped: list[dict[str, int]] = []
    house.listeners.stop().addCallback(lambda _: stopped.append(house.totals()))
    house.reactor.advance(0)
    assert transport.disconnecting
    assert stopped == []
    protocol.connectionLost(Failure(ConnectionDone()))
    assert stopped == [{"tcp": 1}]
    assert house.reactor.ports == {}
    assert len(house.told.of(StoppedListening)) == 2


def unix(path: Path, **more: Any) -> UnixSource:
    """Make a unix source."""
    return UnixSource("local", PLACE, path, UTC, receive_buffer=4096, **more)


def test_a_unix_socket(tmp_path: Path) -> None:
    """Its folder is made, it has its mode, a stale one is replaced, and it is removed at the end."""
    house, path = House(), tmp_path / "run" / "log"
    house.follow(unix(path))
    assert path.stat().st_mode & 0o777 == 0o660
    house.reactor.ports.clear()  # the gateway was killed: the file stays
    house = House()
    house.follow(unix(path, mode=0o666))
    assert path.stat().st_mode & 0o777 == 0o666
    house.follow(unix(path, mode=0o600))
    assert path.stat().st_mode & 0o777 == 0o600
    house.listeners.stop()
    house.reactor.advance(0)
    assert not path.exists()


def test_a_unix_socket_that_another_program_reads(tmp_path: Path) -> None:
    """It is left alone, and so is a file that is no socket."""
    house, path = House(), tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        house.follow(unix(path), tcp())
        assert path.is_socket()
    assert "in use by another program" in house.told.of(CannotListen)[0].problem
    path.unlink()
    path.write_text("precious")
    house.follow(unix(path), tcp())
    assert "is no socket" in house.told.of(CannotListen)[1].problem
    assert path.read_text() == "precious"
    assert len(house.listeners) == 1


@pytest.fixture
def tls(tmp_path: Path) -> TlsSource:
    """A TLS source with a certificate of its own."""
    made = make(NOW, common_name="localhost", usage=(SERVER,), days=(-1, 400))
    pair = made.write(tmp_path, "server")
    return TlsSource("tls", PLACE, Address("127.0.0.1", 6514), UTC, (pair,), pair[0], PeerPolicy.any_certificate())


def test_a_certificate_is_replaced(tls: TlsSource, tmp_path: Path) -> None:
    """A changed file is seen by the next poll; a broken one leaves the one in use; one that ends soon is told."""
    house = House()
    house.follow(tls)
    house.listeners.poll()
    assert house.told == [Listening("tls", "127.0.0.1:6514")]
    make(NOW, common_name="localhost", usage=(SERVER,), days=(-1, 10)).write(tmp_path, "server")
    house.listeners.poll()
    assert len(house.told.of(CertificateReloaded)) == 1
    assert len(house.told.of(CertificateExpires)) == 1
    (tmp_path / "server.pem").write_text("this is no certificate\n")
    house.listeners.poll()
    house.listeners.poll()
    assert len(house.told.of(CertificateKept)) == 1
    assert len(house.told.of(CertificateReloaded)) == 1


def test_a_reload_with_other_certificate_files(tls: TlsSource, tmp_path: Path) -> None:
    """Other files are taken; files that do not load leave the ones in use, and the listener goes on."""
    house = House()
    house.follow(tls)
    other = make(NOW, common_name="localhost", usage=(SERVER,), days=(-1, 400)).write(tmp_path, "other")
    house.follow(replace(tls, certificates=(other,)))
    assert len(house.told.of(CertificateReloaded)) == 1
    (tmp_path / "broken.pem").write_text("no\n")
    house.follow(replace(tls, certificates=((tmp_path / "broken.pem", other[1]),)))
    assert len(house.told.of(CertificateKept)) == 1
    assert len(house.listeners) == 1


def test_another_peer_policy(tls: TlsSource) -> None:
    """It is said as such, not as a new certificate, and open connections are to be judged by it."""
    told = Told()
    settings = TLSSettings(tls, told, lambda: NOW)
    client = make(NOW, names=["web1"]).der
    assert not settings.follow(tls)
    assert told == []
    assert settings.follow(replace(tls, peers=PeerPolicy.names(["web2"])))
    assert told == [PeerPolicyChanged("tls")]
    with pytest.raises(RemoteError, match=r"none of that is permitted here \(peers: of the source tls\)"):
        settings.judge_again(client)
    assert not settings.poll()


def test_another_client_ca(tls: TlsSource, tmp_path: Path) -> None:
    """An authority more cuts nobody off; one less cuts off those whose chain ended in it."""
    told = Told()
    first, second = (make(NOW, common_name=name, authority=True) for name in ("first", "second"))
    pems = [pair[0].read_text() for pair in (first.write(tmp_path, "first"), second.write(tmp_path, "second"))]
    clients = [make(NOW, names=["web1"], issuer=each).der for each in (first, second)]
    ca = tmp_path / "both.pem"
    ca.write_text(pems[0])
    settings = TLSSettings(replace(tls, client_ca=ca), told, lambda: NOW)
    ca.write_text("".join(pems))
    assert settings.poll()
    for client in clients:
        assert settings.judge_again(client).identity == "web1"
    ca.write_text(pems[1])
    assert settings.poll()
    assert settings.judge_again(clients[1]).identity == "web1"
    with pytest.raises(RemoteError, match="is not in client_ca of the source tls"):
        settings.judge_again(clients[0])
    assert told == [PeerPolicyChanged("tls")] * 2


def test_a_failed_handshake_leaves_no_count(tls: TlsSource) -> None:
    """Somebody who speaks no TLS is counted no more once gone, and nothing waits for them."""
    house = House()
    house.follow(tls)
    for _ in range(3):
        protocol, transport = house.connect(6514)
        assert len(house.listeners._admission) == 1
        protocol.dataReceived(b"<13>plain\n")
        assert transport.disconnecting
        protocol.connectionLost(Failure(ConnectionDone()))
        assert len(house.listeners._admission) == 0
    assert house.reactor.getDelayedCalls() == []


def test_relp_is_listened_for() -> None:
    """A RELP source answers; one that becomes plain TCP on the same port is opened anew."""
    house = House()
    relp = tcp(stream=RelpStream())
    house.follow(relp)
    protocol, transport = house.connect()
    protocol.dataReceived(b"1 open 15 commands=syslog\n2 syslog 6 <13>hi\n")
    assert transport.value().endswith(b"2 rsp 6 200 OK\n")
    house.follow(replace(relp, stream=RelpStream(480)))
    assert len(house.told) == 1
    small, transport = house.connect()
    small.dataReceived(b"1 open 15 commands=syslog\n2 syslog 500 " + b"x" * 500 + b"\n")
    assert [notice.problem for notice in house.told.of(OverLimitFrames)]
    house.follow(tcp())
    house.reactor.advance(0)
    assert [type(notice) for notice in house.told[-2:]] == [StoppedListening, Listening]
    plain, transport = house.connect()
    plain.dataReceived(b"<13>hi\n")
    assert transport.value() == b""


def test_our_stop_says_goodbye_to_relp() -> None:
    """It waits for the session's own end."""
    house = House()
    house.follow(tcp(stream=RelpStream()))
    protocol, transport = house.connect()
    protocol.dataReceived(b"1 open 15 commands=syslog\n")
    transport.clear()
    stopped = house.listeners.stop()
    house.reactor.advance(0)
    assert (transport.value(), transport.disconnecting) == (SERVERCLOSE, False)
    house.reactor.advance(LINGER)
    assert transport.disconnecting
    protocol.connectionLost(Failure(ConnectionDone()))
    assert stopped.called
    assert house.reactor.getDelayedCalls() == []


def test_the_expiry_that_is_told() -> None:
    """A month ahead."""
    assert EXPIRY_WARNING == 30 * DAY


def test_one_bad_stream_stops_no_other() -> None:
    """A connection that is refused leaves the listener and its other connections as they were."""
    house = House()
    house.follow(tcp(stream=Stream(Framing.OCTET)))
    (bad, transport), (good, _) = house.connect(), house.connect()
    bad.dataReceived(b"rubbish\n")
    good.dataReceived(b"7 <13>one")
    assert transport.disconnecting
    assert len(house.told.of(StreamRefused)) == 1
    assert house.totals() == {"tcp": 1}
