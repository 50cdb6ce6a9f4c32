"""Cut an unpacked log into batches of whole lines, each with the place behind it.

A place is always between two lines: whoever begins there again sees each line that came after it, and none before.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace

from gateway.log_files.octets import UnpackError
from gateway.log_files.unpack import Piece
from parsers.framing.framer import MAX_FRAME
from parsers.framing.lines import NO_FRAMES, LineFramer
from parsers.message import NEWLINE, Frames


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a log was read.

    Attributes:
        member: of a tar archive; what comes before it is done.
        offset: in that member, behind the last line end; of the unpacked octets.
        messages: lines so far.
        cut: those of them that were over the limit.
        members: files of an archive that had lines.
        octets: of these lines.
        skipped: what is in an archive beside logs and folders.
        problem: what could not be read, the first of it.
        problems: how many there were.
    """

    member: int = 0
    offset: int = 0
    messages: int = 0
    cut: int = 0
    members: int = 0
    octets: int = 0
    skipped: int = 0
    problem: str | None = None
    problems: int = 0

    def to_json(self) -> str:
        """Write it as one line."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Progress:
        """Read what `to_json` wrote."""
        return Progress(**json.loads(text))


Step = tuple[Frames, Progress]
"""Lines, and the place behind them."""


def whole_lines(pieces: Iterator[Piece], progress: Progress, max_frame: int = MAX_FRAME) -> Generator[Step, None, None]:
    """Yield the lines of a log, and at last no lines with what there is to say of the whole.

    A log's last line needs no line end. Where a log is cut off or damaged, what stands behind its last line end is no
    line: half an address would be another one. The same goes for errors (UnpackError, OSError): they are the last
    step's problem.

    Args:
        pieces: of the log, from where `progress` says.
        progress: what was done before.
        max_frame: octets of a line; a longer one is cut there, and flagged.
    """
    lines = _Lines(progress, max_frame)
    try:
        for piece in pieces:
            if piece.member != lines.progress.member and (last := lines.end()):
                yield last
            if piece.problem is not None:
                lines.tell(piece.problem)
                lines.leave(piece.member + 1)
            elif piece.skipped:
                lines.leave(piece.member + 1)
                lines.skip()
            elif step := lines.take(piece):
                yield step
    except UnpackError as error:
        lines.tell(str(error))
    except OSError as error:
        lines.tell(f"it cannot be read: {error.strerror or error}")
    else:
        if last := lines.end():
            yield last
    yield NO_FRAMES, lines.progress


class _Lines:
    """The lines of a log, as far as it was read."""

    def __init__(self, progress: Progress, max_frame: int) -> None:
        self.progress = progress
        self._max_frame = max_frame
        self._framer = LineFramer(max_frame, peer=False)
        self._rest = bytearray()  # of the line that is not whole yet; what is over the limit is not kept
        self._fed = progress.member if progress.offset else -1  # the member whose lines were counted last
        self._at = progress.offset  # behind what was taken

    def take(self, piece: Piece) -> Step | None:
        """Take the next octets; return the lines that are whole now."""
        data = piece.data
        if piece.member != self.progress.member:
            self.leave(piece.member)
        self._at = piece.offset + len(data)
        cut = data.rfind(NEWLINE) + 1
        rest = self._rest
        if not cut:
            rest += data
            # a CR and one octet more show that a line is over the limit
            del rest[self._max_frame + 2 :]
            return None
        whole = data if cut == len(data) else data[:cut]
        if rest:
            whole = b"".join((rest, whole))
            rest.clear()
        if cut < len(data):
            rest += memoryview(data)[cut:]
            del rest[self._max_frame + 2 :]
        return self._step(whole, piece.offset + cut)

    def end(self) -> Step | None:
        """Take the end of a log, which is a line end."""
        if not self._rest:
            return None
        whole = bytes(self._rest) + NEWLINE
        self._rest.clear()
        return self._step(whole, self._at)

    def leave(self, member: int) -> None:
        """Go on with another member; what is no whole line is dropped."""
        self._rest.clear()
        self.progress = replace(self.progress, member=member, offset=0)

    def tell(self, problem: str) -> None:
        """Count what could not be read."""
        progress = self.progress
        self.progress = replace(progress, problem=progress.problem or problem, problems=progress.problems + 1)

    def skip(self) -> None:
        """Count what is no log."""
        self.progress = replace(self.progress, skipped=self.progress.skipped + 1)

    def _step(self, whole: bytes, offset: int) -> Step:
        frames = self._framer.feed(whole)
        progress = self.progress
        self.progress = replace(
            progress,
            offset=offset,
            messages=progress.messages + frames.count(),
            cut=progress.cut + len(frames.truncated),
            members=progress.members + (progress.member != self._fed),
            octets=progress.octets + len(frames.data),
        )
        self._fed = progress.member
        return frames, self.progress
