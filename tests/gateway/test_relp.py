"""A RELP connection: answers wait for the commit, go out in order, and nothing that is not kept is ever answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from gateway.notices.sources import ConnectionIdle, NotKept, OverLimitFrames, StreamRefused
from gateway.source_config import RelpStream
from gateway.sources.connection import StreamContext
from gateway.sources.relp import LINGER, MAX_BATCHES, MAX_OCTETS, RelpConnection, RelpFactory
from parsers.framing.framer import OverLimit
from parsers.framing.relp import SERVERCLOSE, acknowledgement
from parsers.message import Origin
from tests.gateway.told import ORIGIN, Accepted, Told
from tests.parsers.test_relp import OPEN, OPENED, syslog

HANDSHAKE = 10.0


class Listener:
    """What one listener's connections share, with all its other sides visible."""

    def __init__(self, stream: RelpStream | None = None, *, wait: bool = False) -> None:
        self.told, self.accepted, self.clock = Told(), Accepted(), Clock()
        self.accepted.wait = wait
        self.full = False
        context = StreamContext(self.accepted, self.told, self.clock, lambda: 1e9, 60.0, lambda: self.full, HANDSHAKE)
        self.factory = RelpFactory(stream or RelpStream(), self._origin_of, context)

    def _origin_of(self, transport: ITransport) -> Origin:
        return ORIGIN

    def connect(self, *, opened: bool = True) -> Client:
        """Open a connection, and a session on it."""
        client = Client(self.factory.buildProtocol(None))
        if opened:
            client.send(OPEN)
            assert client.answers() == OPENED
        return client


class Client:
    """The other end of a connection."""

    def __init__(self, protocol: RelpConnection) -> None:
        self.protocol, self.transport = protocol, StringTransport()
        protocol.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def send(self, data: bytes) -> None:
        """Let octets arrive."""
        self.protocol.dataReceived(data)

    def answers(self) -> bytes:
        """Return what came back since the last look."""
        answers: bytes = self.transport.value()
        self.transport.clear()
        return answers

    def reading(self) -> bool:
        """Whether the server reads."""
        state: str = self.transport.producerState
        return state == "producing"

    def closing(self) -> bool:
        """Whether the server closes."""
        closing: bool = self.transport.disconnecting
        return closing

    def leave(self, error: Exception | None = None) -> None:
        """End the connection."""
        self.protocol.connectionLost(Failure(error or ConnectionDone()))


def test_what_is_kept_at_once_is_answered_at_once() -> None:
    """Messages that cause nothing have their answers in one piece."""
    listener = Listener()
    client = listener.connect()
    client.send(syslog(2) + syslog(3, b"") + syslog(4, b"last"))
    assert listener.accepted.texts() == [b"<13>hi", b"last"]
    assert listener.accepted[0].received == 1e9
    assert client.answers() == acknowledgement(2, 3)
    client.leave()
    assert listener.told == []
    assert listener.clock.getDelayedCalls() == []


def test_an_answer_waits_for_the_commit() -> None:
    """Nothing is answered before its commit, and no later one before an earlier one."""
    listener = Listener(wait=True)
    client = listener.connect()
    client.send(syslog(2) + syslog(3))
    client.send(syslog(4))
    listener.accepted.wait = False
    client.send(syslog(5, b""))
    client.send(syslog(6))
    assert client.answers() == b""
    listener.accepted.promises[1].callback(None)
    assert client.answers() == b""
    listener.accepted.promises[0].callback(None)
    assert client.answers() == acknowledgement(2, 5)


@given(order=st.permutations(range(6)))
def test_commits_in_any_order(order: list[int]) -> None:
    """After each commit exactly those are answered before which nothing waits."""
    listener = Listener(wait=True)
    client = listener.connect()
    for number in range(6):
        client.send(syslog(2 * number + 2) + syslog(2 * number + 3))
    done: set[int] = set()
    answers = b""
    for index in order:
        listener.accepted.promises[index].callback(None)
        done.add(index)
        answers += client.answers()
        first = next(number for number in range(7) if number not in done)
        assert answers == acknowledgement(2, 2 * first)


def test_what_is_kept_behind_what_waits_costs_nothing() -> None:
    """A client that heeds no window cannot pile up answers behind one commit that takes long."""
    listener = Listener(wait=True)
    client = listener.connect()
    client.send(syslog(2))
    listener.accepted.wait = False
    for number in range(3, 3000):
        client.send(syslog(number))
    assert len(client.protocol._runs) == 2
    listener.accepted.promises[0].callback(None)
    assert client.answers() == acknowledgement(2, 2998)


def test_close_waits_for_the_answers() -> None:
    """A clean end comes behind the last answer; what follows `close` is not looked at."""
    listener = Listener(wait=True)
    client = listener.connect()
    client.send(syslog(2) + b"3 close 0\n" + syslog(4))
    client.send(syslog(5))
    assert (client.answers(), client.closing()) == (b"", False)
    listener.accepted.promises[0].callback(None)
    assert client.answers() == b"2 rsp 6 200 OK\n3 rsp 0\n0 serverclose 0\n"
    assert client.closing()
    assert listener.accepted.texts() == [b"<13>hi"]
    client.leave()
    assert listener.told == []
    assert listener.clock.getDelayedCalls() == []


def test_what_cannot_be_kept_is_not_answered() -> None:
    """The connection is cut, what came before is answered, and what comes after is not."""
    listener = Listener(wait=True)
    client = listener.connect()
    for number in range(2, 5):
        client.send(syslog(number))
    first, second, third = listener.accepted.promises
    first.callback(None)
    assert client.answers() == b"2 rsp 6 200 OK\n"
    second.errback(OSError("the store is gone"))
    third.callback(None)
    client.send(syslog(5))
    assert (client.answers(), client.closing()) == (b"", True)
    assert len(listener.accepted) == 3
    (notice,) = listener.told.of(NotKept)
    assert "the store is gone" in notice.problem
    client.protocol.hang_up()
    client.leave()
    assert listener.clock.getDelayedCalls() == []


def test_what_fails_behind_what_waits() -> None:
    """A failure cuts the connection although an earlier commit is under way; that one is not answered then."""
    listener = Listener(wait=True)
    client = listener.connect()
    client.send(syslog(2))
    client.send(syslog(3))
    listener.accepted.promises[1].errback(OSError("no"))
    listener.accepted.promises[0].callback(None)
    assert (client.answers(), client.closing()) == (b"", True)


@pytest.mark.parametrize("error", [ConnectionDone(), ConnectionLost()])
def test_a_commit_after_the_end(error: Exception) -> None:
    """Nothing is done to a connection that is gone, and nobody is blamed for a cut one: the peer repeats."""
    listener = Listener(wait=True)
    client = listener.connect()
    client.send(syslog(2) + syslog(3) + b"4 syslog 20 cut")
    client.send(b"off")
    client.leave(error)
    listener.accepted.promises[0].callback(None)
    client.send(syslog(5))
    assert client.answers() == b""
    assert listener.told == []
    assert listener.clock.getDelayedCalls() == []


def test_a_failure_after_the_end() -> None:
    """It is not told as trouble of a connection that is gone."""
    listener = Listener(wait=True)
    client = listener.connect()
    client.send(syslog(2))
    client.leave()
    listener.accepted.promises[0].errback(OSError("no"))
    assert listener.told == []


@pytest.mark.parametrize(
    ("data", "answers", "words"),
    [
        (OPEN + syslog(3), OPENED + SERVERCLOSE, "transaction 3 came where the turn was at 2"),
        (OPEN + b"2 foo 0\n", OPENED + SERVERCLOSE, "'foo' is not offered"),
        (b"<13>hi\n", SERVERCLOSE, "send it to a tcp or tls source"),
        (b"\x16\x03\x01\x02\x00\x01", SERVERCLOSE, "TLS"),
    ],
)
def test_a_session_that_cannot_go_on(data: bytes, answers: bytes, words: str) -> None:
    """It is closed and told once, and other connections go on."""
    listener = Listener()
    client, other = listener.connect(opened=False), listener.connect()
    client.send(data)
    client.send(data)
    assert client.answers() == answers
    assert client.closing()
    client.leave()
    (notice,) = listener.told.of(StreamRefused)
    assert words in notice.problem
    assert notice.address == "192.0.2.7:4000"
    other.send(syslog(2))
    assert other.answers() == b"2 rsp 6 200 OK\n"


def test_an_error_behind_what_waits() -> None:
    """What was taken before the peer's error is answered before the session ends."""
    listener = Listener(wait=True)
    client = listener.connect()
    client.send(syslog(2) + syslog(7))
    assert (client.answers(), client.closing()) == (b"", False)
    listener.accepted.promises[0].callback(None)
    assert (client.answers(), client.closing()) == (b"2 rsp 6 200 OK\n" + SERVERCLOSE, True)


@pytest.mark.parametrize("data", [b"", b"1 open ", syslog(1)], ids=["silent", "slow", "before open"])
def test_a_client_that_never_opens(data: bytes) -> None:
    """It is cut after the handshake's time; the log says so unless it said nothing at all."""
    listener = Listener()
    client = listener.connect(opened=False)
    if data:
        client.send(data)
    client.answers()
    listener.clock.advance(HANDSHAKE - 0.1)
    assert not client.closing()
    listener.clock.advance(0.2)
    assert (client.answers(), client.closing()) == (SERVERCLOSE, True)
    assert len(listener.told.of(StreamRefused)) == bool(data)
    client.leave()
    assert listener.clock.getDelayedCalls() == []


def test_an_idle_session_is_closed() -> None:
    """Not while an answer is due; and a peer that does not even take the farewell is dropped."""
    listener = Listener(wait=True)
    client = listener.connect()
    client.send(syslog(2))
    listener.clock.pump([60, 60])
    assert not client.closing()
    listener.accepted.promises[0].callback(None)
    listener.clock.advance(60)
    assert (client.answers(), client.closing()) == (b"2 rsp 6 200 OK\n" + SERVERCLOSE, True)
    assert len(listener.told.of(ConnectionIdle)) == 1
    before = client.transport.disconnected
    listener.clock.advance(60)
    assert (before, client.transport.disconnected) == (False, True)
    client.leave()
    assert len(listener.told) == 1
    assert listener.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("over_limit", "texts", "words"),
    [
        (OverLimit.TRUNCATE, [b"x" * 480, b"<13>hi"], "1 message over the limit was cut to 480 octets (max_frame)"),
        (OverLimit.DROP, [b"<13>hi"], "1 message over the limit was dropped; the limit is 480 octets (max_frame)"),
    ],
)
def test_messages_over_the_limit(over_limit: OverLimit, texts: list[bytes], words: str) -> None:
    """They are cut or dropped as configured, told, and acknowledged, for a sender would repeat them for ever."""
    listener = Listener(RelpStream(480, over_limit))
    client = listener.connect()
    client.send(syslog(2, b"x" * 500))
    client.send(syslog(3))
    assert listener.accepted.texts() == texts
    assert client.answers() == acknowledgement(2, 2)
    assert [notice.problem for notice in listener.told.of(OverLimitFrames)] == [words]


def test_it_is_not_read_while_too_many_batches_wait() -> None:
    """One commit later it is."""
    listener = Listener(wait=True)
    client = listener.connect()
    for number in range(MAX_BATCHES - 1):
        client.send(syslog(number + 2))
    assert client.reading()
    client.send(syslog(MAX_BATCHES + 1))
    assert not client.reading()
    listener.accepted.promises[5].callback(None)
    assert client.reading()


def test_it_is_not_read_while_too_many_octets_wait() -> None:
    """Few large batches are as many as many small ones."""
    listener = Listener(RelpStream(MAX_OCTETS), wait=True)
    client = listener.connect()
    client.send(syslog(2, b"x" * (MAX_OCTETS - 100)))
    assert client.reading()
    client.send(syslog(3, b"x" * 100))
    assert not client.reading()
    listener.accepted.promises[0].callback(None)
    assert client.reading()


def test_it_is_not_read_while_all_together_have_too_much() -> None:
    """When the gateway is full, a connection with a share in it is not read until its own is done."""
    listener = Listener(wait=True)
    listener.full = True
    client, other = listener.connect(), listener.connect()
    client.send(syslog(2))
    assert (client.reading(), other.reading()) == (False, True)
    listener.accepted.promises[0].callback(None)
    assert client.reading()


def test_it_is_not_read_while_the_peer_does_not_read() -> None:
    """A peer that only ever sends cannot fill our memory with answers; both reasons to wait must be over."""
    listener = Listener(wait=True)
    client = listener.connect()
    assert client.transport.producer is client.protocol
    listener.full = True
    client.protocol.pauseProducing()
    client.send(syslog(2))
    client.protocol.resumeProducing()
    assert not client.reading()
    client.protocol.pauseProducing()
    listener.accepted.promises[0].callback(None)
    assert not client.reading()
    client.protocol.resumeProducing()
    assert client.reading()
    client.protocol.pauseProducing()
    assert not client.reading()
    client.leave()


def test_our_own_stop() -> None:
    """What was taken is answered, what comes then is not taken, and the peer gets time to read before we close."""
    listener = Listener(wait=True)
    listener.full = True
    client, idle = listener.connect(), listener.connect(opened=False)
    client.send(syslog(2))
    for each in (client, idle):
        each.protocol.hang_up()
        each.protocol.hang_up()
    client.send(syslog(3))
    assert client.reading(), "so that what comes is thrown away"
    assert client.answers() == b""
    assert idle.answers() == SERVERCLOSE
    listener.accepted.promises[0].callback(None)
    assert client.answers() == b"2 rsp 6 200 OK\n" + SERVERCLOSE
    assert not client.closing()
    listener.clock.advance(LINGER)
    assert (client.closing(), idle.closing()) == (True, True)
    assert client.transport.producer is None
    for each in (client, idle):
        each.leave()
    assert listener.accepted.texts() == [b"<13>hi"]
    assert listener.told == []
    assert listener.clock.getDelayedCalls() == []


def test_a_peer_that_leaves_at_our_stop() -> None:
    """Nothing is left to wait for."""
    listener = Listener()
    client = listener.connect()
    client.protocol.hang_up()
    client.leave()
    assert listener.clock.getDelayedCalls() == []


def test_changed_settings_are_for_connections_to_come() -> None:
    """A session keeps the limit that it began with."""
    listener = Listener()
    old = listener.connect()
    listener.factory.stream = RelpStream(480)
    new = listener.connect()
    for client in (old, new):
        client.send(syslog(2, b"x" * 500))
    assert [len(text) for text in listener.accepted.texts()] == [500, 480]
