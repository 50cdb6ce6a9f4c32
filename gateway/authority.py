"""A private certificate authority in a folder: it makes what mutual TLS needs and never writes over a file.

The authority has an RSA key, and a server gets two certificates. RFC 9662's first cipher suite is an RSA one, and a
device that knows only RSA has to verify the whole chain; the ECDSA certificate beside it costs a tenth of the CPU in
each handshake, and all newer peers choose it. Clients get ECDSA certificates.

    ca.pem ca.key  server.pem server.key (ECDSA)  server-rsa.pem server-rsa.key  clients/NAME.pem clients/NAME.key
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway.trust import parse_host_name, read_certificates
from parsers.errors import OperatorError, Place

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=825)
"""The longest that Apple's and others' TLS stacks take from a private authority."""

BACKDATED = timedelta(hours=1)
"""A peer whose clock is a little behind must not find the certificate not valid yet."""

AUTHORITY_RSA_BITS = 3072
"""128 bits of strength for ten years (NIST SP 800-57)."""

SERVER_RSA_BITS = 2048
"""112 bits for two years; 3072 would treble the cost of each handshake with an old device."""

MAX_COMMON_NAME = 64
"""Characters (RFC 5280 appendix A, ub-common-name)."""


@dataclass(frozen=True, slots=True)
class Issued:
    """The files of one certificate and its key."""

    certificate: Path
    key: Path


def create_authority(folder: Path, name: str, now: float) -> Issued:
    """Make the authority `ca.pem` and `ca.key` in `folder`; `now` is seconds since 1970.

    Raises:
        OperatorError: a file is there already, or cannot be written.
    """
    files = Issued(folder / "ca.pem", folder / "ca.key")
    _must_be_free(files)
    key = rsa.generate_private_key(65537, AUTHORITY_RSA_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:MAX_COMMON_NAME])])
    builder = (
        _builder(subject, subject, key.public_key(), _moment(now), _moment(now) + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
    )
    _write_pair(files, builder.sign(key, hashes.SHA256()), key)
    return files


def issue_server(folder: Path, names: Sequence[str], now: float) -> tuple[Issued, Issued]:
    """Make the server's ECDSA and RSA certificates, with host names and IP addresses in the SAN.

    Raises:
        OperatorError: a name is wrong, a file is there already, or the authority is missing or broken.
    """
    alternatives = [_alternative(name) for name in names]
    if not alternatives:
        raise OperatorError("a server certificate needs at least one name that clients call the server by")
    pairs = (
        Issued(folder / "server.pem", folder / "server.key"),
        Issued(folder / "server-rsa.pem", folder / "server-rsa.key"),
    )
    for files in pairs:
        _must_be_free(files)
    authority = _load_authority(folder)
    keys: tuple[PrivateKey, PrivateKey] = (
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, SERVER_RSA_BITS),
    )
    for files, key in zip(pairs, keys, strict=True):
        _write_pair(files, authority.sign(alternatives, key, ExtendedKeyUsageOID.SERVER_AUTH, now), key)
    return pairs


def issue_client(folder: Path, name: str, now: float) -> Issued:
    """Make a client's certificate `clients/NAME.pem` and its key; `name` is a host name or an IP address.

    Raises:
        OperatorError: the name is wrong, a file is there already, or the authority is missing or broken.
    """
    alternative = _alternative(name)
    files = client_files(folder, name)
    _must_be_free(files)
    authority = _load_authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    _write_pair(files, authority.sign([alternative], key, ExtendedKeyUsageOID.CLIENT_AUTH, now), key)
    return files


def client_files(folder: Path, name: str) -> Issued:
    """Return where a client's certificate and key are, or would be.

    Raises:
        OperatorError: the name is no host name and no IP address.
    """
    stem = str(_alternative(name).value)
    return Issued(folder / "clients" / f"{stem}.pem", folder / "clients" / f"{stem}.key")


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: PrivateKey

    def sign(
        self, alternatives: Sequence[x509.GeneralName], key: PrivateKey, usage: ObjectIdentifier, now: float
    ) -> x509.Certificate:
        begin = _moment(now)
        end = min(begin + LEAF_LIFE, self.certificate.not_valid_after_utc)
        common = str(alternatives[0].value)
        # RFC 5280 limits a CN to 64 characters; a longer name stands in the SAN alone, where names belong anyway.
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)] if len(common) <= MAX_COMMON_NAME else []
        builder = (
            _builder(x509.Name(attributes), self.certificate.subject, key.public_key(), begin, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=not attributes)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        return builder.sign(self.key, hashes.SHA256())


def _load_authority(folder: Path) -> _Authority:
    files = Issued(folder / "ca.pem", folder / "ca.key")
    certificate = x509.load_der_x509_certificate(read_certificates(files.certificate)[0])
    place = Place(str(files.key))
    try:
        key = load_pem_private_key(files.key.read_bytes(), None)
    except OSError as error:
        raise OperatorError(f"the authority's key cannot be read: {error.strerror}", place) from error
    except (ValueError, TypeError) as error:
        raise OperatorError("there is no PEM key without a passphrase in this file", place) from error
    if not isinstance(key, PrivateKey):
        raise OperatorError("the authority's key is neither RSA nor ECDSA", place)
    if key.public_key() != certificate.public_key():
        raise OperatorError(f"this key does not belong to {files.certificate}", place)
    return _Authority(certificate, key)


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)


def _alternative(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(parse_host_name(name))
    except ValueError as error:
        raise OperatorError(f"{error}; a certificate is for a host name or an IP address") from error


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,  # it is for key exchange without forward secrecy, which no listener of ours does
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _must_be_free(files: Issued) -> None:
    for file in (files.certificate, files.key):
        if file.exists() or file.is_symlink():
            raise OperatorError("this file exists, and is not written over; move it away to make it anew", _place(file))


def _place(file: Path) -> Place:
    return Place(str(file))


def _write_pair(files: Issued, certificate: x509.Certificate, key: PrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_new(files.key, pem, 0o600)
    try:
        write_new(files.certificate, certificate.public_bytes(Encoding.PEM), 0o644)
    except OperatorError:
        files.key.unlink(missing_ok=True)  # ours, of a moment ago, and of no use without its certificate
        raise


def write_new(file: Path, data: bytes, mode: int) -> None:
    """Write a whole file or none, and never over another.

    Raises:
        OperatorError: the file is there already, or cannot be written.
    """
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(part, file)  # unlike a rename, it fails when the name is taken
        finally:
            part.unlink()
    except FileExistsError as error:
        raise OperatorError("this file exists, and is not written over", _place(file)) from error
    except OSError as error:
        raise OperatorError(f"the file cannot be written: {error.strerror}", _place(file)) from error
