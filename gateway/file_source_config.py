"""Ways in for files, as the configuration gives them: FTP and SFTP listeners of the drop box, and watched folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from gateway.drop.account import After, Checks, Content, Unpacking
from gateway.listen_address import Address
from parsers.errors import Place
from rules.condition import Network


@dataclass(frozen=True, slots=True)
class FtpSource:
    """FTP (RFC 959) with explicit TLS (RFC 4217) into the drop box.

    Attributes:
        certificates: files of (certificate chain, key); none: there is no TLS here.
        tls_required: nobody logs in without TLS, but from this machine, or to an account that is `plain`.
        passive_ports: the first and the last port for data; None: whichever is free.
        passive_address: what PASV names, where a router translates addresses; None: the address that was connected to.
        active: PORT and EPRT are served, to the client's own address.
        anonymous: the account of whoever logs in as `anonymous` or `ftp`; None: nobody does.
        zone: of time stamps in uploaded logs that carry none.
    """

    name: str
    place: Place
    address: Address
    zone: tzinfo
    certificates: tuple[tuple[Path, Path], ...] = ()
    tls_required: bool = True
    trusted: tuple[Network, ...] = ()
    passive_ports: tuple[int, int] | None = None
    passive_address: str | None = None
    active: bool = False
    anonymous: str | None = None


@dataclass(frozen=True, slots=True)
class SftpSource:
    """SFTP (version 3) over SSH into the drop box.

    Attributes:
        host_keys: files with private keys in OpenSSH's form, one of each type.
        passwords: accounts may log in by password, not by key only.
        zone: of time stamps in uploaded logs that carry none.
    """

    name: str
    place: Place
    address: Address
    zone: tzinfo
    host_keys: tuple[Path, ...]
    trusted: tuple[Network, ...] = ()
    passwords: bool = True


@dataclass(frozen=True, slots=True)
class FilesSource:
    """Folders of this machine in which files appear.

    Attributes:
        patterns: a file's name must match one.
        unfinished: a file whose name matches one is not whole yet.
        recursive: folders below are watched too, those that appear later too.
        quiet: seconds after which a file that somebody still has open, or that was only moved here in part, is taken
            for whole: its size and time have not changed since.
        zone: of time stamps in logs that carry none.
    """

    name: str
    place: Place
    folders: tuple[Path, ...]
    zone: tzinfo
    patterns: tuple[str, ...] = ("*",)
    unfinished: tuple[str, ...] = ()
    recursive: bool = True
    quiet: float = 2.0
    checks: Checks = field(default_factory=Checks)
    content: Content = Content.FILES
    after: After = After.KEEP
    unpacking: Unpacking = field(default_factory=Unpacking)
