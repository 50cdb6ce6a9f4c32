"""RELP's client side: what goes out, and what every answer means, however it is cut up."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import RemoteError
from parsers.framing.relp_client import (
    MAX_ANSWER,
    MAX_TXNR,
    WINDOW,
    Acknowledged,
    Closed,
    Opened,
    Rejected,
    RelpClient,
    frame,
)

ANSWER_TO_OPEN = frame(1, b"rsp", b"200 OK\nrelp_version=0\nrelp_software=librelp,1.11.0\ncommands=syslog")


def opened(window: int = WINDOW) -> RelpClient[str]:
    """Return a session that stands."""
    session: RelpClient[str] = RelpClient(window)
    session.open()
    assert session.feed(ANSWER_TO_OPEN) == [Opened()]
    return session


def test_a_whole_session() -> None:
    """Open, two messages, close: numbers rise by one, and each answer is for the oldest without one."""
    session: RelpClient[str] = RelpClient()
    assert session.room == 0
    assert session.open().startswith(b"1 open ")
    assert session.feed(ANSWER_TO_OPEN) == [Opened()]
    assert session.room == WINDOW
    assert session.send("a", b"<13>one") == b"2 syslog 7 <13>one\n"
    assert session.send("b", b"two\n\0") == b"3 syslog 5 two\n\0\n"
    assert session.feed(b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n") == [Acknowledged("a"), Acknowledged("b")]
    assert session.close() == b"4 close 0\n"
    assert session.close() == b""
    assert session.room == 0
    assert session.feed(b"4 rsp 0\n0 serverclose 0\n") == [Closed(), Closed()]


def test_no_data_has_no_space() -> None:
    """`2 close 0 ` with a space ends imrelp's session."""
    assert frame(2, b"close", b"") == b"2 close 0\n"


def test_what_we_offer_is_what_servers_want() -> None:
    """Version 0 and the command syslog, one to a line."""
    assert frame(1, b"open", b"relp_version=0\nrelp_software=event-gateway\ncommands=syslog") == (
        RelpClient[str]().open()
    )


@given(cuts=st.lists(st.integers(0, 80)))
def test_every_chunking_says_the_same(cuts: list[int]) -> None:
    """However the octets are cut into reads."""
    data = b"2 rsp 6 200 OK\n3 rsp 13 500 no\nreason\n4 rsp 10 200 OK\nx=y\n0 serverclose 0\n"
    session = opened()
    for name in "abc":
        session.send(name, b"x")
    told = []
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, stop in pairwise(places):
        told += session.feed(data[start:stop])
    assert told == [Acknowledged("a"), Rejected("b", "500 no"), Acknowledged("c"), Closed()]


def test_the_window_is_a_limit() -> None:
    """Without answers no more than the window is sent; each answer makes room for one."""
    session = opened(window=2)
    session.send("a", b"x")
    session.send("b", b"x")
    assert session.room == 0
    with pytest.raises(ValueError, match="no room"):
        session.send("c", b"x")
    session.feed(b"2 rsp 6 200 OK\n")
    assert session.room == 1
    assert list(session.waiting) == ["b"]


def test_numbers_end() -> None:
    """A session's numbers are used up one before nine digits are, so that there is one left to close it with."""
    session = opened()
    session._txnr = MAX_TXNR - 2
    session._answered = MAX_TXNR - 2
    assert session.room == 1
    session.send("a", b"x")
    assert (session.room, session.exhausted) == (0, False)
    session.feed(b"%d rsp 6 200 OK\n" % (MAX_TXNR - 1))
    assert session.exhausted
    assert session.close() == b"%d close 0\n" % MAX_TXNR


BROKEN = [
    (b"220 mail.example.com ESMTP\r\n", "speaks no RELP"),
    (b"HTTP/1.1 400 Bad Request\r\n", "speaks no RELP"),
    (b"\x16\x03\x01", "speaks no RELP"),
    (b"\n", "speaks no RELP"),
    (b"1 rsp 2000000 ", "an answer of 2000000 octets"),
    (b"1 rsp %d " % (MAX_ANSWER + 1), "octets"),
    (b"1 rsp 1234567890 ", "speaks no RELP"),
    (b"1 rsp 3 200 OK\n", "longer than it says"),
    (b"1 rsp 6\n", "speaks no RELP"),
    (b"1 syslog 1 x\n", "sends the command syslog"),
    (b"2 rsp 6 200 OK\n", "answers number 2, and 1 is next"),
    (b"0 rsp 6 200 OK\n", "answers number 0"),
    (b"1 rsp 2 OK\n", "has no code"),
    (b"1 rsp 0\n", "has no code"),
    (
        frame(1, b"rsp", b"500 required command not supported by client"),
        "does not open a session: 500 required command",
    ),
    (frame(1, b"rsp", b"200 OK\ncommands=eventlog"), "takes no syslog"),
    (b"1 " + b"r" * 40, "speaks no RELP"),
]


@pytest.mark.parametrize(("data", "words"), BROKEN)
def test_broken_servers_are_told_of(data: bytes, words: str) -> None:
    """Another protocol, a number out of turn, an answer too long: one line says what it is."""
    session: RelpClient[str] = RelpClient()
    session.open()
    with pytest.raises(RemoteError) as caught:
        session.feed(data)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_garbage_raises_nothing_else(reads: list[bytes]) -> None:
    """Whatever a server says, the answer is a RemoteError or a value."""
    session = opened()
    session.send("a", b"x")
    with suppress(RemoteError):
        for data in reads:
            session.feed(data)


def test_an_answer_nobody_waits_for() -> None:
    """More answers than commands end the session, for nobody knows what they are for."""
    session = opened()
    with pytest.raises(RemoteError, match="answers number 2"):
        session.feed(b"2 rsp 6 200 OK\n")
