"""The matrix of client certificates: who gets through a real TLS listener on loopback, and who does not."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as running  # noqa: TID251 -- trial's own
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from gateway import clock
from gateway.handshakes import HalfHandshakes
from gateway.notice import Notice
from gateway.tls import TLSFactory
from gateway.tls_context import server_context
from gateway.trust import PeerPolicy, judge
from tests.made_certificates import SERVER, Made, make

pytestmark = pytest.mark.end_to_end

reactor: Any = running

MESSAGE = b"16 <13>proof of life"


@dataclass(frozen=True)
class Case:
    """One client: its certificate, the listener it tries, and what the log must say when it is kept out."""

    identity: str | None
    listener: str
    out: str | None = None


NAMED, PINNED = "name", "fingerprint"

MATRIX = {
    "SAN match": Case("match", NAMED),
    "SAN under the permitted wildcard": Case("wild-match", NAMED),
    "other SAN": Case("other", NAMED, "none of that is permitted"),
    "CN only": Case("cn-only", NAMED, "none of that is permitted"),
    "wildcard in the client's certificate": Case("wildcard", NAMED, "none of that is permitted"),
    "look-alike suffix": Case("look-alike", NAMED, "none of that is permitted"),
    "expired": Case("expired", NAMED, "expired"),
    "serverAuth-only EKU": Case("server-only", NAMED, "clientAuth"),
    "foreign CA": Case("foreign", NAMED, "our client CA"),
    "signed by itself": Case("pinned", NAMED, "signed by itself"),
    "none": Case(None, NAMED, "no certificate"),
    "pinned, signed by itself": Case("pinned", PINNED),
    "not pinned, signed by itself": Case("unpinned", PINNED, "signed by itself, and not pinned"),
    "not pinned, of our CA": Case("match", PINNED, "not one of the pinned"),
    "pinned, expired": Case("pinned-expired", PINNED, "expired"),
    "none, where pins are asked for": Case(None, PINNED, "no certificate"),
}


def write_identities(folder: Path) -> dict[str, Made]:
    """Make all certificates of the matrix."""
    now = clock.now()
    ca = make(now, common_name="our CA", authority=True)
    foreign = make(now, common_name="our CA", authority=True)  # the name costs a forger nothing
    made = {
        "ca": ca,
        "server": make(now, names=["localhost"], usage=[SERVER], issuer=ca),
        "match": make(now, names=["web1.example.com"], issuer=ca),
        "wild-match": make(now, names=["n7.fleet.example.com"], issuer=ca),
        "other": make(now, common_name="web1.example.com", names=["web2.example.com"], issuer=ca),
        "cn-only": make(now, common_name="web1.example.com", issuer=ca),
        "wildcard": make(now, names=["*.example.com", "*.fleet.example.com"], issuer=ca),
        "look-alike": make(now, names=["web1.example.com.evil.test", "a.b.fleet.example.com"], issuer=ca),
        "expired": make(now, names=["web1.example.com"], issuer=ca, days=(-9, -1)),
        "server-only": make(now, names=["web1.example.com"], usage=[SERVER], issuer=ca),
        "foreign": make(now, names=["web1.example.com"], issuer=foreign),
        "pinned": make(now, common_name="device 7", usage=None),
        "pinned-expired": make(now, common_name="device 8", usage=None, days=(-9, -1)),
        "unpinned": make(now, common_name="device 7", usage=None),
    }
    for name, each in made.items():
        each.write(folder, name)
    return made


class Sink(Protocol):
    """Keeps what came until the connection ends."""

    def __init__(self, ended: Callable[[bytes], None]) -> None:
        self.data = b""
        self.ended = ended

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended(self.data)


class SinkFactory(Factory):
    """Makes sinks that report to one place."""

    noisy = False

    def __init__(self, ended: Callable[[bytes], None]) -> None:
        self.ended = ended

    def buildProtocol(self, addr: object) -> Sink:
        return Sink(self.ended)


class MatrixTests(TestCase):
    """Each client of the matrix against a listener by name and one by fingerprint."""

    timeout = 60

    def setUp(self) -> None:
        """Start both listeners."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        made = write_identities(self.folder)
        pins = [str(self.folder / f"{name}.pem") for name in ("pinned", "pinned-expired")]
        policies = {
            NAMED: PeerPolicy.names(["web1.example.com", "*.fleet.example.com"]),
            PINNED: PeerPolicy.pinned(pins),
        }
        assert policies[PINNED].pins_certificate(made["pinned"].der)
        self.ports = {name: self.listen(policy) for name, policy in policies.items()}
        self.result: Deferred[str] = Deferred()

    def listen(self, policy: PeerPolicy) -> int:
        """Open one listener; return its port."""
        context = server_context(
            [(self.folder / "server.pem", self.folder / "server.key")],
            self.folder / "ca.pem",
            now=clock.now(),
            pinned=policy.pins_certificate if policy.pins else None,
        )
        factory = TLSFactory(
            SinkFactory(lambda data: self.report("in" if data == MESSAGE else f"cut: {data!r}")),
            lambda: context,
            lambda der: judge(der, policy, clock.now()),
            source="tls",
            clock=reactor,
            half=HalfHandshakes(10),
            notify=self.notify,
        )
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        found: int = port.getHost().port
        return found

    def notify(self, notice: Notice) -> None:
        """Take a refusal."""
        self.report(f"out: {notice}")

    def report(self, verdict: str) -> None:
        """Take the first verdict on the client under way."""
        if not self.result.called:
            self.result.callback(verdict)

    @inlineCallbacks
    def judge_all(self, send: Callable[[int, Path | None], None]) -> Any:
        """Let every client of the matrix try; all of them must fare as it says."""
        wrong = {}
        for title, case in MATRIX.items():
            self.result = Deferred()
            file = self.folder / case.identity if case.identity else None
            sent = deferToThread(send, self.ports[case.listener], file)
            verdict = yield self.result
            yield sent
            if not (verdict == "in" if case.out is None else verdict.startswith("out: ") and case.out in verdict):
                wrong[title] = verdict
        assert wrong == {}

    def python_client(self, version: ssl.TLSVersion) -> Callable[[int, Path | None], None]:
        """Return what sends one message with Python's own TLS."""

        def send(port: int, identity: Path | None) -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(self.folder / "ca.pem")
            context.minimum_version = context.maximum_version = version
            if identity:
                context.load_cert_chain(identity.with_suffix(".pem"), identity.with_suffix(".key"))
            try:
                with (
                    socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
                    context.wrap_socket(plain, server_hostname="localhost") as tls,
                ):
                    tls.sendall(MESSAGE)
                    tls.unwrap()
            except OSError:
                pass  # a refused client sees an alert, a close or a reset, and the listener's verdict is what counts

        return send

    def openssl_client(self, version: str) -> Callable[[int, Path | None], None]:
        """Return what sends one message with openssl s_client."""

        def send(port: int, identity: Path | None) -> None:
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", f"-{version}", "-quiet", "-no_ign_eof"]
            command += ["-CAfile", str(self.folder / "ca.pem"), "-verify_return_error"]
            if identity:
                command += ["-cert", f"{identity}.pem", "-key", f"{identity}.key"]
            subprocess.run(command, input=MESSAGE, capture_output=True, timeout=20, check=False)

        return send

    def test_python_tls12(self) -> Any:
        """Python's ssl, TLS 1.2."""
        return self.judge_all(self.python_client(ssl.TLSVersion.TLSv1_2))

    def test_python_tls13(self) -> Any:
        """Python's ssl, TLS 1.3."""
        return self.judge_all(self.python_client(ssl.TLSVersion.TLSv1_3))

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed")
    def test_openssl_tls12(self) -> Any:
        """The openssl program, TLS 1.2."""
        return self.judge_all(self.openssl_client("tls1_2"))

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed")
    def test_openssl_tls13(self) -> Any:
        """The openssl program, TLS 1.3."""
        return self.judge_all(self.openssl_client("tls1_3"))
