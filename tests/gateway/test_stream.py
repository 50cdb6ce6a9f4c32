"""A connection of syslog: every chunking gives the same messages, and limits, pauses and ends are told once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from gateway.notices.sources import ConnectionIdle, OverLimitFrames, StreamRefused
from gateway.source_config import Stream
from gateway.sources.connection import StreamContext
from gateway.sources.stream import MAX_PENDING, SyslogStream, SyslogStreamFactory
from gateway.tls import TruncatedStream
from parsers.framing.framer import OverLimit
from parsers.framing.syslog_stream import Framing
from parsers.message import Origin
from tests.gateway.told import ORIGIN, Accepted, Told


class Listener:
    """What one listener's connections share, with all its other sides visible."""

    def __init__(self, stream: Stream | None = None, idle: float = 60.0) -> None:
        self.told, self.accepted, self.clock = Told(), Accepted(), Clock()
        self.full = False
        context = StreamContext(self.accepted, self.told, self.clock, lambda: 1e9, idle, lambda: self.full)
        self.factory = SyslogStreamFactory(stream or Stream(), self._origin_of, context)

    def _origin_of(self, transport: ITransport) -> Origin:
        return ORIGIN

    def connect(self) -> tuple[SyslogStream, StringTransport]:
        """Open a connection."""
        protocol, transport = self.factory.buildProtocol(None), StringTransport()
        protocol.makeConnection(transport)  # type: ignore[no-untyped-call]
        return protocol, transport


def end(protocol: SyslogStream, error: Exception | None = None) -> None:
    """Let the peer close."""
    protocol.connectionLost(Failure(error or ConnectionDone()))


@pytest.mark.parametrize("data", [b"<13>one\n<13>two\r\n<13>three", b"7 <13>one7 <13>two9 <13>three"])
@given(cuts=st.lists(st.integers(0, 27)))
def test_every_chunking_gives_the_same(data: bytes, cuts: list[int]) -> None:
    """However the octets are cut into reads, the messages are the same; the rest comes with the end."""
    listener = Listener()
    protocol, _ = listener.connect()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, stop in pairwise(places):
        protocol.dataReceived(data[start:stop])
    end(protocol)
    assert listener.accepted.texts() == [b"<13>one", b"<13>two", b"<13>three"]
    assert listener.told == []
    assert listener.clock.getDelayedCalls() == []
    assert listener.accepted[0].received == 1e9


def test_connect_and_close_is_silent() -> None:
    """Whoever looks whether the port is open leaves no line and no timer."""
    listener = Listener()
    protocol, _ = listener.connect()
    end(protocol)
    assert listener.told == []
    assert listener.accepted == []
    assert listener.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("framing", "data", "words"),
    [
        (Framing.OCTET, b"7 <13>one<13>two", "no octet count"),
        (Framing.AUTO, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
        (Framing.LINES, b"GET / HTTP/1.1\r\n", "HTTP"),
        (Framing.OCTET, b"99999999 x", "more than 7 digits"),
    ],
)
def test_a_stream_that_cannot_go_on(framing: Framing, data: bytes, words: str) -> None:
    """It is closed and told once, what came before counts, and other connections go on."""
    listener = Listener(Stream(framing))
    protocol, transport = listener.connect()
    other, other_transport = listener.connect()
    protocol.dataReceived(data)
    protocol.dataReceived(b"7 <13>two" * 3)
    assert transport.disconnecting
    end(protocol)
    (notice,) = listener.told.of(StreamRefused)
    assert words in notice.problem
    assert notice.address == "192.0.2.7:4000"
    other.dataReceived(b"9 <13>three" if framing is Framing.OCTET else b"<13>three\n")
    assert listener.accepted.texts()[-1] == b"<13>three"
    assert not other_transport.disconnecting
    assert len(listener.told) == 1


@pytest.mark.parametrize("error", [ConnectionDone(), ConnectionLost()])
def test_an_end_inside_a_frame(error: Exception) -> None:
    """A counted frame that is cut off is told, however the connection ended."""
    listener = Listener(Stream(Framing.OCTET))
    protocol, _ = listener.connect()
    protocol.dataReceived(b"7 <13>one20 <13>cut")
    end(protocol, error)
    assert listener.accepted.texts() == [b"<13>one"]
    assert ["the stream ended inside a frame" in line for line in listener.told.lines()] == [True]


def test_a_cut_off_tls_stream_is_told_once() -> None:
    """What the TLS layer has said of the end is not said again."""
    listener = Listener(Stream(Framing.OCTET))
    protocol, _ = listener.connect()
    protocol.dataReceived(b"7 <13>one20 <13>cut")
    end(protocol, TruncatedStream("no close_notify"))
    assert listener.told == []


@pytest.mark.parametrize(
    ("over_limit", "texts", "words"),
    [
        (OverLimit.TRUNCATE, [b"x" * 480, b"<13>ok"], "1 message over the limit was cut to 480 octets (max_frame)"),
        (OverLimit.DROP, [b"<13>ok"], "1 message over the limit was dropped; the limit is 480 octets (max_frame)"),
    ],
)
def test_messages_over_the_limit(over_limit: OverLimit, texts: list[bytes], words: str) -> None:
    """They are cut or dropped as configured, told, and the stream goes on."""
    listener = Listener(Stream(Framing.LINES, 480, over_limit))
    protocol, _ = listener.connect()
    protocol.dataReceived(b"x" * 500 + b"\n<13>ok\n")
    assert listener.accepted.texts() == texts
    (notice,) = listener.told.of(OverLimitFrames)
    assert notice.problem == words


def test_it_pauses_while_too_much_waits() -> None:
    """With MAX_PENDING batches whose commits are under way nothing is read; one commit later it is."""
    listener = Listener()
    listener.accepted.wait = True
    protocol, transport = listener.connect()
    for _ in range(MAX_PENDING - 1):
        protocol.dataReceived(b"<13>x\n")
    assert transport.producerState == "producing"
    protocol.dataReceived(b"<13>x\n")
    assert transport.producerState == "paused"
    listener.accepted.promises[0].callback(None)
    assert transport.producerState == "producing"
    listener.accepted.promises[1].errback(OSError("a commit that failed is over too"))
    assert transport.producerState == "producing"


def test_it_pauses_while_all_together_have_too_much() -> None:
    """When the gateway is full, a connection with a share in it is not read until its own is done."""
    listener = Listener()
    listener.accepted.wait = listener.full = True
    protocol, transport = listener.connect()
    protocol.dataReceived(b"<13>x\n")
    assert transport.producerState == "paused"
    listener.accepted.promises[0].callback(None)
    assert transport.producerState == "producing"


def test_a_commit_after_the_end() -> None:
    """Nothing is done to a connection that is gone."""
    listener = Listener()
    listener.accepted.wait = listener.full = True
    protocol, transport = listener.connect()
    protocol.dataReceived(b"<13>x\n")
    end(protocol)
    listener.accepted.promises[0].callback(None)
    assert transport.producerState == "paused"


def test_an_idle_connection_is_closed() -> None:
    """After `idle` seconds without an octet, and not before."""
    listener = Listener(idle=60)
    protocol, transport = listener.connect()
    listener.clock.advance(50)
    protocol.dataReceived(b"<13>x\n")
    listener.clock.pump([10, 49])
    before = transport.disconnecting
    listener.clock.advance(2)
    assert (before, transport.disconnecting) == (False, True)
    assert len(listener.told.of(ConnectionIdle)) == 1
    end(protocol)
    assert listener.clock.getDelayedCalls() == []


def test_a_paused_connection_is_not_idle() -> None:
    """Who is not read cannot be blamed for silence."""
    listener = Listener(idle=60)
    listener.accepted.wait = True
    protocol, transport = listener.connect()
    protocol.dataReceived(b"<13>x\n")
    listener.clock.pump([60, 60])
    before = transport.disconnecting
    listener.accepted.promises[0].callback(None)
    listener.clock.advance(60)
    assert (before, transport.disconnecting) == (False, True)


def test_changed_settings_are_for_connections_to_come() -> None:
    """A connection keeps the framing that it began with."""
    listener = Listener(Stream(Framing.LINES))
    old, _ = listener.connect()
    listener.factory.stream = Stream(Framing.OCTET)
    new, _ = listener.connect()
    old.dataReceived(b"7 <13>one\n")
    new.dataReceived(b"7 <13>one")
    assert listener.accepted.texts() == [b"7 <13>one", b"<13>one"]
