"""The store against a model: whatever happens, what was acknowledged is there, and nothing else."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.jobs.database import Database
from gateway.jobs.records import LIVE, JobRecord, State
from gateway.jobs.verify import verify
from parsers.message import Message
from rules.job import Job, Part
from tests.gateway.store_samples import copy_as_it_is, job, message, read_back

NUMBERS = st.integers(0, 9)  # few, so that the same job is met again
New = list[tuple[int, Part]]
Done = list[tuple[int, State]]
Transaction = tuple[int, New, Done, list[int], str, str]
FAILURES = st.sampled_from(["none", "none", "none", "work", "given up", "full"])
TRANSACTIONS = st.tuples(
    st.integers(0, 5),
    st.lists(st.tuples(NUMBERS, st.sampled_from(Part)), max_size=3),
    st.lists(st.tuples(NUMBERS, st.sampled_from(State)), max_size=4),
    st.lists(NUMBERS, max_size=2),
    st.sampled_from(["", "+a", "+b", "-a"]),
    FAILURES,
)


@dataclass
class Model:
    """What the store should hold."""

    messages: dict[int, Message] = field(default_factory=dict)
    jobs: dict[str, JobRecord] = field(default_factory=dict)
    attempts: dict[int, str] = field(default_factory=dict)
    paused: dict[str, float] = field(default_factory=dict)
    next_message: int = 1
    next_attempt: int = 1

    def copy(self) -> Model:
        """Copy, as deep as it is changed."""
        return replace(
            self,
            messages=dict(self.messages),
            jobs=dict(self.jobs),
            attempts=dict(self.attempts),
            paused=dict(self.paused),
        )


class StoreMachine(RuleBasedStateMachine):
    """Does random things to a database and to a model of it."""

    @initialize()
    def begin(self) -> None:
        """Begin with nothing."""
        self.root = Path(tempfile.mkdtemp())
        self.copies = 0
        self.folder = self.root / "journal"
        self.database = Database.open(self.folder)
        self.model = Model()
        self.now = 1000.0

    def teardown(self) -> None:
        """Close, and compare what is on disk for the last time."""
        if hasattr(self, "database"):
            self.database.close()
            self.compare(self.folder)
            shutil.rmtree(self.root)

    @rule(transactions=st.lists(TRANSACTIONS, min_size=1, max_size=4))
    def work(self, transactions: list[Transaction]) -> None:
        """Transactions of everything; one that fails is given up, or done again as the store does."""
        for transaction in transactions:
            self.transaction(*transaction)

    def transaction(self, count: int, new: New, done: Done, attempts: list[int], paused: str, failure: str) -> None:
        """Do one of them."""
        self.now += 1.0
        before = self.model
        sql, _ = self.database.inside()
        if failure == "full":
            sql.execute(f"PRAGMA max_page_count = {sql.execute('PRAGMA page_count').fetchone()[0]}")
        for failing in {"none": ["none"], "given up": ["work"]}.get(failure, [failure, "none"]):
            self.model = before.copy()
            self.database.begin()
            try:
                self.change(count * 200 if failure == "full" else count, new, done, attempts, paused)
                if failing == "work":
                    raise ValueError("the work failed")
                self.database.commit()
            except (ValueError, sqlite3.OperationalError):
                self.database.rollback()
                self.model = before
                sql.execute("PRAGMA max_page_count = 4294967294")
            else:
                break
        sql.execute("PRAGMA max_page_count = 4294967294")

    def change(self, count: int, new: New, done: Done, attempts: list[int], paused: str) -> None:
        """Do the same to both."""
        model, database = self.model, self.database
        messages = [message(model.next_message + number, self.now) for number in range(count)]
        assert database.append(messages) == model.next_message
        model.messages.update(enumerate(messages, model.next_message))
        model.next_message += count
        for number, part in new:
            made: Job = job(number, part, key=f"key {number % 3}")
            record = database.insert(made, cause=model.next_message, now=self.now, lane=f"lane {number % 2}")
            assert (record is None) == (made.id in model.jobs)
            if record is not None:
                model.jobs[made.id] = record
        for number, state in done:
            if former := model.jobs.get(f"{number:032x}"):
                ended = None if state in LIVE else self.now
                changed = replace(former, state=state, ended=ended, step=former.step + 1, due=former.due + 5.0)
                database.update(changed)
                model.jobs[former.job.id] = changed
                found = database.job(former.job.id)
                assert found is not None
                assert replace(found, number=0) == replace(changed, number=0)
        for number in attempts:
            assert database.add_attempt(f"{number:032x}", {"now": self.now}, self.now) == model.next_attempt
            model.attempts[model.next_attempt] = f"{number:032x}"
            model.next_attempt += 1
        if paused.startswith("+"):
            database.pause(paused[1:], self.now)
            model.paused.setdefault(paused[1:], self.now)
        elif paused:
            database.resume(paused[1:])
            model.paused.pop(paused[1:], None)

    @rule(seconds=st.sampled_from([-3600.0, 0.5]))
    def shift(self, seconds: float) -> None:
        """The wall clock is set."""
        live = [record for record in self.model.jobs.values() if record.state in LIVE]
        self.database.begin()
        assert self.database.shift(seconds) == len(live)
        self.database.commit()
        for record in live:
            self.model.jobs[record.job.id] = replace(record, due=record.due + seconds, created=record.created + seconds)

    @rule(age=st.sampled_from([0.0, 3.0, 10.0]), limit=st.integers(1, 5), octets=st.sampled_from([1 << 40, 1 << 40, 1]))
    def trim(self, age: float, limit: int, octets: int) -> None:
        """Retention drops what is old, never what is live or a dead letter, and always from the low end."""
        before = self.now - age
        self.database.begin()
        self.database.trim(before=before, octets=octets, limit=limit)
        self.database.commit()
        first = self.database.first_number
        gone = [number for number in self.model.messages if number < first]
        assert octets == 1 or all(self.model.messages[number].received < before + 1000 for number in gone)
        for number in gone:
            del self.model.messages[number]
        for identity, record in list(self.model.jobs.items()):
            found = self.database.job(identity)
            if found is None:
                assert record.ended is not None
                assert record.state is not State.DEAD
                assert octets == 1 or record.ended < before
                del self.model.jobs[identity]
        kept = {
            attempt.number
            for identity in set(self.model.attempts.values())
            for attempt in self.database.attempts(identity)
        }
        assert kept == set(range(self.model.next_attempt - len(kept), self.model.next_attempt))
        self.model.attempts = {number: self.model.attempts[number] for number in kept}

    @precondition(lambda self: self.copies < 5)
    @rule(work=st.booleans())
    def crash(self, work: bool) -> None:
        """The gateway is killed, within a transaction or between two; the next finds what was acknowledged."""
        if work:
            self.database.begin()
            self.database.append([message(self.model.next_message)] * 3000)
            self.database.insert(job(99), cause=1, now=1.0, lane="")
            self.database.running()
        self.copies += 1
        killed = copy_as_it_is(self.folder, self.root / f"killed-{self.copies}")
        self.database.close()
        self.folder = killed
        self.database = Database.open(killed)

    @rule()
    def restart(self) -> None:
        """The gateway ends in order, and begins again."""
        self.database.close()
        self.database = Database.open(self.folder)

    @invariant()
    def nothing_is_damaged(self) -> None:
        """No step damages anything, and counters are right."""
        assert self.database.damages == []
        assert self.database.next_number == self.model.next_message
        assert self.database.paused == self.model.paused

    @rule()
    def look(self) -> None:
        """What a reader finds is what was acknowledged; the queries agree with the model."""
        self.compare(self.folder)
        jobs = sorted(self.model.jobs.values(), key=lambda record: record.job.id)
        assert [record.job.id for record in self.database.find("")] == [record.job.id for record in jobs]
        due = [record.job.id for record in self.database.due(0.0, self.now + 3.0, 1000)]
        assert sorted(due) == [
            record.job.id for record in jobs if record.state is State.WAITING and 0.0 < record.due <= self.now + 3.0
        ]
        for part in Part:
            live = {record.job.id for record in self.database.live("rule", ("key 1",), part)}
            assert live == {
                record.job.id
                for record in jobs
                if record.state in LIVE and (record.job.part, record.job.key) == (part, ("key 1",))
            }
        assert {record.job.id for record in self.database.running()} == {
            record.job.id for record in jobs if record.state is State.RUNNING
        }

    def compare(self, folder: Path) -> None:
        """Compare what is on disk with the model."""
        contents = read_back(folder)
        assert contents.damages == []
        assert contents.messages == self.model.messages
        assert {number: attempt.job for number, attempt in contents.attempts.items()} == self.model.attempts
        assert contents.paused == self.model.paused
        assert contents.jobs.keys() == self.model.jobs.keys()
        for identity, record in contents.jobs.items():
            assert replace(record, number=0) == replace(self.model.jobs[identity], number=0)
        assert list(verify(folder)) == []


TestStoreModel = StoreMachine.TestCase
TestStoreModel.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)
TestStoreModel = pytest.mark.filterwarnings("ignore::ResourceWarning")(TestStoreModel)
