"""Where a source's messages come from: the peer's address, its certificate, and how far it is trusted."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import ITransport

from gateway.source_config import TcpSource, TlsSource, UdpSource, UnixSource
from gateway.tls import TLSConnection
from gateway.trust import Networks, certificate_names
from parsers.message import Origin, Trust


def tcp_origin(source: TcpSource) -> Callable[[ITransport], Origin]:
    """Return what says who sends over a connection: an address that is real, and nobody known."""
    networks = Networks(map(str, source.trusted))

    def origin_of(transport: ITransport) -> Origin:
        host, port = _peer_of(transport)
        return Origin(source.name, Trust.NETWORK, host, port, trusted=host in networks, zone=source.zone)

    return origin_of


def tls_origin(source: TlsSource) -> Callable[[ITransport], Origin]:
    """Return what says who sends over a connection: whom its certificate names."""
    networks = Networks(map(str, source.trusted))

    def origin_of(transport: ITransport) -> Origin:
        assert isinstance(transport, TLSConnection)  # noqa: S101 -- TLSFactory made it
        host, port = _peer_of(transport)
        names = certificate_names(transport.certificate) if transport.certificate else ()
        return Origin(
            source.name,
            Trust.CERTIFICATE,
            host,
            port,
            transport.peer,
            trusted=host in networks,
            zone=source.zone,
            hostname=source.hostname,
            names=names,
        )

    return origin_of


def _peer_of(transport: ITransport) -> tuple[str, int | None]:
    peer = transport.getPeer()
    return str(getattr(peer, "host", "-")), getattr(peer, "port", None)


def udp_origin(source: UdpSource) -> Callable[[object], Origin]:
    """Return what says who sent a datagram: whoever wrote its address."""
    networks = Networks(map(str, source.trusted))

    def origin_of(address: object) -> Origin:
        assert isinstance(address, tuple)  # noqa: S101 -- Twisted gives (host, port)
        host, port = str(address[0]), int(address[1])
        return Origin(source.name, Trust.DATAGRAM, host, port, trusted=host in networks, zone=source.zone)

    return origin_of


def unix_origin(source: UnixSource, host: str | None) -> Callable[[object], Origin]:
    """Return what says who sent a datagram: a program of this machine, which is called `host`."""
    local = Origin(source.name, Trust.LOCAL, None, None, zone=source.zone, host=host)
    return lambda _: local
