"""What an FTP listener is made of."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from gateway.drop.visit import Logins
from gateway.drop_source_config import FtpSource
from gateway.handshakes import HalfHandshakes
from gateway.notice import Notify
from gateway.sources.ftp.context import FtpContext, Reactor
from gateway.sources.ftp.control import ControlConnection
from gateway.sources.ftp.starttls import StartTLS


class FtpFactory(Factory):
    """Makes the connections of one listener; its attributes may be replaced, for those to come.

    Attributes:
        context: returns the TLS context of a new connection, made with `clients=False`; None: there is no TLS.
        logins: lets clients in.
        now: the wall clock.
        idle: seconds that a client may be silent, between commands or within a transfer.
        handshake_timeout: seconds for a TLS handshake; six times as many for the login.
        half: counts the handshakes under way.
        tries: wrong passwords, after which a connection is closed.
    """

    noisy = False

    def __init__(
        self,
        source: FtpSource,
        context: Callable[[], ssl.SSLContext] | None,
        logins: Logins,
        reactor: Reactor,
        notify: Notify,
        now: Callable[[], float],
        *,
        idle: float,
        handshake_timeout: float,
        half: HalfHandshakes,
        tries: int,
    ) -> None:
        self.source = source
        self.context = context
        self.logins = logins
        self.reactor = reactor
        self.notify = notify
        self.now = now
        self.idle = idle
        self.handshake_timeout = handshake_timeout
        self.half = half
        self.tries = tries

    def buildProtocol(self, addr: IAddress | None) -> StartTLS:  # noqa: ARG002 -- the transport knows
        """Make one."""
        context = FtpContext(
            self.source,
            self.context,
            self.logins,
            self.reactor,
            self.notify,
            self.now,
            self.idle,
            self.handshake_timeout,
            self.half,
            self.tries,
        )
        return StartTLS(lambda secure: ControlConnection(context, secure), context)
