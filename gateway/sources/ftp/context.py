"""What the connections of one FTP listener share."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTCP, IReactorTime

from gateway.drop.visit import Logins
from gateway.drop_source_config import FtpSource
from gateway.handshakes import HalfHandshakes
from gateway.notice import Notify


class Reactor(IReactorTCP, IReactorTime):
    """What FTP needs of a reactor."""


@dataclass(frozen=True, slots=True)
class FtpContext:
    """What a connection works with; durations are seconds.

    Attributes:
        tls: returns the TLS context of a new connection; None: there is no TLS here.
        now: the wall clock.
        idle: how long a client may be silent between commands, or in the middle of a transfer.
        tries: wrong passwords, after which the connection is closed.
    """

    source: FtpSource
    tls: Callable[[], ssl.SSLContext] | None
    logins: Logins
    reactor: Reactor
    notify: Notify
    now: Callable[[], float]
    idle: float
    handshake_timeout: float
    half: HalfHandshakes
    tries: int
