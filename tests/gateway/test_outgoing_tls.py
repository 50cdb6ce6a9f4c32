"""Outgoing TLS: a server is believed when its chain and its name are good, and for nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from OpenSSL.crypto import X509
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock

from gateway import clock
from gateway.outgoing import tls
from gateway.outgoing.endpoint import CONNECT_TIMEOUT, ServerEndpoint
from gateway.outgoing.tls import NameRefused, ServerAuthentication, check_name
from gateway.outgoing_config import ClientTls, Server
from parsers.errors import OperatorError
from tests.gateway.outgoing_peers import Endpoint, TlsServer, Wire
from tests.made_certificates import CLIENT, SERVER, Made, make

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def moment() -> float:
    """Return the time by which certificates are made: OpenSSL goes by the real clock."""
    return clock.now()


@pytest.fixture(scope="module")
def ca(moment: float) -> Made:
    """Return an authority."""
    return make(moment, common_name="CA", authority=True)


class Talk(Protocol):
    """An inner protocol that remembers."""

    def __init__(self) -> None:
        self.made = False
        self.received = b""
        self.lost: BaseException | None = None

    def connectionMade(self) -> None:
        """Say hello: nothing of it may reach a server that was not checked."""
        self.made = True
        transport: Any = self.transport
        transport.write(b"secret")

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = getattr(reason, "value", None)


class Meeting:
    """A client that connects to a server in memory; `error` is what the attempt failed with."""

    def __init__(self, settings: ClientTls, server: TlsServer) -> None:
        self.clock, self.server, below = Clock(), server, Endpoint()
        self.talk: Talk | None = None
        self.error: str | None = None
        endpoint = ServerEndpoint(
            self.clock,
            Server("192.0.2.1", 6514),
            ServerAuthentication(settings),
            below,
        )
        self.connecting: Deferred[IProtocol] = endpoint.connect(Factory.forProtocol(Talk))
        self.connecting.addCallbacks(self._connected, lambda failure: setattr(self, "error", str(failure.value)))
        self.wire: Wire = below.accept()
        self.pump()

    def _connected(self, protocol: IProtocol) -> None:
        assert isinstance(protocol, Talk)
        self.talk = protocol

    def pump(self) -> None:
        """Carry all octets, and end what the client has given up."""
        self.server.pump(self.wire)
        self.wire.finish()


def meet(folder: Path, ca: Made, certificate: Made, name: str = "syslog.example.com") -> Meeting:
    """Let a client that expects `name` meet a server that shows `certificate`."""
    ca.write(folder, "ca")
    settings = ClientTls(name, folder / "ca.pem")
    return Meeting(settings, TlsServer(*certificate.write(folder, "server")))


GOOD = [
    ("syslog.example.com", ["syslog.example.com"]),
    ("syslog.example.com", ["other.example.org", "SYSLOG.example.com"]),
    ("syslog.example.com", ["*.example.com"]),
    ("192.0.2.7", ["192.0.2.7"]),
    ("2001:db8::7", ["2001:db8::7", "x.example.com"]),
]


@pytest.mark.parametrize(("name", "names"), GOOD)
def test_the_right_name_gets_in(tmp_path: Path, moment: float, ca: Made, name: str, names: list[str]) -> None:
    """A dNSName, one label for a star, or an iPAddress."""
    meeting = meet(tmp_path, ca, make(moment, names=names, usage=[SERVER], issuer=ca), name)
    assert meeting.error is None
    assert meeting.talk is not None
    assert meeting.server.received == b"secret"
    meeting.server.say(b"welcome")
    meeting.pump()
    assert meeting.talk.received == b"welcome"


BAD = [
    ("syslog.example.com", ["other.example.com"], "is for other.example.com, and not for syslog.example.com"),
    ("syslog.example.com", ["syslog.example.com.evil.org"], "not for syslog.example.com"),
    ("a.syslog.example.com", ["*.example.com"], "not for a.syslog.example.com"),
    ("192.0.2.7", ["192.0.2.8"], "is for 192.0.2.8"),
    ("192.0.2.7", ["syslog.example.com"], "not for 192.0.2.7"),
    ("192.0.2.7", [x509.DNSName("192.0.2.7")], "refused"),  # an address written as a name is none
    ("syslog.example.com", None, "does not contain any"),
    ("syslog.example.com", [], ""),
    ("syslog.example.com", ["*"], ""),
    ("syslog.example.com", ["*.com"], ""),
    ("syslog.example.com", ["s*.example.com"], ""),
    ("syslog.example.com", ["syslog.*.com"], ""),
    ("syslog.example.com", ["syslog.example.com\0.evil.org"], ""),
    ("syslog.example.com", [x509.RFC822Name("root@syslog.example.com")], ""),
    ("syslog.example.com", [x509.UniformResourceIdentifier("https://syslog.example.com")], ""),
    ("syslog.example.com", [x509.DirectoryName(x509.Name([]))], ""),
    ("syslog.example.com", [x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x04\x01x")], ""),
    ("syslog.example.com", [x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), b"\x04\x01x")], ""),
]


@pytest.mark.parametrize(("name", "names", "words"), BAD)
def test_every_other_name_is_refused(
    tmp_path: Path, moment: float, ca: Made, name: str, names: list[str] | None, words: str
) -> None:
    """Other names, no names, stars that stand for too much, and names that cannot be decoded: nothing is sent."""
    certificate = make(moment, common_name="syslog.example.com", names=names, usage=[SERVER], issuer=ca)
    meeting = meet(tmp_path, ca, certificate, name)
    assert meeting.talk is None
    assert meeting.error is not None
    assert "the server's certificate" in meeting.error
    assert words.lower() in meeting.error.lower()
    assert meeting.server.received == b""
    assert meeting.wire.lost


def test_what_breaks_the_check_is_refused(
    tmp_path: Path, moment: float, ca: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any exception while the name is checked closes the connection; Twisted's own check would go on."""

    def breaks(certificate: X509, name: str) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(tls, "check_name", breaks)
    meeting = meet(tmp_path, ca, make(moment, names=["syslog.example.com"], usage=[SERVER], issuer=ca))
    assert meeting.talk is None
    assert meeting.error == "the server's certificate cannot be understood: odd"
    assert meeting.server.received == b""


def test_a_handshake_without_a_check_is_no_connection(
    tmp_path: Path, moment: float, ca: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should OpenSSL ever complete a handshake without asking us, nothing is sent."""
    monkeypatch.setattr(tls.ServerCheck, "_verify", lambda *_: True)
    meeting = meet(tmp_path, ca, make(moment, names=["syslog.example.com"], usage=[SERVER], issuer=ca))
    assert meeting.talk is None
    assert meeting.error == "the server showed no certificate"
    assert meeting.server.received == b""


def test_bad_chains_are_refused_in_words(tmp_path: Path, moment: float, ca: Made) -> None:
    """An unknown issuer, an expired certificate, one for clients only, one that signs itself."""
    names = ["syslog.example.com"]
    stranger = make(moment, common_name="Stranger", authority=True)
    cases = [
        (make(moment, names=names, usage=[SERVER], issuer=stranger), "its issuer is not in"),
        (make(moment, names=names, usage=[SERVER], issuer=ca, days=(-9, -1)), "it has expired"),
        (make(moment, names=names, usage=[SERVER], issuer=ca, days=(1, 9)), "not valid yet"),
        (make(moment, names=names, usage=[CLIENT], issuer=ca), "not for servers"),
        (make(moment, names=names, usage=[SERVER]), "signed by itself"),
    ]
    for certificate, words in cases:
        meeting = meet(tmp_path, ca, certificate)
        assert meeting.talk is None
        assert meeting.error is not None
        assert words in meeting.error


def test_our_certificate_is_shown(tmp_path: Path, moment: float, ca: Made) -> None:
    """A server that asks for one gets it; without one it refuses us, in words, after the handshake."""
    ca.write(tmp_path, "ca")
    server = make(moment, names=["syslog.example.com"], usage=[SERVER], issuer=ca).write(tmp_path, "server")
    own = make(moment, common_name="us", names=["us.example.com"], issuer=ca).write(tmp_path, "own")
    meeting = Meeting(
        ClientTls("syslog.example.com", tmp_path / "ca.pem", own), TlsServer(*server, client_ca=tmp_path / "ca.pem")
    )
    assert meeting.server.client is not None
    assert "us.example.com" in str(meeting.server.client)
    naked = Meeting(
        ClientTls("syslog.example.com", tmp_path / "ca.pem"), TlsServer(*server, client_ca=tmp_path / "ca.pem")
    )
    assert naked.talk is not None  # TLS 1.3: the refusal comes behind the handshake
    assert str(naked.talk.lost) == "the server wants to see a certificate; give us one (certificate:, key:)"


def test_files_are_read_again_when_they_change(tmp_path: Path, moment: float, ca: Made) -> None:
    """A new CA counts from the next connection on, and a broken file fails that connection only."""
    ca.write(tmp_path, "ca")
    authentication = ServerAuthentication(ClientTls("x.example.com", tmp_path / "ca.pem"))
    first, second = authentication.check()._context, authentication.check()._context
    assert first is second
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(OperatorError, match=r"ca\.pem: there is no usable PEM certificate"):
        authentication.check()
    make(moment, common_name="New", authority=True).write(tmp_path, "ca")
    assert authentication.check()._context is not first


def test_broken_files_are_named(tmp_path: Path, moment: float, ca: Made) -> None:
    """The CA, the certificate, the key, and a key of another certificate."""
    ca.write(tmp_path, "ca")
    pair = make(moment, issuer=ca).write(tmp_path, "own")
    other = make(moment, issuer=ca).write(tmp_path, "other")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("x")
    locked = tmp_path / "locked.key"
    encrypted = BestAvailableEncryption(b"sesame")
    locked.write_bytes(make(moment).key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encrypted))
    cases = [
        (ClientTls("x", tmp_path / "gone.pem"), r"gone\.pem: the CA cannot be read: No such file"),
        (ClientTls("x", None, (nonsense, pair[1])), r"nonsense\.pem: there is no usable PEM certificate"),
        (ClientTls("x", None, (pair[0], nonsense)), r"nonsense\.pem: there is no usable PEM key"),
        (ClientTls("x", None, (pair[0], locked)), r"locked\.key: the key has a passphrase"),
        (ClientTls("x", None, (pair[0], other[1])), r"other\.key: this key does not belong to"),
    ]
    for settings, words in cases:
        with pytest.raises(OperatorError, match=words):
            ServerAuthentication(settings).check()


class Deaf(TlsServer):
    """Reads and says nothing."""

    def pump(self, wire: Wire) -> None:
        """Take what was sent."""
        wire.sent()


class Plain(TlsServer):
    """Speaks SMTP where TLS is expected."""

    def pump(self, wire: Wire) -> None:
        """Greet."""
        if wire.sent() and not wire.lost:
            wire.protocol.dataReceived(b"220 mail.example.com ESMTP\r\n")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Deaf, "the TLS handshake took more than 10 s; does the server speak TLS there?"),
        (Plain, "the server speaks no TLS on this port"),
    ],
)
def test_a_server_that_speaks_no_tls(
    tmp_path: Path, moment: float, ca: Made, kind: type[TlsServer], words: str
) -> None:
    """The handshake has a limit of time of its own; one that speaks something else is told from one that is slow."""
    ca.write(tmp_path, "ca")
    settings = ClientTls("syslog.example.com", tmp_path / "ca.pem")
    server = make(moment, names=["syslog.example.com"], usage=[SERVER], issuer=ca).write(tmp_path, "server")

    meeting = Meeting(settings, kind(*server))
    meeting.clock.advance(CONNECT_TIMEOUT)
    meeting.wire.finish()
    assert meeting.error == words
    assert not meeting.clock.getDelayedCalls()


def test_the_name_check_alone() -> None:
    """It raises for all but a match, so that whoever calls it cannot forget to look at an answer."""
    certificate = X509.from_cryptography(make(NOW, names=["a.example.com"]).certificate)
    check_name(certificate, "a.example.com")
    with pytest.raises(NameRefused):
        check_name(certificate, "b.example.com")
