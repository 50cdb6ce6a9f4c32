"""The database: what is committed is there, what is not is not, and old records go."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.jobs.blocks import Entry
from gateway.jobs.database import Database
from gateway.jobs.records import JobRecord, State
from gateway.jobs.schema import DATABASE
from parsers.errors import OperatorError
from rules.job import Job, Part
from rules.plan import NEVER
from tests.gateway.store_samples import append, copy_as_it_is, insert, job, message, opened, transaction


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database, open for writing."""
    with opened(tmp_path / "journal") as database:
        yield database


def numbers(database: Database, **filters: float) -> list[int]:
    """Return the numbers of the messages."""
    return [entry.number for entry in database.entries(**filters) if isinstance(entry, Entry)]  # type: ignore[arg-type]


# Opening


def test_a_new_folder_is_made_and_nobody_else_may_look(tmp_path: Path) -> None:
    """The journal makes its folder; what was logged is no business of other users."""
    with opened(tmp_path / "a" / "journal") as database:
        assert (database.next_number, database.damages) == (1, [])
        assert (tmp_path / "a" / "journal").stat().st_mode & 0o077 == 0
    with opened(tmp_path / "a" / "journal") as database:
        assert (database.next_number, database.damages) == (1, [])


def test_two_gateways_cannot_share_a_journal(database: Database) -> None:
    """The second is told who has it; when the first is done it may."""
    with pytest.raises(OperatorError, match=f"process id {os.getpid()}"):
        Database.open(database.folder)
    database.close()
    database.close()
    Database.open(database.folder).close()


def test_a_killed_gateway_leaves_no_lock(tmp_path: Path) -> None:
    """The lock ends with the process that held it, however it ended."""
    program = (
        "import os, signal, sys; from pathlib import Path; from gateway.jobs.database import Database;"
        "Database.open(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    with opened(tmp_path) as database:
        assert database.damages == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("PRAGMA user_version = 99", "written by a newer gateway"),
        ("PRAGMA application_id = 7", "no gateway's journal"),
    ],
)
def test_a_foreign_database_is_refused(tmp_path: Path, statement: str, words: str) -> None:
    """A file of a newer gateway, or of another program, is left alone."""
    with opened(tmp_path) as database:
        append(database, 1)
    sql = sqlite3.connect(tmp_path / DATABASE)
    sql.execute(statement)
    sql.close()
    before = (tmp_path / DATABASE).read_bytes()
    for readonly in (False, True):
        with pytest.raises(OperatorError, match=words):
            Database.open(tmp_path, readonly=readonly)
    assert (tmp_path / DATABASE).read_bytes() == before


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """Any other file of that name is left alone, and said to be none."""
    (tmp_path / DATABASE).write_bytes(b"hello world " * 1000)
    with pytest.raises(OperatorError, match="no SQLite database"):
        Database.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """Where a file stands in the way there can be no folder."""
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="cannot make the journal's folder"):
        Database.open(tmp_path / "file" / "journal")


def test_readers_neither_lock_nor_write(database: Database) -> None:
    """A reader sees what is committed, one instant at a time, and cannot change anything."""
    append(database, 3)
    reader = Database.open(database.folder, readonly=True)
    reader.begin()
    assert numbers(reader) == [1, 2, 3]
    append(database, 3)
    assert numbers(reader) == [1, 2, 3]
    with pytest.raises(RuntimeError):
        reader.append([message(4)])
    reader.commit()
    reader.begin()
    assert (numbers(reader), reader.next_number, reader.damages) == ([1, 2, 3, 4, 5, 6], 7, [])
    reader.close()
    with pytest.raises(OperatorError, match="no journal"):
        Database.open(database.folder / "none", readonly=True)


# Transactions


def test_what_is_rolled_back_never_was(database: Database) -> None:
    """A rollback takes back messages, jobs, attempts, pauses and numbers."""
    record = insert(database, job(1))
    append(database, 2)
    database.begin()
    database.append([message(3)] * 5000)
    database.insert(job(2), cause=1, now=1.0, lane="lane")
    database.update(replace(record, state=State.FAILED, ended=5.0))
    database.add_attempt(record.job.id, {}, 1.0)
    database.pause("rule", 1.0)
    assert database.job(record.job.id) != record
    assert len(database.jobs()) == 2
    database.rollback()
    assert (database.next_number, numbers(database)) == (3, [1, 2])
    assert (database.jobs(), database.attempts(record.job.id), database.paused) == ([record], [], {})
    assert insert(database, job(2)).number == 2
    assert append(database, 1) == 3


def test_changes_need_a_transaction(database: Database) -> None:
    """Nothing is changed outside a transaction, and transactions do not nest."""
    for change in (
        lambda: database.append([message(1)]),
        lambda: database.insert(job(1), cause=1, now=1.0, lane=""),
        lambda: database.add_attempt("x", {}, 1.0),
        lambda: database.pause("rule", 1.0),
        database.commit,
    ):
        with pytest.raises(RuntimeError):
            change()
    database.begin()
    with pytest.raises(RuntimeError):
        database.begin()


def test_a_transaction_without_changes_writes_nothing(database: Database) -> None:
    """Looking something up in a transaction costs no write to the disk."""
    append(database, 1)
    commits = database.commits
    with transaction(database):
        assert database.job("x") is None
    assert database.commits == commits


def test_a_full_disk_can_be_waited_for(database: Database) -> None:
    """A commit for which there is no room is rolled back, and the same is done again when there is."""
    sql, _ = database.inside()
    pages = sql.execute("PRAGMA page_count").fetchone()[0]
    sql.execute(f"PRAGMA max_page_count = {pages}")

    def work() -> None:
        database.begin()
        database.append([message(number) for number in range(1, 5001)])
        database.insert(job(1), cause=1, now=1.0, lane="lane")
        database.commit()

    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            work()
        database.rollback()
        assert (database.next_number, database.jobs()) == (1, [])
    sql.execute("PRAGMA max_page_count = 1000000")
    work()
    assert (len(numbers(database)), len(database.jobs())) == (5000, 1)


def test_a_kill_loses_nothing_that_was_committed(database: Database, tmp_path: Path) -> None:
    """The files as they are after a commit hold everything, and are whole."""
    append(database, 5)
    record = insert(database, job(1))
    database.begin()
    database.append([message(6)])
    with opened(copy_as_it_is(database.folder, tmp_path / "killed")) as after:
        assert after.damages == []
        assert (numbers(after), after.jobs()) == ([1, 2, 3, 4, 5], [record])


# Messages


def test_messages_are_read_by_number_and_time(database: Database) -> None:
    """Messages are found from a number on and by when they were received, in whatever blocks they stand."""
    for _ in range(5):
        append(database, 4)
    assert numbers(database) == list(range(1, 21))
    assert numbers(database, first=7) == list(range(7, 21))
    assert numbers(database, since=1006.0, until=1010.0) == [6, 7, 8, 9, 10]
    assert [database.entry(number) for number in (0, 7, 21)] == [None, Entry(7, message(7)), None]


def test_messages_are_seen_before_the_commit(database: Database) -> None:
    """A transaction reads what it wrote; appending in parts makes one run of numbers."""
    with transaction(database):
        assert [database.append([message(1), message(2)]), database.append([]), database.append([message(3)])] == [
            1,
            3,
            3,
        ]
        assert numbers(database) == [1, 2, 3]
        assert database.append([message(4)]) == 4
    assert numbers(database) == [1, 2, 3, 4]


# Jobs


def test_a_job_is_kept_once(database: Database) -> None:
    """The same id is not taken twice, in the same transaction or later; numbers have no gaps."""
    with transaction(database):
        first = database.insert(job(1), cause=7, now=5.0, lane="rule/do/1")
        assert database.insert(job(1), cause=8, now=6.0, lane="rule/do/1") is None
    with transaction(database):
        assert database.insert(job(1), cause=8, now=6.0, lane="rule/do/1") is None
        second = database.insert(job(2, due=50.0), cause=8, now=6.0, lane="x", state=State.RUNNING, attempt=1)
    assert first == JobRecord(1, job(1), State.WAITING, 7, 5.0, 5.0, lane="rule/do/1")
    assert second is not None
    assert (second.number, second.due, second.state, second.attempt) == (2, 50.0, State.RUNNING, 1)
    assert database.job(job(1).id) == first
    assert database.job(job(2).id) == second


def test_all_of_a_record_comes_back(database: Database) -> None:
    """Every field of a record is kept, whatever text it holds."""
    record = insert(
        database, Job("ab" * 16, "r\u00fcle", Part.UNDO, ("k\0", "", "\u20ac"), {"a": "\ud800\n", "b": [1.5, {}]})
    )
    changed = replace(
        record,
        state=State.DEAD,
        created=1.25,
        due=1e12 + 0.1,
        step=3,
        attempt=9,
        lane="lock",
        box="b\u00f6x",
        problem="exit 1:\n\x1b\u2028",
        ended=0.1 + 0.2,
    )
    with transaction(database):
        database.update(changed)
        assert database.job(record.job.id) == changed
    assert database.job(record.job.id) == changed
    assert database.find("abab") == [changed]


def test_a_change_of_an_unknown_job_fails(database: Database) -> None:
    """A job that is not in the store cannot be changed; that does not pass silently."""
    record = insert(database, job(1))
    database.begin()
    database.update(replace(record, job=job(2)))
    with pytest.raises(LookupError):
        database.commit()
    database.rollback()
    assert database.jobs() == [record]


def test_due_jobs_come_in_order_and_ties_stay_together(database: Database) -> None:
    """Jobs come in the order of their times; a limit does not cut those of the very same time apart."""
    for number, due in enumerate([30.0, 10.0, 20.0, 20.0, 20.0, 40.0]):
        insert(database, job(number, due=due), lane=f"lane {number % 2}")
    insert(database, job(9, due=20.0), state=State.RUNNING)
    assert [record.due for record in database.due(0.0, 100.0, 2)] == [10.0, 20.0, 20.0, 20.0]
    assert [record.due for record in database.due(20.0, 30.0, 2)] == [30.0]
    assert database.due(40.0, 100.0, 2) == []
    assert [record.due for record in database.due_in("lane 0", (0.0, 0), 30.0, 2)] == [20.0, 20.0]
    assert [database.next_due(after) for after in (0.0, 20.0, 40.0)] == [10.0, 30.0, None]


def test_live_jobs_are_found_by_rule_key_and_part(database: Database) -> None:
    """Live jobs are found as the transaction left them, whether written yet or not."""
    first, second = insert(database, job(1)), insert(database, job(2))
    insert(database, job(3, key="other"))
    insert(database, job(4, Part.UNDO, due=NEVER))
    assert database.live("rule", ("key",)) == [first, second]
    with transaction(database):
        database.update(replace(first, state=State.SUCCEEDED, ended=1.0))
        database.update(replace(second, state=State.RUNNING))
        fresh = database.insert(job(5), cause=1, now=1.0, lane="")
        assert [record.number for record in database.live("rule", ("key",))] == [2, 5]
    assert database.live("rule", ("key",)) == [replace(second, state=State.RUNNING), fresh]
    assert [record.number for record in database.live("rule", ("key",), Part.UNDO)] == [4]
    assert [record.number for record in database.running()] == [2]


def test_states_are_found(database: Database) -> None:
    """Open states, states since a time, and how often each was opened."""
    records = [
        insert(
            database, job(number, Part.UNDO, rule=f"rule {number % 2}", key=f"key {number % 3}"), now=1000.0 + number
        )
        for number in range(6)
    ]
    insert(database, job(7))
    with transaction(database):
        for record in records[:3]:
            database.update(replace(record, state=State.SUCCEEDED, ended=2000.0 + record.number))
    assert [record.number for record in database.open_states()] == [4, 5, 6]
    assert [record.number for record in database.open_states("rule 1")] == [4, 6]
    assert [record.number for record in database.states_since(1004.0)] == [1, 2, 3, 5, 6]
    assert [record.number for record in database.states_since(2002.0)] == [2, 3]
    assert database.openings(1003.0) == {
        ("rule 1", ("key 0",)): 1,
        ("rule 0", ("key 1",)): 1,
        ("rule 1", ("key 2",)): 1,
    }
    assert sum(database.openings(0.0).values()) == 6


def test_jobs_are_listed_newest_first_in_pages(database: Database) -> None:
    """Listing jobs takes conditions, and goes on where the last page ended."""
    for number in range(10):
        insert(
            database,
            job(number, Part.UNDO if number % 2 else Part.DO, rule=f"rule {number % 3}"),
            state=State.RUNNING if number > 4 else State.WAITING,
        )
    assert [record.number for record in database.jobs(limit=3)] == [10, 9, 8]
    assert [record.number for record in database.jobs(limit=3, before=8)] == [7, 6, 5]
    assert [record.number for record in database.jobs(rule="rule 0", part=Part.UNDO)] == [10, 4]
    assert [record.number for record in database.jobs(states={State.WAITING})] == [5, 4, 3, 2, 1]
    assert database.jobs(states=()) == []


def test_times_move_with_the_clock(database: Database) -> None:
    """A wall clock that was set takes live jobs along; ended ones, and what is due never, stay."""
    waiting, ended, never = (
        insert(database, job(1, due=50.0)),
        insert(database, job(2)),
        insert(database, job(3, due=NEVER)),
    )
    with transaction(database):
        database.update(replace(ended, state=State.FAILED, ended=7.0))
    with transaction(database):
        assert database.shift(100.0) == 2
    assert database.job(waiting.job.id) == replace(waiting, due=150.0, created=1100.0)
    assert database.job(never.job.id) == replace(never, created=1100.0)
    assert database.job(ended.job.id) == replace(ended, state=State.FAILED, ended=7.0)


def test_attempts_are_kept_in_order(database: Database) -> None:
    """How the attempts at a job ended is kept under gapless numbers."""
    with transaction(database):
        assert [database.add_attempt(f"job {number % 2}", {"n": number}, 5.0 + number) for number in range(4)] == [
            1,
            2,
            3,
            4,
        ]
        assert [attempt.number for attempt in database.attempts("job 0")] == [1, 3]
    (first, second) = database.attempts("job 1")
    assert (first.number, first.job, first.ended, first.fields) == (2, "job 1", 6.0, {"n": 1})
    assert second.fields == {"n": 3}


def test_rules_are_paused_until_resumed(database: Database) -> None:
    """Which rules are paused survives; pausing again does not change since when."""
    with transaction(database):
        database.pause("one", 1.0)
        database.pause("two", 2.0)
    with transaction(database):
        database.pause("one", 3.0)
        database.resume("two")
        database.resume("three")
    database.close()
    with opened(database.folder) as again:
        assert again.paused == {"one": 1.0}


# Retention


def trim(database: Database, *, before: float = 0.0, octets: int = 1 << 40, limit: int = 100) -> int:
    """Trim until there is no more to do; return in how many slices."""
    for slices in range(1, 1000):
        with transaction(database):
            if not database.trim(before=before, octets=octets, limit=limit):
                return slices
    raise AssertionError("it does not end")


def test_old_messages_and_attempts_go(database: Database) -> None:
    """Blocks all of whose messages are old go, in slices; numbers go on."""
    for _ in range(10):
        append(database, 5)
    with transaction(database):
        for number in range(10):
            database.add_attempt("x", {}, 1000.0 + number)
    assert trim(database, before=1023.0, limit=2) >= 3
    assert numbers(database) == list(range(21, 51))
    assert database.first_number == 21
    assert database.attempts("x") == []
    assert append(database, 1) == 51
    database.close()
    with opened(database.folder) as again:
        assert (again.damages, numbers(again)) == ([], list(range(21, 52)))


def test_live_jobs_and_dead_letters_outlive_their_neighbours(database: Database) -> None:
    """Ended jobs go when they are old; live ones and dead letters move up, and numbers stay gapless."""
    states = [State.RUNNING, State.FAILED, State.DEAD, State.SUCCEEDED, State.WAITING, State.DROPPED, State.FAILED]
    records = [insert(database, job(number)) for number in range(7)]
    with transaction(database):
        for record, state in zip(records, states, strict=True):
            live = state in {State.RUNNING, State.WAITING}
            database.update(replace(record, state=state, ended=None if live else 10.0 * record.number))
    stale = database.job(records[0].job.id)
    assert stale is not None
    trim(database, before=65.0, limit=2)
    assert [(record.number, record.state) for record in database.jobs()] == [
        (10, State.WAITING),
        (9, State.DEAD),
        (8, State.RUNNING),
        (7, State.FAILED),
    ]
    with transaction(database):  # somebody still has the record with its former number
        database.update(replace(stale, problem="late"))
    assert [(record.number, record.problem) for record in database.running()] == [(8, "late")]
    assert trim(database, before=65.0) == 1
    assert [record.number for record in database.jobs()] == [10, 9, 8, 7]
    assert insert(database, job(9)).number == 11


def test_the_oldest_go_when_there_is_too_much(database: Database) -> None:
    """Over the size the oldest messages go, whatever their age; and the file gets smaller."""
    for _ in range(40):
        with transaction(database):
            database.append([message(number)._replace(frame=b"x" * 10000) for number in range(20)])
    before = (database.size(), len(numbers(database)))
    assert before[0] > 8_000_000
    trim(database, octets=4_000_000)
    after = (database.size(), len(numbers(database)))
    assert 3_000_000 < after[0] <= 4_000_000
    assert 300 < after[1] < 400
    assert numbers(database)[-1] == 800
    database.close()
    assert (database.folder / DATABASE).stat().st_size < 8_500_000 + 1024 * 4096


def test_size_never_costs_live_jobs(database: Database) -> None:
    """Live jobs stay whatever their size; retention ends all the same."""
    for number in range(50):
        insert(database, job(number))
    append(database, 10)
    trim(database, octets=1, limit=7)
    assert len(database.jobs()) == 50
    assert numbers(database) == []


def test_facts_are_one_row_of_json(database: Database) -> None:
    """Whoever looks with the sqlite3 program finds the facts in plain words."""
    append(database, 3)
    sql, _ = database.inside()
    (body,) = sql.execute("SELECT body FROM meta").fetchone()
    assert json.loads(body)["journal"] == [1, 4]
