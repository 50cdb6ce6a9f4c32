"""The certificate of a listener whose clients show none: FTP's have a name and a password."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from gateway.notice import Notify
from gateway.notices.sources import CertificateExpires, CertificateKept, CertificateReloaded
from gateway.tls_context import ReloadingContext
from gateway.tls_settings import EXPIRY_WARNING, shown_date
from parsers.errors import OperatorError

Pairs = tuple[tuple[Path, Path], ...]
"""Files of (certificate chain, key), at most one pair for each type of key."""


class ServerCertificate:
    """Loads a certificate, and again when its files change; a file that does not load leaves the old one in use.

    Args:
        source: the listener's name.
        now: the wall clock, in seconds since 1970.

    Raises:
        OperatorError: it does not load.
    """

    def __init__(self, source: str, pairs: Pairs, notify: Notify, now: Callable[[], float]) -> None:
        self._source = source
        self._pairs = pairs
        self._notify = notify
        self._now = now
        self._context = self._load(pairs)
        self._tell_expiry()

    def current(self) -> ssl.SSLContext:
        """Return the context that a new connection gets."""
        return self._context.current

    def follow(self, source: str, pairs: Pairs) -> None:
        """Take other files, or the same anew."""
        self._source = source
        if pairs == self._pairs:
            self._reload()
            return
        try:
            fresh = self._load(pairs)
        except OperatorError as error:
            self._notify(CertificateKept(source, str(error)))
            return
        self._pairs, self._context = pairs, fresh
        self._tell()

    def poll(self) -> None:
        """Load the files anew when one has changed."""
        if self._context.changed():
            self._reload()

    def _load(self, pairs: Pairs) -> ReloadingContext:
        return ReloadingContext(pairs, None, now=self._now, clients=False)

    def _reload(self) -> None:
        shown = self._context.shown
        try:
            self._context.reload()
        except OperatorError as error:
            self._notify(CertificateKept(self._source, str(error)))
            return
        if self._context.shown != shown:
            self._tell()

    def _tell(self) -> None:
        self._notify(CertificateReloaded(self._source, shown_date(self._context.expires)))
        self._tell_expiry()

    def _tell_expiry(self) -> None:
        if self._context.expires - self._now() < EXPIRY_WARNING:
            self._notify(CertificateExpires(self._source, shown_date(self._context.expires)))
