"""A timer in the running gateway: opened and closed with the other sources, and on through rules to jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.testing import MemoryReactorClock

from gateway.config import Limits
from gateway.jobs.database import Database
from gateway.listeners import Listeners
from gateway.notices.sources import Listening, StoppedListening
from gateway.pipeline import Bookmarks, Effects, Pipeline, Stages
from gateway.schedule import Every
from gateway.timer_source_config import TimerSource
from parsers.errors import Place
from parsers.message import Batch, Message, one_frame
from parsers.parse import Parser
from rules.load import Defaults, load_rules
from rules.rulebook import RuleBook
from rules.sieve import Sieve
from tests.gateway.told import ORIGIN, Told

NOW = 1_700_000_000.0
OFTEN = TimerSource("often", Place("g.yaml", 1, 1), Every(300), ZoneInfo("UTC"))
RULES = """
- rule: backup
  match: {event.dataset: often}
  do: {run: [/bin/true, "${event.start}"]}
- rule: twice
  match: {event.dataset: often}
  when: {count: 2, within: 1h, by: []}
  do: {run: [/bin/true]}
"""


class Disk:
    """A store that commits at once, as the gateway's does in its thread."""

    def __init__(self, folder: Path) -> None:
        self.database = Database.open(folder)
        self.started: list[str] = []

    def commit(self, effects: Effects) -> Deferred[None]:
        """Keep messages and bookmarks."""
        self.started += [job.rule for job, _ in effects.jobs]
        return execute(self._commit, effects.messages, effects.bookmarks)

    def barrier(self) -> Deferred[None]:
        """All is on disk."""
        return succeed(None)

    def bookmarks(self, prefix: str) -> Deferred[dict[str, str]]:
        """Read bookmarks."""
        return succeed(self.database.bookmarks(prefix))

    def _commit(self, messages: list[Message], bookmarks: Bookmarks) -> None:
        self.database.begin()
        self.database.append(messages)
        self.database.note(bookmarks)
        self.database.commit()


class House:
    """Listeners, rules and a store."""

    def __init__(self, folder: Path, now: float) -> None:
        self.reactor, self.told, self.disk, self.wall = MemoryReactorClock(), Told(), Disk(folder), now
        loaded = load_rules(RULES, "rules.yaml", Defaults())
        assert loaded.errors == ()
        book = RuleBook(loaded.rules, timers=["often"])
        self.sieve = Sieve(book.needs)
        self.pipeline = Pipeline(Stages(self.sieve, Parser(()), book), self.disk, self.told)
        kept = [entry.message for entry in self.disk.database.entries() if hasattr(entry, "message")]
        self.pipeline.rebuild(kept, (), {})
        self.listeners = Listeners(
            self.reactor,  # type: ignore[arg-type]  # as far as listeners need one
            self.pipeline,
            Limits(),
            self.told,
            lambda: self.wall,
            bookmarks=self.disk.bookmarks,
        )
        self.listeners.follow([OFTEN], Limits())

    def sleep(self, seconds: int) -> None:
        """Let time pass."""
        for _ in range(seconds // 10):
            self.wall += 10
            self.reactor.advance(10)


@contextmanager
def house(folder: Path, now: float) -> Iterator[House]:
    """Run a gateway, and kill it."""
    running = House(folder, now)
    running.reactor.advance(0)
    yield running
    running.disk.database.close()


def test_through_rules_to_jobs(tmp_path: Path) -> None:
    """Each time starts what it is for, across a kill; windows count on with what the journal has kept."""
    with house(tmp_path, NOW) as first:
        assert first.told.of(Listening) == [Listening("often", "the clock, every 5m")]
        first.sleep(300)
        assert first.disk.started == ["backup"]
    with house(tmp_path, NOW + 310) as second:
        assert second.disk.started == []
        second.sleep(300)
        assert second.disk.started == ["backup", "twice"]
        kept = [entry.message.origin for entry in second.disk.database.entries() if hasattr(entry, "message")]
        assert [(origin.dataset, origin.own) for origin in kept] == [("often", True)] * 2


def test_messages_are_not_looked_at(tmp_path: Path) -> None:
    """Rules about a timer make no message a candidate."""
    with house(tmp_path, NOW) as running:
        batch = Batch(one_frame(b'{"event.dataset": "often", "event.action": "timer"}'), ORIGIN, NOW)
        assert list(running.sieve.candidates(batch)) == []
        assert running.pipeline.accept(batch).called
        assert running.disk.started == []


def test_reloads(tmp_path: Path) -> None:
    """Another schedule takes the place of the former; a timer that is gone reports nothing more."""
    with house(tmp_path, NOW) as running:
        running.listeners.follow([replace(OFTEN, schedule=Every(60))], Limits())
        running.sleep(120)
        assert running.disk.started == ["backup", "backup", "twice"]
        running.listeners.follow([], Limits())
        running.sleep(600)
        assert len(running.disk.started) == 3
        assert len(running.told.of(StoppedListening)) == 1


def test_a_clock_that_was_set(tmp_path: Path) -> None:
    """The look after all sources looks at the clock, too."""
    with house(tmp_path, NOW) as running:
        running.wall += 3600
        running.listeners.poll()
        assert running.disk.started == ["backup"]
