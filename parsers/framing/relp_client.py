"""RELP's client side: commands out, answers in; holds no transport.

A frame is `TXNR SP COMMAND SP DATALEN [SP DATA] LF`, and an answer is one with the command `rsp`, the number of the
command that it answers, and data that begins with a code of three digits (librelp, doc/relp.md). What real servers do
beyond that document was measured with rsyslog's imrelp.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from parsers.errors import RemoteError

WINDOW = 128
"""Messages on their way without an answer: librelp's number, so that no server is made to hold more."""

MAX_TXNR = 999_999_999
"""The greatest transaction number. imrelp ends the session of who goes on with 1, so that we open a new one."""

MAX_ANSWER = 16 * 1024
"""Octets of an answer's data: the greatest is that to `open`, with some hundred octets of offers."""

MAX_SHOWN = 200
"""Characters of a server's words that go into an error."""

OFFERS = b"relp_version=0\nrelp_software=event-gateway\ncommands=syslog"
"""What we can do; peers send version 0 whatever the document says, and imrelp wants `syslog` among the commands."""

_HEADER = re.compile(rb"([0-9]{1,9}) ([a-z]{1,32}) ([0-9]{1,9})([ \n])")
_LONGEST_HEADER = 9 + 1 + 32 + 1 + 9 + 1
_ANSWER = re.compile(rb"([0-9]{3})(?: ([^\n]*))?(?:\n(.*))?", re.DOTALL)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """The session stands: messages may go."""


@dataclass(frozen=True, slots=True)
class Acknowledged(Generic[T]):
    """The server has the message."""

    message: T


@dataclass(frozen=True, slots=True)
class Rejected(Generic[T]):
    """The server does not take the message; `words` are its own."""

    message: T
    words: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The server ends the session."""


Told = Opened | Acknowledged[T] | Rejected[T] | Closed


def frame(txnr: int, command: bytes, data: bytes) -> bytes:
    """Return one frame; without data there is no space behind the length, or imrelp ends the session."""
    return b"%d %s %d%s%s\n" % (txnr, command, len(data), b" " if data else b"", data)


@dataclass(slots=True)
class RelpClient(Generic[T]):
    """One session. What is sent is known by whatever the caller gives with it, and told of in that form.

    Attributes:
        window: messages on their way at most.
        waiting: those without an answer, the first sent first.
    """

    window: int = WINDOW
    waiting: deque[T] = field(default_factory=deque)
    _txnr: int = 0
    _answered: int = 0  # the number of the last command that has its answer
    _open: bool = False
    _closing: bool = False
    _buffer: bytearray = field(default_factory=bytearray)

    @property
    def room(self) -> int:
        """How many messages may go now."""
        if not self._open or self._closing:
            return 0
        return max(0, min(self.window - len(self.waiting), MAX_TXNR - 1 - self._txnr))

    @property
    def exhausted(self) -> bool:
        """Whether the numbers of this session are used up, and all answers have come."""
        return self._open and self._txnr >= MAX_TXNR - 1 and not self.waiting

    def open(self) -> bytes:
        """Return the octets that open the session."""
        return self._command(b"open", OFFERS)

    def send(self, message: T, data: bytes) -> bytes:
        """Return the octets that send a message; it may hold any octets, newlines too.

        Raises:
            ValueError: there is no room.
        """
        if not self.room:
            raise ValueError("there is no room in the window")
        self.waiting.append(message)
        return self._command(b"syslog", data)

    def close(self) -> bytes:
        """Return the octets that end the session in order; empty where none stands."""
        if not self._open or self._closing:
            return b""
        self._closing = True
        return self._command(b"close", b"")

    def feed(self, data: bytes) -> list[Told[T]]:
        """Take what the next read delivered; return what the server says with it.

        Raises:
            RemoteError: it speaks no RELP, or does not take the session; the connection must be closed.
        """
        self._buffer += data
        told: list[Told[T]] = []
        while (found := self._next_frame()) is not None:
            self._take(*found, told)
        return told

    def _command(self, command: bytes, data: bytes) -> bytes:
        self._txnr += 1
        return frame(self._txnr, command, data)

    def _next_frame(self) -> tuple[int, bytes, bytes] | None:
        buffer = self._buffer
        header = _HEADER.match(buffer)
        if header is None:
            if len(buffer) >= _LONGEST_HEADER or not _may_be_header(buffer):
                raise RemoteError(f"the server speaks no RELP: it says {_shown(bytes(buffer))}")
            return None
        length = int(header[3])
        if length > MAX_ANSWER:
            raise RemoteError(f"the server announces an answer of {length} octets; {MAX_ANSWER} are enough")
        start = header.end() if header[4] == b" " else header.end() - 1
        stop = start + length
        if length and header[4] == b"\n":
            raise RemoteError(f"the server speaks no RELP: it says {_shown(bytes(buffer))}")
        if len(buffer) <= stop:
            return None
        if buffer[stop] != 0x0A:
            raise RemoteError("the server speaks no RELP: an answer is longer than it says")
        found = int(header[1]), bytes(header[2]), bytes(buffer[start:stop])
        del buffer[: stop + 1]
        return found

    def _take(self, txnr: int, command: bytes, data: bytes, told: list[Told[T]]) -> None:
        if command == b"serverclose":
            told.append(Closed())
            return
        if command != b"rsp":
            raise RemoteError(f"the server sends the command {_shown(command)}, which is none for clients")
        if txnr != self._answered + 1 or txnr > self._txnr:
            raise RemoteError(f"the server answers number {txnr}, and {self._answered + 1} is next")
        self._answered = txnr
        if self._closing and txnr == self._txnr:
            told.append(Closed())
            return
        answer = _ANSWER.fullmatch(data)
        if answer is None:
            raise RemoteError(f"the server's answer has no code: {_shown(data)}")
        good, words = answer[1] == b"200", _shown(b" ".join(filter(None, answer.group(1, 2))))
        if not self._open:
            self._opened(good, words, answer[3] or b"")
            told.append(Opened())
        else:
            message = self.waiting.popleft()
            told.append(Acknowledged(message) if good else Rejected(message, words))

    def _opened(self, good: bool, words: str, offers: bytes) -> None:
        if not good:
            raise RemoteError(f"the server does not open a session: {words}")
        commands = dict(line.partition(b"=")[::2] for line in offers.split(b"\n")).get(b"commands", b"syslog")
        if b"syslog" not in commands.split(b","):
            raise RemoteError("the server takes no syslog messages over RELP")
        self._open = True


def _may_be_header(data: bytearray) -> bool:
    return re.fullmatch(rb"[0-9]{0,9}|[0-9]{1,9} [a-z]{0,32}|[0-9]{1,9} [a-z]{1,32} [0-9]{0,9}", data) is not None


def _shown(data: bytes) -> str:
    text = data[:MAX_SHOWN].decode("utf-8", "backslashreplace").strip()
    return "".join(character if character.isprintable() else " " for character in text) or "nothing"
