"""RELP as a client: a message is delivered when the server answers 200.

What has no answer when a connection ends is sent again over the next, so that a server may see a message twice, as RELP
has it. A server that withholds its answers stops us at the window.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from gateway.outgoing.destination import Destination, Link
from gateway.outgoing.endpoint import failure_words
from gateway.outgoing.parcel import Parcel
from parsers.errors import RemoteError
from parsers.framing.relp_client import Acknowledged, Closed, Opened, Rejected, RelpClient

OPEN_TIMEOUT = 10.0
"""Seconds until a server must have answered `open`: one that speaks something else may wait for us to go on."""

BATCH_OCTETS = 256 * 1024
"""Octets that are written at a time."""


class RelpLink(Link):
    """One connection."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._session: RelpClient[Parcel] = RelpClient()
        self._late: IDelayedCall | None = None
        self._problem: str | None = None

    def connectionMade(self) -> None:
        """Open the session."""
        self._write(self._session.open())
        self._late = self._destination.clock.callLater(OPEN_TIMEOUT, self._not_opened)

    def push(self) -> None:
        """Send as many messages as the window has room for."""
        while room := self._session.room:
            parcels = self._destination.take(room, BATCH_OCTETS)
            if not parcels:
                return
            self._write(b"".join(self._session.send(parcel, parcel.message) for parcel in parcels))

    def close(self) -> None:
        """End the session."""
        self._write(self._session.close())

    def dataReceived(self, data: bytes) -> None:
        """Take answers."""
        try:
            told = self._session.feed(data)
        except RemoteError as error:
            self._give_up(str(error))
            return
        server = self._destination.settings.server
        for each in told:
            match each:
                case Opened():
                    self._stop_waiting()
                    self._destination.ready(self)
                case Acknowledged(message=parcel):
                    parcel.delivered(f"{server} has acknowledged it")
                case Rejected(message=parcel, words=words):
                    # No server says 500 for the message's sake alone: rsyslog's does when it cannot go on.
                    parcel.rejected(f"{self._destination.settings.name} ({server}): it answers {words}")
                case Closed():
                    self._problem = "the server ended the session"
                    self._transport.loseConnection()
                    return
        if self._session.exhausted:
            self._problem = "the session's numbers are used up"
            self.close()
            self._transport.loseConnection()
        elif told:
            self.push()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give back what has no answer."""
        self._stop_waiting()
        self._destination.lost(self, self._problem or failure_words(reason.value), self._session.waiting)

    def _not_opened(self) -> None:
        self._late = None
        self._give_up(f"no answer to RELP's open within {OPEN_TIMEOUT:g} s; does the server speak RELP there?")

    def _give_up(self, words: str) -> None:
        self._problem = words
        self._transport.abortConnection()

    def _stop_waiting(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None

    @property
    def _transport(self) -> Any:
        return self.transport

    def _write(self, data: bytes) -> None:
        if data:
            self._transport.write(data)
