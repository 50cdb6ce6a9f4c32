"""Clients that upload one big file: FTP over TLS from memory, and OpenSSH's sftp."""

from __future__ import annotations

import ftplib
import os
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.upload_servers import UploadServer
from tests.end_to_end.drop_box import PASSWORD, DropFiles
from tests.end_to_end.programs import find

PIECE = bytes(range(256)) * 4096
"""What the file consists of: 1 MiB, sent again and again, so that the client reads no disk."""

PATIENCE = 300.0


@dataclass(frozen=True)
class Sent:
    """One upload: wall-clock seconds, the server's CPU seconds, the client's, and the cipher."""

    octets: int
    seconds: float
    cpu: float
    client_cpu: float
    cipher: str

    @property
    def rate(self) -> float:
        """MiB a second."""
        return self.octets / self.seconds / 2**20

    def __str__(self) -> str:
        """Say it in short."""
        return f"{self.rate:.0f} MiB/s, {self.cpu:.2f} s of CPU, the client's {self.client_cpu:.2f} s, {self.cipher}"


def by_ftp(server: UploadServer, files: DropFiles, name: str, pieces: int, version: ssl.TLSVersion) -> Sent:
    """Upload so many pieces over one TLS connection, from STOR to 226.

    Python's ssl hands a MiB at a time to OpenSSL without the interpreter's lock: the client is OpenSSL's own speed.
    """
    context = ssl.create_default_context(cafile=files.authority)
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ECDHE+AES128+AESGCM")  # for TLS 1.2; in 1.3 each server has its choice
    ftp = ftplib.FTP_TLS(context=context)
    ftp.connect("127.0.0.1", server.ports["ftp"], PATIENCE)
    try:
        ftp.login(server.user, PASSWORD)
        ftp.prot_p()
        ftp.voidcmd("TYPE I")
        server_cpu, client_cpu, begun = server.cpu(), time.thread_time(), time.monotonic()
        data = ftp.transfercmd(f"STOR {server.inbox}{name}")
        assert isinstance(data, ssl.SSLSocket)
        for _ in range(pieces):
            data.sendall(PIECE)
        cipher = (data.cipher() or ("none",))[0]
        data.unwrap().shutdown(socket.SHUT_RDWR)
        data.close()
        ftp.voidresp()
        seconds, client_cpu = time.monotonic() - begun, time.thread_time() - client_cpu
        return Sent(pieces * len(PIECE), seconds, server.cpu() - server_cpu, client_cpu, cipher)
    finally:
        ftp.close()


def by_sftp(server: UploadServer, files: DropFiles, name: str, file: Path, options: list[str]) -> Sent:
    """Upload a file by OpenSSH's sftp, login and all."""
    argv = [str(find("sftp")), "-q", "-b", "-", "-P", str(server.ports["sftp"]), "-i", str(files.identity)]
    argv += ["-o", f"UserKnownHostsFile={files.known_hosts}", "-o", "IdentitiesOnly=yes"]
    argv += ["-F", "none", "-v", *options, f"{server.user}@127.0.0.1"]
    server_cpu, begun = server.cpu(), time.monotonic()
    before = _children_cpu()
    ran = subprocess.run(
        argv, input=f"put {file} {server.inbox}{name}\n", text=True, capture_output=True, timeout=PATIENCE, check=False
    )
    seconds = time.monotonic() - begun
    assert ran.returncode == 0, ran.stderr[-3000:]
    client_cpu = _children_cpu() - before
    server.program.wait_until(server.settled, "the session to end")
    agreed = next(line for line in ran.stderr.splitlines() if "client->server cipher:" in line)
    cipher, mac = agreed.split("cipher: ")[1].split(" compression")[0].split(" MAC: ")
    return Sent(file.stat().st_size, seconds, server.cpu() - server_cpu, client_cpu, f"{cipher}, {mac}")


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system
