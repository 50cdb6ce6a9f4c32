"""Fill the disk under the store for five seconds under RELP load: is anything acknowledged that is not kept?

The state folder is a small tmpfs, in a mount namespace of its own where we are not root. It is filled to the last octet
while clients send, and emptied again; then all that was sent must come to be acknowledged, and be in the journal.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.harness import Report, Unable, Victim, command_line, perform
from tests.crash.kept import kept_messages
from tests.crash.relp import KEEPS, Sender

ROUNDS = 3
FULL = 5.0
"""Seconds."""
SIZE = "64m"
SENDERS = 3
RATE = 1500.0
BEFORE = 1.0
"""Seconds of load before the disk is full, and after."""
INSIDE = "--inside-a-namespace"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small tmpfs.

    Raises:
        Unable: it is not permitted.
    """
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise Unable(f"a tmpfs cannot be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextmanager
def filled(folder: Path) -> Iterator[int]:
    """Fill a disk to the last octet; yields how many octets that took."""
    ballast = folder / "ballast"
    taken = 0
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    taken += file.write(bytes(size))
            except OSError:
                continue
    try:
        yield taken
    finally:
        ballast.unlink()


def battery(folder: Path, rounds: int, chance: random.Random, report: Report) -> None:
    """Run it."""
    disk = folder / "disk"
    with small_disk(disk):
        # the log is elsewhere, as it would be: /var/log and /var/lib are what fills up in turn
        victim = Victim(folder / "gateway", [KEEPS], state=str(disk))
        with victim:
            pid = victim.pid
            senders = [Sender(victim.relp, f"c{n}", rate=RATE, seed=chance.randrange(1000)) for n in range(SENDERS)]
            for sender in senders:
                sender.start()
            meanwhile, stalls = 0, 0
            for _ in range(rounds):
                time.sleep(BEFORE + chance.random())
                with filled(disk):
                    begun = sum(sender.acknowledged for sender in senders)
                    time.sleep(FULL / 2)
                    middle = sum(sender.acknowledged for sender in senders)
                    time.sleep(FULL / 2)
                    ended = sum(sender.acknowledged for sender in senders)
                meanwhile += ended - begun
                stalls += ended == middle
                time.sleep(BEFORE)
            finished = sum(sender.finish() for sender in senders) == len(senders)
            alive = victim.running and victim.pid == pid
            said = [line for line in victim.text().splitlines() if "full" in line or "space" in line]
            victim.stop()
        kept, damages = kept_messages(victim.journal)
    acknowledged = sum(sender.acknowledged for sender in senders)
    lost = sum(
        (sender.name.encode(), number) not in kept for sender in senders for number in range(1, sender.acknowledged + 1)
    )
    report.note(f"times that the disk was full for {FULL:g} s", rounds)
    report.note("acknowledged", acknowledged)
    report.note("... while it was full", meanwhile)
    report.note("times that acknowledging stood still meanwhile", stalls)
    report.note("slowest answer, s", max(sender.slowest for sender in senders))
    report.note("lines in the log about it", len(said))
    report.note("kept more than once", sum(count - 1 for count in kept.values()))
    report.expect("acknowledged and lost", lost, "0", ok=not lost)
    report.expect("all that was sent was acknowledged in the end", finished, "yes", ok=finished)
    report.expect("the gateway lives", alive, "yes", ok=alive)
    report.expect("damages in the store", len(damages), "0", ok=not damages)
    report.expect("said in the log", bool(said), "yes", ok=bool(said))
    for problem in [*(p for sender in senders for p in sender.problems), *map(str, damages)]:
        report.remark(problem)


def _in_a_namespace(arguments: list[str]) -> int:
    """Run again where everyone may mount: a user namespace."""
    if shutil.which("unshare") is None:
        sys.stdout.write("full disk\n  not run: neither root nor unshare is there, so that no disk can be made small\n")
        return 0
    argv = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", "tests.crash.disk_full", INSIDE]
    return subprocess.run([*argv, *arguments], check=False).returncode


def main() -> int:
    """Read the command line and run."""
    parser = command_line("disk_full", __doc__, ROUNDS)
    parser.add_argument(INSIDE, dest="inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() and not options.inside:
        return _in_a_namespace(sys.argv[1:])
    return perform(battery, "full disk", options)


if __name__ == "__main__":
    sys.exit(main())
