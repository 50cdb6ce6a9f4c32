"""Real syslog clients, each pointed at a port of 127.0.0.1: rsyslog, syslog-ng, logger and loggen."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from tests.end_to_end.certificates import Certificate
from tests.end_to_end.programs import (
    UNPACKED,
    Program,
    free_port,
    is_free,
    require,
    require_rsyslog_driver,
    require_rsyslog_relp,
)

PROGRAM = "sshd"
PID = "4711"
HOST = "client1"
"""What the clients write into their headers."""

Transport = Literal["tcp", "udp"]


def failed_logins(address: str, times: int = 5, *, user: str = "root") -> list[str]:
    """Return what sshd writes about failed logins, without a header."""
    return [f"Failed password for {user} from {address} port {40000 + n} ssh2" for n in range(times)]


@dataclass(frozen=True)
class ClientTls:
    """What a client needs for mutual TLS: whom it trusts, who it is, and what the server's certificate must name."""

    authority: Path
    own: Certificate
    server: str = "localhost"


EMPTYING = 15_000
"""Milliseconds that rsyslog gets to empty its queues; `PATIENCE` is longer."""


class Rsyslog(Program):
    """rsyslogd that forwards the lines of a file; it tries again at once and for ever.

    Its queues are the usual ones, but it takes longer than 1.5 s to empty them when it stops, if it has to: on a busy
    machine it would throw away what it has read.

    Args:
        folder: an empty folder for its configuration, state and output.
        port: where the server listens.
        transport: tcp or udp.
        octet_counted: RFC 6587 octet counting; else one message a line.
        tls: mutual TLS with this.
        driver: rsyslog's TLS library: `gtls` (GnuTLS) or `ossl` (OpenSSL).
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        transport: Transport = "tcp",
        octet_counted: bool = False,
        tls: ClientTls | None = None,
        driver: Literal["gtls", "ossl"] = "gtls",
    ) -> None:
        """Write the configuration."""
        program = require("rsyslogd")
        if tls:
            require_rsyslog_driver(driver)
        folder.mkdir(parents=True, exist_ok=True)
        self._input = folder / "in.log"
        self._input.touch()
        certificates, encryption = "", ""
        if tls:
            certificates = (
                f' DefaultNetstreamDriverCAFile="{tls.authority}"'
                f' DefaultNetstreamDriverCertFile="{tls.own.certificate}"'
                f' DefaultNetstreamDriverKeyFile="{tls.own.key}"'
            )
            encryption = (
                f' StreamDriver="{driver}" StreamDriverMode="1" StreamDriverAuthMode="x509/name"'
                f' StreamDriverPermittedPeers="{tls.server}"'
            )
        framing = ' TCP_Framing="octet-counted"' if octet_counted else ""
        (folder / "rsyslog.conf").write_text(
            f'global(workDirectory="{folder}" localHostname="{HOST}"{certificates})\n'
            f'main_queue(queue.timeoutShutdown="{EMPTYING}" queue.timeoutActionCompletion="{EMPTYING}")\n'
            'module(load="imfile")\n'
            f'input(type="imfile" File="{self._input}" Tag="{PROGRAM}[{PID}]:" Severity="info" Facility="auth")\n'
            f'action(type="omfwd" target="127.0.0.1" port="{port}" protocol="{transport}"{framing}{encryption}\n'
            '  template="RSYSLOG_SyslogProtocol23Format" action.resumeInterval="1" action.resumeRetryCount="-1")\n'
        )
        super().__init__([program, "-n", "-f", "rsyslog.conf", "-i", str(folder / "pid")], folder, name="rsyslogd")

    def send(self, texts: Iterable[str]) -> None:
        """Append messages to the file that it forwards."""
        with self._input.open("a") as file:
            file.write("".join(f"{text}\n" for text in texts))


class RsyslogRelp(Program):
    """rsyslogd that forwards the lines of a file with omrelp, and tries again at once and for ever.

    Args:
        folder: an empty folder for its configuration, state and output.
        port: where the server listens.
        tls: mutual TLS with this.
        library: omrelp's TLS library.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        tls: ClientTls | None = None,
        library: Literal["gnutls", "openssl"] = "gnutls",
    ) -> None:
        """Write the configuration."""
        program = require("rsyslogd")
        require_rsyslog_relp()
        folder.mkdir(parents=True, exist_ok=True)
        self._input = folder / "in.log"
        self._input.touch()
        encryption = ""
        if tls:
            encryption = (
                f' tls="on" tls.caCert="{tls.authority}" tls.myCert="{tls.own.certificate}"'
                f' tls.myPrivKey="{tls.own.key}" tls.authMode="name" tls.permittedPeer=["{tls.server}"]'
            )
        (folder / "rsyslog.conf").write_text(
            f'global(workDirectory="{folder}" localHostname="{HOST}")\n'
            'module(load="imfile")\n'
            f'module(load="omrelp" tls.tlslib="{library}")\n'
            f'input(type="imfile" File="{self._input}" Tag="{PROGRAM}[{PID}]:" Severity="info" Facility="auth")\n'
            f'action(type="omrelp" target="127.0.0.1" port="{port}"{encryption}\n'
            '  template="RSYSLOG_SyslogProtocol23Format" action.resumeInterval="1" action.resumeRetryCount="-1")\n'
        )
        super().__init__([program, "-n", "-f", "rsyslog.conf", "-i", str(folder / "pid")], folder, name="rsyslogd")

    def send(self, texts: Iterable[str]) -> None:
        """Append messages to the file that it forwards."""
        with self._input.open("a") as file:
            file.write("".join(f"{text}\n" for text in texts))


class RsyslogRelay(Program):
    """rsyslogd that takes RFC 3164 datagrams, as from a host's programs, and forwards them as `gateway onboard` says.

    What it forwards begins with the blank behind the tag, unlike the lines of a file.

    Args:
        folder: an empty folder for its configuration, state and output.
        port: where the server listens.
        relp: forward with omrelp, else with omfwd over TCP.
    """

    def __init__(self, folder: Path, port: int, *, relp: bool = False) -> None:
        """Write the configuration."""
        program = require("rsyslogd")
        if relp:
            require_rsyslog_relp()
        folder.mkdir(parents=True, exist_ok=True)
        self._port = free_port(socket.SOCK_DGRAM)
        output = 'type="omrelp"' if relp else 'type="omfwd" protocol="tcp" TCP_Framing="octet-counted"'
        (folder / "rsyslog.conf").write_text(
            f'global(workDirectory="{folder}" localHostname="{HOST}")\n'
            'module(load="imudp")\n'
            + ('module(load="omrelp")\n' if relp else "")
            + f'input(type="imudp" address="127.0.0.1" port="{self._port}")\n'
            f'action({output} target="127.0.0.1" port="{port}"\n'
            '  template="RSYSLOG_SyslogProtocol23Format" action.resumeInterval="1" action.resumeRetryCount="-1")\n'
        )
        super().__init__([program, "-n", "-f", "rsyslog.conf", "-i", str(folder / "pid")], folder, name="rsyslogd")

    def start(self) -> Self:
        """Start it and wait until it takes datagrams, for what comes before is lost."""
        super().start()
        self.wait_until(lambda: not is_free(self._port, socket.SOCK_DGRAM), "its datagram socket")
        return self

    def send(self, texts: Iterable[str]) -> None:
        """Send messages, each with the header that a local program would write."""
        header = f"<38>{time.strftime('%b %e %H:%M:%S')} {HOST} {PROGRAM}[{PID}]:"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for text in texts:
                sender.sendto(f"{header} {text}".encode(), ("127.0.0.1", self._port))


class SyslogNg(Program):
    """syslog-ng that forwards the lines of a file.

    Args:
        folder: an empty folder for its configuration, state and output.
        port: where the server listens.
        destination: `syslog` is RFC 5424 with octet counting over TCP and TLS; `network` is RFC 3164 by lines.
        transport: tcp or udp.
        tls: mutual TLS with this.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        destination: Literal["syslog", "network"] = "syslog",
        transport: Transport = "tcp",
        tls: ClientTls | None = None,
    ) -> None:
        """Write the configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        self._input = folder / "in.log"
        self._input.touch()
        options = f"transport({'tls' if tls else transport})"
        if tls:
            options += (
                f' tls(ca-file("{tls.authority}") cert-file("{tls.own.certificate}") key-file("{tls.own.key}")'
                " peer-verify(required-trusted))"
            )
        configuration = folder / "syslog-ng.conf"
        configuration.write_text(
            "@version: 3.35\n"
            "options { keep-hostname(yes); use-dns(no); stats-freq(0); time-reopen(1); };\n"
            f'source lines {{ file("{self._input}" follow-freq(0.1)); }};\n'
            f'destination gateway {{ {destination}("127.0.0.1" port({port}) {options}); }};\n'
            "log { source(lines); destination(gateway); };\n"
        )
        argv, environment = syslog_ng_command(folder, configuration)
        super().__init__(argv, folder, environment=environment, name="syslog-ng")

    def send(self, texts: Iterable[str]) -> None:
        """Append messages to the file that it forwards, each with the header that a local program would write."""
        header = f"<38>{time.strftime('%b %e %H:%M:%S')} {HOST} {PROGRAM}[{PID}]:"
        with self._input.open("a") as file:
            file.write("".join(f"{header} {text}\n" for text in texts))


def syslog_ng_command(folder: Path, configuration: Path) -> tuple[list[str], dict[str, str]]:
    """Return the argv and environment that run syslog-ng in the foreground with all its files in `folder`."""
    program = require("syslog-ng")
    argv = [program, "-F", "--no-caps", "-f", str(configuration)]
    argv += ["-R", str(folder / "persist"), "-c", str(folder / "ctl"), "-p", str(folder / "pid")]
    if not Path(program).is_relative_to(UNPACKED):
        return argv, {}
    libraries = UNPACKED / "usr/lib/syslog-ng"
    modules = next(path for path in libraries.iterdir() if path.is_dir())
    return [*argv, f"--module-path={modules}"], {"LD_LIBRARY_PATH": str(libraries)}


def logger(
    port: int, texts: Sequence[str], *, transport: Transport = "tcp", octet_counted: bool = False, rfc3164: bool = False
) -> None:
    """Send messages with util-linux's logger, over one connection."""
    argv = [require("logger"), f"--{transport}", "--server", "127.0.0.1", "--port", str(port)]
    argv += ["--tag", PROGRAM, f"--id={PID}", "--priority", "auth.info"]
    argv += ["--rfc3164"] if rfc3164 else []
    argv += ["--octet-count"] if octet_counted else []
    text = "".join(f"{text}\n" for text in texts)
    subprocess.run(argv, input=text, text=True, timeout=30, check=True, env={**os.environ, "LC_ALL": "C"})
