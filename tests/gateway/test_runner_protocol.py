"""What the gateway and the runner say to each other, and which job is sent next."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runner.backlog import AHEAD, Backlog, Entry
from gateway.runner.protocol import (
    Cancel,
    Clean,
    Ended,
    Lines,
    NotTaken,
    ProtocolError,
    Ready,
    Reload,
    Reloaded,
    ReloadFailed,
    Reply,
    Request,
    Room,
    Start,
    Starting,
    Waits,
    read_reply,
    read_request,
    reply_line,
    request_line,
)
from rules.outcome import Ending, Outcome

REQUESTS: list[Request] = [
    Start("0f" * 16, "rule/do/1", "rule", ("a", "b"), {"x": "é\n\udcff", "list": [1, None, {"a": 0.5}]}, 3),
    Cancel("job"),
    Reload(),
    Clean("0123456789abcdef" * 2),
]
REPLIES: list[Reply] = [
    Ready(7, {"a": Room(1), "b": Room(64, stream=True)}),
    Ready(7, {}, "broken"),
    Ready(7, {}, folders=("0" * 32,)),
    Starting("job"),
    Waits(8),
    Ended(Outcome("job", Ending.EXITED, 0, None, 1.5, None, b"\x00\xff", b"", 1, 2, 3)),
    Ended(Outcome("job", Ending.KILLED, None, 9, 0.0, "words")),
    NotTaken("job", "words"),
    Reloaded({"a": Room(4)}),
    ReloadFailed("words"),
]
ENDED = Ended(Outcome("job", Ending.EXITED, 0, None, 1.5, None, b"\x00\xff"))
START: dict[str, Any] = json.loads(request_line(REQUESTS[0]))


@pytest.mark.parametrize("request_", REQUESTS)
def test_requests_come_back_as_they_were(request_: Request) -> None:
    """A request is one line of ASCII, and reads as what was written."""
    line = request_line(request_)
    assert line.isascii()
    assert line.index(b"\n") == len(line) - 1
    assert read_request(line) == request_


@pytest.mark.parametrize("reply", REPLIES)
def test_replies_come_back_as_they_were(reply: Reply) -> None:
    """A reply is one line, and reads as what was written, outputs of any octets too."""
    line = reply_line(reply)
    assert line.index(b"\n") == len(line) - 1
    assert read_reply(line) == reply


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"frame":1}',
        b'{"frame":"exec","argv":["id"]}',
        b'{"frame":"cancel"}',
        b'{"frame":"cancel","job":""}',
        b'{"frame":"cancel","job":"../x"}',
        b'{"frame":"cancel","job":"a","more":1}',
        json.dumps(START | {"argv": ["id"]}).encode(),
        json.dumps(START | {"attempt": True}).encode(),
        json.dumps(START | {"attempt": 0}).encode(),
        json.dumps(START | {"key": [1]}).encode(),
        json.dumps(START | {"fields": []}).encode(),
        json.dumps(START | {"fields": {"x": float("nan")}}).encode(),
        json.dumps(START | {"task": "x" * 5000}).encode(),
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    """Each member is there, of its type and within its limits, and none is there that nobody asked for."""
    with pytest.raises(ProtocolError):
        read_request(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"frame":"ready","pid":1,"tasks":{"a":"b"},"error":null}',
        b'{"frame":"ready","pid":1,"tasks":{"a":[1]},"error":null}',
        b'{"frame":"ready","pid":1,"tasks":{"a":[true,false]},"error":null}',
        b'{"frame":"starting","job":"a","pid":0}',
        b'{"frame":"waits","pid":-1}',
        b'{"frame":"nothing"}',
        reply_line(ENDED).replace(b"exited", b"vanished"),
        reply_line(ENDED).replace(b'"AP8="', b'"A*8="'),
    ],
)
def test_what_is_no_reply_is_refused(line: bytes) -> None:
    """The gateway is as strict with the runner."""
    with pytest.raises(ProtocolError):
        read_reply(line)


@given(st.binary(max_size=200))
def test_no_other_exception_comes_of_any_line(line: bytes) -> None:
    """Whatever the octets are, they are a frame or a ProtocolError."""
    for read in (read_request, read_reply):
        with suppress(ProtocolError):
            read(line)


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b""))), st.integers(1, 9))
def test_lines_are_the_same_in_every_chunking(lines: list[bytes], size: int) -> None:
    """However the stream is cut, the lines are whole."""
    data = b"".join(line + b"\n" for line in lines)
    reader = Lines(20)
    found = []
    for start in range(0, len(data), size):
        found += reader.feed(data[start : start + size])
    assert found == lines


def test_a_line_over_the_limit_is_refused_before_its_end() -> None:
    """Nothing more than the limit is ever kept."""
    reader = Lines(10)
    assert reader.feed(b"0123456789") == []
    with pytest.raises(ProtocolError, match="longer than 10"):
        reader.feed(b"x")


def entry(job: str, task: str) -> Entry:
    """Make a job that nobody waits for."""
    return Entry(Start(job, task, "rule", (), {}), lambda _: None)


class TestBacklog:
    """Which job is sent next."""

    def test_tasks_take_turns(self) -> None:
        """A task with many jobs does not keep another waiting; its own go in order."""
        backlog = Backlog(4)
        for job, task in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("a4", "a"), ("b2", "b")]:
            assert backlog.add(entry(job, task))
        jobs = []
        while start := backlog.next({"a": Room(4), "b": Room(4)}):
            jobs.append(start.job)
        assert jobs == ["a1", "b1", "a2", "b2", "a3", "a4"]

    def test_no_more_are_sent_than_are_of_use(self) -> None:
        """Of one task and of all, a few more than may run are with the runner."""
        backlog = Backlog(2)
        for number in range(20):
            backlog.add(entry(f"a{number}", "a"))
            backlog.add(entry(f"b{number}", "b"))
        sent = []
        while start := backlog.next({"a": Room(1), "b": Room(8)}):
            sent.append(start.task)
        assert sorted(sent) == ["a"] * AHEAD + ["b"] * (2 * AHEAD - AHEAD)
        assert backlog.next({"a": Room(1), "b": Room(8)}) is None
        assert backlog.forget("a0") is not None
        assert backlog.forget("a0") is None
        assert backlog.next({"a": Room(1), "b": Room(8)}) is not None

    def test_the_number_that_waits_has_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond it a job is not taken; a job taken out makes room."""
        monkeypatch.setattr("gateway.runner.backlog.MAX_WAITING", 2)
        backlog = Backlog(2)
        assert backlog.add(entry("1", "a"))
        assert backlog.add(entry("2", "a"))
        assert not backlog.add(entry("3", "a"))
        assert backlog.withdraw("1")
        assert backlog.withdraw("1") is None
        assert backlog.add(entry("3", "a"))
        assert ("2" in backlog, "1" in backlog, len(backlog)) == (True, False, 2)

    def test_when_the_runner_dies(self) -> None:
        """What had started is lost; what had not waits again, before those that were not sent."""
        backlog = Backlog(2)
        for job, task in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "a"), ("5", "b"), ("6", "c")]:
            backlog.add(entry(job, task))
        sent = [start.job for start in iter(lambda: backlog.next({"a": Room(1), "b": Room(1)}), None)]
        assert sent == ["1", "3", "6", "2"]
        backlog.started("3")
        backlog.started("no such job")
        assert [item.start.job for item in backlog.take_back()] == ["3"]
        assert (backlog.sent, len(backlog)) == (0, 5)
        assert [item.start.job for item in backlog.forget_waiting()] == ["1", "2", "4", "6", "5"]
        assert len(backlog) == 0
