"""Messages, jobs and folders for the tests of the store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.jobs.blocks import Entry
from gateway.jobs.database import Database
from gateway.jobs.journal_rows import KNOWN
from gateway.jobs.records import AttemptRecord, Damage, JobRecord, State
from gateway.jobs.schema import Meta
from gateway.jobs.verify import everything
from parsers.event import FieldValue
from parsers.message import Message, Origin, Trust
from rules.job import Job, Part

ORIGINS = [Origin("tcp", Trust.NETWORK, f"192.0.2.{number}", 514) for number in range(4)]


def message(number: int, received: float = 1000.0) -> Message:
    """Make a message that its number tells from others."""
    return Message(b"<13>host program: message %d" % number, ORIGINS[number % 4], received + number, offset=number * 7)


def job(number: int, part: Part = Part.DO, *, rule: str = "rule", key: str = "key", due: float | None = None) -> Job:
    """Make a job that its number tells from others."""
    event: dict[str, FieldValue] = {"message": f"message {number}", "gateway.count": number, "tags": ["\u20ac", None]}
    return Job(f"{number:032x}", rule, part, (key,), event, due)


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    """Open a database for writing, and close it."""
    database = Database.open(folder)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def transaction(database: Database) -> Iterator[Database]:
    """Do something in one transaction."""
    database.begin()
    try:
        yield database
        database.commit()
    except BaseException:
        database.rollback()
        raise


def append(database: Database, count: int, received: float = 1000.0) -> int:
    """Append messages, numbered as the journal does, in one transaction."""
    with transaction(database):
        first = database.next_number
        return database.append([message(number, received) for number in range(first, first + count)])


def insert(
    database: Database, new: Job, *, now: float = 1000.0, lane: str = "lane", state: State = State.WAITING
) -> JobRecord:
    """Insert a job that is not there yet, in a transaction of its own."""
    with transaction(database):
        record = database.insert(new, cause=1, now=now, lane=lane, state=state)
    assert record is not None
    return record


def copy_as_it_is(folder: Path, to: Path) -> Path:
    """Copy the files as a kill -9 would leave them; without what SQLite makes anew from them."""
    to.mkdir()
    for path in folder.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copyfile(path, to / path.name)
    return to


@dataclass(slots=True)
class Contents:
    """All that the journal holds, to be compared."""

    messages: dict[int, Message] = field(default_factory=dict)
    jobs: dict[str, JobRecord] = field(default_factory=dict)
    attempts: dict[int, AttemptRecord] = field(default_factory=dict)
    paused: dict[str, float] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    known: list[Damage] = field(default_factory=list)


def read_back(folder: Path) -> Contents:
    """Read all of the journal in a form that can be compared; damage is in `damages`.

    Raises:
        OperatorError: there is no journal, or it cannot be read at all.
    """
    contents = Contents()
    for item in everything(folder):
        match item:
            case Entry(number, message):
                contents.messages[number] = message
            case JobRecord():
                contents.jobs[item.job.id] = item
            case AttemptRecord():
                contents.attempts[item.number] = item
            case Meta():
                contents.paused = dict(item.paused)
            case Damage():
                (contents.known if item.problem.startswith(KNOWN) else contents.damages).append(item)
    return contents
