"""`python -m tests.crash.store_writer FOLDER TRANSACTIONS SEED`: the gateway's store under load, for power_loss.

Each transaction's number goes to the file FOLDER/acknowledged, in a write(2) of its own, when the store says that it is
on disk. How many transactions wait at once is left to chance, so that groups of all sizes are committed.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor  # noqa: TID251 -- this is a program
from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from gateway.jobs.database import Database
from gateway.jobs.retention import Retention
from gateway.jobs.store import Store
from gateway.notice import Notice
from tests.crash import workload

MOST_AT_ONCE = 24


def main() -> int:
    """Write, and tell what was acknowledged."""
    folder, transactions, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    reactor: Any = global_reactor
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    database = Database.open(folder / "journal")
    retention = Retention(age=1e12, octets=1 << 40)
    store = Store(reactor, _tell, retention=retention, now=lambda: workload.BEGUN + transactions)
    failures: list[Failure] = []

    def write_some(first: int) -> None:
        last = min(transactions, first + chance.randrange(MOST_AT_ONCE))
        if first > transactions or failures:
            store.stop().addErrback(failures.append).addBoth(lambda _: reactor.stop())
            return
        group = [_write(store, number, acknowledged).addErrback(failures.append) for number in range(first, last + 1)]
        DeferredList(group).addCallback(lambda _: write_some(last + 1))

    def begin() -> None:
        store.start(database)
        write_some(1)

    reactor.callWhenRunning(begin)
    reactor.run()
    for failure in failures:
        sys.stderr.write(failure.getTraceback())
    return 1 if failures else 0


def _write(store: Store, number: int, acknowledged: int) -> Deferred[int]:
    written = store.transact(lambda database: workload.perform(database, number))
    return written.addCallback(lambda _: os.write(acknowledged, b"%d\n" % number))


def _tell(notice: Notice) -> None:
    sys.stderr.write(f"{notice}\n")


if __name__ == "__main__":
    sys.exit(main())
