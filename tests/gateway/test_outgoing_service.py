"""All that goes out, over real sockets of this machine: mail with STARTTLS, syslog over TLS, RELP, and reloads."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet import defer
from twisted.internet import reactor as running  # noqa: TID251 -- real sockets need the real reactor
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.mail import smtp
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from gateway import clock
from gateway.notices.outgoing import DestinationConnected, DestinationLost
from gateway.outgoing import syslog_tls
from gateway.outgoing.service import Outgoing
from gateway.outgoing_config import (
    ClientTls,
    DestinationSettings,
    MailSettings,
    RelpDestination,
    Security,
    SendmailSettings,
    Server,
    SmtpSettings,
    TlsDestination,
)
from parsers.errors import Place
from parsers.framing.octet_counting import OctetFramer
from parsers.framing.relp_client import frame
from rules.outcome import Ending, Outcome
from rules.step import Forward, Mail
from tests.gateway.outgoing_peers import attempt, until
from tests.gateway.told import Told
from tests.made_certificates import CLIENT, SERVER, Made, make

reactor: Any = running
PLACE = Place("gateway.yaml", 1, 1)
FORWARD = Forward("rule/do/1", "central")
MAIL = Mail("rule/do/1", ("ops@example.com",), "subject", "body\n.\nend")


class Sink(Protocol):
    """Takes octet-counted messages."""

    def __init__(self) -> None:
        self.framer = OctetFramer()

    def connectionMade(self) -> None:
        self.factory.open.append(self)

    def dataReceived(self, data: bytes) -> None:
        frames = self.framer.feed(data)
        self.factory.messages += frames.texts()

    def connectionLost(self, reason: object = None) -> None:
        self.factory.open.remove(self)


class RelpSink(Protocol):
    """Answers every command with 200, and keeps its line; messages of tests hold no newlines."""

    def connectionMade(self) -> None:
        self.buffer = b""
        self.factory.open.append(self)

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        self.buffer += data
        while b"\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\n")
            words = line.split(b" ", 3)
            if words[1:2] == [b"open"] or not words[0].isdigit():
                if words[1:2] == [b"open"]:
                    transport.write(frame(1, b"rsp", b"200 OK\nrelp_version=0\ncommands=syslog"))
                continue
            if words[1] == b"syslog":
                self.factory.messages.append(words[3])
                transport.write(frame(int(words[0]), b"rsp", b"200 OK"))

    def connectionLost(self, reason: object = None) -> None:
        self.factory.open.remove(self)


class Greeter(Protocol):
    """A mail server as far as its first line; Twisted's logs a traceback for a TLS hello that holds a newline."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(b"220 localhost ESMTP\r\n")


class Sinks(Factory):
    """A listener; `messages` are those of all its connections."""

    noisy = False

    def __init__(self, protocol: type[Protocol]) -> None:
        self.protocol = protocol
        self.messages: list[bytes] = []
        self.open: list[Protocol] = []


@implementer(smtp.IMessageDelivery)
class Delivery:
    """Takes mail for example.com."""

    def __init__(self, mails: list[bytes]) -> None:
        self.mails = mails

    def receivedHeader(self, helo: object, origin: object, recipients: object) -> bytes:  # noqa: N802 -- Twisted's name
        return b"Received: by test"

    def validateFrom(self, helo: object, origin: Any) -> Any:  # noqa: N802 -- Twisted's name
        return origin

    def validateTo(self, user: Any) -> Any:  # noqa: N802 -- Twisted's name
        if user.dest.domain != b"example.com":
            raise smtp.SMTPBadRcpt(user)
        return lambda: Message(self.mails)


@implementer(smtp.IMessage)
class Message:
    """One mail, line by line."""

    def __init__(self, mails: list[bytes]) -> None:
        self.mails, self.lines = mails, list[bytes]()

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 -- Twisted's name
        self.lines.append(line)

    def eomReceived(self) -> defer.Deferred[None]:  # noqa: N802 -- Twisted's name
        self.mails.append(b"\n".join(self.lines))
        return defer.succeed(None)

    def connectionLost(self) -> None:
        """Forget it."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """A server's TLS; with `client_ca` it wants to see a certificate."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.context.use_certificate_chain_file(str(certificate))
        self.context.use_privatekey_file(str(key))
        if client_ca:
            self.context.load_verify_locations(str(client_ca))
            self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:  # noqa: N802 -- Twisted's name
        """Return the server's side of one connection."""
        return SSL.Connection(self.context, None)


class OutgoingCase(TestCase):
    """A test with certificates, a list of what was told, and everything closed at its end."""

    timeout = 30

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()  # trial's mktemp litters the working directory
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.told = Told()
        self.patch(syslog_tls, "SETTLING", 0.1)  # type: ignore[no-untyped-call]
        self.ca = make(clock.now(), common_name="CA", authority=True)
        self.ca.write(self.folder, "ca")
        self.server = self.issue("server", "localhost", "127.0.0.1")
        self.client_tls = ClientTls("localhost", self.folder / "ca.pem")

    def issue(self, file: str, *names: str) -> tuple[Path, Path]:
        """Issue a certificate and return its files."""
        made: Made = make(clock.now(), names=names, usage=[SERVER, CLIENT], issuer=self.ca)
        return made.write(self.folder, file)

    def context(self, files: tuple[Path, Path] | None = None, *, ask: bool = False) -> ServerTls:
        """Return a server's TLS."""
        return ServerTls(*(files or self.server), self.folder / "ca.pem" if ask else None)

    def listen(self, factory: Any, context: Any = None, port: int = 0) -> Server:
        """Listen on loopback until the test's end."""
        wrapped = TLSMemoryBIOFactory(context, False, factory) if context else factory
        self.port = reactor.listenTCP(port, wrapped, interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)
        return Server("127.0.0.1", self.port.getHost().port)

    def outgoing(self, mail: MailSettings, *destinations: DestinationSettings) -> Outgoing:
        """Return what is tested, started."""
        outgoing = Outgoing(reactor, mail, destinations, self.told, hostname="gw.example.com")
        outgoing.startService()
        self.addCleanup(lambda: outgoing.stopService() if outgoing.running else None)
        return outgoing


class TestForward(OutgoingCase):
    """Messages to other syslog servers."""

    @defer.inlineCallbacks
    def test_syslog_over_tls(self) -> Any:
        """A thousand messages arrive once each, in order, and every outcome is good."""
        sinks = Sinks(Sink)
        server = self.listen(sinks, self.context())
        outgoing = self.outgoing(SendmailSettings(), TlsDestination("central", PLACE, server, self.client_tls))
        texts = [f"<13>1 - - - - - - number {number}" for number in range(1000)]
        outcomes: list[Outcome] = yield defer.gatherResults(
            [outgoing.perform(FORWARD, attempt(number, event_original=text)) for number, text in enumerate(texts)]
        )
        assert all(outcome.success for outcome in outcomes)
        yield until(lambda: len(sinks.messages) >= len(texts), reactor)
        assert sinks.messages == [text.encode() for text in texts]
        assert [str(notice) for notice in self.told] == [f"destination central: connected to {server}"]
        yield outgoing.stopService()
        yield until(lambda: not sinks.open, reactor)

    @defer.inlineCallbacks
    def test_a_server_that_comes_back(self) -> Any:
        """What waits while it is away arrives when it is there again, without a failed job."""
        sinks = Sinks(Sink)
        server = self.listen(sinks, self.context())
        outgoing = self.outgoing(SendmailSettings(), TlsDestination("central", PLACE, server, self.client_tls))
        first: Outcome = yield outgoing.perform(FORWARD, attempt(event_original="<13>one"))
        assert first.success
        yield self.port.stopListening()
        for protocol in list(sinks.open):
            transport: Any = protocol.transport
            transport.abortConnection()
        yield until(lambda: self.told.of(DestinationLost), reactor)
        waiting = outgoing.perform(FORWARD, attempt(2, event_original="<13>two"))
        self.listen(sinks, self.context(), server.port)
        second: Outcome = yield waiting
        assert second.success
        yield until(lambda: sinks.messages == [b"<13>one", b"<13>two"], reactor)
        assert len(self.told.of(DestinationConnected)) == 2

    @defer.inlineCallbacks
    def test_a_wrong_name_gets_nothing(self) -> Any:
        """The server is not who it should be: nothing is sent, and the words say who it is."""
        sinks = Sinks(Sink)
        server = self.listen(sinks, self.context(self.issue("other", "other.example.com")))
        settings = TlsDestination("central", PLACE, server, self.client_tls, timeout=0.5)
        outcome: Outcome = yield self.outgoing(SendmailSettings(), settings).perform(
            FORWARD, attempt(event_original="<13>secret")
        )
        assert outcome.ending is Ending.NOT_STARTED
        assert outcome.temporary
        assert "is for other.example.com, and not for localhost" in (outcome.error or "")
        assert not sinks.messages

    @defer.inlineCallbacks
    def test_a_server_that_wants_a_certificate(self) -> Any:
        """Ours is shown where we have one; without, it is the server who refuses, and nothing is lost with it."""
        sinks = Sinks(Sink)
        server = self.listen(sinks, self.context(ask=True))
        naked = TlsDestination("central", PLACE, server, self.client_tls, timeout=1.5)
        outgoing = self.outgoing(SendmailSettings(), naked)
        refused: Outcome = yield outgoing.perform(FORWARD, attempt(event_original="<13>one"))
        assert refused.ending is Ending.NOT_STARTED
        assert "the server wants to see a certificate" in (refused.error or "")
        assert not sinks.messages
        own = replace(self.client_tls, pair=self.issue("own", "us.example.com"))
        yield outgoing.follow(SendmailSettings(), [replace(naked, tls=own, timeout=20.0)])
        good: Outcome = yield outgoing.perform(FORWARD, attempt(2, event_original="<13>two"))
        assert good.success
        yield until(lambda: sinks.messages == [b"<13>two"], reactor)

    @defer.inlineCallbacks
    def test_relp_over_tls(self) -> Any:
        """Five hundred messages, each acknowledged."""
        sinks = Sinks(RelpSink)
        server = self.listen(sinks, self.context())
        outgoing = self.outgoing(SendmailSettings(), RelpDestination("central", PLACE, server, self.client_tls))
        outcomes: list[Outcome] = yield defer.gatherResults(
            [outgoing.perform(FORWARD, attempt(n, event_original=f"<13>number {n}")) for n in range(500)]
        )
        assert all(outcome.success for outcome in outcomes)
        assert sinks.messages == [b"<13>number %d" % number for number in range(500)]

    @defer.inlineCallbacks
    def test_following_keeps_what_is_the_same(self) -> Any:
        """A destination whose settings are the same keeps its connection; one that is gone closes it."""
        sinks, others = Sinks(RelpSink), Sinks(RelpSink)
        central = RelpDestination("central", PLACE, self.listen(sinks))
        other = RelpDestination("other", PLACE, self.listen(others))
        outgoing = self.outgoing(SendmailSettings(), central, other)
        yield until(lambda: sinks.open and others.open, reactor)
        (before,) = sinks.open
        yield outgoing.follow(SendmailSettings(), [replace(central, place=Place("moved", 9, 9))])
        yield until(lambda: not others.open, reactor)
        assert sinks.open == [before]
        gone: Outcome = yield outgoing.perform(Forward("rule/do/1", "other"), attempt())
        assert gone.ending is Ending.REFUSED
        assert gone.error == "there is no destination other (destinations:)"
        yield outgoing.follow(SendmailSettings(), [replace(central, timeout=3.0)])
        good: Outcome = yield outgoing.perform(FORWARD, attempt(event_original="<13>x"))
        assert good.success
        assert before not in sinks.open

    @defer.inlineCallbacks
    def test_nobody_there(self) -> Any:
        """A port that nobody listens on, and a name that nobody knows."""
        server = self.listen(Sinks(Sink))
        yield self.port.stopListening()
        lost = RelpDestination("central", PLACE, server, timeout=1.0)
        nameless = RelpDestination("other", PLACE, Server("nobody.invalid", 1), timeout=1.0)
        outgoing = self.outgoing(SendmailSettings(), lost, nameless)
        one, other = yield defer.gatherResults(
            [outgoing.perform(Forward("rule/do/1", name), attempt()) for name in ("central", "other")]
        )
        assert one.error == (
            f"central ({server}): not connected within 1 s: the connection is refused: nothing listens there"
        )
        assert other.error.startswith("other (nobody.invalid:1): not connected within 1 s")


class TestMail(OutgoingCase):
    """Mail to a server."""

    def office(self, *, implicit: bool = False, files: tuple[Path, Path] | None = None) -> tuple[Server, list[bytes]]:
        """Start a mail server; return where it is and what it got."""
        mails: list[bytes] = []
        context = self.context(files)

        def build(_: object) -> smtp.ESMTP:
            protocol = smtp.ESMTP(contextFactory=None if implicit else context)
            protocol.delivery = Delivery(mails)
            protocol.host = b"localhost"
            protocol.noisy = False
            return protocol

        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = build  # type: ignore[method-assign,assignment]
        return self.listen(factory, context if implicit else None), mails

    def settings(self, server: Server, security: Security) -> SmtpSettings:
        """Return settings."""
        tls = None if security is Security.NONE else self.client_tls
        return SmtpSettings(PLACE, server, security, tls, sender="gateway@example.com", timeout=5.0)

    @defer.inlineCallbacks
    def test_all_ways(self) -> Any:
        """Plain, with STARTTLS, and with TLS from the first octet: the mail arrives as it was composed."""
        for security in Security:
            server, mails = self.office(implicit=security is Security.IMPLICIT)
            outgoing = self.outgoing(self.settings(server, security))
            outcome: Outcome = yield outgoing.perform(MAIL, attempt())
            assert outcome.success, (security, outcome.error)
            assert outcome.stdout.startswith(b"250 ")
            (mail,) = mails
            assert mail.endswith(b"\nbody\n.\nend")
            assert b"Subject: subject\n" in mail
            yield outgoing.stopService()

    @defer.inlineCallbacks
    def test_wrong_names(self) -> Any:
        """With STARTTLS as without: a server with another name gets no mail, and no traceback is written."""
        files = self.issue("other", "other.example.com")
        for security in (Security.STARTTLS, Security.IMPLICIT):
            server, mails = self.office(implicit=security is Security.IMPLICIT, files=files)
            outcome: Outcome = yield self.outgoing(self.settings(server, security)).perform(MAIL, attempt())
            assert outcome.temporary
            assert "is for other.example.com, and not for localhost" in (outcome.error or "")
            assert not mails

    @defer.inlineCallbacks
    def test_refused_recipients(self) -> Any:
        """The server's words are told, and another try is not asked for."""
        server, mails = self.office()
        outgoing = self.outgoing(self.settings(server, Security.NONE))
        outcome: Outcome = yield outgoing.perform(replace(MAIL, to=("x@elsewhere.example",)), attempt())
        assert outcome.ending is Ending.REFUSED
        assert "x@elsewhere.example: 550" in (outcome.error or "")
        assert not mails

    @defer.inlineCallbacks
    def test_tls_mixed_up(self) -> Any:
        """TLS at a port that begins in clear, and the other way round: it ends in words, within its time."""
        server = self.listen(Factory.forProtocol(Greeter))
        outcome: Outcome = yield self.outgoing(self.settings(server, Security.IMPLICIT)).perform(MAIL, attempt())
        assert outcome.error == f"{server}: the server speaks no TLS on this port"
        server, _ = self.office(implicit=True)
        settings = replace(self.settings(server, Security.STARTTLS), timeout=0.5)
        slow: Outcome = yield self.outgoing(settings).perform(MAIL, attempt())
        assert slow.error == f"{server}: it took more than 0.5 s"

    @defer.inlineCallbacks
    def test_sendmail_is_not_for_here(self) -> Any:
        """Mail by a program is the runner's; a mail that comes here all the same is refused in words."""
        outcome: Outcome = yield self.outgoing(SendmailSettings()).perform(MAIL, attempt())
        assert outcome.ending is Ending.REFUSED
        assert "which the runner starts" in (outcome.error or "")
