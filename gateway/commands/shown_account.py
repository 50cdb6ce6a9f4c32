"""Accounts of the drop box as `gateway account` shows them, and what to do with a new one."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import datetime, time, timedelta
from ipaddress import ip_address
from socket import gethostname
from typing import TYPE_CHECKING

from gateway.commands.looking import Cell, iso
from gateway.commands.terminal import BAD, DIM, DOUBTFUL, GOOD
from gateway.zone import local_zone
from parsers.errors import OperatorError

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.drop.account import Account
    from gateway.listen_address import Address


def row(account: Account, now: float) -> list[Cell]:
    """Return an account's row of the table: name, folder, rights, ways to log in, end, state."""
    state = _state(account, now)
    colours = {"active": GOOD, "disabled": DIM, "expired": BAD, "no login": DOUBTFUL}
    return [
        account.name,
        str(account.folder),
        ", ".join(_rights(account)),
        ", ".join(_ways(account)) or "-",
        "-" if account.expires is None else _end(account.expires),
        (state, colours[state]),
    ]


def for_json(account: Account, now: float) -> dict[str, object]:
    """Return an account for programs; without its password's hash."""
    from gateway.accounts.public_keys import fingerprint

    return {
        "name": account.name,
        "folder": str(account.folder),
        "rights": _rights(account),
        "login": _ways(account),
        "keys": [{"fingerprint": fingerprint(blob), "comment": comment} for blob, comment in account.keys.items()],
        "networks": [str(network) for network in account.networks],
        "content": account.terms.content.value,
        "plain": account.terms.plain,
        "expires": iso(account.expires),
        "state": _state(account, now),
    }


def _state(account: Account, now: float) -> str:
    if account.disabled:
        return "disabled"
    if account.expires is not None and account.expires <= now:
        return "expired"
    return "active" if _ways(account) else "no login"


def _end(expires: float) -> str:
    """Return the last day, as `expires` has it; a time where the end is not that of a day."""
    zone = local_zone()
    moment = datetime.fromtimestamp(expires, zone)
    if moment.time() == time():
        return f"{moment - timedelta(days=1):%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _rights(account: Account) -> list[str]:
    from gateway.drop.account import Right

    return [right.value for right in Right if right in account.terms.rights]


def _ways(account: Account) -> list[str]:
    count = len(account.keys)
    return [
        *(["password"] if account.password else []),
        *(["external"] if account.external else []),
        *(["anonymous"] if account.anonymous else []),
        *([f"{count} key{'' if count == 1 else 's'}"] if count else []),
    ]


def advise(config: Config, account: Account) -> None:
    """Say how a first file is uploaded."""
    from gateway.drop_source_config import FtpSource, SftpSource

    lines = []
    own_name = _own_name(config)
    for source in config.sources:
        if isinstance(source, FtpSource) and account.password:
            authority = config.folder / "tls" / "ca.pem"
            known = f" --cacert {shlex.quote(str(authority))}" if authority.is_file() else ""
            tls = f" --ssl-reqd{known}" if source.certificates else ""
            where = f"ftp://{_host(source.address, own_name)}:{source.address.port}/"
            lines.append(f"curl -u {account.name}{tls} -T FILE {where}")
        elif isinstance(source, SftpSource) and (account.keys or source.passwords):
            lines.append(
                f"sftp -P {source.address.port} {account.name}@{_host(source.address, own_name)}    (then: put FILE)"
            )
    if lines:
        print("upload a first file:", *(f"  {line}" for line in lines), sep="\n")
    else:
        print(
            f"{config.path} has no source yet that lets it in; under `sources:` write\n"
            '  drop-sftp: {sftp: "0.0.0.0:2222"}'
        )


def _own_name(config: Config) -> str:
    """Return what clients call this machine: the first name in a certificate of FTP, which they check."""
    from gateway.drop_source_config import FtpSource
    from gateway.trust import certificate_names, read_certificates

    for source in config.sources:
        if isinstance(source, FtpSource) and source.certificates:
            with suppress(OperatorError, ValueError):  # `gateway check` tells
                if names := certificate_names(read_certificates(source.certificates[0][0])[0]):
                    return names[0]
    return gethostname()


def _host(address: Address, own_name: str) -> str:
    host = ip_address(address.host)
    if host.is_loopback:
        return "localhost"
    if host.is_unspecified:
        return own_name
    return f"[{host}]" if host.version == 6 else str(host)
