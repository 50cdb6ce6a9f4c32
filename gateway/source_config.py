"""What a source of the configuration is: where it listens, whom it believes, and how its octets become frames."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from gateway.drop_source_config import FtpSource, SftpSource, ftp_source, sftp_source
from gateway.file_source_config import FilesSource, as_files
from gateway.files import as_file
from gateway.listen_address import Address, as_listen_address, as_zone
from gateway.source_fields import SourceHead, take_certificates, take_trusted
from gateway.timer_source_config import TimerSource, as_timer
from gateway.trust import PeerPolicy, parse_pattern
from gateway.zone import local_zone
from parsers.errors import OperatorError, Place
from parsers.framing import relp
from parsers.framing.framer import MAX_FRAME, OverLimit
from parsers.framing.syslog_stream import Framing
from parsers.message import HostnamePolicy
from rules.condition import Network
from rules.schema import Fields, Problems, Reader, as_list
from rules.strict_yaml import Node, ScalarNode
from rules.values import as_bool, as_choice, as_mode, as_size, as_text, choices

LEAST_FRAME = 480
"""Octets; what every receiver must be able to take (RFC 5424 section 6.1)."""
GREATEST_FRAME = 16 * 1024**2
"""Octets; each connection may hold one frame of this size."""
RECEIVE_BUFFER = 4 * 1024**2
"""Octets of the kernel's buffer for datagrams: some 20,000 messages while we are busy; the kernel may grant less."""
MAX_SOCKET_PATH = 107
"""Octets of a unix socket's path (unix(7))."""

KINDS = ("tcp", "tls", "relp", "udp", "unix", "ftp", "sftp", "files", "timer")


@dataclass(frozen=True, slots=True)
class Stream:
    """How a stream's octets become frames."""

    framing: Framing = Framing.AUTO
    max_frame: int = MAX_FRAME
    over_limit: OverLimit = OverLimit.TRUNCATE


@dataclass(frozen=True, slots=True)
class RelpStream:
    """RELP: frames of its own, each answered when it is kept."""

    max_frame: int = relp.MAX_FRAME
    over_limit: OverLimit = OverLimit.TRUNCATE


@dataclass(frozen=True, slots=True)
class TcpSource:
    """Syslog over plain TCP (RFC 6587), or RELP over it."""

    name: str
    place: Place
    address: Address
    zone: tzinfo
    trusted: tuple[Network, ...] = ()
    stream: Stream | RelpStream = Stream()


@dataclass(frozen=True, slots=True)
class TlsSource:
    """Syslog over TLS (RFC 5425), or RELP over it.

    Attributes:
        certificates: files of (certificate chain, key), at most one pair for each type of key.
        client_ca: the authorities whose clients are believed; None when only pinned ones are.
    """

    name: str
    place: Place
    address: Address
    zone: tzinfo
    certificates: tuple[tuple[Path, Path], ...]
    client_ca: Path | None
    peers: PeerPolicy
    hostname: HostnamePolicy = HostnamePolicy.MESSAGE
    trusted: tuple[Network, ...] = ()
    stream: Stream | RelpStream = Stream()


@dataclass(frozen=True, slots=True)
class UdpSource:
    """Syslog over UDP (RFC 5426); `receive_buffer` is what the kernel is asked to hold, in octets."""

    name: str
    place: Place
    address: Address
    zone: tzinfo
    trusted: tuple[Network, ...] = ()
    receive_buffer: int = RECEIVE_BUFFER


@dataclass(frozen=True, slots=True)
class UnixSource:
    """Datagrams of this machine, as syslog(3) sends them."""

    name: str
    place: Place
    path: Path
    zone: tzinfo
    mode: int = 0o660
    receive_buffer: int = RECEIVE_BUFFER


Source = TcpSource | TlsSource | UdpSource | UnixSource | FtpSource | SftpSource | FilesSource | TimerSource


def kind_of(source: Source) -> str:
    """Say what a source is in a word or two: its key in the configuration, and `over TLS` for RELP that is."""
    match source:
        case TcpSource(stream=RelpStream()):
            return "relp"
        case TlsSource(stream=RelpStream()):
            return "relp over tls"
        case _:
            return type(source).__name__.removesuffix("Source").lower()


def place_of(source: Source) -> str:
    """Say where a source takes what comes: an address, a socket, folders, or the clock."""
    match source:
        case UnixSource():
            return str(source.path)
        case FilesSource():
            return ", ".join(map(str, source.folders))
        case TimerSource():
            return str(source.schedule)
        case _:
            return str(source.address)


def as_source(name: str, folder: Path) -> Reader[Source | None]:
    """Read one source; relative files are the configuration's neighbours."""

    def read(node: Node, problems: Problems) -> Source | None:
        with Fields(node, problems, name) as fields:
            given = [kind for kind in KINDS if kind in fields]
            if len(given) != 1:
                place = fields.place_of_second(given) if given else node.place
                for kind in KINDS:
                    fields.pop(kind)
                fields.rest()
                several = f"it has {' and '.join(given)}" if given else "there is none"
                raise OperatorError(f"a source has exactly one of {', '.join(KINDS)}; {several}", place)
            place = fields.place_of(given[0])
            zone = fields.take("zone" if given[0] == "timer" else "time_zone", as_zone, None) or local_zone()
            return _KINDS[given[0]](SourceHead(name, place, zone, folder), fields, problems)

    return read


def _tcp(head: SourceHead, fields: Fields, problems: Problems) -> Source | None:
    address = fields.take("tcp", as_listen_address, None)
    return _plain(head, address, take_trusted(fields), _stream(fields), problems)


def _tls(head: SourceHead, fields: Fields, problems: Problems) -> Source | None:
    return _encrypted(head, fields.take("tls", as_listen_address, None), _stream, fields, problems)


def _relp(head: SourceHead, fields: Fields, problems: Problems) -> Source | None:
    address = fields.take("relp", as_listen_address, None)
    if any(key in fields for key in _TLS_KEYS):
        return _encrypted(head, address, _relp_stream, fields, problems)
    return _plain(head, address, take_trusted(fields), _relp_stream(fields), problems)


def _plain(
    head: SourceHead,
    address: Address | None,
    trusted: tuple[Network, ...],
    stream: Stream | RelpStream,
    problems: Problems,
) -> Source | None:
    if address is None:
        return None
    source = TcpSource(head.name, head.place, address, head.zone, trusted, stream)
    if not address.loopback:
        what, better = ("RELP", "give it a certificate") if isinstance(stream, RelpStream) else ("TCP", "prefer tls")
        problems.warn(f"{head.name}: plain {what} on {address} takes whatever anyone sends there; {better}", head.place)
    return source


def _encrypted(
    head: SourceHead,
    address: Address | None,
    stream_of: Callable[[Fields], Stream | RelpStream],
    fields: Fields,
    problems: Problems,
) -> Source | None:
    pairs = take_certificates(head, fields, problems)
    given, peers_at = {key for key in ("client_ca", "peers") if key in fields}, fields.place_of("peers")
    client_ca = fields.take("client_ca", as_file(head.folder), None)
    everyone = PeerPolicy.any_certificate() if "peers" not in given else None
    peers = fields.take("peers", _as_peers(head.folder), everyone)
    if "client_ca" not in given and peers and not peers.pins:
        problems.error(
            'without "client_ca" nobody could get in: name the authority that signs your clients, or write '
            "peers: {fingerprints: [...]}; `gateway init DIR` makes an authority",
            peers_at,
        )
    hostname = fields.take("hostname", as_choice(choices(HostnamePolicy)), HostnamePolicy.MESSAGE)
    trusted, stream = take_trusted(fields), stream_of(fields)
    if not address or not peers:
        return None
    return TlsSource(head.name, head.place, address, head.zone, pairs, client_ca, peers, hostname, trusted, stream)


def _udp(head: SourceHead, fields: Fields, problems: Problems) -> Source | None:
    address = fields.take("udp", as_listen_address, None)
    trusted = take_trusted(fields)
    buffer = fields.take("receive_buffer", _as_buffer, RECEIVE_BUFFER)
    if address and not address.loopback:
        problems.warn(f"{head.name}: UDP on {address} can be forged by anyone; prefer tls", head.place)
    if address is None:
        return None
    return UdpSource(head.name, head.place, address, head.zone, trusted, buffer)


def _unix(head: SourceHead, fields: Fields, _: Problems) -> Source | None:
    path = fields.take("unix", _as_socket(head.folder), None)
    mode = fields.take("mode", as_mode(), 0o660)
    buffer = fields.take("receive_buffer", _as_buffer, RECEIVE_BUFFER)
    return UnixSource(head.name, head.place, path, head.zone, mode, buffer) if path else None


_KINDS: dict[str, Callable[[SourceHead, Fields, Problems], Source | None]] = {
    "tcp": _tcp,
    "tls": _tls,
    "relp": _relp,
    "udp": _udp,
    "unix": _unix,
    "ftp": ftp_source,
    "sftp": sftp_source,
    "files": as_files,
    "timer": as_timer,
}
_TLS_KEYS = ("certificate", "key", "client_ca", "peers", "hostname")
_as_buffer = as_size(4096, 1024**3)


def _stream(fields: Fields) -> Stream:
    return Stream(
        fields.take("framing", as_choice(choices(Framing)), Framing.AUTO),
        fields.take("max_frame", as_size(LEAST_FRAME, GREATEST_FRAME), MAX_FRAME),
        fields.take("over_limit", as_choice(choices(OverLimit)), OverLimit.TRUNCATE),
    )


def _relp_stream(fields: Fields) -> RelpStream:
    return RelpStream(
        fields.take("max_frame", as_size(LEAST_FRAME, GREATEST_FRAME), relp.MAX_FRAME),
        fields.take("over_limit", as_choice(choices(OverLimit)), OverLimit.TRUNCATE),
    )


def _as_peers(folder: Path) -> Reader[PeerPolicy | None]:
    """Read who may come in: `certificate`, `{names: [...]}` or `{fingerprints: [...]}`."""

    def read(node: Node, problems: Problems) -> PeerPolicy | None:
        if isinstance(node, ScalarNode):
            return as_choice({"certificate": PeerPolicy.any_certificate()})(node, problems)
        with Fields(node, problems, "peers") as fields:
            if ("names" in fields) == ("fingerprints" in fields):
                raise OperatorError("write either {names: [...]} or {fingerprints: [...]}", node.place)
            names = fields.take("names", as_list(_as_peer_name, least=1), None)
            pins = fields.take("fingerprints", as_list(_as_pin(folder), least=1), None)
            common_name = fields.take("common_name", as_bool(), default=False)
        if pins:
            return PeerPolicy.pinned(pins)
        return PeerPolicy.names(names, common_name=common_name) if names else None

    return read


def _as_peer_name(node: Node, problems: Problems) -> str:
    text = as_text(r".+", "a name such as web1.example.com or *.example.com")(node, problems)
    try:
        parse_pattern(text)
    except ValueError as error:
        raise OperatorError(str(error), node.place) from None
    return text


def _as_pin(folder: Path) -> Reader[str]:
    """Read a fingerprint, or a PEM file that holds the certificate; returned with its whole path."""

    def read(node: Node, problems: Problems) -> str:
        text = as_text(r".+", "a fingerprint or a PEM file")(node, problems)
        if "/" in text or text.endswith((".pem", ".crt", ".cer")):
            text = str(as_file(folder)(node, problems).absolute())
        try:
            PeerPolicy.pinned([text])
        except (ValueError, OperatorError) as error:
            raise OperatorError(str(error), node.place) from None
        return text

    return read


def _as_socket(folder: Path) -> Reader[Path]:
    def read(node: Node, problems: Problems) -> Path:
        path = folder / as_text(r".+", "a socket's path")(node, problems)
        if len(os.fsencode(path.absolute())) > MAX_SOCKET_PATH:
            raise OperatorError(
                f"{path} is too long for a socket's path (at most {MAX_SOCKET_PATH} octets)", node.place
            )
        return path

    return read
