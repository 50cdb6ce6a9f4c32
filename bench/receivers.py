"""The receivers that are measured: the gateway, rsyslog and syslog-ng, told to find the same expressions.

How is it known that a receiver has read everything? A log ends with an interesting message, and a receiver is done
when it has *found* as many interesting messages as were sent; so every figure is also a proof that none was missed. The
peers write each one to a file, whose lines are counted. The gateway counts them in a rule's window, and runs a process
that makes a file when the last one is there.
"""

from __future__ import annotations

import abc
import os
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.end_to_end.certificates import Authority
from tests.end_to_end.clients import syslog_ng_command
from tests.end_to_end.gateway_process import LOOPBACK, GatewayProcess, Rule, Source, tls_source
from tests.end_to_end.programs import Program, find, free_port

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Task:
    """What a receiver is to do.

    Attributes:
        transport: `lines`, `octets` (both over plain TCP) or `tls` (octet counting).
        wanted: how many messages the first expression will find.
        parse: what is found is to be taken apart into fields too, where the receiver can.
    """

    transport: str
    expressions: Sequence[str]
    wanted: int
    parse: bool = False


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, its threads and its children, living and dead, in seconds."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            values = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(entry.name)] = int(values[1])
        seconds[int(entry.name)] = sum(map(int, values[11:15])) / TICK  # utime stime cutime cstime
    total = 0.0
    for process in parents:
        ancestor = process
        while ancestor not in (pid, 0):
            ancestor = parents.get(ancestor, 0)
        total += seconds[process] if ancestor == pid else 0.0
    return total


class Receiver(abc.ABC):
    """One receiver with its configuration in a folder of its own; use it in a `with`, in which it listens.

    Attributes:
        port: where it listens, once it is started.
        seconds_to_listen: wall-clock time from its start.
    """

    program: Program
    port: int
    seconds_to_listen: float

    @abc.abstractmethod
    def wait_until_listening(self) -> None:
        """Wait until it listens, and learn its port."""

    def settle(self) -> None:  # noqa: B027 -- most have nothing to wait for
        """Wait for what it does at its start after it listens; its CPU time is not to be measured."""

    @abc.abstractmethod
    def found_all(self) -> bool:
        """Whether it has found everything that it was to find."""

    def __enter__(self) -> Self:
        """Start it, and wait until it has nothing more to do for that."""
        begin = time.monotonic()
        self.program.start()
        try:
            self.wait_until_listening()
            self.seconds_to_listen = time.monotonic() - begin
            self.settle()
        except BaseException:
            self.program.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; what it costs to end is not measured."""
        self.program.__exit__(kind, error, trace)


class Gateway(Receiver):
    """The gateway: one rule for each expression; the state folder is kept between runs for the compiled sieve."""

    def __init__(self, folder: Path, task: Task, authority: Authority) -> None:
        """Write the configuration."""
        self._flag = folder / "found-all"
        source: Source = {"tcp": "127.0.0.1:0", "trusted": LOOPBACK}
        if task.transport == "tls":
            source = tls_source(authority)
        touch = {"run": [shutil.which("touch"), str(self._flag)]}
        rules: list[Rule] = [
            {
                "rule": f"expression-{number}",
                "match": {"message": {"regex": expression}},
                "when": {"count": task.wanted, "within": "5w", "by": []},
                "do": touch,
            }
            for number, expression in enumerate(task.expressions)
        ]
        if task.parse:
            rules[0] = {**rules[0], "match": {"event.action": "ssh-login", "event.outcome": "failure"}}
        state = folder.parent / f"state-{len(task.expressions)}-{task.parse}"
        shutil.rmtree(state / "journal", ignore_errors=True)  # what an earlier run has counted
        self.program = self._gateway = GatewayProcess(folder, {"bench": source}, rules, state=str(state))

    def wait_until_listening(self) -> None:
        """Wait for its log to name the port; the first time, the sieve is compiled."""
        self._gateway.wait_until_listening(seconds=120)
        self.port = self._gateway.port("bench")

    def settle(self) -> None:
        """Wait for the runner, which loads its tasks at the same time, and for the look at the whole journal."""
        self._gateway.wait_until_settled()

    def found_all(self) -> bool:
        """Whether the rule's process has run."""
        return self._flag.exists()


class Peer(Receiver):
    """A peer, which writes what it finds to a file."""

    def __init__(self, folder: Path, task: Task) -> None:
        """Make the folder."""
        folder.mkdir(parents=True)
        self._found = folder / "found.log"
        self._missing = task.wanted
        self._offset = 0

    def found_all(self) -> bool:
        """Whether the file has a line for every message that was to be found."""
        if self._found.exists():
            with self._found.open("rb") as file:
                file.seek(self._offset)
                while piece := file.read(1 << 20):
                    self._offset += len(piece)
                    self._missing -= piece.count(b"\n")
        return self._missing <= 0


class RsyslogReceiver(Peer):
    """rsyslogd with imtcp and its defaults; TLS by GnuTLS, as Debian's manual sets it up."""

    def __init__(self, folder: Path, task: Task, authority: Authority) -> None:
        """Write the configuration."""
        super().__init__(folder, task)
        self._port_file = folder / "port"
        certificates, encryption = "", ""
        if task.transport == "tls":
            own = authority.issue("localhost", "127.0.0.1")
            certificates = (
                f' DefaultNetstreamDriverCAFile="{authority.certificate}"'
                f' DefaultNetstreamDriverCertFile="{own.certificate}" DefaultNetstreamDriverKeyFile="{own.key}"'
            )
            encryption = ' StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid"'
        searches = "\n".join(f"  if re_match($msg, '{text}') then {{ call found }}" for text in task.expressions)
        (folder / "rsyslog.conf").write_text(
            f'global(workDirectory="{folder}"{certificates})\n'
            f'module(load="imtcp"{encryption})\n'
            f'ruleset(name="found") {{ action(type="omfile" file="{self._found}") }}\n'
            f'ruleset(name="bench") {{\n{searches}\n}}\n'
            f'input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{self._port_file}" ruleset="bench")\n'
        )
        argv = [str(find("rsyslogd")), "-n", "-f", "rsyslog.conf", "-i", str(folder / "pid")]
        self.program = Program(argv, folder, name="rsyslogd")

    def wait_until_listening(self) -> None:
        """Wait for the file in which it writes its port."""
        self.program.wait_until(lambda: self._port_file.exists() and self._port_file.read_text() != "", "its port")
        self.port = int(self._port_file.read_text())


class SyslogNgReceiver(Peer):
    """syslog-ng with its defaults, and flow control, without which it would drop what it finds too fast."""

    def __init__(self, folder: Path, task: Task, authority: Authority) -> None:
        """Write the configuration."""
        super().__init__(folder, task)
        self.port = free_port()
        driver, transport = {"lines": ("network", "tcp"), "octets": ("syslog", "tcp"), "tls": ("syslog", "tls")}[
            task.transport
        ]
        options = f'ip("127.0.0.1") port({self.port}) transport({transport})'
        if task.transport == "tls":
            own = authority.issue("localhost", "127.0.0.1")
            options += (
                f' tls(ca-file("{authority.certificate}") cert-file("{own.certificate}") key-file("{own.key}")'
                " peer-verify(required-trusted))"
            )
        filters = "".join(
            f"filter f{number} {{ match('{text}' value('MESSAGE') type('pcre')); }};\n"
            f"log {{ source(bench); filter(f{number}); destination(found); flags(flow-control); }};\n"
            for number, text in enumerate(task.expressions)
        )
        configuration = folder / "syslog-ng.conf"
        configuration.write_text(
            "@version: 3.35\n"
            "options { keep-hostname(yes); use-dns(no); stats-freq(0); };\n"
            f"source bench {{ {driver}({options}); }};\n"
            f'destination found {{ file("{self._found}"); }};\n{filters}'
        )
        argv, environment = syslog_ng_command(folder, configuration)
        self.program = Program(argv, folder, environment=environment, name="syslog-ng")

    def wait_until_listening(self) -> None:
        """Wait until it takes a connection."""

        def connects() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        self.program.wait_until(connects, "it to listen")


RECEIVERS: dict[str, type[Gateway | RsyslogReceiver | SyslogNgReceiver]] = {
    "gateway": Gateway,
    "rsyslog": RsyslogReceiver,
    "syslog-ng": SyslogNgReceiver,
}
PROGRAMS = {"rsyslog": "rsyslogd", "syslog-ng": "syslog-ng"}


def available() -> list[str]:
    """Return the names of the receivers that are installed; the gateway comes first."""
    return [name for name in RECEIVERS if name not in PROGRAMS or find(PROGRAMS[name])]
