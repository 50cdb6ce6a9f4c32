"""Servers that take uploads: the gateway's drop box, and vsftpd and OpenSSH's sshd to compare it with.

All have the same certificate, host key and client key, and their folders are on one disk. vsftpd and sshd run as root,
for that is how they switch to whoever logs in.
"""

from __future__ import annotations

import abc
import getpass
import re
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from bench.receivers import cpu_seconds
from gateway.host_keys import host_key_files
from tests.end_to_end.certificates import Authority
from tests.end_to_end.drop_box import DropBox, DropFiles
from tests.end_to_end.programs import Program, find, free_port

ACCOUNT = "bench"
FAULT = re.compile(r"Traceback|^\S+ (error|critical): ")
"""What a line of the log has that is about a mistake of the gateway's."""

CONNECTIONS = 4096
"""From one address: each client has one for commands and one for data, and those that were closed linger."""


class UploadServer(abc.ABC):
    """A server in a folder of its own; use it in a `with`, in which it listens.

    Attributes:
        ports: where it listens, for `ftp` and `sftp`.
        user: who logs in.
        inbox: what a client's path is put behind; empty, or ending with a slash.
    """

    program: Program
    ports: dict[str, int]
    user: str
    inbox: str

    def cpu(self) -> float:
        """Return the CPU seconds that it has used with all its processes."""
        return cpu_seconds(self.program.pid)

    def settled(self) -> bool:
        """Tell whether it has nothing more to do with sessions that ended."""
        return True

    @abc.abstractmethod
    def stored(self, name: str) -> Path:
        """Return where an upload of this name stands."""

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        self.program.start()
        try:
            self._wait()
        except BaseException:
            self.program.kill()
            raise
        return self

    def _wait(self) -> None:
        for port in self.ports.values():

            def connects(port: int = port) -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            self.program.wait_until(connects, "it to listen")
        time.sleep(0.5)  # the probe's session ends

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what is left; a failure gets its output added."""
        self.program.__exit__(kind, error, trace)


class GatewayDrop(UploadServer):
    """The gateway with FTP and SFTP, one account, and no rules.

    Attributes:
        files: its certificate and its keys, which the other servers use too.
    """

    user, inbox = ACCOUNT, ""

    def __init__(self, folder: Path) -> None:
        """Write configuration and accounts."""
        self._box = self.program = DropBox(
            folder,
            Authority(folder / "authority"),
            {ACCOUNT: {"sessions": CONNECTIONS}},
            limits={"connections": 2 * CONNECTIONS, "connections_per_address": CONNECTIONS},
        )
        self.files = self._box.files

    def _wait(self) -> None:
        self._box.wait_until_settled()
        self.ports = {name: self._box.port(name) for name in ("ftp", "sftp")}

    def stored(self, name: str) -> Path:
        """Return where an upload of this name stands."""
        return self._box.folder / "state" / "drop" / ACCOUNT / name

    def faults(self) -> list[str]:
        """Return the lines of its log that are about its own mistakes."""
        return [line for line in self._box.text().splitlines() if FAULT.search(line)]

    def stop(self) -> int:
        """End it cleanly, and count the events in its journal."""
        self._box.stop(60)
        return len(self.files.uploads())


class Vsftpd(UploadServer):
    """vsftpd with explicit TLS and an anonymous client that may upload, over TLS only."""

    user, inbox = "anonymous", "in/"

    def __init__(self, folder: Path, files: DropFiles) -> None:
        """Write the configuration."""
        root, empty = folder / "root", folder / "empty"
        self._inbox = root / "in"
        self._inbox.mkdir(parents=True)
        self._inbox.chmod(0o777)  # its anonymous user is one that owns nothing
        empty.mkdir()
        self.ports = {"ftp": free_port()}
        settings = {
            "listen": "YES",
            "listen_address": "127.0.0.1",
            "listen_port": self.ports["ftp"],
            "background": "NO",
            "anonymous_enable": "YES",
            "anon_root": root,
            "anon_upload_enable": "YES",
            "anon_umask": "077",
            "write_enable": "YES",
            "local_enable": "NO",
            "secure_chroot_dir": empty,
            "xferlog_enable": "NO",
            "ssl_enable": "YES",
            "allow_anon_ssl": "YES",
            "force_anon_logins_ssl": "YES",
            "force_anon_data_ssl": "YES",
            "require_ssl_reuse": "NO",
            "ssl_ciphers": "ECDHE+AESGCM",
            "rsa_cert_file": files.sources["ftp"]["certificate"],
            "rsa_private_key_file": files.sources["ftp"]["key"],
        }
        file = folder / "vsftpd.conf"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self.program = Program([str(find("vsftpd")), str(file)], folder, name="vsftpd")

    def stored(self, name: str) -> Path:
        """Return where an upload of this name stands."""
        return self._inbox / name


class Sshd(UploadServer):
    """OpenSSH's sshd with its own sftp-server; whoever runs the benchmark logs in by key."""

    def __init__(self, folder: Path, files: DropFiles) -> None:
        """Write the configuration."""
        self._inbox = folder / "in"
        self._inbox.mkdir(parents=True)
        self.user, self.inbox = getpass.getuser(), f"{self._inbox}/"
        self.ports = {"sftp": free_port()}
        authorized = folder / "authorized_keys"
        key = load_ssh_private_key(files.identity.read_bytes(), None).public_key()
        authorized.write_bytes(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n")
        server = next(path for path in SFTP_SERVERS if path.exists())
        settings = {
            "ListenAddress": f"127.0.0.1:{self.ports['sftp']}",
            "AuthorizedKeysFile": authorized,
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "PidFile": "none",
            "Subsystem": f"sftp {server}",
        }
        lines = [f"{name} {value}\n" for name, value in settings.items()]
        lines += [f"HostKey {key}\n" for key in host_key_files(files.identity.with_name("ssh"))]
        file = folder / "sshd_config"
        file.write_text("".join(lines))
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd locks its unprivileged half in
        self.program = Program([str(find("sshd")), "-D", "-e", "-f", str(file)], folder, name="sshd")

    def settled(self) -> bool:
        """Each session is a process."""
        pid = self.program.pid
        return not Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()

    def stored(self, name: str) -> Path:
        """Return where an upload of this name stands."""
        return self._inbox / name


SFTP_SERVERS = (Path("/usr/lib/openssh/sftp-server"), Path("/usr/libexec/openssh/sftp-server"))
