"""All that leaves over the network: performs `mail` and `forward` steps, and follows a configuration that changes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime

from gateway import clock
from gateway.notice import Notify
from gateway.outgoing.destination import Destination
from gateway.outgoing.mail import SmtpMailer
from gateway.outgoing.message import forwarded
from gateway.outgoing.relp import RelpLink
from gateway.outgoing.syslog_tls import SyslogTlsLink
from gateway.outgoing.tls import client_context
from gateway.outgoing_config import (
    DestinationSettings,
    MailSettings,
    RelpDestination,
    SmtpSettings,
    read_password,
)
from parsers.errors import OperatorError
from rules.job import Attempt
from rules.outcome import Ending, Outcome
from rules.step import Forward, Mail


class Outgoing(Service):
    """Mail to a server, and messages to destinations.

    Args:
        reactor: provides time and connections.
        mail: how mail goes out.
        destinations: where `forward` can send to.
        notify: told when a destination can be sent to, and when not.
        hostname: this machine's name.
        now: the wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        mail: MailSettings,
        destinations: Iterable[DestinationSettings],
        notify: Notify,
        *,
        hostname: str | None = None,
        now: Callable[[], float] = clock.now,
    ) -> None:
        self._reactor = reactor
        self._notify = notify
        self._hostname = hostname or socket.gethostname()
        self._now = now
        self._mailer: SmtpMailer | None = None
        self._destinations: dict[str, Destination] = {}
        self.follow(mail, destinations)

    def perform(self, step: Mail | Forward, attempt: Attempt) -> Deferred[Outcome]:
        """Perform one attempt at a step; fires with the outcome, whatever happens. To cancel the Deferred gives it up.

        Mail that goes to the local sendmail is not for here but for the runner.
        """
        if isinstance(step, Mail):
            if self._mailer is None:
                return succeed(_refused(attempt, "mail goes to sendmail, which the runner starts (mail:)"))
            return self._mailer.send(step, attempt)
        destination = self._destinations.get(step.destination)
        if destination is None:
            return succeed(_refused(attempt, f"there is no destination {step.destination} (destinations:)"))
        return destination.send(forwarded(attempt.event, self._hostname), attempt.id)

    def follow(self, mail: MailSettings, destinations: Iterable[DestinationSettings]) -> Deferred[None]:
        """Take other settings: connections whose settings are the same stay, others are closed, new ones are made.

        Fires when those that are gone are closed. What waited for them fails and asks for another try.
        """
        wanted = {settings.name: settings for settings in destinations}
        gone = [name for name, destination in self._destinations.items() if wanted.get(name) != destination.settings]
        closed = [self._close(self._destinations.pop(name)) for name in gone]
        for name in wanted.keys() - self._destinations.keys():
            destination = self._destinations[name] = self._open(wanted[name])
            if self.running:
                destination.startService()
        if self._mailer is None or self._mailer.settings != mail:
            # a mailer that is let go ends what it has begun by itself
            self._mailer = self._make_mailer(mail) if isinstance(mail, SmtpSettings) else None
        return gatherResults(closed).addCallback(lambda _: None)

    def startService(self) -> None:
        """Connect to the destinations."""
        super().startService()  # type: ignore[no-untyped-call]
        for destination in self._destinations.values():
            destination.startService()

    def stopService(self) -> Deferred[None]:
        """Give up what waits, and close all connections; fires when they are closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._mailer:
            self._mailer.stop()
        closed = [self._close(destination) for destination in self._destinations.values()]
        return gatherResults(closed).addCallback(lambda _: None)

    def _open(self, settings: DestinationSettings) -> Destination:
        kind = RelpLink if isinstance(settings, RelpDestination) else SyslogTlsLink
        return Destination(settings, kind, self._reactor, self._notify)

    def _make_mailer(self, settings: SmtpSettings) -> SmtpMailer:
        return SmtpMailer(settings, self._reactor, hostname=self._hostname, now=self._now)

    def _close(self, destination: Destination) -> Deferred[None]:
        return destination.stopService() if destination.running else succeed(None)


def _refused(attempt: Attempt, words: str) -> Outcome:
    return Outcome(attempt.id, Ending.REFUSED, error=words)


def flaws(mail: MailSettings, destinations: Iterable[DestinationSettings]) -> Iterator[OperatorError]:
    """Yield what would make every mail or every message fail, as far as this machine can tell."""
    named: list[tuple[str, SmtpSettings | DestinationSettings]] = [(each.name, each) for each in destinations]
    if isinstance(mail, SmtpSettings):
        named.append(("mail", mail))
    for name, settings in named:
        try:
            if settings.tls:
                client_context(settings.tls)
            if isinstance(settings, SmtpSettings) and settings.login:
                read_password(settings.login[1])
        except OperatorError as error:
            yield OperatorError(f"{name}: {error}", settings.place)
