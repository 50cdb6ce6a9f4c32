"""A destination: one connection that is kept up, a bounded queue, and an outcome for every message."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost, DNSLookupError, TCPTimedOutError
from twisted.internet.task import Clock

from gateway.notices.outgoing import DestinationConnected, DestinationLost
from gateway.outgoing import destination, syslog_tls
from gateway.outgoing.destination import MAX_WAITING, STOPPING, Destination
from gateway.outgoing.relp import OPEN_TIMEOUT, RelpLink
from gateway.outgoing.syslog_tls import SETTLING, SyslogTlsLink
from gateway.outgoing_config import ClientTls, RelpDestination, Server, TlsDestination
from parsers.errors import Place, RemoteError
from parsers.framing.relp_client import WINDOW, frame
from rules.outcome import Ending, Outcome
from tests.gateway.outgoing_peers import Endpoint, Wire
from tests.gateway.told import Told

PLACE = Place("gateway.yaml", 1, 1)
SERVER = Server("192.0.2.1", 2514)
RELP = RelpDestination("archive", PLACE, SERVER)
TLS = TlsDestination("siem", PLACE, SERVER, ClientTls("192.0.2.1"))
OPENED = frame(1, b"rsp", b"200 OK\nrelp_version=0\ncommands=syslog")


class Site:
    """A destination with its other side visible; `outcomes` are those that came, by job."""

    def __init__(self, settings: RelpDestination | TlsDestination) -> None:
        self.clock, self.told, self.endpoint = Clock(), Told(), Endpoint()
        kind = RelpLink if isinstance(settings, RelpDestination) else SyslogTlsLink
        self.destination = Destination(
            settings,
            kind,
            self.clock,
            self.told,
            endpoint=self.endpoint,
            jitter=lambda: 0.0,
        )
        self.outcomes: dict[str, Outcome] = {}
        self.destination.startService()

    def send(self, *jobs: str, message: bytes = b"<13>hello") -> list[Deferred[Outcome]]:
        """Send messages, each for a job of its own."""
        answers = [self.destination.send(message, job) for job in jobs]
        for answer in answers:
            answer.addCallback(lambda outcome: self.outcomes.update({outcome.job: outcome}))
        return answers

    def endings(self) -> dict[str, Ending]:
        """Return how they ended so far."""
        return {job: outcome.ending for job, outcome in self.outcomes.items()}

    def open(self) -> Wire:
        """Let the connection come about, up to where messages may go."""
        wire = self.endpoint.accept()
        if isinstance(self.destination.settings, RelpDestination):
            assert wire.sent().startswith(b"1 open ")
            wire.protocol.dataReceived(OPENED)
        else:
            self.clock.advance(SETTLING)
        return wire

    def wait(self, seconds: float) -> None:
        """Let time go by in small steps, as it does."""
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1)

    def stop(self) -> None:
        """Stop it; nothing may be left behind."""
        stopped = self.destination.stopService()
        for wire in self.endpoint.wires:
            wire.finish()
        assert stopped.called
        assert not self.clock.getDelayedCalls()


@pytest.fixture
def relp() -> Site:
    """Return a RELP destination that has begun to connect."""
    return Site(RELP)


@pytest.fixture
def tls() -> Site:
    """Return a destination for syslog over TLS (its TLS stands aside) that has begun to connect."""
    return Site(TLS)


def test_relp_delivers_when_the_server_says_so(relp: Site) -> None:
    """A message waits for the connection, goes as it is, and is delivered with the answer 200."""
    relp.send("a", message=b"<13>one\ntwo")
    wire = relp.open()
    assert wire.sent() == b"2 syslog 11 <13>one\ntwo\n"
    relp.send("b")
    assert wire.sent() == b"3 syslog 9 <13>hello\n"
    assert not relp.outcomes
    relp.clock.advance(0.25)
    wire.protocol.dataReceived(b"2 rsp 6 200 OK\n")
    outcome = relp.outcomes["a"]
    assert outcome.success
    assert outcome.seconds == 0.25
    assert outcome.stdout == b"192.0.2.1:2514 has acknowledged it"
    wire.protocol.dataReceived(b"3 rsp 6 200 OK\n")
    assert relp.outcomes["b"].success
    assert relp.told.lines() == ["destination archive: connected to 192.0.2.1:2514"]
    relp.stop()


def test_relp_keeps_to_the_window(relp: Site) -> None:
    """A server that withholds its answers gets 128 messages and no more; each answer makes room."""
    wire = relp.open()
    relp.send(*map(str, range(WINDOW + 10)))
    assert wire.sent().count(b" syslog ") == WINDOW
    assert relp.destination.waiting == 10
    wire.protocol.dataReceived(b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
    assert wire.sent().count(b" syslog ") == 2
    relp.stop()


def test_relp_sends_again_what_has_no_answer(relp: Site) -> None:
    """A new connection opens a new session and repeats what was not acknowledged, in order, and nothing else."""
    wire = relp.open()
    relp.send("a", "b", "c")
    wire.protocol.dataReceived(b"2 rsp 6 200 OK\n")
    wire.end(ConnectionLost())
    assert relp.told.lines()[-1] == (
        "destination archive: not connected to 192.0.2.1:2514: the connection was cut; what is to go there waits"
    )
    relp.send("d", message=b"<13>late")
    relp.wait(2)
    again = relp.open()
    assert again.sent() == b"2 syslog 9 <13>hello\n3 syslog 9 <13>hello\n4 syslog 8 <13>late\n"
    again.protocol.dataReceived(b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n")
    assert all(outcome.success for outcome in relp.outcomes.values())
    assert len(relp.outcomes) == 4
    relp.stop()


def test_a_message_that_ends_connections_is_given_up(relp: Site) -> None:
    """After the second connection that ends with it on its way: its job decides, and the others go on."""
    relp.send("poison")
    for _ in range(2):
        wire = relp.open()
        assert b"syslog" in wire.sent()
        wire.protocol.dataReceived(b"0 serverclose 0\n")
        wire.finish()
        relp.wait(3)
    outcome = relp.outcomes["poison"]
    assert outcome.ending is Ending.LOST
    assert outcome.temporary
    assert outcome.error == (
        "archive (192.0.2.1:2514): it was sent, and nobody knows whether it arrived: the server ended the session"
    )
    relp.stop()


def test_relp_servers_can_say_no(relp: Site) -> None:
    """An answer other than 200 fails the message and asks for another try; the session goes on."""
    wire = relp.open()
    relp.send("a", "b")
    wire.protocol.dataReceived(b"2 rsp 13 500 disk full\n3 rsp 6 200 OK\n")
    assert relp.outcomes["a"].ending is Ending.DECLINED
    assert relp.outcomes["a"].temporary
    assert relp.outcomes["a"].error == "archive (192.0.2.1:2514): it answers 500 disk full"
    assert relp.outcomes["b"].success
    relp.stop()


def test_who_speaks_something_else_is_told_of(relp: Site) -> None:
    """No answer to `open`, or one that is no RELP: said once, and tried again."""
    wire = relp.endpoint.accept()
    relp.clock.advance(OPEN_TIMEOUT)
    assert wire.aborted
    wire.finish()
    relp.wait(3)
    wire = relp.endpoint.accept()
    wire.protocol.dataReceived(b"220 hello\r\n")
    wire.finish()
    lost = relp.told.of(DestinationLost)
    assert [notice.problem[:40] for notice in lost] == [
        "no answer to RELP's open within 10 s; do",
        "the server speaks no RELP: it says 220 h",
    ]
    relp.stop()


def test_a_session_whose_numbers_are_used_up_makes_place_for_another(relp: Site) -> None:
    """It is closed in order, and what waits goes over the next."""
    wire = relp.open()
    session = wire.protocol._protocol._session if hasattr(wire.protocol, "_protocol") else wire.protocol._session
    session._txnr = session._answered = 999_999_997
    relp.send("a", "b")
    assert wire.sent().startswith(b"999999998 syslog")
    wire.protocol.dataReceived(b"999999998 rsp 6 200 OK\n")
    assert wire.sent() == b"999999999 close 0\n"
    wire.finish()
    relp.wait(2)
    again = relp.open()
    assert again.sent().startswith(b"2 syslog")
    assert relp.outcomes["a"].success
    relp.stop()


def test_syslog_counts_octets(tls: Site) -> None:
    """RFC 5425: nothing goes before the connection has settled, then all that waits in one write."""
    tls.send("a", message="<13>ü\n".encode())
    tls.send("b")
    wire = tls.endpoint.accept()
    assert wire.sent() == b""
    tls.clock.advance(SETTLING)
    assert wire.sent() == "7 <13>ü\n9 <13>hello".encode()
    assert not tls.outcomes
    tls.send("c")
    assert wire.sent() == b""  # the next batch waits for the first
    wire.drain()
    assert set(tls.outcomes) == {"a", "b"}
    assert tls.outcomes["a"].stdout.startswith(b"192.0.2.1:2514 has it as far as TCP knows")
    assert wire.sent() == b"9 <13>hello"
    wire.drain()
    assert tls.outcomes["c"].success
    tls.stop()


def test_syslog_waits_for_the_servers_kernel(tls: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What our kernel still holds is not delivered yet."""
    left = [300, 300, 0]
    monkeypatch.setattr(syslog_tls, "unacknowledged", lambda _: left.pop(0))
    wire = tls.open()
    tls.send("a")
    wire.drain()
    assert not tls.outcomes
    tls.wait(1)
    assert tls.outcomes["a"].success
    tls.stop()


def test_syslog_repeats_an_unfinished_batch(tls: Site) -> None:
    """When the connection ends with a batch on its way, nobody knows what arrived: it goes again over the next."""
    wire = tls.open()
    tls.send("a")
    assert wire.sent()
    wire.end(ConnectionLost())
    assert not tls.outcomes
    tls.wait(2)
    again = tls.open()
    assert again.sent() == b"9 <13>hello"
    again.drain()
    assert tls.outcomes["a"].success
    tls.stop()


def test_a_server_that_refuses_us_after_the_handshake_gets_nothing(tls: Site) -> None:
    """In TLS 1.3 that is when it refuses our certificate; the message waits, and we come back less and less often."""
    tls.send("a")
    for _ in range(20):
        if tls.endpoint.waiting:
            wire = tls.endpoint.accept()
            wire.end(RemoteError("the server refused our certificate"))
            assert wire.sent() == b""
        tls.wait(1)
    assert len(tls.endpoint.wires) < 8
    assert len(tls.told.of(DestinationLost)) == 1
    assert not tls.told.of(DestinationConnected)
    tls.wait(15)
    outcome = tls.outcomes["a"]
    assert outcome.ending is Ending.NOT_STARTED
    assert outcome.temporary
    assert outcome.error == ("siem (192.0.2.1:2514): not connected within 30 s: the server refused our certificate")
    tls.stop()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, "the connection is refused: nothing listens there"),
        (TCPTimedOutError(), "it does not answer"),
        (DNSLookupError(), "no address is known for this name"),
        (RemoteError("odd"), "odd"),
    ],
)
def test_why_there_is_no_connection(relp: Site, error: Exception | None, words: str) -> None:
    """In an administrator's words, once, however often it is tried."""
    relp.send("a")
    for _ in range(3):
        relp.endpoint.refuse(error)
        relp.wait(5)
    assert [notice.problem for notice in relp.told.of(DestinationLost)] == [words]
    relp.open().protocol.dataReceived(b"2 rsp 6 200 OK\n")
    assert relp.outcomes["a"].success
    relp.stop()


def test_a_message_waits_no_longer_than_it_may(relp: Site) -> None:
    """Its time is up whether there is a connection or not; the queue forgets it."""
    relp.send("a")
    relp.wait(31)
    assert relp.outcomes["a"].error == "archive (192.0.2.1:2514): not connected within 30 s"
    assert relp.destination.waiting == 0
    wire = relp.open()
    assert wire.sent() == b""
    relp.send("b")
    relp.wait(31)
    assert relp.outcomes["b"].ending is Ending.LOST
    assert relp.outcomes["b"].error == "archive (192.0.2.1:2514): no acknowledgement within 30 s"
    wire.protocol.dataReceived(b"2 rsp 6 200 OK\n")  # too late, and no harm
    assert relp.endings() == {"a": Ending.NOT_STARTED, "b": Ending.LOST}
    relp.stop()


def test_the_queue_is_bounded(relp: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In messages and in octets; what is too much asks for another try at once."""
    relp.send(*map(str, range(MAX_WAITING + 1)))
    assert relp.endings() == {str(MAX_WAITING): Ending.NOT_STARTED}
    outcome = relp.outcomes[str(MAX_WAITING)]
    assert outcome.temporary
    assert outcome.error == "archive (192.0.2.1:2514): 1000 messages wait for it already"
    relp.stop()
    monkeypatch.setattr(destination, "MAX_OCTETS", 100)
    small = Site(RELP)
    small.send("a", "b", message=b"x" * 60)
    assert small.endings() == {"b": Ending.NOT_STARTED}
    wire = small.open()
    assert small.outcomes["b"].error == "archive (192.0.2.1:2514): 60 octets wait for it already"
    small.send("c", message=b"x" * 60)
    assert "c" in small.outcomes  # what is on its way counts too
    wire.protocol.dataReceived(b"2 rsp 6 200 OK\n")
    small.send("d", message=b"x" * 60)
    assert "d" not in small.outcomes
    small.stop()


def test_a_cancelled_message_is_given_up(relp: Site) -> None:
    """It has its outcome as always, and is not sent."""
    (answer,) = relp.send("a")
    answer.cancel()
    assert relp.outcomes["a"].error == "it was cancelled"
    assert relp.open().sent() == b""
    relp.stop()


def test_stopping_gives_up_what_waits(relp: Site) -> None:
    """What waits asks for another try, what is on its way is lost, and RELP says goodbye."""
    wire = relp.open()
    relp.send(*map(str, range(WINDOW + 1)))
    wire.sent()
    stopped = relp.destination.stopService()
    assert wire.sent() == b"130 close 0\n"
    assert relp.outcomes[str(WINDOW)].ending is Ending.NOT_STARTED
    wire.finish()
    assert stopped.called
    assert relp.outcomes["0"].ending is Ending.LOST
    relp.send("late")
    assert relp.outcomes["late"].error == STOPPING
    assert len(relp.outcomes) == WINDOW + 2
    assert not relp.clock.getDelayedCalls()


@pytest.mark.parametrize("settings", [RELP, TLS])
def test_stopping_does_not_wait_for_a_server_that_hangs(settings: Any) -> None:
    """A connection that does not end by itself is cut."""
    place = Site(settings)
    wire = place.open()
    stopped = place.destination.stopService()
    assert not stopped.called
    place.clock.advance(destination.CLOSE_TIMEOUT)
    assert wire.aborted
    wire.finish()
    assert stopped.called


def test_stopping_while_it_connects(relp: Site) -> None:
    """An attempt under way is given up."""
    stopped = relp.destination.stopService()
    assert stopped.called
    assert not relp.clock.getDelayedCalls()
    waiting = Site(dataclasses.replace(RELP, timeout=1.0))
    waiting.endpoint.refuse()
    waiting.stop()
