"""Kill the runner at random instants while it starts tasks: is any job missed?

The runner is two processes, an outer one (the keeper) and an inner one that starts the tasks; either may be the one
that dies. The gateway under test starts it again at once: else a runner that dies a hundred times in a row would wait
for minutes.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.crash.harness import Report, Victim, appends, command_line, perform, what_ran
from tests.crash.processes import children
from tests.crash.relp import ACTS, MESSAGE, Sender
from tests.end_to_end.programs import wait_until

ROUNDS = 100
LIVES = 0.3
"""Seconds of work after which a runner dies at the latest."""
RATE = 60.0
"""Jobs a second: about what there is to be run all the time, and no more than what can be caught up on."""
DRAIN = 90.0


def battery(folder: Path, rounds: int, chance: random.Random, report: Report) -> None:
    """Run it."""
    ran = folder / "ran"
    # each runs for a little while, so that some are under way at any instant
    rule = {
        "rule": "acts",
        "match": {"message": {"regex": ACTS}},
        "do": {**appends(ran, "${message}", then="sleep 0.05"), "concurrency": 8},
    }
    victim = Victim(folder / "gateway", [rule], patch="start-runner-at-once")
    killed: Counter[str] = Counter()
    with victim:
        sender = Sender(victim.relp, "c0", rate=RATE, act_every=1)
        sender.start()
        for _ in range(rounds):
            before = len(what_ran(ran))
            victim.wait_until(lambda: len(what_ran(ran)) > before, "a task to run", seconds=60)  # noqa: B023
            time.sleep(chance.uniform(0, LIVES))
            which = chance.choice(("keeper", "inner process"))
            process = keeper = _keeper(victim)
            if which == "inner process":
                inner = children(keeper)
                if not inner:  # it is between two lives
                    which = "keeper"
                else:
                    process = inner[0]
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                killed[which] += 1
        finished = sender.finish()
        wanted = set(range(1, sender.acknowledged + 1))
        waited = time.monotonic()
        while wanted - _acted(ran).keys() and time.monotonic() - waited < DRAIN:
            time.sleep(0.2)
        alive = victim.running
        victim.stop()
    acted = _acted(ran)
    missed = wanted - acted.keys()
    jobs = Counter(line.job for line in what_ran(ran))
    attempts = Counter((line.job, line.attempt) for line in what_ran(ran))
    for which, count in killed.items():
        report.note(f"kills of the {which}", count)
    report.note("jobs", len(wanted))
    report.note("jobs run more than once", sum(count > 1 for count in jobs.values()))
    twice = [key for key, count in attempts.items() if count > 1]
    report.expect("attempts run twice under one number", len(twice), "0", ok=not twice)
    report.expect("all that was sent was acknowledged", finished, "yes", ok=finished)
    report.expect("jobs missed", len(missed), "0", ok=not missed)
    report.expect("the gateway lives", alive, "yes", ok=alive)
    for number in sorted(missed)[:5]:
        report.remark(f"never ran: {number}")
    for job, attempt in twice[:5]:
        report.remark(f"ran twice: {job} attempt {attempt}")
    for problem in sender.problems:
        report.remark(problem)


def _keeper(victim: Victim) -> int:
    found: list[int] = []  # at the next look it may be between two lives

    def look() -> bool:
        found[:] = children(victim.pid)
        return bool(found)

    wait_until(look, "the runner to be started", detail=victim.report)
    return found[0]


def _acted(file: Path) -> Counter[int]:
    found = (MESSAGE.search(line.words.encode()) for line in what_ran(file))
    return Counter(int(match[2]) for match in found if match)


def main() -> int:
    """Read the command line and run."""
    return perform(battery, "kill -9 of the runner", command_line("kill_runner", __doc__, ROUNDS).parse_args())


if __name__ == "__main__":
    sys.exit(main())
