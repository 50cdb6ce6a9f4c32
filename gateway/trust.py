"""Who a peer is: policies for client certificates (rsyslog's model, RFC 5425 section 5) and trusted networks.

A policy is judged after the handshake, which has already proved the key and the chain, and before the peer's first
octet is looked at. Whatever goes wrong while judging refuses the peer.
"""

from __future__ import annotations

import enum
import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.addresses import parse_address
from parsers.errors import OperatorError, Place, RemoteError
from parsers.message import Peer

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
HOST_NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*")
"""Letters, digits and hyphens (RFC 1123), and the underscore that Windows and Docker put into host names."""

MAX_HOST_NAME = 253
"""Octets of a domain name in text form (RFC 1035)."""

FINGERPRINT = re.compile(r"(?:(?P<algorithm>sha-?1|sha-?256)\s*[:=]\s*)?(?P<digest>[0-9a-f]{2}(?::?[0-9a-f]{2})*)")
DIGEST_OCTETS = {"sha1": 20, "sha256": 32}


class PolicyKind(enum.Enum):
    """What a client's certificate has to show; all but `fingerprint` need a chain to the listener's client CA."""

    CERTIFICATE = "certificate"
    NAME = "name"
    FINGERPRINT = "fingerprint"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hash of a whole certificate; `digest` is lower-case hex without separators."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        """Render as RFC 5425 section 4.2.2 writes it: `sha-256:E1:2D:…`."""
        octets = ":".join(self.digest[at : at + 2] for at in range(0, len(self.digest), 2))
        return f"{self.algorithm.replace('sha', 'sha-')}:{octets.upper()}"


def fingerprints(der: bytes) -> tuple[Fingerprint, Fingerprint]:
    """Return a certificate's SHA-256 and SHA-1 fingerprints."""
    sha1 = hashlib.sha1(der, usedforsecurity=False)  # RFC 5425 makes every receiver support the label sha-1
    return Fingerprint("sha256", hashlib.sha256(der).hexdigest()), Fingerprint("sha1", sha1.hexdigest())


def parse_fingerprint(text: str) -> Fingerprint:
    """Read `sha-256:AA:BB:…`, `SHA1:aabb…`, or the hex digits alone, whose number tells the algorithm.

    Raises:
        ValueError: it is none of these.
    """
    match = FINGERPRINT.fullmatch(text.strip().lower())
    if not match:
        raise ValueError(f"{text!r} is no fingerprint; write sha-256:AA:BB:… as `gateway cert show FILE` prints it")
    digest = match["digest"].replace(":", "")
    octets = len(digest) // 2
    algorithm = (match["algorithm"] or "").replace("-", "")
    if not algorithm:
        algorithm = next((name for name, length in DIGEST_OCTETS.items() if length == octets), "")
    if DIGEST_OCTETS.get(algorithm) != octets:
        raise ValueError(f"the fingerprint {text!r} has {octets} octets; SHA-256 has 32 and SHA-1 has 20")
    return Fingerprint(algorithm, digest)


def parse_host_name(text: str) -> str:
    """Return a DNS name in lower case, without the dot that may end it.

    Raises:
        ValueError: it is no host name.
    """
    name = text.lower().removesuffix(".")
    if not name.isascii():
        raise ValueError(f"{text!r} has letters beyond ASCII; write it as certificates do, in its xn-- form")
    if len(name) > MAX_HOST_NAME or not HOST_NAME.fullmatch(name):
        raise ValueError(f"{text!r} is no host name")
    return name


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A name the operator permits: a host name, an IP address, or exactly one label before `name`."""

    name: str
    address: IPAddress | None = None
    wildcard: bool = False

    def permits_name(self, name: str) -> bool:
        """Tell whether a dNSName (or a common name) of a certificate is permitted; `name` is in lower case."""
        if self.address is not None:
            return False
        if self.wildcard:
            label, _, rest = name.partition(".")
            return bool(label) and rest == self.name
        return name == self.name


def parse_pattern(text: str) -> NamePattern:
    """Read `host.example.com`, `192.0.2.1`, `2001:db8::1` or `*.example.com`.

    Raises:
        ValueError: it is none of these; a star stands for the whole left-most label only (RFC 5425 section 5.2).
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return NamePattern(str(address), address)
    if text.startswith("*."):
        return NamePattern(parse_host_name(text[2:]), wildcard=True)
    if "*" in text:
        raise ValueError(f"{text!r}: a star stands for one whole label at the very left, as in *.example.com")
    return NamePattern(parse_host_name(text))


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    """Which client certificates a listener accepts; make one with `any_certificate`, `names` or `pinned`.

    Attributes:
        common_name: a certificate without any SAN may be named by its subject's CN.
    """

    kind: PolicyKind
    patterns: tuple[NamePattern, ...] = ()
    pins: frozenset[Fingerprint] = frozenset()
    common_name: bool = False

    @classmethod
    def any_certificate(cls, *, common_name: bool = False) -> PeerPolicy:
        """Accept whatever the client CA has signed."""
        return cls(PolicyKind.CERTIFICATE, common_name=common_name)

    @classmethod
    def names(cls, patterns: Iterable[str], *, common_name: bool = False) -> PeerPolicy:
        """Accept certificates that carry one of these names.

        Raises:
            ValueError: a pattern is wrong, or there is none.
        """
        parsed = tuple(map(parse_pattern, patterns))
        if not parsed:
            raise ValueError("no name is permitted, so that no peer could ever get in; list at least one")
        return cls(PolicyKind.NAME, parsed, common_name=common_name)

    @classmethod
    def pinned(cls, entries: Iterable[str], folder: Path = Path()) -> PeerPolicy:
        """Accept these very certificates, named by fingerprint or by a PEM file (relative to `folder`).

        Raises:
            ValueError: an entry is neither, or there is none.
            OperatorError: a file cannot be read or holds no certificate.
        """
        pins: set[Fingerprint] = set()
        for entry in entries:
            if "/" in entry or entry.endswith((".pem", ".crt", ".cer")):
                pins.update(fingerprints(der)[0] for der in read_certificates(folder / entry))
            else:
                pins.add(parse_fingerprint(entry))
        if not pins:
            raise ValueError("no fingerprint is permitted, so that no peer could ever get in; list at least one")
        return cls(PolicyKind.FINGERPRINT, pins=frozenset(pins))

    def pins_certificate(self, der: bytes) -> bool:
        """Tell whether this very certificate is pinned."""
        return not self.pins.isdisjoint(fingerprints(der))


def read_certificates(file: Path) -> tuple[bytes, ...]:
    """Read all certificates of a PEM file, as DER.

    Raises:
        OperatorError: the file cannot be read, or holds no certificate.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    place = Place(str(file))
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise OperatorError(f"the certificate cannot be read: {error.strerror}", place) from error
    except ValueError as error:
        raise OperatorError("there is no PEM certificate in this file (-----BEGIN CERTIFICATE-----)", place) from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names a certificate may be known by; those that are no plain host names are left out."""

    dns: tuple[str, ...]
    addresses: tuple[IPAddress, ...]
    common: str | None
    san: bool

    def all(self, *, common_name: bool) -> tuple[str, ...]:
        common = (self.common,) if common_name and self.common and not self.san else ()
        return (*self.dns, *map(str, self.addresses), *common)


def _plain(text: object) -> str | None:
    """Return a host name in lower case; None for wildcards, NULs and whatever else no host is called."""
    try:
        return parse_host_name(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _names(certificate: x509.Certificate) -> _Names:
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        san = None
    dns = map(_plain, san.get_values_for_type(x509.DNSName)) if san else ()
    found = san.get_values_for_type(x509.IPAddress) if san else ()
    addresses = tuple(each for each in found if isinstance(each, IPAddress))
    # Two common names are two claims: which one a reader takes is how certificates have been misread before.
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    only = _plain(common[0].value) if len(common) == 1 else None
    return _Names(tuple(filter(None, dns)), addresses, only, san is not None)


def certificate_names(der: bytes, *, common_name: bool = False) -> tuple[str, ...]:
    """Return all names a certificate carries, for `hostname: must-agree`; wildcards are no names.

    Raises:
        ValueError: it is no certificate.
    """
    return _names(x509.load_der_x509_certificate(der)).all(common_name=common_name)


def has_chain(der: bytes, authorities: Iterable[bytes]) -> bool:
    """Tell whether a certificate is signed by these authorities, up to one that signs itself."""
    known = [x509.load_der_x509_certificate(authority) for authority in authorities]
    certificate = x509.load_der_x509_certificate(der)
    for _ in range(len(known) + 1):
        issuer = next((authority for authority in known if _is_signed_by(certificate, authority)), None)
        if issuer is None or issuer.subject == issuer.issuer:
            return issuer is not None
        certificate = issuer
    return False


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def judge(der: bytes | None, policy: PeerPolicy, now: float, *, source: str = "") -> Peer:
    """Return who the peer is, by the certificate whose key it proved to hold.

    Args:
        der: the certificate; None for a peer that showed none.
        policy: whom the listener lets in.
        now: seconds since 1970.
        source: the name of the source whose policy it is, for the words of a refusal.

    Raises:
        RemoteError: the policy does not permit it; anything that goes wrong ends here.
    """
    if der is None:
        raise RemoteError("the peer showed no certificate")
    try:
        return _judge(der, policy, datetime.fromtimestamp(now, UTC), source)
    except RemoteError:
        raise
    except Exception as error:  # a certificate that breaks the judge must not get past it
        raise RemoteError(f"the peer's certificate cannot be understood: {error}") from error


def _judge(der: bytes, policy: PeerPolicy, now: datetime, source: str) -> Peer:
    certificate = x509.load_der_x509_certificate(der)
    sha256, _ = fingerprints(der)
    subject = certificate.subject.rfc4514_string()
    whose = f"the peer's certificate ({subject or 'no subject'}, {sha256})"
    if now > certificate.not_valid_after_utc:
        raise RemoteError(f"{whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        raise RemoteError(f"{whose} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise RemoteError(f"{whose} is not for clients: its extended key usage lacks clientAuth")
    names = _names(certificate)
    key = f"(peers: of the source {source})" if source else "(peers:)"
    if policy.kind is PolicyKind.NAME:
        identity = _permitted(names, policy)
        if identity is None:
            carried = ", ".join(names.all(common_name=policy.common_name)) or "no usable name"
            raise RemoteError(f"{whose} carries {carried}, and none of that is permitted here {key}")
        return Peer(identity, subject, sha256.digest)
    if policy.kind is PolicyKind.FINGERPRINT and not policy.pins_certificate(der):
        raise RemoteError(f"{whose} is not one of the pinned ones {key}")
    # A pinned certificate is fixed to the last bit, so that its CN is as good as a SAN.
    carried_names = names.all(common_name=policy.common_name or policy.kind is PolicyKind.FINGERPRINT)
    return Peer(carried_names[0] if carried_names else None, subject, sha256.digest)


def _permitted(names: _Names, policy: PeerPolicy) -> str | None:
    for pattern in policy.patterns:
        if pattern.address is not None and pattern.address in names.addresses:
            return str(pattern.address)
    texts = [*names.dns]
    if policy.common_name and names.common and not names.san:
        texts.append(names.common)
    for text in texts:
        if any(pattern.permits_name(text) for pattern in policy.patterns):
            return text
    return None


class Networks:
    """A set of CIDR networks (`trusted:`); an IPv4 address written as IPv6 (::ffff:192.0.2.1) counts as IPv4.

    Raises:
        ValueError: an entry is no network, or has bits set beyond its prefix.
    """

    __slots__ = ("_networks",)

    def __init__(self, entries: Iterable[str]) -> None:
        self._networks = tuple(map(parse_network, entries))

    def __contains__(self, address: object) -> bool:
        """Tell whether the text of an address is in one of the networks; what is no address is in none."""
        found = parse_address(address) if isinstance(address, str) else None
        return found is not None and any(found in network for network in self._networks)


def parse_network(text: str) -> IPNetwork:
    """Read `192.0.2.0/24`, `2001:db8::/32` or a single address.

    Raises:
        ValueError: it is none of these, or has bits set beyond its prefix.
    """
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network; write 192.0.2.0/24 or 2001:db8::/32") from error
    if "/" in text and ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        raise ValueError(f"{text!r} names one host and a whole network; did you mean {network}?")
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network
