"""Real clients that upload to a drop box on this machine: curl, lftp, Python's ftplib, OpenSSH's sftp and scp."""

from __future__ import annotations

import ftplib
import os
import ssl
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.end_to_end.programs import PATIENCE, require

Tls = Literal["1.2", "1.3"]
TLS_VERSIONS: tuple[Tls, ...] = ("1.2", "1.3")
Ended = subprocess.CompletedProcess[str]

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True)
class Server:
    """Where a drop box listens, and who logs in there how.

    Attributes:
        ftp: the port on 127.0.0.1; `ftp6` that on ::1, None where there is no IPv6.
        sftp: the port on 127.0.0.1.
        authority: whose certificates are believed.
        identity: the file of a private SSH key.
        known_hosts: a file with the server's public SSH keys.
    """

    ftp: int
    ftp6: int | None
    sftp: int
    user: str
    password: str
    authority: Path
    identity: Path
    known_hosts: Path


def curl_argv(
    server: Server, *options: str, tls: Tls = "1.3", ipv6: bool = False, to: str = ""
) -> tuple[list[str], str]:
    """Return curl's arguments without files, and the URL of the folder `to`; options are curl's."""
    port = server.ftp6 if ipv6 else server.ftp
    if port is None:
        pytest.skip("there is no IPv6 here")
    argv = [
        *(require("curl"), "--silent", "--show-error", "--ssl-reqd", "--cacert", str(server.authority)),
        *(f"--tlsv{tls}", "--tls-max", tls, "-6" if ipv6 else "-4"),
        *("--user", f"{server.user}:{server.password}", *options),
    ]
    return argv, f"ftp://localhost:{port}/{to}"


def curl(
    server: Server, *files: Path, options: Sequence[str] = (), tls: Tls = "1.3", ipv6: bool = False, to: str = ""
) -> Ended:
    """Upload files into the folder `to` (which ends with a slash) in one run of curl."""
    argv, url = curl_argv(server, *options, tls=tls, ipv6=ipv6, to=to)
    return _run(argv + [word for file in files for word in ("--upload-file", str(file), url)])


def lftp(server: Server, *commands: str, tls: Tls = "1.3") -> Ended:
    """Do lftp's commands, up to the first that fails."""
    settings = [
        "net:max-retries 1",
        f"net:timeout {PATIENCE:g}",
        "cmd:fail-exit true",
        "ftp:ssl-force true",
        "ftp:ssl-protect-data true",
        f'ssl:ca-file "{server.authority}"',
        f"ssl:priority NORMAL:-VERS-ALL:+VERS-TLS{tls}",
    ]
    script = [
        *(f"set {setting}" for setting in settings),
        f"open -p {server.ftp} ftp://localhost",
        f'user {server.user} "{server.password}"',
        *commands,
    ]
    # its own file of settings is nobody's business here
    return _run([require("lftp"), "--norc", "-c", "; ".join(script)], LFTP_HOME=str(server.known_hosts.parent))


def ftp_context(server: Server, tls: Tls) -> ssl.SSLContext:
    """Make a context that believes the server's authority, and speaks one version of TLS."""
    context = ssl.create_default_context(cafile=str(server.authority))
    context.minimum_version = context.maximum_version = _VERSIONS[tls]
    return context


def ftplib_session(server: Server, tls: Tls = "1.3", *, password: str | None = None) -> ftplib.FTP_TLS:
    """Log in with Python's client, and protect the data connections.

    Raises:
        ftplib.Error: the server does not want it.
    """
    ftp = ftplib.FTP_TLS(context=ftp_context(server, tls), timeout=PATIENCE)
    try:
        ftp.connect("127.0.0.1", server.ftp)
        ftp.login(server.user, server.password if password is None else password)
        ftp.prot_p()
    except BaseException:
        ftp.close()
        raise
    return ftp


def ftplib_store(server: Server, *files: Path, tls: Tls = "1.3", to: str = "") -> list[str]:
    """Upload files in one session; return the replies.

    Raises:
        ftplib.Error: one was refused.
    """
    with ftplib_session(server, tls) as ftp:
        replies = []
        for file in files:
            with file.open("rb") as stream:
                replies.append(ftp.storbinary(f"STOR {to}{file.name}", stream))
        return replies


def ssh_options(server: Server, *, by_key: bool = True) -> list[str]:
    """Return the options of OpenSSH's programs, for which nothing outside the test counts."""
    options = [
        *("-F", "none", "-P", str(server.sftp)),
        *("-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "GlobalKnownHostsFile=none"),
        *("-o", "StrictHostKeyChecking=yes", "-o", "ConnectionAttempts=1"),
    ]
    if by_key:
        return [*options, "-i", str(server.identity), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    return [*options, "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"]


def sftp(server: Server, *commands: str) -> Ended:
    """Do the commands of OpenSSH's sftp, up to the first that fails; login is by key."""
    argv = [require("sftp"), *ssh_options(server), "-b", "-", f"{server.user}@127.0.0.1"]
    return _run(argv, "".join(f"{command}\n" for command in commands))


def sftp_with_password(server: Server, folder: Path, password: str, *commands: str) -> Ended:
    """Do the same after a login by password; `folder` gets the program that OpenSSH asks for it."""
    ask = folder / "askpass"
    ask.write_text("#!/bin/sh\nprintf '%s\\n' \"$TEST_PASSWORD\"\n")
    ask.chmod(0o700)
    argv = [require("sftp"), *ssh_options(server, by_key=False), f"{server.user}@127.0.0.1"]
    return _run(
        argv,
        "".join(f"{command}\n" for command in commands),
        SSH_ASKPASS=str(ask),
        SSH_ASKPASS_REQUIRE="force",
        TEST_PASSWORD=password,
    )


def scp(server: Server, *files: Path, to: str = "", options: Sequence[str] = ()) -> Ended:
    """Upload files with OpenSSH's scp, which speaks SFTP since its version 9."""
    argv = [require("scp"), "-q", *ssh_options(server), *options, *map(str, files), f"{server.user}@127.0.0.1:{to}"]
    return _run(argv)


def _run(argv: Sequence[str], script: str = "", **environment: str) -> Ended:
    return subprocess.run(
        argv, input=script, capture_output=True, text=True, timeout=3 * PATIENCE, env={**os.environ, **environment}
    )


Way = Callable[[Server, Path], bool]
"""Uploads one file into the root of the account, and says whether the client takes it for uploaded."""


def ways() -> dict[tuple[str, str], Way]:
    """Return every client with every way that it has: by its name, and the version of TLS."""
    found: dict[tuple[str, str], Way] = {}
    for tls in TLS_VERSIONS:
        for name, options, ipv6 in (
            ("curl, IPv4, PASV", ["--disable-epsv"], False),
            ("curl, IPv4, EPSV", [], False),
            ("curl, IPv6, EPSV", [], True),
        ):
            found[name, tls] = _by_curl(tls, options, ipv6)
        found["lftp", tls] = _by_lftp(tls)
        found["ftplib.FTP_TLS", tls] = _by_ftplib(tls)
    found["OpenSSH sftp", ""] = lambda server, file: sftp(server, f'put "{file}"').returncode == 0
    found["OpenSSH scp", ""] = lambda server, file: scp(server, file).returncode == 0
    return found


def _by_curl(tls: Tls, options: Sequence[str], ipv6: bool) -> Way:
    return lambda server, file: curl(server, file, options=options, tls=tls, ipv6=ipv6).returncode == 0


def _by_lftp(tls: Tls) -> Way:
    return lambda server, file: lftp(server, f'put "{file}"', tls=tls).returncode == 0


def _by_ftplib(tls: Tls) -> Way:
    return lambda server, file: ftplib_store(server, file, tls=tls)[0].startswith("226")
