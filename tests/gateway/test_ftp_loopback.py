"""FTP over real sockets: a real client over both versions of TLS, and streams that end as they should not."""

from __future__ import annotations

import ftplib
import io
import re
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gateway import clock
from gateway.handshakes import HalfHandshakes
from gateway.notice import Notice
from gateway.notices.ftp import CommandBroke
from gateway.sources.admission import Admission, AdmittingFactory
from gateway.sources.ftp.factory import FtpFactory
from gateway.tls_context import server_context
from tests.gateway.ftp_stand_ins import PASSWORD, PasswordLogins
from tests.gateway.outgoing_peers import until
from tests.gateway.test_ftp import SOURCE
from tests.made_certificates import SERVER, make

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
BOUND = 16 * 1024 * 1024
"""Octets that two kernels' buffers and one read of ours do not reach."""


class Wire:
    """The client's end of a control connection in plain text, from this machine."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.lines = self.socket.makefile("rb")
        self.reply()

    def reply(self) -> str:
        """Return the next line."""
        return self.lines.readline().decode()

    def say(self, line: str) -> str:
        """Send a line, return its reply's first."""
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def data(self) -> socket.socket:
        """Open a data connection."""
        match = re.search(r"\|\|\|(\d+)\|", self.say("EPSV"))
        assert match
        return socket.create_connection(("127.0.0.1", int(match[1])), 5)

    def log_in(self) -> None:
        """Log in."""
        self.say("USER web")
        assert self.say(f"PASS {PASSWORD.decode()}").startswith("230")

    def close(self) -> None:
        """End it."""
        self.lines.close()
        self.socket.close()


class Loopback(TestCase):
    """A listener on a free port of this machine; clients run in threads."""

    def setUp(self) -> None:
        """Listen."""
        from twisted.internet import reactor  # noqa: TID251 -- real sockets need the real one

        self.reactor = reactor
        self.logins = PasswordLogins()
        self.notices: list[Notice] = []
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        pair = make(clock.now(), names=["localhost"], usage=[SERVER]).write(Path(folder.name), "server")
        context = server_context([pair], None, now=clock.now(), clients=False)
        factory = FtpFactory(
            replace(SOURCE, certificates=(pair,)),
            lambda: context,
            self.logins,
            reactor,  # type: ignore[arg-type]
            self.notices.append,
            clock.now,
            idle=30.0,
            handshake_timeout=10.0,
            half=HalfHandshakes(10),
            tries=3,
        )
        self.admission = Admission(100, 100)
        outer = AdmittingFactory(factory, self.admission, "drop", self.notices.append)
        self.listening: IListeningPort = reactor.listenTCP(0, outer, interface="127.0.0.1")  # type: ignore[arg-type]
        self.port = self.listening.getHost().port  # type: ignore[attr-defined]

    @inlineCallbacks
    def tearDown(self) -> Any:  # type: ignore[override]
        """Close all; nothing was our own fault."""
        yield self.listening.stopListening()
        yield self.admission.close()
        assert not [notice for notice in self.notices if isinstance(notice, CommandBroke)]

    def run_client(self, client: Callable[[], None]) -> Deferred[None]:
        """Run a client that blocks."""
        return deferToThread(client)

    @inlineCallbacks
    def test_a_real_client_over_tls(self) -> Any:
        """Python's ftplib uploads, downloads and lists over both versions; it waits for our close_notify each time."""
        sent = bytes(range(256)) * 1200

        def client() -> None:
            for version in VERSIONS:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                context.minimum_version = context.maximum_version = version
                with ftplib.FTP_TLS(context=context, timeout=5) as ftp:
                    ftp.connect("127.0.0.1", self.port)
                    ftp.login("web", PASSWORD.decode())
                    ftp.prot_p()
                    for number in range(5):
                        ftp.storbinary(f"STOR {version.name}-{number}", io.BytesIO(sent))
                    got: list[bytes] = []
                    ftp.retrbinary(f"RETR {version.name}-0", got.append)
                    assert b"".join(got) == sent
                    ftp.storbinary(f"STOR {version.name}-empty", io.BytesIO())
                    assert f"{version.name}-4" in ftp.nlst()
                    assert len(list(ftp.mlsd())) >= 7

        yield self.run_client(client)
        assert sum(octets == sent for octets in self.logins.kept.files.values()) == 10
        assert {client.fields["tls.version"] for client in self.logins.clients} == {"1.2", "1.3"}

    @inlineCallbacks
    def test_a_tls_stream_without_close_notify_is_no_file(self) -> Any:
        """426 for a FIN, and for a client that does not even begin TLS; nothing stays."""
        replies: list[str] = []

        def client() -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            ftp = ftplib.FTP_TLS(context=context, timeout=5)
            ftp.connect("127.0.0.1", self.port)
            ftp.login("web", PASSWORD.decode())
            ftp.prot_p()
            data = ftp.transfercmd("STOR x")
            data.sendall(b"half of it")
            socket.socket(fileno=data.detach()).close()  # beneath TLS
            replies.append(ftp.getmultiline())
            raw, _ = ftplib.FTP.ntransfercmd(ftp, "STOR y")
            raw.close()
            replies.append(ftp.getmultiline())
            ftp.close()

        yield self.run_client(client)
        assert [reply[:3] for reply in replies] == ["426", "426"]
        assert self.logins.kept.files == {}
        assert len(self.logins.kept.aborted) == 2

    @inlineCallbacks
    def test_a_reset_in_the_middle_is_no_file(self) -> Any:
        """426; the part is gone."""
        replies: list[str] = []

        def client() -> None:
            wire = Wire(self.port)
            wire.log_in()
            data = wire.data()
            assert wire.say("STOR x").startswith("150")
            data.sendall(b"half of it")
            data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            data.close()
            replies.append(wire.reply())
            wire.close()

        yield self.run_client(client)
        assert replies[0].startswith("426")
        assert self.logins.kept.files == {}

    @inlineCallbacks
    def test_a_client_that_dies_leaves_no_file(self) -> Any:
        """Both connections end at once, cleanly, as the kernel ends those of a process that was killed."""

        def client() -> None:
            for _ in range(5):
                wire = Wire(self.port)
                wire.log_in()
                data = wire.data()
                assert wire.say("STOR x").startswith("150")
                data.sendall(b"half of it")
                data.close()
                wire.close()

        yield self.run_client(client)
        yield self.admission.close()
        assert self.logins.kept.files == {}

    @inlineCallbacks
    def test_a_client_that_gives_up_politely_leaves_no_file(self) -> Any:
        """A close_notify on the data connection proves nothing when the control connection ends with it, however."""

        def client() -> None:
            for version in VERSIONS:
                for how in ("close_notify", "FIN", "RST"):
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                    context.minimum_version = context.maximum_version = version
                    ftp = ftplib.FTP_TLS(context=context, timeout=5)
                    ftp.connect("127.0.0.1", self.port)
                    ftp.login("web", PASSWORD.decode())
                    ftp.prot_p()
                    data = ftp.transfercmd("STOR x")
                    data.sendall(b"half of it")
                    data.unwrap()  # type: ignore[attr-defined]  # it is an SSLSocket: close_notify, and ours is awaited
                    data.close()
                    control = ftp.sock
                    assert isinstance(control, ssl.SSLSocket)
                    if how == "close_notify":
                        control.unwrap().close()
                    elif how == "RST":
                        control.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    ftp.close()

        yield self.run_client(client)
        yield until(lambda: len(self.logins.kept.aborted) == 6, self.reactor)
        yield self.admission.close()
        assert self.logins.kept.files == {}
        assert self.logins.kept.aborted == ["the control connection is gone"] * 6

    @inlineCallbacks
    def test_data_before_its_command_is_bounded(self) -> Any:
        """It waits in the kernels' buffers, and the client with it; with the command it is taken."""
        sent: list[int] = []

        def client() -> None:
            wire = Wire(self.port)
            wire.log_in()
            data = wire.data()
            data.settimeout(0.2)
            count = 0
            try:
                while count < BOUND:
                    count += data.send(bytes(256 * 1024))
            except TimeoutError:
                sent.append(count)
            data.settimeout(5)
            assert wire.say("STOR x").startswith("150")
            data.close()
            assert wire.reply().startswith("226")
            wire.close()

        yield self.run_client(client)
        assert sent
        assert [len(octets) for octets in self.logins.kept.files.values()] == sent
