"""`gateway onboard NAME --for rsyslog|syslog-ng`: everything that points one host's syslog at the gateway."""

from __future__ import annotations

import argparse
import io
import os
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import authority, clock, trust
from gateway.commands.cert import add_folder, tls_folder
from gateway.commands.init import LOOPBACK
from parsers.errors import OperatorError, Place

if TYPE_CHECKING:
    from gateway.listen_address import Address

HELP = "make a client's certificate and configuration"

SYSLOG_TLS_PORT = 6514
"""RFC 5425 section 4.1."""

CLIENT_FOLDER = "/etc/gateway-client"

QUEUE_OCTETS = 1024**3
"""What a client may keep on its disk while the gateway is away: a day of 12 KiB a second."""

RSYSLOG = """\
# Sends everything to the event gateway at {server}: RFC 5424 in octet counting over mutual TLS (RFC 5425).
# 1. Needs the package {package}.
# 2. Unpack the bundle:      mkdir -p -m 0700 {folder} && tar -xzf {name}.tar.gz -C {folder} --strip-components=1
# 3. Copy the configuration: cp {folder}/gateway.conf /etc/rsyslog.d/90-gateway.conf
# 4. Where rsyslogd runs as the user syslog (Ubuntu), it has to read the key: chown -R syslog {folder}
# 5. Check, then restart:    rsyslogd -N1 && systemctl restart rsyslog
# While the gateway is away, messages wait in memory and then on disk, up to 1 GiB.
# Without queue.size and queue.timeoutEnqueue rsyslog discards messages while the gateway's disk is full.
global(
  DefaultNetstreamDriverCAFile="{folder}/ca.pem"
  DefaultNetstreamDriverCertFile="{folder}/client.pem"
  DefaultNetstreamDriverKeyFile="{folder}/client.key"
)
action(
  type="omfwd" target="{server}" port="{port}" protocol="tcp"
  TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"
  StreamDriver="{driver}" StreamDriverMode="1"
  StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="{server_name}"
  queue.type="LinkedList" queue.filename="gateway" queue.spoolDirectory="/var/spool/rsyslog"
  queue.maxDiskSpace="{queue}" queue.saveOnShutdown="on"
  queue.size="50000" queue.timeoutEnqueue="60000"
  action.resumeRetryCount="-1" action.resumeInterval="10"
)
"""

RSYSLOG_RELP = """\
# Sends everything to the event gateway at {server}: RFC 5424 in RELP over mutual TLS.
# The gateway answers a message when what it caused is on its disk, and rsyslog repeats what has no answer: nothing is
# lost between the two, and a message may arrive twice.
# 1. Needs the package rsyslog-relp.
# 2. Unpack the bundle:      mkdir -p -m 0700 {folder} && tar -xzf {name}.tar.gz -C {folder} --strip-components=1
# 3. Copy the configuration: cp {folder}/gateway.conf /etc/rsyslog.d/90-gateway.conf
# 4. Where rsyslogd runs as the user syslog (Ubuntu), it has to read the key: chown -R syslog {folder}
# 5. Check, then restart:    rsyslogd -N1 && systemctl restart rsyslog
# While the gateway is away, messages wait in memory and then on disk, up to 1 GiB.
# Without queue.size and queue.timeoutEnqueue rsyslog discards messages while the gateway's disk is full.
module(load="omrelp" tls.tlslib="{library}")
action(
  type="omrelp" target="{server}" port="{port}" template="RSYSLOG_SyslogProtocol23Format"
  tls="on" tls.caCert="{folder}/ca.pem" tls.myCert="{folder}/client.pem" tls.myPrivKey="{folder}/client.key"
  tls.authMode="name" tls.permittedPeer=["{server_name}"]
  queue.type="LinkedList" queue.filename="gateway" queue.spoolDirectory="/var/spool/rsyslog"
  queue.maxDiskSpace="{queue}" queue.saveOnShutdown="on"
  queue.size="50000" queue.timeoutEnqueue="60000"
  action.resumeRetryCount="-1" action.resumeInterval="10"
)
"""

SYSLOG_NG = """\
# Sends everything to the event gateway at {server}: RFC 5424 in octet counting over mutual TLS (RFC 5425).
# 1. Unpack the bundle:      mkdir -p -m 0700 {folder} && tar -xzf {name}.tar.gz -C {folder} --strip-components=1
# 2. Copy the configuration: cp {folder}/gateway.conf /etc/syslog-ng/conf.d/gateway.conf
#    (s_src is the name that Debian's syslog-ng.conf gives its source; write your own where it differs.)
# 3. Check, then restart:    syslog-ng --syntax-only && systemctl restart syslog-ng
# While the gateway is away, messages wait in memory and then on disk, up to 1 GiB.
destination d_gateway {{
  syslog("{server}" port({port}) transport("tls")
    tls(
      ca-file("{folder}/ca.pem")
      cert-file("{folder}/client.pem")
      key-file("{folder}/client.key")
      peer-verify(required-trusted)
    )
    time-reopen(10)
    disk-buffer(reliable(no) disk-buf-size({queue}))
  );
}};
log {{ source(s_src); destination(d_gateway); }};
"""

TEMPLATES = {"rsyslog": RSYSLOG, "syslog-ng": SYSLOG_NG}
PACKAGES = {"gtls": "rsyslog-gnutls", "ossl": "rsyslog-openssl"}
LIBRARIES = {"gtls": "gnutls", "ossl": "openssl"}
"""What omrelp calls them."""

RELP_LISTENER = (
    'syslog-relp-tls: {relp: "0.0.0.0:2515", certificate: tls/server.pem, key: tls/server.key, client_ca: tls/ca.pem}'
)
"""What RELP over TLS needs in a configuration that `gateway init` made."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="NAME", help="the client's host name or IP address")
    parser.add_argument("--for", dest="program", required=True, choices=sorted(TEMPLATES), help="what the client runs")
    parser.add_argument("--relp", action="store_true", help="by RELP over TLS, which loses nothing (rsyslog only)")
    parser.add_argument("--server", metavar="HOST", help="what the client calls us; default: our certificate's name")
    parser.add_argument("--port", type=int, help="our port as the client sees it; default: the TLS listener's")
    parser.add_argument("--driver", choices=sorted(PACKAGES), default="gtls", help="rsyslog's TLS; default: gtls")
    add_folder(parser)


def run(args: argparse.Namespace) -> int:
    """Write the bundle, print the client's configuration; 0 is success, 1 says on standard error what is wrong."""
    try:
        made = onboard(
            args.dir,
            args.name,
            args.program,
            relp=args.relp,
            server=args.server,
            port=args.port,
            driver=args.driver,
            now=clock.now(),
        )
    except OperatorError as error:
        print(f"gateway onboard: {error}", file=sys.stderr)
        return 1
    print(made.text, end="")
    for warning in made.warnings:
        print(f"gateway onboard: warning: {warning}", file=sys.stderr)
    if made.replaced:
        print(f"gateway onboard: replaced {made.archive}", file=sys.stderr)
    print(f"gateway onboard: copy {made.archive} to {args.name} (it holds a secret key)", file=sys.stderr)
    return 0


@dataclass(frozen=True, slots=True)
class Onboarded:
    """What was made for a client.

    Attributes:
        text: the client's configuration.
        archive: the bundle to copy to the client.
        replaced: whether there was a bundle before.
        warnings: why the client may not get through.
    """

    text: str
    archive: Path
    replaced: bool
    warnings: tuple[str, ...]


def onboard(
    folder: Path, name: str, program: str, *, relp: bool, server: str | None, port: int | None, driver: str, now: float
) -> Onboarded:
    """Make the client's certificate when it has none, and its bundle.

    The bundle is `bundles/NAME/` and `bundles/NAME.tar.gz`; both are written anew each time.

    Raises:
        OperatorError: a name is wrong, or a file is missing, broken or cannot be written.
    """
    if relp and program != "rsyslog":
        raise OperatorError(f"--relp: {program} does not send RELP; leave --relp away, or use rsyslog")
    tls, warnings = tls_folder(folder), _out_of_reach(folder / "gateway.yaml", server, relp=relp)
    if port is None:
        port = _listener_port(folder / "gateway.yaml", relp=relp)
    if not 0 < port < 65536:
        raise OperatorError(f"--port {port} is no port; they go from 1 to 65535")
    names = trust.certificate_names(trust.read_certificates(tls / "server.pem")[0])
    server_name = _server_name(names, server, program, tls / "server.pem")
    if server is not None and trust.parse_pattern(server).name not in names:
        warnings += (
            f"our certificate is for {', '.join(names)}, and not for {server}; the client insists on {server_name}",
        )
    issued = authority.client_files(tls, name)
    if not issued.certificate.exists():
        issued = authority.issue_client(tls, name, now)
    text = (RSYSLOG_RELP if relp else TEMPLATES[program]).format(
        server=server or server_name,
        server_name=server_name,
        port=port,
        driver=driver,
        package=PACKAGES[driver],
        library=LIBRARIES[driver],
        folder=CLIENT_FOLDER,
        name=issued.certificate.stem,
        queue=QUEUE_OCTETS,
    )
    files = {
        "ca.pem": _read(tls / "ca.pem"),
        "client.pem": _read(issued.certificate),
        "client.key": _read(issued.key),
        "gateway.conf": text.encode(),
    }
    replaced = (folder / "bundles" / f"{issued.certificate.stem}.tar.gz").exists()
    archive = _write_bundle(folder / "bundles", issued.certificate.stem, files, now)
    return Onboarded(text, archive, replaced, warnings)


def _out_of_reach(file: Path, server: str | None, *, relp: bool) -> tuple[str, ...]:
    """Return a warning when all listeners are for this machine only, and the client is to be on another one."""
    if server in LOOPBACK or not file.exists():
        return ()
    try:
        found = _listeners(file, relp=relp)
    except OperatorError:
        return ()  # whoever needs its port says what is wrong with it
    if not found or not all(address.loopback for address in found):
        return ()
    where, kind = ", ".join(map(str, found)), "relp" if relp else "tls"
    return (f'no other machine can reach {where}: set {kind}: "0.0.0.0:{found[0].port}" in {file}',)


def _listener_port(file: Path, *, relp: bool) -> int:
    """Return the port of the configuration's first listener; RFC 5425's when there is no configuration."""
    if not file.exists():
        if relp:
            raise OperatorError(
                "RELP has no port of its own; give ours with --port, or the gateway's folder with --dir"
            )
        return SYSLOG_TLS_PORT
    found = _listeners(file, relp=relp)
    if not found and relp:
        raise OperatorError(
            f"no source of this configuration is RELP over TLS; write under sources: {RELP_LISTENER}", Place(str(file))
        )
    if not found:
        raise OperatorError("no source of this configuration is a TLS listener (tls:)", Place(str(file)))
    return found[0].port


def _listeners(file: Path, *, relp: bool) -> list[Address]:
    """Return where a configuration listens with TLS, for RELP or for syslog without it."""
    from gateway import config
    from gateway.source_config import RelpStream, TlsSource

    return [
        source.address
        for source in config.load(file).sources
        if isinstance(source, TlsSource) and isinstance(source.stream, RelpStream) == relp
    ]


def _server_name(names: tuple[str, ...], server: str | None, program: str, file: Path) -> str:
    """Return the name of our certificate that the client is to insist on."""
    if not names:
        raise OperatorError("this certificate carries no name; `gateway cert server NAME` makes one", Place(str(file)))
    if server is None:
        return names[0]
    try:
        pattern = trust.parse_pattern(server)
    except ValueError as error:
        raise OperatorError(f"--server: {error}") from error
    if pattern.wildcard:
        raise OperatorError(f"--server {server}: clients connect to one name, not to a pattern")
    wanted = pattern.name
    if wanted in names:
        return wanted
    if program == "syslog-ng":  # it has no setting for it: it compares with the name that it connects to
        raise OperatorError(
            f"syslog-ng would refuse us: this certificate is for {', '.join(names)} and not for {server};"
            " choose a --server among these, or make a new certificate",
            Place(str(file)),
        )
    return names[0]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OperatorError(f"the file cannot be read: {error.strerror}", Place(str(file))) from error


def _write_bundle(folder: Path, name: str, files: dict[str, bytes], now: float) -> Path:
    archive = folder / f"{name}.tar.gz"
    try:
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for file, data in files.items():
                _replace(folder / name / file, data)
                member = tarfile.TarInfo(f"{name}/{file}")
                member.size, member.mode, member.mtime = len(data), 0o600, int(now)
                member.uname = member.gname = "root"
                tar.addfile(member, io.BytesIO(data))
        _replace(archive, packed.getvalue())
    except OSError as error:
        raise OperatorError(f"the bundle cannot be written: {error.strerror}", Place(str(archive))) from error
    return archive


def _replace(file: Path, data: bytes) -> None:
    """Write a secret file whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    part.replace(file)
