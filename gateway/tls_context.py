"""What a TLS listener shows and believes: its certificates, its client CA and its pins, loaded anew when they change.

Profile: TLS 1.2 and 1.3, forward secrecy and AEAD only (sslyze's "intermediate"), no renegotiation, compression,
tickets or early data (RFC 9662 section 5). RFC 9662's second mandatory suite, TLS_RSA_WITH_AES_128_CBC_SHA, is left
out: it is for migration only and has no forward secrecy.

Note "pins". OpenSSL refuses a certificate whose issuer it does not know before anyone can ask for its fingerprint, and
the standard library cannot set OpenSSL's verify callback (pyOpenSSL can, but cannot switch session tickets off). So a
context with pins looks at each Certificate message through `SSLContext._msg_callback`, and adds a certificate that is
pinned to the trust anchors just before OpenSSL verifies it. That hook is not public. It is safe to lean on because it
can only fail closed: all it can do is trust a certificate that the operator has named; if a Python lacked it, pinned
certificates would need a chain; and the fingerprint is judged again after the handshake.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.files import stamp_of
from gateway.trust import read_certificates
from parsers.errors import OperatorError, Place

SUITES = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("RSA", "ECDSA")
)
"""TLS 1.2 suites in our order of preference; the first is the one RFC 9662 section 4 wants preferred."""

CERTIFICATE_MESSAGE = 11
"""The type of the handshake message that carries certificates (RFC 8446 section 4)."""

HANDSHAKE_RECORD = 22
"""The content type of a record that carries handshake messages (RFC 8446 section 5.1)."""


Pinned = Callable[[bytes], bool]
"""Tells whether a certificate (DER) is pinned."""


def server_context(
    certificates: Sequence[tuple[Path, Path]],
    client_ca: Path | None,
    *,
    now: float,
    pinned: Pinned | None = None,
    clients: bool = True,
) -> ssl.SSLContext:
    """Make a listener's context; every client has to show a certificate, unless it logs in in another way.

    Args:
        certificates: files of (certificate chain, key), at most one pair for each type of key.
        client_ca: the authorities whose clients are believed; None when only pinned ones are.
        now: seconds since 1970; an expired server certificate is refused here, not by every client.
        pinned: which certificates get in without a chain.
        clients: whether clients are asked for a certificate; FTP's have a name and a password.

    Raises:
        OperatorError: a file is missing, unreadable, broken, expired, or does not belong to its neighbour.
    """
    if clients and client_ca is None and pinned is None:
        raise OperatorError("a TLS listener needs a client CA or pinned fingerprints, else nobody could get in")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_TICKET  # TLS 1.2: a ticket key as old as the process would undo forward secrecy
    context.num_tickets = 0  # TLS 1.3: a one-way sender never reads them, and its close() becomes a reset
    context.set_ciphers(SUITES)
    if not clients:
        _set_groups(context)
    context.verify_mode = ssl.CERT_REQUIRED if clients else ssl.CERT_NONE
    if not certificates:
        raise OperatorError("a TLS listener needs a certificate and its key; `gateway cert server NAME` makes them")
    types: dict[str, Path] = {}
    for certificate, key in certificates:
        kind = _check_certificate(certificate, now)
        if kind in types:
            raise OperatorError(f"{types[kind]} has an {kind} key too; one of each type is used", _place(certificate))
        types[kind] = certificate
        _load_pair(context, certificate, key)
    if client_ca is not None:
        _load_authorities(context, client_ca, now)
    if pinned is not None:
        _let_pinned_in(context, pinned)
    return context


def _set_groups(context: ssl.SSLContext) -> None:
    """Offer no group beyond 128 to 192 bits of strength (sslyze's "intermediate" rejects X448 and secp521r1).

    Not for syslog's listeners: clients that guess another group need one more round trip, and senders that nobody
    answers are not to meet what is unusual.
    """
    set_groups = getattr(context, "set_groups", None)
    if set_groups is not None:  # from Python 3.15 on
        set_groups("X25519:P-256:P-384")
    else:
        context.set_ecdh_curve("prime256v1")  # one can be named, and this one everybody has


def _place(file: Path) -> Place:
    return Place(str(file))


def _check_certificate(file: Path, now: float) -> str:
    """Return the type of the certificate's key."""
    try:
        leaf = x509.load_der_x509_certificate(read_certificates(file)[0])
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise OperatorError(f"the certificate cannot be understood: {error}", _place(file)) from error
    moment = datetime.fromtimestamp(now, UTC)
    if leaf.not_valid_after_utc < moment:
        raise OperatorError(
            f"this certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}; issue a new one", _place(file)
        )
    if leaf.not_valid_before_utc > moment + timedelta(minutes=5):
        raise OperatorError(
            f"this certificate is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC;"
            " is this machine's clock right?",
            _place(file),
        )
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__.removesuffix("PublicKey")


class _EncryptedKeyError(Exception):
    """OpenSSL asked for the key's passphrase; nobody is there to type it."""


def _no_passphrase() -> NoReturn:
    raise _EncryptedKeyError


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        key.read_bytes()  # OpenSSL's own error does not say which of the two files it means
    except FileNotFoundError as error:
        raise OperatorError(f"this file is missing: the key of {certificate}", _place(key)) from error
    except OSError as error:
        raise OperatorError(
            f"the key cannot be read: {error.strerror}; the gateway's user needs to read it", _place(key)
        ) from error
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except _EncryptedKeyError:
        raise OperatorError(
            "the key has a passphrase, and nobody is there to type it; remove it with `openssl pkey`", _place(key)
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            words = f"this key does not belong to the certificate {certificate}"
        elif error.reason in {"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"}:
            raise OperatorError(
                f"the certificate is too weak for OpenSSL ({error.reason}); issue a new one", _place(certificate)
            ) from error
        else:
            words = f"there is no usable PEM key in this file ({error.reason or error})"
        raise OperatorError(words, _place(key)) from error


def _load_authorities(context: ssl.SSLContext, file: Path, now: float) -> None:
    authorities = [x509.load_der_x509_certificate(der) for der in read_certificates(file)]
    last = max(authority.not_valid_after_utc for authority in authorities)
    if last < datetime.fromtimestamp(now, UTC):
        raise OperatorError(f"the client CA expired on {last:%Y-%m-%d}, so that nobody could get in", _place(file))
    try:
        context.load_verify_locations(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(f"the client CA cannot be used: {error}", _place(file)) from error


def _let_pinned_in(context: ssl.SSLContext, pinned: Pinned) -> None:
    """See the note "pins" above."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    known: set[bytes] = set()

    def look(connection: object, direction: str, version: int, content: int, kind: int, data: bytes) -> None:  # noqa: ARG001 -- the hook's own signature
        if kind != CERTIFICATE_MESSAGE or direction != "read" or content != HANDSHAKE_RECORD:
            return
        der = leaf_of(data, tls13=version == ssl.TLSVersion.TLSv1_3)
        if der not in known and pinned(der):
            context.load_verify_locations(cadata=der)
            known.add(der)

    context._msg_callback = look  # type: ignore[attr-defined]  # noqa: SLF001 -- see the note "pins"


def leaf_of(message: bytes, *, tls13: bool) -> bytes:
    """Take the peer's own certificate (DER) out of a Certificate message; empty when there is none.

    RFC 5246 section 7.4.2 and, with a context octet in front, RFC 8446 section 4.4.2.
    """
    start = 4
    if tls13:
        start += 1 + message[start] if len(message) > start else 1
    start += 3
    length = int.from_bytes(message[start : start + 3], "big")
    return bytes(message[start + 3 : start + 3 + length])


class ReloadingContext:
    """The context that new connections get; a file that does not load leaves the old one in place.

    Attributes:
        current: the context in use.
        shown: the server's certificates, DER.
        authorities: the certificates of the client CA file, DER.
        expires: when the first of the server's certificates expires, in seconds since 1970.

    Raises:
        OperatorError: the first load failed, so that there is nothing to fall back to.
    """

    def __init__(
        self,
        certificates: Sequence[tuple[Path, Path]],
        client_ca: Path | None,
        *,
        now: Callable[[], float],
        pinned: Pinned | None = None,
        clients: bool = True,
    ) -> None:
        self._clients = clients
        self._certificates = tuple(certificates)
        self._client_ca = client_ca
        self._pinned = pinned
        self._now = now
        files = [file for pair in self._certificates for file in pair]
        self._files = (*files, client_ca) if client_ca else tuple(files)
        self.reload()

    def reload(self) -> None:
        """Load all files anew.

        Raises:
            OperatorError: a file is broken; the old context stays.
        """
        self._seen = self._stamps()
        fresh = server_context(
            self._certificates, self._client_ca, now=self._now(), pinned=self._pinned, clients=self._clients
        )
        self.current = fresh
        self.shown = tuple(read_certificates(file)[0] for file, _ in self._certificates)
        self.authorities = frozenset(read_certificates(self._client_ca) if self._client_ca else ())
        self.expires = min(x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp() for der in self.shown)

    def changed(self) -> bool:
        """Tell whether a file is another one than at the last load, be that a failed one."""
        return self._stamps() != self._seen

    def _stamps(self) -> list[tuple[int, int, int]]:
        return [stamp_of(file) for file in self._files]
