"""A connection that brings syslog, whatever its framing: who the peer is, when it is silent, when it has to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.notice import Notify, counted, host_port
from gateway.notices.sources import ConnectionIdle, OverLimitFrames
from gateway.pipeline import Accept
from parsers.message import Frames, Origin

S = TypeVar("S")
OriginOf = Callable[[ITransport], Origin]
"""Says where the messages of a connection come from."""


@dataclass(frozen=True, slots=True)
class StreamContext:
    """What the connections of one listener share.

    Attributes:
        now: the wall clock.
        idle: seconds after which a silent connection is closed.
        is_full: too much is pending over all sources; a connection that has a share in it is not read meanwhile.
        handshake_timeout: seconds that a client has to open its session, where the protocol has one.
    """

    accept: Accept
    notify: Notify
    clock: IReactorTime
    now: Callable[[], float]
    idle: float
    is_full: Callable[[], bool]
    handshake_timeout: float = 10.0


class SyslogConnection(Protocol):
    """What connections have in common; the framing is their own.

    Attributes:
        max_batches: batches that may wait for their commit; with more, the connection is not read.
        max_octets: the same for the octets of these batches.
    """

    max_batches: ClassVar[int]
    max_octets: ClassVar[float] = float("inf")

    def __init__(self, max_frame: int, origin_of: OriginOf, context: StreamContext) -> None:
        self._max_frame = max_frame
        self._origin_of = origin_of
        self._context = context
        self._batches = 0
        self._octets = 0
        self._waits = False
        self._last = 0.0
        self._idle_check: IDelayedCall | None = None
        self._left = False  # the peer was silent too long, and we are closing
        self._closed = False  # nothing more is taken from the peer

    def connectionMade(self) -> None:
        """Learn who the peer is."""
        assert self.transport is not None  # noqa: S101 -- Twisted has just set it
        self._origin = self._origin_of(self.transport)
        self._last = self._context.clock.seconds()
        self._idle_check = self._context.clock.callLater(self._context.idle, self._check_idle)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 -- Twisted's signature
        """Watch it no more."""
        if self._idle_check is not None and self._idle_check.active():
            self._idle_check.cancel()
        self._closed = True

    def _hold(self, octets: int) -> None:
        """Count a batch whose commit is under way; with too many of them nothing more is read."""
        self._batches += 1
        self._octets += octets
        if not self._waits and (self._has_enough() or self._context.is_full()):
            self._waits = True
            self._pause()

    def _release(self, octets: int) -> None:
        """Count it no more."""
        self._batches -= 1
        self._octets -= octets
        if self._waits and (not self._batches or not (self._has_enough() or self._context.is_full())):
            self._waits = False
            if not self._closed:
                self._resume()

    def _has_enough(self) -> bool:
        return self._batches >= self.max_batches or self._octets >= self.max_octets

    def _pause(self) -> None:
        self.transport.pauseProducing()  # type: ignore[union-attr]

    def _resume(self) -> None:
        self.transport.resumeProducing()  # type: ignore[union-attr]

    def _check_idle(self) -> None:
        quiet = self._context.clock.seconds() - self._last
        if quiet < self._context.idle or self._batches:
            wait = max(1.0, self._context.idle - quiet)
            self._idle_check = self._context.clock.callLater(wait, self._check_idle)
            return
        if self._left or self._closed:  # and the peer does not even take what is left to be written
            self.transport.abortConnection()  # type: ignore[union-attr]  # the check ends with the connection
            return
        self._left = True
        self._idle_check = self._context.clock.callLater(self._context.idle, self._check_idle)
        words = f"nothing came for {quiet:.0f} s, closed (limits: idle)"
        self._context.notify(ConnectionIdle(self._origin.dataset, self._shown_address(), words))
        self._leave()

    def _leave(self) -> None:
        """Close."""
        self.transport.loseConnection()  # type: ignore[union-attr]

    def _tell_over_limit(self, frames: Frames) -> None:
        """Say so when messages were cut or dropped."""
        cut, dropped = len(frames.truncated), frames.dropped
        if not cut and not dropped:
            return
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


class ConnectionFactory(Factory, Generic[S]):
    """What the connections of one listener are made from; it may be replaced, for those to come.

    Attributes:
        stream: how a stream's octets become frames.
    """

    noisy = False

    def __init__(self, stream: S, origin_of: OriginOf, context: StreamContext) -> None:
        self.stream = stream
        self.origin_of = origin_of
        self.context = context
