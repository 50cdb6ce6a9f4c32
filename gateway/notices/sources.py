"""What ways in have to tell: ports, peers, streams, datagrams."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class Listening(Notice):
    """A source has its port."""

    words = "{source}: listening on {address}"
    source: str
    address: str


@dataclass(frozen=True, slots=True)
class PeerTrouble(Notice):
    """One peer's connection cannot begin or go on; the listener is fine."""

    level = "warn"
    words = "{source}: {address}: {problem}"
    source: str
    address: str
    problem: str


@dataclass(frozen=True, slots=True)
class HandshakeFailed(PeerTrouble):
    """TLS did not come about: no TLS at all, no common ground, no acceptable chain, too slow."""


@dataclass(frozen=True, slots=True)
class PeerRefused(PeerTrouble):
    """The peer proved its certificate, and the listener's policy does not permit it."""


@dataclass(frozen=True, slots=True)
class StreamBroken(PeerTrouble):
    """A TLS stream is damaged and was closed: what follows the damage is missing."""


@dataclass(frozen=True, slots=True)
class StreamTruncated(PeerTrouble):
    """A TLS stream ended without close_notify: its tail may be missing.

    Some clients send none when they stop, syslog-ng among them, so that it is no warning.
    """

    level = "info"


@dataclass(frozen=True, slots=True)
class StoppedListening(Notice):
    """A source has given up its port."""

    words = "{source}: no longer listening on {address}"
    source: str
    address: str


@dataclass(frozen=True, slots=True)
class CannotListen(Notice):
    """A source did not get its port; the others go on."""

    level = "error"
    words = "{source}: cannot listen on {address}: {problem}"
    source: str
    address: str
    problem: str


@dataclass(frozen=True, slots=True)
class ConnectionRefused(PeerTrouble):
    """There are too many connections already, in all or from this address."""


@dataclass(frozen=True, slots=True)
class StreamRefused(PeerTrouble):
    """What a peer sends cannot be divided into messages; its connection is closed."""


@dataclass(frozen=True, slots=True)
class OverLimitFrames(PeerTrouble):
    """Messages over the listener's `max_frame` were cut or dropped."""


@dataclass(frozen=True, slots=True)
class ConnectionIdle(PeerTrouble):
    """Nothing came for the idle time; the connection is closed."""

    level = "info"


@dataclass(frozen=True, slots=True)
class DatagramsDropped(Notice):
    """The kernel dropped datagrams because we did not read them in time."""

    level = "warn"
    words = "{source}: the kernel dropped {count:datagram} because its receive buffer was full"
    source: str
    count: int


@dataclass(frozen=True, slots=True)
class ReceiveBufferGranted(Notice):
    """The kernel granted less buffer for datagrams than was asked for."""

    level = "warn"
    words = (
        "{source}: the kernel granted a receive buffer of {granted} octets where {wanted} were asked for; raise "
        "net.core.rmem_max, or lower receive_buffer"
    )
    source: str
    granted: int
    wanted: int


@dataclass(frozen=True, slots=True)
class CertificateReloaded(Notice):
    """New connections get the new certificate."""

    words = "{source}: new certificate in use, it expires on {expires}"
    source: str
    expires: str


@dataclass(frozen=True, slots=True)
class CertificateKept(Notice):
    """A new certificate does not load; the one in use stays."""

    level = "error"
    words = "{source}: the certificate in use stays: {problem}"
    source: str
    problem: str


@dataclass(frozen=True, slots=True)
class CertificateExpires(Notice):
    """A server certificate expires soon, or has."""

    level = "warn"
    words = "{source}: the server's certificate expires on {expires}"
    source: str
    expires: str


@dataclass(frozen=True, slots=True)
class SourceTotals(Notice):
    """What a source took in since the start; said at the end and on request."""

    words = "{source}: {frames:message} in {octets:octet} since the start"
    source: str
    frames: int
    octets: int


@dataclass(frozen=True, slots=True)
class DatagramsShed(Notice):
    """We dropped datagrams ourselves, for too much was waiting already."""

    level = "warn"
    words = "{source}: {count:datagram} dropped because too much waits for its processes (limits: pending)"
    source: str
    count: int


@dataclass(frozen=True, slots=True)
class PeerPolicyChanged(Notice):
    """Whom a TLS listener lets in has changed; connections that it no longer permits are closed."""

    words = "{source}: new peer policy in use"
    source: str


@dataclass(frozen=True, slots=True)
class NotKept(PeerTrouble):
    """Messages could not be kept, so they were not acknowledged: our own fault, and the peer sends them again."""

    level = "error"
