"""AUTH TLS: puts TLS under a control connection that is running already (RFC 4217 section 4)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IProtocol, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.notice import Notice
from gateway.notices.sources import StreamTruncated
from gateway.sources.ftp.context import FtpContext
from gateway.tls import TLSConnection, TLSFactory
from parsers.message import Peer

NOBODY = Peer(None, "", "")
"""Who a client of TLS is that shows no certificate: it logs in by name and password."""


class _Given(Factory):
    """Gives the one protocol that waits for its TLS connection."""

    noisy = False

    def __init__(self, inner: IProtocol) -> None:
        self._inner = inner

    def buildProtocol(self, addr: IAddress | None) -> IProtocol:  # type: ignore[override]  # noqa: ARG002
        """Give it."""
        return self._inner


def tls_for(inner: IProtocol, context: FtpContext) -> TLSConnection:
    """Make the TLS connection whose protocol is `inner`; a connection of this listener, control or data.

    A missing close_notify is not told: the end of a data connection is judged by whoever reads it, and most clients
    end the control connection without one.
    """
    assert context.tls is not None  # noqa: S101 -- AUTH was refused otherwise

    def notify(notice: Notice) -> None:
        if not isinstance(notice, StreamTruncated):
            context.notify(notice)

    factory = TLSFactory(
        _Given(inner),
        context.tls,
        lambda _: NOBODY,
        source=context.source.name,
        clock=context.reactor,
        half=context.half,
        notify=notify,
        timeout=context.handshake_timeout,
    )
    return factory.buildProtocol(None)


class Upgradable(Protocol):
    """A protocol that can have TLS put under it while it runs; `transport` is then another one."""

    def secured(self, transport: TLSConnection) -> None:
        """Go on over TLS: the handshake is complete."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """End it from our side."""
        raise NotImplementedError


class _Secured(Protocol):
    """The protocol above the TLS connection: hands everything on to the one that runs already."""

    def __init__(self, inner: Upgradable) -> None:
        self._inner = inner

    def makeConnection(self, transport: ITransport) -> None:
        """Go on, not begin anew."""
        assert isinstance(transport, TLSConnection)  # noqa: S101 -- who else would call
        self._inner.secured(transport)

    def dataReceived(self, data: bytes) -> None:
        """Hand on."""
        self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand on."""
        self._inner.connectionLost(reason)

    def hang_up(self) -> None:
        """Hand on."""
        self._inner.hang_up()


class StartTLS(Protocol):
    """Stands between the socket and the control connection; passes octets on, through TLS once `secure` was called."""

    def __init__(self, make: Callable[[Callable[[], None]], Upgradable], context: FtpContext) -> None:
        self._inner = make(self.secure)
        self._context = context
        self._tls: TLSConnection | None = None
        self._lost = False

    def connectionMade(self) -> None:
        """Begin, in plain text."""
        self._inner.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        """Pass on."""
        (self._tls or self._inner).dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Pass on; the inner protocol is told also when TLS never came about."""
        shakes_hands = self._inner.transport is None
        if self._tls is not None:
            self._tls.connectionLost(reason)
        if self._tls is None or shakes_hands:
            self._inner.connectionLost(reason)

    def secure(self) -> None:
        """From now on all that comes is TLS; the inner protocol says and hears nothing until it is `secured`."""
        self._inner.transport = None
        self._tls = tls_for(_Secured(self._inner), self._context)
        self._tls.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def hang_up(self) -> None:
        """End it from our side, in whatever state it is."""
        (self._tls or self._inner).hang_up()
