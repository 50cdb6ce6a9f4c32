"""RELP as values: what comes in, what is a message, what is answered now and what when it is kept."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parsers.framing.framer import OverLimit
from parsers.framing.relp import LAST_TXNR, MAX_OFFERS, SERVERCLOSE, RelpReceiver, acknowledgement
from tests.parsers.test_conformance import FOLDER, cases

OPEN = b"1 open 49 relp_version=0\nrelp_software=test\ncommands=syslog\n"
OPENED = b"1 rsp 65 200 OK\nrelp_version=0\nrelp_software=event-gateway\ncommands=syslog\n"


@dataclass
class Conversation:
    """What a session comes to whose messages are kept at once."""

    messages: list[bytes] = field(default_factory=list)
    answers: bytes = b""
    truncated: int = 0
    dropped: int = 0
    closed: bool = False
    error: str | None = None

    def feed(self, receiver: RelpReceiver, data: bytes) -> None:
        """Let the receiver take octets, and hold it to its contract."""
        received = receiver.feed(data)
        frames = received.frames
        self.messages += frames.texts()
        assert len(frames.stops) + frames.dropped <= received.count
        assert all(start < stop for start, stop in frames)
        self.answers += received.answer
        if received.count:
            self.answers += acknowledgement(received.first, received.count)
        self.answers += received.farewell or b""
        self.truncated += len(frames.truncated)
        self.dropped += frames.dropped
        assert not self.closed or received.farewell is None
        self.closed = self.closed or received.farewell is not None
        assert frames.error is None or received.farewell is not None
        self.error = self.error or frames.error


def converse(*chunks: bytes, max_frame: int = 100, over_limit: OverLimit = OverLimit.TRUNCATE) -> Conversation:
    """Feed the chunks to a new session."""
    receiver, conversation = RelpReceiver(max_frame, over_limit), Conversation()
    for chunk in chunks:
        conversation.feed(receiver, chunk)
    return conversation


def syslog(number: int, message: bytes = b"<13>hi") -> bytes:
    """Render a message."""
    return b"%d syslog %d %b\n" % (number, len(message), message) if message else b"%d syslog 0\n" % number


def in_pieces(stream: bytes, size: int) -> list[bytes]:
    """Cut a stream."""
    return [stream[start : start + size] for start in range(0, len(stream), size)]


# Name: stream, messages, answers after those to OPEN (the last is the farewell), words of the error.
SESSIONS: dict[str, tuple[bytes, list[bytes], bytes, str | None]] = {
    "a message": (OPEN + syslog(2), [b"<13>hi"], OPENED + b"2 rsp 6 200 OK\n", None),
    "two and close": (
        OPEN + syslog(2, b"one") + syslog(3, b"two") + b"4 close 0\n",
        [b"one", b"two"],
        OPENED + b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 0\n0 serverclose 0\n",
        None,
    ),
    "octets of all kinds": (
        OPEN + syslog(2, b"<13>a\nb\0c\xff\xfe\r\n") + syslog(3),
        [b"<13>a\nb\0c\xff\xfe\r\n", b"<13>hi"],
        OPENED + b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n",
        None,
    ),
    "what looks like frames": (
        OPEN + syslog(2, b"3 syslog 1 x\n4 close 0\n") + syslog(3),
        [b"3 syslog 1 x\n4 close 0\n", b"<13>hi"],
        OPENED + b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n",
        None,
    ),
    "an empty message": (OPEN + syslog(2, b"") + syslog(3), [b"<13>hi"], OPENED + acknowledgement(2, 2), None),
    "leading zeros": (OPEN + b"02 syslog 006 <13>hi\n", [b"<13>hi"], OPENED + b"2 rsp 6 200 OK\n", None),
    "unknown offers": (
        b"1 open 43 relp_version=99\nfoo\nfoo=\ncommands=x,syslog\n\n" + syslog(2),
        [b"<13>hi"],
        OPENED + b"2 rsp 6 200 OK\n",
        None,
    ),
    "messages before open": (
        syslog(1) + syslog(2) + b"3" + OPEN[1:] + syslog(4),
        [b"<13>hi"],
        b"1 rsp 20 500 command disabled\n2 rsp 20 500 command disabled\n3" + OPENED[1:] + b"4 rsp 6 200 OK\n",
        None,
    ),
    "close before open": (b"1 close 0\n", [], b"1 rsp 0\n0 serverclose 0\n", None),
    "close with data": (OPEN + b"2 close 3 abc\n", [], OPENED + b"2 rsp 0\n0 serverclose 0\n", None),
    "after close": (OPEN + b"2 close 0\n" + syslog(3), [], OPENED + b"2 rsp 0\n0 serverclose 0\n", None),
    "a second open": (
        OPEN + syslog(2) + b"3" + OPEN[1:],
        [b"<13>hi"],
        OPENED + b"2 rsp 6 200 OK\n3 rsp 43 500 protocol error: connection already open\n0 serverclose 0\n",
        "a second `open`",
    ),
    "no offer of syslog": (
        b"1 open 15 commands=SYSLOG\n",
        [],
        b"1 rsp 44 500 required command not supported by client\n0 serverclose 0\n",
        "does not offer the command syslog",
    ),
    "no offers": (
        b"1 open 0\n",
        [],
        b"1 rsp 44 500 required command not supported by client\n" + SERVERCLOSE,
        "syslog",
    ),
    "first of all 2": (b"2" + OPEN[1:], [], SERVERCLOSE, "transaction 2 came where the turn was at 1"),
    "a number twice": (OPEN + syslog(2) * 2, [b"<13>hi"], OPENED + b"2 rsp 6 200 OK\n" + SERVERCLOSE, "turn was at 3"),
    "a gap": (OPEN + syslog(3), [], OPENED + SERVERCLOSE, "transaction 3 came where the turn was at 2"),
    "an unknown command": (OPEN + b"2 foo 3 bar\n", [], OPENED + SERVERCLOSE, "the command 'foo' is not offered"),
    "an answer": (OPEN + b"2 rsp 6 200 OK\n", [], OPENED + SERVERCLOSE, "the command 'rsp' is not offered"),
    "starttls": (b"1 starttls 0\n", [], SERVERCLOSE, "the command 'starttls' is not offered"),
    "capitals": (OPEN + b"2 SYSLOG 1 x\n", [], OPENED + SERVERCLOSE, "'SYSLOG'"),
    "33 letters": (OPEN + b"2 " + b"a" * 33 + b" 0\n", [], OPENED + SERVERCLOSE, "no frame of RELP"),
    "ten digits": (OPEN + b"2 syslog 1234567890 x", [], OPENED + SERVERCLOSE, "no frame of RELP: '2 syslog 1234567890"),
    "CR LF": (OPEN + b"2 syslog 1 x\r\n", [], OPENED + SERVERCLOSE, "no newline where a frame's DATALEN says"),
    "a space after 0": (OPEN + b"2 syslog 0 \n", [], OPENED + SERVERCLOSE, "a space follows a DATALEN of 0"),
    "no space after 1": (OPEN + b"2 syslog 1\nx\n", [], OPENED + SERVERCLOSE, "no space follows a DATALEN of 1"),
    "a newline too many": (OPEN + b"\n", [], OPENED + SERVERCLOSE, "no frame of RELP: '\\n' (octet 60 of the stream)"),
    "endless offers": (b"1 open %d x" % (MAX_OFFERS + 1), [], SERVERCLOSE, "are too many"),
    "an endless close": (OPEN + b"2 close 999999999 x", [], OPENED + SERVERCLOSE, "are too many"),
    "a long message before open": (b"1 syslog 101 x", [], SERVERCLOSE, "are too many"),
    "TLS": (b"\x16\x03\x01\x02\0\1\0\1", [], SERVERCLOSE, "the peer speaks TLS to a plain port"),
    "HTTP": (b"GET / HTTP/1.1\r\n", [], SERVERCLOSE, "the peer speaks HTTP"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", [], SERVERCLOSE, "the peer speaks SSH"),
    "plain syslog": (b"<13>hi\n", [], SERVERCLOSE, "the peer sends syslog without RELP"),
    "octet counts": (b"6 <13>hi", [], SERVERCLOSE, "the peer sends syslog without RELP"),
    "half a frame": (OPEN + b"2 syslog 100 half", [], OPENED, None),
    "nothing": (b"", [], b"", None),
}


@pytest.mark.parametrize("name", SESSIONS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 60, 10_000])
def test_sessions(name: str, size: int) -> None:
    """However a session is cut into reads, messages, answers and the fault are the same."""
    stream, messages, answers, words = SESSIONS[name]
    found = converse(*in_pieces(stream, size))
    assert found.messages == messages
    assert found.answers == answers
    assert found.closed == answers.endswith(SERVERCLOSE)
    assert (found.error is None) == (words is None)
    assert words is None or words in found.error  # type: ignore[operator]  # the line above


@given(
    messages=st.lists(st.binary(max_size=150), max_size=8),
    cuts=st.lists(st.integers(0, 1500), max_size=20),
    over_limit=st.sampled_from([OverLimit.TRUNCATE, OverLimit.DROP]),
)
@example(messages=[b"x" * 101, b"y" * 150, b""], cuts=list(range(1500)), over_limit=OverLimit.TRUNCATE)
@example(messages=[b"x" * 101, b"y" * 150, b"z"], cuts=list(range(1500)), over_limit=OverLimit.DROP)
def test_every_chunking(messages: list[bytes], cuts: list[int], over_limit: OverLimit) -> None:
    """Each message comes out once, cut or dropped where it is over the limit, and every one is answered."""
    stream = OPEN + b"".join(syslog(number, message) for number, message in enumerate(messages, 2))
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    found = converse(*(stream[start:stop] for start, stop in pairwise(places)), over_limit=over_limit)
    over = sum(len(message) > 100 for message in messages)
    cut = over_limit is OverLimit.TRUNCATE
    assert found.messages == [message[:100] for message in messages if message and (cut or len(message) <= 100)]
    assert (found.truncated, found.dropped) == ((over, 0) if cut else (0, over))
    assert found.answers == OPENED + acknowledgement(2, len(messages))
    assert found.error is None


PIECES = st.sampled_from(
    [OPEN, syslog(2), syslog(3), b"2 ", b"close", b" ", b"\n", b"0", b"999999999", b"<13>", b"101 "]
)


@given(
    pieces=st.lists(PIECES | st.binary(max_size=12), max_size=12),
    cuts=st.lists(st.integers(0, 300), max_size=12),
    over_limit=st.sampled_from(OverLimit),
)
def test_anything_at_all(pieces: list[bytes], cuts: list[int], over_limit: OverLimit) -> None:
    """Octets of any kind raise nothing, in any chunking come to the same, and are never kept beyond the limits."""
    stream = b"".join(pieces)
    whole = converse(stream, max_frame=20, over_limit=over_limit)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    receiver, cut = RelpReceiver(20, over_limit), Conversation()
    for start, stop in pairwise(places):
        cut.feed(receiver, stream[start:stop])
        assert len(receiver._held) <= MAX_OFFERS + 53
    for each in (cut, whole):  # what is shown of an error depends on what has come by then
        each.error = each.error and each.error[each.error.index(" (octet") :]
    assert cut == whole


@pytest.mark.parametrize("size", [1, 10, 10_000])
def test_over_the_limit(size: int) -> None:
    """With `close` it ends the session; else it does not, unless the frame does not end where it must."""
    long = OPEN + syslog(2, b"x" * 101) + syslog(3)
    closed = converse(*in_pieces(long, size), over_limit=OverLimit.CLOSE)
    assert (closed.messages, closed.answers) == ([], OPENED + SERVERCLOSE)
    assert "101 octets is longer than the limit of 100 (max_frame)" in (closed.error or "")
    for over_limit in (OverLimit.TRUNCATE, OverLimit.DROP):
        broken = converse(*in_pieces(OPEN + b"2 syslog 101 " + b"x" * 102 + b"\n", size), over_limit=over_limit)
        assert broken.answers == OPENED + SERVERCLOSE
        assert "but 'x\\n' (octet 174 of the stream)" in (broken.error or "") or size < 10_000


def test_a_long_message_is_not_kept() -> None:
    """Of a message over the limit no more than the limit is held while it comes in."""
    receiver = RelpReceiver(1000)
    receiver.feed(OPEN + b"2 syslog 99999999 ")
    for _ in range(100):
        received = receiver.feed(b"x" * 1000)
        assert received.count == 0
        assert len(receiver._held) <= 1000 + 53


def test_nothing_is_copied() -> None:
    """The messages of one read are bounds in its own octets."""
    receiver = RelpReceiver()
    receiver.feed(OPEN)
    data = syslog(2) + syslog(3)
    frames = receiver.feed(data).frames
    assert frames.data is data
    assert list(frames) == [(11, 17), (29, 35)]
    assert frames.at(18) == (18, 18), "the newline between two frames belongs to none"


def test_numbers_begin_again() -> None:
    """After 999999999 comes 1, in messages and in answers."""
    receiver, found = RelpReceiver(), Conversation()
    found.feed(receiver, OPEN)
    receiver._next = LAST_TXNR - 1
    found.feed(receiver, syslog(LAST_TXNR - 1) + syslog(LAST_TXNR) + syslog(1) + syslog(2))
    found.feed(receiver, syslog(3))
    assert len(found.messages) == 5
    answers = [b"%d rsp 6 200 OK\n" % number for number in (LAST_TXNR - 1, LAST_TXNR, 1, 2, 3)]
    assert found.answers == OPENED + b"".join(answers)


LIMIT = 8192
"""What the conversations with imrelp were held with, and it closes what is longer."""


@pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no conformance data in {FOLDER}; GATEWAY_CONFORMANCE names its folder"
)
@pytest.mark.parametrize("case", list(cases("relp.open.jsonl")), ids=lambda case: case["id"])
def test_as_imrelp_answers(case: dict[str, object]) -> None:
    """The same answers to the same transactions, the same messages and the same end; only who we are differs."""
    stream = base64.b64decode(str(case["stream_b64"]))
    lengths = case["chunk_lengths"]
    assert isinstance(lengths, list)
    places = [sum(lengths[:index]) for index in range(len(lengths) + 1)]
    found = converse(*(stream[a:b] for a, b in pairwise(places)), max_frame=LIMIT, over_limit=OverLimit.CLOSE)
    theirs = case["imrelp"]
    assert isinstance(theirs, dict)
    ours = (codes(found.answers), found.closed, len(found.messages))
    wanted = (
        codes(theirs["reply"].encode()),
        theirs["server_close"] == "closed by server",
        sum(bool(message) for message in theirs["messages_delivered"]),
    )
    assert ours == wanted, case["name"]


def codes(answers: bytes) -> list[bytes]:
    """Return each answer's head and code; `rsp` lines are the only ones with digits in front."""
    heads = [line for line in answers.split(b"\n") if line[:1].isdigit()]
    return [b" ".join(line.split(b" ")[:2] + line.split(b" ")[3:4]) for line in heads]
