"""The listeners of the drop box out of the configuration: `ftp` and `sftp`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import IPv4Address
from pathlib import Path

from gateway.drop.account import NAME
from gateway.files import as_file
from gateway.listen_address import Address, as_listen_address
from gateway.source_fields import SourceHead, take_certificates, take_trusted
from parsers.errors import OperatorError, Place
from rules.condition import Network
from rules.schema import Fields, Problems, as_one_or_more, scalar_of
from rules.strict_yaml import Node, shown
from rules.values import as_bool, as_choice, as_text


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


ENCRYPTION = {"required": True, "optional": False}

PORTS = r"([0-9]{1,5})-([0-9]{1,5})"

LEAST_PASSIVE = 1024
"""The first port that is nobody's in particular (RFC 6335 section 6)."""


def ftp_source(head: SourceHead, fields: Fields, problems: Problems) -> FtpSource | None:
    """Read a listener for FTP."""
    address = fields.take("ftp", as_listen_address, None)
    at = fields.place_of("encryption")
    certificates = take_certificates(head, fields, problems, required=False)
    required = fields.take("encryption", as_choice(ENCRYPTION), default=True)
    passive_ports = fields.take("passive_ports", _as_ports, None)
    passive_address = fields.take("passive_address", _as_ipv4, None)
    active = fields.take("active", as_bool(), default=False)
    anonymous = fields.take("anonymous", as_text(NAME.pattern, "an account's name"), None)
    trusted = take_trusted(fields)
    if address is None:
        return None
    if not address.loopback and not certificates and required:
        problems.error(
            f"{head.name}: without a certificate nobody but this machine could log in; `gateway init DIR` makes one, "
            "or write `encryption: optional` for passwords that everybody on the way can read",
            head.place,
        )
    elif not address.loopback and not required:
        problems.warn(f"{head.name}: passwords may come in the clear (encryption: optional)", at)
    return FtpSource(
        head.name,
        head.place,
        address,
        head.zone,
        certificates,
        required,
        trusted,
        passive_ports,
        passive_address,
        active,
        anonymous,
    )


def sftp_source(head: SourceHead, fields: Fields, problems: Problems) -> SftpSource | None:  # noqa: ARG001 -- as its like
    """Read a listener for SFTP."""
    address = fields.take("sftp", as_listen_address, None)
    keys = fields.require(
        "host_key",
        as_one_or_more(as_file(head.folder, "; `gateway init DIR` makes host keys")),
        "`gateway init DIR` makes them: [ssh/ssh_host_ed25519_key, ssh/ssh_host_rsa_key]",
    )
    passwords = fields.take("passwords", as_bool(), default=True)
    trusted = take_trusted(fields)
    if address is None or not keys:
        return None
    return SftpSource(head.name, head.place, address, head.zone, keys, trusted, passwords)


def _as_ports(node: Node, problems: Problems) -> tuple[int, int]:  # noqa: ARG001 -- a reader's signature
    wanted = "a range of ports such as 50000-50999"
    text = scalar_of(node, wanted).text
    match = re.fullmatch(PORTS, text, re.ASCII)
    if match is None:
        raise OperatorError(f"{wanted} is wanted, not {shown(text)}", node.place)
    first, last = int(match[1]), int(match[2])
    if not LEAST_PASSIVE <= first <= last <= 0xFFFF:
        raise OperatorError(f"{wanted} is wanted, from {LEAST_PASSIVE} to 65535 and rising, not {text}", node.place)
    return first, last


def _as_ipv4(node: Node, problems: Problems) -> str:  # noqa: ARG001 -- a reader's signature
    """Read what PASV can name (RFC 959): an IPv4 address; EPSV names none."""
    text = scalar_of(node, "an IPv4 address").text
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise OperatorError(
            f"an IPv4 address is wanted, the one that clients connect to, not {shown(text)}", node.place
        ) from None
