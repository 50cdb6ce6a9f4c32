"""RELP from real senders: rsyslog's omrelp, plain and over TLS, and a client that keeps books."""

from __future__ import annotations

import re
import shutil
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from twisted.internet import reactor as running  # noqa: TID251 -- trial's own
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IAddress, ITransport
from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from gateway import clock
from gateway.handshakes import HalfHandshakes
from gateway.notice import Notice
from gateway.source_config import RelpStream
from gateway.sources.admission import Admission, AdmittingFactory
from gateway.sources.connection import StreamContext
from gateway.sources.relp import RelpConnection, RelpFactory
from gateway.tls import TLSFactory
from gateway.tls_context import server_context
from gateway.trust import PeerPolicy, judge
from parsers.message import Batch, Origin, Trust
from tests.end_to_end.certificates import Authority
from tests.end_to_end.clients import HOST, ClientTls, RsyslogRelp, failed_logins
from tests.end_to_end.gateway_process import RULE_OF_FIVE, GatewayProcess, Source, tls_source
from tests.end_to_end.programs import PATIENCE
from tests.end_to_end.relp_client import WINDOW, RelpClient, numbered

pytestmark = pytest.mark.end_to_end

reactor: Any = running

NUMBER = re.compile(rb"message number ([0-9]+)")
LIBRARIES: list[Literal["gnutls", "openssl"]] = ["gnutls", "openssl"]


def lines(count: int, first: int = 0) -> list[str]:
    """Return numbered messages."""
    return [f"message number {number}" for number in range(first, first + count)]


class Listened(RelpConnection):
    """A session whose octets are kept."""

    heard = b""
    lost = False

    def dataReceived(self, data: bytes) -> None:
        """Keep them."""
        self.heard += data
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remember that."""
        super().connectionLost(reason)
        self.lost = True


class Sessions(RelpFactory):
    """Makes sessions and remembers them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.made: list[Listened] = []

    def buildProtocol(self, addr: IAddress | None) -> Listened:
        """Make one."""
        self.made.append(Listened(self.stream, self.origin_of, self.context))
        return self.made[-1]


class Listener:
    """A RELP listener on a real socket; `keep` says what becomes of a batch."""

    def __init__(self, port: int = 0, tls: Callable[[Sessions, Listener], TLSFactory] | None = None) -> None:
        self.told: list[Notice] = []
        self.numbers: list[int] = []
        self.keep: Callable[[], Deferred[None]] = lambda: succeed(None)
        context = StreamContext(
            self._accept, self.told.append, reactor, clock.now, 3600.0, lambda: False, handshake_timeout=10.0
        )
        self.sessions = Sessions(RelpStream(), self._origin_of, context)
        self._admission = Admission(100, 100)
        inner = tls(self.sessions, self) if tls else self.sessions
        outer = AdmittingFactory(inner, self._admission, "relp", self.told.append)
        self._port = reactor.listenTCP(port, outer, 50, "127.0.0.1")
        self.port: int = self._port.getHost().port

    def _origin_of(self, transport: ITransport) -> Origin:
        return Origin("relp", Trust.NETWORK, "127.0.0.1", 1)

    def _accept(self, batch: Batch) -> Deferred[None]:
        self.numbers += [int(match[1]) for text in batch.frames.texts() if (match := NUMBER.search(text))]
        return self.keep()

    @inlineCallbacks
    def stop(self) -> Any:
        """Give up the port, then close all sessions; fires when the last is gone."""
        yield self._port.stopListening()
        yield self._admission.close()


@inlineCallbacks
def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> Any:
    """Wait until the condition holds."""
    deadline = reactor.seconds() + seconds
    while not condition():
        assert reactor.seconds() < deadline, "waited too long"
        yield deferLater(reactor, 0.005, lambda: None)


class RelpTests(TestCase):
    """Senders against our protocol on a real reactor, with commits that the test decides on."""

    timeout = 90

    def setUp(self) -> None:
        """Make a folder for a sender."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.waiting: list[Deferred[None]] = []

    def listen(self, port: int = 0, tls: Callable[[Sessions, Listener], TLSFactory] | None = None) -> Listener:
        """Open a listener that is closed at the end."""
        listener = Listener(port, tls)
        self.addCleanup(listener.stop)
        return listener

    def withhold(self) -> Deferred[None]:
        """Keep a batch, some day."""
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def rsyslog(self, *arguments: Any, **options: Any) -> RsyslogRelp:
        """Start rsyslog, which is killed at the end."""
        client = RsyslogRelp(self.folder / "client", *arguments, **options)
        self.addCleanup(client.kill)
        client.start()
        return client

    def relp_over_tls(self, sessions: Sessions, listener: Listener) -> TLSFactory:
        """Put TLS under the sessions."""
        server = self.authority.issue("localhost", "127.0.0.1")
        context = server_context([(server.certificate, server.key)], self.authority.certificate, now=clock.now())
        return TLSFactory(
            sessions,
            lambda: context,
            lambda der: judge(der, PeerPolicy.any_certificate(), clock.now()),
            source="relp",
            clock=reactor,
            half=HalfHandshakes(10),
            notify=listener.told.append,
        )

    def client_context(self) -> ssl.SSLContext:
        """Make what a client of ours needs for mutual TLS."""
        own = self.authority.issue("client1.example.test")
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.load_cert_chain(own.certificate, own.key)
        return context

    @inlineCallbacks
    def talk(self, listener: Listener, client: RsyslogRelp) -> Any:
        """Let 300 messages through and stop the client: all arrive, in order, and the session ends with `close`."""
        client.send(lines(300))
        yield until(lambda: len(listener.numbers) >= 300)
        yield deferToThread(client.stop)
        (session,) = listener.sessions.made
        yield until(lambda: session.lost)
        assert listener.numbers == list(range(300))
        assert re.search(rb"\n302 close 0\n\Z", session.heard)
        assert [str(notice) for notice in listener.told] == []

    def test_rsyslog(self) -> Any:
        """Plain RELP, and its clean end."""
        listener = self.listen()
        return self.talk(listener, self.rsyslog(listener.port))

    @inlineCallbacks
    def test_rsyslog_over_tls(self) -> Any:
        """Mutual TLS by both libraries, and a clean end."""
        self.authority = Authority(self.folder / "authority")
        for library in LIBRARIES:
            listener = self.listen(tls=self.relp_over_tls)
            tls = ClientTls(self.authority.certificate, self.authority.issue("client1.example.test"))
            client = self.rsyslog(listener.port, tls=tls, library=library)
            yield self.talk(listener, client)
            shutil.rmtree(self.folder / "client")

    @inlineCallbacks
    def test_answers_are_withheld(self) -> Any:
        """Without commits rsyslog sends its window and waits; then all the rest, and nothing twice."""
        listener = self.listen()
        listener.keep = self.withhold
        client = self.rsyslog(listener.port)
        client.send(lines(500))
        yield until(lambda: len(listener.numbers) >= WINDOW)
        yield deferLater(reactor, 0.3, lambda: None)
        assert listener.numbers == list(range(WINDOW))
        listener.keep = lambda: succeed(None)
        for commit in self.waiting:
            commit.callback(None)
        yield until(lambda: len(listener.numbers) >= 500)
        assert listener.numbers == list(range(500))
        assert len(listener.sessions.made) == 1

    @inlineCallbacks
    def test_what_has_no_answer_comes_again(self) -> Any:
        """A commit that fails cuts the connection: rsyslog repeats exactly what was not answered."""
        listener = self.listen()
        client = self.rsyslog(listener.port)
        client.send(lines(5))
        yield until(lambda: len(listener.numbers) == 5)
        listener.keep = self.withhold
        client.send(lines(7, first=5))
        yield until(lambda: len(listener.numbers) == 12)
        listener.keep = lambda: succeed(None)
        self.waiting[0].errback(OSError("the disk is gone"))
        last = 12
        while 12 not in listener.numbers:  # omrelp notices a cut connection only when it sends, or sends again
            client.send(lines(1, first=last))
            last += 1
            yield deferLater(reactor, 0.5, lambda: None)
        yield until(lambda: last - 1 in listener.numbers)
        assert Counter(listener.numbers) == Counter([*range(last), *range(5, 12)])

    @inlineCallbacks
    def stop_under_load(self, listen: Callable[[int], Listener], tls: Callable[[], ssl.SSLContext] | None) -> Any:
        """Stop while a client sends: what was taken is answered, and after a restart nothing is missing or twice."""
        first = listen(0)
        first.keep = lambda: deferLater(reactor, 0.005, lambda: None)
        client = RelpClient(first.port, tls=tls() if tls else None)
        stop = threading.Event()
        sending = deferToThread(client.send, numbered(1, 1_000_000, "message number {number}"), stop)
        yield until(lambda: len(first.numbers) > 2_000)
        yield first.stop()
        second = listen(first.port)
        yield until(lambda: len(second.numbers) > 2_000)
        stop.set()
        yield sending
        assert (yield deferToThread(client.close))
        numbers = first.numbers + second.numbers
        assert numbers == list(range(client.acknowledged))
        assert (client.connections, client.closed_by_server) == (2, 1)
        assert [str(notice) for notice in first.told] == []

    def test_our_stop_under_load(self) -> Any:
        """Plain."""
        return self.stop_under_load(self.listen, None)

    def test_our_stop_under_load_over_tls(self) -> Any:
        """The same authority for both runs, or the client would not trust the second."""
        self.authority = Authority(self.folder / "authority")
        return self.stop_under_load(lambda port: self.listen(port, self.relp_over_tls), self.client_context)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[GatewayProcess]:
    """A gateway that listens for RELP, plain and over TLS."""
    encrypted = dict(tls_source(authority))
    encrypted["relp"] = encrypted.pop("tls")
    sources: dict[str, Source] = {"relp": {"relp": "127.0.0.1:0", "trusted": ["127.0.0.0/8"]}, "relp-tls": encrypted}
    process = GatewayProcess(tmp_path_factory.mktemp("relp") / "gateway", sources)
    process.write_rules([{**RULE_OF_FIVE, "do": process.recorder("--from", "${source.ip}")}])
    with process:
        yield process


@pytest.mark.parametrize(("source", "attacker"), [("relp", "192.0.2.1"), ("relp-tls", "192.0.2.2")])
def test_from_rsyslog_to_a_process(
    gateway: GatewayProcess, tmp_path: Path, client_tls: ClientTls, source: str, attacker: str
) -> None:
    """Five failed logins by RELP make a process run, with the event and with who sent it."""
    tls = client_tls if source == "relp-tls" else None
    with RsyslogRelp(tmp_path, gateway.port(source), tls=tls) as client:
        client.send(failed_logins(attacker))
        gateway.wait_until(lambda: any(run.arguments == ["--from", attacker] for run in gateway.runs()), "a run")
        client.stop()
    (event,) = (run.event for run in gateway.runs() if run.arguments == ["--from", attacker])
    assert event["event.dataset"] == source
    assert event["log.syslog.hostname"] == HOST
    assert event.get("gateway.peer.identity") == ("client1.example.test" if tls else None)


def test_a_client_that_keeps_books(gateway: GatewayProcess, client_tls: ClientTls) -> None:
    """Everything is acknowledged, once, plain and over TLS."""
    context = ssl.create_default_context(cafile=client_tls.authority)
    context.load_cert_chain(client_tls.own.certificate, client_tls.own.key)
    for client in (RelpClient(gateway.port("relp")), RelpClient(gateway.port("relp-tls"), tls=context)):
        assert client.send(numbered(1, 5_000, "<13>app: message number {number}")) == 5_000
        assert client.close()
        assert (client.sent, client.repeated, client.connections) == (5_000, 0, 1)
