"""Verify and repair: damage is harmless or found, and what is whole can be saved."""

from __future__ import annotations

import random
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.jobs.database import Database
from gateway.jobs.records import Damage, State
from gateway.jobs.repair import repair
from gateway.jobs.schema import DATABASE
from gateway.jobs.verify import verify
from parsers.errors import OperatorError
from rules.job import Part
from tests.gateway.store_samples import (
    Contents,
    append,
    copy_as_it_is,
    insert,
    job,
    message,
    opened,
    read_back,
    transaction,
)

FLIPS = 60


def fill(database: Database) -> None:
    """Put some of everything in, in many transactions."""
    for round_ in range(40):
        append(database, 5 + round_ % 7)
        record = insert(database, job(round_, Part.UNDO if round_ % 3 else Part.DO, key=f"key {round_}"))
        with transaction(database):
            database.add_attempt(record.job.id, {"n": round_}, 1000.0 + round_)
            database.update(replace(record, state=State.RUNNING if round_ % 2 else State.WAITING, attempt=1))
    with transaction(database):
        database.pause("rule", 5.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal as a killed gateway left it: one part in the database, one in the write-ahead log."""
    with opened(tmp_path / "live") as database:
        fill(database)
        database.inside()[0].execute("PRAGMA wal_checkpoint(TRUNCATE)")
        fill_more(database)
        return copy_as_it_is(tmp_path / "live", tmp_path / "killed")


def fill_more(database: Database) -> None:
    """Put a little more in."""
    for number in range(100, 110):
        append(database, 3)
        insert(database, job(number))


def flipped(folder: Path, to: Path, name: str, place: int) -> Path:
    """Copy a folder with one bit of a file flipped."""
    shutil.copytree(folder, to)
    octets = bytearray((to / name).read_bytes())
    octets[place // 8] ^= 1 << place % 8
    (to / name).write_bytes(octets)
    return to


def found(folder: Path) -> tuple[Contents | None, list[str]]:
    """Open a journal as a gateway does, then verify; return what it holds and everything that was said about it."""
    said: list[str] = []
    try:
        with opened(folder) as database:
            said += map(str, database.damages)
        said += map(str, verify(folder))
        contents = read_back(folder)
    except OperatorError as error:
        return None, [*said, str(error)]
    return contents, said


def test_a_whole_journal_is_verified(folder: Path) -> None:
    """What a killed gateway leaves is whole: everything is counted, and nothing is wrong."""
    verification = verify(folder)
    assert list(verification) == []
    assert (verification.records, verification.jobs, verification.attempts) == (345, 50, 40)
    assert verification.known == []


@pytest.mark.parametrize("name", [DATABASE, f"{DATABASE}-wal"])
def test_a_flipped_bit_is_harmless_or_found(folder: Path, tmp_path: Path, name: str) -> None:
    """Whichever bit is flipped, either all is there all the same, or something is said; what is read is never wrong."""
    whole = read_back(copy_as_it_is(folder, tmp_path / "whole"))
    places = random.Random(7)
    size = (folder / name).stat().st_size * 8
    noticed = 0
    for flip in range(FLIPS // 2):
        place = places.randrange(size)
        damaged = flipped(folder, tmp_path / f"flip-{flip}", name, place)
        contents, said = found(damaged)
        where = f"{name}, bit {place}: {said}"
        noticed += bool(said)
        if contents is not None:
            assert contents.messages.items() <= whole.messages.items(), where
            assert said or (contents.messages, contents.paused) == (whole.messages, whole.paused), where
            assert said or set(contents.jobs) == set(whole.jobs), where
            assert said or (contents.jobs, contents.attempts) == (whole.jobs, whole.attempts), where
    assert noticed, "a test that finds nothing proves nothing"


def test_lost_transactions_are_reported_with_their_numbers(folder: Path, tmp_path: Path) -> None:
    """SQLite ends at a damaged frame of the log; we say which numbers are gone, keep the log, and go on above them."""
    log = folder / f"{DATABASE}-wal"
    octets = bytearray(log.read_bytes())
    octets[len(octets) // 2] ^= 1
    log.write_bytes(octets)
    with opened(folder) as database:
        damages = [damage for damage in database.damages if damage.table == "journal"]
        (lost,) = damages
        assert "committed transactions are gone" in lost.problem
        assert lost.last == 345
        assert lost.first is not None
        assert database.next_number == 346
        assert append(database, 2) == 346
        entries = list(database.entries(lost.first - 1))
        assert [type(entry) is Damage for entry in entries] == [False, True, False, False]
    assert (folder / f"{DATABASE}-wal.damaged-1").read_bytes() == octets
    with opened(folder) as database:
        assert database.damages == []
    verification = verify(folder)
    assert list(verification) == []
    assert [(loss.first, loss.last) for loss in verification.known if loss.table == "journal"] == [(lost.first, 345)]


def test_a_database_that_vanished_is_missed(tmp_path: Path) -> None:
    """A mark without its database tells that everything is gone; numbers are not given twice."""
    with opened(tmp_path) as database:
        append(database, 5)
    (tmp_path / DATABASE).unlink()
    with opened(tmp_path) as database:
        assert [(damage.table, damage.first, damage.last) for damage in database.damages] == [("journal", 1, 5)]
        assert append(database, 1) == 6


def damage(folder: Path, statement: str) -> None:
    """Change the tables behind the gateway's back."""
    sql = sqlite3.connect(folder / DATABASE)
    sql.execute(statement)
    sql.commit()
    sql.close()


def test_a_damaged_live_job_is_set_aside(folder: Path) -> None:
    """A live job that is not as it was written is never run, and is said once; others are untouched."""
    damage(folder, "UPDATE jobs SET lane = 'other' WHERE number = 3")
    with opened(folder) as database:
        (said,) = database.damages
        assert (said.table, said.first) == ("jobs", 3)
        assert "will not be run" in said.problem
        assert database.job(f"{2:032x}") is None
        assert len(database.due(0, 1e9, 1000)) + len(database.running()) == 49
    with opened(folder) as database:
        assert database.damages == []
    verification = verify(folder)
    assert list(verification) == []
    assert [(loss.table, loss.first) for loss in verification.known] == [("jobs", 3)]


def test_a_damaged_row_of_facts_is_made_anew(folder: Path) -> None:
    """Facts that are damaged are made anew from the tables, and what cannot be known is said."""
    damage(folder, "UPDATE meta SET body = replace(body, 'paused', 'caused')")
    with opened(folder) as database:
        (said,) = database.damages
        assert said.table == "meta"
        assert (database.first_number, database.next_number) == (1, 346)
        assert append(database, 1) == 346
    with opened(folder) as database:
        assert database.damages == []


def test_a_missing_block_is_found(folder: Path) -> None:
    """A block that is gone is found at the start, by reading and by verify, with its numbers."""
    damage(folder, "DELETE FROM blocks WHERE first = 6")
    with opened(folder) as database:
        assert [(said.first, said.last) for said in database.damages] == [(6, 11)]
        assert [entry.number if not isinstance(entry, Damage) else entry for entry in database.entries(5)][:2] == [
            5,
            Damage("journal", 6, 11, "missing"),
        ]
        assert isinstance(database.entry(7), Damage)
    assert [(said.first, said.last) for said in verify(folder)] == [(6, 11)]


def test_a_damaged_index_is_made_anew(folder: Path) -> None:
    """An index that does not agree with its table would hide jobs: it is made anew before anything is looked up."""
    sql = sqlite3.connect(folder / DATABASE)
    sql.execute("PRAGMA writable_schema = ON")
    sql.execute("UPDATE sqlite_master SET sql = replace(sql, '''waiting''', '''nobody''') WHERE name = 'jobs_due'")
    sql.commit()
    sql.close()
    sql = sqlite3.connect(folder / DATABASE)
    sql.execute("REINDEX jobs_due")
    sql.execute("PRAGMA writable_schema = ON")
    sql.execute("UPDATE sqlite_master SET sql = replace(sql, '''nobody''', '''waiting''') WHERE name = 'jobs_due'")
    sql.commit()
    sql.close()
    with opened(folder) as database:
        assert ["jobs_due" in said.problem for said in database.damages] == [True]
        assert len(database.due(0, 1e9, 1000)) == 30
    assert list(verify(folder)) == []


def test_verify_reads_beside_a_writer(tmp_path: Path) -> None:
    """Verifying while a gateway writes finds nothing wrong, and sees one instant."""
    with opened(tmp_path) as database:
        fill(database)
        verification = verify(tmp_path)
        reading = iter(verification)
        append(database, 10)
        assert list(reading) == []
        append(database, 10)
        assert list(verify(tmp_path)) == []


def test_repair_keeps_numbers_and_notes_losses(folder: Path) -> None:
    """What can be read is copied under its number; what cannot is noted, so that it is a known loss from then on."""
    before = read_back(folder)
    damage(folder, "UPDATE blocks SET body = zeroblob(length(body)) WHERE first = 6")
    damage(folder, "UPDATE jobs SET event = replace(event, 'message', 'massage') WHERE number = 50")
    damage(folder, "UPDATE attempts SET body = 'x' WHERE number = 7")
    report = repair(folder)
    assert [(loss.table, loss.first, loss.last) for loss in report.losses] == [
        ("journal", 6, 11),
        ("jobs", 50, 50),
        ("attempts", 7, 7),
    ]
    assert (report.records, report.jobs, report.attempts) == (339, 49, 39)
    assert report.kept.exists()
    after = read_back(folder)
    assert after.damages == []
    assert [(loss.table, loss.first) for loss in after.known] == [("journal", 6), ("jobs", 50), ("attempts", 7)]
    assert after.messages == {number: message for number, message in before.messages.items() if not 6 <= number <= 11}
    assert after.jobs.items() <= before.jobs.items()
    assert after.paused == before.paused
    with opened(folder) as database:
        assert database.damages == []
        assert append(database, 1) == 346


def test_repair_copies_what_sqlite_cannot_read_on(folder: Path) -> None:
    """A page in the middle that SQLite refuses costs the rows on it, not those behind it."""
    with opened(folder):
        pass  # moves the log into the database
    octets = bytearray((folder / DATABASE).read_bytes())
    sql = sqlite3.connect(folder / DATABASE)
    (root,) = sql.execute("SELECT rootpage FROM sqlite_master WHERE name = 'attempts'").fetchone()
    (page,) = sql.execute("SELECT rootpage FROM sqlite_master WHERE name = 'blocks'").fetchone()
    sql.close()
    leaf = int.from_bytes(octets[(page - 1) * 4096 + 12 : (page - 1) * 4096 + 14], "big")
    child = int.from_bytes(octets[(page - 1) * 4096 + leaf : (page - 1) * 4096 + leaf + 4], "big")
    octets[(child - 1) * 4096] = 0xFF
    octets[(root - 1) * 4096] = 0xFF
    (folder / DATABASE).write_bytes(octets)
    said = list(verify(folder))
    assert {damage.table for damage in said} >= {"journal", "attempts"}
    report = repair(folder)
    assert 0 < report.records < 345
    assert (report.jobs, report.attempts) == (50, 0)
    assert list(verify(folder)) == []
    with opened(folder) as database:
        assert database.next_number == 346


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("PRAGMA user_version = 99", r"was written by a newer gateway \(form 99"),
        ("PRAGMA application_id = 7", "is a database, but no gateway's journal"),
    ],
)
def test_repair_leaves_what_is_none_of_ours(folder: Path, statement: str, words: str) -> None:
    """The journal of a newer gateway and the database of another program are whole: nothing of them is touched."""
    with opened(folder):
        pass  # moves the log into the database
    sql = sqlite3.connect(folder / DATABASE)
    sql.execute(statement)
    sql.close()
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(OperatorError, match=words):
        Database.open(folder, readonly=True)
    with pytest.raises(OperatorError, match=words):
        repair(folder)
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert {name: octets for name, octets in after.items() if not name.endswith(("-wal", "-shm"))} == before


def test_repair_leaves_what_only_cannot_be_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that is out of reach for a reason other than damage is not taken for an empty one."""

    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("gateway.jobs.opening.unusable", lambda *_: OperatorError("cannot open the journal"))
    monkeypatch.setattr("gateway.jobs.opening.connect", refuse)
    before = (folder / DATABASE).read_bytes()
    with pytest.raises(OperatorError, match="cannot open"):
        repair(folder)
    assert (folder / DATABASE).read_bytes() == before


def test_repair_needs_the_folder_for_itself(tmp_path: Path) -> None:
    """Nothing is repaired under a running gateway, and nothing is made where no journal is."""
    with pytest.raises(OperatorError, match="no journal"):
        repair(tmp_path)
    with opened(tmp_path) as database:
        database.begin()
        database.append([message(1)])
        database.commit()
        with pytest.raises(OperatorError, match="in use"):
            repair(tmp_path)


def test_repair_of_what_is_no_database_starts_anew(tmp_path: Path) -> None:
    """A file that is not SQLite's any more is put aside; the new one goes on above the lost numbers."""
    with opened(tmp_path) as database:
        append(database, 5)
    (tmp_path / DATABASE).write_bytes(b"\0" * 4096 * 4)
    with pytest.raises(OperatorError):
        Database.open(tmp_path)
    report = repair(tmp_path)
    assert [(loss.table, loss.first, loss.last) for loss in report.losses] == [("journal", 1, 5)]
    with opened(tmp_path) as database:
        assert append(database, 1) == 6
