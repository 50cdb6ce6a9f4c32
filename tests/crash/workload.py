"""Work for a store that can be checked to the last octet: transaction N, and what it leaves, is the same every time.

A transaction appends messages; it inserts the job N, moves the job N-1 on to running and ends the job N-2 with an
attempt; now and then it pauses a rule. So after the first M transactions everything that the store must hold is known.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.jobs.database import Database
from gateway.jobs.records import AttemptRecord, Damage, JobRecord, State
from gateway.jobs.verify import Reading
from parsers.event import FieldValue
from parsers.message import Message, Origin, Trust
from rules.job import Job, Part

BEGUN = 1_700_000_000.0
"""Seconds since 1970 of the first transaction; each is a second later."""
MOST_MESSAGES = 24
LONGEST = 700
"""Octets of a message."""
PAUSES = 40
"""Every so manyth transaction pauses a rule or lets it go on."""


def origin(number: int) -> Origin:
    """Return where a transaction's messages come from; there are a few."""
    return Origin("relp", Trust.NETWORK, f"192.0.2.{number % 5}", 40_000 + number % 5, trusted=bool(number % 2))


def messages(number: int) -> list[Message]:
    """Return a transaction's messages."""
    chance = random.Random(number)
    made = []
    for index in range(chance.randrange(1, MOST_MESSAGES)):
        filler = chance.randbytes(chance.randrange(LONGEST // 2)).hex()
        frame = f"<14>1 - host app - - - t{number} {index} {filler}".encode()
        made.append(Message(frame, origin(number), BEGUN + number, truncated=not index % 7, offset=index * 1000))
    return made


def job(number: int) -> Job:
    """Return the job that a transaction inserts."""
    event: dict[str, FieldValue] = {"message": f"job {number} " + "é" * (number % 50), "gateway.count": number}
    return Job(f"{number:032x}", f"rule-{number % 4}", Part.DO, (f"key-{number % 11}",), event, None)


def attempt(number: int) -> dict[str, FieldValue]:
    """Return the fields of the attempt that ended a job."""
    return {"event.action": "job-finished", "gateway.job.id": job(number).id, "event.duration": number * 1000}


def perform(database: Database, number: int) -> None:
    """Do transaction `number`, from 1, between `begin` and `commit`."""
    first = database.append(messages(number))
    database.insert(job(number), cause=first, now=BEGUN + number, lane="lane")
    if number > 1 and (record := database.job(job(number - 1).id)):
        database.update(replace(record, state=State.RUNNING, attempt=1))
    if number > 2 and (record := database.job(job(number - 2).id)):
        database.update(replace(record, state=State.SUCCEEDED, ended=BEGUN + number))
        database.add_attempt(record.job.id, attempt(number - 2), BEGUN + number)
    if number % PAUSES == 0:
        pause = number // PAUSES
        if pause % 2:
            database.pause(f"rule-{pause // 2}", BEGUN + number)
        else:
            database.resume(f"rule-{(pause - 1) // 2}")


def paused_after(last: int) -> dict[str, float]:
    """Return what is paused after the first `last` transactions."""
    pause = last // PAUSES
    return {f"rule-{pause // 2}": BEGUN + pause * PAUSES} if pause % 2 else {}


def _same(one: Mapping[str, FieldValue], other: Mapping[str, FieldValue]) -> bool:
    return dict(one) == dict(other)


@dataclass
class Read:
    """What a store gave back; `wrong` are the numbers of records that are missing or not as they were written.

    Attributes:
        transactions: how many it holds, by its journal.
        damages: what the store itself said.
        wrong: table and number.
        other: what is wrong beside records, in words.
    """

    transactions: int = 0
    damages: list[Damage] = field(default_factory=list)
    wrong: set[tuple[str, int]] = field(default_factory=set)
    other: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether everything read back right and the store found nothing wrong."""
        return not (self.damages or self.wrong or self.other)

    def unsaid(self, damages: Iterable[Damage]) -> set[tuple[str, int]]:
        """Return the wrong records that none of the damages names."""
        said = list(damages)
        return {(table, number) for table, number in self.wrong if not any(names(d, table, number) for d in said)}


def names(damage: Damage, table: str, number: int) -> bool:
    """Tell whether a damage names a record."""
    if damage.table != table or damage.first is None:
        return False
    return damage.first <= number <= (damage.first if damage.last is None else damage.last)


class Expected:
    """What a store must hold after the first so many transactions."""

    def __init__(self, most: int) -> None:
        self.messages: list[Message] = []
        self.ends = [0]
        """How many messages there are after so many transactions."""
        for number in range(1, most + 1):
            self.messages += messages(number)
            self.ends.append(len(self.messages))
        self._of_end = {end: number for number, end in enumerate(self.ends)}

    def job_states(self, last: int) -> Iterator[tuple[int, Job, State, int, float | None]]:
        """Yield number, job, state, attempts and end of every job after `last` transactions."""
        for number in range(1, last + 1):
            if number <= last - 2:
                yield number, job(number), State.SUCCEEDED, 1, BEGUN + number + 2
            elif number == last - 1:
                yield number, job(number), State.RUNNING, 1, None
            else:
                yield number, job(number), State.WAITING, 0, None

    def made_after(self, former: int, last: int) -> set[tuple[str, int]]:
        """Return table and number of each record that the transactions after `former` made, up to `last`."""
        made = {("journal", number) for number in range(self.ends[former] + 1, self.ends[last] + 1)}
        made |= {("jobs", number) for number in range(former + 1, last + 1)}
        return made | {("attempts", number) for number in range(max(1, former - 1), last - 1)}

    def read(self, database: Database, last: int | None = None) -> Read:
        """Read everything and compare; `last` is how many transactions there were, None: what the journal holds."""
        found = Read(damages=list(database.damages))
        if last is None:
            end = database.next_number - 1
            last = self._of_end.get(end, -1)
            if last < 0:
                found.other.append(f"the journal ends with {end}, in the middle of a transaction")
                last = max(number for number, stop in enumerate(self.ends) if stop <= end)
        found.transactions = last
        self._read_journal(database, last, found)
        self._read_jobs(database, last, found)
        self._read_attempts(database, last, found)
        paused = dict(database.paused)
        if paused != paused_after(last):
            found.other.append(f"paused: {paused} instead of {paused_after(last)}")
        return found

    def _read_journal(self, database: Database, last: int, found: Read) -> None:
        seen: set[int] = set()
        for entry in database.entries():
            if isinstance(entry, Damage):
                found.damages.append(entry)
                continue
            seen.add(entry.number)
            if not 1 <= entry.number <= self.ends[last]:
                found.other.append(f"the journal has a record {entry.number} that was never written")
            elif entry.message != self.messages[entry.number - 1]:
                found.wrong.add(("journal", entry.number))
        found.wrong |= {("journal", number) for number in range(1, self.ends[last] + 1) if number not in seen}

    def _read_jobs(self, database: Database, last: int, found: Read) -> None:
        read = Reading(database).jobs()  # past what cannot be read
        records = {record.job.id: record for record in read if isinstance(record, JobRecord)}
        for number, wanted, state, attempts, ended in self.job_states(last):
            record = records.pop(wanted.id, None)
            if record is None or not (
                record.number == number
                and record.job.rule == wanted.rule
                and record.job.key == wanted.key
                and _same(record.job.event, wanted.event)
                and record.state is state
                and record.attempt == attempts
                and record.ended == ended
                and record.cause == self.ends[number - 1] + 1
            ):
                found.wrong.add(("jobs", number))
        found.other += [f"there is a job {identifier} that was never inserted" for identifier in records]

    def _read_attempts(self, database: Database, last: int, found: Read) -> None:
        for number in range(1, last - 1):
            records: list[AttemptRecord] = database.attempts(job(number).id)
            if [r.number for r in records] != [number] or not _same(records[0].fields, attempt(number)):
                found.wrong.add(("attempts", number))
