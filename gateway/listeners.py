"""Open the configured sources, and follow a configuration that changes without dropping a connection."""

from __future__ import annotations

import errno as numbers
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorTCP,
    IReactorTime,
    IReactorUDP,
    IReactorUNIXDatagram,
)

from gateway.config import Limits
from gateway.drop.service import DropBox
from gateway.drop_source_config import FtpSource, SftpSource
from gateway.file_listeners import FileListeners
from gateway.file_source_config import FilesSource
from gateway.handshakes import HalfHandshakes
from gateway.notice import Notify
from gateway.notices.sources import CannotListen, Listening, StoppedListening
from gateway.open_source import BACKLOG, OpenSource, bound_to, nothing_to_poll
from gateway.origins import tcp_origin, tls_origin, udp_origin, unix_origin
from gateway.pipeline import Pipeline
from gateway.source_config import RelpStream, Source, TcpSource, TlsSource, UdpSource, UnixSource, kind_of
from gateway.sources.admission import Admission, AdmittingFactory
from gateway.sources.connection import ConnectionFactory, OriginOf, StreamContext
from gateway.sources.datagrams import MAX_DATAGRAM, SyslogDatagrams
from gateway.sources.relp import RelpFactory
from gateway.sources.stream import SyslogStreamFactory
from gateway.sources.timer import Timer
from gateway.timer_source_config import TimerSource
from gateway.tls import TLSFactory
from gateway.tls_settings import TLSSettings
from parsers.errors import OperatorError
from parsers.message import Origin


class Reactor(IReactorTCP, IReactorUDP, IReactorUNIXDatagram, IReactorTime):
    """What listeners need of a reactor."""


class Listeners:
    """All sources of the running gateway.

    Args:
        now: the wall clock, in seconds since 1970.
        host: this machine's name, for messages of the local socket that name none.
        drop: where uploaded files go.
        bookmarks: reads the bookmarks whose names begin so, for timers.
    """

    def __init__(
        self,
        reactor: Reactor,
        pipeline: Pipeline,
        limits: Limits,
        notify: Notify,
        now: Callable[[], float],
        host: str | None = None,
        drop: DropBox | None = None,
        bookmarks: Callable[[str], Deferred[dict[str, str]]] | None = None,
    ) -> None:
        self._reactor = reactor
        self._pipeline = pipeline
        self._notify = notify
        self._now = now
        self._limits = limits
        self._admission = Admission(limits.connections, limits.connections_per_address)
        self._half = HalfHandshakes(limits.handshakes)
        self._host = host
        self._bookmarks = bookmarks or (lambda _: succeed({}))
        self._files = (
            None
            if drop is None
            else FileListeners(reactor, drop, self._admission, self._half, lambda: self._limits, notify, now)
        )
        self._open: dict[tuple[str, str], OpenSource] = {}
        self._missing: dict[tuple[str, str], tuple[Source, str]] = {}

    def follow(self, sources: Iterable[Source], limits: Limits) -> Deferred[None]:
        """Open what is new, close what is gone, give the others their new settings; connections stay open.

        Fires when all is done; at once, when nothing had to be closed before.
        """
        self._limits = limits
        self._admission.limit, self._admission.limit_per_address = limits.connections, limits.connections_per_address
        self._missing.clear()
        wanted = {_key(source): source for source in sources}
        # What is new may need a port that is only now given up: from 127.0.0.1:1514 to 0.0.0.0:1514, say.
        closed = gatherResults([self._close(self._open.pop(key)) for key in self._open.keys() - wanted.keys()])
        return closed.addCallback(lambda _: self._follow(wanted))

    def _follow(self, wanted: Mapping[tuple[str, str], Source]) -> None:
        for key, source in wanted.items():
            known = self._open.get(key)
            if known is None:
                self._listen(key, source)
            else:
                known.follow(source)
                known.source = source

    def poll(self) -> None:
        """Look after what changes by itself: certificate files, dropped datagrams, ports that may be free by now."""
        for listener in self._open.values():
            listener.poll()
        for key, (source, _) in tuple(self._missing.items()):
            self._listen(key, source)

    @property
    def missing(self) -> list[str]:
        """Names of the sources that could not be opened; every poll tries again."""
        return sorted(source.name for source, _ in self._missing.values())

    def stop(self) -> Deferred[None]:
        """Give up all ports, then close all connections; fires when all that came has been handed on."""
        self._missing.clear()
        stopped = gatherResults([self._close(self._open.pop(key)) for key in list(self._open)])
        return stopped.addCallback(lambda _: self._admission.close())

    def __len__(self) -> int:
        """Count the open sources."""
        return len(self._open)

    def _close(self, listener: OpenSource) -> Deferred[None]:
        """Give up a port; fires when it is free, and does not fail."""

        def closed(_: object) -> None:
            if isinstance(listener.source, UnixSource):
                with suppress(OSError):
                    listener.source.path.unlink()
            self._notify(StoppedListening(listener.source.name, listener.address))

        return maybeDeferred(listener.close).addBoth(closed)

    def _listen(self, key: tuple[str, str], source: Source) -> None:
        try:
            match source:
                case TcpSource():
                    listener = self._listen_tcp(source)
                case TlsSource():
                    listener = self._listen_tls(source)
                case UdpSource() | UnixSource():
                    listener = self._listen_datagrams(source)
                case FtpSource() | SftpSource() | FilesSource():
                    assert self._files is not None  # noqa: S101 -- the running gateway has a drop box
                    listener = self._files.listen(source)
                case TimerSource():
                    listener = self._set_timer(source)
        except OperatorError as error:
            self._tell_missing(key, source, str(error))
        except (CannotListenError, OSError) as error:
            self._tell_missing(key, source, _why(error, source))
        else:
            self._missing.pop(key, None)
            self._open[key] = listener
            self._notify(Listening(source.name, listener.address))

    def _tell_missing(self, key: tuple[str, str], source: Source, problem: str) -> None:
        """Say why a source is missing, unless that was said already."""
        if self._missing.get(key) != (source, problem):
            self._missing[key] = source, problem
            self._notify(CannotListen(source.name, key[1], problem))

    # -- streams --

    def _context(self) -> StreamContext:
        return StreamContext(
            self._pipeline.accept,
            self._notify,
            self._reactor,
            self._now,
            self._limits.idle,
            self._is_full,
            self._limits.handshake_timeout,
        )

    def _connections(self, source: TcpSource | TlsSource, origin_of: OriginOf) -> ConnectionFactory[Any]:
        if isinstance(source.stream, RelpStream):
            return RelpFactory(source.stream, origin_of, self._context())
        return SyslogStreamFactory(source.stream, origin_of, self._context())

    def _is_full(self) -> bool:
        return self._pipeline.pending > self._limits.pending

    def _listen_tcp(self, source: TcpSource) -> OpenSource:
        factory = self._connections(source, tcp_origin(source))
        outer = AdmittingFactory(factory, self._admission, source.name, self._notify)
        port = self._listen_stream(source, outer)

        def follow(changed: Source) -> None:
            assert isinstance(changed, TcpSource)  # noqa: S101 -- the key says so
            outer.source = changed.name
            factory.stream, factory.origin_of, factory.context = changed.stream, tcp_origin(changed), self._context()

        return OpenSource(source, bound_to(port), follow, nothing_to_poll, port.stopListening)

    def _listen_tls(self, source: TlsSource) -> OpenSource:
        settings = TLSSettings(source, self._notify, self._now)
        inner = self._connections(source, tls_origin(source))
        factory = TLSFactory(
            inner,
            lambda: settings.context.current,
            settings.judge,
            source=source.name,
            clock=self._reactor,
            half=self._half,
            notify=self._notify,
            timeout=self._limits.handshake_timeout,
        )
        outer = AdmittingFactory(factory, self._admission, source.name, self._notify)
        port = self._listen_stream(source, outer)

        def follow(changed: Source) -> None:
            assert isinstance(changed, TlsSource)  # noqa: S101 -- the key says so
            outer.source = factory.source = changed.name
            inner.stream, inner.origin_of, inner.context = changed.stream, tls_origin(changed), self._context()
            factory.timeout = self._limits.handshake_timeout
            if settings.follow(changed):
                factory.judge_again(settings.judge_again)

        def poll() -> None:
            if settings.poll():
                factory.judge_again(settings.judge_again)

        settings.tell_expiry()
        return OpenSource(source, bound_to(port), follow, poll, port.stopListening)

    def _listen_stream(self, source: TcpSource | TlsSource, factory: AdmittingFactory) -> IListeningPort:
        return self._reactor.listenTCP(source.address.port, factory, BACKLOG, source.address.host)  # type: ignore[arg-type]  # a wrapping factory is one

    # -- datagrams --

    def _listen_datagrams(self, source: UdpSource | UnixSource) -> OpenSource:
        protocol = SyslogDatagrams(
            source.name,
            self._datagram_origin(source),
            self._pipeline.accept,
            self._notify,
            clock=self._reactor,
            now=self._now,
            is_full=self._is_full,
            receive_buffer=source.receive_buffer,
        )
        if isinstance(source, UdpSource):
            port = self._reactor.listenUDP(source.address.port, protocol, source.address.host, MAX_DATAGRAM)
            address = bound_to(port)
        else:
            _clear_way(source)
            port = self._reactor.listenUNIXDatagram(str(source.path), protocol, MAX_DATAGRAM, source.mode)
            address = str(source.path)

        def follow(changed: Source) -> None:
            assert isinstance(changed, UdpSource | UnixSource)  # noqa: S101 -- the key says so
            former = listener.source
            assert isinstance(former, UdpSource | UnixSource)  # noqa: S101 -- the key says so
            protocol.source, protocol.origin_of = changed.name, self._datagram_origin(changed)
            if changed.receive_buffer != former.receive_buffer:
                protocol.ask_for_buffer(changed.receive_buffer)
            if isinstance(changed, UnixSource) and isinstance(former, UnixSource) and changed.mode != former.mode:
                with suppress(OSError):
                    changed.path.chmod(changed.mode)

        listener = OpenSource(source, address, follow, protocol.tell_drops, port.stopListening)
        return listener

    def _datagram_origin(self, source: UdpSource | UnixSource) -> Callable[[object], Origin]:
        return udp_origin(source) if isinstance(source, UdpSource) else unix_origin(source, self._host)

    # -- the clock --

    def _set_timer(self, source: TimerSource) -> OpenSource:
        timer = Timer(source, self._pipeline, self._bookmarks, self._reactor, self._notify, self._now)

        def follow(changed: Source) -> None:
            assert isinstance(changed, TimerSource)  # noqa: S101 -- the key says so
            timer.follow(changed)

        timer.start()
        return OpenSource(source, timer.address, follow, timer.poll, timer.stop)


def _key(source: Source) -> tuple[str, str]:
    match source:
        case UnixSource():
            return "unix", str(source.path)
        case FilesSource() | TimerSource():
            return kind_of(source), source.name
        case _:
            # port 0 is any free port: such sources are told apart by their names
            address = str(source.address) if source.address.port else f"{source.address} ({source.name})"
            return kind_of(source), address


def _clear_way(source: UnixSource) -> None:
    """Make the socket's folder, and remove a socket that an earlier run left behind and nobody reads from."""
    source.path.parent.mkdir(parents=True, exist_ok=True)
    if source.path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            if probe.connect_ex(str(source.path)) != numbers.ECONNREFUSED:
                raise OperatorError(f"{source.path} is in use by another program; choose another path", source.place)
        source.path.unlink()
    elif source.path.exists():
        raise OperatorError(f"{source.path} is there and is no socket; move it away", source.place)


def _why(error: Exception, source: Source) -> str:
    reason = getattr(error, "socketError", error)
    errno = getattr(reason, "errno", None)
    if errno == numbers.EADDRINUSE:
        return "another program has this port already; `ss -lntup` names it. Stop it, or choose another port"
    if errno == numbers.EACCES and not isinstance(source, UnixSource):
        return "permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE"
    if errno == numbers.EADDRNOTAVAIL:
        return "this machine has no such address; `ip address` lists those it has"
    return str(getattr(reason, "strerror", None) or reason)
