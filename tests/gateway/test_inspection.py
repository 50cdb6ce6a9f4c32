"""The store is read once after a start, by a process beside the gateway."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet import reactor as _reactor  # noqa: TID251 -- a real process needs the real one
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from gateway.jobs.database import Database
from gateway.jobs.inspection import Inspection
from gateway.jobs.records import Damage
from gateway.notice import Notice
from gateway.notices.journal import JournalInspected, JournalNotInspected
from parsers.message import Message, Origin, Trust
from tests.gateway.told import Told

reactor: Any = _reactor

Steps = Generator[Deferred[Any], Any, None]


class TestInspection(TestCase):
    """A journal of a thousand messages."""

    timeout = 30

    def setUp(self) -> None:
        """Make it."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = Path(folder.name)
        self.told, self.damages = Told(), list[Damage]()
        self.inspection = Inspection(reactor, self.state, self.damages.extend, self.told)

    def fill(self) -> Path:
        """Write the messages; return the file."""
        database = Database.open(self.state / "journal")
        origin = Origin("test", Trust.LOCAL)
        for first in range(0, 1000, 100):
            database.begin()
            database.append([Message(b"message %d" % number, origin, number) for number in range(first, first + 100)])
            database.commit()
        database.close()
        return self.state / "journal" / "journal.db"

    @inlineCallbacks
    def told_of(self, kind: type[Notice]) -> Any:
        """Wait for a notice."""
        while not self.told.of(kind):
            yield deferLater(reactor, 0.02)

    @inlineCallbacks
    def test_a_whole_journal(self) -> Steps:
        """It is said how much was read."""
        self.fill()
        self.inspection.startService()
        yield self.told_of(JournalInspected)
        yield self.inspection.stopService()
        notice = self.told.of(JournalInspected)[0]
        assert (notice.records, notice.jobs, notice.damages) == (1000, 0, 0)
        assert self.damages == []

    @inlineCallbacks
    def test_a_damaged_journal(self) -> Steps:
        """Each damage is told with its record's number."""
        file = self.fill()
        octets = bytearray(file.read_bytes())
        octets[octets.index(b"message 512")] ^= 1
        file.write_bytes(octets)
        self.inspection.startService()
        yield self.told_of(JournalInspected)
        assert [(damage.table, damage.first) for damage in self.damages] == [("journal", 513)]

    @inlineCallbacks
    def test_no_journal(self) -> Steps:
        """Why it could not be read is said."""
        self.inspection.startService()
        yield self.told_of(JournalNotInspected)
        assert "no gateway has kept anything here" in self.told.lines()[0]

    @inlineCallbacks
    def test_a_stop_meanwhile(self) -> Steps:
        """The process is ended, and nothing is said."""
        self.fill()
        self.inspection.startService()
        yield self.inspection.stopService()
        assert self.told == []
