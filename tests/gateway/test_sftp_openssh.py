"""OpenSSH's own sftp against a listener: strict key exchange, new keys in the middle, an end without complaints."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor as _reactor  # noqa: TID251 -- a real socket needs the real one
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, TestCase

from gateway.drop_source_config import SftpSource
from gateway.listen_address import Address
from gateway.sources.admission import Admission, AdmittingFactory
from gateway.sources.sftp.factory import SftpFactory
from parsers.errors import Place
from tests.gateway.sftp_stand_ins import MemorySession, StandInLogins
from tests.gateway.told import Told

reactor: Any = _reactor


class OpenSshTest(TestCase):
    """A listener on loopback."""

    timeout = 20

    def setUp(self) -> None:
        """Start it."""
        if shutil.which("sftp") is None:
            raise SkipTest("OpenSSH's sftp is not installed")
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        user = ed25519.Ed25519PrivateKey.generate()
        self.key = self.folder / "id"
        self.key.touch(0o600)
        self.key.write_bytes(user.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        self.told, self.session = Told(), MemorySession()
        logins = StandInLogins(self.session, keys=[bytes(Key(user).public().blob())])
        host = {b"ssh-ed25519": Key(ed25519.Ed25519PrivateKey.generate())}
        source = SftpSource("drop", Place("x"), Address("127.0.0.1", 0), ZoneInfo("UTC"), ())
        factory = SftpFactory(
            source, host, logins, reactor, self.told, time.monotonic, idle=60, handshake_timeout=10, tries=3
        )
        self.admission = Admission(10, 10)
        port = reactor.listenTCP(0, AdmittingFactory(factory, self.admission, "drop", self.told), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self.admission.close)
        self.port = port.getHost().port

    def sftp(self, commands: str, *more: str) -> Deferred[tuple[bytes, bytes, int]]:
        """Run sftp with a batch of commands."""
        batch = self.folder / "batch"
        batch.write_text(commands)
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes"]
        words = [word for option in (*options, *more) for word in ("-o", option)]
        where = ["-q", "-F", "/dev/null", "-i", str(self.key), "-P", str(self.port), "-b", str(batch)]
        ran: Deferred[tuple[bytes, bytes, int]] = getProcessOutputAndValue(
            "sftp", [*where, *words, "alice@127.0.0.1"], env={"HOME": str(self.folder)}
        )
        return ran

    @inlineCallbacks
    def test_up_and_down(self) -> Generator[Deferred[Any], Any, None]:
        """A file goes up with its time and comes down as it was, with keys that change every 64 KiB."""
        content = bytes(range(256)) * 2000
        file = self.folder / "in.bin"
        file.write_bytes(content)
        out, err, code = yield self.sftp(
            f"put -p {file} a.bin\nmkdir d\nrename a.bin d/b.bin\nget d/b.bin {file}.back\nls -l d\n", "RekeyLimit=64K"
        )
        assert (err, code) == (b"", 0)
        assert b"512000" in out
        assert self.session.files == {("d", "b.bin"): content}
        assert Path(f"{file}.back").read_bytes() == content
        assert int(self.session.uploads[0].modified) == int(file.stat().st_mtime)
        assert self.told == []

    @inlineCallbacks
    def test_resuming(self) -> Generator[Deferred[Any], Any, None]:
        """Whoever resumes reads why not, though sftp itself knows a few words only."""
        file = self.folder / "in.bin"
        file.write_bytes(b"12345678")
        self.session.files[("a.bin",)] = b"1234"
        _, err, code = yield self.sftp(f"reput {file} a.bin\n")
        assert b"resuming is not offered: send the whole file" in err
        assert code == 1
        assert self.session.files == {("a.bin",): b"1234"}
