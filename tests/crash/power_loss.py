"""Cut the power at any point of the store's writing: is everything there that was acknowledged until then?

The gateway's store works under strace(1), which takes down each write and each fsync. From that the files are rebuilt
as a disk may hold them at some hundred points: right before and after each fsync, and anywhere between; with nothing of
what was not synced, or with any part of it (tests/crash/replay.py says which). Each is opened as at a gateway's start.
With --bite the write-ahead log's syncs are taken for none, and the battery must notice what that loses.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

from gateway.jobs.database import Database
from gateway.jobs.verify import verify
from parsers.errors import OperatorError
from tests.crash.harness import Report, Unable, command_line, perform
from tests.crash.replay import STRACE, Disk, Event, read_trace
from tests.crash.workload import Expected
from tests.end_to_end.programs import PROJECT, find

ROUNDS = 400
TRANSACTIONS = 400
PER_ROUND = 4
"""Transactions for each round less than that."""
TIME = 300.0


def trace(folder: Path, transactions: int, seed: int) -> list[Event]:
    """Let the store work under strace, and return what it did to its files."""
    if find("strace") is None:
        raise Unable("strace is not installed: apt-get install strace")
    folder.mkdir()
    log = folder.with_suffix(".strace")
    argv = [*STRACE, "-o", str(log), sys.executable, "-m", "tests.crash.store_writer"]
    argv += [str(folder), str(transactions), str(seed)]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=TIME)
    if "Operation not permitted" in done.stderr and "PTRACE" in done.stderr:
        raise Unable("strace may not trace here (ptrace is not permitted)")
    assert done.returncode == 0, f"the writer failed:\n{done.stderr[-3000:]}"
    return [event for event in read_trace(log, folder) if not event.path.endswith("-shm")]


def points(events: list[Event], rounds: int, chance: random.Random) -> list[int]:
    """Return after how many events the power is to be cut, in rising order."""
    syncs = [index for index, event in enumerate(events) if event.kind == "sync"]
    chosen = [chance.choice(syncs) + chance.randrange(2) for _ in range(rounds // 2)]
    chosen += [chance.randrange(len(events) + 1) for _ in range(rounds - len(chosen))]
    return sorted(chosen)


def battery(folder: Path, rounds: int, chance: random.Random, report: Report, *, bite: bool = False) -> None:
    """Run it."""
    transactions = min(TRANSACTIONS, max(30, rounds * PER_ROUND))
    work = folder / "work"
    events = trace(work, transactions, chance.randrange(1 << 30))
    if bite:
        events = [event for event in events if event.kind != "sync" or not event.path.endswith("-wal")]
    acknowledgements = work / "acknowledged"
    expected = Expected(transactions)
    cuts = points(events, rounds, chance)
    report.note("transactions", transactions)
    report.note("writes", sum(event.kind == "write" for event in events) - transactions)
    report.note("syncs", sum(event.kind == "sync" for event in events))
    verdicts: Counter[str] = Counter()
    disk, acknowledged, ahead = Disk(), 0, 0
    done = 0
    for cut in cuts:
        for event in events[done:cut]:
            if event.path != str(acknowledgements):
                disk.feed(event)
            elif event.kind == "write":
                acknowledged = int(event.data)
        done = max(done, cut)
        # without syncs all of the log is to be gone, and not by chance only
        kept = random.Random(chance.random()) if not bite and chance.random() < 0.8 else None
        files = disk.after_power_loss(kept)
        verdict, held = judge(folder / "found", work / "journal", files, expected, acknowledged)
        ahead += held > acknowledged
        verdicts[verdict.partition(":")[0]] += 1
        if verdict != "right":
            report.remark(f"after {cut} events, {acknowledged} acknowledged: {verdict}"[:500])
    report.note("points at which the power was cut", len(cuts))
    report.note("... at which more was kept than was acknowledged", ahead)
    if bite:
        noticed = len(cuts) - verdicts["right"]
        report.expect("... at which that was noticed", noticed, "some, for this log is never synced", ok=bool(noticed))
        report.remarks.clear()
        return
    for goal in ("lost", "wrong", "damage reported", "not opened"):
        report.expect(f"... {goal}", verdicts[goal], "0", ok=not verdicts[goal])


def judge(
    folder: Path, journal: Path, files: dict[str, bytes], expected: Expected, acknowledged: int
) -> tuple[str, int]:
    """Put files into a folder, open them as a store, and return what is wrong and how many transactions there are."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, content in files.items():
        if Path(path).parent == journal:
            (folder / Path(path).name).write_bytes(content)
    try:
        # one that has never held anything is no journal yet for those who only read
        damages = list(verify(folder)) if acknowledged else []
        database = Database.open(folder)
    except OperatorError as error:
        return f"not opened: {error}", 0
    try:
        read = expected.read(database)
    except (OperatorError, sqlite3.DatabaseError) as error:
        return f"wrong: {error!r}", 0
    finally:
        database.close()
    held = read.transactions
    if held < acknowledged:
        return f"lost: only {held} are there; {read.other[:2]}", held
    if read.wrong or read.other:
        return f"wrong: {sorted(read.wrong)[:3]} {read.other[:2]}", held
    if damages or read.damages:
        return f"damage reported: {[*map(str, damages), *map(str, read.damages)][:3]}", held
    return "right", held


def main() -> int:
    """Read the command line and run."""
    parser = command_line("power_loss", __doc__, ROUNDS)
    parser.add_argument("--bite", action="store_true", help="as if the write-ahead log were never synced")
    options = parser.parse_args()
    title = "power loss without syncs" if options.bite else "power loss"
    return perform(lambda *rest: battery(*rest, bite=options.bite), title, options)


if __name__ == "__main__":
    sys.exit(main())
