"""A whole SSH connection in memory: the order of messages, logins, channels, silence, and the end."""
# ruff: noqa: N802 -- the names are conch's

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, IOPump, connect

from gateway.drop.visit import Session
from gateway.drop_source_config import SftpSource
from gateway.listen_address import Address
from gateway.notices.sftp import (
    SftpBroken,
    SshBroken,
    SshHandshakeFailed,
    SshHandshakeLeft,
    SshLoginTooSlow,
    SshRequestRefused,
)
from gateway.notices.sources import ConnectionIdle
from gateway.sources.sftp import secure_packets
from gateway.sources.sftp.auth import MAX_OFFERS, SIGNATURES, fingerprint
from gateway.sources.sftp.connection import MAX_CHANNELS, MAX_DATA, WINDOW
from gateway.sources.sftp.factory import SftpFactory
from gateway.sources.sftp.packets import Fields, Kind, Open, packet, string, u32, u64
from gateway.sources.sftp.quiet import QUIET
from gateway.sources.sftp.secure_packets import MAX_BLOCKED, MAX_PACKET, STRICT_CLIENT
from gateway.sources.sftp.transport import LINGER, MAX_BEFORE_LOGIN, SftpTransport, Stage
from parsers.errors import Place
from tests.gateway.sftp_stand_ins import MemorySession, StandInLogins, promise
from tests.gateway.told import Told

HANDSHAKE, IDLE, TRIES = 10.0, 60.0, 3
HOST_KEY = Key(ed25519.Ed25519PrivateKey.generate())
USER_KEY = Key(ed25519.Ed25519PrivateKey.generate())
RSA_KEY = Key(rsa.generate_private_key(65537, 2048))
EC_KEY = Key(ec.generate_private_key(ec.SECP256R1()))
KEYS = [bytes(key.blob()) for key in (USER_KEY, RSA_KEY, EC_KEY)]
FUZZED = 60
"""Conversations with changed octets in one run."""

INIT = packet(Kind.INIT, u32(3))
PUT = packet(Kind.OPEN, u32(1) + string(b"a") + u32(Open.WRITE | Open.CREATE | Open.TRUNCATE) + u32(0))
HANDLE = string(u32(1))


class Recorder(SSHService):
    """Remembers what the server sends."""

    def __init__(self) -> None:
        self.got: list[tuple[int, bytes]] = []

    def packetReceived(self, messageNum: int, packet: bytes) -> None:  # noqa: N803
        self.got.append((messageNum, packet))


class ClientTransport(SSHClientTransport):
    """Conch's client, which hands us all that is not key exchange."""

    _log = QUIET

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.service = self.recorder
        self.secure = 0
        self.goodbye: bytes | None = None

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[int]:  # noqa: N803
        assert hostKey == HOST_KEY.blob()
        return succeed(1)

    def connectionSecure(self) -> None:
        self.secure += 1

    def ssh_SERVICE_ACCEPT(self, packet: bytes) -> None:
        self.recorder.got.append((6, packet))

    def receiveError(self, reasonCode: int, description: bytes) -> None:  # noqa: N803
        self.goodbye = description


class Listener:
    """What one listener's connections share."""

    def __init__(self, session: Session | None = None, *, passwords: bool = True) -> None:
        self.told, self.clock = Told(), Clock()
        self.session = MemorySession()
        self.logins = StandInLogins(session or self.session, keys=KEYS)
        source = SftpSource("drop", Place("x"), Address("127.0.0.1", 0), ZoneInfo("UTC"), (), passwords=passwords)
        self.factory = SftpFactory(
            source,
            {b"ssh-ed25519": HOST_KEY},
            self.logins,
            self.clock,
            self.told,
            lambda: 1e9,
            idle=IDLE,
            handshake_timeout=HANDSHAKE,
            tries=TRIES,
        )

    def connect(self) -> Client:
        """Open a connection, and exchange keys."""
        return Client(self)


class Client:
    """The other end of a connection."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.server = listener.factory.buildProtocol(None)
        self.ssh = ClientTransport()
        peer = IPv4Address("TCP", "192.0.2.7", 4000)
        self.lower = FakeTransport(self.server, isServer=True, peerAddress=peer)
        self.pump: IOPump = connect(self.server, self.lower, self.ssh, FakeTransport(self.ssh, isServer=False))
        self.flush()

    def flush(self) -> None:
        self.pump.flush()

    def send(self, message: int, payload: bytes) -> list[tuple[int, bytes]]:
        """Send a message and return those that come back."""
        self.ssh.sendPacket(message, payload)  # type: ignore[no-untyped-call]
        self.flush()
        return self.got()

    def got(self) -> list[tuple[int, bytes]]:
        """Return the messages since the last look."""
        got, self.ssh.recorder.got = self.ssh.recorder.got, []
        return got

    def begin_login(self) -> Client:
        """Ask for the login service."""
        assert self.send(5, string(b"ssh-userauth"))[-1] == (6, string(b"ssh-userauth"))
        return self

    def try_password(self, password: bytes, name: bytes = b"alice") -> list[tuple[int, bytes]]:
        """Try to log in."""
        head = string(name) + string(b"ssh-connection")
        return self.send(50, head + string(b"password") + b"\0" + string(password))

    def try_key(
        self, key: Key, algorithm: bytes, *, signed: bytes | None = None, name: bytes = b"alice", offer: bool = False
    ) -> list[tuple[int, bytes]]:
        """Offer a key, or log in by it, signed as `signed` if that is not `algorithm`."""
        assert self.ssh.sessionID is not None
        blob = bytes(key.blob())
        request = string(name) + string(b"ssh-connection") + string(b"publickey") + (b"\0" if offer else b"\1")
        request += string(algorithm) + string(blob)
        if offer:
            return self.send(50, request)
        octets = string(self.ssh.sessionID) + b"\x32" + request
        return self.send(50, request + string(key.sign(octets, signatureType=signed or algorithm)))

    def log_in(self) -> Client:
        """Log in, whatever it takes."""
        assert self.begin_login().try_password(b"sesame") == [(52, b"")]
        return self

    def open_channel(self, window: int = 1 << 20, most: int = 32768) -> int:
        """Open a session and return its number."""
        [(message, payload)] = self.send(90, string(b"session") + u32(7, window, most))
        fields = Fields(payload)
        assert (message, fields.u32()) == (91, 7)
        return fields.u32()

    def sftp(self) -> int:
        """Begin SFTP and return the channel's number."""
        number = self.open_channel()
        assert self.send(98, u32(number) + string(b"subsystem") + b"\1" + string(b"sftp")) == [(99, u32(7))]
        assert self.data(number, INIT)[0][0] == 94
        return number

    def data(self, number: int, octets: bytes) -> list[tuple[int, bytes]]:
        """Send data on a channel."""
        return self.send(94, u32(number) + string(octets))

    def closed(self) -> bool:
        """Whether the server has closed."""
        return bool(self.lower.disconnecting)


@pytest.fixture
def listener() -> Listener:
    """Return a listener."""
    return Listener()


# Key exchange.


def test_a_connection_begins(listener: Listener) -> None:
    """Keys are exchanged, and the client hears which signatures a login may have."""
    client = listener.connect()
    assert client.ssh.secure == 1
    assert client.server.stage is Stage.LOGIN
    assert client.ssh.peerExtensions == {b"server-sig-algs": b",".join(SIGNATURES)}
    assert listener.told == []


@pytest.mark.parametrize("method", [b"curve25519-sha256", b"curve25519-sha256@libssh.org"])
def test_each_key_exchange(listener: Listener, method: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each method that we offer ends in a login."""
    monkeypatch.setattr(ClientTransport, "supportedKeyExchanges", [method])
    client = listener.connect().log_in()
    assert client.server.kexAlg == method
    assert listener.logins.clients[0].fields["ssh.kex"] == method.decode()


def test_nothing_old_is_offered(listener: Listener) -> None:
    """No SHA-1, no CBC, no NIST curve, no compression; and the strict exchange."""
    client = listener.connect()
    offer = Fields(client.ssh.otherKexInitPayload, 17)
    methods, host_keys, *rest = [offer.string().split(b",") for _ in range(8)]
    assert b"kex-strict-s-v00@openssh.com" in methods
    assert not [name for name in methods if b"sha1" in name or b"nistp" in name]
    assert host_keys == [b"ssh-ed25519"]
    assert rest[0] == [b"aes128-ctr", b"aes192-ctr", b"aes256-ctr"]
    assert rest[2] == [b"hmac-sha2-256", b"hmac-sha2-512"]
    assert rest[4] == [b"none"]


def test_an_rsa_key_signs_without_sha1(listener: Listener) -> None:
    """An RSA host key is offered for SHA-2 only; keys may be replaced for connections to come."""
    listener.factory.keys = {b"ssh-rsa": RSA_KEY}
    assert listener.factory.buildProtocol(None).supportedPublicKeys == [b"rsa-sha2-512", b"rsa-sha2-256"]


def test_a_connection_keeps_the_host_keys_that_it_began_with(listener: Listener) -> None:
    """New keys are exchanged under the old host key when a reload has brought another one meanwhile."""
    client = listener.connect().log_in()
    listener.factory.keys = {b"ssh-rsa": RSA_KEY}
    client.ssh.sendKexInit()  # type: ignore[no-untyped-call]
    client.flush()
    assert client.ssh.secure == 2
    assert not client.closed()


def test_nothing_in_common(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client with other algorithms only is told so, and so is the log."""
    monkeypatch.setattr(ClientTransport, "supportedCiphers", [b"aes256-cbc"])
    client = listener.connect()
    assert client.closed()
    assert "no algorithm in common" in str(listener.told.of(SshHandshakeFailed)[0])


def test_new_keys_in_the_middle(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either side may ask for new keys, and nothing that is under way is lost by it."""
    client = listener.connect().log_in()
    number = client.sftp()
    client.ssh.sendKexInit()  # type: ignore[no-untyped-call]
    client.data(number, PUT)
    assert client.ssh.secure == 2
    monkeypatch.setattr(secure_packets, "REKEY", 1000)
    client.server._rekey_at = 0
    client.data(number, packet(Kind.WRITE, u32(2) + HANDLE + u64(0) + string(b"x" * 500)))
    client.data(number, packet(Kind.CLOSE, u32(3) + HANDLE))
    client.data(number, packet(Kind.REALPATH, u32(3) + string(b".")))
    assert client.ssh.secure >= 3
    assert listener.session.files == {("a",): b"x" * 500}
    assert listener.told == []


@pytest.mark.parametrize("message", [5, 7, 21, 30, 32, 34, 50, 80, 90, 94, 99, 255])
def test_untimely_messages_before_keys(listener: Listener, message: int) -> None:
    """Before its KEXINIT a client may not send anything: no NEWKEYS without keys, no login in the clear."""
    server, lower = alone(listener)
    server.dataReceived(b"SSH-2.0-x\r\n" + clear(message, bytes(40)))
    assert lower.disconnecting
    assert len(listener.told.of(SshHandshakeFailed)) == 1
    assert listener.logins.tried == []
    server.connectionLost(None)


@pytest.mark.parametrize("message", [20, 21, 30, 50, 90, 6, 120])
def test_untimely_messages_before_login(listener: Listener, message: int) -> None:
    """After the first exchange there is the login service, and no second exchange before somebody is logged in."""
    client = listener.connect()
    client.send(message, b"")
    assert client.closed()
    assert len(listener.told.of(SshBroken)) == 1


def test_a_strict_client(listener: Listener) -> None:
    """Where the client is strict, nothing slips in between: that is how Terrapin drops messages unseen."""
    for before in (b"", clear(2, string(b"ignored"))):
        server, lower = alone(listener)
        offer = b"".join(map(string, [b"curve25519-sha256," + STRICT_CLIENT, b"ssh-ed25519"]))
        offer += string(b"aes128-ctr") * 2 + string(b"hmac-sha2-256") * 2 + string(b"none") * 2 + string(b"") * 2
        server.dataReceived(b"SSH-2.0-x\r\n" + before + clear(20, bytes(16) + offer + bytes(5)))
        assert lower.disconnecting == bool(before)
        if not before:
            server.dataReceived(clear(2, string(b"ignored")))
            assert lower.disconnecting
        server.connectionLost(None)


def test_strict_numbers(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a strict client both sides count from 0 after NEWKEYS: the MACs are right only then."""
    methods = [*ClientTransport.supportedKeyExchanges, STRICT_CLIENT]
    monkeypatch.setattr(ClientTransport, "supportedKeyExchanges", methods)

    def from_zero(ssh: Any) -> None:
        ssh.incomingPacketSequence = 0
        SSHClientTransport._newKeys(ssh)
        ssh.outgoingPacketSequence = 0

    monkeypatch.setattr(ClientTransport, "_newKeys", from_zero)
    client = listener.connect().log_in()
    assert client.server.incomingPacketSequence < 3
    client.sftp()
    assert listener.told == []


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n", b"SSH-1.5-old\r\n", b"\x16\x03\x01", b"SSH-" + b"x" * 300])
def test_no_ssh(listener: Listener, line: bytes) -> None:
    """Whatever is no SSH 2.0 is told and closed."""
    server, lower = alone(listener)
    server.dataReceived(line)
    assert lower.disconnecting
    assert "no SSH 2.0" in str(listener.told.of(SshHandshakeFailed)[0])
    server.connectionLost(None)
    assert listener.clock.getDelayedCalls() == []


@pytest.mark.parametrize("length", [0, 3, 13, MAX_PACKET + 4, 0xFFFFFFFF])
def test_packet_lengths(listener: Listener, length: int) -> None:
    """A length that no packet has ends the connection before anything is kept for it."""
    server, lower = alone(listener)
    server.dataReceived(b"SSH-2.0-x\r\n" + u32(length) + bytes(12))
    assert lower.disconnecting
    server.connectionLost(None)


def test_a_changed_packet(listener: Listener) -> None:
    """A wrong MAC ends the connection."""
    client = listener.connect().log_in()
    client.server.dataReceived(bytes(2000))
    assert client.closed()
    assert len(listener.told.of(SshBroken)) == 1


def test_too_much_before_login(listener: Listener) -> None:
    """Who has not logged in may send so much and no more."""
    server, lower = alone(listener)
    server.dataReceived(b"SSH-2.0-x\r\n" + clear(2, bytes(30_000)) * (MAX_BEFORE_LOGIN // 30_000 + 1))
    assert lower.disconnecting
    server.connectionLost(None)


def alone(listener: Listener) -> tuple[SftpTransport, FakeTransport]:
    """Return a server's side whose client is the test itself."""
    server = listener.factory.buildProtocol(None)
    lower = FakeTransport(server, isServer=True)
    server.makeConnection(lower)  # type: ignore[no-untyped-call]
    return server, lower


def clear(message: int, payload: bytes) -> bytes:
    """Write a packet without a cipher."""
    padding = 8 - (len(payload) + 6) % 8 + 8
    return u32(len(payload) + 2 + padding) + bytes([padding, message]) + payload + bytes(padding)


# Logins.


def test_a_password(listener: Listener) -> None:
    """The right password lets in; an event has what is known of the client."""
    listener.connect().log_in()
    [client] = listener.logins.clients
    assert (client.source, client.protocol, client.address, client.port) == ("drop", "sftp", "192.0.2.7", 4000)
    assert client.encrypted
    assert client.fields["ssh.method"] == "password"
    assert str(client.fields["ssh.client_version"]).startswith("SSH-2.0-Twisted")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (USER_KEY, b"ssh-ed25519"),
        (RSA_KEY, b"rsa-sha2-512"),
        (RSA_KEY, b"rsa-sha2-256"),
        (EC_KEY, b"ecdsa-sha2-nistp256"),
    ],
)
def test_a_key(listener: Listener, key: Key, algorithm: bytes) -> None:
    """A key is offered, found good, and lets in whoever signs with it."""
    client = listener.connect().begin_login()
    assert client.try_key(key, algorithm, offer=True) == [(60, string(algorithm) + string(key.blob()))]
    assert client.try_key(key, algorithm) == [(52, b"")]
    assert listener.logins.tried == [("alice", "key", "")]
    fields = listener.logins.clients[0].fields
    assert fields["ssh.method"] == "publickey"
    assert fields["ssh.key_type"] == key.sshType().decode()
    assert fields["ssh.fingerprint"] == fingerprint(key.blob())
    assert str(fields["ssh.fingerprint"]).startswith("SHA256:")


def test_signatures_that_are_none(listener: Listener) -> None:
    """A signature by another key, over other octets or with SHA-1 does not let in, and counts as a try."""
    for algorithm, signed in ((b"ssh-rsa", b"ssh-rsa"), (b"rsa-sha2-512", b"ssh-rsa")):
        client = listener.connect().begin_login()
        assert client.try_key(RSA_KEY, algorithm, signed=signed)[0][0] == 51
    head = string(b"alice") + string(b"ssh-connection") + string(b"publickey") + b"\1" + string(b"ssh-ed25519")
    for signature in (b"", string(b"ssh-ed25519"), USER_KEY.sign(b"something else"), RSA_KEY.sign(b"x")):
        client = listener.connect().begin_login()
        assert client.send(50, head + string(USER_KEY.blob()) + string(signature))[0][0] == 51
        assert "signature" in listener.logins.tried[-1][2]
    assert len(listener.logins.tried) == 6
    assert all(problem for _, _, problem in listener.logins.tried)


def test_a_few_tries(listener: Listener) -> None:
    """After so many wrong passwords the connection is closed."""
    client = listener.connect().begin_login()
    for _ in range(TRIES - 1):
        assert client.try_password(b"wrong") == [(51, string(b"publickey,password") + b"\0")]
    assert not client.closed()
    client.try_password(b"wrong")
    assert client.closed()
    assert client.ssh.goodbye == b"too many logins that failed"
    assert len(listener.logins.tried) == TRIES


def test_the_login_is_asked_for_again(listener: Listener) -> None:
    """Paramiko asks for the service before each try; that is answered, and gives no further tries."""
    client = listener.connect()
    for _ in range(TRIES):
        assert not client.closed()
        client.begin_login().try_password(b"wrong")
    assert client.closed()
    client = listener.connect()
    client.begin_login().try_password(b"wrong")
    client.log_in()


def test_a_refusal_takes_its_time(listener: Listener) -> None:
    """The answer waits for the logins' own delay, and a second try waits for the first."""
    client = listener.connect().begin_login()
    listener.logins.waits = promise()
    assert client.try_password(b"wrong") == []
    assert client.try_password(b"sesame") == []
    assert len(listener.logins.tried) == 1
    waits, listener.logins.waits = listener.logins.waits, None
    waits.callback(None)
    client.flush()
    assert [message for message, _ in client.got()] == [51, 52]


def test_who_leaves_before_it_is_let_in(listener: Listener) -> None:
    """A session that comes too late is left at once."""
    client = listener.connect().begin_login()
    listener.logins.waits = waits = promise()
    client.try_password(b"sesame")
    client.server.connectionLost(None)
    waits.callback(None)
    assert listener.session.left == 1


def test_offers_are_no_tries_but_are_told(listener: Listener) -> None:
    """An agent may offer more keys than there are tries; who only does that is one failed login in the end."""
    client = listener.connect().begin_login()
    other = Key(ed25519.Ed25519PrivateKey.generate())
    for _ in range(TRIES + 2):
        assert client.try_key(other, b"ssh-ed25519", offer=True)[0][0] == 51
    assert listener.logins.tried == []
    client.server.connectionLost(None)
    assert listener.logins.tried == [("alice", "-", "it offered 5 keys that the account does not have")]


def test_offers_end(listener: Listener) -> None:
    """Nobody offers keys for ever."""
    client = listener.connect().begin_login()
    other = Key(ed25519.Ed25519PrivateKey.generate())
    for _ in range(MAX_OFFERS + 1):
        client.try_key(other, b"ssh-ed25519", offer=True)
    assert client.closed()
    assert len(listener.logins.tried) == 1


def test_methods(listener: Listener) -> None:
    """`none` is answered with what there is and costs no try; a change of password is refused."""
    client = listener.connect().begin_login()
    assert client.send(50, string(b"alice") + string(b"ssh-connection") + string(b"none"))[0][0] == 51
    assert listener.logins.tried == []
    change = string(b"alice") + string(b"ssh-connection") + string(b"password") + b"\1" + string(b"a") + string(b"b")
    assert client.send(50, change)[0][0] == 51
    assert client.try_password(b"x" * 2000)[0][0] == 51
    assert [problem for _, _, problem in listener.logins.tried] == [
        "it asked to change the password",
        "the password is too long",
    ]


def test_keys_only() -> None:
    """Where passwords are off they are not offered, and whoever sends one has failed."""
    listener = Listener(passwords=False)
    client = listener.connect().begin_login()
    assert client.try_password(b"sesame") == [(51, string(b"publickey") + b"\0")]
    assert listener.logins.tried == [("alice", "-", "passwords are not taken here")]


def test_a_name_that_is_no_text(listener: Listener) -> None:
    """A name in other octets than UTF-8 is one that nobody has."""
    client = listener.connect().begin_login()
    assert client.try_password(b"x", name=b"\xff\n" * 200)[0][0] == 51
    assert len(listener.logins.tried[0][0]) <= 128


# Time.


def test_slow_handshakes(listener: Listener) -> None:
    """Keys are exchanged in time; who says nothing at all is not worth a word."""
    server, lower = alone(listener)
    listener.clock.advance(HANDSHAKE)
    assert lower.disconnecting
    assert listener.told == []
    server.connectionLost(None)
    server, lower = alone(listener)
    server.dataReceived(b"SSH-2.0-x\r\n")
    listener.clock.advance(HANDSHAKE)
    assert "were not exchanged within 10 s" in str(listener.told.of(SshHandshakeFailed)[0])
    server.connectionLost(None)
    assert listener.clock.getDelayedCalls() == []


def test_a_port_scan(listener: Listener) -> None:
    """Who leaves in the handshake is told of quietly."""
    server, _ = alone(listener)
    server.dataReceived(b"SSH-2.0-x\r\n")
    server.connectionLost(None)
    assert len(listener.told.of(SshHandshakeLeft)) == 1


def test_a_slow_login(listener: Listener) -> None:
    """There is a minute to type a password in, not ten hours."""
    client = listener.connect()
    listener.clock.advance(HANDSHAKE * 5)
    assert not client.closed()
    listener.clock.advance(HANDSHAKE)
    assert client.closed()
    assert "nobody logged in within 60 s" in str(listener.told.of(SshLoginTooSlow)[0])


def test_silence(listener: Listener) -> None:
    """A client that is silent is closed; not while its file is being kept."""
    client = listener.connect().log_in()
    number = client.sftp()
    client.data(number, PUT)
    listener.session.uploads[0].ending = ending = promise()
    listener.clock.advance(IDLE - 1)
    client.data(number, packet(Kind.CLOSE, u32(2) + HANDLE))
    for _ in range(5):
        listener.clock.advance(IDLE)
    assert not client.closed()
    ending.callback(None)
    listener.clock.advance(IDLE)
    assert client.closed()
    assert len(listener.told.of(ConnectionIdle)) == 1


def test_a_farewell_that_nobody_takes(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not even take our last words is cut."""
    server, lower = alone(listener)
    cut: list[bool] = []
    monkeypatch.setattr(lower, "abortConnection", lambda: cut.append(True))
    server.hang_up()
    assert cut == []
    listener.clock.advance(LINGER)
    assert cut == [True]
    server.connectionLost(None)


# Channels.


def test_an_upload(listener: Listener) -> None:
    """A file comes in; the channel ends with exit status 0 when the client is through."""
    client = listener.connect().log_in()
    number = client.sftp()
    client.data(number, PUT)
    client.data(number, packet(Kind.WRITE, u32(2) + HANDLE + u64(0) + string(b"hello")))
    client.data(number, packet(Kind.CLOSE, u32(3) + HANDLE))
    assert listener.session.files == {("a",): b"hello"}
    ended = client.send(96, u32(number))
    assert ended == [
        (98, u32(7) + string(b"exit-status") + b"\0" + u32(0)),
        (96, u32(7)),
        (97, u32(7)),
    ]
    assert client.send(97, u32(number)) == []
    client.server.connectionLost(None)
    assert listener.session.left == 1
    assert listener.told == []
    assert listener.clock.getDelayedCalls() == []


@pytest.mark.parametrize("how", ["lost", "closed", "disconnect"])
def test_a_cut_upload(listener: Listener, how: str) -> None:
    """However the connection ends: what was not closed is aborted once, and the session is left once."""
    client = listener.connect().log_in()
    number = client.sftp()
    client.data(number, PUT)
    if how == "closed":
        assert client.send(97, u32(number)) == [(97, u32(7))]
    elif how == "disconnect":
        client.send(1, u32(11) + string(b"bye") + string(b""))
    client.server.connectionLost(None)
    [upload] = listener.session.uploads
    assert len(upload.aborted) == 1
    assert not upload.finished
    assert listener.session.left == 1
    assert listener.clock.getDelayedCalls() == []


def test_a_stop_waits_for_what_was_closed(listener: Listener) -> None:
    """A stop answers the CLOSE that is under way, aborts what is half, and says goodbye."""
    client = listener.connect().log_in()
    number = client.sftp()
    client.data(number, PUT + PUT.replace(string(b"a"), string(b"b")))
    listener.session.uploads[0].ending = ending = promise()
    client.data(number, packet(Kind.CLOSE, u32(2) + HANDLE))
    client.server.hang_up()
    assert not client.closed()
    ending.callback(None)
    client.flush()
    assert client.closed()
    assert client.got()[-1][1].endswith(packet(Kind.STATUS, u32(2, 0, 0, 0)))
    assert client.ssh.goodbye == b"the gateway is stopping"
    assert [upload.finished for upload in listener.session.uploads] == [True, False]
    assert len(listener.session.uploads[1].aborted) == 1


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (string(b"shell") + b"\1", b"no shell"),
        (string(b"exec") + b"\1" + string(b"id"), b"no shell"),
        (string(b"exec") + b"\1" + string(b"scp -t /"), b"leave out -O"),
    ],
)
def test_no_commands(listener: Listener, request_: bytes, said: bytes) -> None:
    """A shell, a command and the old scp are refused in words, with exit status 1."""
    client = listener.connect().log_in()
    client.server.otherVersionString = b"SSH-2.0-OpenSSH_9.2"
    number = client.open_channel()
    answers = client.send(98, u32(number) + request_)
    assert [message for message, _ in answers] == [99, 95, 98, 96, 97]
    assert said in answers[1][1]
    assert answers[2][1].endswith(u32(1))
    assert len(listener.told.of(SshRequestRefused)) == 1


def test_no_old_scp_for_libraries(listener: Listener) -> None:
    """A client that shows nobody our words is refused by the protocol: libssh2 would take its file for uploaded."""
    client = listener.connect().log_in()
    number = client.open_channel()
    answers = client.send(98, u32(number) + string(b"exec") + b"\1" + string(b"scp -t /"))
    assert [message for message, _ in answers] == [100, 98, 96, 97]
    assert len(listener.told.of(SshRequestRefused)) == 1


@pytest.mark.parametrize(
    "request_",
    [
        string(b"pty-req") + b"\1" + string(b"xterm") + bytes(20),
        string(b"env") + b"\1" + string(b"LD_PRELOAD") + string(b"x"),
        string(b"x11-req") + b"\1",
        string(b"auth-agent-req@openssh.com") + b"\1",
        string(b"subsystem") + b"\1" + string(b"netconf"),
        string(b"\xff") + b"\1",
    ],
)
def test_other_requests(listener: Listener, request_: bytes) -> None:
    """Terminals, environments, X11, agents and other subsystems are refused; SFTP may still begin."""
    client = listener.connect().log_in()
    number = client.open_channel()
    assert client.send(98, u32(number) + request_) == [(100, u32(7))]
    assert client.send(98, u32(number) + string(b"subsystem") + b"\1" + string(b"sftp")) == [(99, u32(7))]
    assert client.send(98, u32(number) + string(b"subsystem") + b"\1" + string(b"sftp")) == [(100, u32(7))]


def test_nothing_is_forwarded(listener: Listener) -> None:
    """Ports are not forwarded in either direction; keepalives have their answer."""
    client = listener.connect().log_in()
    target = string(b"10.0.0.1") + u32(22) + string(b"127.0.0.1") + u32(1)
    [(message, payload)] = client.send(90, string(b"direct-tcpip") + u32(3, 1 << 20, 32768) + target)
    assert (message, payload[:8]) == (92, u32(3, 1))
    assert client.send(90, string(b"x11") + u32(3, 1 << 20, 32768))[0][1][:8] == u32(3, 3)
    assert client.send(80, string(b"tcpip-forward") + b"\1" + string(b"") + u32(80)) == [(82, b"")]
    assert client.send(80, string(b"keepalive@openssh.com") + b"\1") == [(82, b"")]
    assert client.send(80, string(b"no-more-sessions@openssh.com") + b"\0") == []
    assert len(listener.told.of(SshRequestRefused)) == 2


def test_many_channels(listener: Listener) -> None:
    """So many channels, and one more when one is closed; packets of a few octets are not served."""
    client = listener.connect().log_in()
    numbers = [client.open_channel() for _ in range(MAX_CHANNELS)]
    assert client.send(90, string(b"session") + u32(9, 1, 32768))[0][1][:8] == u32(9, 4)
    client.send(97, u32(numbers[0]))
    client.open_channel()
    client.send(97, u32(numbers[1]))
    assert client.send(90, string(b"session") + u32(9, 1, 1))[0][1][:8] == u32(9, 4)


def test_a_window_is_opened_by_what_was_taken(listener: Listener) -> None:
    """While a write waits for room, the client gets no window for more; who sends more is cut."""
    client = listener.connect().log_in()
    number = client.sftp()
    client.data(number, PUT)
    room = promise()
    listener.session.uploads[0].room = room
    body = packet(Kind.WRITE, u32(2) + HANDLE + u64(0) + string(b"x" * (MAX_DATA - 100)))
    for _ in range(WINDOW // len(body)):
        assert [message for message, _ in client.data(number, body) if message == 93] == []
    listener.session.uploads[0].room = None
    room.callback(None)
    client.flush()
    assert 93 in [message for message, _ in client.got()]
    listener.session.uploads[0].room = promise()
    for _ in range(WINDOW // len(body) + 2):
        client.data(number, body)
    assert client.closed()
    assert "window" in str(listener.told.of(SshBroken)[0])


def test_answers_wait_for_the_clients_window(listener: Listener) -> None:
    """No more is sent than the client has window for, and the rest when it has."""
    listener.session.files[("a",)] = bytes(5000)
    client = listener.connect().log_in()
    number = client.open_channel(window=1000, most=300)
    client.send(98, u32(number) + string(b"subsystem") + b"\0" + string(b"sftp"))
    octets = INIT + packet(Kind.OPEN, u32(1) + string(b"a") + u32(1, 0))
    octets += packet(Kind.READ, u32(2) + HANDLE + u64(0) + u32(5000))
    first = client.data(number, octets)
    assert sum(len(payload) - 8 for _, payload in first) == 1000
    assert max(len(payload) - 8 for _, payload in first) == 300
    rest = client.send(93, u32(number) + u32(1 << 20))
    assert sum(len(payload) - 8 for _, payload in rest) > 4000
    client.send(93, u32(number) + u32(0xFFFFFFFF))
    assert client.closed()


def test_a_client_that_does_not_read(listener: Listener) -> None:
    """Where our answers do not leave, no request is begun, however large the window: each may ask for 255 KiB."""
    listener.session.files[("a",)] = bytes(100_000)
    client = listener.connect().log_in()
    number = client.open_channel(window=0xFFFFFFFF, most=1 << 20)
    client.send(98, u32(number) + string(b"subsystem") + b"\0" + string(b"sftp"))
    client.data(number, INIT + packet(Kind.OPEN, u32(1) + string(b"a") + u32(1, 0)))
    client.server.pauseProducing()
    assert client.data(number, packet(Kind.READ, u32(2) + HANDLE + u64(0) + u32(100_000)) * 100) == []
    assert listener.session.downloads[0].reads == 0
    client.server.resumeProducing()
    client.flush()
    assert sum(len(payload) for _, payload in client.got()) > 100 * 100_000


def test_a_client_that_leaves_our_key_exchange_unanswered(listener: Listener) -> None:
    """Until it answers, no request is begun, and what else it makes us send is kept up to a limit."""
    client = listener.connect().log_in()
    number = client.sftp()
    client.ssh.dispatchMessage = lambda message, payload: None  # type: ignore[method-assign]
    client.server.sendKexInit()
    client.data(number, packet(Kind.REALPATH, u32(1) + string(b"/")))
    assert client.server._blockedByKeyExchange == []
    for _ in range(MAX_BLOCKED + 1):
        client.ssh.sendPacket(80, string(b"keepalive@openssh.com") + b"\1")  # type: ignore[no-untyped-call]
    client.flush()
    assert client.closed()


def test_a_broken_sftp_ends_its_channel_only(listener: Listener) -> None:
    """What is no SFTP is told and ends its channel with 1; the connection stays."""
    client = listener.connect().log_in()
    number = client.sftp()
    ended = client.data(number, b"GET / HTTP/1.1\r\n\r\n")
    assert [message for message, _ in ended] == [98, 96, 97]
    assert ended[0][1].endswith(u32(1))
    assert len(listener.told.of(SftpBroken)) == 1
    assert not client.closed()


@pytest.mark.parametrize("message", [90, 93, 94, 95, 96, 97, 98, 80, 81, 82, 91, 92, 99, 100, 127, 255])
def test_broken_messages_end_the_connection(message: int) -> None:
    """Messages that are cut short or of no channel end the connection, and are told once."""
    for payload in (b"", u32(99), u32(0) + b"\xff"):
        listener = Listener()
        client = listener.connect().log_in()
        client.open_channel()
        client.send(message, payload)
        client.server.connectionLost(None)
        assert len(listener.told) == len(listener.told.of(SshBroken)) <= 1
        assert listener.session.left == 1


def test_a_login_after_the_login(listener: Listener) -> None:
    """It is passed over (RFC 4252 section 5.1)."""
    client = listener.connect().log_in()
    assert client.try_password(b"wrong") == []
    assert len(listener.logins.tried) == 1


def test_whose_network_it_is(listener: Listener) -> None:
    """A client out of the source's trusted networks is marked so, and no other."""
    listener.connect().log_in()
    listener.factory.source = replace(listener.factory.source, trusted=(ip_network("192.0.2.0/24"),))
    listener.connect().log_in()
    assert [client.trusted for client in listener.logins.clients] == [False, True]


def test_mutated_connections(listener: Listener) -> None:
    """Whatever octets of a handshake are changed: no traceback, and the connection ends or goes on."""
    chance = random.Random(5)
    server, lower = alone(listener)
    recorded = record()
    for _ in range(FUZZED):
        octets = bytearray(recorded)
        for _ in range(chance.randint(1, 3)):
            octets[chance.randrange(len(octets))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        server, lower = alone(listener)
        at = 0
        while at < len(octets) and not lower.disconnecting:
            step = chance.randint(1, len(octets))
            server.dataReceived(bytes(octets[at : at + step]))
            at += step
        server.connectionLost(None)
    assert listener.logins.tried == []


class Tap:
    """A transport that remembers what goes through it."""

    def __init__(self, lower: Any, sent: list[bytes]) -> None:
        self._lower, self._sent = lower, sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lower, name)

    def write(self, data: bytes) -> None:
        self._sent.append(data)
        self._lower.write(data)


def record() -> bytes:
    """Return what a client sends in a handshake, as far as it is in the clear."""
    sent: list[bytes] = []

    class Recording(ClientTransport):
        def connectionMade(self) -> None:
            self.transport = Tap(self.transport, sent)  # type: ignore[assignment]
            super().connectionMade()  # type: ignore[no-untyped-call]

    listener = Listener()
    server, client = listener.factory.buildProtocol(None), Recording()
    connect(server, FakeTransport(server, isServer=True), client, FakeTransport(client, isServer=False)).flush()
    server.connectionLost(None)
    return b"".join(sent)
