"""What the SFTP listeners have to tell: handshakes, clients that break the protocol, host keys."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice
from gateway.notices.sources import PeerTrouble


@dataclass(frozen=True, slots=True)
class SshHandshakeFailed(PeerTrouble):
    """SSH did not come about: no SSH at all, no algorithm in common, too slow."""


@dataclass(frozen=True, slots=True)
class SshHandshakeLeft(PeerTrouble):
    """A client left before its keys were exchanged: most often somebody who looks which ports are open."""

    level = "debug"


@dataclass(frozen=True, slots=True)
class SshLoginTooSlow(PeerTrouble):
    """Nobody logged in within the time there is for it."""

    level = "info"


@dataclass(frozen=True, slots=True)
class SshBroken(PeerTrouble):
    """A client broke the protocol of SSH; its connection is closed."""


@dataclass(frozen=True, slots=True)
class SshRequestRefused(PeerTrouble):
    """A client asked for what there is not here: a shell, a command, a forwarded port."""

    level = "info"


@dataclass(frozen=True, slots=True)
class SftpBroken(PeerTrouble):
    """A client broke the protocol of SFTP; its channel is closed, and unfinished uploads are no files."""


@dataclass(frozen=True, slots=True)
class SftpFailed(Notice):
    """A request met a bug; the client was told that it failed."""

    level = "critical"
    words = "{source}: {address}: a bug of the gateway, please report it: {request} met {problem}"
    source: str
    address: str
    request: str
    problem: str


@dataclass(frozen=True, slots=True)
class HostKeyExposed(Notice):
    """Others than its owner can read the private key of a listener."""

    level = "warn"
    words = "{path}: others than its owner can read this private key; chmod 600 {path}"
    path: str


@dataclass(frozen=True, slots=True)
class HostKeysKept(Notice):
    """New host keys do not load; those in use stay."""

    level = "error"
    words = "{source}: the host keys in use stay: {problem}"
    source: str
    problem: str
