"""Our log: one line for each fact, in which nothing that a peer sent can pass for a line of ours."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.notice import Notice
from gateway.notices.life import Suppressed

BURST = 20
"""Notices of one kind about one source or rule that are shown within PERIOD; the others are counted."""

PERIOD = 10.0
"""Seconds."""

_FOREIGN_NOISE = "twisted.", "log_legacy"
"""Namespaces of Twisted's own log events: what it says below a warning ("Port 1514 Closed") our notices say better."""


def escaped(text: str) -> str:
    r"""Write whatever is not printable as `\xHH`, `\uHHHH` or `\UHHHHHHHH`.

    That is what Unicode puts into the categories Other and Separator, but for the space: what could end a line, move
    a cursor, turn the reading direction or stay invisible.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # an octet that was no UTF-8
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


@implementer(ILogObserver)
class LogFile:
    """Writes log events as text, one line for each; the lines of a traceback are marked as continued."""

    def __init__(self, stream: TextIO, path: Path | None = None) -> None:
        self._stream = stream
        self._path = path

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        level = event.get("log_level", LogLevel.info)
        namespace = str(event.get("log_namespace", ""))
        if level is LogLevel.debug or (level is LogLevel.info and namespace.startswith(_FOREIGN_NOISE)):
            return
        stamp = datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds")
        text = formatEvent(event)
        failure = event.get("log_failure")
        if isinstance(failure, Failure) and "Traceback (most recent call last)" not in text:
            text = f"{text}\n{failure.getTraceback().rstrip()}"
        lines = "\n\t| ".join(escaped(line) for line in text.split("\n"))
        try:
            self._stream.write(f"{stamp} {level.name}: {lines}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a log that cannot be written must not stop what it tells of

    def reopen(self) -> None:
        """Open a file of the same name again, for logrotate has moved the one we write to; goes on with it if not."""
        if self._path is None:
            return
        try:
            fresh = _open(self._path)
        except OSError:
            return
        former, self._stream = self._stream, fresh
        former.close()


def log_file(path: str | None) -> LogFile:
    """Open the log: a file, or standard output for None and `-`, which systemd takes to its journal.

    Raises:
        OSError: the file cannot be written.
    """
    if path is None or path == "-":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        return LogFile(sys.stdout)
    file = Path(path).absolute()
    return LogFile(_open(file), file)


def _open(file: Path) -> TextIO:
    return file.open("a", encoding="utf-8", errors="backslashreplace")


class Teller:
    """Puts notices into the log; of a kind that comes too often, the count."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._log = Logger("gateway")
        self._seen: dict[tuple[type[Notice], object], int] = {}
        self._period: IDelayedCall | None = None

    def __call__(self, notice: Notice) -> None:
        """Tell one fact."""
        first = _first_field(type(notice))
        key = (type(notice), getattr(notice, first) if first else None)
        seen = self._seen.get(key, 0)
        self._seen[key] = seen + 1
        if seen < BURST:
            self._emit(notice.level, str(notice))
        if self._period is None:
            self._period = self._clock.callLater(PERIOD, self.end_period)

    def end_period(self) -> None:
        """Say how many notices were not shown, and begin anew."""
        if self._period is not None and self._period.active():
            self._period.cancel()
        self._period = None
        seen, self._seen = self._seen, {}
        for (kind, about), count in seen.items():
            if count > BURST:
                where = f" about {about}" if about else ""
                self._emit(kind.level, str(Suppressed(kind.__name__, where, count - BURST, PERIOD)))

    def _emit(self, level: str, words: str) -> None:
        self._log.emit(LogLevel.levelWithName(level), "{words}", words=escaped(words))


def _first_field(kind: type[Notice], known: dict[type[Notice], str | None] = {}) -> str | None:  # noqa: B006 -- a cache
    if kind not in known:
        names = [item.name for item in dataclasses.fields(kind)]
        known[kind] = names[0] if names and names[0] in ("source", "rule") else None
    return known[kind]
