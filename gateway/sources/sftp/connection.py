"""The connection protocol (RFC 4254) of a client that has logged in: session channels with SFTP, and no more."""
# ruff: noqa: N802, N803 -- the names are conch's

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from twisted.conch.ssh.connection import (
    EXTENDED_DATA_STDERR,
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_GLOBAL_REQUEST,
    MSG_REQUEST_FAILURE,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    OPEN_UNKNOWN_CHANNEL_TYPE,
)
from twisted.conch.ssh.service import SSHService

from gateway.drop.visit import Session
from gateway.notices.sftp import SftpBroken, SftpFailed, SshRequestRefused
from gateway.sources.sftp.files import SftpFiles
from gateway.sources.sftp.packets import Fields, Malformed, string, u32
from gateway.sources.sftp.quiet import QUIET
from gateway.sources.sftp.requests import Requests

if TYPE_CHECKING:
    from gateway.sources.sftp.transport import SftpTransport

MAX_CHANNELS = 8
"""Channels of one connection; clients that transfer files in parallel use as many connections."""

WINDOW = 2 * 1024 * 1024
"""Octets that a client may send ahead on a channel: what OpenSSH's server grants, and 64 requests of 32 KiB."""

ADJUST = WINDOW // 4
"""The window is opened again in steps of this."""

MAX_DATA = 64 * 1024
"""Octets of data in one packet."""

MIN_DATA = 256
"""A client that wants fewer octets in a packet wants our CPU."""

MAX_UNSENT = 1024 * 1024
"""Octets of answers for which the client has no window; with more, no request is begun."""

MAX_WINDOW = 2**32 - 1

NO_SHELL = "This account is for transferring files by SFTP: there is no shell here."
NO_OLD_SCP = "The old protocol of scp is not offered: leave out -O, or use sftp."


class Connection(SSHService):
    """The service `ssh-connection` of one client."""

    name = b"ssh-connection"
    _log = QUIET

    def __init__(self, session: Session) -> None:
        self._session = session
        self._channels: dict[int, Channel] = {}
        self._opened = 0
        self._over = False
        self._messages: dict[int, Callable[[Channel, Fields], None]] = {
            MSG_CHANNEL_DATA: Channel.data,
            MSG_CHANNEL_EXTENDED_DATA: Channel.extended_data,
            MSG_CHANNEL_WINDOW_ADJUST: Channel.adjust,
            MSG_CHANNEL_EOF: Channel.eof,
            MSG_CHANNEL_CLOSE: Channel.close,
            MSG_CHANNEL_REQUEST: Channel.request,
        }

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return any(channel.busy for channel in self._channels.values())

    def stop(self, stopped: Callable[[], None]) -> None:
        """Begin no more requests; `stopped` is called when those under way are answered."""
        waits = [channel for channel in self._channels.values() if channel.busy]
        left = len(waits) + 1

        def one_less() -> None:
            nonlocal left
            left -= 1
            if not left:
                stopped()

        for channel in tuple(self._channels.values()):
            channel.stop(one_less if channel in waits else _nothing)
        one_less()

    def proceed(self) -> None:
        """What is sent leaves again: go on with what waited for that."""
        for channel in tuple(self._channels.values()):
            channel.proceed()

    def serviceStopped(self) -> None:
        """The connection is gone: what is open is dropped."""
        self._over = True
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.lost("the connection was lost")

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        """Take a message; raises Malformed when it is none."""
        if 50 <= messageNum < 80:  # a login after the login is passed over (RFC 4252 section 5.1)
            return
        fields = Fields(packet)
        message = self._messages.get(messageNum)
        if message is not None:
            channel = self._channels.get(fields.u32())
            if channel is None:
                raise Malformed("there is no such channel")
            message(channel, fields)
        elif messageNum == MSG_GLOBAL_REQUEST:
            self._global_request(fields)
        elif messageNum == MSG_CHANNEL_OPEN:
            self._open(fields)
        else:
            raise Malformed("it has no meaning here")

    def send(self, message: int, payload: bytes) -> None:
        """Send a message."""
        if not self._over:
            self.connection.sendPacket(message, payload)

    def forget(self, channel: Channel) -> None:
        """A channel is closed on both sides."""
        self._channels.pop(channel.number, None)

    @property
    def connection(self) -> SftpTransport:
        """What this runs over."""
        return cast("SftpTransport", self.transport)

    def tell_refused(self, what: str) -> None:
        """Tell that a client asked for what there is not."""
        self.connection.tell(SshRequestRefused, f"it asked for {what}, and was refused")

    def _global_request(self, fields: Fields) -> None:
        name = fields.string()
        if name in {b"tcpip-forward", b"streamlocal-forward@openssh.com"}:
            self.tell_refused("a port to be forwarded")
        if fields.octet():  # also what keeps a connection alive is answered so
            self.send(MSG_REQUEST_FAILURE, b"")

    def _open(self, fields: Fields) -> None:
        kind = fields.string()
        theirs, window, most = fields.u32(), fields.u32(), fields.u32()
        problem: tuple[int, str] | None = None
        if kind in {b"direct-tcpip", b"direct-streamlocal@openssh.com"}:
            self.tell_refused("a connection to be forwarded")
            problem = OPEN_ADMINISTRATIVELY_PROHIBITED, "nothing is forwarded here"
        elif kind != b"session":
            problem = OPEN_UNKNOWN_CHANNEL_TYPE, "there are sessions only"
        elif len(self._channels) >= MAX_CHANNELS:
            problem = OPEN_RESOURCE_SHORTAGE, f"{MAX_CHANNELS} sessions may be open at a time"
        elif most < MIN_DATA:
            problem = OPEN_RESOURCE_SHORTAGE, f"packets have to take {MIN_DATA} octets of data"
        if problem is not None:
            code, words = problem
            self.send(MSG_CHANNEL_OPEN_FAILURE, u32(theirs, code) + string(words.encode()) + string(b""))
            return
        number = self._opened
        self._opened = (self._opened + 1) & 0xFFFFFFFF
        self._channels[number] = Channel(self, self._session, number, theirs, window, most)
        self.send(MSG_CHANNEL_OPEN_CONFIRMATION, u32(theirs, number, WINDOW, MAX_DATA))


class Channel:
    """One session channel: what SftpFiles sees as its wire."""

    def __init__(self, service: Connection, session: Session, number: int, theirs: int, window: int, most: int) -> None:
        self.number = number
        self._service = service
        self._session = session
        self._theirs = theirs
        self._their_window = window
        self._their_most = min(most, MAX_DATA)
        self._window = WINDOW  # how much the client may still send
        self._unsent = bytearray()
        self._files: SftpFiles | None = None
        self._used = False
        self._exit: int | None = None  # with which status it ends once all is sent
        self._closed = False  # by us
        self._their_eof = False

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._files is not None and self._files.busy

    # What the client sends.

    def data(self, fields: Fields) -> None:
        """Take data."""
        data = fields.string()
        self._count(len(data))
        if self._files is not None:
            self._files.feed(data)
        self.taken()

    def extended_data(self, fields: Fields) -> None:
        """Pass over what has no meaning here."""
        fields.u32()
        self._count(len(fields.string()))
        self.taken()

    def _count(self, octets: int) -> None:
        if octets > self._window or octets > MAX_DATA:
            raise Malformed("more data than the channel's window allows")
        if self._their_eof:
            raise Malformed("data after the end of data")
        self._window -= octets

    def adjust(self, fields: Fields) -> None:
        """Send what waited for the client to read."""
        self._their_window += fields.u32()
        if self._their_window > MAX_WINDOW:
            raise Malformed("a window of more than 2^32 octets")
        self.proceed()

    def eof(self, fields: Fields) -> None:  # noqa: ARG002 -- it has none
        """The client sends nothing more."""
        self._their_eof = True
        if self._files is not None:
            self._files.eof()

    def close(self, fields: Fields) -> None:  # noqa: ARG002 -- it has none
        """The client has closed the channel: what is unfinished is cut."""
        self.lost("the client closed the channel before the file")
        self._close()
        self._service.forget(self)

    def request(self, fields: Fields) -> None:
        """Start SFTP, or refuse."""
        kind = fields.string()
        wanted = bool(fields.octet())
        if kind == b"subsystem" and fields.string() == b"sftp" and not self._used and not self._their_eof:
            self._answer(True, wanted)
            self._start()
        elif kind in {b"exec", b"shell"} and not self._used:
            self._turn_away(fields.string() if kind == b"exec" else b"", wanted)
        else:  # env, pty-req, x11-req, auth-agent-req@openssh.com, signal ...
            self._answer(False, wanted)

    def _answer(self, good: bool, wanted: bool) -> None:
        if wanted and not self._closed:
            self._service.send(MSG_CHANNEL_SUCCESS if good else MSG_CHANNEL_FAILURE, u32(self._theirs))

    def _start(self) -> None:
        self._used = True
        factory = self._service.connection.factory
        self._files = SftpFiles(Requests(self._session, factory.clock, factory.now, factory.interruptions), self)

    def _turn_away(self, command: bytes, wanted: bool) -> None:
        """Refuse; OpenSSH's programs show why if they are let begin, and libssh2 then takes an old scp for done."""
        self._used = True
        self._service.tell_refused("a command to be run" if command else "a shell")
        self._answer(self._for_people, wanted)
        self.say(NO_OLD_SCP if command.startswith(b"scp ") else NO_SHELL)
        self.end(1)

    @property
    def _for_people(self) -> bool:
        """Whether the client shows people what comes on the channel's standard error."""
        return b"OpenSSH" in self._service.connection.otherVersionString

    # What ends it.

    def lost(self, problem: str) -> None:
        """Nobody is there any more."""
        if self._files is not None:
            self._files.lost(problem)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Begin no more requests; `stopped` is called when the one under way is answered."""
        if self._files is not None:
            self._files.stop(stopped)

    def proceed(self) -> None:
        """Go on with what waited until the client reads."""
        self._flush()
        if self._files is not None:
            self._files.proceed()

    # What SftpFiles asks for.

    @property
    def has_room(self) -> bool:
        """Whether the client reads our answers."""
        return len(self._unsent) < MAX_UNSENT and self._service.connection.has_room

    def write(self, data: bytes) -> None:
        """Send data, as far as the client's window allows, and the rest later."""
        if self._closed or not data:
            return
        if not self._unsent and len(data) <= self._their_window and len(data) <= self._their_most:
            self._their_window -= len(data)
            self._service.send(MSG_CHANNEL_DATA, u32(self._theirs, len(data)) + data)
            return
        self._unsent += data
        self._flush()

    def say(self, words: str) -> None:
        """Show a line to whoever sits at OpenSSH's programs; others have the words in the status, and show them."""
        line = "".join(letter if letter.isprintable() else "?" for letter in words).encode() + b"\r\n"
        if not self._for_people or self._closed or len(line) > min(self._their_window, self._their_most):
            return
        self._their_window -= len(line)
        self._service.send(MSG_CHANNEL_EXTENDED_DATA, u32(self._theirs, EXTENDED_DATA_STDERR, len(line)) + line)

    def taken(self) -> None:
        """Let the client send as much as is not here any more."""
        waiting = self._files.buffered if self._files is not None else 0
        room = WINDOW - self._window - waiting
        if room >= ADJUST and not self._closed and not self._their_eof:
            self._window += room
            self._service.send(MSG_CHANNEL_WINDOW_ADJUST, u32(self._theirs, room))

    def end(self, code: int) -> None:
        """Close with an exit status, once all is sent."""
        if self._exit is None:
            self._exit = code
            self._flush()

    def broken(self, problem: str) -> None:
        """Tell that the client broke the protocol of SFTP."""
        self._service.connection.tell(SftpBroken, problem)

    def failed(self, request: str, problem: object) -> None:
        """Tell of a bug of ours."""
        connection = self._service.connection
        name = connection.factory.source.name
        connection.factory.notify(SftpFailed(name, connection.shown_address, request, repr(problem)))

    # Our side.

    def _flush(self) -> None:
        while self._unsent and self._their_window and not self._closed:
            data = bytes(self._unsent[: min(self._their_window, self._their_most)])
            del self._unsent[: len(data)]
            self._their_window -= len(data)
            self._service.send(MSG_CHANNEL_DATA, u32(self._theirs, len(data)) + data)
        if self._exit is not None and not self._unsent and not self._closed:
            self._service.send(
                MSG_CHANNEL_REQUEST, u32(self._theirs) + string(b"exit-status") + b"\0" + u32(self._exit)
            )
            self._service.send(MSG_CHANNEL_EOF, u32(self._theirs))
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._unsent.clear()
            self._service.send(MSG_CHANNEL_CLOSE, u32(self._theirs))


def _nothing() -> None:
    """All that was to be done has been."""
