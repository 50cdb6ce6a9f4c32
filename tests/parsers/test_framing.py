"""Framing: every way of cutting a stream into reads gives the same frames, and nothing grows without a limit."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.framing.framer import Framer, OverLimit
from parsers.framing.lines import LineFramer, NulFramer
from parsers.framing.octet_counting import OctetFramer
from parsers.framing.syslog_stream import AutoFramer, Framing, framer

ALL = pytest.mark.parametrize("framing", list(Framing))
POLICIES = pytest.mark.parametrize("over_limit", list(OverLimit))


@dataclass
class Outcome:
    """All that came out of one stream."""

    frames: list[bytes]
    truncated: list[bytes]
    dropped: int
    error: bool
    words: str | None


def run(framing: Framer, *reads: bytes) -> Outcome:
    """Feed the reads and the end of the stream."""
    outcome = Outcome([], [], 0, False, None)
    for frames in (*(framing.feed(read) for read in reads), framing.end()):
        bounds = list(frames)
        outcome.frames += [frames.data[start:stop] for start, stop in bounds]
        outcome.truncated += [frames.data[start:stop] for start, stop in bounds if start in frames.truncated]
        outcome.dropped += frames.dropped
        outcome.words = outcome.words or frames.error
        outcome.error = outcome.words is not None
    return outcome


def same(one: Outcome, other: Outcome) -> bool:
    """Compare but for the words: how much of a wrong count they can show depends on the reads."""
    return (one.frames, one.truncated, one.dropped, one.error) == (
        other.frames,
        other.truncated,
        other.dropped,
        other.error,
    )


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    """Cut a stream into reads."""
    edges = sorted({0, len(stream), *(position % (len(stream) + 1) for position in at)})
    return [stream[start:stop] for start, stop in itertools.pairwise(edges)]


_pieces = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b" ",
        b"<13>",
        b"<34>1 - - - - - - x",
        b"abc",
        b"12345678",
        b"0",
        b"\xff\xfe",
        b"GET /",
        b"\x16\x03",
    ]
)
_counted = st.binary(max_size=14).map(lambda body: b"%d %s" % (len(body), body))
streams = st.lists(st.one_of(_pieces, _counted, st.binary(max_size=4)), max_size=12).map(b"".join)


@ALL
@POLICIES
@given(stream=streams, at=st.lists(st.integers(0, 200), max_size=12), limit=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_any_reads_give_the_same_frames(
    framing: Framing, over_limit: OverLimit, stream: bytes, at: list[int], limit: int
) -> None:
    """Whole, octet by octet or cut anywhere: frames, truncations, drops and failure are the same."""
    whole = run(framer(framing, limit, over_limit), stream)
    assert same(whole, run(framer(framing, limit, over_limit), *cut(stream, at)))
    assert same(whole, run(framer(framing, limit, over_limit), *cut(stream, list(range(len(stream))))))
    assert all(len(frame) <= limit for frame in whole.frames)


@ALL
@given(stream=st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_garbage_is_never_an_exception_and_nothing_comes_twice(framing: Framing, stream: bytes) -> None:
    """Random octets never raise, and the frames together are never longer than the stream."""
    outcome = run(framer(framing), stream)
    assert sum(map(len, outcome.frames)) <= len(stream)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20))
def test_counted_frames_come_back_as_they_are(bodies: list[bytes]) -> None:
    """Octet counting is transparent: any octets, newlines included, come back unchanged."""
    stream = b"".join(b"%d %s" % (len(body), body) for body in bodies)
    assert run(OctetFramer(), stream).frames == bodies


@given(st.lists(st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b and b[-1:] != b"\r"), max_size=20))
def test_nul_frames_keep_their_newlines(bodies: list[bytes]) -> None:
    """With `framing: nul` a newline is content."""
    assert run(NulFramer(), b"x\0" + b"".join(body + b"\0" for body in bodies)).frames == [b"x", *bodies]


def test_lines_are_not_cut() -> None:
    """A read of whole lines comes out as the one buffer it came in as."""
    data = b"one\ntwo\n"
    frames = LineFramer().feed(data)
    assert frames.data is data
    assert list(frames) == [(0, 3), (4, 7)]


def test_one_long_line_is_one_frame() -> None:
    """A line over the limit is cut once and its rest thrown away: no octet of it comes twice."""
    outcome = run(LineFramer(8192), b"<13>" + b"A" * 9000 + b"\nnext\n")
    assert [len(frame) for frame in outcome.frames] == [8192, 4]
    assert outcome.truncated == [outcome.frames[0]]


def test_an_endless_line_is_not_kept() -> None:
    """A line that never ends costs its limit, and becomes one frame when the limit is passed."""
    endless = LineFramer(1000)
    count = sum(endless.feed(b"x" * 700).count() for _ in range(2000))
    assert count == 1
    assert sys.getsizeof(endless._tail) < 5000


def test_the_line_end_is_outside_the_limit() -> None:
    """A line of exactly the limit passes with LF and with CR LF, also when the CR comes in a read of its own."""
    for reads in ([b"abcd\n"], [b"abcd\r\n"], [b"abcd", b"\r", b"\n"], [b"abcd\r", b"\n"]):
        outcome = run(LineFramer(4, OverLimit.CLOSE), *reads)
        assert outcome.frames == [b"abcd"]
        assert not outcome.error


def test_over_the_limit_a_line_is_dropped_or_ends_the_stream() -> None:
    """DROP counts and goes on; CLOSE delivers what came before and says the limit."""
    assert run(LineFramer(4, OverLimit.DROP), b"a\nbbbbbb\nc\n") == Outcome([b"a", b"c"], [], 1, False, None)
    closed = run(LineFramer(4, OverLimit.CLOSE), b"a\nbbbbbb\nc\n", b"d\n")
    assert closed.frames == [b"a"]
    assert "limit of 4 octets" in str(closed.words)


def test_the_last_line_needs_no_end() -> None:
    """What stands after the last line end is a frame when the stream ends."""
    assert run(LineFramer(), b"one\ntwo").frames == [b"one", b"two"]


@pytest.mark.parametrize(
    ("opening", "word"),
    [
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"OPTIONS / HTTP/1.0\r\n", "HTTP"),
        (b"SSH-2.0-x\r\n", "SSH"),
    ],
)
@pytest.mark.parametrize("framing", [Framing.LINES, Framing.OCTET, Framing.AUTO, Framing.LINES_OR_NUL])
def test_other_protocols_are_named(framing: Framing, opening: bytes, word: str) -> None:
    """TLS, HTTP or SSH at the very start, in any reads, is said in words, and no frame comes of it."""
    for reads in ([opening], cut(opening, list(range(len(opening))))):
        outcome = run(framer(framing), *reads)
        assert not outcome.frames
        assert word in str(outcome.words)


def test_a_request_in_the_middle_is_a_line() -> None:
    """Only the start of a connection tells its protocol: access logs hold requests too."""
    assert run(LineFramer(), b"first line\nGET / HTTP/1.1\n").frames == [b"first line", b"GET / HTTP/1.1"]


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"052 x", "begins with 0"),
        (b"0 x", "is 0"),
        (b"12345678 x", "more than 7 digits"),
        (b"+5 hello", "no octet count"),
        (b"5<13>x", "not followed by a space"),
        (b"5 hello\x1b[31m", r"\x1b[31m"),
    ],
)
def test_a_wrong_count_ends_the_stream_with_words(stream: bytes, words: str) -> None:
    """The words show the octets escaped and where in the stream they stand; nothing comes after."""
    octets = OctetFramer()
    frames = octets.feed(stream)
    assert words in str(frames.error)
    assert "octet" in str(frames.error)
    assert octets.feed(b"5 hello").count() == 0


def test_the_offset_in_words_counts_the_whole_stream() -> None:
    """The offset counts from the first octet of the connection, over all reads."""
    assert "(octet 14 of the stream)" in str(run(OctetFramer(), b"5 hel", b"lo5 wo", b"rldxx").words)


def test_newlines_between_counted_frames_are_skipped() -> None:
    """Many senders write a newline behind a counted frame that does not count it."""
    assert run(OctetFramer(), b"3 one\n3 two\r\n\x003 abc\n").frames == [b"one", b"two", b"abc"]


def test_an_over_long_counted_frame_is_skipped_exactly() -> None:
    """Truncated or dropped, the next frame is found; its octets are not kept while they come."""
    stream = b"3 one1000000 "
    octets = OctetFramer(10)
    first = octets.feed(stream)
    assert first.texts() == [b"one"]
    got = [frame for _ in range(1000) for frame in octets.feed(b"y" * 1000).texts()]
    assert got == [b"y" * 10]
    assert sys.getsizeof(octets._held) < 1000
    assert octets.feed(b"3 two").texts() == [b"two"]
    assert run(OctetFramer(3, OverLimit.DROP), b"3 one5 hello3 two") == Outcome([b"one", b"two"], [], 1, False, None)


def test_a_cut_off_counted_frame_is_an_error() -> None:
    """A stream that ends inside a frame says how much came; half a message is none."""
    outcome = run(OctetFramer(), b"5 hello9 wor")
    assert outcome.frames == [b"hello"]
    assert "3 of its 9 octets" in str(outcome.words)


def test_auto_decides_once() -> None:
    """Digits and a space at the start are octet counting; a later line that begins with digits is a line."""
    assert run(AutoFramer(), b"3 one3 two").frames == [b"one", b"two"]
    assert run(AutoFramer(), b"<13>one\n3 two\n").frames == [b"<13>one", b"3 two"]
    assert run(AutoFramer(), b"12:30:00 lunch\n").frames == [b"12:30:00 lunch"]


def test_auto_takes_a_line_among_counted_frames() -> None:
    """A sender that mixes the framings loses nothing in `auto`; strict octet counting ends the stream."""
    mixed = b"3 one<13>two\n5 three<13>four"
    assert run(AutoFramer(), mixed).frames == [b"one", b"<13>two", b"three", b"<13>four"]
    assert run(OctetFramer(), mixed).error


def test_auto_refuses_a_number_that_is_no_count() -> None:
    """Eight digits and a space are no octet count; the words name the setting that helps."""
    assert "framing: lines" in str(run(AutoFramer(), b"20240101 started\n").words)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_auto_knows_relp(size: int) -> None:
    """Omrelp at a plain port is told so, however its octets come; nothing of it is taken for a message."""
    opening, auto, errors = b"1 open 46 relp_version=0\nrelp_software=x", framer(Framing.AUTO), []
    for start in range(0, len(opening), size):
        frames = auto.feed(opening[start : start + size])
        assert not frames.count()
        errors.append(frames.error)
    assert "speaks RELP" in str([error for error in errors if error])


@pytest.mark.parametrize("stream", [b"x" * 60000, b"60000 " + b"x" * 59999])
def test_octet_by_octet_is_not_quadratic(stream: bytes) -> None:
    """A frame that comes in single octets is not joined again at each of them."""
    slow = framer(Framing.AUTO)
    joined = sum(slow.feed(stream[i : i + 1]).count() for i in range(len(stream)))
    assert joined == 0
    assert slow.feed(b"x\n").count() == 1
