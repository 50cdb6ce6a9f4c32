"""Flip one bit of the store's files, three hundred times each: is any record lost or changed without a word?

The store is made by the gateway's own code and copied while it is open, so that the write-ahead log holds commits that
are nowhere else. A round flips one bit of a fresh copy, lets `verify` judge it, and compares every record with what was
written. SQLite itself notices next to none of this.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.jobs.database import Database
from gateway.jobs.records import Damage
from gateway.jobs.verify import verify
from parsers.errors import OperatorError
from tests.crash.harness import Report, command_line, perform
from tests.crash.workload import Expected, names
from tests.crash.workload import perform as perform_transaction

ROUNDS = 300
TRANSACTIONS = 300
"""At least; 1.3 MB of messages."""
MOST_TRANSACTIONS = 3000
LIVE = 60
"""Frames that the write-ahead log must hold beside those that are in the database already."""
FILES = ("journal.db", "journal.db-wal")


def make_store(folder: Path, copy: Path, transactions: int = TRANSACTIONS) -> int:
    """Make a store, copy its files while it is open, and return how many transactions it holds."""
    database = Database.open(folder)
    try:
        number = 0
        while number < transactions or len(live_frames(folder / FILES[1])) < LIVE:
            number += 1
            database.begin()
            perform_transaction(database, number)
            database.commit()
            if number > MOST_TRANSACTIONS:
                raise AssertionError("the write-ahead log is never filled")
        copy_store(folder, copy)
        return number
    finally:
        database.close()


def copy_store(folder: Path, to: Path) -> None:
    """Copy what a machine that stops would leave; `-shm` is made anew from the write-ahead log."""
    to.mkdir(parents=True)
    for path in folder.iterdir():
        if path.is_file() and not path.name.endswith("-shm"):
            shutil.copyfile(path, to / path.name)


def live_frames(log: Path) -> range:
    """Return the bounds of a write-ahead log's live frames, in octets (https://sqlite.org/fileformat2.html#walformat)."""
    octets = log.read_bytes()
    if len(octets) < 32:
        return range(0)
    size = struct.unpack(">I", octets[8:12])[0] + 24
    stop = 32
    while octets[stop + 8 : stop + 16] == octets[16:24] and stop + size <= len(octets):
        stop += size
    return range(32, stop, size)


@contextmanager
def flipped(store: Path, file: str, place: int, bit: int, work: Path) -> Iterator[Path]:
    """Copy a store with one bit flipped."""
    copy_store(store, work)
    with (work / file).open("r+b") as opened:
        opened.seek(place)
        octet = opened.read(1)[0]
        opened.seek(place)
        opened.write(bytes([octet ^ 1 << bit]))
    try:
        yield work
    finally:
        shutil.rmtree(work)


def judge(store: Path, expected: Expected, transactions: int) -> tuple[str, str]:
    """Return what became of a store with a flipped bit, in two words or three, and more about it when that is bad."""
    try:
        damages: list[Damage] = list(verify(store))
    except OperatorError as error:
        return "refused as a whole", str(error)
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is a finding
        return "verify fails", repr(error)
    try:
        database = Database.open(store, readonly=True)
    except OperatorError as error:
        return ("detected without a number", "") if damages else ("verify finds nothing, start refuses", str(error))
    except Exception as error:  # noqa: BLE001
        return "start fails", repr(error)
    try:
        return _compare(database, damages, expected, transactions)
    except OperatorError as error:
        return ("detected without a number", "") if damages else ("verify finds nothing, reading fails", str(error))
    except sqlite3.DatabaseError as error:
        if any(damage.first is not None for damage in damages):
            return "detected with the numbers, and a query raises", ""
        return "reading fails", repr(error)
    finally:
        database.close()


def _compare(database: Database, damages: list[Damage], expected: Expected, transactions: int) -> tuple[str, str]:
    read = expected.read(database, transactions)
    if not read.wrong and not read.other:
        return ("detected, and nothing is lost" if damages else "harmless"), ""
    unsaid = read.unsaid(damages)
    if not unsaid and damages:
        return "detected with the numbers", ""
    # A log that ends early takes the store back to what it was some transactions ago, the states of older jobs too.
    former = expected.read(database)
    if former.transactions < transactions and not former.wrong and not former.other:
        gone = expected.made_after(former.transactions, transactions)
        unsaid = {record for record in gone if not any(names(damage, *record) for damage in damages)}
        if not unsaid and damages:
            return "taken back, and said with the numbers", ""
    numberless = [str(damage) for damage in damages if damage.first is None]
    if numberless:
        return "detected without a number", f"{sorted(unsaid)[:3]}: {numberless[:2]}"
    said = [str(damage) for damage in damages[:2]]
    return "silent", f"{len(unsaid)} of {len(read.wrong)} records, {sorted(unsaid)[:3]} {read.other[:1]}; said: {said}"


GOOD = (
    "harmless",
    "detected, and nothing is lost",
    "detected with the numbers",
    "taken back, and said with the numbers",
    "detected with the numbers, and a query raises",
)
DETECTED = ("detected without a number", "refused as a whole")
"""The whole of the store is said to be damaged, because what tells one record from the other is."""


def battery(folder: Path, rounds: int, chance: random.Random, report: Report) -> None:
    """Run it."""
    store = folder / "copy"
    transactions = make_store(folder / "store", store)
    expected = Expected(transactions)
    verdict, detail = judge(store, expected, transactions)
    report.expect("before any bit is flipped", verdict, "harmless", ok=verdict == "harmless")
    if detail:
        report.remark(detail)
    report.note("records in the journal", expected.ends[-1])
    for file in FILES:
        size = (store / file).stat().st_size
        bounds = range(size) if file == FILES[0] else _whole(live_frames(store / file))
        verdicts: Counter[str] = Counter()
        for _ in range(rounds):
            place, bit = chance.choice(bounds), chance.randrange(8)
            with flipped(store, file, place, bit, folder / "work") as work:
                verdict, detail = judge(work, expected, transactions)
            verdicts[verdict] += 1
            if verdict not in GOOD:
                report.remark(f"{file}, octet {place}, bit {bit}: {verdict}: {detail}"[:400])
        report.note(f"bits flipped in {file} ({size:,} octets)", rounds)
        for verdict in (*GOOD, *DETECTED):
            report.note(f"... {verdict}", verdicts.pop(verdict, 0))
        bad = sum(verdicts.values())
        report.expect("... silent, or not understood", bad, "0", ok=not bad)


def _whole(frames: range) -> range:
    return range(frames.start, frames.stop)


def main() -> int:
    """Read the command line and run."""
    return perform(battery, "flipped bits", command_line("bit_flips", __doc__, ROUNDS).parse_args())


if __name__ == "__main__":
    sys.exit(main())
