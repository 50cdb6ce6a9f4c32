"""Hand mail to a server: a few connections at a time, one mail each, with a limit on what waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from gateway.outgoing.endpoint import ServerEndpoint, failure_words
from gateway.outgoing.smtp import Delivery, Envelope, Login, SmtpConversation
from gateway.outgoing.tls import ServerAuthentication
from gateway.outgoing_config import Security, SmtpSettings, read_password
from parsers.errors import OperatorError
from rules.job import Attempt
from rules.mail import compose
from rules.outcome import Ending, Outcome
from rules.step import Mail

T = TypeVar("T")

CONNECTIONS = 4
"""At a time; Postfix's limit for one client is 50, and mail is not urgent by the millisecond."""

MAX_WAITING = 200
"""Mails that wait for a connection; the jobs of the others wait in the store."""

STOPPING = "the gateway is stopping"


class SmtpMailer:
    """Sends mail through the server of the settings.

    Args:
        settings: where it is.
        reactor: provides time and connections.
        hostname: this machine's name.
        now: the wall clock, in seconds since 1970, for the mail's date.
        endpoint: what to connect with, instead of what the settings say.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        reactor: IReactorTime,
        *,
        hostname: str,
        now: Callable[[], float],
        endpoint: IStreamClientEndpoint | None = None,
    ) -> None:
        self.settings = settings
        self._reactor = reactor
        self._hostname = hostname
        self._now = now
        self._authentication = ServerAuthentication(settings.tls) if settings.tls else None
        implicit = settings.security is Security.IMPLICIT
        self._endpoint = endpoint or ServerEndpoint(
            reactor, settings.server, self._authentication if implicit else None
        )
        self._waiting: deque[_Handover] = deque()
        self._delivering = 0
        self._open: set[_Handover] = set()  # some of which have told their outcome and are saying goodbye
        self._stopping = False

    @property
    def sender(self) -> str:
        """The address that mail is from."""
        return self.settings.sender or f"gateway@{self._hostname}"

    def send(self, mail: Mail, attempt: Attempt) -> Deferred[Outcome]:
        """Compose a mail and hand it over; fires with the outcome, whatever happens.

        CONFIRMED is the server's word that it has the mail; `stdout` then holds its words, often with the number that
        its log knows the mail by. An answer that begins with 4 asks for another try, one that begins with 5 is REFUSED.
        LOST is a mail that was sent whole and never answered. Where only some recipients are taken, the mail goes to
        those, and the outcome is that of the others; another try sends to all again.
        """
        began = self._reactor.seconds()

        def outcome(delivery: Delivery) -> Outcome:
            good = delivery.ending is Ending.CONFIRMED
            return Outcome(
                attempt.id,
                delivery.ending,
                seconds=self._reactor.seconds() - began,
                error=None if good else f"{self.settings.server}: {delivery.words}",
                stdout=delivery.words.encode() if good else b"",
                temporary=delivery.ending not in {Ending.CONFIRMED, Ending.REFUSED},
            )

        if self._stopping:
            return succeed(outcome(Delivery(Ending.NOT_STARTED, STOPPING)))
        if len(self._waiting) >= MAX_WAITING:
            return succeed(outcome(Delivery(Ending.NOT_STARTED, f"{MAX_WAITING} mails wait already")))
        sender = mail.sender or self.sender
        content = compose(mail, attempt.event, sender=sender, hostname=self._hostname, job=attempt.id, now=self._now())
        envelope = Envelope(sender, mail.to, content)
        handover = _Handover(envelope)
        self._waiting.append(handover)
        self._deliver_next()
        return handover.answer.addCallback(outcome)

    def _deliver_next(self) -> None:
        while self._waiting and self._delivering < CONNECTIONS:
            handover = self._waiting.popleft()
            if not handover.told:
                self._delivering += 1
                handover.answer.addCallback(self._delivered)
                self._deliver(handover)

    def _delivered(self, result: T) -> T:
        self._delivering -= 1
        # In a turn of its own: two hundred mails that fail at once would else be two hundred calls deep.
        self._reactor.callLater(0, self._deliver_next)
        return result

    def _deliver(self, handover: _Handover) -> None:
        try:
            login = self._login()
            starttls = self._authentication if self.settings.security is Security.STARTTLS else None
            check = starttls.check() if starttls else None
        except OperatorError as error:
            handover.give_up(str(error))
            return

        def make(envelope: Envelope, tell: Callable[[Delivery], None], closed: Callable[[], None]) -> SmtpConversation:
            return SmtpConversation(envelope, self._hostname, tell, closed, starttls=check, login=login)

        self._open.add(handover)
        handover.closed.addCallback(lambda _: self._open.discard(handover))
        handover.begin(make, self._endpoint, self._reactor, self.settings.timeout)

    def _login(self) -> Login | None:
        if self.settings.login is None:
            return None
        user, file = self.settings.login
        return Login(user.encode(), read_password(file))

    def stop(self) -> None:
        """Give up what waits and what is under way."""
        self._stopping = True
        waiting, self._waiting = self._waiting, deque()
        for handover in (*waiting, *self._open):
            handover.give_up(STOPPING)


_Make = Callable[[Envelope, Callable[[Delivery], None], Callable[[], None]], SmtpConversation]


class _Handover(Factory):
    """One mail, one connection, one limit of time for both.

    Attributes:
        answer: fires when the mail's fate is known; to cancel it gives the mail up.
        closed: fires when the connection is gone, which may be later: a server may take its time for QUIT.
    """

    noisy = False

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._make: _Make | None = None
        self._conversation: SmtpConversation | None = None
        self._connecting: Deferred[IProtocol] | None = None
        self._timer: IDelayedCall | None = None
        self.answer: Deferred[Delivery] = Deferred(lambda _: self.give_up("it was cancelled"))
        self.told = False
        self.closed: Deferred[None] = Deferred()

    def begin(self, make: _Make, endpoint: IStreamClientEndpoint, clock: IReactorTime, seconds: float) -> None:
        """Connect."""
        self._make = make
        self._timer = clock.callLater(seconds, self.give_up, f"it took more than {seconds:g} s")
        self._connecting = endpoint.connect(self)
        self._connecting.addErrback(self._failed)

    def buildProtocol(self, addr: IAddress | None) -> SmtpConversation | None:  # noqa: ARG002 -- Twisted's signature
        """Make the conversation."""
        if self._make:
            self._conversation = self._make(self._envelope, self._tell, self._close)
        return self._conversation

    def give_up(self, words: str) -> None:
        """End it now."""
        if self._conversation:
            self._conversation.give_up(words)
        self._tell(Delivery(Ending.NOT_STARTED, words))
        if self._connecting and not self._conversation:
            self._connecting.cancel()

    def _failed(self, failure: Failure) -> None:
        self._tell(Delivery(Ending.NOT_STARTED, failure_words(failure.value)))
        self._close()

    def _tell(self, delivery: Delivery) -> None:
        if not self.told:
            self.told = True
            self.answer.callback(delivery)

    def _close(self) -> None:
        if self._timer and self._timer.active():
            self._timer.cancel()
        if not self.closed.called:
            self.closed.callback(None)
