"""The RELP senders, a process of its own: many connections, a window each, until everything is acknowledged."""

from __future__ import annotations

import argparse
import select
import socket

from bench.generate import block

OFFERS = b"relp_version=0\nrelp_software=bench,1,-\ncommands=syslog"
OK = b" rsp 6 200 OK\n"
"""How imrelp and the gateway answer a message; an answer in other words would never be counted."""
SILENCE = 60.0
"""Seconds without an answer after which it gives up."""


class Session:
    """One connection; its messages are numbered from transaction 2 on, so that all sessions send the same octets."""

    def __init__(self, port: int, data: memoryview, bounds: list[int], window: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data, self._bounds, self._window = data, bounds, window
        self._sent = self._answered = 0
        self._rest = b""
        self.socket.sendall(b"1 open %d %s\n" % (len(OFFERS), OFFERS))
        reply = b""
        while not reply.endswith(b"\n") or b"commands=" not in reply:
            reply += self._receive()
        if b" rsp " not in reply or b"200" not in reply:
            raise SystemExit(f"the session was refused: {reply!r}")

    def _receive(self) -> bytes:
        octets = self.socket.recv(1 << 16)
        if not octets:
            raise SystemExit("the receiver closed the connection")
        return octets

    @property
    def done(self) -> bool:
        """Whether everything is acknowledged."""
        return self._answered == len(self._bounds) - 1

    def send(self) -> None:
        """Fill the window."""
        top = min(self._answered + self._window, len(self._bounds) - 1)
        if top > self._sent:
            self.socket.sendall(self._data[self._bounds[self._sent] : self._bounds[top]])
            self._sent = top

    def receive(self) -> None:
        """Count the answers."""
        octets = self._rest + self._receive()
        self._answered += octets.count(OK)
        self._rest = octets[octets.rfind(b"\n") + 1 :]


def main() -> None:
    """Send, and end when all is acknowledged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("messages", type=int, help="of each connection")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--share", type=float, required=True, help="of interesting messages")
    arguments = parser.parse_args()
    texts = block(share=arguments.share)
    frames, bounds = [], [0]
    for number in range(arguments.messages):
        text = texts[number % len(texts)]
        frames.append(b"%d syslog %d %s\n" % (number + 2, len(text), text))
        bounds.append(bounds[-1] + len(frames[-1]))
    data = memoryview(b"".join(frames))
    sessions = {
        session.socket.fileno(): session
        for session in (Session(arguments.port, data, bounds, arguments.window) for _ in range(arguments.connections))
    }
    poll = select.poll()
    for descriptor, session in sessions.items():
        poll.register(descriptor, select.POLLIN)
        session.send()
    while sessions:
        ready = poll.poll(SILENCE * 1000)
        if not ready:
            raise SystemExit(f"no answer within {SILENCE:g} s on {len(sessions)} connections")
        for descriptor, _ in ready:
            session = sessions[descriptor]
            session.receive()
            session.send()
            if session.done:
                poll.unregister(descriptor)
                del sessions[descriptor]
                session.socket.sendall(b"%d close 0\n" % (arguments.messages + 2))


if __name__ == "__main__":
    main()
