"""SIGHUP: rules, configuration, certificates are read anew; nobody is cut off, and what is broken changes nothing."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.end_to_end.certificates import Authority
from tests.end_to_end.clients import ClientTls, failed_logins
from tests.end_to_end.gateway_process import RULE_OF_FIVE, GatewayProcess, Rule, plain_sources, tls_source
from tests.end_to_end.streams import connect, shown_certificate, stored_certificate

CONNECTIONS = 12
"""Of each kind; the load comes from so many threads."""

GOODBYE: Rule = {"rule": "goodbye", "match": {"message": {"regex": "^goodbye from [0-9]+$"}}}
"""Runs once for the last line of each connection."""


class Load:
    """Threads that write lines to one connection each until told to say goodbye."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self.sent: list[int] = []
        self.broken: list[str] = []

    def add(self, connection: socket.socket) -> None:
        """Write to this connection too."""
        thread = threading.Thread(target=self._write, args=(connection, len(self._threads)))
        self._threads.append(thread)
        thread.start()

    def _write(self, connection: socket.socket, number: int) -> None:
        lines = "".join(f"<14>Nov 10 09:00:00 host app[{number}]: line {n}\n" for n in range(20)).encode()
        sent = 0
        try:
            with connection:
                while not self._stop.wait(0.002):
                    connection.sendall(lines)
                    sent += 20
                connection.sendall(f"<14>Nov 10 09:00:00 host app[{number}]: goodbye from {number}\n".encode())
                connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.broken.append(f"connection {number} after {sent} lines: {error}")
        self.sent.append(sent + 1)  # appending is atomic

    def end(self) -> None:
        """Let all say goodbye, and wait until they have."""
        self._stop.set()
        for thread in self._threads:
            thread.join(20)


@contextlib.contextmanager
def load(gateway: GatewayProcess, tls: ClientTls) -> Iterator[Load]:
    """Keep connections of both kinds busy inside the `with`."""
    running = Load()
    try:
        for _ in range(CONNECTIONS):
            running.add(connect(gateway.port("tcp")))
            running.add(connect(gateway.port("tls"), tls))
        yield running
    finally:
        running.end()


@pytest.fixture
def gateway(tmp_path: Path, authority: Authority) -> Iterator[GatewayProcess]:
    """A gateway whose TLS listener's files are its own, to be overwritten."""
    source = dict(tls_source(authority))
    for key in ("certificate", "key"):
        source[key] = shutil.copy(str(source[key]), tmp_path)
    process = GatewayProcess(tmp_path / "gateway", {**plain_sources(), "tls": source})
    process.write_rules([{**GOODBYE, "do": process.recorder("${message}")}, RULE_OF_FIVE])
    with process:
        yield process


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The certificate file of the TLS listener."""
    return tmp_path / "localhost.pem"


ADDRESSES = (f"192.0.2.{number}" for number in count(1))


def still_works(gateway: GatewayProcess) -> None:
    """Check that five failed logins still make the process run."""
    attacker = next(ADDRESSES)
    with connect(gateway.port("tcp")) as connection:
        connection.sendall("".join(f"<38>sshd[7]: {text}\n" for text in failed_logins(attacker)).encode())
    gateway.wait_until(
        lambda: any(run.event.get("source.ip") == attacker for run in gateway.runs()), f"a run because of {attacker}"
    )


def wait_for_certificate(gateway: GatewayProcess, tls: ClientTls, wanted: bytes) -> None:
    """Wait until new connections are shown this certificate."""
    gateway.wait_until(lambda: shown_certificate(gateway.port("tls"), tls) == wanted, "the new certificate")


def test_reload_under_load(
    gateway: GatewayProcess, certificate: Path, authority: Authority, client_tls: ClientTls
) -> None:
    """Five reloads with another rule and another certificate each cut off no connection and lose no line."""
    with load(gateway, client_tls) as busy:
        for number in range(5):
            new = authority.issue("localhost", "127.0.0.1", days=(-1, 40 + number))
            shutil.copy(new.key, certificate.with_suffix(".key"))
            shutil.copy(new.certificate, certificate)
            gateway.write_rules(
                [{**GOODBYE, "do": gateway.recorder("${message}")}, RULE_OF_FIVE, {**GOODBYE, "rule": f"more-{number}"}]
            )
            gateway.reload()
            wait_for_certificate(gateway, client_tls, stored_certificate(certificate))
    assert busy.broken == []
    expected = {f"goodbye from {number}" for number in range(2 * CONNECTIONS)}

    def goodbyes() -> set[str]:
        return {run.arguments[0] for run in gateway.runs() if run.arguments}

    gateway.wait_until(lambda: goodbyes() == expected, "a run for the last line of every connection")
    gateway.stop()
    totals = gateway.totals()
    assert totals["tcp"] + totals["tls"] == sum(busy.sent)


def test_a_broken_rule_file(gateway: GatewayProcess) -> None:
    """A rule that does not load is named with its file and line, and all rules stay as they were."""
    good = gateway.rules.read_text()
    gateway.rules.write_text("- rule: torn\n  match: {message: {regex: '('}}\n")
    said = gateway.reload("test.yaml:2:")
    assert "the regular expression is wrong" in said
    still_works(gateway)
    gateway.rules.write_text(good)
    gateway.reload()
    still_works(gateway)


def test_a_broken_configuration(gateway: GatewayProcess) -> None:
    """A configuration that does not load changes nothing, and the log says what is wrong where."""
    gateway.write_configuration(sauces={})
    said = gateway.reload("gateway.yaml")
    assert "sauces" in said
    still_works(gateway)


def test_a_broken_certificate(gateway: GatewayProcess, certificate: Path, client_tls: ClientTls) -> None:
    """A certificate file that holds none keeps the one in use, and the log names the file."""
    wanted = shown_certificate(gateway.port("tls"), client_tls)
    certificate.write_text("this is no certificate\n")
    gateway.reload(certificate.name)
    assert shown_certificate(gateway.port("tls"), client_tls) == wanted
    still_works(gateway)


def test_a_narrower_peer_policy(gateway: GatewayProcess, client_tls: ClientTls) -> None:
    """A connection whose peer the new policy does not permit is closed, and the log says that and no more."""
    with connect(gateway.port("tls"), client_tls) as connection:
        connection.sendall(b"<13>app: before\n")
        tls = {**gateway.sources["tls"], "peers": {"names": ["somebody-else"]}}
        gateway.write_configuration(sources={**gateway.sources, "tls": tls})
        said = gateway.reload()
        assert connection.recv(1) == b""
    assert "new peer policy in use" in said
    assert said.count("no longer permitted: ") == 1
    assert "new certificate in use" not in said
    still_works(gateway)


def test_our_own_stop_blames_nobody(gateway: GatewayProcess, client_tls: ClientTls) -> None:
    """A connection that we close at our end gets close_notify, and the log blames no peer for a missing one."""
    with connect(gateway.port("tls"), client_tls) as connection:
        connection.sendall(b"<13>app: goodbye from 1\n")
        gateway.wait_for_runs(1)
        gateway.stop()
        assert connection.recv(1) == b""
    assert "close_notify" not in gateway.text()
    assert "tls: 1 message in 24 octets since the start" in gateway.text()


def test_a_new_source(gateway: GatewayProcess) -> None:
    """A source that the new configuration adds listens after the reload, and the others keep their ports."""
    port = gateway.port("tcp")
    gateway.write_configuration(sources={**gateway.sources, "more": {"tcp": "127.0.0.1:0"}})
    gateway.reload()
    with connect(gateway.port("more")), connect(port):
        pass
    assert gateway.port("tcp") == port
    still_works(gateway)
