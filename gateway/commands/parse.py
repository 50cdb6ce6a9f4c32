"""`gateway parse`: shows what a file or a stream of messages means, one JSON event a line."""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import BinaryIO

from gateway import clock
from gateway.zone import local_zone, parse_zone
from parsers.framing.framer import MAX_FRAME, OverLimit
from parsers.framing.syslog_stream import Framing, framer
from parsers.message import Frames, Message, Origin, Trust
from parsers.parse import Parser, builtin_grammars

HELP = "show what messages mean, one JSON event a line"

NONE = "none"
READ_OCTETS = 64 * 1024

Show = Callable[[bytes, bool], str]
"""Renders one frame, and whether it was truncated, as a line of JSON."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `parse [FILE]` and how the input is divided into messages."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="default: standard input")
    parser.add_argument(
        "--framing",
        choices=[*(framing.value for framing in Framing), NONE],
        default=Framing.LINES.value,
        help="how the stream is divided; none: every line is one message as it stands (default: lines)",
    )
    parser.add_argument("--base64", action="store_true", help="every line is one message in base64, unframed")
    parser.add_argument(
        "--max-frame", type=_positive, default=MAX_FRAME, metavar="N", help="limit of a message in octets"
    )
    parser.add_argument(
        "--over-limit",
        choices=[policy.value for policy in OverLimit],
        default=OverLimit.TRUNCATE.value,
        help="what happens to a longer message (default: truncate)",
    )
    parser.add_argument(
        "--now", type=as_epoch, metavar="EPOCH", help="time of receipt in seconds since 1970 (default: now)"
    )
    parser.add_argument(
        "--zone", type=as_zone, metavar="NAME", help="zone of time stamps that carry none (default: local)"
    )
    parser.add_argument("--frames", action="store_true", help="print the frames in base64 instead of events")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of octets from 1 on")
    return int(text)


def as_epoch(text: str) -> float:
    """Read a time in seconds since 1970."""
    try:
        now = float(text)
        datetime.fromtimestamp(now, UTC)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time in seconds since 1970") from None
    return now


def as_zone(text: str) -> tzinfo:
    """Read a time zone."""
    try:
        return parse_zone(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Do it; 0 is success, 1 says on standard error what was wrong with the input."""
    output = sys.stdout.buffer
    try:
        show = _show_frame if args.frames else _event_shower(args)
        with nullcontext(sys.stdin.buffer) if args.file == "-" else Path(args.file).open("rb") as stream:
            return _Run(args, output, show).all(stream)
    except BrokenPipeError:
        # The reader had enough (`| head`). What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        return 1
    except OSError as error:
        _complain(f"{args.file}: {error.strerror}")
    return 1


def _complain(words: str) -> None:
    print(f"gateway parse: {words}", file=sys.stderr)


def _show_frame(frame: bytes, truncated: bool) -> str:
    return json.dumps({"frame": base64.b64encode(frame).decode("ascii"), "truncated": truncated})


def _event_shower(args: argparse.Namespace) -> Show:
    """Return what renders a frame as its event."""
    parser = Parser(builtin_grammars())
    zone = local_zone() if args.zone is None else args.zone
    origin = Origin(dataset="parse", trust=Trust.LOCAL, zone=zone)

    def show(frame: bytes, truncated: bool) -> str:
        received = clock.now() if args.now is None else args.now
        return parser.parse(Message(frame, origin, received, truncated)).to_json()

    return show


class _Run:
    """One run over one stream: what it prints, what it counts, how it ends."""

    def __init__(self, args: argparse.Namespace, output: BinaryIO, show: Show) -> None:
        self.args = args
        self.output = output
        self.show = show
        self.over_limit = OverLimit(args.over_limit)
        self.dropped = 0
        self.failed = False

    def all(self, stream: BinaryIO) -> int:
        """Print every message as it comes; return the exit code."""
        whole = self.args.base64 or self.args.framing == NONE
        for frames in self._whole(stream) if whole else self._framed(stream):
            self._print(frames)
        if self.dropped:
            _complain(f"{self.dropped} messages over the limit of {self.args.max_frame} octets were dropped")
        return 1 if self.failed else 0

    def _framed(self, stream: BinaryIO) -> Iterator[Frames]:
        """Divide the stream; an error within it ends it, an error at its end is only told."""
        framing = framer(Framing(self.args.framing), self.args.max_frame, self.over_limit)
        read = getattr(stream, "read1", stream.read)
        while data := read(READ_OCTETS):
            frames = framing.feed(data)
            yield frames
            if frames.error is not None:
                self._fail(frames.error, close=True)
                return
        frames = framing.end()
        yield frames
        if frames.error is not None:
            self._fail(frames.error, close=False)

    def _whole(self, stream: BinaryIO) -> Iterator[Frames]:
        """Take every line as one message, decoded or as it stands, empty ones too: output answers input in order."""
        for number, line in enumerate(stream, start=1):
            message = line.removesuffix(b"\n")
            if self.args.base64:
                try:
                    message = base64.b64decode(message.strip(), validate=True)
                except binascii.Error as error:
                    _complain(f"line {number} is no base64: {error}")
                    self.failed = True
                    continue
            size, limit = len(message), self.args.max_frame
            if size <= limit:
                yield Frames(message, (0,), (size,))
            elif self.over_limit is OverLimit.TRUNCATE:
                yield Frames(message, (0,), (limit,), frozenset((0,)))
            elif self.over_limit is OverLimit.DROP:
                yield Frames(b"", dropped=1)
            else:
                self._fail(f"line {number}: a message of {size} octets is longer than the limit of {limit}", close=True)
                return

    def _print(self, frames: Frames) -> None:
        self.dropped += frames.dropped
        for start, stop in frames:
            line = self.show(frames.data[start:stop], start in frames.truncated)
            self.output.write(line.encode("utf-8") + b"\n")
        self.output.flush()

    def _fail(self, words: str, *, close: bool) -> None:
        """Tell what is wrong with the stream; among frames it is the last line, for a program to read."""
        self.failed = True
        _complain(words)
        if self.args.frames:
            self.output.write(json.dumps({"error": words, "close": close}).encode() + b"\n")
            self.output.flush()
