"""A connection to a server: TCP, TLS where it is wanted, and an inner protocol that exists only once both stand.

Every failure is a RemoteError or an OperatorError whose text an administrator can act upon.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet import error as errors
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.outgoing.tls import ServerAuthentication, ServerCheck
from gateway.outgoing_config import Server
from parsers.errors import OperatorError, RemoteError

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection, and again for its handshake."""

SILENCE = 60.0
"""Seconds without an acknowledgement by the server's kernel until ours gives a connection up."""

ATTEMPTS = {
    errors.ConnectionRefusedError: "the connection is refused: nothing listens there",
    errors.NoRouteError: "there is no route to it",
    errors.DNSLookupError: "no address is known for this name",
    errors.TCPTimedOutError: "it does not answer",
    errors.TimeoutError: f"no connection came about within {CONNECT_TIMEOUT:g} s",
}
"""Why there is no connection, in an administrator's words."""


def failure_words(error: BaseException | None, check: ServerCheck | None = None) -> str:
    """Say in an administrator's words why there is no connection, or why there is none any more."""
    if isinstance(error, RemoteError | OperatorError):
        return str(error)
    if words := check and check.words(error):
        return words
    if isinstance(error, SSL.Error):
        return f"TLS failed: {error}"
    if words := ATTEMPTS.get(type(error)):
        return words
    if isinstance(error, errors.ConnectError):
        number = error.osError
        return os.strerror(number) if isinstance(number, int) else str(number or "no connection came about")
    if isinstance(error, CancelledError | errors.ConnectingCancelledError | errors.ConnectionAborted):
        return "we gave the connection up"
    if isinstance(error, errors.ConnectionDone):
        return "the server closed the connection"
    if isinstance(error, errors.ConnectionLost):
        return "the connection was cut"
    return f"{type(error).__name__}: {error}"


class _Connection(TLSMemoryBIOProtocol):
    """Twisted's TLS without the wait for more that it puts before each write: our protocols write by the batch."""


class _TlsFactory(TLSMemoryBIOFactory):
    protocol = _Connection


@implementer(IHandshakeListener)
class _Handshake(Protocol):
    """Stands in for the inner protocol until the server has proved who it is."""

    def __init__(
        self, factory: IProtocolFactory, address: IAddress | None, check: ServerCheck, clock: IReactorTime
    ) -> None:
        self._factory = factory
        self._address = address
        self._check = check
        self._inner: IProtocol | None = None
        self._late: IDelayedCall | None = clock.callLater(CONNECT_TIMEOUT, self._too_slow)
        self._problem: str | None = None
        self.done: Deferred[IProtocol] = Deferred(lambda _: self._abort())

    def handshakeCompleted(self) -> None:
        """Make the inner protocol, unless the check was somehow passed by."""
        self._stop_waiting()
        if not self._check.passed:
            self._problem = "the server showed no certificate"
            self._abort()
            return
        inner = self._inner = self._factory.buildProtocol(cast("IAddress", self._address))
        if inner is None:
            self._abort()
            return
        inner.makeConnection(cast("ITransport", self.transport))
        self.done.callback(inner)

    def dataReceived(self, data: bytes) -> None:
        """Hand on; there is nothing before the handshake is complete."""
        if self._inner:
            self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand on, in words where it is an error of TLS."""
        self._stop_waiting()
        words = self._problem or self._check.words(reason.value)
        if self._inner:
            self._inner.connectionLost(Failure(RemoteError(words)) if words else reason)
        elif not self.done.called:
            closed = "the server closed the connection in the middle of the TLS handshake; does it speak TLS there?"
            cut_short = isinstance(reason.value, errors.ConnectionDone | errors.ConnectionLost)
            self.done.errback(RemoteError(words or (closed if cut_short else failure_words(reason.value))))

    def _too_slow(self) -> None:
        self._late = None
        self._problem = f"the TLS handshake took more than {CONNECT_TIMEOUT:g} s; does the server speak TLS there?"
        self._abort()

    def _stop_waiting(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None

    def _abort(self) -> None:
        if self.transport:
            cast("Any", self.transport).abortConnection()


class _Handshakes(Factory):
    noisy = False

    def __init__(self, factory: IProtocolFactory, check: ServerCheck, clock: IReactorTime) -> None:
        self._inner = factory
        self._check = check
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> _Handshake:
        return _Handshake(self._inner, addr, self._check, self._clock)


@implementer(IStreamClientEndpoint)
class ServerEndpoint:
    """Where to connect to, with TLS where `authentication` is given.

    `connect` fails with a RemoteError (the server's fault, or the network's) or an OperatorError (a file's of ours).
    """

    def __init__(
        self,
        reactor: IReactorTime,
        server: Server,
        authentication: ServerAuthentication | None,
        below: IStreamClientEndpoint | None = None,
    ) -> None:
        self._reactor = reactor
        self._server = server
        self._authentication = authentication
        self._below = below or HostnameEndpoint(reactor, server.host, server.port, timeout=CONNECT_TIMEOUT)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803 -- Twisted's name
        """Connect; fires with a protocol that the factory made."""
        if self._authentication is None:
            return self._below.connect(protocolFactory).addCallbacks(_set_options, self._fail)
        try:
            check = self._authentication.check()
        except OperatorError:
            return fail(Failure())
        handshakes = _Handshakes(protocolFactory, check, self._reactor)
        connecting = self._below.connect(_TlsFactory(check, True, handshakes, self._reactor))
        return connecting.addCallbacks(_set_options, self._fail).addCallback(
            lambda protocol: cast("_Handshake", cast("TLSMemoryBIOProtocol", protocol).wrappedProtocol).done
        )

    def _fail(self, failure: Failure) -> Failure:
        return Failure(RemoteError(failure_words(failure.value)))


def _set_options(protocol: IProtocol) -> IProtocol:
    """Let the kernel notice a server that is gone without a word: it may have lost its power."""
    transport: Any = getattr(protocol, "transport", None)
    with suppress(AttributeError, OSError):  # no TCP, in tests
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        handle = transport.getHandle()
        for option, value in (
            (socket.TCP_KEEPIDLE, int(SILENCE / 2)),
            (socket.TCP_KEEPINTVL, int(SILENCE / 6)),
            (socket.TCP_USER_TIMEOUT, int(SILENCE * 1000)),  # milliseconds; tcp(7)
        ):
            handle.setsockopt(socket.IPPROTO_TCP, option, value)
    return protocol
