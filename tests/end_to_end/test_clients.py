"""From a real client to a process: five failed logins go in, and the rule's process runs once, with the event."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.end_to_end.certificates import Authority
from tests.end_to_end.clients import (
    HOST,
    PID,
    ClientTls,
    Rsyslog,
    RsyslogRelay,
    SyslogNg,
    Transport,
    failed_logins,
    logger,
)
from tests.end_to_end.gateway_process import RULE_OF_FIVE, GatewayProcess, Run, plain_sources, tls_source

BYSTANDER = "198.51.100.8"
ADDRESSES = (f"192.0.2.{number}" for number in count(1))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[GatewayProcess]:
    """One gateway for all clients: its rule counts each attacker by itself."""
    process = GatewayProcess(
        tmp_path_factory.mktemp("clients") / "gateway",
        {
            **plain_sources(),
            "tls": tls_source(authority),
            "relp": {"relp": "127.0.0.1:0", "trusted": ["127.0.0.0/8", "::1"]},
        },
    )
    process.write_rules([{**RULE_OF_FIVE, "do": process.recorder("--from", "${source.ip}")}])
    with process:
        yield process


@pytest.fixture
def attacker() -> str:
    """An address that no other test uses."""
    return next(ADDRESSES)


def attack(attacker: str) -> list[str]:
    """Return five failures of one address among lines that make nothing run."""
    four = failed_logins(next(ADDRESSES), times=4)
    return [*four, f"Accepted publickey for anna from {BYSTANDER} port 4000 ssh2", *failed_logins(attacker)]


def event_of(gateway: GatewayProcess, attacker: str, dataset: str) -> dict[str, Any]:
    """Wait for the process that the attacker makes run, check what every client must bring about, return its event."""

    def runs() -> list[Run]:
        return [run for run in gateway.runs() if run.arguments == ["--from", attacker]]

    gateway.wait_until(lambda: bool(runs()), f"a process to run because of {attacker}")
    (run,) = runs()
    event = run.event
    assert event["source.ip"] == attacker
    assert (event["event.action"], event["event.outcome"]) == ("ssh-login", "failure")
    assert event["event.dataset"] == dataset
    assert event["user.name"] == "root"
    assert event["message"] == failed_logins(attacker)[-1]
    assert (event["log.syslog.appname"], event["log.syslog.procid"]) == ("sshd", PID)
    assert event["log.syslog.priority"] == 38
    assert event["log.source.address"] == "127.0.0.1"
    assert run.environment["GATEWAY_RULE"] == "ssh-bruteforce"
    assert {run.arguments[1] for run in gateway.runs()}.isdisjoint({BYSTANDER})
    return event


@pytest.mark.parametrize("octet_counted", [False, True], ids=["lines", "octet-counted"])
def test_logger_over_tcp(gateway: GatewayProcess, attacker: str, octet_counted: bool) -> None:
    """Logger's RFC 5424 messages arrive over TCP, by lines and by octet counts."""
    logger(gateway.port("tcp"), attack(attacker), octet_counted=octet_counted)
    event = event_of(gateway, attacker, "tcp")
    assert event["log.syslog.version"] in (1, "1")
    assert "timeQuality" in event["log.syslog.structured_data"]


@pytest.mark.parametrize("rfc3164", [False, True], ids=["rfc5424", "rfc3164"])
def test_logger_over_udp(gateway: GatewayProcess, attacker: str, rfc3164: bool) -> None:
    """Logger's datagrams arrive in both formats; a process runs because the listener trusts loopback."""
    logger(gateway.port("udp"), attack(attacker), transport="udp", rfc3164=rfc3164)
    event_of(gateway, attacker, "udp")


@pytest.mark.parametrize(
    ("transport", "octet_counted"),
    [("tcp", False), ("tcp", True), ("udp", False)],
    ids=["tcp-lines", "tcp-octet-counted", "udp"],
)
def test_rsyslog(
    gateway: GatewayProcess, attacker: str, tmp_path: Path, transport: Transport, octet_counted: bool
) -> None:
    """A log file arrives from rsyslog over plain TCP and UDP."""
    with Rsyslog(tmp_path, gateway.port(transport), transport=transport, octet_counted=octet_counted) as client:
        client.send(attack(attacker))
        event = event_of(gateway, attacker, transport)
        client.stop()
    assert event["log.syslog.hostname"] == HOST


@pytest.mark.parametrize("relp", [False, True], ids=["tcp", "relp"])
def test_rsyslog_with_what_programs_say(gateway: GatewayProcess, attacker: str, tmp_path: Path, relp: bool) -> None:
    """What came to rsyslog as RFC 3164 arrives as RFC 5424 without the blank behind the tag, and the rule fires."""
    dataset = "relp" if relp else "tcp"
    with RsyslogRelay(tmp_path, gateway.port(dataset), relp=relp) as client:
        client.send(attack(attacker))
        event_of(gateway, attacker, dataset)
        client.stop()


@pytest.mark.parametrize("octet_counted", [False, True], ids=["lines", "octet-counted"])
@pytest.mark.parametrize("driver", ["gtls", "ossl"])
def test_rsyslog_over_tls(
    gateway: GatewayProcess,
    attacker: str,
    tmp_path: Path,
    client_tls: ClientTls,
    driver: Literal["gtls", "ossl"],
    octet_counted: bool,
) -> None:
    """A log file arrives from rsyslog over mutual TLS by either library; the event names the client's certificate."""
    port = gateway.port("tls")
    with Rsyslog(tmp_path, port, tls=client_tls, driver=driver, octet_counted=octet_counted) as client:
        client.send(attack(attacker))
        event = event_of(gateway, attacker, "tls")
        client.stop()
    assert event["log.syslog.hostname"] == HOST
    assert event["gateway.peer.identity"] == "client1.example.test"


@pytest.mark.parametrize("destination", ["syslog", "network"])
def test_syslog_ng_over_tls(
    gateway: GatewayProcess,
    attacker: str,
    tmp_path: Path,
    client_tls: ClientTls,
    destination: Literal["syslog", "network"],
) -> None:
    """A log file arrives from syslog-ng over mutual TLS: RFC 5424 with octet counts, and RFC 3164 by lines."""
    with SyslogNg(tmp_path, gateway.port("tls"), destination=destination, tls=client_tls) as client:
        client.send(attack(attacker))
        event = event_of(gateway, attacker, "tls")
        client.stop()
    assert event["log.syslog.hostname"] == HOST
    assert event["gateway.peer.identity"] == "client1.example.test"


def test_a_stranger_stays_out(gateway: GatewayProcess, attacker: str, tmp_path: Path, client_tls: ClientTls) -> None:
    """A client whose certificate comes from another authority brings nothing about, and the log says who it was."""
    other = Authority(tmp_path / "other").issue("client1.example.test")
    tls = ClientTls(client_tls.authority, other)
    before = len(gateway.text())
    with Rsyslog(tmp_path / "client", gateway.port("tls"), tls=tls) as client:
        client.send(attack(attacker))
        gateway.wait_until(lambda: "tls: 127.0.0.1" in gateway.text()[before:], "a refusal in the log")
    assert not [run for run in gateway.runs() if run.event["source.ip"] == attacker]
