"""Syslog over a stream without answers: what TCP and TLS listeners have in common."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from gateway.notices.sources import StreamRefused
from gateway.source_config import Stream
from gateway.sources.connection import ConnectionFactory, OriginOf, StreamContext, SyslogConnection
from gateway.tls import TruncatedStream
from parsers.framing.syslog_stream import framer
from parsers.message import Batch, Frames

MAX_PENDING = 8
"""Batches of one connection that wait for their commit; then it is not read until one is done."""


class SyslogStream(SyslogConnection):
    """One connection that sends syslog messages and gets no answer."""

    max_batches = MAX_PENDING

    def __init__(self, stream: Stream, origin_of: OriginOf, context: StreamContext) -> None:
        super().__init__(stream.max_frame, origin_of, context)
        self._framer = framer(stream.framing, stream.max_frame, stream.over_limit)

    def dataReceived(self, data: bytes) -> None:
        """Hand on the messages that are whole."""
        if not self._closed:
            self._last = self._context.clock.seconds()
            self._take(self._framer.feed(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand on what is left."""
        if not self._closed:
            rest = self._framer.end()
            if reason.check(TruncatedStream):
                rest = replace(rest, error=None)  # it was said already that the stream was cut off
            self._take(rest)
        super().connectionLost(reason)

    def _take(self, frames: Frames) -> None:
        if frames.truncated or frames.dropped:
            self._tell_over_limit(frames)
        if frames.data:
            committed = self._context.accept(Batch(frames, self._origin, self._context.now()))
            if not committed.called:
                self._wait_for(committed, len(frames.data))
        if frames.error is not None:
            self._closed = True
            self._context.notify(StreamRefused(self._origin.dataset, self._shown_address(), frames.error))
            if self.transport is not None:
                self.transport.loseConnection()

    def _wait_for(self, committed: Deferred[None], octets: int) -> None:
        self._hold(octets)
        committed.addBoth(lambda _: self._release(octets))


class SyslogStreamFactory(ConnectionFactory[Stream]):
    """Makes the connections of one listener."""

    def buildProtocol(self, addr: IAddress | None) -> SyslogStream:  # noqa: ARG002 -- the transport knows
        """Make one."""
        return SyslogStream(self.stream, self.origin_of, self.context)
