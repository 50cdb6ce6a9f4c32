"""The other ends of outgoing connections, in memory: an endpoint that is told what to do, and a TLS server to pump."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError  # noqa: A004 -- Twisted's
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from rules.job import Attempt

ADDRESS = IPv4Address("TCP", "192.0.2.1", 6514)


def attempt(number: int = 1, **fields: Any) -> Attempt:
    """Return an attempt at a step; `event_original` stands for `event.original`."""
    event = {name.replace("_", ".", 1): value for name, value in fields.items()}
    return Attempt(f"job-{number}", "rule", "rule/do/1", (), event)


class Wire(StringTransport):
    """A transport whose protocol learns of its end by `end`, or by `finish` if it has asked for it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.protocol: Any = None
        self.lost = False
        self.aborted = False

    def sent(self) -> bytes:
        """Return what was written since the last call."""
        data: bytes = self.value()  # type: ignore[no-untyped-call]
        self.clear()  # type: ignore[no-untyped-call]
        return data

    def drain(self) -> None:
        """Have the kernel take what was written."""
        if self.producer is not None:
            self.producer.resumeProducing()

    def end(self, reason: BaseException | None = None) -> None:
        """End the connection."""
        if not self.lost:
            self.lost = True
            self.protocol.connectionLost(Failure(reason or ConnectionDone()))

    def finish(self) -> None:
        """End the connection if the protocol has asked for that, as the reactor does in its next turn."""
        if self.aborted or self.disconnecting:
            self.end(ConnectionLost() if self.aborted else None)

    def abortConnection(self) -> None:
        """Note it."""
        self.aborted = True


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Hands out wires, or fails, as the test has it; `wires` are all connections so far."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.waiting: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []
        self.attempts = 0

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803 -- Twisted's name
        """Wait for the test."""
        self.attempts += 1
        answer: Deferred[IProtocol] = Deferred()
        self.waiting.append((protocolFactory, answer))
        return answer

    def accept(self) -> Wire:
        """Let the attempt that waits succeed."""
        factory, answer = self.waiting.pop()
        wire = Wire()
        protocol = factory.buildProtocol(ADDRESS)
        assert protocol is not None
        wire.protocol = protocol
        protocol.makeConnection(wire)
        self.wires.append(wire)
        answer.callback(protocol)
        return wire

    def refuse(self, error: BaseException | None = None) -> None:
        """Let the attempt that waits fail."""
        _, answer = self.waiting.pop()
        answer.errback(error or ConnectionRefusedError())


class TlsServer:
    """The server's side of TLS, without a socket.

    Attributes:
        received: what the client sent.
        problem: what the server says of the handshake that failed.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.received = b""
        self.problem: str | None = None
        self.client: dict[str, Any] | None = None
        self._done = False

    def pump(self, wire: Wire) -> None:
        """Carry octets to and fro until nobody has any more."""
        for _ in range(20):
            data = wire.sent()
            self._in.write(data)
            self._step()
            answer = self._out.read()
            if answer and not wire.lost:
                wire.protocol.dataReceived(answer)
            if not data and not answer:
                return

    def say(self, data: bytes) -> None:
        """Send something with the next pump."""
        self._tls.write(data)

    def _step(self) -> None:
        try:
            if not self._done:
                self._tls.do_handshake()
                self._done = True
                self.client = self._tls.getpeercert()
            while data := self._tls.read(65536):
                self.received += data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.problem = self.problem or error.reason


def until(condition: Callable[[], Any], reactor: Any, seconds: float = 10.0) -> Deferred[None]:
    """Fire once the condition holds."""
    answer: Deferred[None] = Deferred()
    end = reactor.seconds() + seconds

    def look() -> None:
        if condition():
            answer.callback(None)
        elif reactor.seconds() > end:
            answer.errback(AssertionError("it did not come about"))
        else:
            reactor.callLater(0.005, look)

    look()
    return answer
