"""Syslog over TLS (RFC 5425), as a client: octet counting, and no acknowledgement but TCP's.

Nothing in this protocol says that a server has a message. What counts as delivered here is that the server's kernel has
acknowledged every octet of it while the connection stood (SIOCOUTQ is 0, tcp(7)), which is more than a successful
write, and less than that the server has read it: one that is killed takes along what lies in its kernel. Use RELP where
that matters.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPullProducer
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.outgoing.destination import Destination, Link
from gateway.outgoing.endpoint import failure_words
from gateway.outgoing.parcel import Parcel

SETTLING = 1.0
"""Seconds before the first message: in TLS 1.3 a server that refuses our certificate says so only after the handshake
is complete for us (RFC 8446 section 4.4.2.4), and would take what we sent meanwhile down with it."""

BATCH_MESSAGES, BATCH_OCTETS = 500, 256 * 1024
"""What is written at a time; the next batch waits until this one is acknowledged."""

FIRST_LOOK, LONGEST_LOOK = 0.002, 0.1
"""Seconds between two looks at what the kernel still holds."""


def unacknowledged(transport: Any) -> int:
    """Return how many octets the kernel has that the peer's kernel has not acknowledged; 0 for what is no TCP."""
    handle: Any = getattr(transport, "getHandle", lambda: None)()
    if not hasattr(handle, "fileno"):
        return 0
    octets: int = struct.unpack("i", fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return octets


@implementer(IPullProducer)
class SyslogTlsLink(Link):
    """One connection. It asks the transport below TLS to be told when it has written all, by being its producer."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._batch: list[Parcel] = []
        self._settled = False
        self._call: IDelayedCall | None = None
        self._registering = False
        self._below: Any = None

    def connectionMade(self) -> None:
        """Wait a little before the first message."""
        transport: Any = self.transport
        self._below = transport.transport if isinstance(transport, TLSMemoryBIOProtocol) else transport
        self._call = self._destination.clock.callLater(SETTLING, self._settle)

    def _settle(self) -> None:
        self._call = None
        self._settled = True
        self._destination.ready(self)

    def push(self) -> None:
        """Write the next batch, unless one is still on its way."""
        if not self._settled or self._batch:
            return
        self._batch = self._destination.take(BATCH_MESSAGES, BATCH_OCTETS)
        if not self._batch:
            return
        frames = b"".join(b"%d %b" % (len(parcel.message), parcel.message) for parcel in self._batch)
        transport: Any = self.transport
        transport.write(frames)
        self._registering = True  # registerProducer asks at once, when nothing is written yet
        self._below.registerProducer(self, False)
        self._registering = False

    def resumeProducing(self) -> None:
        """Take note that the kernel has all that was written."""
        if self._registering:
            return
        self._below.unregisterProducer()
        self._look(FIRST_LOOK)

    def stopProducing(self) -> None:
        """Take note that the connection is over; `connectionLost` comes with the reason."""

    def _look(self, wait: float) -> None:
        self._call = None
        try:
            left = unacknowledged(self._below)
        except OSError:  # the socket is closed already
            return
        if left:
            self._call = self._destination.clock.callLater(wait, self._look, min(2 * wait, LONGEST_LOOK))
            return
        batch, self._batch = self._batch, []
        server = self._destination.settings.server
        for parcel in batch:
            parcel.delivered(f"{server} has it as far as TCP knows; syslog over TLS acknowledges nothing")
        self.push()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give back what the server may not have."""
        if self._call:
            self._call.cancel()
            self._call = None
        batch, self._batch = self._batch, []
        self._destination.lost(self, failure_words(reason.value), batch)
