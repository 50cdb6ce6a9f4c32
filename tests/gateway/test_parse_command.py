"""`gateway parse`: messages in, one JSON event or frame a line out."""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import parse

NOW = "1718452800"
PROGRAM = (
    "import argparse, sys; from gateway.commands import parse; p = argparse.ArgumentParser(); "
    "parse.add_arguments(p); sys.exit(parse.run(p.parse_args()))"
)
ROOT = Path(__file__).parents[2]


class Answer:
    """What one run printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
        self.error = err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs the command in this process with these octets as its input."""

    def run_parse(octets: bytes, *arguments: str) -> Answer:
        parser = argparse.ArgumentParser()
        parse.add_arguments(parser)
        args = parser.parse_args([*arguments, "--now", NOW, "--zone", "UTC"])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
        code = parse.run(args)
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return run_parse


def frames(answer: Answer) -> list[bytes]:
    """Decode the printed frames."""
    return [base64.b64decode(line["frame"]) for line in answer.lines if "frame" in line]


def test_lines_become_events_in_order(run: Any) -> None:
    """Each line is one event with its header's fields; the year follows from --now."""
    answer = run(b'<34>Oct 11 22:14:15 h su[7]: one\n<165>1 2023-05-06T07:08:09.5+02:00 g a - ID [x y="z"] two\n')
    assert answer.code == 0
    first, second = answer.lines
    assert first["@timestamp"] == "2024-10-11T22:14:15+00:00"
    assert first["log.syslog.priority"] == 34
    assert first["log.syslog.hostname"] == "h"
    assert first["log.syslog.procid"] == "7"
    assert first["event.original"] == "<34>Oct 11 22:14:15 h su[7]: one"
    assert second["@timestamp"] == "2023-05-06T07:08:09.500000+02:00"
    assert second["log.syslog.structured_data"] == {"x": {"y": "z"}}
    assert second["message"] == "two"


def test_base64_takes_any_message(run: Any) -> None:
    """A message may hold newlines; a line that is no base64 is named, and the others go on."""
    good = base64.b64encode(b"<13>one\ntwo")
    answer = run(good + b"\n!!!\n" + good + b"\n", "--base64")
    assert answer.code == 1
    assert [line["message"] for line in answer.lines] == ["one\ntwo", "one\ntwo"]
    assert "line 2 is no base64" in answer.error


def test_unframed_lines_answer_one_to_one(run: Any) -> None:
    """With --framing none every line is a message as it stands: an empty one too, and one that looks like HTTP."""
    answer = run(b"GET / HTTP/1.1\n\n<13>x\r\n", "--framing", "none", "--frames")
    assert frames(answer) == [b"GET / HTTP/1.1", b"", b"<13>x\r"]
    assert run(b"\n", "--framing", "none").lines[0]["message"] == ""


@pytest.mark.parametrize(
    ("framing", "stream"),
    [
        ("lines", b"one\ntwo\n"),
        ("octet", b"3 one3 two"),
        ("auto", b"3 one3 two"),
        ("nul", b"one\0two\0"),
        ("lines-or-nul", b"one\ntwo\0"),
    ],
)
def test_every_framing(run: Any, framing: str, stream: bytes) -> None:
    """The stream is divided as the listener of that framing would."""
    answer = run(stream, "--framing", framing, "--frames")
    assert answer.lines == [{"frame": base64.b64encode(text).decode(), "truncated": False} for text in (b"one", b"two")]


@pytest.mark.parametrize("source", [["--framing", "lines"], ["--framing", "none"], ["--base64"]])
def test_the_limit(run: Any, source: list[str]) -> None:
    """Over the limit a message is truncated and flagged, dropped and counted, or the end."""
    texts = [b"abcdef", b"gh"]
    octets = b"".join((base64.b64encode(text) if "--base64" in source else text) + b"\n" for text in texts)
    cut = run(octets, *source, "--frames", "--max-frame", "4")
    assert [line["truncated"] for line in cut.lines] == [True, False]
    assert frames(cut) == [b"abcd", b"gh"]
    dropped = run(octets, *source, "--frames", "--max-frame", "4", "--over-limit", "drop")
    assert frames(dropped) == [b"gh"]
    assert "1 messages over the limit of 4 octets were dropped" in dropped.error
    closed = run(octets, *source, "--frames", "--max-frame", "4", "--over-limit", "close")
    assert closed.code == 1
    assert closed.lines[-1]["close"] is True


def test_a_stream_that_must_be_closed(run: Any) -> None:
    """Its last line says why, after the frames that were whole."""
    answer = run(b"3 onexyz", "--framing", "octet", "--frames")
    assert answer.code == 1
    assert frames(answer) == [b"one"]
    assert answer.lines[-1]["close"] is True
    assert "no octet count" in answer.lines[-1]["error"]
    assert answer.lines[-1]["error"] in answer.error


def test_a_stream_that_ends_too_early(run: Any) -> None:
    """A cut-off frame is told; there is nothing left to close."""
    answer = run(b"9 one", "--framing", "octet", "--frames")
    assert answer.lines == [{"error": "the stream ended inside a frame: 3 of its 9 octets came", "close": False}]


def test_octets_that_are_no_utf8_are_escaped(run: Any) -> None:
    r"""They are printed as `\xHH`, whatever the locale."""
    assert run(b"<13>a\xff\n").lines[0]["message"] == "a\\xff"


def test_a_file(run: Any, tmp_path: Path) -> None:
    """FILE is read instead of standard input; one that is not there is named."""
    file = tmp_path / "log"
    file.write_bytes(b"<13>text")
    assert run(b"", str(file)).lines[0]["message"] == "text"
    missing = run(b"", str(tmp_path / "none"))
    assert missing.code == 1
    assert "none: No such file" in missing.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-frame", "0"], "number of octets"),
        (["--now", "noon"], "seconds since 1970"),
        (["--zone", "Nowhere/Else"], "no time zone"),
        (["--framing", "telex"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each says what would be right, and the exit code is 2."""
    parser = argparse.ArgumentParser()
    parse.add_arguments(parser)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(arguments)
    assert ended.value.code == 2
    assert words in capfd.readouterr().err


def test_output_comes_as_the_input_does() -> None:
    """A frame is printed before the next one is sent, and a reader that goes away is no traceback."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--frames"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin
    assert child.stdout
    assert child.stderr
    watchdog = threading.Timer(30, child.kill)
    watchdog.start()
    with child, child.stderr:
        os.write(child.stdin.fileno(), b"one\n")
        assert json.loads(child.stdout.readline()) == {"frame": base64.b64encode(b"one").decode(), "truncated": False}
        child.stdout.close()
        os.write(child.stdin.fileno(), b"two\nthree\n")
        child.stdin.close()
        assert child.wait() == 1
        assert child.stderr.read() == b""
    watchdog.cancel()
