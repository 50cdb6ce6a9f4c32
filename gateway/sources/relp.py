"""Syslog over RELP: a message is acknowledged when what it caused is on disk, and not before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import cast

from twisted.internet.interfaces import IAddress, IConsumer, IDelayedCall, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.notices.sources import NotKept, StreamRefused
from gateway.source_config import RelpStream
from gateway.sources.connection import ConnectionFactory, OriginOf, StreamContext, SyslogConnection
from parsers.framing.relp import SERVERCLOSE, Received, RelpReceiver, acknowledgement
from parsers.message import Batch

MAX_BATCHES = 1024
"""Batches of one connection that wait for their commit. Senders write message by message, so that a batch may hold just
one, and a commit takes as many as there are."""

MAX_OCTETS = 2 * 1024**2
"""Octets of these batches: eight reads, as of a stream without answers."""

LINGER = 0.25
"""Seconds between our last word and our close when the gateway stops: closing a socket that has unread octets makes the
kernel throw away what the peer has not read either, and it would repeat what we have acknowledged."""


@dataclass(slots=True)
class _Run:
    """Transactions that follow each other and are answered together."""

    first: int
    count: int
    kept: bool = False


@implementer(IPushProducer)
class RelpConnection(SyslogConnection):
    """One RELP session.

    Answers go out in the order of the transactions. What cannot be kept is not answered, and the connection is cut: an
    answer other than 200 would make omrelp drop the message. To push back, answers are withheld, and beyond the limits
    above the connection is not read; nor is it while the peer does not read our answers.
    """

    max_batches = MAX_BATCHES
    max_octets = MAX_OCTETS

    def __init__(self, stream: RelpStream, origin_of: OriginOf, context: StreamContext) -> None:
        super().__init__(stream.max_frame, origin_of, context)
        self._relp = RelpReceiver(stream.max_frame, stream.over_limit)
        self._runs: deque[_Run] = deque()
        self._farewell: bytes | None = None
        self._linger = 0.0
        self._chokes = False  # the peer does not read
        self._lost = False
        self._heard = False
        self._timer: IDelayedCall | None = None  # until the session is open; then until we close

    def connectionMade(self) -> None:
        """Wait for `open`."""
        super().connectionMade()
        self._timer = self._context.clock.callLater(self._context.handshake_timeout, self._too_slow)
        self._consumer().registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Hand on the messages that are whole."""
        if self._closed:
            return
        self._heard = True
        self._last = self._context.clock.seconds()
        received = self._relp.feed(data)
        if received.answer:
            if self._relp.is_open:
                self._stop_timer()
            self._write(received.answer)
        if received.count:
            self._take(received)
        if received.farewell is not None:
            if received.frames.error is not None:
                self._tell_refused(received.frames.error)
            self._end(received.farewell)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Answer nothing more: the peer repeats what has no answer, on its next connection."""
        super().connectionLost(reason)
        self._lost = True
        self._runs.clear()
        self._stop_timer()

    def hang_up(self) -> None:
        """Take no more messages; close when all that were taken are answered."""
        self._linger = LINGER
        if not self._closed:
            self._end(SERVERCLOSE)

    # Messages.

    def _take(self, received: Received) -> None:
        frames = received.frames
        run = _Run(received.first, received.count)
        self._runs.append(run)
        if frames.truncated or frames.dropped:
            self._tell_over_limit(frames)
        if not frames.data:
            self._keep(None, run)  # empty or dropped, all of them
            return
        committed = self._context.accept(Batch(frames, self._origin, self._context.now()))
        committed.addCallbacks(self._keep, self._cut, callbackArgs=(run,))
        if not committed.called:
            octets = len(frames.data)
            self._hold(octets)
            committed.addBoth(lambda _: self._release(octets))

    def _keep(self, _: None, run: _Run) -> None:
        """Answer what is kept, as far as all before it is."""
        run.kept = True
        answers: list[bytes] = []
        while self._runs and self._runs[0].kept:
            done = self._runs.popleft()
            answers.append(acknowledgement(done.first, done.count))
        if len(self._runs) > 1 and run is self._runs[-1] and self._runs[-2].kept:
            self._runs.pop()  # so that those behind one that waits are not a run for each read
            self._runs[-1].count += run.count
        if answers:
            self._write(b"".join(answers))
            self._say_farewell()

    def _cut(self, failure: Failure) -> None:
        """Close without an answer to what could not be kept."""
        if self._lost:
            return
        self._closed = True
        self._runs.clear()
        problem = f"messages could not be kept ({failure.value}); the connection is cut, and the peer sends them again"
        self._context.notify(NotKept(self._origin.dataset, self._shown_address(), problem))
        self._close()

    # The end.

    def _too_slow(self) -> None:
        self._timer = None
        if self._heard:
            limit = f"{self._context.handshake_timeout:g} s (limits: handshake_timeout)"
            self._tell_refused(f"the peer opened no RELP session within {limit}")
        self._end(SERVERCLOSE)

    def _tell_refused(self, problem: str) -> None:
        self._context.notify(StreamRefused(self._origin.dataset, self._shown_address(), problem))

    def _leave(self) -> None:
        self._end(SERVERCLOSE)

    def _end(self, farewell: bytes) -> None:
        """Take nothing more; say farewell when all that was taken is answered."""
        self._stop_timer()
        self._farewell = farewell
        if (self._waits or self._chokes) and not self._closed:
            self.transport.resumeProducing()  # type: ignore[union-attr]  # what comes is thrown away, see LINGER
        self._closed = True
        self._say_farewell()

    def _say_farewell(self) -> None:
        if self._farewell is None or self._runs:
            return
        self._write(self._farewell)
        if self._linger:
            self._timer = self._context.clock.callLater(self._linger, self._close)
        else:
            self._close()

    def _close(self) -> None:
        self._consumer().unregisterProducer()  # it would be waited for
        self.transport.loseConnection()  # type: ignore[union-attr]

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # The transport, in both directions.

    def pauseProducing(self) -> None:
        """Read nothing more: the peer does not read our answers."""
        self._chokes = True
        if not self._waits and not self._closed:
            super()._pause()

    def resumeProducing(self) -> None:
        """Read again, as far as the commits let us."""
        self._chokes = False
        if not self._waits and not self._closed:
            super()._resume()

    def stopProducing(self) -> None:
        """Nothing is left to do: the connection is lost."""

    def _pause(self) -> None:
        if not self._chokes:
            super()._pause()

    def _resume(self) -> None:
        if not self._chokes:
            super()._resume()

    def _write(self, octets: bytes) -> None:
        self.transport.write(octets)  # type: ignore[union-attr]

    def _consumer(self) -> IConsumer:
        return cast(IConsumer, self.transport)


class RelpFactory(ConnectionFactory[RelpStream]):
    """Makes the connections of one listener."""

    def buildProtocol(self, addr: IAddress | None) -> RelpConnection:  # noqa: ARG002 -- the transport knows
        """Make one."""
        return RelpConnection(self.stream, self.origin_of, self.context)
