"""One connection of an SFTP client: which message has its time, how long each stage may take, and how it ends.

Conch takes NEWKEYS before there are keys and logins before there is a cipher, and waits for ten hours; here each
message has its time. A client that does not log in, is silent, or does not even take our farewell, is cut off.
"""
# ruff: noqa: N802, N803, N815 -- the names are conch's

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, cast

from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
)
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.drop.visit import Client, Session
from gateway.host_keys import HostKeys
from gateway.notice import host_port
from gateway.notices.sftp import SshBroken, SshHandshakeFailed, SshHandshakeLeft, SshLoginTooSlow
from gateway.notices.sources import ConnectionIdle, PeerTrouble
from gateway.sources.sftp.auth import UserAuth
from gateway.sources.sftp.connection import Connection
from gateway.sources.sftp.packets import Fields, Malformed, string, u32
from gateway.sources.sftp.secure_packets import KEXINIT, SecurePackets
from gateway.trust import Networks
from parsers.errors import RemoteError

if TYPE_CHECKING:
    from gateway.sources.sftp.factory import SftpFactory

MAX_VERSION = 255
"""Octets of the line with the client's version (RFC 4253 section 4.2)."""

MAX_BEFORE_LOGIN = 256 * 1024
"""Octets that somebody may send before we know who it is; a login with twenty keys takes 20 KiB."""

LOGIN_TIMES = 6
"""A login may take so many times the handshake's time: people type passwords."""

LINGER = 5.0
"""Seconds that a client has to take our farewell."""

_DISCONNECT, _IGNORE, _UNIMPLEMENTED, _DEBUG, _SERVICE_REQUEST, _EXT_INFO = 1, 2, 3, 4, 5, 7
_ALWAYS = frozenset({_DISCONNECT, _IGNORE, _UNIMPLEMENTED, _DEBUG})
_PASSED_OVER = frozenset({_IGNORE, _UNIMPLEMENTED, _DEBUG, _EXT_INFO})


class Stage(enum.Enum):
    """How far a connection is."""

    VERSION = "version"
    KEYS = "keys"  # the first key exchange
    LOGIN = "login"
    OPEN = "open"
    CLOSED = "closed"  # nothing more is taken; the farewell may be on its way


@implementer(IPushProducer)
class SftpTransport(SecurePackets):
    """One connection of a client.

    Attributes:
        stage: how far it is.
        client: who it is, as far as is known.
        session: what it may do, once it has logged in.
        host_keys: by which it knows us, for as long as it lasts; `factory.keys` may be others by then.
    """

    factory: SftpFactory
    supportedVersions = (b"2.0", b"1.99")
    ourVersionString = b"SSH-2.0-gateway"
    host_keys: HostKeys

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage.VERSION
        self.session: Session | None = None
        self._timer: IDelayedCall | None = None
        self._last = 0.0
        self._paused = False
        self._address = ("-", 0)

    # The connection.

    def connectionMade(self) -> None:
        """Say our version; the client has a time for the key exchange, and then one for its login."""
        peer = self._lower().getPeer()
        self._address = (str(getattr(peer, "host", "-")), int(getattr(peer, "port", 0)))
        self._last = self.factory.clock.seconds()
        self._timer = self.factory.clock.callLater(self.factory.handshake_timeout, self._too_slow)
        self._lower().registerProducer(self, True)
        super().connectionMade()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:  # noqa: ARG002 -- Twisted's signature
        """Abort what is not finished."""
        stage, self.stage = self.stage, Stage.CLOSED
        self._stop_timer()
        if stage is Stage.KEYS or (stage is Stage.VERSION and self.received):
            self.tell(SshHandshakeLeft, "left before its keys were exchanged")
        self._leave()

    def hang_up(self) -> None:
        """Close it from our side, once the request that is under way is answered; what is half a file is none."""
        self.dismiss("the gateway is stopping")

    def dismiss(self, problem: str) -> None:
        """Do so, and tell the client why."""

        def say_goodbye() -> None:
            self.end(DISCONNECT_BY_APPLICATION, problem)

        if isinstance(self.service, Connection):
            self.service.stop(say_goodbye)
        else:
            say_goodbye()

    def end(self, code: int, words: str) -> None:
        """Say why (RFC 4253 section 11.1), and close."""
        if self.stage is Stage.CLOSED:
            return
        if self.stage is not Stage.VERSION:
            self.sendPacket(1, u32(code) + string(words.encode()) + string(b""))
        self._close()

    def _close(self) -> None:
        self.stage = Stage.CLOSED
        self._leave()
        self._stop_timer()
        self._timer = self.factory.clock.callLater(LINGER, self._lower().abortConnection)
        self._lower().unregisterProducer()  # it would be waited for
        self._lower().resumeProducing()  # a client that has gone away is noticed only by reading
        self._lower().loseConnection()

    @property
    def closed(self) -> bool:
        """Whether the end has begun."""
        return self.stage is Stage.CLOSED

    def _leave(self) -> None:
        service, self.service = self.service, None
        if service is not None:
            service.serviceStopped()
        session, self.session = self.session, None
        if session is not None:
            session.leave()

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Conch has found something wrong with what the client sent."""
        words = desc if isinstance(desc, str) else desc.decode(errors="backslashreplace")
        if reason == DISCONNECT_KEY_EXCHANGE_FAILED and "couldn't match" in words:
            words = "no algorithm in common; the client is too old, or set up for other algorithms only"
        self.refuse(words, reason)

    def refuse(self, problem: str, code: int = DISCONNECT_PROTOCOL_ERROR) -> None:
        """Close because of what the client did."""
        if self.stage is Stage.CLOSED:
            return
        handshake = self.stage in {Stage.VERSION, Stage.KEYS}
        self.tell(SshHandshakeFailed if handshake else SshBroken, problem)
        self.end(code, problem)

    def tell(self, kind: type[PeerTrouble], problem: str) -> None:
        """Tell of this client."""
        self.factory.notify(kind(self.factory.source.name, self.shown_address, problem))

    @property
    def shown_address(self) -> str:
        """The client's address, for people."""
        return host_port(*self._address)

    @property
    def client(self) -> Client:
        """Who is there."""
        host, port = self._address
        source = self.factory.source
        version = self.otherVersionString[:MAX_VERSION].decode("ascii", "backslashreplace")
        fields = {
            "ssh.client_version": version,
            "ssh.kex": (self.kexAlg or b"").decode("ascii", "backslashreplace"),
            "ssh.cipher": self.currentEncryptions.inCipType.decode(),
        }
        trusted = host in Networks(map(str, source.trusted))
        return Client(source.name, "sftp", host, port, encrypted=True, trusted=trusted, fields=fields)

    def _getHostKeys(self, keyAlg: bytes) -> tuple[Key, Key]:
        key = self.host_keys[b"ssh-rsa" if keyAlg.startswith(b"rsa-") else keyAlg]
        return key.public(), key

    def _lower(self) -> Any:
        return cast("ITCPTransport | IConsumer", self.transport)

    # Time.

    def secured(self) -> None:
        """Keys have been exchanged; after the first ones, somebody has to log in."""
        if self.stage is Stage.KEYS:
            self.stage = Stage.LOGIN
            self._stop_timer()
            self._timer = self.factory.clock.callLater(self._login_time, self._too_slow)
        else:
            self._proceed()

    def _too_slow(self) -> None:
        self._timer = None
        if self.stage is Stage.LOGIN:
            self.tell(SshLoginTooSlow, f"nobody logged in within {self._login_time:g} s (limits: handshake_timeout)")
        elif self.received:
            limit = f"{self.factory.handshake_timeout:g} s (limits: handshake_timeout)"
            self.tell(SshHandshakeFailed, f"keys were not exchanged within {limit}")
        self.end(DISCONNECT_BY_APPLICATION, "too slow")

    @property
    def _login_time(self) -> float:
        return self.factory.handshake_timeout * LOGIN_TIMES

    def logged_in(self, session: Session) -> None:
        """Begin with what there is to do, and watch for silence from now on."""
        self.session = session
        session.dismissed = self.dismiss
        self.stage = Stage.OPEN
        self._stop_timer()
        self._timer = self.factory.clock.callLater(self.factory.idle, self._check_idle)
        self.setService(Connection(session))  # type: ignore[no-untyped-call]

    def _check_idle(self) -> None:
        clock, idle = self.factory.clock, self.factory.idle
        quiet = clock.seconds() - self._last
        busy = isinstance(self.service, Connection) and self.service.busy
        if quiet < idle or busy:
            self._timer = clock.callLater(max(1.0, idle - quiet), self._check_idle)
            return
        self._timer = None
        self.tell(ConnectionIdle, f"nothing came for {quiet:.0f} s, closed (limits: idle)")
        self.end(DISCONNECT_BY_APPLICATION, "idle for too long")

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # The client does not read what we answer.

    def pauseProducing(self) -> None:
        """Read nothing more, and do nothing of what was read, so that there is no more to answer."""
        self._paused = True
        if self.stage is not Stage.CLOSED:
            self._lower().pauseProducing()

    def resumeProducing(self) -> None:
        """Read again."""
        self._paused = False
        if self.stage is not Stage.CLOSED:
            self._lower().resumeProducing()
            self._proceed()

    @property
    def has_room(self) -> bool:
        """Whether what is sent now leaves for the client, and does not wait here."""
        return not self._paused and not self.exchanging

    def _proceed(self) -> None:
        if isinstance(self.service, Connection):
            self.service.proceed()

    def stopProducing(self) -> None:
        """Nothing is left to do: the connection is lost."""

    # What comes in.

    def dataReceived(self, data: bytes) -> None:
        """Take what one read delivered."""
        if self.stage is Stage.CLOSED:
            return
        self._last = self.factory.clock.seconds()
        self.received += len(data)
        if self.stage is not Stage.OPEN and self.received > MAX_BEFORE_LOGIN:
            self.refuse(f"{self.received:,} octets, and nobody has logged in")
            return
        self._in += data
        if self.stage is Stage.VERSION and not self._take_version():
            return
        while not self.closed and (payload := self.getPacket()):
            self.dispatchMessage(payload[0], payload[1:])
        self.rekey_if_due()

    def _take_version(self) -> bool:
        """Take the line with the client's version; returns whether it was there."""
        line, found, rest = self._in.partition(b"\n")
        if not self._in.startswith(b"SSH-"[: len(self._in)]) or len(line) > MAX_VERSION:
            self._not_ssh(bytes(line))
            return False
        if not found:
            return False
        self.otherVersionString = bytes(line).rstrip(b"\r")
        parts = self.otherVersionString.split(b"-", 2)
        if len(parts) < 3 or parts[1] not in self.supportedVersions:
            self._not_ssh(self.otherVersionString)
            return False
        self.gotVersion = True
        self._in = rest
        self.stage = Stage.KEYS
        return True

    def _not_ssh(self, line: bytes) -> None:
        self._lower().write(b"This is SSH 2.0, and that is not.\r\n")
        shown = line[:40].decode("ascii", "backslashreplace")
        self.refuse(f"no SSH 2.0: it began with {shown!r}")

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Hand on a message whose time it is; end the connection at any other."""
        try:
            if messageNum >= 50 and not self.due and self.service is not None:
                self.service.packetReceived(messageNum, payload)
            elif not self._is_timely(messageNum):
                raise RemoteError("it comes at the wrong time")
            elif messageNum == _DISCONNECT:
                self._close()
            elif messageNum == _SERVICE_REQUEST:
                self._begin_login(payload)
            elif messageNum not in _PASSED_OVER:
                self.negotiate(messageNum, payload)
        except (Malformed, RemoteError) as error:
            handshake = self.stage is Stage.KEYS
            code = DISCONNECT_KEY_EXCHANGE_FAILED if handshake else DISCONNECT_PROTOCOL_ERROR
            self.refuse(f"message {messageNum}: {error}", code)

    def _is_timely(self, message: int) -> bool:
        if message in _ALWAYS:  # strictly, the first exchange has nothing beside what it needs
            return message == _DISCONNECT or not self.strict or self.stage is not Stage.KEYS
        if self.due:
            return message in self.due
        if message == KEXINIT:  # nobody makes us do arithmetic before we know who it is, but once
            return self.stage in {Stage.KEYS, Stage.OPEN}
        if message == _SERVICE_REQUEST:
            return self.stage is Stage.LOGIN
        return message == _EXT_INFO and self.stage is Stage.LOGIN

    def _begin_login(self, payload: bytes) -> None:
        name = Fields(payload).string()
        if name != UserAuth.name:
            self.refuse("it asks for a service before it has logged in", DISCONNECT_SERVICE_NOT_AVAILABLE)
            return
        self.sendPacket(6, string(name))
        if self.service is None:  # Paramiko asks again before each try, and has no more of them by that
            self.setService(UserAuth(self.factory))  # type: ignore[no-untyped-call]
