"""RELP for batteries: frames taken apart, a client that knows what was acknowledged, and a witness between two others.

Messages are numbered from 1 for each client, so that "acknowledged" is one number or a set of them, and the journal can
be asked for every single one.
"""

from __future__ import annotations

import random
import re
import select
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

OFFERS = b"\nrelp_version=0\nrelp_software=battery,1,-\ncommands=syslog"
CONNECT_PAUSE = 0.02
"""Seconds between two tries to connect: shorter than a gateway's start."""
TIMEOUT = 30.0
"""Seconds of silence while answers are due, after which a connection is given up."""
WINDOW = 128
"""Unacknowledged messages: librelp's window."""

MESSAGE = re.compile(rb"\b([a-z]+\d*) (\d+) (act|keep)\b")
"""Client, number and kind within a message: `act` is one that starts a task."""

KEEPS: dict[str, object] = {
    "rule": "keeps",
    "match": {"message": {"regex": r"^ ?[a-z]+\d* \d+ (act|keep)\b"}},
    "do": None,
}
"""A rule that wants every message of these clients and does nothing."""

ACTS = r"^ ?[a-z]+\d* \d+ act\b"
"""The expression of a rule for the messages that start a task."""


def text(client: str, number: int, act_every: int, filler: str = "") -> str:
    """Return the text of a client's message."""
    return f"{client} {number} {'act' if number % act_every == 0 else 'keep'} {filler}"


def frame(txnr: int, command: bytes, data: bytes) -> bytes:
    """Make one RELP frame."""
    return b"%d %s %d %s\n" % (txnr, command, len(data), data) if data else b"%d %s 0\n" % (txnr, command)


def take_frames(buffer: bytearray) -> list[tuple[int, bytes, bytes]]:
    """Take the whole frames out of the buffer: transaction number, command and data.

    Raises:
        ValueError: this is no RELP.
    """
    found: list[tuple[int, bytes, bytes]] = []
    while True:
        head = re.match(rb"(\d{1,9}) ([a-z]{1,32}) (\d{1,9})( |\n)", buffer)
        if head is None:
            if len(buffer) > 55:
                raise ValueError(f"no RELP frame: {bytes(buffer[:60])!r}")
            return found
        length = int(head[3])
        stop = head.end() + length
        if head[4] == b"\n":
            stop -= 1  # no data: the newline is the frame's last octet
        if len(buffer) < stop + 1:
            return found
        found.append((int(head[1]), head[2], bytes(buffer[head.end() : stop])))
        del buffer[: stop + 1]


class Sender(threading.Thread):
    """A RELP client that sends numbered messages until it is told to finish, whatever happens to the other side.

    Args:
        port: of 127.0.0.1.
        name: the client's name in its messages: letters, then digits.
        rate: messages a second at most.
        window: unacknowledged messages at most.
        act_every: each so manyth message starts a task.
        filler: octets of padding at most; how many is left to chance.
        seed: of that chance.
    """

    def __init__(
        self,
        port: int,
        name: str,
        *,
        rate: float = 2000.0,
        window: int = WINDOW,
        act_every: int = 50,
        filler: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.sent = 0
        """The highest number that was ever sent."""
        self.acknowledged = 0
        """All up to this number were acknowledged: answers come in order."""
        self.repeated = 0
        """Messages sent again, for their answers had not come."""
        self.connections = 0
        self.problems: list[str] = []
        """Answers that are none, or refuse a message."""
        self.slowest = 0.0
        """Seconds that the slowest answer took on a connection that stayed."""
        self._port, self._rate, self._window, self._act_every = port, rate, window, act_every
        self._filler = ["x" * random.Random(seed + n).randrange(filler + 1) for n in range(64)]
        self._last: int | None = None
        self._quit = False

    def finish(self, seconds: float = 60.0) -> bool:
        """Send no new messages, and wait until all are acknowledged; tell whether they were."""
        self._last = self.sent
        self.join(seconds)
        self._quit = True
        self.join(5)
        return self.acknowledged >= self._last

    def run(self) -> None:
        """Connect again and again."""
        self._begun, self._paced = time.monotonic(), 0
        while not self._done():
            try:
                with socket.create_connection(("127.0.0.1", self._port), 2) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.connections += 1
                    self._converse(connection)
            except OSError:
                time.sleep(CONNECT_PAUSE)
            except ValueError as error:
                self.problems.append(str(error))
                return

    def _done(self) -> bool:
        return self._quit or (self._last is not None and self.acknowledged >= self._last)

    def _converse(self, connection: socket.socket) -> None:
        """Open a session, repeat what was not acknowledged, and go on."""
        connection.settimeout(TIMEOUT)
        connection.sendall(frame(1, b"open", OFFERS[1:]))
        buffer = bytearray()
        self._answers(connection, buffer, 1)
        base = self.acknowledged - 1  # transaction 2 is the first message that is not acknowledged
        number = self.acknowledged + 1
        self.repeated += max(0, self.sent - self.acknowledged)
        due: dict[int, float] = {}
        while not self._done():
            now = time.monotonic()
            allowed = self._paced + int((now - self._begun) * self._rate)
            top = min(self.acknowledged + self._window, max(allowed, self.sent), self._last or 1 << 60)
            if number <= top:
                batch = range(number, top + 1)
                self.sent = max(self.sent, top)
                connection.sendall(b"".join(frame(n - base, b"syslog", self._message(n)) for n in batch))
                due.update(dict.fromkeys(batch, now))
                number = top + 1
            if number > self.acknowledged + 1:
                if self._answers(connection, buffer, 0, base, due, wait=0.002):
                    continue
            else:
                time.sleep(0.001)
        with suppress(OSError):
            connection.sendall(frame(number - base, b"close", b""))

    def _answers(
        self,
        connection: socket.socket,
        buffer: bytearray,
        opening: int,
        base: int = 0,
        due: dict[int, float] | None = None,
        wait: float = TIMEOUT,
    ) -> bool:
        """Read answers; tell whether there were any.

        Raises:
            OSError: the connection is gone.
            ValueError: an answer is wrong.
        """
        if not opening and not select.select([connection], [], [], wait)[0]:
            if due and time.monotonic() - min(due.values()) > TIMEOUT:
                raise ValueError(f"{self.name}: no answer within {TIMEOUT:g} s")
            return False
        while True:
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("closed by the other side")
            buffer += data
            answers = take_frames(buffer)
            now = time.monotonic()
            for txnr, command, body in answers:
                if command == b"serverclose":
                    raise ConnectionError("closed in order")
                if command != b"rsp" or not body.startswith(b"200"):
                    raise ValueError(f"{self.name}: answered {txnr} {command!r} {body[:60]!r}")
                if opening:
                    return True
                number = txnr + base
                if number != self.acknowledged + 1:
                    raise ValueError(f"{self.name}: {number} was acknowledged after {self.acknowledged}")
                if due is not None:
                    self.slowest = max(self.slowest, now - due.pop(number))
                self.acknowledged = number
            if answers:
                return True

    def _message(self, number: int) -> bytes:
        filler = self._filler[number % len(self._filler)]
        return f"<14>1 - {self.name} battery - - - {text(self.name, number, self._act_every, filler)}".encode()


class Witness(threading.Thread):
    """Stands between a RELP client and the gateway, passes everything on, and takes down what was acknowledged.

    It is gone for the client when the gateway is gone: a connection that cannot be passed on is closed.
    """

    def __init__(self, port: int) -> None:
        super().__init__(name="witness", daemon=True)
        self.acknowledged: set[tuple[bytes, int, bytes]] = set()
        """Client, number and kind of each message that got its answer."""
        self.answers = 0
        self.refused: list[bytes] = []
        """Answers other than 200."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        """Take connections, each in a thread of its own."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError, ValueError), socket.create_connection(("127.0.0.1", self._target), 1) as server:
            asked: dict[int, bytes] = {}
            buffers = {client: bytearray(), server: bytearray()}
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    buffers[ready] += data
                    for txnr, command, body in take_frames(buffers[ready]):
                        if command == b"syslog":
                            asked[txnr] = body
                        elif command == b"rsp" and txnr in asked:
                            self._take_down(asked.pop(txnr), body)
                    (server if ready is client else client).sendall(data)

    def _take_down(self, message: bytes, answer: bytes) -> None:
        if not answer.startswith(b"200"):
            self.refused.append(answer[:80])
            return
        if match := MESSAGE.search(message):
            self.acknowledged.add((match[1], int(match[2]), match[3]))
            self.answers += 1


def numbers_of(frames: Iterable[bytes]) -> dict[tuple[bytes, int], int]:
    """Count how often each client's message is there."""
    counts: dict[tuple[bytes, int], int] = {}
    for octets in frames:
        if match := MESSAGE.search(octets):
            key = match[1], int(match[2])
            counts[key] = counts.get(key, 0) + 1
    return counts


class Client:
    """A RELP client for a few messages of any text: each call returns when they are acknowledged."""

    def __init__(self, port: int, seconds: float = TIMEOUT) -> None:
        """Connect and open a session."""
        self._connection = socket.create_connection(("127.0.0.1", port), seconds)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._txnr = 1
        self._connection.sendall(frame(1, b"open", OFFERS[1:]))
        self._take(1)

    def send(self, *texts: str) -> float:
        """Send messages; return the seconds until all were acknowledged.

        Raises:
            OSError: the connection is gone, or there was no answer in time.
            ValueError: an answer is wrong.
        """
        frames = []
        for each in texts:
            self._txnr += 1
            frames.append(frame(self._txnr, b"syslog", f"<14>1 - battery battery - - - {each}".encode()))
        begun = time.monotonic()
        self._connection.sendall(b"".join(frames))
        self._take(len(texts))
        return time.monotonic() - begun

    def close(self) -> None:
        """Close the connection, in order where that is possible."""
        with suppress(OSError):
            self._connection.sendall(frame(self._txnr + 1, b"close", b""))
        self._connection.close()

    def _take(self, answers: int) -> None:
        while answers:
            data = self._connection.recv(65536)
            if not data:
                raise ConnectionError("closed by the other side")
            self._buffer += data
            for txnr, command, body in take_frames(self._buffer):
                if command != b"rsp" or not body.startswith(b"200"):
                    raise ValueError(f"answered {txnr} {command!r} {body[:60]!r}")
                answers -= 1
