"""Read a log in the order in which it was written, and hand on the lines that a rule could want, each with its time.

Nothing is done for a single line that the sieve lets fall: whole pieces are scanned, as they come from the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, NamedTuple

from gateway.backtest.log_clock import LogClock, middle_of
from gateway.backtest.logs import FilePlan, LogPlan, Taken, pieces_of
from gateway.log_files.log_lines import Progress, whole_lines
from parsers.event import Event
from parsers.message import Batch, Frames, Message, Origin
from rules.sieve import Candidate, Wanted

Sift = Callable[[Batch], Iterator[Candidate]]
"""`Sieve.candidates`."""


class Sighting(NamedTuple):
    """A line that a rule could want, or the end of a log.

    Attributes:
        time: when the line was written, in seconds since 1970; never earlier than that of the one before.
        event: None: here the log ends.
        wanted: the rules that could want it.
    """

    time: float
    event: Event | None
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Stages:
    """What lines go through.

    Attributes:
        sift: finds the lines that a rule could want.
        parse: returns what a line means.
        origin: who is taken for the sender; it gets the file's name.
        year: of the first line; None: it follows from the files.
        until: nothing is read behind this time, in seconds since 1970.
        standard_input: is read for `-`.
    """

    sift: Sift
    parse: Callable[[Message], Event]
    origin: Origin
    standard_input: BinaryIO
    year: int | None = None
    until: float = float("inf")


@dataclass(slots=True)
class Read:
    """What was read of a log, to be looked at afterwards.

    Attributes:
        lines: how many; empty ones count too.
        candidates: how many a rule could want.
        first, last: between when they were written; None: nothing says so.
        problems: what could not be read, and why.
        ahead: lines that claim to be from the future; they count as of the line before them.
        behind: lines that are more than an hour older than one before them; they count as of that.
        cut: lines that were longer than a message may be.
    """

    name: str
    lines: int = 0
    candidates: int = 0
    first: float | None = None
    last: float | None = None
    problems: list[str] = field(default_factory=list)
    ahead: int = 0
    behind: int = 0
    cut: int = 0


def read_log(plan: LogPlan, stages: Stages, read: Read, taken: Taken = lambda _: None) -> Iterator[Sighting]:
    """Yield what a rule could want of a log, and at last where it ends, unless nothing in it says when that is.

    Args:
        plan: the log's files.
        stages: what its lines go through.
        read: is kept up to date.
        taken: is told how many octets were read.
    """
    first = plan.files[0]
    now = first.ends if stages.year is None else middle_of(stages.year)
    clock = LogClock(stages.parse, now, first.ends)
    last: tuple[Frames, Origin] | None = None
    for file in plan.files:
        origin = replace(stages.origin, file=file.file.name if file.file.path is not None else None)
        if stages.year is None:
            clock.limit = file.ends
            if file.begins is not None:
                clock.begin(file.begins)
        else:
            clock.limit = float("inf")
        for frames in _lines(file, stages, read, taken):
            if last is None:
                _look_at_first(frames, clock, origin, read)
            last = frames, origin
            for message, wanted in stages.sift(Batch(frames, origin, clock.now)):
                read.candidates += 1
                event = clock.read(message)
                if clock.now > stages.until:
                    break
                yield Sighting(clock.now, event, wanted)
            read.ahead, read.behind = clock.ahead, clock.behind
            if clock.now > stages.until:
                break
        if last is not None:
            _look_at_last(*last, clock)
        read.ahead, read.behind = clock.ahead, clock.behind
        if clock.now > stages.until:
            break
    if clock.begun:
        read.last = clock.now
        yield Sighting(clock.now, None, ())


def _lines(plan: FilePlan, stages: Stages, read: Read, taken: Taken) -> Iterator[Frames]:
    """Yield the lines of a file in large pieces, and take note of what cannot be read."""
    lines, cut = read.lines, read.cut
    progress = Progress()
    for frames, progress in whole_lines(pieces_of(plan.file, stages.standard_input, taken), Progress()):
        read.lines, read.cut = lines + progress.messages, cut + progress.cut
        if frames.data:
            yield frames
    if progress.problem is not None:
        name = plan.file.name
        problem = progress.problem.removeprefix(f"{name.rpartition(':')[2]}: ")
        whole = f"; the {progress.messages:,} lines before that count" if progress.messages else ""
        read.problems.append(f"{name}: {problem}{whole}")


def _look_at_first(frames: Frames, clock: LogClock, origin: Origin, read: Read) -> None:
    for start, stop in frames:
        if clock.look(frames.data[start:stop], origin.zone):
            read.first = clock.now
        return


def _look_at_last(frames: Frames, origin: Origin, clock: LogClock) -> None:
    """Go on to the time of the last line that says when it was written."""
    for start, stop in reversed(list(frames)[-_LAST_LINES:]):
        if clock.look(frames.data[start:stop], origin.zone):
            return


_LAST_LINES = 100
"""Lines at the end of a file of which one should say when it was written."""
