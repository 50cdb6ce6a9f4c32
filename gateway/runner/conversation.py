"""The runner's end of the connection to the gateway: requests come in, replies go out."""

from __future__ import annotations

import selectors
import socket
import sys
from collections.abc import Callable

from gateway.runner.protocol import Lines, ProtocolError, Reply, Request, read_request, reply_line

MAX_UNSENT = 8 * 1024 * 1024
"""Octets of replies that the gateway has not taken; above it no requests are read."""

WRITE_SIZE = 256 * 1024
"""Octets of one write: about what a unix socket takes at a time."""


class Conversation:
    """Reads requests and hands them to `obey`; `ended` is called once when no more will come."""

    def __init__(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        obey: Callable[[Request], None],
        ended: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._selector = selector
        self._obey = obey
        self._ended = ended
        self._lines = Lines()
        self._unsent = bytearray()
        self._reading = True
        self._watched = 0
        self.blocked = False
        """The gateway has not taken all that was said; `watch` sees to it that it is tried again."""

    def tell(self, reply: Reply) -> None:
        """Say something with the next `flush`."""
        self._unsent += reply_line(reply)

    def flush(self) -> None:
        """Send what the gateway takes now."""
        self.blocked = False
        while self._unsent:
            try:
                sent = self._connection.send(bytes(self._unsent[:WRITE_SIZE]))
            except BlockingIOError:
                self.blocked = True
                return
            except OSError:  # the gateway is gone; the end of its requests says so too
                self._unsent.clear()
                return
            del self._unsent[:sent]

    def watch(self) -> None:
        """Ask the selector for what there is to do now."""
        wanted = selectors.EVENT_WRITE if self._unsent else 0
        if self._reading and len(self._unsent) < MAX_UNSENT:
            wanted |= selectors.EVENT_READ
        if wanted == self._watched:
            return
        if not self._watched:
            self._selector.register(self._connection, wanted, self._go_on)
        elif wanted:
            self._selector.modify(self._connection, wanted, self._go_on)
        else:
            self._selector.unregister(self._connection)
        self._watched = wanted

    def _go_on(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self.flush()
        if mask & selectors.EVENT_READ:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._connection.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            for line in self._lines.feed(data):
                self._obey(read_request(line))
        except ProtocolError as error:
            sys.stderr.write(f"the gateway sent what it should not: {error}\n")
            data = b""
        if not data:
            self._reading = False
            self._ended()
