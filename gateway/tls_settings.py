"""The certificate and the peer policy of one TLS listener, as they are now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.notice import Notify
from gateway.notices.sources import CertificateExpires, CertificateKept, CertificateReloaded, PeerPolicyChanged
from gateway.source_config import TlsSource
from gateway.tls_context import ReloadingContext
from gateway.trust import PolicyKind, has_chain, judge
from parsers.errors import OperatorError, RemoteError
from parsers.message import Peer

EXPIRY_WARNING = 30 * 86_400.0
"""Seconds before a server certificate's end from which on it is said, at start and at every reload."""


class TLSSettings:
    """What a TLS listener shows and whom it lets in.

    Args:
        now: the wall clock, in seconds since 1970.

    Raises:
        OperatorError: the certificate does not load.
    """

    def __init__(self, source: TlsSource, notify: Notify, now: Callable[[], float]) -> None:
        self._source = source
        self._notify = notify
        self._now = now
        self._chain_in_doubt = False
        self.context = self._load(source)

    def judge(self, der: bytes | None) -> Peer:
        """Say who a peer is whose handshake is complete.

        Raises:
            RemoteError: it is not permitted.
        """
        return judge(der, self._source.peers, self._now(), source=self._source.name)

    def judge_again(self, der: bytes | None) -> Peer:
        """Say who the peer of an open connection is, whose handshake was made under former settings.

        A chain that went through a certificate of the peer's own is not known any more: when its authority is gone,
        such a peer is refused, and its next handshake shows the whole chain.

        Raises:
            RemoteError: it is not permitted.
        """
        peer = self.judge(der)
        if self._chain_in_doubt and der is not None and not has_chain(der, self.context.authorities):
            raise RemoteError(
                f"the issuer of the peer's certificate ({peer.subject or 'no subject'}) is not in client_ca "
                f"of the source {self._source.name}"
            )
        return peer

    def follow(self, source: TlsSource) -> bool:
        """Take other settings; tells whether open connections are to be judged again.

        A certificate that does not load leaves all of the settings in use.
        """
        former, self._source = self._source, source
        if (former.certificates, former.client_ca, former.peers) == (
            source.certificates,
            source.client_ca,
            source.peers,
        ):
            return self._reload()
        try:
            fresh = self._load(source)
        except OperatorError as error:
            self._source = former
            self._notify(CertificateKept(source.name, str(error)))
            return False
        shown, authorities, self.context = self.context.shown, self.context.authorities, fresh
        return self._tell(shown, authorities, former)

    def poll(self) -> bool:
        """Load the files anew when one has changed; tells whether open connections are to be judged again."""
        return self.context.changed() and self._reload()

    def tell_expiry(self) -> None:
        """Say so when the certificate ends soon."""
        if self.context.expires - self._now() < EXPIRY_WARNING:
            self._notify(CertificateExpires(self._source.name, shown_date(self.context.expires)))

    def _load(self, source: TlsSource) -> ReloadingContext:
        pinned = source.peers.pins_certificate if source.peers.kind is PolicyKind.FINGERPRINT else None
        return ReloadingContext(source.certificates, source.client_ca, now=self._now, pinned=pinned)

    def _reload(self) -> bool:
        shown, authorities = self.context.shown, self.context.authorities
        try:
            self.context.reload()
        except OperatorError as error:
            self._notify(CertificateKept(self._source.name, str(error)))
            return False
        return self._tell(shown, authorities, self._source)

    def _tell(self, shown: tuple[bytes, ...], authorities: frozenset[bytes], former: TlsSource) -> bool:
        """Say what is new; tells whether whom we let in is."""
        if self.context.shown != shown:
            self._notify(CertificateReloaded(self._source.name, shown_date(self.context.expires)))
            self.tell_expiry()
        peers = self._source.peers
        if (self.context.authorities, peers) == (authorities, former.peers):
            return False
        self._notify(PeerPolicyChanged(self._source.name))
        was_pinned = former.peers.kind is PolicyKind.FINGERPRINT
        authority_is_gone = not authorities <= self.context.authorities
        self._chain_in_doubt = peers.kind is not PolicyKind.FINGERPRINT and (was_pinned or authority_is_gone)
        return True


def shown_date(seconds: float) -> str:
    """Write the day of a time, in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
