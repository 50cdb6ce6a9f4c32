"""Makes the connections of one SFTP listener."""

from __future__ import annotations

from collections.abc import Callable

from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHTransportBase
from twisted.internet.interfaces import IAddress, IReactorTime

from gateway.drop.visit import Logins
from gateway.drop_source_config import SftpSource
from gateway.host_keys import HostKeys
from gateway.notice import Notify
from gateway.sources.sftp.interruptions import Interruptions
from gateway.sources.sftp.quiet import QUIET
from gateway.sources.sftp.transport import SftpTransport

KEY_EXCHANGES = (
    b"mlkem768x25519-sha256",
    b"curve25519-sha256",
    b"curve25519-sha256@libssh.org",
)
"""In our order of preference. All clients since 2014 have one; NIST's curves are not offered, and neither is
Diffie-Hellman over finite fields, which makes each handshake of a stranger cost us more than it costs him, and which
the cryptography package is about to drop."""

HOST_KEYS = (b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521")
RSA = (b"rsa-sha2-512", b"rsa-sha2-256")
"""What an RSA key signs with; SHA-1, which is called `ssh-rsa` as the key is, is not among it."""


class SftpFactory(SSHFactory):
    """Makes the connections of one listener; the attributes may be replaced, for those to come.

    Args:
        keys: private host keys, as `load_host_keys` returns them.
        idle: seconds without traffic after which a client is closed.
        handshake_timeout: seconds for the key exchange; a login may take six times as long.
        tries: logins that may fail on one connection.
    """

    noisy = False
    protocol = SftpTransport
    _log = QUIET

    def __init__(
        self,
        source: SftpSource,
        keys: HostKeys,
        logins: Logins,
        reactor: IReactorTime,
        notify: Notify,
        now: Callable[[], float],
        *,
        idle: float,
        handshake_timeout: float,
        tries: int,
    ) -> None:
        self.source = source
        self.keys = keys
        self.logins = logins
        self.clock = reactor
        self.notify = notify
        self.now = now
        self.idle = idle
        self.handshake_timeout = handshake_timeout
        self.tries = tries
        self.interruptions = Interruptions()
        self.primes = None

    @property
    def keys(self) -> HostKeys:
        """The private host keys."""
        return self._keys

    @keys.setter
    def keys(self, keys: HostKeys) -> None:
        self._keys = dict(keys)
        self.privateKeys = self._keys
        self.publicKeys: dict[bytes, Key] = {kind: key.public() for kind, key in keys.items()}

    def buildProtocol(self, addr: IAddress | None) -> SftpTransport:
        """Make one, which offers what our host keys can sign."""
        connection = super().buildProtocol(addr)
        assert isinstance(connection, SftpTransport)  # noqa: S101 -- `protocol` says so
        connection.host_keys = self.keys
        connection.supportedPublicKeys = [kind for kind in HOST_KEYS if kind in self.keys]
        if b"ssh-rsa" in self.keys:
            connection.supportedPublicKeys += RSA
        have = SSHTransportBase.supportedKeyExchanges  # without ML-KEM where the cryptography package has none
        connection.supportedKeyExchanges = [name for name in KEY_EXCHANGES if name in have]
        return connection
