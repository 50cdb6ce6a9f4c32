"""What runs over a data connection: a file that comes in, or octets that go out.

A file is whole when the peer has ended its stream and stays to hear what came of it. Over TLS that end is close_notify,
which nobody on the way can send; in plain text it is a FIN. Neither proves that all was sent: the kernel of a client
that died sends a FIN, and a client that gives up in the middle (`curl --max-time`) ends TLS as politely as one that is
done. Both leave the control connection at once, with no QUIT. So an end counts only when that is still there a moment
later. Against a client that stops half-way and stays, only a checksum helps.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.drop.visit import Entry, Upload
from gateway.sources.ftp.newlines import FromNetwork
from gateway.sources.ftp.replies import Declined
from gateway.tls import TruncatedStream

GRACE = 0.05
"""Seconds between the end of a stream and our belief in it: whoever gives up ends both connections in one go, and what
it sent comes at once. It costs a client that uploads file after file so much for each; other clients do not notice."""

TURNS = 3
"""Turns of the reactor that follow: one that was held up has the end of the control connection still to read, which may
stand behind octets, and TLS's before that of the socket."""

CHUNK = 256 * 1024
"""Octets that are read of a file at a time."""

SHORT = 0.02
"""Seconds that are not worth a pause: a speed limit is kept on average."""


class _State(enum.Enum):
    RUNNING = enum.auto()
    ENDED = enum.auto()  # the peer has ended it; whether that counts is not known yet
    FINISHING = enum.auto()  # it is whole, and being kept
    OVER = enum.auto()


class Stream(Protocol):
    """One transfer.

    Args:
        idle: seconds after which a peer that neither sends nor takes anything is cut off; our own waiting (for the
            disk, for the speed limit) does not count.
        speed: octets a second; None: as fast as can be.

    Attributes:
        below: the socket, when there may be TLS between.
        octets: how many have come or gone.
    """

    below: ITransport | None = None

    def __init__(self, reactor: IReactorTime, idle: float, speed: int | None) -> None:
        self.octets = 0
        self._reactor = reactor
        self._idle = idle
        self._speed = speed
        self._state = _State.RUNNING
        self._holds = 0
        self._free_at = self._last = reactor.seconds()
        self._watch: IDelayedCall | None = reactor.callLater(idle, self._look)
        self._timers: set[IDelayedCall] = set()

    def cut(self, problem: str) -> None:
        """End it before its end, and say why; does nothing once it is whole."""
        raise NotImplementedError

    def _count(self, octets: int) -> float:
        """Count octets; returns how many seconds to wait for the speed limit."""
        now = self._last = self._reactor.seconds()
        self.octets += octets
        if not self._speed:
            return 0.0
        self._free_at = max(now, self._free_at) + octets / self._speed
        wait = self._free_at - now
        return wait if wait > SHORT else 0.0

    def _look(self) -> None:
        self._watch = None
        quiet = 0.0 if self._holds else self._reactor.seconds() - self._last
        if quiet >= self._idle:
            self.cut(f"nothing went over the data connection for {self._idle:g} s")
        else:
            self._watch = self._reactor.callLater(max(self._idle - quiet, SHORT), self._look)

    def _after(self, wait: float, call: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            call()

        timer = self._reactor.callLater(wait, run)
        self._timers.add(timer)

    def _stop_timers(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _shut(self) -> None:
        """Close at once, without TLS's goodbye: the peer must not take this for a good end."""
        transport = self.transport or self.below
        if transport is not None:
            transport.abortConnection()  # type: ignore[attr-defined]


class Receiving(Stream):
    """A file that comes in.

    Args:
        is_left: tells whether the client has ended its control connection: nobody waits for the reply then.

    Attributes:
        done: fires with what it has become; fails with Refused, or Declined (426) when it was cut.
    """

    def __init__(
        self,
        upload: Upload,
        reactor: IReactorTime,
        idle: float,
        speed: int | None,
        *,
        text: bool,
        is_left: Callable[[], bool],
    ) -> None:
        super().__init__(reactor, idle, speed)
        self.done: Deferred[Entry] = Deferred()
        self._upload = upload
        self._newlines = FromNetwork() if text else None
        self._is_left = is_left

    def dataReceived(self, data: bytes) -> None:
        """Hand on; read no more while there is no room for it."""
        if self._state is not _State.RUNNING:
            return
        wait = self._count(len(data))
        if wait:
            self._hold()
            self._after(wait, self._release)
        self._write(self._newlines.feed(data) if self._newlines else data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Judge how it ended."""
        if self._state is not _State.RUNNING:
            return
        if not reason.check(ConnectionDone):
            self.cut(_how_it_broke(reason.value))
            return
        self._state = _State.ENDED
        self._stop_timers()
        if self._newlines and (rest := self._newlines.end()):
            self._write(rest)
        self._after(GRACE, lambda: self._believe(TURNS))

    def cut(self, problem: str) -> None:
        """Have nothing of it stay; `done` fails when that is so."""
        if self._state in {_State.RUNNING, _State.ENDED}:
            self._give_up(problem, Failure(Declined(426, problem)))

    def _write(self, data: bytes) -> None:
        if not data:
            return
        room = self._upload.write(data)
        if room is not None:
            self._hold()
            room.addCallbacks(lambda _: self._release(), self._refused)

    def _refused(self, failure: Failure) -> None:
        self._give_up(failure.getErrorMessage(), failure)

    def _give_up(self, problem: str, failure: Failure) -> None:
        if self._state not in {_State.RUNNING, _State.ENDED}:
            return  # `finish` fails as well
        self._state = _State.OVER
        self._stop_timers()
        self._shut()
        self._upload.abort(problem).addBoth(lambda _: self.done.errback(failure))

    def _believe(self, turns: int) -> None:
        if self._is_left():
            self.cut("the control connection is gone")
        elif turns:
            self._after(0, lambda: self._believe(turns - 1))
        else:
            self._state = _State.FINISHING
            self._upload.finish().addBoth(self._finished)

    def _finished(self, result: Entry | Failure) -> None:
        self._state = _State.OVER
        self.done.callback(result)  # a failure too

    def _hold(self) -> None:
        self._holds += 1
        if self._holds == 1:
            self._producer().pauseProducing()

    def _release(self) -> None:
        self._holds -= 1
        self._last = self._reactor.seconds()
        if not self._holds and self._state is _State.RUNNING:
            self._producer().resumeProducing()

    def _producer(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)


def _how_it_broke(error: BaseException | None) -> str:
    """Say how a data connection ended that did not end well."""
    if not isinstance(error, TruncatedStream):
        return "the data connection broke off"
    words = str(error.args[0])
    if "close_notify" in words:
        return "the data connection ended without TLS's close_notify"
    return f"the data connection broke off: {words}"


@implementer(IPushProducer)
class Sending(Stream):
    """Octets that go out.

    Args:
        read: returns octets from a place on, none at the end.
        start: the first octet's place.
        convert: how they look on the network.

    Attributes:
        done: fires when the client has taken all; fails with Declined, or with what `read` failed with.
    """

    def __init__(
        self,
        read: Callable[[int, int], Deferred[bytes]],
        reactor: IReactorTime,
        idle: float,
        speed: int | None,
        *,
        start: int = 0,
        convert: Callable[[bytes], bytes] = bytes,
    ) -> None:
        super().__init__(reactor, idle, speed)
        self.done: Deferred[None] = Deferred()
        self._read = read
        self._place = start
        self._convert = convert
        self._room: Deferred[None] | None = None  # waited for, while the client takes nothing

    def connectionMade(self) -> None:
        """Begin."""
        cast(IConsumer, self.transport).registerProducer(self, True)
        Deferred.fromCoroutine(self._send()).addErrback(self._broke)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Judge how it ended: only our own end is a good one."""
        self.resumeProducing()
        if self._state is _State.FINISHING and reason.check(ConnectionDone):
            self._state = _State.OVER
            self._stop_timers()
            self.done.callback(None)
        else:
            self.cut("the data connection broke off")

    def cut(self, problem: str) -> None:
        """Send no more."""
        self._broke(Failure(Declined(426, problem)))

    def _broke(self, failure: Failure) -> None:
        if self._state is not _State.OVER:
            self._state = _State.OVER
            self._stop_timers()
            self._shut()
            self.resumeProducing()
            self.done.errback(failure)

    async def _send(self) -> None:
        while self._state is _State.RUNNING:
            self._holds += 1  # it is the disk, or the speed limit, that is waited for
            data = await self._read(self._place, CHUNK)
            self._place += len(data)
            if data and (wait := self._count(len(data))):
                await self._pause(wait)
            self._holds -= 1
            self._last = self._reactor.seconds()
            if not data or self._state is not _State.RUNNING:
                break
            cast(ITransport, self.transport).write(self._convert(data))
            if self._room is not None:
                await self._room
        if self._state is _State.RUNNING:
            self._state = _State.FINISHING
            cast(IConsumer, self.transport).unregisterProducer()
            cast(ITransport, self.transport).loseConnection()

    def _pause(self, wait: float) -> Deferred[None]:
        pause: Deferred[None] = Deferred()
        self._after(wait, lambda: pause.callback(None))
        return pause

    def pauseProducing(self) -> None:
        """Send nothing until the client has taken what there is."""
        if self._room is None:
            self._room = Deferred()

    def resumeProducing(self) -> None:
        """Go on."""
        self._last = self._reactor.seconds()
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)

    def stopProducing(self) -> None:
        """The end comes as connectionLost."""
