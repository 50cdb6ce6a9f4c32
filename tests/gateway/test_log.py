"""The log: one line for each fact, nothing of a peer's raw in it, and no flood."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure
from twisted.python.log import LogPublisher as LegacyPublisher

from gateway.log import BURST, PERIOD, LogFile, Teller, escaped, log_file
from gateway.notices.sources import Listening, StreamRefused
from tests.gateway.test_notices import HOSTILE


class Log:
    """A log in memory; `logger` writes to it."""

    def __init__(self, namespace: str = "gateway") -> None:
        self._stream = io.StringIO()
        self.publisher = LogPublisher(LogFile(self._stream))
        self.logger = Logger(namespace, observer=self.publisher)

    def lines(self) -> list[str]:
        """Return what was written, without the time stamps."""
        return [line.split(" ", 1)[1] if line[:4].isdigit() else line for line in self.raw().split("\n")[:-1]]

    def raw(self) -> str:
        """Return what was written."""
        return self._stream.getvalue()


def teller(log: Log, clock: Clock) -> Teller:
    """Make a teller that tells that log."""
    tell = Teller(clock)
    tell._log = log.logger
    return tell


@given(HOSTILE)
def test_escaping_leaves_only_what_is_printable(text: str) -> None:
    """Controls, separators, marks that turn the direction, zero widths, surrogates and unassigned ones are escaped."""
    safe = escaped(text)
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in safe)
    assert escaped(safe) == safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\0\x1b[2J\x7f\x9b", r"\x00\x1b[2J\x7f\x9b"),
        ("\u202eevil\u200b\u2028", r"\u202eevil\u200b\u2028"),
        ("\U000e0041", r"\U000e0041"),
        (b"\xff!".decode("utf-8", "surrogateescape"), r"\xff!"),
        ("\ud800", r"\ud800"),
        ("Zürich 東京 🙂", "Zürich 東京 🙂"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    """Escapes are Python's; an octet that was no UTF-8 shows as that octet, and text in any script as itself."""
    assert escaped(text) == shown


@given(HOSTILE)
def test_a_notice_is_one_line(text: str) -> None:
    """A notice is one line of the log, whatever it is about."""
    log = Log()
    teller(log, Clock())(StreamRefused("tcp", text, text))
    assert log.raw().count("\n") == 1
    assert log.raw()[:-1].isprintable()


@given(HOSTILE)
def test_other_messages(text: str) -> None:
    """What Twisted or a library logs is as harmless; a further line is marked as continued."""
    log = Log("twisted.internet")
    log.logger.emit(LogLevel.warn, "{text}", text=text)
    lines = log.raw().split("\n")
    assert lines.pop() == ""
    assert all(line.removeprefix("\t").isprintable() for line in lines)
    assert all(line.startswith("\t| ") for line in lines[1:])


def test_a_traceback() -> None:
    """The lines of a traceback cannot pass for facts of their own."""
    log = Log()
    try:
        raise ValueError("forged\n2026-01-01T00:00:00+00:00 info: all is well\x1b[2J")
    except ValueError:
        log.logger.failure("it broke")
    first, *rest = log.lines()
    assert first == "critical: it broke"
    assert rest
    assert all(line.startswith("\t| ") for line in rest)
    assert "\x1b" not in log.raw()


def test_a_legacy_failure_is_told_once() -> None:
    """`twisted.python.log.err` puts the traceback into the text itself; it is not written twice."""
    log = Log()
    legacy = LegacyPublisher(observerPublisher=log.publisher, publishPublisher=log.publisher)
    legacy.msg(failure=Failure(ValueError("no")), why="why it broke", isError=1)
    assert log.raw().count("ValueError") == 1


def test_what_twisted_says_in_good_health_is_left_out() -> None:
    """Below a warning, Twisted's own words stay out of an operator's log; warnings and others' words are in."""
    for namespace, level, expected in [
        ("twisted.application.app.AppLogger", LogLevel.info, 0),
        ("log_legacy", LogLevel.info, 0),
        ("log_legacy", LogLevel.critical, 1),
        ("twisted.internet.tcp", LogLevel.warn, 1),
        ("stdout", LogLevel.info, 1),
        ("gateway", LogLevel.info, 1),
        ("gateway", LogLevel.debug, 0),
    ]:
        log = Log(namespace)
        log.logger.emit(level, "something")
        assert len(log.lines()) == expected, (namespace, level)


def test_a_flood_is_counted() -> None:
    """Of one kind about one source, BURST notices are shown in a period, then their number; other sources go on."""
    log, clock = Log(), Clock()
    tell = teller(log, clock)
    for number in range(BURST + 30):
        tell(StreamRefused("tcp", f"192.0.2.1:{number}", "no"))
    tell(StreamRefused("tls", "192.0.2.1:1", "no"))
    tell(Listening("tcp", "x"))
    assert len(log.lines()) == BURST + 2
    clock.advance(PERIOD)
    assert log.lines()[-1] == "warn: 30 more notices of the kind StreamRefused about tcp within 10 s"
    tell(StreamRefused("tcp", "192.0.2.1:1", "no"))
    assert log.lines()[-1].endswith("tcp: 192.0.2.1:1: no")


def test_the_end_tells_what_was_counted() -> None:
    """What was held back is said when the gateway stops, and no timer is left."""
    log, clock = Log(), Clock()
    tell = teller(log, clock)
    for _ in range(BURST + 1):
        tell(Listening("tcp", "x"))
    tell.end_period()
    assert log.lines()[-1].startswith("info: 1 more notice of")
    assert clock.getDelayedCalls() == []


def test_a_log_that_was_moved_is_opened_again(tmp_path: Path) -> None:
    """After logrotate has moved the file, lines go to a new one of the same name; if that fails, to the old one."""
    path = tmp_path / "log"
    log = log_file(str(path))
    logger = Logger("gateway", observer=log)
    logger.info("one")
    path.rename(tmp_path / "log.1")
    log.reopen()
    logger.info("two")
    assert path.read_text().endswith("info: two\n")
    path.unlink()
    path.mkdir()
    log.reopen()
    logger.info("three")
    log._stream.close()
    logger.info("four goes nowhere, and breaks nothing")
    assert "one" in (tmp_path / "log.1").read_text()
