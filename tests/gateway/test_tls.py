"""Tests of the TLS layer in memory: a real client on one end, the listener's protocol on the other, no socket."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from gateway import clock as wall_clock
from gateway.handshakes import HalfHandshakes
from gateway.notice import Notice
from gateway.notices.sources import HandshakeFailed, PeerRefused, StreamBroken
from gateway.tls import TLSConnection, TLSFactory, TruncatedStream
from gateway.tls_context import ReloadingContext, leaf_of, server_context
from gateway.trust import PeerPolicy, judge
from parsers.errors import OperatorError, RemoteError
from parsers.message import Peer
from tests.made_certificates import SERVER, make

NOW = wall_clock.now()
PEER = Peer("web1.example", "CN=web1", "00")
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@dataclass(frozen=True)
class Files:
    """The files of both ends."""

    folder: Path

    def pair(self, name: str) -> tuple[Path, Path]:
        """Return a certificate and its key."""
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    @property
    def ca(self) -> Path:
        """The authority of both ends."""
        return self.folder / "ca.pem"

    def context(self) -> ssl.SSLContext:
        """Make the listener's context."""
        return server_context([self.pair("server"), self.pair("rsa")], self.ca, now=NOW)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Make an authority, a server with two certificates, a client, and a stranger."""
    folder = tmp_path_factory.mktemp("tls")
    authority = make(NOW, common_name="CA", authority=True)
    authority.write(folder, "ca")
    make(NOW, names=["localhost"], usage=[SERVER], issuer=authority).write(folder, "server")
    make(NOW, names=["localhost"], usage=[SERVER], issuer=authority, rsa_bits=2048).write(folder, "rsa")
    make(NOW, names=["web1.example"], issuer=authority).write(folder, "client")
    make(NOW, names=["web2.example"]).write(folder, "stranger")
    make(NOW, names=["localhost"], usage=[SERVER], issuer=authority, days=(-9, -1)).write(folder, "expired")
    return Files(folder)


class Inner(Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost: Failure | None = None
        self.on_made: Callable[[Inner], None] = lambda _: None
        self.on_data: Callable[[Inner], None] = lambda _: None

    @property
    def tls(self) -> TLSConnection:
        """The transport, typed."""
        return cast(TLSConnection, self.transport)

    def connectionMade(self) -> None:
        self.on_made(self)

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)
        self.on_data(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


class InnerFactory(Factory):
    """Makes one kind of inner protocol, or none."""

    noisy = False

    def __init__(self) -> None:
        self.made: list[Inner] = []
        self.refuse = False
        self.on_made: Callable[[Inner], None] = lambda _: None

    def buildProtocol(self, addr: IAddress | None) -> Inner | None:
        if self.refuse:
            return None
        inner = Inner()
        inner.on_made = self.on_made
        self.made.append(inner)
        return inner


class Client:
    """A TLS client without a socket."""

    def __init__(
        self,
        files: Files,
        version: ssl.TLSVersion,
        identity: str | None = "client",
        context: ssl.SSLContext | None = None,
    ) -> None:
        context = self.context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(files.ca)
        context.minimum_version = context.maximum_version = version
        if identity:
            context.load_cert_chain(*files.pair(identity))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def step(self) -> bool:
        """Go on with the handshake as far as it goes; tell whether it is complete."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            return True
        return False

    def records(self, *texts: bytes) -> bytes:
        """Encrypt each text as a record of its own."""
        for text in texts:
            self.tls.write(text)
        return self.outgoing.read()

    def goodbye(self) -> bytes:
        """Return close_notify."""
        with pytest.raises(ssl.SSLError):
            self.tls.unwrap()
        return self.outgoing.read()

    def read(self) -> bytes:
        """Return what has arrived; b"" at close_notify."""
        return self.tls.read(1 << 20)


@dataclass
class World:
    """One listener and one connection to it."""

    files: Files
    version: ssl.TLSVersion
    clock: Clock = field(default_factory=Clock)
    notices: list[Notice] = field(default_factory=list)
    inners: InnerFactory = field(default_factory=InnerFactory)
    half: HalfHandshakes = field(default_factory=lambda: HalfHandshakes(10))
    judged: list[bytes | None] = field(default_factory=list)
    refusal: str = ""

    def __post_init__(self) -> None:
        """Build the listener."""
        self.factory = TLSFactory(
            self.inners,
            self.files.context,
            self.judge,
            source="syslog-tls",
            clock=self.clock,
            half=self.half,
            notify=self.notices.append,
        )

    def judge(self, der: bytes | None) -> Peer:
        """Let everybody in, or nobody."""
        self.judged.append(der)
        assert not self.inners.made
        if self.refusal:
            raise RemoteError(self.refusal)
        return PEER

    def connect(self) -> tuple[TLSConnection, StringTransport]:
        """Make one connection."""
        connection = self.factory.buildProtocol(None)
        transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 4000))
        connection.makeConnection(transport)  # type: ignore[no-untyped-call]
        return connection, transport

    def greet(self, identity: str | None = "client", chunk: int = 1 << 20) -> tuple[Client, StringTransport]:
        """Connect and shake hands, feeding `chunk` octets at a time."""
        connection, transport = self.connect()
        client = Client(self.files, self.version, identity)
        self.connection = connection
        for _ in range(4):
            client.step()
            data = client.outgoing.read()
            for at in range(0, len(data), chunk):
                connection.dataReceived(data[at : at + chunk])
            client.incoming.write(transport.value())
            transport.clear()
        return client, transport

    @property
    def inner(self) -> Inner:
        """The one inner protocol."""
        (inner,) = self.inners.made
        return inner

    def told(self) -> str:
        """Return the one notice."""
        (notice,) = self.notices
        return str(notice)


@pytest.fixture(params=VERSIONS, ids=["tls1.2", "tls1.3"])
def world(files: Files, request: pytest.FixtureRequest) -> Iterator[World]:
    """A listener, for each version of TLS; nothing may be left of the handshake."""
    world = World(files, request.param)
    yield world
    assert len(world.half) == 0
    assert not world.clock.getDelayedCalls()


def test_a_judged_peer_reaches_the_inner_protocol(world: World) -> None:
    """The inner protocol is made after the judgement, and finds peer, certificate and addresses at its transport."""
    client, transport = world.greet()
    assert world.inner.tls.peer == PEER
    assert world.inner.tls.certificate == world.judged[0] is not None
    assert world.inner.tls.getPeer() == IPv4Address("TCP", "192.0.2.1", 4000)
    world.connection.dataReceived(client.records(b"one"))
    world.inner.tls.writeSequence([b"a", b"b"])
    world.inner.tls.write(b"")
    client.incoming.write(transport.value())
    assert (world.inner.received, client.read()) == ([b"one"], b"ab")
    world.inner.tls.abortConnection()
    assert transport.disconnected
    assert not world.notices


def test_all_records_of_a_read_are_one_piece(world: World) -> None:
    """A thousand records that came in one read are one dataReceived."""
    client, _ = world.greet()
    texts = [f"{at:03} ".encode() * 40 for at in range(1000)]
    world.connection.dataReceived(client.records(*texts))
    assert world.inner.received == [b"".join(texts)]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_octets_may_come_in_any_pieces(world: World, chunk: int) -> None:
    """Handshake, records and close_notify, fed in pieces, give the same stream."""
    client, _ = world.greet(chunk=chunk)
    stream = client.records(b"x" * 300, b"y", b"z" * 17000) + client.goodbye()
    for at in range(0, len(stream), chunk):
        world.connection.dataReceived(stream[at : at + chunk])
    assert b"".join(world.inner.received) == b"x" * 300 + b"y" + b"z" * 17000


def test_no_session_tickets(world: World) -> None:
    """In TLS 1.3 the server's last words are its Finished: a ticket would be left unread by a one-way sender."""
    client, _ = world.greet()
    with pytest.raises(ssl.SSLWantReadError):
        client.read()
    assert client.incoming.pending == 0
    assert client.tls.session is None or not client.tls.session.has_ticket


def test_data_in_the_handshakes_last_flight_is_not_lost(world: World) -> None:
    """What a client sends right behind its Finished arrives, once, after connectionMade."""
    connection, transport = world.connect()
    client = Client(world.files, world.version)
    for _ in range(4):
        done = client.step()
        flight = client.outgoing.read() + (client.records(b"early") if done else b"")
        connection.dataReceived(flight)
        if done:
            break
        client.incoming.write(transport.value())
        transport.clear()
    assert world.inner.received == [b"early"]


def test_close_notify_is_answered_and_ends_the_stream_cleanly(world: World) -> None:
    """The data before it arrives, ours goes back, and a reset afterwards is still a clean end."""
    client, transport = world.greet()
    world.connection.dataReceived(client.records(b"last") + client.goodbye())
    assert world.inner.received == [b"last"]
    assert transport.disconnecting
    client.incoming.write(transport.value())
    with pytest.raises(ssl.SSLZeroReturnError):
        client.read()
    world.connection.dataReceived(b"more")
    world.connection.connectionLost(Failure(ConnectionLost()))
    assert world.inner.lost is not None
    assert world.inner.lost.check(ConnectionDone)
    assert not world.notices


@pytest.mark.parametrize("reason", [ConnectionDone(), ConnectionLost("reset")])
def test_a_missing_close_notify_is_said(world: World, reason: Exception) -> None:
    """A stream that just ends is truncated, and the inner protocol and the log are told."""
    client, _ = world.greet()
    world.connection.dataReceived(client.records(b"whole") + client.records(b"cut off")[:-1])
    world.connection.connectionLost(Failure(reason))
    assert world.inner.received == [b"whole"]
    assert world.inner.lost is not None
    assert world.inner.lost.check(TruncatedStream)
    assert "syslog-tls: 192.0.2.1:4000: the connection " in world.told()
    assert "without the peer's close_notify" in world.told()
    assert world.notices[0].level == "info"


def test_our_own_end_is_not_the_peers(world: World) -> None:
    """When we hang up, what came is handed on, the peer gets close_notify, and nobody is blamed for a missing one."""
    client, transport = world.greet()
    world.inner.tls.pauseProducing()
    world.connection.dataReceived(client.records(b"waits"))
    world.connection.hang_up()
    assert world.inner.received == [b"waits"]
    assert transport.disconnecting
    client.incoming.write(transport.value())
    assert client.read() == b""
    world.connection.connectionLost(Failure(ConnectionDone()))
    assert not world.notices


def test_hanging_up_during_a_handshake(world: World) -> None:
    """It ends at once, and nothing is said."""
    connection, transport = world.connect()
    client = Client(world.files, world.version)
    client.step()
    connection.dataReceived(client.outgoing.read())
    connection.hang_up()
    assert transport.disconnecting
    connection.connectionLost(Failure(ConnectionDone()))
    assert not world.notices


def test_peers_are_judged_again(world: World) -> None:
    """Those that are no longer permitted are closed with one notice; the others stay, and those that left are gone."""
    _, transport = world.greet()
    world.factory.judge_again(lambda _: PEER)
    assert world.factory.open == {world.connection}

    def refuse(_: bytes | None) -> Peer:
        raise RemoteError("who is that")

    for _ in range(2):
        world.factory.judge_again(refuse)
    assert transport.disconnecting
    assert isinstance(world.notices[0], PeerRefused)
    assert world.told() == "syslog-tls: 192.0.2.1:4000: no longer permitted: who is that"
    world.connection.connectionLost(Failure(ConnectionDone()))
    assert not world.factory.open
    assert len(world.notices) == 1


def test_our_own_failure_is_not_the_peers(world: World) -> None:
    """When the reactor ends a connection because of an exception, its reason stays, and the peer is not blamed."""
    world.greet()
    world.connection.connectionLost(Failure(ZeroDivisionError()))
    assert world.inner.lost is not None
    assert world.inner.lost.check(ZeroDivisionError)
    assert not world.notices


def test_a_damaged_record_ends_the_stream(world: World) -> None:
    """What came before it arrives; one clear line; an alert goes to the peer."""
    client, transport = world.greet()
    good, bad = client.records(b"good"), bytearray(client.records(b"bad"))
    bad[-1] ^= 1
    world.connection.dataReceived(good + bytes(bad))
    assert world.inner.received == [b"good"]
    assert isinstance(world.notices[0], StreamBroken)
    assert "the peer's TLS stream is broken (decryption failed or bad record mac)" in world.told()
    assert transport.disconnecting
    client.incoming.write(transport.value())
    with pytest.raises(ssl.SSLError, match="alert bad record mac"):
        client.read()
    world.inner.tls.write(b"too late")
    world.connection.connectionLost(Failure(ConnectionDone()))
    assert world.inner.lost is not None
    assert world.inner.lost.check(TruncatedStream)
    assert len(world.notices) == 1


def test_a_refused_peer_never_reaches_the_inner_protocol(world: World) -> None:
    """Its data is not looked at, the peer gets a close alert, and the notice says who and why."""
    world.refusal = "the peer's certificate is not permitted"
    client, transport = world.greet()
    assert not world.inners.made
    assert transport.disconnecting
    assert client.read() == b""
    world.connection.dataReceived(client.records(b"<13>let me in"))
    world.connection.connectionLost(Failure(ConnectionDone()))
    assert isinstance(world.notices[0], PeerRefused)
    assert world.told() == "syslog-tls: 192.0.2.1:4000: the peer's certificate is not permitted"


@pytest.mark.parametrize(
    ("identity", "words"),
    [("stranger", "it is signed by itself, and not pinned"), (None, "the peer showed no certificate")],
)
def test_a_client_without_our_cas_certificate_fails_the_handshake(
    world: World, identity: str | None, words: str
) -> None:
    """An unknown issuer and no certificate at all end in an alert and a plain sentence."""
    connection, transport = world.connect()
    client = Client(world.files, world.version, identity)
    for _ in range(4):
        client.step()
        if data := client.outgoing.read():
            connection.dataReceived(data)
        if transport.disconnecting:
            break
        client.incoming.write(transport.value())
        transport.clear()
    client.incoming.write(transport.value())
    with pytest.raises(ssl.SSLError, match="alert"):
        client.read()
    assert words in world.told()
    assert not world.judged
    assert transport.disconnecting


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<34>1 - - - - - - plain", "plain syslog"),
        (b"120 <34>1 -", "plain syslog"),
        (b"1", "plain syslog"),
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"\0\0\0\0", "something other than TLS"),
        (b"SSH-2.0-x\r\n", "something other than TLS"),
    ],
)
def test_plain_text_on_the_tls_port_is_recognised(world: World, data: bytes, words: str) -> None:
    """The log says what the peer speaks, and shows its first octets escaped."""
    connection, transport = world.connect()
    connection.dataReceived(data)
    assert transport.disconnecting
    assert f"the peer speaks {words} to a TLS port" in world.told()
    assert world.told().isprintable()
    assert "b'" not in world.told()
    assert ("point it at a tcp source" in world.told()) == (words == "plain syslog")


def test_an_endless_handshake_is_cut(world: World) -> None:
    """A hello that claims to go on and on is refused long before it fills the memory."""
    connection, transport = world.connect()
    record = b"\x16\x03\x01\x40\x00" + b"\x01\x7f\xff\xff" + b"\0" * (0x4000 - 4)
    for _ in range(20):
        connection.dataReceived(record)
        if transport.disconnecting:
            break
    assert transport.disconnecting
    assert isinstance(world.notices[0], HandshakeFailed)
    world.notices.clear()
    connection, transport = world.connect()
    for _ in range(200_000):  # a record of one octet each: no message ever gets whole
        connection.dataReceived(b"\x16\x03\x01\x00\x01\x01")
        if transport.disconnecting:
            break
    assert transport.disconnecting


def test_a_slow_handshake_is_dropped(world: World) -> None:
    """Ten seconds, and whoever said something is named; a silent port check is not."""
    connection, transport = world.connect()
    connection.dataReceived(b"\x16")
    silent, silent_transport = world.connect()
    world.clock.advance(9.9)
    assert [transport.disconnected, silent_transport.disconnected] == [False, False]
    world.clock.advance(0.2)
    assert [transport.disconnected, silent_transport.disconnected] == [True, True]
    assert "the handshake is not complete after 10 seconds" in world.told()
    connection.connectionLost(Failure(ConnectionDone()))
    silent.connectionLost(Failure(ConnectionDone()))
    assert len(world.notices) == 1


def test_a_peer_that_leaves_in_the_handshake_is_named(world: World) -> None:
    """Connect and close is a port check and silent; a broken-off hello is not."""
    connection, _ = world.connect()
    connection.connectionLost(Failure(ConnectionDone()))
    assert not world.notices
    connection, _ = world.connect()
    connection.dataReceived(b"\x16\x03")
    connection.connectionLost(Failure(ConnectionDone()))
    assert "left in the middle of the handshake" in world.told()


def test_too_many_half_handshakes_drop_the_oldest(world: World) -> None:
    """Whoever holds handshakes open cannot keep honest peers out."""
    held = [world.connect() for _ in range(10)]
    assert len(world.half) == 10
    client, _ = world.greet()
    assert [transport.disconnected for _, transport in held] == [True] + [False] * 9
    world.connection.dataReceived(client.records(b"honest"))
    assert world.inner.received == [b"honest"]
    for connection, _ in held:
        connection.connectionLost(Failure(ConnectionDone()))


def test_a_paused_reader_gets_nothing_until_it_resumes(world: World) -> None:
    """Pausing stops the socket; what was read before waits, and comes in the reactor's next turn."""
    client, transport = world.greet()
    world.inner.tls.pauseProducing()
    assert transport.producerState == "paused"
    world.connection.dataReceived(client.records(b"waits"))
    assert world.inner.received == []
    world.inner.tls.resumeProducing()
    assert transport.producerState == "producing"
    assert world.inner.received == []
    world.clock.advance(0)
    assert world.inner.received == [b"waits"]


def test_a_reader_that_pauses_at_once_loses_nothing(world: World) -> None:
    """Paused in connectionMade, with the socket lost meanwhile: what was taken off the socket is still handed on."""
    world.inners.on_made = lambda inner: inner.tls.pauseProducing()
    client, _ = world.greet()
    world.connection.dataReceived(client.records(b"kept"))
    assert world.inner.received == []
    world.connection.connectionLost(Failure(ConnectionDone()))
    assert world.inner.received == [b"kept"]
    assert world.inner.lost is not None


def test_a_reader_may_close_while_it_reads(world: World) -> None:
    """Closing in dataReceived: close_notify goes out, nothing more comes in."""
    client, transport = world.greet()
    world.inner.on_data = lambda inner: inner.tls.loseConnection()
    world.connection.dataReceived(client.records(b"one"))
    world.connection.dataReceived(client.records(b"two"))
    assert world.inner.received == [b"one"]
    assert transport.disconnecting
    client.incoming.write(transport.value())
    assert client.read() == b""
    world.connection.connectionLost(Failure(ConnectionDone()))
    assert not world.notices


def test_closing_waits_for_a_producer(world: World) -> None:
    """What a registered producer still writes goes out before close_notify."""
    client, transport = world.greet()

    class Producer:
        def resumeProducing(self) -> None: ...
        def pauseProducing(self) -> None: ...
        def stopProducing(self) -> None: ...

    world.inner.tls.registerProducer(Producer(), streaming=True)  # type: ignore[arg-type]
    world.inner.tls.write(b"first ")
    world.inner.tls.loseConnection()
    world.inner.tls.write(b"second")
    assert transport.producer is not None
    world.inner.tls.unregisterProducer()
    assert transport.disconnecting
    client.incoming.write(transport.value())
    assert client.read() + client.read() == b"first second"
    assert client.read() == b""
    world.inner.tls.write(b"third")


def test_an_inner_factory_may_refuse(world: World) -> None:
    """None from buildProtocol is an orderly close."""
    world.inners.refuse = True
    client, transport = world.greet()
    assert transport.disconnecting
    assert client.read() == b""
    world.connection.connectionLost(Failure(ConnectionDone()))
    assert not world.notices


def test_the_inner_factory_starts_and_stops_with_us(world: World) -> None:
    """Both calls are passed on."""
    world.factory.doStart()
    assert world.inners.numPorts == 1
    world.factory.doStop()
    assert world.inners.numPorts == 0


def test_random_octets_never_break_the_listener(world: World) -> None:
    """Garbage before, in and after the handshake is refused without an exception."""
    hello = Client(world.files, world.version)
    hello.step()
    whole = hello.outgoing.read()
    for at in range(1, len(whole), 5):
        connection, _ = world.connect()
        connection.dataReceived(whole[:at] + os.urandom(400))
        connection.connectionLost(Failure(ConnectionDone()))
    for _ in range(20):
        world.inners.made.clear()
        world.greet()
        world.connection.dataReceived(os.urandom(300))
        world.connection.connectionLost(Failure(ConnectionDone()))
        assert b"".join(world.inner.received) == b""


def test_rsa_with_aes128_gcm_is_preferred_in_tls_1_2(files: Files) -> None:
    """RFC 9662 section 4: the ECDHE RSA suite comes first when the client offers both."""
    world = World(files, ssl.TLSVersion.TLSv1_2)
    client, _ = world.greet()
    cipher = client.tls.cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-RSA-AES128-GCM-SHA256"
    assert client.tls.compression() is None


def test_a_resumed_session_is_judged_again(files: Files) -> None:
    """RFC 5425 section 5.1: resumption skips the exchange of certificates, and not the judgement."""
    world = World(files, ssl.TLSVersion.TLSv1_2)
    context = files.context()
    world.factory.context = lambda: context
    first, _ = world.greet()
    world.connection.dataReceived(first.goodbye())  # a session without it may not be resumed
    world.connection.connectionLost(Failure(ConnectionDone()))
    world.inners.made.clear()
    connection, transport = world.connect()
    again = Client(files, ssl.TLSVersion.TLSv1_2, context=first.context)
    again.tls.session = first.tls.session
    for _ in range(3):
        again.step()
        connection.dataReceived(again.outgoing.read() or again.records(b"x"))
        again.incoming.write(transport.value())
        transport.clear()
    assert again.tls.session_reused
    assert world.judged[0] == world.judged[1] is not None


def test_a_pinned_certificate_needs_no_chain(files: Files) -> None:
    """A certificate signed by itself gets in when its fingerprint is listed, and no other one does."""
    stranger = ssl.PEM_cert_to_DER_cert(files.pair("stranger")[0].read_text())
    policy = PeerPolicy.pinned([str(files.pair("stranger")[0])])
    for version in VERSIONS:
        for identity, in_ in (("stranger", True), ("client", False)):
            world = World(files, version)
            world.factory.context = lambda: server_context(
                [files.pair("server")], None, now=NOW, pinned=policy.pins_certificate
            )
            world.factory.judge = lambda der: judge(der, policy, NOW)
            try:
                world.greet(identity)
            except ssl.SSLError:
                assert not in_
            assert bool(world.inners.made) is in_
            if in_:
                assert world.inner.tls.certificate == stranger
            else:
                assert isinstance(world.notices[0], HandshakeFailed)


def test_the_certificate_message_is_read_within_its_bounds() -> None:
    """A cut or empty message yields no certificate, and never an exception."""
    body = b"\0\0\x08" + b"\0\0\x05" + b"abcde"
    whole = b"\x0b\0\0\x0b" + body
    assert leaf_of(whole, tls13=False) == b"abcde"
    assert leaf_of(b"\x0b\0\0\x0c" + b"\0" + body, tls13=True) == b"abcde"
    for end in range(len(whole)):
        leaf_of(whole[:end], tls13=False)
        leaf_of(whole[:end], tls13=True)
    assert leaf_of(b"\x0b\0\0\x03\0\0\0", tls13=False) == b""


def test_a_listener_that_could_let_nobody_in_is_an_error(files: Files) -> None:
    """Neither a CA nor pins, and no certificate at all."""
    with pytest.raises(OperatorError, match="client CA or pinned"):
        server_context([files.pair("server")], None, now=NOW)
    with pytest.raises(OperatorError, match="needs a certificate"):
        server_context([], files.ca, now=NOW)


def test_broken_files_are_named(files: Files, tmp_path: Path) -> None:
    """Each mistake names its file and what to do."""
    server, key = files.pair("server")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    (tmp_path / "folder").mkdir()
    locked = tmp_path / "locked.key"
    locked.write_bytes(_with_passphrase(key))
    cases: list[tuple[tuple[Path, Path], Path, str]] = [
        ((tmp_path / "no.pem", key), files.ca, r"no\.pem: the certificate cannot be read: No such file"),
        ((server, tmp_path / "no.key"), files.ca, r"no\.key: this file is missing: the key of .*server\.pem"),
        ((server, tmp_path / "folder"), files.ca, "folder: the key cannot be read: Is a directory"),
        ((empty, key), files.ca, r"empty\.pem: there is no PEM certificate"),
        ((server, empty), files.ca, r"empty\.pem: there is no usable PEM key"),
        ((server, locked), files.ca, r"locked\.key: the key has a passphrase"),
        ((server, files.pair("client")[1]), files.ca, r"client\.key: this key does not belong to the certificate"),
        (files.pair("expired"), files.ca, r"expired\.pem: this certificate expired on"),
        ((server, key), empty, r"empty\.pem: there is no PEM certificate"),
    ]
    for pair, authority, words in cases:
        with pytest.raises(OperatorError, match=words):
            server_context([pair], authority, now=NOW)
    with pytest.raises(OperatorError, match=r"client\.pem: .*server\.pem has an ECDSA key too"):
        server_context([files.pair("server"), files.pair("client")], files.ca, now=NOW)
    with pytest.raises(OperatorError, match="valid only from"):
        server_context([files.pair("server")], files.ca, now=NOW - 7 * 86400)
    with pytest.raises(OperatorError, match=r"ca\.pem: the client CA expired"):
        _late(files, tmp_path)


def _with_passphrase(key: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization as forms

    loaded = forms.load_pem_private_key(key.read_bytes(), None)
    lock = forms.BestAvailableEncryption(b"secret")
    return loaded.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, lock)


def _late(files: Files, folder: Path) -> None:
    late = NOW + 60 * 86400
    pair = make(late, names=["localhost"], usage=[SERVER]).write(folder, "late")
    server_context([pair], files.ca, now=late)


def test_a_reload_changes_new_connections_and_a_broken_file_keeps_the_old(files: Files, tmp_path: Path) -> None:
    """`changed` tells of a new file once, also of a broken one; `current` stays what last loaded."""
    first = make(NOW, names=["localhost"], usage=[SERVER])
    pair = first.write(tmp_path, "server")
    context = ReloadingContext([pair], files.ca, now=lambda: NOW)
    old = context.current
    assert context.expires == first.certificate.not_valid_after_utc.timestamp()
    assert not context.changed()
    pair[0].write_text("half of a certi")
    assert context.changed()
    with pytest.raises(OperatorError, match=r"server\.pem"):
        context.reload()
    assert context.current is old
    assert not context.changed()
    pair[0].unlink()
    assert context.changed()
    make(NOW, names=["localhost"], usage=[SERVER], days=(-1, 90)).write(tmp_path, "server")
    assert context.changed()
    context.reload()
    assert context.current is not old
    assert context.expires > NOW + 80 * 86400
    assert not context.changed()
