"""Which files a backtest reads, in what order, and when their lines were written."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.backtest.log_clock import DAY, LogClock, dated
from gateway.backtest.log_names import LogFile, rotated
from gateway.backtest.logs import find_logs
from gateway.backtest.reading import Read, Sighting, Stages, read_log
from parsers.message import Batch, Message, Origin, Trust
from parsers.parse import Parser
from rules.sieve import Candidate

ORIGIN = Origin("test", Trust.LOCAL)
PARSE = Parser(()).parse
NOW = datetime(2026, 2, 2, 12, tzinfo=UTC).timestamp()


def at(*numbers: int) -> float:
    """Return a time in UTC."""
    return datetime(*numbers, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]  # as many as there are


def ordered(*names: str) -> list[list[str]]:
    """Return what is put together, in order."""
    logs, _ = rotated(LogFile(Path(name), name) for name in names)
    return [[file.name for file in log.files] for log in logs]


@pytest.mark.parametrize(
    "names",
    [
        ["auth.log.10.gz", "auth.log.9.gz", "auth.log.2.gz", "auth.log.1", "auth.log"],
        ["auth.log-20251231.gz", "auth.log-20260101.xz", "auth.log-20260102", "auth.log"],
        ["auth-20251231.log.zst", "auth-20260101.log", "auth.log"],
        ["app.log-2026010100", "app.log-2026010123", "app.log"],
        ["app.log-1767225600", "app.log-1767312000", "app.log"],
        ["app.log.2026-01-01", "app.log.2026-01-02T05", "app.log"],
        ["app.2.log", "app.1.log", "app.log"],
        ["messages.old", "messages"],
        ["syslog.1", "syslog.0", "syslog"],
    ],
)
def test_rotated(names: list[str]) -> None:
    """A log that was rotated is read from its oldest file on, in whatever order its files are named."""
    assert ordered(*names) == [names]
    assert ordered(*sorted(names)) == [names]
    assert ordered(*reversed(names)) == [names]


def test_different_logs() -> None:
    """Logs of other names, and of other folders, are not one log."""
    names = ["a/auth.log", "a/auth.log.1", "a/mail.log", "b/auth.log"]
    assert ordered(*names) == [["a/auth.log.1", "a/auth.log"], ["a/mail.log"], ["b/auth.log"]]


def test_both_forms() -> None:
    """A file that is there packed and not packed counts once."""
    logs, twice = rotated(LogFile(Path(name), name) for name in ("a.log.1", "a.log.1.gz", "a.log"))
    assert [file.name for file in logs[0].files] == ["a.log.1", "a.log"]
    assert [file.name for file in twice] == ["a.log.1.gz"]


def test_numbers_and_dates() -> None:
    """Where logrotate's settings changed in between, the files' times decide."""
    files = [LogFile(None, "a.log.1", modified=1.0), LogFile(None, "a.log-20260101", modified=2.0)]
    logs, _ = rotated([LogFile(None, "a.log", modified=0.0), *reversed(files)])
    assert [file.name for file in logs[0].files] == ["a.log.1", "a.log-20260101", "a.log"]


@given(st.lists(st.text(alphabet="a.-gz0123456789old", max_size=24), max_size=8, unique=True))
def test_nothing_is_lost(names: list[str]) -> None:
    """Whatever files are called, each is read once or said to be left out."""
    logs, twice = rotated(LogFile(None, name) for name in names)
    found = [file.name for log in logs for file in log.files] + [file.name for file in twice]
    assert sorted(found) == sorted(names)


@pytest.mark.parametrize(
    ("stamp", "latest", "written"),
    [
        ("Jan 30 10:00:00", NOW, at(2026, 1, 30, 10)),
        ("Feb  2 23:00:00", NOW, at(2026, 2, 2, 23)),  # another zone, or a clock that is ahead
        ("Feb 10 10:00:00", NOW, at(2025, 2, 10, 10)),
        ("Nov 30 10:00:00", NOW, at(2025, 11, 30, 10)),
        ("Jan  5 10:00:00", at(2025, 12, 30), at(2025, 1, 5, 10)),
        ("2019-05-06T07:08:09Z", NOW, at(2019, 5, 6, 7, 8, 9)),
        ("no stamp", NOW, None),
    ],
)
def test_first_year(stamp: str, latest: float, written: float | None) -> None:
    """A stamp without a year is of the last one that is possible."""
    assert dated(f"{stamp} host app: text".encode(), latest, UTC) == written


def times(clock: LogClock, *stamps: str) -> list[float]:
    """Return when lines with these stamps were written."""
    frames = (f"{stamp} host app: text".encode() for stamp in stamps)
    return [clock.read(Message(frame, ORIGIN, 0.0)).message.received for frame in frames]


def test_year_goes_on() -> None:
    """The year follows from the line before: over New Year, and over a silence of months."""
    clock = LogClock(PARSE, at(2024, 7, 1), float("inf"))
    stamps = ("Oct  5 10:00:00", "Dec 31 23:59:59", "Jan  1 00:00:01", "Mar  3 00:00:00", "Dec  1 00:00:00")
    expected = [at(2024, 10, 5, 10), at(2024, 12, 31, 23, 59, 59), at(2025, 1, 1, 0, 0, 1), at(2025, 3, 3)]
    assert times(clock, *stamps, "Feb 29 10:00:00") == [*expected, at(2025, 12, 1), at(2026, 3, 1, 10)]


def test_time_never_goes_back() -> None:
    """A line that is older than the one before counts as of that; one that is much older is said."""
    clock = LogClock(PARSE, NOW, NOW)
    assert times(clock, "Feb  1 10:00:05", "Feb  1 10:00:03", "Feb  1 08:00:00", "Feb  1 10:00:06") == [
        at(2026, 2, 1, 10, 0, 5),
        at(2026, 2, 1, 10, 0, 5),
        at(2026, 2, 1, 10, 0, 5),
        at(2026, 2, 1, 10, 0, 6),
    ]
    assert (clock.ahead, clock.behind) == (0, 1)


def test_future() -> None:
    """A line that claims to be from the future harms no other, and is counted."""
    clock = LogClock(PARSE, NOW, NOW)
    assert times(clock, "2026-02-01T10:00:00Z", "2031-01-01T00:00:00Z", "2026-02-01T10:00:01Z") == [
        at(2026, 2, 1, 10),
        at(2026, 2, 1, 10),
        at(2026, 2, 1, 10, 0, 1),
    ]
    assert clock.ahead == 1
    zone = LogClock(PARSE, NOW, at(2026, 2, 1, 10))  # of a file from a machine that is some hours ahead
    assert times(zone, "Feb  1 14:00:00", "Feb  1 15:00:00") == [at(2026, 2, 1, 14), at(2026, 2, 1, 15)]
    assert (zone.ahead, zone.behind) == (0, 0)
    early = LogClock(PARSE, NOW, NOW)
    assert times(early, "2031-01-01T00:00:00Z", "2026-02-01T10:00:00Z")[1] == at(2026, 2, 1, 10)


@given(st.lists(st.integers(0, 180), max_size=30))
def test_clock_over_years(steps: list[int]) -> None:
    """Lines that are up to half a year apart have their years told from each other."""
    moments = [at(2020, 7, 1)]
    for days in steps:
        moments.append(moments[-1] + days * DAY)
    stamps = [datetime.fromtimestamp(one, UTC).strftime("%b %d %H:%M:%S") for one in moments]
    assert times(LogClock(PARSE, moments[0], float("inf")), *stamps) == moments


def everything(batch: Batch) -> list[Candidate]:
    """Let every line through."""
    data = batch.frames.data
    return [(Message(data[start:stop], batch.origin, batch.received), (0,)) for start, stop in batch.frames]


def read(
    *names: str | Path, now: float = NOW, year: int | None = None, given: bytes = b""
) -> tuple[list[list[Sighting]], list[Read], list[str], list[str]]:
    """Read logs; return what was seen in each, what was read, the problems and the notes."""
    found = find_logs([str(name) for name in names], now, UTC)
    stages = Stages(lambda batch: iter(everything(batch)), PARSE, ORIGIN, BytesIO(given), year)
    reads = [Read(log.name) for log in found.logs]
    seen = [list(read_log(log, stages, one)) for log, one in zip(found.logs, reads, strict=True)]
    return seen, reads, found.problems + [problem for one in reads for problem in one.problems], found.notes


def lines(*stamps: str) -> bytes:
    """Make a log."""
    return b"".join(f"{stamp} host app[1]: text of {stamp}\n".encode() for stamp in stamps)


def write(path: Path, data: bytes, modified: float = NOW) -> Path:
    """Write a file of that time."""
    path.write_bytes(data)
    os.utime(path, (modified, modified))
    return path


def messages(seen: list[Sighting]) -> list[tuple[float, str]]:
    """Return the times and texts."""
    return [(one.time, str(one.event.fields["message"])) for one in seen if one.event is not None]


def test_rotated_set(tmp_path: Path) -> None:
    """Packed and plain files of one log are read as one, with the years that follow from their times."""
    write(tmp_path / "auth.log", lines("Feb  1 10:00:00", "Feb  2 10:00:00"))
    write(tmp_path / "auth.log.1", lines("Dec 30 10:00:00", "Jan 31 10:00:00"), at(2026, 1, 31, 10))
    write(tmp_path / "auth.log.2.gz", gzip.compress(lines("Nov  3 10:00:00")))  # its time was lost
    write(tmp_path / "auth.log.3.zst", zstandard.compress(lines("Jan  9 10:00:00")))
    ((seen,), (told,), problems, notes) = read(tmp_path)
    assert [time for time, _ in messages(seen)] == [
        *(at(2025, 1, 9, 10), at(2025, 11, 3, 10), at(2025, 12, 30, 10)),
        *(at(2026, 1, 31, 10), at(2026, 2, 1, 10), at(2026, 2, 2, 10)),
    ]
    assert seen[-1] == Sighting(at(2026, 2, 2, 10), None, ())
    assert (told.lines, told.candidates, told.first, told.last) == (6, 6, at(2025, 1, 9, 10), at(2026, 2, 2, 10))
    assert not problems
    assert not notes


def test_own_file_is_named(tmp_path: Path) -> None:
    """A line is taken as one of its file, at the time at which it was written."""
    path = write(tmp_path / "auth.log", lines("Feb  1 10:00:00"))
    event = read(path)[0][0][0].event
    assert event is not None
    assert event.fields["log.file.path"] == str(path)
    assert event.message.received == at(2026, 2, 1, 10)


def test_archive(tmp_path: Path) -> None:
    """The files in an archive are logs like others, each with its own time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data, modified in (
            ("log/auth.log", lines("Feb  1 10:00:00"), at(2025, 2, 1, 12)),
            ("log/auth.log.1.gz", gzip.compress(lines("Jan  1 10:00:00")), at(2025, 1, 31)),
            ("log/mail.log", lines("Jan  5 10:00:00"), at(2025, 1, 6)),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), int(modified)
            archive.addfile(member, io.BytesIO(data))
    path = write(tmp_path / "logs.tgz", buffer.getvalue())
    seen, _, problems, _ = read(path)
    assert [[time for time, _ in messages(one)] for one in seen] == [
        [at(2025, 1, 1, 10), at(2025, 2, 1, 10)],
        [at(2025, 1, 5, 10)],
    ]
    assert not problems


def test_folder(tmp_path: Path) -> None:
    """A folder means the logs in it; what is binary or hidden is none, and an empty one is told."""
    write(tmp_path / "mail.log", lines("Feb  1 10:00:00"))
    write(tmp_path / "wtmp", bytes(400))
    write(tmp_path / ".hidden", b"text\n")
    (tmp_path / "private").mkdir()
    seen, reads, problems, _ = read(tmp_path)
    assert (len(seen), reads[0].name, problems) == (1, str(tmp_path / "mail.log"), [])
    assert read(tmp_path / "private")[2] == [f"{tmp_path / 'private'}: there is no log in this folder"]


def test_twice_named(tmp_path: Path) -> None:
    """A file that is named twice is read once."""
    path = write(tmp_path / "mail.log", lines("Feb  1 10:00:00"))
    assert read(path, tmp_path, path)[1][0].lines == 1


def test_damaged(tmp_path: Path) -> None:
    """What stands before the damage counts, and the damage is told."""
    packed = gzip.compress(lines(*["Feb  1 10:00:00"] * 5) + os.urandom(50_000).hex().encode())
    path = write(tmp_path / "a.log.gz", packed[:20_000])
    seen, _, (problem,), _ = read(path)
    assert len(messages(seen[0])) == 5
    assert problem.startswith(f"{path}: the gzip stream ends in the middle")
    assert "before that count" in problem


def test_unreadable(tmp_path: Path) -> None:
    """What is not there or no log is told with its name."""
    binary = write(tmp_path / "wtmp", bytes(400))
    assert "binary" in read(binary)[2][0]
    assert read(tmp_path / "none.log")[2] == [f"{tmp_path / 'none.log'}: it cannot be read: No such file or directory"]


def test_standard_input() -> None:
    """Standard input is a log like others; what follows the last line end is a line."""
    ((seen,), (told,), problems, _) = read("-", given=lines("Dec 31 10:00:00", "Jan  1 10:00:00")[:-1])
    assert [time for time, _ in messages(seen)] == [at(2025, 12, 31, 10), at(2026, 1, 1, 10)]
    assert (told.name, told.lines, problems) == ("-", 2, [])


def test_year_is_said(tmp_path: Path) -> None:
    """A year that is said is that of the first line, whatever the file's time is."""
    path = write(tmp_path / "a.log", lines("Nov  1 10:00:00", "Jan  1 10:00:00"), at(1980, 1, 1))
    assert [time for time, _ in messages(read(path, year=2019)[0][0])] == [at(2019, 11, 1, 10), at(2020, 1, 1, 10)]


def test_time_of_file_is_wrong(tmp_path: Path) -> None:
    """A file whose time is older than its lines, as reproducible archives have it, is read all the same."""
    path = write(tmp_path / "a.log", lines("2025-05-01T10:00:00Z", "2025-05-02T10:00:00Z"), at(1980, 1, 1))
    assert [time for time, _ in messages(read(path)[0][0])] == [at(2025, 5, 1, 10), at(2025, 5, 2, 10)]


def test_without_stamps(tmp_path: Path) -> None:
    """A log without time stamps is told; its lines count as of when the file was changed."""
    path = write(tmp_path / "a.log", b"one thing\nanother thing\n")
    ((seen,), (_told,), problems, (note,)) = read(path)
    assert note.startswith(f"{path}: none of its first 100 lines")
    assert {one.time for one in seen} == {NOW}
    assert not problems
