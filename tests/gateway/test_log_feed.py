"""Feeding logs: each line once, whatever the pieces and whenever the gateway is killed; in order, at its own pace."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.drop.account import Unpacking
from gateway.log_files import unpack
from gateway.log_files.log_feed import FULL_POLL, MAX_BATCHES, MAX_FEEDS, Fed, FeedStopped, LogFeed, Reactor
from gateway.log_files.log_lines import Progress, whole_lines
from gateway.log_files.octets import DamagedError
from gateway.log_files.unpack import Piece
from parsers.message import Batch, Origin, Trust
from tests.gateway.made_archives import PACKED, Pack, in_tar

ORIGIN = Origin("drop-ftp", Trust.ACCOUNT, "192.0.2.7", 4000, account="web", file="/drop/web/a.log")
LIMITS = Unpacking()
BOOKMARK = "log/7"


class Stopping(Exception):  # noqa: N818
    """What a pipeline that stops fails with."""


class Turns(Clock):
    """A reactor, and a pool whose threads work when the reactor turns: everything in the order that a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.work: list[Callable[[], None]] = []

    def callFromThread(self, call: Callable[..., None], *args: object) -> None:  # noqa: N802
        call(*args)

    def callInThreadWithCallback(self, done: Callable[[bool, Any], None], call: Callable[..., Any], *args: Any) -> None:  # noqa: N802
        def work() -> None:
            try:
                result = call(*args)
            except BaseException:  # noqa: BLE001 -- as a thread pool does
                done(False, Failure())
            else:
                done(True, result)

        self.work.append(work)

    def turn(self) -> bool:
        """Let one thread come to its end; tell whether there was one."""
        if self.work:
            self.work.pop(0)()
            return True
        return False

    def run(self) -> None:
        """Let threads work as long as there is something to do."""
        while self.turn():
            pass


@dataclass
class House:
    """A stand-in for the pipeline and its store, which survives `kill`.

    Attributes:
        delay: commits wait for `commit`; otherwise they are done at once.
        wants: tells which lines have effects; of a batch without any nothing is kept, not even its place.
    """

    delay: bool = False
    wants: Callable[[bytes], bool] = lambda _: True
    kept: list[bytes] = field(default_factory=list)
    bookmarks: dict[str, str | None] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    waiting: list[tuple[Deferred[None], list[bytes], Mapping[str, str | None]]] = field(default_factory=list)
    full: bool = False

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start, again where it was killed: what waits for its commit is gone."""
        self.waiting = []
        self.turns = Turns()
        self.feed = LogFeed(
            self.accept, cast(ThreadPool, self.turns), lambda: self.full, cast(Reactor, self.turns), self.turns.seconds
        )

    def accept(self, batch: Batch, bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        self.batches.append(batch)
        lines = [text for text in batch.frames.texts() if self.wants(text)]
        if not lines:
            return succeed(None)
        committed: Deferred[None] = Deferred()
        self.waiting.append((committed, lines, bookmarks))
        if not self.delay:
            self.commit()
        return committed

    def commit(self) -> None:
        """Commit the oldest of what waits."""
        committed, lines, bookmarks = self.waiting.pop(0)
        self.kept += lines
        self.bookmarks.update(bookmarks)
        committed.callback(None)

    def begin(self, file: Path) -> list[Fed | Failure]:
        """Feed a file from where it was; what becomes of it stands in the list."""
        results: list[Fed | Failure] = []
        self.feed.feed(file, BOOKMARK, ORIGIN, LIMITS, self.bookmarks.get(BOOKMARK)).addBoth(results.append)
        return results


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test puts its log."""
    return tmp_path / "log"


@pytest.fixture
def small_pieces() -> Iterator[None]:
    """Make a log of a few lines many pieces."""
    with patch.object(unpack, "PIECE", 10):
        yield


def fed(house: House, file: Path) -> Fed:
    """Feed a file to its end."""
    results = house.begin(file)
    house.turns.run()
    assert isinstance(results[0], Fed)
    return results[0]


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_every_line_is_a_message(file: Path, pack: Pack) -> None:
    """However it is packed: all lines, in order, with their origin, and what there is to say of the whole."""
    lines = [b"line %d" % n for n in range(30_000)]
    log = b"\n".join(lines)
    file.write_bytes(pack(log))
    house = House()
    assert fed(house, file) == Fed(30_000, 1, len(log) + 1)
    assert house.kept == lines
    assert {batch.origin for batch in house.batches} == {ORIGIN}
    place = Progress.from_json(house.bookmarks[BOOKMARK] or "")
    assert (place.offset, place.messages) == (len(log), 30_000)


def test_times_of_receipt_differ(file: Path, small_pieces: None) -> None:
    """Equal lines at equal places of two batches differ in their time, also when the clock stands still."""
    file.write_bytes(b"same line\n" * 50)
    house = House()
    fed(house, file)
    house.bookmarks.clear()
    fed(house, file)
    times = [batch.received for batch in house.batches]
    assert len(times) >= 100
    assert all(later - earlier > 0.9e-6 for earlier, later in pairwise(times))
    assert times[-1] < 0.001


def test_a_clock_that_is_set_back_is_believed(file: Path) -> None:
    """An hour back is an hour back."""
    file.write_bytes(b"line\n")
    house = House()
    house.turns.advance(7200)
    fed(house, file)
    house.turns.rightNow = 3600.0
    house.bookmarks.clear()
    fed(house, file)
    assert [batch.received for batch in house.batches] == [7200, 3600]


# Lines.

Lines = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"x").replace(b"\r", b"y")), max_size=12)


def pieces_of(log: bytes, cuts: list[int], start: int = 0, member: int = 0) -> Iterator[Piece]:
    """Cut a log at places, from a place on."""
    at = start
    for cut in sorted({cut for cut in cuts if start < cut < len(log)} | {len(log)}):
        if cut > at:
            yield Piece(member, None, at, log[at:cut])
        at = cut


@settings(max_examples=120, deadline=None)
@given(Lines, st.lists(st.integers(0, 150)), st.lists(st.integers(0, 150)), st.booleans(), st.integers(0, 20))
def test_any_pieces_and_any_place(
    lines: list[bytes], cuts: list[int], again: list[int], ended: bool, stop: int
) -> None:
    """Cut into whatever pieces, the lines are the same; from any place on, they are those that had not come."""
    log = b"\n".join(lines) + b"\n" * ended
    expected = [line[:6] for line in log.split(b"\n") if line]
    steps = list(whole_lines(pieces_of(log, cuts), Progress(), 6))
    assert [text for frames, _ in steps for text in frames.texts()] == expected
    last = steps[-1][1]
    assert (last.messages, last.cut) == (len(log.splitlines()), sum(len(line) > 6 for line in lines))
    came = steps[: min(stop, len(steps))]
    place = Progress.from_json(came[-1][1].to_json()) if came else Progress()
    rest = list(whole_lines(pieces_of(log, again, place.offset), place, 6))
    assert [text for frames, _ in (*came, *rest) for text in frames.texts()] == expected
    assert (rest[-1][1].messages, rest[-1][1].cut) == (last.messages, last.cut)


def test_long_lines() -> None:
    """A line over the limit is cut, flagged, and one message, wherever the pieces end; a CR is no part of it."""
    log = b"123456\r\n1234567\n" + b"x" * 50 + b"\nshort\n123456\r"
    for size in range(1, 30):
        steps = list(whole_lines(pieces_of(log, list(range(0, len(log), size))), Progress(), 6))
        found = [(frames.data[start:stop], start in frames.truncated) for frames, _ in steps for start, stop in frames]
        assert found == [
            (b"123456", False),
            (b"123456", True),
            (b"xxxxxx", True),
            (b"short", False),
            (b"123456", False),
        ]


def test_no_memory_for_a_line_without_end() -> None:
    """Of an endless line no more than the limit is kept."""
    steps = whole_lines((Piece(0, None, n * 1000, b"x" * 1000) for n in range(100_000)), Progress(), 500)
    frames, progress = next(steps)
    assert (frames.texts(), progress.cut, progress.offset) == ([b"x" * 500], 1, 100_000_000)


def test_half_a_line_before_damage_is_no_line() -> None:
    """Where a log breaks off, an address may be cut in half: what has no line end is dropped."""

    def broken() -> Iterator[Piece]:
        yield Piece(0, None, 0, b"from 192.0.2.1\nfrom 192.0.2.1")
        raise DamagedError("it ends in the middle")

    (frames, _), (nothing, last) = whole_lines(broken(), Progress())
    assert frames.texts() == [b"from 192.0.2.1"]
    assert (nothing.data, last.problem, last.offset) == (b"", "it ends in the middle", 15)


def test_a_log_may_begin_like_another_protocol(file: Path) -> None:
    """`GET /` is what a program wrote here, and nobody came to a wrong port."""
    file.write_bytes(b"GET / HTTP/1.1\n\x16\x03\nSSH-2.0-x\n")
    house = House()
    assert fed(house, file).messages == 3


def test_problems_in_an_archive(file: Path, small_pieces: None) -> None:
    """What cannot be read is told, with how much else; nothing of it counts, for its sender will send it again."""
    packed = gzip.compress(b"a\n" * 300)[:-9]
    file.write_bytes(
        in_tar(("a.gz", packed), ("wtmp", bytes(20)), ("b", b"LZIP"), ("c", b"one\ntwo\nthree\nfour\n"), ("d", b"d"))
    )
    house = House()
    whole = fed(house, file)
    assert whole.problem is not None
    assert whole.problem.startswith("a.gz: the gzip stream ends in the middle, after ")
    assert whole.problem.endswith(" (and 1 further problem in it)")
    assert (whole.messages, whole.members, whole.skipped) == (0, 0, 1)
    assert not house.batches


def test_a_file_that_cannot_be_read(file: Path) -> None:
    """It is no reason to stop: the log has a problem."""
    assert fed(House(), file) == Fed(0, 0, 0, "it cannot be read: No such file or directory")


# Crashes.


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_killed_at_any_instant(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever was committed when the gateway was killed, time and again: each line counts once, in order."""
    lines = data.draw(st.lists(st.sampled_from([b"first!", b"dull", b"x", b"a longer line!", b"!"]), max_size=15))
    half = data.draw(st.integers(0, len(lines)))
    log, more = (b"".join(line + b"\n" for line in part) for part in (lines[:half], lines[half:]))
    ways: list[Callable[[], bytes]] = [
        lambda: log + more,
        lambda: gzip.compress(log + more),
        lambda: in_tar(("a", log), ("b", more)),
    ]
    pack = data.draw(st.sampled_from(ways))
    file = tmp_path_factory.getbasetemp() / "killed"
    file.write_bytes(pack())
    house = House(delay=True, wants=lambda line: line.endswith(b"!"))
    with patch.object(unpack, "PIECE", data.draw(st.integers(1, 20))):
        for _ in range(data.draw(st.integers(0, 4))):
            house.begin(file)
            for _ in range(data.draw(st.integers(0, 20))):
                if data.draw(st.booleans()) and house.waiting:
                    house.commit()
                else:
                    house.turns.turn()
            house.start()
        house.delay = False
        result = fed(house, file)
    assert house.kept == [line for line in lines if line.endswith(b"!")]
    assert (result.messages, result.problem) == (len(lines), None)
    assert result.octets == len(log + more)


# Pace.


def test_window(file: Path, small_pieces: None) -> None:
    """Several batches are under way at a time, no more than that, and the end waits for all."""
    file.write_bytes(b"line\n" * 100)
    house = House(delay=True)
    results = house.begin(file)
    house.turns.run()
    assert len(house.waiting) == MAX_BATCHES
    house.commit()
    house.turns.run()
    assert len(house.waiting) == MAX_BATCHES
    while not results:
        house.commit()
        assert not results or not house.waiting
        house.turns.run()
    assert results == [Fed(100, 1, 500)]


def test_one_batch_for_each_turn(file: Path, small_pieces: None) -> None:
    """The reactor turns between two batches."""
    file.write_bytes(b"line\n" * 100)
    house = House()
    house.begin(file)
    house.turns.turn()  # it was read to its end
    for count in range(20):
        assert len(house.batches) == count
        house.turns.turn()


def test_waits_while_all_is_full(file: Path, small_pieces: None) -> None:
    """While too much is pending over all sources, nothing is handed on; then it goes on where it was."""
    file.write_bytes(b"line\n" * 100)
    house = House(full=True)
    results = house.begin(file)
    for _ in range(10):
        house.turns.run()
        house.turns.advance(FULL_POLL)
    assert not house.batches
    house.full = False
    house.turns.advance(FULL_POLL)
    house.turns.run()
    assert results == [Fed(100, 1, 500)]


def test_logs_take_turns(tmp_path: Path) -> None:
    """A few logs are read at a time; the others wait until one of them is done."""
    house = House(delay=True)
    results = []
    for number in range(MAX_FEEDS + 3):
        file = tmp_path / str(number)
        file.write_bytes(b"%d\n" % number)
        results.append(house.begin(file))
    house.turns.run()
    assert len(house.batches) == MAX_FEEDS
    while house.waiting:
        house.commit()
        house.turns.run()
    assert all(isinstance(result[0], Fed) for result in results)
    assert [int(line) for line in house.kept] == list(range(MAX_FEEDS + 3))


def test_what_cannot_be_kept_ends_the_feed(file: Path, small_pieces: None) -> None:
    """The feed fails as the commit did, hands nothing more on, and closes the file."""
    file.write_bytes(b"line\n" * 100)
    house = House(delay=True)
    results = house.begin(file)
    house.turns.turn()
    house.turns.turn()
    for committed, _, _ in house.waiting[:2]:
        committed.errback(Stopping())
    count = len(house.batches)
    house.turns.run()
    assert isinstance(results[0], Failure)
    assert results[0].check(Stopping)
    assert len(house.batches) == count
    for committed, _, _ in house.waiting[2:]:
        committed.errback(Stopping())


def test_stop(tmp_path: Path, small_pieces: None) -> None:
    """Feeds fail when the gateway stops, those that wait too; it is told when no thread reads any more."""
    house = House()
    results = []
    for number in range(MAX_FEEDS + 2):
        file = tmp_path / str(number)
        file.write_bytes(b"line\n" * 100)
        results.append(house.begin(file))
    for _ in range(7):
        house.turns.turn()
    stopped: list[None] = []
    house.feed.stop().addCallback(stopped.append)
    assert not stopped
    house.turns.run()
    assert stopped == [None]
    assert all(isinstance(result[0], Failure) and result[0].check(FeedStopped) for result in results)
    house.full = True
    late = house.begin(tmp_path / "0")
    house.turns.run()
    assert isinstance(late[0], Failure)


def test_stop_while_all_is_full(file: Path) -> None:
    """A feed that waits for room ends too."""
    file.write_bytes(b"line\n")
    house = House(full=True)
    results = house.begin(file)
    house.turns.run()
    stopped: list[None] = []
    house.feed.stop().addCallback(stopped.append)
    house.turns.advance(FULL_POLL)
    house.turns.run()
    assert stopped == [None]
    assert isinstance(results[0], Failure)


def test_stop_where_no_line_comes_for_long(file: Path) -> None:
    """A thread that reads through what has no lines ends soon too."""
    file.write_bytes(gzip.compress(b"") * 50_000 + gzip.compress(b"line\n"))
    house = House()
    reads: list[int] = []

    def taken(file: FileIO, size: int) -> bytes:
        reads.append(size)
        if len(reads) == 3:
            house.feed.stop()
        return FileIO.read(file, size)

    with patch.object(unpack, "FileIO", type("Watched", (FileIO,), {"read": taken})):
        results = house.begin(file)
        house.turns.run()
    assert isinstance(results[0], Failure)
    assert results[0].check(FeedStopped)
    assert len(reads) <= 4


def test_real_threads(file: Path) -> None:
    """With a thread pool it is the same."""
    lines = [b"line %d" % n for n in range(60_000)]
    file.write_bytes(gzip.compress(b"\n".join(lines)))
    house = House()
    pool = ThreadPool(1, 2)
    queue: list[tuple[Callable[..., None], tuple[object, ...]]] = []
    house.turns.callFromThread = lambda call, *args: queue.append((call, args))  # type: ignore[method-assign]
    pool.start()
    try:
        feed = LogFeed(house.accept, pool, lambda: False, cast(Reactor, house.turns), house.turns.seconds)
        results: list[Fed | Failure] = []
        feed.feed(file, BOOKMARK, ORIGIN, LIMITS).addBoth(results.append)
        while not results:
            if queue:
                call, args = queue.pop(0)
                call(*args)
    finally:
        pool.stop()
    assert isinstance(results[0], Fed)
    assert house.kept == lines
