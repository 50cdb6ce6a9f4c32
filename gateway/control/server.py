"""The control socket of the running gateway, for its owner and root: questions come in as lines, answers go out."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IPushProducer,
    IReactorTime,
    IReactorUNIX,
    ITransport,
)
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.control.inside import Inside
from gateway.control.standings import asked_from, standing_to_dict
from gateway.control.values import Change, Choice, EntryQuery, JobQuery, OpenQuery
from gateway.control.wire import MAX_REQUEST, WireError, line, peer_of, read_line, short_way
from gateway.notice import Notify
from gateway.notices.life import ControlFailed, ControlMissing, ControlRefused, OperatorChanged
from gateway.runner.protocol import Lines, ProtocolError
from parsers.errors import OperatorError
from rules.standing import Standing

MAX_CONNECTIONS = 32
"""Commands that look inside at a time. Each costs an answer's room at most, some 500 KiB for a page of the journal."""

STALLED = 60.0
"""Seconds that a connection may ask nothing, or not take its answer, before it is cut off; commands connect again."""

MAX_ASKED = 16
"""Questions that a connection may have asked before their answers; commands ask one at a time."""


class Reactor(IReactorUNIX, IReactorTime):
    """What the control socket needs of a reactor."""


class Control(Service):
    """The control socket.

    A socket that cannot be had is said, and stops nothing: the commands then read the store's files by themselves.

    Args:
        reactor: listens.
        path: of the socket; only its owner and root can use it.
        inside: answers.
        notify: told what goes wrong, and what operators change.
    """

    def __init__(self, reactor: Reactor, path: Path, inside: Inside, notify: Notify) -> None:
        self._reactor = reactor
        self._path = path
        self._notify = notify
        self._port: IListeningPort | None = None
        self._way = ExitStack()
        self._factory = AskingFactory(inside, notify, reactor)

    def startService(self) -> None:
        """Listen."""
        super().startService()  # type: ignore[no-untyped-call]
        try:
            # the way stays open while we listen: Twisted takes it once more to remove the socket
            way = self._way.enter_context(short_way(self._path))
            _clear_way(self._path, way)
            # Twisted sets the mode before it listens, so that nobody gets in meanwhile
            self._port = self._reactor.listenUNIX(way, self._factory, mode=0o600)
        except OperatorError as error:
            self._notify(ControlMissing(str(self._path), error.problem))
        except (CannotListenError, OSError) as error:
            reason = getattr(error, "socketError", error)
            self._notify(ControlMissing(str(self._path), str(getattr(reason, "strerror", None) or reason)))

    def stopService(self) -> Deferred[Any]:
        """Give up the socket, and end all connections."""
        super().stopService()  # type: ignore[no-untyped-call]
        port, self._port = self._port, None
        self._factory.end()
        if port is not None and not self._path.exists():
            self._path.touch()  # somebody removed the socket: Twisted would not close it without a file to remove
        stopped: Deferred[Any] = maybeDeferred(port.stopListening) if port else succeed(None)
        return stopped.addBoth(self._stopped)

    def _stopped(self, result: object) -> object:
        self._way.close()
        return result


def _clear_way(path: Path, way: str) -> None:
    """Remove a socket that an earlier run left behind, if nobody answers there."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(way)
            except ConnectionRefusedError:
                path.unlink()
            except FileNotFoundError:
                return
            else:
                raise OperatorError("another gateway answers there; give this one a `state` folder of its own")
    elif path.exists():
        raise OperatorError("something is there that is no socket; move it away")


class AskingFactory(ServerFactory):
    """Makes a protocol for each connection; `uid_of` tells who made it."""

    noisy = False

    def __init__(
        self,
        inside: Inside,
        notify: Notify,
        clock: IReactorTime,
        uid_of: Callable[[ITransport], int] = lambda transport: peer_of(transport.socket)[1],  # type: ignore[attr-defined]  # a socket's transport has it
    ) -> None:
        self.inside = inside
        self.notify = notify
        self.clock = clock
        self.uid_of = uid_of
        self.connections: set[Asking] = set()

    def buildProtocol(self, addr: IAddress | None) -> Asking:  # type: ignore[override]  # noqa: ARG002 -- a unix socket's peer has no address
        """Make the protocol of one connection."""
        return Asking(self)

    def end(self) -> None:
        """End all connections."""
        for connection in tuple(self.connections):
            connection.end()


@implementer(IPushProducer)
class Asking(Protocol):
    """One connection: answers one question after the other, each only when the answer before it was taken."""

    transport: Any

    def __init__(self, factory: AskingFactory) -> None:
        self.factory: AskingFactory = factory
        self._uid = -1
        self._lines = Lines(MAX_REQUEST)
        self._asked: deque[bytes] = deque()
        self._answering: Deferred[Any] | None = None
        self._cancellable = False  # what changes something goes on when nobody is left to be told of it
        self._full = False
        self._patience: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Let the owner and root in."""
        factory = self.factory
        self._uid = factory.uid_of(self.transport)
        if self._uid not in (0, os.geteuid()):
            factory.notify(ControlRefused(self._uid))
            self._refuse("only the user of the gateway and root may look inside")
        elif len(factory.connections) >= MAX_CONNECTIONS:
            self._refuse(f"{MAX_CONNECTIONS} commands look inside already; try again in a moment")
        else:
            factory.connections.add(self)
            self.transport.registerProducer(self, streaming=True)
            self._be_patient()

    def connectionLost(self, reason: Failure = Failure(CancelledError())) -> None:  # noqa: ARG002, B008 -- Twisted's signature
        """Forget what was asked."""
        self.factory.connections.discard(self)
        self._stop_waiting()
        self._asked.clear()
        if self._answering is not None and self._cancellable:
            self._answering.cancel()

    def dataReceived(self, data: bytes) -> None:
        """Take questions."""
        if self not in self.factory.connections:
            return  # refused: it is told so, and what it still says does not matter
        try:
            self._asked.extend(self._lines.feed(data))
        except ProtocolError as error:
            self._refuse(str(error))
            return
        if len(self._asked) > MAX_ASKED:
            self._refuse(f"more than {MAX_ASKED} questions at a time")
            return
        self._answer_next()

    def _answer_next(self) -> None:
        if self._full or self._answering is not None:
            return
        if not self._asked:
            self._be_patient()
            return
        self._stop_waiting()
        answering = self._answering = maybeDeferred(self._ask, self._asked.popleft())
        answering.addCallbacks(lambda answer: {"answer": answer}, self._in_words)
        answering.addCallback(self._answer)
        answering.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def _answer(self, values: dict[str, Any]) -> None:
        self._answering = None
        if self in self.factory.connections:
            self.transport.write(line(values))
            self._answer_next()

    def _in_words(self, failure: Failure) -> dict[str, Any]:
        if failure.check(CancelledError):
            failure.raiseException()
        if failure.check(OperatorError):
            return {"error": str(failure.value)}
        if failure.check(WireError):
            return {"error": f"the gateway does not understand this: {failure.value}; is it another version?"}
        words = f"{type(failure.value).__name__}: {failure.value}"
        self.factory.notify(ControlFailed(words))
        return {"error": f"a bug of the gateway, please report it: {words}"}

    def _ask(self, text: bytes) -> Deferred[Any]:
        values = read_line(text)
        question = _QUESTIONS.get(str(values.get("ask")))
        if question is None:
            raise WireError(f"there is no question {values.get('ask')!r}")
        try:
            ask = question(self.factory.inside, values)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise WireError(f"{values['ask']}: {type(error).__name__}: {error}") from None
        self._cancellable = values["ask"] == "wait"
        return ask().addCallback(self._ready_for_json)

    def _ready_for_json(self, answer: Any) -> Any:
        if isinstance(answer, Change):
            self._tell([answer])
        elif isinstance(answer, Sequence):
            self._tell(answer)
            return [change.to_dict() for change in answer]
        return answer.to_dict() if hasattr(answer, "to_dict") else answer

    def _tell(self, made: Sequence[Change]) -> None:
        for change in made:
            if change.done:
                what = f"job {change.id} {change.words}" if change.id else change.words
                self.factory.notify(OperatorChanged(change.rule, what, self._uid))

    def _refuse(self, words: str) -> None:
        if self in self.factory.connections:
            self.factory.connections.discard(self)
            self.transport.unregisterProducer()
        self._stop_waiting()
        self.transport.write(line({"error": words}))
        self.transport.loseConnection()
        self._cut_off_in(STALLED)

    # -- a peer that takes its time --

    def pauseProducing(self) -> None:
        """Answer nothing more until the peer has taken what it got."""
        self._full = True
        self._be_patient()

    def resumeProducing(self) -> None:
        """Go on."""
        self._full = False
        self._stop_waiting()
        self._answer_next()

    def stopProducing(self) -> None:
        """Twisted says so when the connection is lost."""

    def _be_patient(self) -> None:
        self._stop_waiting()
        self._cut_off_in(STALLED)

    def _cut_off_in(self, seconds: float) -> None:
        self._patience = self.factory.clock.callLater(seconds, self.transport.abortConnection)

    def _stop_waiting(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None

    def end(self) -> None:
        """End the connection; the gateway stops."""
        self.transport.unregisterProducer()
        self.transport.abortConnection()


Question = Callable[[Inside, Mapping[str, Any]], Callable[[], Deferred[Any]]]
"""Takes the values of a question apart; what it returns asks it."""


def _jobs(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    query = JobQuery.from_dict(values["query"])
    return lambda: inside.jobs(query)


def _job(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    prefix = str(values["id"])
    return lambda: inside.job(prefix)


def _retry(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    choice = Choice.from_dict(values["choice"])
    return lambda: inside.retry(choice)


def _cancel(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    choice = Choice.from_dict(values["choice"])
    return lambda: inside.cancel(choice)


def _open(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    query = OpenQuery.from_dict(values["query"])
    return lambda: inside.open_states(query)


def _close(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    rule, key = values["rule"], tuple(map(str, values["key"]))
    return lambda: inside.close(None if rule is None else str(rule), key)


def _hold(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    rule, paused = str(values["rule"]), bool(values["paused"])
    return lambda: inside.hold(rule, paused=paused)


def _entries(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    query = EntryQuery.from_dict(values["query"])
    return lambda: inside.entries(query)


def _wait(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    upcoming = int(values["upcoming"])
    return lambda: inside.wait(upcoming)


def _status(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:  # noqa: ARG001 -- a question's signature
    return inside.status


def _standings(inside: Inside, values: Mapping[str, Any]) -> Callable[[], Deferred[Any]]:
    questions = asked_from(values["questions"])

    def answer(found: Sequence[Standing]) -> dict[str, Any]:
        return {"standings": list(map(standing_to_dict, found))}

    return lambda: inside.standings(questions).addCallback(answer)


_QUESTIONS: dict[str, Question] = {
    "jobs": _jobs,
    "job": _job,
    "retry": _retry,
    "cancel": _cancel,
    "open": _open,
    "close": _close,
    "hold": _hold,
    "entries": _entries,
    "wait": _wait,
    "status": _status,
    "standings": _standings,
}
