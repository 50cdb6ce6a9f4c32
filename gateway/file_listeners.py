"""Open the ways in for files: FTP and SFTP into the drop box, and watched folders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IProtocolFactory

from gateway.config import Limits
from gateway.drop.service import DropBox
from gateway.drop_source_config import FtpSource, SftpSource
from gateway.file_source_config import FilesSource
from gateway.handshakes import HalfHandshakes
from gateway.host_keys import load_host_keys
from gateway.notice import Notify
from gateway.notices.sftp import HostKeysKept
from gateway.notices.sources import CertificateKept
from gateway.open_source import BACKLOG, OpenSource, bound_to, nothing_to_poll
from gateway.server_certificate import ServerCertificate
from gateway.source_config import Source
from gateway.sources.admission import Admission, AdmittingFactory
from gateway.sources.ftp.factory import FtpFactory
from gateway.sources.sftp.factory import SftpFactory
from parsers.errors import OperatorError


class FileListeners:
    """Opens sources that bring files.

    Args:
        reactor: opens ports and provides time.
        drop: where files go.
        admission: counts connections.
        half: counts handshakes.
        limits: returns what peers may cost, as it is now.
        now: the wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        reactor: Any,
        drop: DropBox,
        admission: Admission,
        half: HalfHandshakes,
        limits: Callable[[], Limits],
        notify: Notify,
        now: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._drop = drop
        self._admission = admission
        self._half = half
        self._limits = limits
        self._notify = notify
        self._now = now

    def listen(self, source: FtpSource | SftpSource | FilesSource) -> OpenSource:
        """Open a source.

        Raises:
            OperatorError: a certificate or a host key does not load.
            CannotListenError: its port cannot be had.
        """
        match source:
            case FtpSource():
                return self._ftp(source)
            case SftpSource():
                return self._sftp(source)
            case FilesSource():
                return self._watch(source)

    def _ftp(self, source: FtpSource) -> OpenSource:
        certificate = self._certificate(source)
        limits = self._limits()
        factory = FtpFactory(
            source,
            certificate.current if certificate else None,
            self._drop.logins,
            self._reactor,
            self._notify,
            self._now,
            idle=limits.idle,
            handshake_timeout=limits.handshake_timeout,
            half=self._half,
            tries=self._drop.settings.tries,
        )
        outer = AdmittingFactory(factory, self._admission, source.name, self._notify)
        port = self._reactor.listenTCP(source.address.port, outer, BACKLOG, source.address.host)

        def follow(changed: Source) -> None:
            nonlocal certificate
            assert isinstance(changed, FtpSource)  # noqa: S101 -- the key says so
            if certificate is not None and changed.certificates:
                certificate.follow(changed.name, changed.certificates)
            else:
                try:
                    certificate = self._certificate(changed)
                except OperatorError as error:
                    self._notify(CertificateKept(changed.name, str(error)))
            outer.source, limits = changed.name, self._limits()
            factory.source, factory.context = changed, certificate.current if certificate else None
            factory.idle, factory.handshake_timeout = limits.idle, limits.handshake_timeout
            factory.tries = self._drop.settings.tries

        def poll() -> None:
            if certificate is not None:
                certificate.poll()

        return OpenSource(source, bound_to(port), follow, poll, port.stopListening)

    def _certificate(self, source: FtpSource) -> ServerCertificate | None:
        if not source.certificates:
            return None
        return ServerCertificate(source.name, source.certificates, self._notify, self._now)

    def _sftp(self, source: SftpSource) -> OpenSource:
        limits = self._limits()
        factory = SftpFactory(
            source,
            load_host_keys(source.host_keys, self._notify),
            self._drop.logins,
            self._reactor,
            self._notify,
            self._now,
            idle=limits.idle,
            handshake_timeout=limits.handshake_timeout,
            tries=self._drop.settings.tries,
        )
        outer = AdmittingFactory(_as_factory(factory), self._admission, source.name, self._notify)
        port = self._reactor.listenTCP(source.address.port, outer, BACKLOG, source.address.host)

        def follow(changed: Source) -> None:
            assert isinstance(changed, SftpSource)  # noqa: S101 -- the key says so
            try:
                factory.keys = load_host_keys(changed.host_keys, self._notify)
            except OperatorError as error:
                self._notify(HostKeysKept(changed.name, str(error)))
            outer.source, limits = changed.name, self._limits()
            factory.source, factory.tries = changed, self._drop.settings.tries
            factory.idle, factory.handshake_timeout = limits.idle, limits.handshake_timeout

        return OpenSource(source, bound_to(port), follow, nothing_to_poll, port.stopListening)

    def _watch(self, source: FilesSource) -> OpenSource:
        watcher = self._drop.watch(source)

        def follow(changed: Source) -> None:
            assert isinstance(changed, FilesSource)  # noqa: S101 -- the key says so
            watcher.follow(changed)

        return OpenSource(source, watcher.address, follow, watcher.poll, watcher.stop)


def _as_factory(factory: object) -> IProtocolFactory:
    assert IProtocolFactory.providedBy(factory)  # noqa: S101 -- conch's factory is one
    return factory
