"""Forwarding to real syslog servers: rsyslog over TLS and RELP, syslog-ng over TLS, and from gateway to gateway."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import defer, task
from twisted.internet import reactor as running  # noqa: TID251 -- trial's own
from twisted.trial.unittest import TestCase

from gateway.outgoing.service import Outgoing
from gateway.outgoing_config import (
    ClientTls,
    DestinationSettings,
    RelpDestination,
    SendmailSettings,
    Server,
    TlsDestination,
)
from parsers.errors import Place
from rules.job import Attempt
from rules.outcome import Outcome
from rules.step import Forward
from tests.end_to_end.certificates import Authority, Certificate
from tests.end_to_end.clients import syslog_ng_command
from tests.end_to_end.gateway_process import LOOPBACK, GatewayProcess, tls_source
from tests.end_to_end.programs import (
    PATIENCE,
    Program,
    free_port,
    require,
    require_rsyslog_driver,
    require_rsyslog_relp,
)
from tests.gateway.told import Told

reactor: Any = running
PLACE = Place("gateway.yaml", 1, 1)
MESSAGES = 300


def original(number: int) -> str:
    """Return a message of another machine."""
    return f"<38>1 2023-11-14T22:13:20.5Z web{number % 3} sshd 4711 - - number {number} über"


class Receiver:
    """A syslog server that writes the text of each message as a line of `received`."""

    program: Program
    received: Path

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.received = self.folder / "received"
        self.port = free_port()

    def lines(self) -> list[str]:
        """Return what it wrote so far."""
        return self.received.read_text().splitlines() if self.received.exists() else []


class RsyslogReceiver(Receiver):
    """rsyslogd that listens; `module` and `input_` are its own words for how."""

    def __init__(self, folder: Path, module: str, input_: str, settings: str = "") -> None:
        super().__init__(folder, "rsyslog")
        program = require("rsyslogd")
        if "imrelp" in module:
            require_rsyslog_relp()
        (self.folder / "rsyslog.conf").write_text(
            f'global(workDirectory="{self.folder}" {settings})\n'
            f"module({module})\n"
            'template(name="line" type="string" string="%hostname% %msg%\\n")\n'
            f'ruleset(name="all") {{ action(type="omfile" file="{self.received}" template="line") }}\n'
            f'input({input_} port="{self.port}" ruleset="all")\n'
        )
        argv = [program, "-n", "-f", "rsyslog.conf", "-i", str(self.folder / "pid")]
        self.program = Program(argv, self.folder, name="rsyslogd")


class SyslogNgReceiver(Receiver):
    """syslog-ng that listens with TLS and wants to see a certificate."""

    def __init__(self, folder: Path, authority: Authority, own: Certificate) -> None:
        super().__init__(folder, "syslog-ng")
        configuration = self.folder / "syslog-ng.conf"
        configuration.write_text(
            "@version: 3.35\n"
            "options { keep-hostname(yes); use-dns(no); stats-freq(0); };\n"
            f'source tls {{ syslog(ip("127.0.0.1") port({self.port}) transport(tls)'
            f' tls(ca-file("{authority.certificate}") cert-file("{own.certificate}") key-file("{own.key}")'
            " peer-verify(required-trusted))); };\n"
            f'destination lines {{ file("{self.received}" template("${{HOST}} ${{MSG}}\\n")); }};\n'
            "log { source(tls); destination(lines); };\n"
        )
        argv, environment = syslog_ng_command(self.folder, configuration)
        self.program = Program(argv, self.folder, environment=environment, name="syslog-ng")


class TestForward(TestCase):
    """In this process, to a server in another."""

    timeout = 3 * PATIENCE

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()  # trial's mktemp litters the working directory
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.authority = Authority(self.folder / "ca")
        self.server = self.authority.issue("localhost", "127.0.0.1")
        own = self.authority.issue("gateway.example.test")
        self.tls = ClientTls("localhost", self.authority.certificate, (own.certificate, own.key))
        self.told = Told()

    def until(self, condition: Callable[[], Any]) -> defer.Deferred[None]:
        """Fire once the condition holds."""

        async def wait() -> None:
            end = reactor.seconds() + PATIENCE
            while not condition():
                assert reactor.seconds() < end, f"it did not come about; {self.told.lines()}"
                await task.deferLater(reactor, 0.02)

        return defer.Deferred.fromCoroutine(wait())

    def outgoing(self, destination: DestinationSettings) -> Outgoing:
        """Return a started service with one destination."""
        outgoing = Outgoing(reactor, SendmailSettings(), [destination], self.told, hostname="gw")
        outgoing.startService()
        self.addCleanup(outgoing.stopService)
        return outgoing

    def start(self, program: Program) -> None:
        """Start a server until the test's end."""
        program.start()
        self.addCleanup(program.kill)

    def forward(self, outgoing: Outgoing, first: int = 0, number: int = MESSAGES) -> defer.Deferred[list[Outcome]]:
        """Forward messages; fires with their outcomes."""
        step = Forward("rule/do/1", "central")
        return defer.gatherResults(
            [
                outgoing.perform(step, Attempt(f"job-{n}", "rule", step.name, (), {"event.original": original(n)}))
                for n in range(first, first + number)
            ]
        )

    @defer.inlineCallbacks
    def arrives(self, receiver: Receiver, destination: DestinationSettings) -> Any:
        """Forward, and look at what the server wrote."""
        self.start(receiver.program)
        outcomes: list[Outcome] = yield self.forward(self.outgoing(destination))
        assert all(outcome.success for outcome in outcomes), outcomes[0]
        yield self.until(lambda: len(receiver.lines()) >= MESSAGES)
        assert [line.split() for line in receiver.lines()] == [
            [f"web{n % 3}", "number", str(n), "über"] for n in range(MESSAGES)
        ]

    def test_rsyslog_over_relp(self) -> Any:
        """Imrelp acknowledges each."""
        receiver = RsyslogReceiver(self.folder, 'load="imrelp"', 'type="imrelp"')
        return self.arrives(receiver, RelpDestination("central", PLACE, Server("127.0.0.1", receiver.port)))

    def test_rsyslog_over_relp_with_tls(self) -> Any:
        """With certificates on both sides, each of which is checked by name."""
        words = (
            'type="imrelp" tls="on" tls.authMode="name" tls.permittedPeer=["gateway.example.test"]'
            f' tls.caCert="{self.authority.certificate}" tls.myCert="{self.server.certificate}"'
            f' tls.myPrivKey="{self.server.key}"'
        )
        receiver = RsyslogReceiver(self.folder, 'load="imrelp" tls.tlslib="openssl"', words)
        server = Server("127.0.0.1", receiver.port)
        return self.arrives(receiver, RelpDestination("central", PLACE, server, self.tls))

    def test_rsyslog_over_tls(self) -> Any:
        """Imtcp takes octet-counted frames (RFC 5425)."""
        require_rsyslog_driver("gtls")
        files = (
            f'DefaultNetstreamDriverCAFile="{self.authority.certificate}"'
            f' DefaultNetstreamDriverCertFile="{self.server.certificate}"'
            f' DefaultNetstreamDriverKeyFile="{self.server.key}"'
        )
        module = (
            'load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/name"'
            ' PermittedPeer=["gateway.example.test"]'
        )
        receiver = RsyslogReceiver(self.folder, module, 'type="imtcp"', files)
        server = Server("127.0.0.1", receiver.port)
        return self.arrives(receiver, TlsDestination("central", PLACE, server, self.tls))

    def test_syslog_ng_over_tls(self) -> Any:
        """Its syslog() source takes octet-counted frames too."""
        receiver = SyslogNgReceiver(self.folder, self.authority, self.server)
        server = Server("127.0.0.1", receiver.port)
        return self.arrives(receiver, TlsDestination("central", PLACE, server, self.tls))

    @defer.inlineCallbacks
    def test_rsyslog_restarts(self) -> Any:
        """Imrelp is killed and comes back: no job fails, and every message is there, some perhaps twice."""
        receiver = RsyslogReceiver(self.folder, 'load="imrelp"', 'type="imrelp"')
        self.start(receiver.program)
        outgoing = self.outgoing(RelpDestination("central", PLACE, Server("127.0.0.1", receiver.port)))
        yield self.forward(outgoing, 0, 10)
        receiver.program.kill()
        (self.folder / "rsyslog" / "pid").unlink(missing_ok=True)
        waiting = self.forward(outgoing, 10, 50)
        receiver.program.start()
        outcomes: list[Outcome] = yield waiting
        assert all(outcome.success for outcome in outcomes), outcomes[0]
        yield self.until(lambda: len({line.split()[2] for line in receiver.lines()}) == 60)


class TestGatewayToGateway:
    """A rule of one gateway sends to the other, whose rule runs a process."""

    def test_over_relp_with_tls(self, tmp_path: Path, authority: Authority) -> None:
        """The message arrives as it was, known by the first gateway's certificate."""
        relp = {("relp" if key == "tls" else key): value for key, value in tls_source(authority).items()}
        rule = {"rule": "all", "match": {"message": {"contains": "login"}}}
        own = authority.issue("first.example.test")
        with GatewayProcess(tmp_path / "second", {"relp": relp}, [rule]) as second:
            destination = {
                "relp": f"127.0.0.1:{second.port('relp')}",
                "tls": "implicit",
                "name": "localhost",
                "ca": str(authority.certificate),
                "certificate": str(own.certificate),
                "key": str(own.key),
            }
            sources = {"tcp": {"tcp": "127.0.0.1:0", "trusted": LOOPBACK}}
            rules = [{**rule, "do": {"forward": "central"}}]
            with GatewayProcess(tmp_path / "first", sources, rules, destinations={"central": destination}) as first:
                with socket.create_connection(("127.0.0.1", first.port("tcp"))) as client:
                    client.sendall(b"<38>1 2023-11-14T22:13:20Z web1 sshd 4711 - - login of root\n")
                (run,) = second.wait_for_runs(1)
                first.wait_for("rule all: all/do/1 succeeded")
        assert run.event["event.original"] == "<38>1 2023-11-14T22:13:20Z web1 sshd 4711 - - login of root"
        assert run.event["gateway.trust"] == "certificate"
