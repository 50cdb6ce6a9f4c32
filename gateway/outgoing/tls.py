"""The client's side of TLS: whom we believe, who we are, and that the server is who it should be.

Twisted's TLS with pyOpenSSL, and the name checked by service-identity in OpenSSL's verify callback: before the server
gets our certificate, and before anything is sent. Twisted has such a callback too (`optionsForClientTLS`), and lets a
connection pass when service-identity raises anything but VerificationError, which is what it does for a certificate
without names and for one whose names cannot be decoded. Ours lets nothing pass that was not found good.

Profile: TLS 1.2 and 1.3, the suites of our listeners, no compression, no resumption.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from gateway.files import stamp_of
from gateway.outgoing_config import ClientTls
from gateway.tls_context import SUITES
from parsers.errors import OperatorError, Place

SHOWN_NAMES = 8
"""Names of a certificate that go into an error; those of content networks have a hundred."""


SERVER_REFUSALS = {
    "certificate required": "the server wants to see a certificate; give us one (certificate:, key:)",
    "handshake failure": "the server refused the handshake: it may want a certificate of ours, or other ciphers",
    "unknown ca": "the server does not know the CA of our certificate",
    "bad certificate": "the server refused our certificate",
    "certificate unknown": "the server refused our certificate",
    "certificate expired": "the server refused our certificate as expired",
    "certificate revoked": "the server refused our certificate as revoked",
    "access denied": "the server knows our certificate and does not let us in",
    "protocol version": "the server speaks no TLS from 1.2 on",
    "unsupported protocol": "the server speaks TLS older than 1.2",
    "wrong version number": "the server speaks no TLS on this port",
    "record layer failure": "the server speaks no TLS on this port",
    "packet length too long": "the server speaks no TLS on this port",
    "http request": "the server speaks HTTP on this port",
    "unrecognized name": "the server knows no host of this name (name:)",
}
"""OpenSSL's reasons, without the protocol's name in front, in an administrator's words."""

VERIFY_WORDS = {
    9: "it is not valid yet; is our clock right?",
    10: "it has expired",
    18: "it is signed by itself, and not {known}",
    19: "its chain ends in a CA that is not {known}",
    20: "its issuer is not {known}",
    21: "its issuer is not {known}",
    26: "it is not for servers: its extended key usage lacks serverAuth",
    79: "its CA is none: it may not sign certificates",
}
"""OpenSSL's X509_V_ERR codes (x509_vfy.h) in an administrator's words."""


class ServerAuthentication:
    """What a client needs for connections to one server; a file that changes is read again for the next one.

    Args:
        settings: whom to believe, and what to show.
    """

    def __init__(self, settings: ClientTls) -> None:
        self._settings = settings
        self._made: tuple[list[tuple[int, int, int]], SSL.Context] | None = None

    def check(self) -> ServerCheck:
        """Return the check of one new connection.

        Raises:
            OperatorError: a file is missing, broken, or does not belong to its neighbour.
        """
        return ServerCheck(self._settings, self._context())

    def _context(self) -> SSL.Context:
        files = [self._settings.ca, *(self._settings.pair or ())]
        stamps = [stamp_of(file) for file in files if file]
        if self._made is None or self._made[0] != stamps:
            self._made = stamps, client_context(self._settings)
        return self._made[1]


def client_context(settings: ClientTls) -> SSL.Context:
    """Make the context for connections to a server.

    Raises:
        OperatorError: a file is missing, broken, or does not belong to its neighbour.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(SUITES.encode())
    if settings.ca is None:
        context.set_default_verify_paths()
    else:
        _readable(settings.ca, "the CA")
        try:
            context.load_verify_locations(str(settings.ca))
        except SSL.Error as error:
            raise OperatorError(
                f"there is no usable PEM certificate in this file ({reason(error)})", _place(settings.ca)
            ) from None
    if settings.pair is not None:
        _load_pair(context, *settings.pair)
    return context


def _load_pair(context: SSL.Context, certificate: Path, key: Path) -> None:
    _readable(certificate, "the certificate")
    try:
        context.use_certificate_chain_file(str(certificate))
    except SSL.Error as error:
        words = f"there is no usable PEM certificate in this file ({reason(error)})"
        raise OperatorError(words, _place(certificate)) from None
    try:
        load_pem_private_key(_readable(key, "the key"), None)  # OpenSSL would ask the terminal for a passphrase
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except TypeError:
        words = "the key has a passphrase, and nobody is there to type it; remove it with `openssl pkey`"
        raise OperatorError(words, _place(key)) from None
    except (ValueError, UnsupportedAlgorithm):
        raise OperatorError("there is no usable PEM key in this file", _place(key)) from None
    except SSL.Error:
        raise OperatorError(f"this key does not belong to the certificate {certificate}", _place(key)) from None


def _readable(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()  # OpenSSL's own error does not say which file it means
    except OSError as error:
        raise OperatorError(f"{what} cannot be read: {error.strerror}", _place(file)) from None


def _place(file: Path) -> Place:
    return Place(str(file))


def reason(error: SSL.Error) -> str:
    """Return OpenSSL's last reason in lower-case words, without the name of the protocol in front of an alert."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list | tuple) else ()
    words = str(queue[-1][-1]) if queue and queue[-1] else ""
    for prefix in ("ssl/tls alert ", "sslv3 alert ", "tlsv1 alert ", "tlsv13 alert ", "tlsv1 "):
        words = words.removeprefix(prefix)
    return words.lower() or "no reason given"


@implementer(IOpenSSLClientConnectionCreator)
class ServerCheck:
    """The check of one connection: makes it, and says whether the server is the one that it should be.

    Attributes:
        problem: why the server's certificate was refused; None until it was.
        passed: whether the server's certificate was looked at and found good, which a complete handshake alone does
            not say.
    """

    def __init__(self, settings: ClientTls, context: SSL.Context) -> None:
        self._settings = settings
        self._context = context
        self.problem: str | None = None
        self.passed = False

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802 -- Twisted's
        """Return an OpenSSL connection that fails in the handshake unless the server's certificate is good."""
        connection = SSL.Connection(self._context, None)
        if not _is_address(self._settings.name):  # RFC 6066 section 3: no addresses
            connection.set_tlsext_host_name(self._settings.name.encode("ascii"))
        connection.set_verify(SSL.VERIFY_PEER, self._verify)
        connection.set_connect_state()
        return connection

    def words(self, error: BaseException | None) -> str | None:
        """Say in an administrator's words why TLS failed; None for what is no error of TLS."""
        if self.problem is not None:
            return self.problem
        if not isinstance(error, SSL.Error):
            return None
        text = reason(error)
        return SERVER_REFUSALS.get(text) or f"TLS failed ({text})"

    def _verify(self, connection: SSL.Connection, certificate: X509, error: int, depth: int, ok: int) -> bool:  # noqa: ARG002 -- OpenSSL's signature
        """Judge one certificate of the chain; an exception here would be OpenSSL's to lose, so that all end as a no."""
        try:
            if not ok:
                self.problem = self.problem or self._chain_words(error, depth)
                return False
            if depth == 0:
                check_name(certificate, self._settings.name)
                self.passed = True
        except NameRefused as refusal:
            self.problem = str(refusal)
        except Exception as failure:  # noqa: BLE001 -- what breaks the judge must not get past it
            self.problem = f"the server's certificate cannot be understood: {failure}"
        return self.problem is None

    def _chain_words(self, error: int, depth: int) -> str:
        ca = self._settings.ca
        known = f"in {ca} (ca:)" if ca else "one that this system trusts; name its CA under ca:"
        words = VERIFY_WORDS.get(error, f"OpenSSL's error {error}").format(known=known)
        whose = "the server's certificate" if depth == 0 else "a CA's certificate in the server's chain"
        return f"{whose} is refused: {words}"


class NameRefused(Exception):  # noqa: N818 -- it is what the check says
    """A certificate does not carry the name that it should."""


def check_name(certificate: X509, name: str) -> None:
    """Check that a certificate carries a host name (dNSName) or an IP address (iPAddress); RFC 9525.

    Raises:
        NameRefused: it does not, or carries no names at all; the subject's CN is no name.
        Exception: its names cannot be decoded.
    """
    wanted = IPAddress_ID(name) if _is_address(name) else DNS_ID(name)
    try:
        verify_service_identity(extract_patterns(certificate), [wanted], [])
    except VerificationError:
        raise NameRefused(
            f"the server's certificate is for {_names(certificate.to_cryptography())}, and not for {name}; "
            "if that is the right server, write name: and the name that its certificate carries"
        ) from None
    except CertificateError as error:
        words = str(error).rstrip(".") or "it carries no name"
        raise NameRefused(f"the server's certificate is refused: {words}") from None


def _names(certificate: x509.Certificate) -> str:
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = [*san.get_values_for_type(x509.DNSName), *map(str, san.get_values_for_type(x509.IPAddress))]
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more if names else "no host"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
