"""TLS for listeners: the standard library's TLS, in memory, between a Twisted transport and an inner protocol.

The peer is judged when the handshake is complete and before the inner protocol exists, so that no octet of a refused
peer reaches it. All records of one read are handed on in one `dataReceived`: senders put 200 octets into a record, and
whoever reads them works by the batch.
"""

from __future__ import annotations

import contextlib
import enum
import ssl
from collections.abc import Callable, Iterable
from typing import cast

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IDelayedCall,
    IProducer,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.handshakes import HalfHandshakes
from gateway.notice import Notify, host_port
from gateway.notices.sources import HandshakeFailed, PeerRefused, PeerTrouble, StreamBroken, StreamTruncated
from gateway.tls_context import HANDSHAKE_RECORD
from gateway.tls_words import handshake_words, not_tls, reason_words
from parsers.errors import RemoteError
from parsers.message import Peer

HANDSHAKE_TIMEOUT = 10.0
"""Seconds; a good handshake takes 5 ms and a few round trips."""

MAX_HANDSHAKE = 128 * 1024
"""Octets a peer may send before its handshake is complete: OpenSSL's limit of a certificate chain, 100 KiB, and the
rest. A chain of four RSA certificates has 6 KiB."""

RECORD = 16 * 1024
"""Octets of the longest record (RFC 8446 section 5.1); one `SSL_read` never returns more."""

MAX_UNASKED = 1024 * 1024
"""Octets of answers that a peer can make us write by itself, in all: KeyUpdate is the only message with an answer, a
peer needs one in 2**24 records, and this is enough for 10,000 of them. A peer that asks and does not read would
otherwise fill our memory."""

AFTER_HANDSHAKE = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
"""What a connection refers to once it stands: its parameters are settled, the hook of the note "pins" would cost four
times the CPU of a short record, and a context that a reload has replaced can go."""

Judge = Callable[[bytes | None], Peer]
"""Takes the peer's certificate (DER), returns who it is, raises RemoteError to refuse it."""


class TruncatedStream(ConnectionLost):
    """The connection ended without the peer's close_notify: what came may not be all that was sent."""


class _State(enum.Enum):
    HANDSHAKE = enum.auto()
    OPEN = enum.auto()
    CLOSED = enum.auto()  # nothing more is read; the transport below may still be writing


@implementer(ITransport, IConsumer, IPushProducer)
class TLSConnection(Protocol):
    """One connection: a protocol to the transport below it, a transport to the protocol above it.

    Attributes:
        peer: who the peer is; set before the inner protocol is made.
        certificate: the peer's certificate, DER.
    """

    peer: Peer | None = None
    certificate: bytes | None = None

    def __init__(self, factory: TLSFactory) -> None:
        self._factory = factory
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._inner: IProtocol | None = None
        self._deadline: IDelayedCall | None = None
        self._state = _State.HANDSHAKE
        self._handshake_octets = 0
        self._unasked = 0
        self._paused = False
        self._producing = False
        self._writable = False
        self._ended: Exception | None = None  # how the stream ended, when that is known better than by the socket

    # What the transport below calls.

    def connectionMade(self) -> None:
        """Wait for the peer's first octet; until then a connection costs next to nothing."""
        self._deadline = self._factory.clock.callLater(self._factory.timeout, self._too_slow)
        self._factory.half.enter(self)

    def dataReceived(self, data: bytes) -> None:
        """Take what one read delivered."""
        if self._state is _State.OPEN:
            self._incoming.write(data)
            self._deliver()
        elif self._state is _State.HANDSHAKE:
            self._shake_hands(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand on what is left, then the end, and whether it was a whole one."""
        self._end_handshake()
        self._factory.open.discard(self)
        if self._state is _State.HANDSHAKE and self._handshake_octets:
            self._tell(HandshakeFailed, "the peer left in the middle of the handshake")
        self._paused = False
        self._deliver()  # a paused reader still gets what we have taken off the socket
        ended = isinstance(reason.value, ConnectionDone | ConnectionLost)
        if self._state is _State.OPEN and self._ended is None and ended:
            how = "ended" if isinstance(reason.value, ConnectionDone) else f"lost ({reason.value})"
            self._ended = TruncatedStream(f"the connection {how} without the peer's close_notify")
            self._tell(StreamTruncated, self._ended.args[0])
        self._state, self._writable, self._tls = _State.CLOSED, False, None
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.connectionLost(Failure(self._ended) if self._ended else reason)

    # The handshake.

    def _shake_hands(self, data: bytes) -> None:
        if self._tls is None:
            if data[0] != HANDSHAKE_RECORD:
                self._refuse(HandshakeFailed, not_tls(data))
                return
            self._tls = self._factory.context().wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._handshake_octets += len(data)
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            if self._handshake_octets > MAX_HANDSHAKE:
                self._refuse(HandshakeFailed, f"{self._handshake_octets} octets, and the handshake is not complete")
        except ssl.SSLError as error:
            self._flush()  # OpenSSL has written the alert
            self._refuse(HandshakeFailed, handshake_words(error))
        else:
            self._flush()
            self._judge(self._tls)

    def _judge(self, tls: ssl.SSLObject) -> None:
        self.certificate = tls.getpeercert(binary_form=True)
        try:
            self.peer = self._factory.judge(self.certificate)
        except RemoteError as error:
            self._say_goodbye()  # the standard library lets us send no other alert
            self._refuse(PeerRefused, str(error))
            return
        self._end_handshake()
        tls.context = AFTER_HANDSHAKE
        self._state, self._writable = _State.OPEN, True
        self._factory.open.add(self)
        inner = self._factory.inner.buildProtocol(self.getPeer())
        if inner is None:
            self.loseConnection()
            return
        self._inner = inner
        inner.makeConnection(self)
        self._deliver()

    @property
    def agreed(self) -> tuple[str, str] | None:
        """What both ends agreed on, as OpenSSL calls it: `("TLSv1.3", "TLS_AES_128_GCM_SHA256")`; None: nothing yet."""
        if self._tls is None:
            return None
        version, cipher = self._tls.version(), self._tls.cipher()
        return (version, cipher[0]) if version and cipher else None

    def judge_again(self, judge: Judge) -> None:
        """Close an open connection whose peer is no longer permitted."""
        try:
            judge(self.certificate)
        except RemoteError as error:
            if self._state is _State.OPEN:
                self._tell(PeerRefused, f"no longer permitted: {error}")
                self.hang_up()

    def hang_up(self) -> None:
        """Hand on what was taken off the socket, then close: it is we who end the stream, so that nobody is blamed."""
        self._end_handshake()
        self._paused = False
        self._deliver()
        self._ended = self._ended or TruncatedStream("we closed the connection")
        if self._state is _State.HANDSHAKE:
            self._state = _State.CLOSED
            self._lower().loseConnection()
        hang_up: Callable[[], None] = getattr(self._inner, "hang_up", self.loseConnection)
        hang_up()

    def _end_handshake(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None
        self._factory.half.leave(self)

    def _too_slow(self) -> None:
        self.give_up(f"the handshake is not complete after {self._factory.timeout:g} seconds")

    def give_up(self, problem: str) -> None:
        """Drop a handshake that takes too long; a peer that never said anything is not worth a line in the log."""
        if self._handshake_octets:
            self._tell(HandshakeFailed, problem)
        self._end_handshake()
        self.abortConnection()

    # Data.

    def _deliver(self) -> None:
        """Decrypt all that is there and hand it on in one piece."""
        tls, inner = self._tls, self._inner
        if tls is None or inner is None or self._state is not _State.OPEN or self._paused:
            return
        records: list[bytes] = []
        read, append = tls.read, records.append
        over, problem = False, ""
        try:
            while record := read(RECORD):
                append(record)
            over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            problem = f"the peer's TLS stream is broken ({reason_words(error)})"
        if self._outgoing.pending:
            self._unasked += self._flush()
            if self._unasked > MAX_UNASKED:
                problem = "the peer asks for new keys without end"
        if records:
            inner.dataReceived(records[0] if len(records) == 1 else b"".join(records))
        if problem:
            self._break(problem)
        elif over:
            self._peer_is_done()

    def _peer_is_done(self) -> None:
        if self._state is _State.OPEN:
            self._ended = ConnectionDone()  # whatever the socket will say: close_notify proves a whole stream
            self._close()

    def _break(self, problem: str) -> None:
        if self._state is _State.OPEN:
            self._ended = TruncatedStream(problem)
            self._refuse(StreamBroken, problem)

    def _flush(self) -> int:
        data = self._outgoing.read()
        if data:
            self._lower().write(data)
        return len(data)

    def _close(self) -> None:
        self._state = _State.CLOSED
        self._say_goodbye()
        self._lower().loseConnection()

    def _say_goodbye(self) -> None:
        """Send close_notify; nobody waits for the peer's."""
        self._writable = False
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()

    def _refuse(self, notice: type[PeerTrouble], problem: str) -> None:
        self._tell(notice, problem)
        self._end_handshake()
        self._state, self._writable = _State.CLOSED, False
        self._lower().loseConnection()

    def _tell(self, notice: type[PeerTrouble], problem: str) -> None:
        address = self.getPeer()
        host, port = getattr(address, "host", None), getattr(address, "port", None)
        self._factory.notify(notice(self._factory.source, host_port(host, port) if host else str(address), problem))

    def _lower(self) -> ITCPTransport:
        return cast(ITCPTransport, self.transport)

    # What the inner protocol above calls.

    @property
    def disconnecting(self) -> bool:
        """Whether the end has begun: nothing more is read."""
        return self._state is _State.CLOSED

    def write(self, data: bytes) -> None:
        """Encrypt and send; nothing is kept here, so that the transport's own buffer is the only one."""
        if self._tls is None or not self._writable or not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._break(f"nothing more can be sent to the peer ({reason_words(error)})")
        else:
            self._flush()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Encrypt and send all of it, in as few records as can be."""
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        """Send what was written, then close_notify, then close; a registered producer is waited for."""
        if self._state is _State.OPEN:
            self._state = _State.CLOSED
            if not self._producing:
                self._close()

    def abortConnection(self) -> None:
        """Close at once, without close_notify."""
        self._state, self._writable = _State.CLOSED, False
        self._lower().abortConnection()

    def pauseProducing(self) -> None:
        """Read nothing more from the socket; what was read waits here, one read at most."""
        self._paused = True
        cast(IPushProducer, self.transport).pauseProducing()

    def resumeProducing(self) -> None:
        """Read again, from the next turn of the reactor on."""
        self._paused = False
        if self._incoming.pending:
            self._factory.clock.callLater(0, self._deliver)
        cast(IPushProducer, self.transport).resumeProducing()

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let the socket's own buffer pace the producer."""
        self._producing = True
        cast(IConsumer, self.transport).registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Stop pacing; closes when that was waited for."""
        self._producing = False
        cast(IConsumer, self.transport).unregisterProducer()
        if self._state is _State.CLOSED and self._writable:
            self._close()

    def getPeer(self) -> IAddress:
        """Return the peer's address."""
        return self._lower().getPeer()

    def getHost(self) -> IAddress:
        """Return our own address."""
        return self._lower().getHost()


class TLSFactory(Factory):
    """Puts TLS under the protocols of another factory.

    Address filters and connection limits belong outside it, so that a connection they refuse costs no handshake.

    Args:
        inner: makes the protocol of each judged peer; its transport is a TLSConnection.
        context: returns the context of a new connection, `lambda: reloading.current`.
        judge: says who the peer is, or refuses it.
        source: the listener's name, for notices.
        half: counts the handshakes under way.
        timeout: seconds a handshake may take.

    Attributes:
        open: the connections whose peers were let in.
    """

    noisy = False

    def __init__(
        self,
        inner: IProtocolFactory,
        context: Callable[[], ssl.SSLContext],
        judge: Judge,
        *,
        source: str,
        clock: IReactorTime,
        half: HalfHandshakes,
        notify: Notify,
        timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        self.inner = inner
        self.context = context
        self.judge = judge
        self.source = source
        self.clock = clock
        self.half = half
        self.notify = notify
        self.timeout = timeout
        self.open: set[TLSConnection] = set()

    def buildProtocol(self, addr: IAddress | None) -> TLSConnection:  # noqa: ARG002 -- the inner factory is asked later
        """Make the TLS side of a connection; the inner protocol is made when the peer is judged."""
        return TLSConnection(self)

    def judge_again(self, judge: Judge) -> None:
        """Close the open connections whose peers `judge` refuses."""
        for connection in tuple(self.open):
            connection.judge_again(judge)

    def doStart(self) -> None:
        """Start the inner factory too."""
        super().doStart()  # type: ignore[no-untyped-call]
        self.inner.doStart()

    def doStop(self) -> None:
        """Stop the inner factory too."""
        super().doStop()  # type: ignore[no-untyped-call]
        self.inner.doStop()
