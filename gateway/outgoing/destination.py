"""A place that `forward` sends to: one connection that is kept up, and a bounded queue before it.

A message stays until it is delivered or its time is up, over as many connections as that takes, so that a server may
be restarted without a job failing. One that was under way when MAX_SENT connections ended is given up sooner: it may be
what ends them.

What a link owes, whichever protocol it speaks: it calls `ready` when messages may go, takes parcels with `take` when
it has room, settles those that are delivered, and gives back what is not with `lost`, once, when its connection ends.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable

from twisted.application.internet import ClientService, backoffPolicy
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.notice import Notify
from gateway.notices.outgoing import DestinationConnected, DestinationLost
from gateway.outgoing.endpoint import ServerEndpoint, failure_words
from gateway.outgoing.parcel import Parcel
from gateway.outgoing.tls import ServerAuthentication
from gateway.outgoing_config import DestinationSettings
from rules.outcome import Ending, Outcome

MAX_WAITING = 1000
"""Messages before one destination: the jobs of the others wait in the store, where they cost no memory."""

MAX_OCTETS = 32 * 1024**2
"""Octets before one destination and on their way to it."""

MAX_SENT = 2
"""Connections that may end while a message is on its way over them."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds between two connections."""

CLOSE_TIMEOUT = 2.0
"""Seconds for the server to answer the end of a session."""

STOPPING = "the destination is closed: the gateway stops, or its settings have changed"


class Link(Protocol):
    """One connection to a destination, in the protocol of its kind."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def push(self) -> None:
        """Take what waits, as far as there is room."""
        raise NotImplementedError

    def close(self) -> None:
        """Say goodbye, as far as the protocol knows how."""


class _Links(Factory):
    noisy = False

    def __init__(self, make: Callable[[], Link]) -> None:
        self._make = make

    def buildProtocol(self, addr: IAddress | None) -> Link:  # noqa: ARG002 -- Twisted's signature
        return self._make()


@implementer(IStreamClientEndpoint)
class _Watched:
    """An endpoint whose failures are told, for a ClientService keeps them to itself."""

    def __init__(self, endpoint: IStreamClientEndpoint, tell: Callable[[str], None]) -> None:
        self._endpoint = endpoint
        self._tell = tell

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803 -- Twisted's name
        return self._endpoint.connect(protocolFactory).addErrback(self._failed)

    def _failed(self, failure: Failure) -> Failure:
        self._tell(failure_words(failure.value))
        return failure


class Destination(Service):
    """A destination of `forward`.

    Args:
        settings: where it is.
        kind: makes the link for a new connection.
        reactor: provides time and connections.
        notify: told when the connection stands, and when there is none and why.
        endpoint: what to connect with, instead of what the settings say.
        jitter: returns what is added to the wait between two connections, in seconds.
    """

    def __init__(
        self,
        settings: DestinationSettings,
        kind: Callable[[Destination], Link],
        reactor: IReactorTime,
        notify: Notify,
        *,
        endpoint: IStreamClientEndpoint | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.clock = reactor
        self._notify = notify
        self._queue: deque[Parcel] = deque()
        self._octets = 0  # of what has no outcome yet
        self._kind = kind
        self._newest: Link | None = None
        self._link: Link | None = None  # over which messages may go
        self._problem: str | None = None  # the last that was told
        self._failures = 0  # connections in a row that came to nothing
        self._stopping = False
        authentication = ServerAuthentication(settings.tls) if settings.tls else None
        endpoint = endpoint or ServerEndpoint(reactor, settings.server, authentication)
        wait = backoffPolicy(FIRST_WAIT, LONGEST_WAIT, jitter=jitter)
        self._client = ClientService(
            _Watched(endpoint, self._tell_problem),
            _Links(self._make_link),
            # ClientService counts a connection as good when TCP and TLS stand; the server may refuse us after that
            retryPolicy=lambda _: wait(self._failures),
            clock=reactor,
        )

    @property
    def waiting(self) -> int:
        """How many messages have no connection yet."""
        return len(self._queue)

    def startService(self) -> None:
        """Connect, and go on doing so."""
        super().startService()  # type: ignore[no-untyped-call]
        self._client.startService()

    def stopService(self) -> Deferred[None]:
        """Give up what waits, and close the connection; fires when it is closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._stopping = True
        waiting, self._queue = self._queue, deque()
        for parcel in waiting:
            parcel.failed(STOPPING)
        if self._link:
            self._link.close()
        stopped: Deferred[None] = self._client.stopService()
        late = self.clock.callLater(CLOSE_TIMEOUT, self._cut)

        def done(_: object) -> None:
            if late.active():
                late.cancel()

        return stopped.addBoth(done)

    def send(self, message: bytes, job: str) -> Deferred[Outcome]:
        """Deliver a message; fires with the outcome, whatever happens. To cancel the Deferred gives it up."""
        if self._stopping:
            return succeed(Outcome(job, Ending.NOT_STARTED, error=STOPPING, temporary=True))
        too_many, too_much = len(self._queue) >= MAX_WAITING, self._octets + len(message) > MAX_OCTETS
        if too_many or too_much:
            what = f"{MAX_WAITING} messages wait" if too_many else f"{self._octets} octets wait"
            words = self._words(f"{what} for it already")
            return succeed(Outcome(job, Ending.NOT_STARTED, error=words, temporary=True))

        def tell(outcome: Outcome) -> None:
            self._octets -= len(message)
            if not answer.called:
                answer.callback(outcome)

        parcel = Parcel(job, message, self.clock, tell)
        answer: Deferred[Outcome] = Deferred(lambda _: self._give_up(parcel, "it was cancelled"))
        parcel.expire_in(self.settings.timeout, self._late)
        self._octets += len(message)
        self._queue.append(parcel)
        if self._link:
            self._link.push()
        return answer

    # What a link asks for, and tells

    def ready(self, link: Link) -> None:
        """Take note that messages may go over this link."""
        if self._stopping:
            return
        self._link = link
        self._failures = 0
        self._problem = None
        self._notify(DestinationConnected(self.settings.name, str(self.settings.server)))
        link.push()

    def take(self, messages: int, octets: int) -> list[Parcel]:
        """Return what is to be sent next: at most so many messages, and so many octets unless one alone has more."""
        taken: list[Parcel] = []
        size = 0
        while self._queue and len(taken) < messages:
            size += len(self._queue[0].message)
            if taken and size > octets:
                break
            parcel = self._queue.popleft()
            parcel.sent += 1
            taken.append(parcel)
        return taken

    def lost(self, link: Link, words: str, parcels: Iterable[Parcel]) -> None:
        """Take note that a link has ended; `parcels` were on their way, in this order."""
        if self._link is link:
            self._link = None
        self._tell_problem(words)
        for parcel in reversed([parcel for parcel in parcels if not parcel.settled]):
            if self._stopping or parcel.sent >= MAX_SENT:
                parcel.failed(self._words(f"it was sent, and nobody knows whether it arrived: {words}"))
            else:
                self._queue.appendleft(parcel)

    # The queue

    def _late(self, parcel: Parcel) -> None:
        state = "no acknowledgement" if self._link else "not connected"
        why = f": {self._problem}" if self._problem and not self._link else ""
        self._give_up(parcel, self._words(f"{state} within {self.settings.timeout:g} s{why}"))

    def _give_up(self, parcel: Parcel, words: str) -> None:
        if parcel in self._queue:
            self._queue.remove(parcel)
        parcel.failed(words)

    def _words(self, problem: str) -> str:
        return f"{self.settings.name} ({self.settings.server}): {problem}"

    def _tell_problem(self, words: str) -> None:
        self._failures += 1
        if not self._stopping and words != self._problem:
            self._problem = words
            self._notify(DestinationLost(self.settings.name, str(self.settings.server), words))

    def _make_link(self) -> Link:
        self._newest = self._kind(self)
        return self._newest

    def _cut(self) -> None:
        transport = self._newest.transport if self._newest else None
        abort = getattr(transport, "abortConnection", None)
        if abort:
            abort()
