"""The SFTP subsystem of one channel: packets in, requests one after the other, answers out.

The next request is begun when the one before it is answered. What a client sends beyond waits here, and the channel's
window, which is opened again only by as much as was taken, bounds it; so a full disk queue slows the client down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.drop.visit import Refused
from gateway.sources.sftp.packets import Fields, Kind, Malformed, Status, status
from gateway.sources.sftp.requests import MAX_PACKET, Requests, refusal, version_packet

TOLD = 32
"""Lines that one channel gets on its standard error: some clients never read them, and they take up the window."""

_EXPLAINED = frozenset({Kind.OPEN, Kind.WRITE, Kind.CLOSE, Kind.RENAME})


class Wire(Protocol):
    """What the subsystem sees of its channel."""

    @property
    def has_room(self) -> bool:
        """Whether answers should be written now, for the client reads them."""
        ...

    def write(self, data: bytes) -> None:
        """Send octets."""
        ...

    def say(self, words: str) -> None:
        """Send a line for people, where the client shows it to them."""
        ...

    def taken(self) -> None:
        """Some of what was fed has been taken."""
        ...

    def end(self, code: int) -> None:
        """Close, with an exit status."""
        ...

    def broken(self, problem: str) -> None:
        """The client broke the protocol: tell it."""
        ...

    def failed(self, request: str, problem: object) -> None:
        """A request met a bug of ours: tell it."""
        ...


class SftpFiles:
    """Speaks SFTP with one client."""

    def __init__(self, requests: Requests, wire: Wire) -> None:
        self._requests = requests
        self._wire = wire
        self._buffer = bytearray()
        self._begun = False
        self._running = False
        self._waits = False
        self._eof = False
        self._over = False
        self._stopped: Callable[[], None] | None = None
        self._told = 0

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._waits

    @property
    def buffered(self) -> int:
        """Octets that wait here."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Take octets of the stream."""
        if not self._over and not self._eof:
            self._buffer += data
            self.proceed()

    def eof(self) -> None:
        """Nothing more will come: what came is done, then the channel ends; an upload that is still open is cut."""
        self._eof = True
        self.proceed()

    def lost(self, problem: str) -> None:
        """Nobody is there any more."""
        if not self._over:
            self._over = True
            self._buffer.clear()
            self._requests.drop(problem)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Begin no more requests; `stopped` is called when the one under way is answered."""
        if self._waits and not self._over:
            self._stopped = stopped
        else:
            self._stopped = _nothing
            stopped()

    def proceed(self) -> None:
        """Do requests as long as there are whole ones, none has to wait, and the client reads the answers."""
        if self._running:
            return
        self._running = True
        try:
            while self._may_go_on() and (length := self._whole()):
                body = bytes(memoryview(self._buffer)[4 : 4 + length])
                del self._buffer[: 4 + length]
                self._serve(body)
        finally:
            self._running = False
        if self._eof and not self._waits and self._stopped is None and not self._whole():
            self._finish()
        self._wire.taken()

    def _may_go_on(self) -> bool:
        return not self._waits and not self._over and self._stopped is None and self._wire.has_room

    def _whole(self) -> int:
        """Return the length of the next packet, if it is there wholly; ends the channel if it is none."""
        if self._over or len(self._buffer) < 4:
            return 0
        length = int.from_bytes(self._buffer[:4], "big")
        if not 0 < length <= MAX_PACKET:
            self._break(f"a packet of {length:,} octets; it may have {MAX_PACKET:,}")
            return 0
        return length if len(self._buffer) >= 4 + length else 0

    def _serve(self, body: bytes) -> None:
        kind = body[0]
        if kind == Kind.INIT or not self._begun:
            if self._begun or kind != Kind.INIT or len(body) < 5:
                self._break("the client does not begin with INIT" if not self._begun else "INIT comes twice")
                return
            self._begun = True
            self._wire.write(version_packet())
            return
        fields = Fields(body, 1)
        try:
            request = fields.u32()
        except Malformed as error:
            self._break(str(error))
            return
        try:
            answer = self._requests.do(kind, request, fields)
        except Exception:  # noqa: BLE001 -- whatever it is, the request is answered
            self._reply(self._failure(Failure(), kind, request))
            return
        if isinstance(answer, Deferred):
            self._wait(answer, kind, request)
        else:
            self._wire.write(answer)

    def _wait(self, answer: Deferred[bytes], kind: int, request: int) -> None:
        self._waits = True
        answer.addErrback(self._failure, kind, request)
        answer.addCallback(self._answered)

    def _reply(self, answer: bytes) -> None:
        if not self._over and answer:
            self._wire.write(answer)

    def _answered(self, answer: bytes) -> None:
        self._reply(answer)
        self._waits = False
        if self._stopped is not None:
            stopped, self._stopped = self._stopped, _nothing
            stopped()
        elif not self._over:
            self.proceed()

    def _failure(self, failure: Failure, kind: int, request: int) -> bytes:
        """Return the answer to a request that was not done."""
        error = failure.value
        if isinstance(error, Refused):
            self._explain(kind, str(error))
            return refusal(request, error)
        if isinstance(error, Malformed):
            return status(request, Status.BAD_MESSAGE, str(error))
        self._wire.failed(Kind(kind).name, error or failure)  # only a request that we have can meet a bug
        return status(request, Status.FAILURE, "this is the gateway's own fault")

    def _explain(self, kind: int, words: str) -> None:
        """Show people why: OpenSSH's programs turn every status into one of a few words."""
        if kind in _EXPLAINED and self._told < TOLD and not self._over:
            self._told += 1
            self._wire.say(words)

    def _finish(self) -> None:
        """The client has ended; a file that it did not close is no file."""
        if self._over:
            return
        code = 1 if self._buffer else 0
        self.lost("the client ended its session without closing the file")
        self._wire.end(code)

    def _break(self, problem: str) -> None:
        self._wire.broken(problem)
        self.lost(f"the client broke the protocol: {problem}")
        self._wire.end(1)


def _nothing() -> None:
    """All that was to be done has been."""
