"""Step the wall clock by an hour, there and back, while timers wait: do they fire in time?

Only the gateway sees the steps: `launch.py set-clock` moves its wall clock, and leaves its monotonic clock alone. The
machine's clock is not touched, so that what tasks write down is the true time.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from tests.crash.harness import Report, Victim, appends, command_line, percentile, perform, what_ran
from tests.crash.launch import OFFSET, OFFSET_FILE
from tests.crash.relp import Client
from tests.end_to_end.programs import wait_until

ROUNDS = 8
STEP = 3600
AFTER = 4.0
"""Seconds of each timer."""
WITHIN = 0.1
KEYS = 5
"""Timers of each kind in a round, begun at different times."""
PATIENCE = 15.0


class WallClock:
    """What the gateway takes for the wall clock: an offset in a file, in seconds."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(OFFSET.pack(0.0))
        self._file = file
        self._offset = 0.0

    def step(self, seconds: float) -> None:
        """Set it by so much; in one write(2), for the gateway has the file mapped."""
        self._offset += seconds
        with self._file.open("r+b", buffering=0) as file:
            file.write(OFFSET.pack(self._offset))

    def environment(self) -> dict[str, str]:
        """Return the variables that make a program see it."""
        return {OFFSET_FILE: str(self._file)}


def battery(folder: Path, rounds: int, chance: random.Random, report: Report) -> None:
    """Run it."""
    clock = WallClock(folder / "wall-clock")
    first, undone, tried = folder / "do", folder / "undo", folder / "tried"
    rules = [
        {
            "rule": "state",
            "match": {"message": {"regex": "^state "}},
            "when": {"count": 1, "within": "1h", "by": ["message"]},
            "do": appends(first, "${message}"),
            "undo": {"after": f"{AFTER:g}s", **appends(undone, "${message}")},
        },
        {
            "rule": "try",
            "match": {"message": {"regex": "^try "}},
            "do": appends(tried, "${message}", then='test "$GATEWAY_ATTEMPT" -ge 2'),
            "retry": {"times": 2, "wait": f"{AFTER:g}s", "grow": 1, "jitter": "0%"},
        },
    ]
    victim = Victim(folder / "gateway", rules, patch="set-clock", environment=clock.environment())
    steps = 0
    with victim:
        client = Client(victim.relp)
        for number in range(rounds):
            wanted = (number + 1) * KEYS
            moments = sorted(chance.uniform(0, AFTER) for _ in range(KEYS))
            # a step forth or back, and another one or none
            jumps = [(chance.uniform(0.5, AFTER), STEP * (1 if number % 2 else -1))]
            jumps += [(chance.uniform(0.5, AFTER), STEP * chance.choice((-1, 1)))] if number % 3 == 2 else []
            begun = time.monotonic()
            todo = sorted([(moment, 0) for moment in moments] + jumps)
            for index, (moment, jump) in enumerate(todo):
                time.sleep(max(0.0, begun + moment - time.monotonic()))
                if jump:
                    clock.step(jump)
                    steps += 1
                else:
                    client.send(f"state {number}-{index}", f"try {number}-{index}")
            wait_until(
                lambda: len(what_ran(undone)) >= wanted and len(what_ran(tried)) >= 2 * wanted,  # noqa: B023
                f"{wanted} timers of each kind; {len(what_ran(undone))} and {len(what_ran(tried)) // 2} fired",
                seconds=PATIENCE,
                detail=victim.report,
            )
        client.close()
        victim.stop()
    begins = {line.words: line.at for line in what_ran(first)}
    off = [(line.at - begins[line.words] - AFTER, f"undo of {line.words}") for line in what_ran(undone)]
    starts: dict[str, float] = {}
    for line in what_ran(tried):
        if line.words in starts:
            off.append((line.at - starts[line.words] - AFTER, f"second try of {line.words}"))
        starts.setdefault(line.words, line.at)
    amounts = [abs(seconds) for seconds, _ in off]
    report.note(f"steps of {STEP} s", steps)
    report.note("timers", len(off))
    report.note("... late by, median, s", percentile([seconds for seconds, _ in off], 0.5))
    worst = max(amounts)
    report.expect("... off by at most, s", worst, f"{WITHIN} s", ok=worst <= WITHIN, timing=True)
    wrong = len(off) - 2 * rounds * KEYS
    report.expect("... fired more often than once, or never", wrong, "0", ok=not wrong)
    for seconds, what in sorted(off, key=lambda each: -abs(each[0])):
        if abs(seconds) > WITHIN:
            report.remark(f"{what}: {seconds:+.3f} s")


def main() -> int:
    """Read the command line and run."""
    return perform(battery, "steps of the wall clock", command_line("clock_steps", __doc__, ROUNDS).parse_args())


if __name__ == "__main__":
    sys.exit(main())
