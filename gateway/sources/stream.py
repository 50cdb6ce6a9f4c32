"""Syslog over a stream: what TCP and TLS listeners have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.notices import ConnectionIdle, Notify, OverLimitFrames, StreamRefused, counted, host_port
from gateway.pipeline import Accept
from gateway.source_config import Stream
from gateway.tls import TruncatedStream
from parsers.framing.syslog_stream import framer
from parsers.message import Batch, Frames, Origin

MAX_PENDING = 8
"""Batches of one connection that wait for their commit; then it is not read until one is done."""


@dataclass(frozen=True, slots=True)
class StreamContext:
    """What the connections of one listener share.

    Attributes:
        now: the wall clock.
        idle: seconds after which a silent connection is closed.
        is_full: too much is pending over all sources; a connection that has a share in it is not read meanwhile.
    """

    accept: Accept
    notify: Notify
    clock: IReactorTime
    now: Callable[[], float]
    idle: float
    is_full: Callable[[], bool]


class SyslogStream(Protocol):
    """One connection that sends syslog messages and gets no answer."""

    def __init__(self, stream: Stream, origin_of: Callable[[ITransport], Origin], context: StreamContext) -> None:
        self._framer = framer(stream.framing, stream.max_frame, stream.over_limit)
        self._max_frame = stream.max_frame
        self._origin_of = origin_of
        self._context = context
        self._pending = 0
        self._paused = False
        self._last = 0.0
        self._idle_check: IDelayedCall | None = None
        self._closed = False

    def connectionMade(self) -> None:
        """Learn who the peer is."""
        assert self.transport is not None  # noqa: S101 -- Twisted has just set it
        self._origin = self._origin_of(self.transport)
        self._last = self._context.clock.seconds()
        self._idle_check = self._context.clock.callLater(self._context.idle, self._check_idle)

    def dataReceived(self, data: bytes) -> None:
        """Hand on the messages that are whole."""
        if not self._closed:
            self._last = self._context.clock.seconds()
            self._take(self._framer.feed(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand on what is left."""
        if self._idle_check is not None and self._idle_check.active():
            self._idle_check.cancel()
        if self._closed:
            return
        rest = self._framer.end()
        if reason.check(TruncatedStream):
            rest = replace(rest, error=None)  # it was said already that the stream was cut off
        self._take(rest)
        self._closed = True

    def _take(self, frames: Frames) -> None:
        if frames.truncated or frames.dropped:
            self._tell_over_limit(frames)
        if frames.data:
            committed = self._context.accept(Batch(frames, self._origin, self._context.now()))
            if not committed.called:
                self._wait_for(committed)
        if frames.error is not None:
            self._closed = True
            self._context.notify(StreamRefused(self._origin.dataset, self._shown_address(), frames.error))
            if self.transport is not None:
                self.transport.loseConnection()

    def _wait_for(self, committed: Deferred[None]) -> None:
        self._pending += 1
        if not self._paused and (self._pending >= MAX_PENDING or self._context.is_full()):
            self._paused = True
            self.transport.pauseProducing()  # type: ignore[union-attr]
        committed.addBoth(self._committed)

    def _committed(self, _: object) -> None:
        self._pending -= 1
        if self._paused and (not self._pending or (self._pending < MAX_PENDING and not self._context.is_full())):
            self._paused = False
            if not self._closed:
                self.transport.resumeProducing()  # type: ignore[union-attr]

    def _check_idle(self) -> None:
        quiet = self._context.clock.seconds() - self._last
        if quiet < self._context.idle or self._pending:
            wait = max(1.0, self._context.idle - quiet)
            self._idle_check = self._context.clock.callLater(wait, self._check_idle)
            return
        words = f"nothing came for {quiet:.0f} s, closed (limits: idle)"
        self._context.notify(ConnectionIdle(self._origin.dataset, self._shown_address(), words))
        assert self.transport is not None  # noqa: S101 -- the check is cancelled when the connection ends
        self.transport.loseConnection()

    def _tell_over_limit(self, frames: Frames) -> None:
        cut, dropped = len(frames.truncated), frames.dropped
        messages = f"{counted(cut + dropped, 'message')} over the limit {'was' if cut + dropped == 1 else 'were'}"
        limit = f"{self._max_frame:,} octets (max_frame)"
        if not dropped:
            problem = f"{messages} cut to {limit}"
        elif not cut:
            problem = f"{messages} dropped; the limit is {limit}"
        else:
            problem = f"{messages} cut ({cut}) or dropped ({dropped}); the limit is {limit}"
        self._context.notify(OverLimitFrames(self._origin.dataset, self._shown_address(), problem))

    def _shown_address(self) -> str:
        return host_port(self._origin.address, self._origin.port)


class SyslogStreamFactory(Factory):
    """Makes the protocols of one listener; `stream` may be replaced, for the connections to come."""

    noisy = False

    def __init__(self, stream: Stream, origin_of: Callable[[ITransport], Origin], context: StreamContext) -> None:
        self.stream = stream
        self.origin_of = origin_of
        self.context = context

    def buildProtocol(self, addr: IAddress | None) -> SyslogStream:  # noqa: ARG002 -- the transport knows
        """Make the protocol of one connection."""
        return SyslogStream(self.stream, self.origin_of, self.context)
