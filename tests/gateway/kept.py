"""A store with some jobs and messages in it, and a gateway's inside without a gateway, for tests of what looks in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred, execute

from gateway.jobs.database import Database
from gateway.jobs.records import JobRecord, State
from parsers.event import FieldValue
from parsers.message import Message, Origin, Trust
from rules.job import Job, Part
from rules.own_events import own_message
from rules.plan import NEVER

T = TypeVar("T")

NOW = 1_700_000_000.0
"""Tuesday, 14 November 2023, 22:13:20 UTC."""

SSHD = Origin("syslog", Trust.NETWORK, "192.0.2.7", 4000)
FAILED_LOGIN = b"<38>Nov 14 22:13:20 web sshd[7]: Failed password for root from 203.0.113.9 port 4000 ssh2"

BAN = "b" * 31 + "1"
UNBAN = "b" * 31 + "2"
IMPORT = "c" * 32
REPORT = "d" * 32
RETRYING = "e" * 32
DONE = "f" * 32
LINK = "a" * 32

RULES = ("ssh-bruteforce", "import", "backup", "link")
"""The rules of those jobs."""


def job(
    identity: str,
    rule: str,
    part: Part = Part.DO,
    key: tuple[str, ...] = (),
    due: float | None = None,
    **event: FieldValue,
) -> Job:
    """Make a job; `_` stands for `.` in the names of fields."""
    fields: dict[str, FieldValue] = {"event.dataset": "syslog", "event.original": FAILED_LOGIN.decode()}
    fields |= {name.replace("_", "."): value for name, value in event.items()}
    return Job(identity, rule, part, key, fields, due)


def fill(folder: Path, now: float = NOW) -> None:
    """Make a store: a ban with its undo, a dead letter that caused a report, a retry, a job that failed."""
    database = Database.open(folder)
    database.begin()
    login = database.append([Message(FAILED_LOGIN, SSHD, now - 60.0)])
    database.append([Message(b"<13>Nov 14 22:12:30 web app: \x1b[2Jcaf\xe9", SSHD, now - 50.0)])

    def keep(one: Job, cause: int, age: float, **changes: object) -> JobRecord:
        stored = database.insert(one, cause=cause, now=now - age, lane=f"{one.rule}/{one.part.value}/1")
        assert stored is not None
        kept: JobRecord = replace(stored, **changes)  # type: ignore[arg-type]
        database.update(kept)
        return kept

    keep(job(BAN, "ssh-bruteforce", key=("203.0.113.9",)), login, 60.0, state=State.SUCCEEDED, step=1, ended=now - 59.0)
    keep(job(UNBAN, "ssh-bruteforce", Part.UNDO, ("203.0.113.9",), now + 540.0), login, 60.0)
    problem = "exit code 2"
    keep(
        job(IMPORT, "import", key=("a.csv", "eve")),
        login + 1,
        50.0,
        state=State.DEAD,
        attempt=2,
        box="invoices",
        problem=problem,
        ended=now - 40.0,
    )
    keep(job(REPORT, "import", Part.ON_FAILURE, ("a.csv", "eve"), gateway_job_id=IMPORT), login + 1, 40.0)
    keep(job(RETRYING, "backup"), login + 1, 30.0, attempt=1, problem="timed out", due=now + 9.0)
    keep(job(DONE, "backup"), login, 20.0, state=State.FAILED, attempt=1, problem="exit code 1", ended=now - 10.0)
    keep(job(LINK, "link", Part.UNDO, ("web", "eth0"), NEVER), login, 3700.0)
    for number in (1, 2):
        fields: dict[str, FieldValue] = {
            "event.action": "job-finished",
            "event.outcome": "failure",
            "event.duration": 1_500_000_000,
            "rule.name": "import",
            "gateway.job.id": IMPORT,
            "gateway.job.step": "import/do/1",
            "gateway.job.attempt": number,
            "gateway.job.output": "no such \x1b[1mcolumn\nat line 3",
            "error.message": problem,
        }
        database.add_attempt(IMPORT, fields, now - 50.0 + 5 * number)
        database.append([own_message(fields, now - 50.0 + 5 * number)])
    database.commit()
    database.close()


class Reading:
    """A store that is read at once, in this thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, work: Callable[[Database], T]) -> Deferred[T]:
        """Run work on a read-only connection of its own."""

        def run() -> T:
            database = Database.open(self._folder, readonly=True)
            try:
                return work(database)
            finally:
                database.close()

        return execute(run)


class Changing:
    """A worker that only remembers what it was asked; `known` are the ids that it says to have changed."""

    def __init__(self, known: bool = True) -> None:
        self.known = known
        self.asked: list[tuple[str, ...]] = []

    def _remember(self, *words: str) -> Deferred[bool]:
        self.asked.append(words)
        return execute(lambda: self.known)

    def retry(self, identity: str) -> Deferred[bool]:
        """Take note of it."""
        return self._remember("retry", identity)

    def cancel(self, identity: str) -> Deferred[bool]:
        """Take note of it."""
        return self._remember("cancel", identity)

    def close(self, rule: str, key: tuple[str, ...]) -> Deferred[bool]:
        """Take note of it."""
        return self._remember("close", rule, *key)

    def hold(self, rule: str, *, paused: bool) -> Deferred[bool]:
        """Take note of it."""
        return self._remember("pause" if paused else "resume", rule)
