"""A RELP client that keeps books: which messages were acknowledged, and which had to be repeated.

It does what omrelp does: `open` with TXNR 1, at most `window` messages without an answer, and after a cut connection
everything that was not acknowledged once more. Answers come in the order of the messages, so that the acknowledged ones
are always the first ones. Plain sockets and the standard library; run it as a program for many senders at once:

    python -m tests.end_to_end.relp_client PORT --senders 50 --count 100000 --report acknowledged.json
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

WINDOW = 128
"""Messages without an answer that librelp allows itself."""

LAST_TXNR = 999_999_999
"""Then comes 1 again."""

OFFERS = b"relp_version=0\nrelp_software=test\ncommands=syslog"

_ANSWER = re.compile(rb"([0-9]{1,9}) (rsp|serverclose) ([0-9]{1,9})(?: |(?=\n))")
_OK = b"200 OK"


class RelpError(ConnectionError):
    """The server answered other than it must: one of us broke the protocol."""


class RelpSession:
    """One connection: sends and reads, and knows which transaction each answer must be for.

    Args:
        connection: connected; its timeout is how long an answer may take.

    Attributes:
        waiting: how many messages have no answer yet.
        closed: the server said `serverclose`, or nothing more will come.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Take a connected socket."""
        self.connection = connection
        self.waiting = 0
        self.closed = False
        self._next = 1
        self._answered = 1  # the transaction whose answer comes next
        self._received = b""

    def open(self, offers: bytes = OFFERS) -> bytes:
        """Open the session; returns the server's offers.

        Raises:
            RelpError: it does not want us.
        """
        self.connection.sendall(self.frame(b"open", offers))
        answer = self._wait_for_answer()
        if not answer.startswith(_OK):
            raise RelpError(f"open: {answer!r}")
        return answer.partition(b"\n")[2]

    def frame(self, command: bytes, data: bytes) -> bytes:
        """Render a command with the next transaction number."""
        number = self._next
        self._next = number + 1 if number < LAST_TXNR else 1
        if not data:
            return b"%d %b 0\n" % (number, command)
        return b"%d %b %d %b\n" % (number, command, len(data), data)

    def send(self, messages: Iterable[bytes]) -> int:
        """Send messages in one piece, without looking at the window; returns how many."""
        frames = [self.frame(b"syslog", message) for message in messages]
        self.waiting += len(frames)
        self.connection.sendall(b"".join(frames))
        return len(frames)

    def receive(self) -> int:
        """Read once; returns how many messages were acknowledged by that, 0 when the connection is over.

        Raises:
            RelpError: an answer is not 200, or not for the transaction whose turn it is.
            TimeoutError: nothing came.
        """
        self._read()
        acknowledged = 0
        while (answer := self._answer()) is not None:
            if answer != _OK:
                raise RelpError(f"answer {answer!r} to a message")
            acknowledged += 1
        self.waiting -= acknowledged
        return acknowledged

    def acknowledge(self, number: int) -> int:
        """Read until so many more messages are acknowledged, or the connection is over; returns how many were."""
        acknowledged = 0
        while acknowledged < number and not self.closed:
            acknowledged += self.receive()
        return acknowledged

    def close(self) -> bool:
        """End in good order when all is answered; tells whether the server answered `close` and said `serverclose`."""
        self.connection.sendall(self.frame(b"close", b""))
        answer = self._wait_for_answer()
        while not self.closed and self._answer() is None:
            self._read()
        self.connection.close()
        return answer == b""

    def _wait_for_answer(self) -> bytes:
        while (answer := self._answer()) is None:
            if self.closed:
                raise ConnectionError("the server closed the session")
            self._read()
        return answer

    def _read(self) -> None:
        data = self.connection.recv(65536)
        self._received += data
        if not data:
            self.closed = True

    def _answer(self) -> bytes | None:
        """Return the next answer's data; None when it is not whole yet, or is the server's goodbye."""
        head = _ANSWER.match(self._received)
        if head is None:
            if len(self._received) > 64:
                raise RelpError(f"no answer of RELP: {self._received[:64]!r}")
            return None
        stop = head.end() + int(head[3])
        if len(self._received) <= stop:
            return None
        if self._received[stop] != 0x0A:
            raise RelpError(f"an answer does not end: {self._received[:64]!r}")
        data, self._received = self._received[head.end() : stop], self._received[stop + 1 :]
        if head[2] == b"serverclose":
            self.closed = True
            return None
        if int(head[1]) != self._answered:
            raise RelpError(f"answer to transaction {int(head[1])}, where that of {self._answered} was due")
        self._answered = self._answered + 1 if self._answered < LAST_TXNR else 1
        return data


class RelpClient:
    """One sender, over as many connections as it takes; what was not acknowledged is repeated.

    Args:
        port: of 127.0.0.1, unless `host` says otherwise.
        window: messages without an answer.
        tls: a client's context; the server's certificate must name `server`.
        patience: seconds that an answer may take, and that the server may be away.
        rate: messages per second, None for as many as the server takes.

    Attributes:
        acknowledged: how many messages were acknowledged; they are the first ones.
        sent: how many were sent, repeats included.
        repeated: how many were sent again.
        connections: how many sessions were opened.
        closed_by_server: how many of them ended with `serverclose`.
    """

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        window: int = WINDOW,
        tls: ssl.SSLContext | None = None,
        server: str = "localhost",
        patience: float = 20.0,
        rate: float | None = None,
        on_acknowledged: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare; `send` connects. `on_acknowledged` gets `acknowledged` each time it has grown."""
        self.address = host, port
        self.window = window
        self.patience = patience
        self.rate = rate
        self.acknowledged = self.sent = self.repeated = self.connections = self.closed_by_server = 0
        self._tls = tls
        self._server = server
        self._on_acknowledged = on_acknowledged
        self._session: RelpSession | None = None
        self._unanswered: list[bytes] = []
        self._begun = 0.0
        self._paced = 0

    def send(self, messages: Iterable[bytes], stop: threading.Event | None = None) -> int:
        """Send all messages, until each is acknowledged or `stop` is set; returns `acknowledged`.

        Raises:
            RelpError: the server broke the protocol.
            TimeoutError: it was away, or did not answer, for `patience` seconds.
        """
        source = iter(messages)
        self._begun, self._paced = time.monotonic(), 0
        while not (stop and stop.is_set()):
            try:
                if self._session is None:
                    self._connect()
                if not self._step(source):
                    break
            except (RelpError, TimeoutError):
                self.cut()
                raise
            except OSError:
                self.cut()
        return self.acknowledged

    def close(self) -> bool:
        """Wait for the answers that are due, then end in good order; tells whether the server did its part."""
        while self._session is not None and self._unanswered:
            self._receive(self._session)
        session, self._session = self._session, None
        return session.close() if session is not None else not self._unanswered

    def cut(self) -> None:
        """End the connection without a word."""
        session, self._session = self._session, None
        if session is not None:
            self.closed_by_server += session.closed
            session.connection.close()

    def connect(self) -> RelpSession:
        """Open one session; the caller has it for itself."""
        connection = socket.create_connection(self.address, timeout=self.patience)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_hostname=self._server)
        session = RelpSession(connection)
        try:
            session.open()
        except BaseException:
            connection.close()
            raise
        return session

    def _connect(self) -> None:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                session = self.connect()
                break
            except (RelpError, ssl.SSLCertVerificationError):
                raise
            except OSError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no session for {self.patience:g} s: {error}") from error
                time.sleep(0.02)
        self._session = session
        self.connections += 1
        self.repeated += len(self._unanswered)
        self.sent += session.send(self._unanswered)

    def _step(self, source: Iterator[bytes]) -> bool:
        """Fill the window, take what answers there are; False when all is acknowledged."""
        session = self._session
        assert session is not None
        fresh = list(itertools.islice(source, self._room()))
        if fresh:
            self._unanswered += fresh  # before it is sent, for what is sent may arrive although the connection breaks
            self._paced += len(fresh)
            self.sent += session.send(fresh)
        elif not self._unanswered:
            return self.rate is not None and self._room() == 0
        self._receive(session)
        return True

    def _receive(self, session: RelpSession) -> None:
        count = session.receive()
        if count:
            del self._unanswered[:count]
            self.acknowledged += count
            if self._on_acknowledged is not None:
                self._on_acknowledged(self.acknowledged)
        if session.closed:
            self.cut()

    def _room(self) -> int:
        room = self.window - len(self._unanswered)
        if self.rate is None:
            return room
        due = int((time.monotonic() - self._begun) * self.rate) + 1 - self._paced
        if due <= 0 and not self._unanswered:
            time.sleep(min(1 / self.rate, 0.005))
        return max(0, min(room, due))


def numbered(sender: int, count: int, template: str) -> Iterator[bytes]:
    """Yield messages; `{sender}` and `{number}` in the template make each one unlike all others."""
    before, _, after = template.replace("{sender}", str(sender)).partition("{number}")
    head, tail = before.encode(), after.encode()
    return (b"%b%d%b" % (head, number, tail) for number in range(count))


TEMPLATE = (
    "<38>1 2026-06-15T12:00:00.000000Z client{sender} app {sender} - - message number={number} of sender={sender}"
)


def send_all(clients: list[RelpClient], messages: Callable[[int], Iterable[bytes]], stop: threading.Event) -> list[str]:
    """Let all clients send at once, each in a thread; returns what went wrong."""
    problems: list[str] = []

    def work(number: int, client: RelpClient) -> None:
        try:
            client.send(messages(number), stop)
            if not stop.is_set():
                client.close()
        except OSError as error:
            problems.append(f"sender {number}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=item, daemon=True) for item in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def main() -> int:
    """Send, then write one JSON object; 0 when everything was acknowledged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--senders", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000, help="messages of each sender")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--window", type=int, default=WINDOW)
    parser.add_argument("--rate", type=float, help="messages per second of each sender")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds to wait for an answer or for the server")
    parser.add_argument("--template", default=TEMPLATE, help="a message, with {sender} and {number}")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="that holds ca.pem, client.pem and client.key")
    parser.add_argument("--report", type=Path, metavar="FILE", help="default: standard output")
    arguments = parser.parse_args()
    tls = None
    if arguments.tls:
        tls = ssl.create_default_context(cafile=arguments.tls / "ca.pem")
        tls.load_cert_chain(arguments.tls / "client.pem", arguments.tls / "client.key")
    clients = [
        RelpClient(
            arguments.port,
            host=arguments.host,
            window=arguments.window,
            tls=tls,
            patience=arguments.patience,
            rate=arguments.rate,
        )
        for _ in range(arguments.senders)
    ]
    stop = threading.Event()
    if arguments.seconds:
        timer = threading.Timer(arguments.seconds, stop.set)
        timer.daemon = True
        timer.start()
    begun = time.monotonic()
    problems = send_all(clients, lambda number: numbered(number, arguments.count, arguments.template), stop)
    report = {
        "seconds": time.monotonic() - begun,
        "acknowledged": [client.acknowledged for client in clients],
        "sent": [client.sent for client in clients],
        "repeated": sum(client.repeated for client in clients),
        "connections": sum(client.connections for client in clients),
        "problems": problems,
    }
    text = json.dumps(report)
    if arguments.report:
        arguments.report.write_text(text)
    else:
        sys.stdout.write(f"{text}\n")
    complete = all(client.acknowledged == arguments.count for client in clients)
    return 0 if complete and not problems else 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
