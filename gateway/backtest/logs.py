"""Find the logs that are meant by files, folders and archives, and when each of their files begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import tzinfo
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from gateway.backtest.log_clock import DAY, dated
from gateway.backtest.log_names import LogFile, Rotated, rotated
from gateway.drop.account import Unpacking
from gateway.log_files.log_lines import Progress, whole_lines
from gateway.log_files.octets import UnpackError, UnreadableError
from gateway.log_files.unpack import PIECE, Piece, files_in, open_log

OWN_FILES = Unpacking(octets=2**62, ratio=2**62, members=1_000_000)
"""How much an archive may become: any amount, for these are the operator's own files, and memory stays constant."""

STANDARD_INPUT = "-"

LOOKED_AT = 100
"""Lines of a file of which one should say when it was written: what comes before is a head or a backtrace."""


Taken = Callable[[int], None]
"""Is told how many octets were read."""


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file of a log, and the times between which its lines were written, in seconds since 1970.

    Attributes:
        begins: what its first line says; None: it says nothing, or cannot be read beforehand.
        ends: no line was written more than a day later.
    """

    file: LogFile
    begins: float | None
    ends: float


@dataclass(frozen=True, slots=True)
class LogPlan:
    """A log in the files that it was rotated into, the oldest first."""

    name: str
    files: tuple[FilePlan, ...]


@dataclass(slots=True)
class Found:
    """What was meant.

    Attributes:
        problems: what cannot be read, and why.
        notes: what is left out, and what may not be as it was meant.
    """

    logs: list[LogPlan] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Octets to be read."""
        return sum(plan.file.size for log in self.logs for plan in log.files)


def find_logs(names: Sequence[str], now: float, zone: tzinfo) -> Found:
    """Find the logs that arguments name; reads the first lines of each file, and the heads in each archive.

    Args:
        names: files, folders that stand for the logs in them, tar archives, `-` for standard input.
        now: the wall clock.
        zone: of stamps without one.
    """
    found = Found()
    files: list[LogFile] = []
    seen: set[Path] = set()
    for name in names:
        for file in [LogFile(None, STANDARD_INPUT)] if name == STANDARD_INPUT else _files(Path(name), seen, found):
            files += _members(file, found)
    logs, twice = rotated(files)
    found.notes += [f"{file.name} is left out: it is there in another form too" for file in twice]
    found.logs = [_plan(log, now, zone, found) for log in logs]
    return found


def pieces_of(file: LogFile, standard_input: BinaryIO, taken: Taken = lambda _: None) -> Iterator[Piece]:
    """Yield what is in a file, as `open_log` does; `taken` is told how many octets were read."""
    if file.path is None:
        at = 0
        while data := standard_input.read(PIECE):
            taken(len(data))
            yield Piece(0, None, at, data)
            at += len(data)
        return
    member = file.member
    if member is not None:
        with closing(open_log(file.path, OWN_FILES, member)) as pieces:
            for piece in pieces:
                if piece.member != member:
                    return
                taken(len(piece.data))
                yield piece
        return
    with closing(open_log(file.path, OWN_FILES, taken=taken)) as pieces:
        yield from pieces


def _files(path: Path, seen: set[Path], found: Found) -> Iterator[LogFile]:
    """Yield a file, or those in a folder that are logs by the look of them."""
    try:
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if not one.name.startswith(".") and one.is_file())
            logs = [file for one in inside for file in _files(one, seen, found) if _is_log(file, found)]
            if not logs:
                found.problems.append(f"{path}: there is no log in this folder")
            yield from logs
            return
        status, real = path.stat(), path.resolve()
    except OSError as error:
        found.problems.append(f"{path}: it cannot be read: {error.strerror or error}")
        return
    if real not in seen:
        seen.add(real)
        yield LogFile(real, str(path), status.st_size, status.st_mtime)


def _is_log(file: LogFile, found: Found) -> bool:
    """Tell whether a file of a folder is one: not what is binary, nor what may not be read, which is said."""
    try:
        with closing(open_log(file.path or Path(), OWN_FILES)) as pieces:
            next(pieces, None)
    except UnreadableError:
        return False
    except UnpackError:
        return True  # its beginning may be whole
    except OSError as error:
        found.problems.append(f"{file.name}: it cannot be read: {error.strerror or error}")
        return False
    return True


def _members(file: LogFile, found: Found) -> list[LogFile]:
    """Return the files in a tar archive; the file itself where it is none."""
    if file.path is None:
        return [file]
    logs: list[LogFile] = []
    try:
        inside = files_in(file.path, OWN_FILES)
        if inside is None:
            return [file]
        for index, member in inside:
            modified = file.modified if member.modified is None else member.modified
            one = LogFile(file.path, f"{file.name}:{member.name}", member.size, modified, index)
            logs.append(one)
    except UnpackError as error:
        if not logs:
            return [file]  # reading it says what is wrong
        found.problems.append(f"{file.name}: {error}")
    except OSError as error:
        found.problems.append(f"{file.name}: it cannot be read: {error.strerror or error}")
    return logs


def _plan(log: Rotated, now: float, zone: tzinfo, found: Found) -> LogPlan:
    """Find out when the files of a log begin, from the newest to the oldest: none ends after the next one's begin."""
    plans: list[FilePlan] = []
    next_begins = now
    for file in reversed(log.files):
        ends = now if file.path is None else min(file.modified, now)
        begins = None if file.path is None else _begin(file, min(ends, next_begins), zone)
        if begins is None and file.path is not None and file.size:
            found.notes.append(
                f"{file.name}: none of its first {LOOKED_AT} lines says when it was written; "
                "what is not dated counts as of the line before it"
            )
        if begins is not None and begins > ends + DAY:
            ends = now  # the file's time is not that of its content: it was unpacked by something that sets another
        plans.append(FilePlan(file, begins, ends))
        next_begins = next_begins if begins is None else min(begins, next_begins)
    return LogPlan(log.name, tuple(reversed(plans)))


def _begin(file: LogFile, latest: float, zone: tzinfo) -> float | None:
    lines = whole_lines(pieces_of(file, BytesIO()), Progress())
    with closing(lines):
        frames, _ = next(lines)
    found = (dated(frames.data[start:stop], latest, zone) for start, stop in islice(frames, LOOKED_AT))
    return next((at for at in found if at is not None), None)
