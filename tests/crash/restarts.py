"""Restart the gateway in the middle of what takes its time: does it go on where it was?

A round begins an open state that waits for its undo, a wait between two tries, a window that is half full, messages for
a long-lived child, a task that may run again and one that may not (`idempotent: false`); then the gateway ends, by TERM
or by kill -9 in turn, stays away for a moment or until all of that is overdue, and comes back.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.jobs.records import State
from tests.crash.harness import Ran, Report, Victim, appends, command_line, perform, what_ran
from tests.crash.kept import jobs_of
from tests.crash.relp import Client
from tests.end_to_end.gateway_process import Rule
from tests.end_to_end.programs import wait_until

ROUNDS = 8
AFTER = 5.0
"""Seconds that a state stays open."""
WAIT = 4.0
"""Seconds between two tries."""
WORK = 2.5
"""Seconds that a task runs; less than a gateway that stops waits for it."""
STREAMED = 30
PUNCTUAL = 0.25
"""Seconds by which something may be late after a restart; clock_steps holds timers to less."""
SOON = 1.0
"""Seconds in which a message surely arrives that is sent now."""
PATIENCE = 15.0

STREAM = """
import os, re, sys, time
file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
for line in sys.stdin:
    os.write(file, re.search("stream [0-9]+", line)[0].encode() + b"\\n")
    time.sleep(0.05)
    print("OK", flush=True)
"""
"""A child that takes a twentieth of a second for each message; it says OK when it has written it down."""


def rules(folder: Path) -> list[Rule]:
    """Return one rule for each thing that a restart must not disturb."""

    def matching(name: str, **more: object) -> Rule:
        return {"rule": name, "match": {"message": {"regex": f"^{name}\\b"}}, **more}

    stream = [sys.executable, "-I", "-S", "-c", STREAM, str(folder / "stream")]
    return [
        matching(
            "state",
            when={"count": 1, "within": "1h", "by": ["host.name"]},
            do=appends(folder / "state-do"),
            undo={"after": f"{AFTER:g}s", **appends(folder / "state-undo")},
        ),
        matching(
            "try",
            do=appends(folder / "try", then='test "$GATEWAY_ATTEMPT" -ge 2'),
            retry={"times": 3, "wait": f"{WAIT:g}s", "grow": 1, "jitter": "0%"},
        ),
        matching("window", when={"count": 4, "within": "1h", "by": []}, do=appends(folder / "window")),
        matching("stream", do={"stream": stream}),
        matching("once", do=appends(folder / "once", then=f"sleep {WORK}"), idempotent=False),
        matching("again", do=appends(folder / "again", then=f"sleep {WORK}")),
    ]


class Round:
    """One restart, in a folder of its own; `problems` says what was not as it should be."""

    def __init__(self, folder: Path, *, kill: bool, overdue: bool, moment: float) -> None:
        folder.mkdir()
        self._folder = folder
        self._kill = kill
        self._overdue = overdue
        self._moment = moment
        self.problems: list[str] = []
        self.streamed_again = 0

    def run(self) -> None:
        """Do it."""
        victim = Victim(self._folder / "gateway", rules(self._folder))
        with victim:
            client = Client(victim.relp)
            client.send("state", "try", "window", "window", "once", "again")
            client.send(*(f"stream {number}" for number in range(STREAMED)))
            self._wait(
                lambda: all(len(self._ran(name)) == 1 for name in ("state-do", "try", "once", "again")), "starts"
            )
            time.sleep(self._moment)
            client.close()
            if self._kill:
                victim.kill_now()
            else:
                victim.stop()
            if self._overdue:
                time.sleep(max(0.0, self._ran("state-do")[0].at + AFTER + 1 - time.time()))  # noqa: TID251 -- as date(1)
            victim.start_again()
            back = time.time()  # noqa: TID251
            client = Client(victim.relp)
            # a slow machine makes it overdue as well
            self._overdue |= back > self._ran("state-do")[0].at + AFTER - SOON
            if self._overdue:  # until it is undone it is open, and swallows what comes
                self._wait(lambda: bool(self._ran("state-undo")), "the undo")
                time.sleep(0.3)
            client.send("state", "window", "window")
            self._wait(self._all_done, "everything to be done")
            time.sleep(0.5)  # for what must not happen
            client.close()
            victim.stop()
        self._check(back)
        self._check_jobs(victim)

    def _ran(self, name: str) -> list[Ran]:
        return what_ran(self._folder / name)

    def _streamed(self) -> list[str]:
        file = self._folder / "stream"
        return re.findall(r"stream \d+\n", file.read_text()) if file.exists() else []

    def _all_done(self) -> bool:
        return (
            bool(self._ran("state-undo"))
            and len(self._ran("try")) >= 2
            and bool(self._ran("window"))
            and len(set(self._streamed())) == STREAMED
            and (not self._kill or len(self._ran("again")) >= 2)
        )

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        try:
            wait_until(condition, what, seconds=PATIENCE)
        except AssertionError as error:
            self.problems.append(str(error))

    def _count(self, name: str, wanted: int) -> None:
        if (found := len(self._ran(name))) != wanted:
            self.problems.append(f"{name}: ran {found} times instead of {wanted}")

    def _check(self, back: float) -> None:
        # what comes while the state is open is swallowed; an overdue one is undone before anything comes
        self._count("state-do", 2 if self._overdue else 1)
        self._count("state-undo", 1)
        self._count("try", 2)
        self._count("window", 1)
        self._count("once", 1)
        self._count("again", 2 if self._kill else 1)
        self._punctual("state-do", "state-undo", 0, AFTER, back)
        self._punctual("try", "try", 1, WAIT, back)
        attempts = [line.attempt for line in self._ran("again")]
        if len(set(attempts)) != len(attempts):
            self.problems.append(f"again: attempts {attempts}")
        streamed = self._streamed()
        if missing := STREAMED - len(set(streamed)):
            self.problems.append(f"stream: {missing} never came")
        self.streamed_again = len(streamed) - len(set(streamed))

    def _punctual(self, first: str, second: str, index: int, period: float, back: float) -> None:
        begun, ended = self._ran(first), self._ran(second)
        if not begun or len(ended) <= index:
            return
        due, was = begun[0].at + period, ended[index].at
        if was < due - PUNCTUAL or was > max(due + PUNCTUAL, back + 1):
            self.problems.append(f"{second}: {was - due:+.3f} s from its time")

    def _check_jobs(self, victim: Victim) -> None:
        wanted = State.DEAD if self._kill else State.SUCCEEDED
        states = [record.state for record in jobs_of(victim.journal, "once")]
        if states != [wanted]:
            self.problems.append(f"once: {states} instead of {wanted}")


def battery(folder: Path, rounds: int, chance: random.Random, report: Report) -> None:
    """Run it."""
    again, failed = 0, 0
    for number in range(rounds):
        kill, overdue, moment = bool(number % 2), number % 4 >= 2, chance.uniform(0.0, 1.2)
        done = Round(folder / f"round-{number}", kill=kill, overdue=overdue, moment=moment)
        done.run()
        again += done.streamed_again
        failed += bool(done.problems)
        how = f"round {number}, {'kill -9' if kill else 'TERM'}{', overdue' if overdue else ''}, after {moment:.2f} s"
        for problem in done.problems:
            report.remark(f"{how}: {problem}")
    report.note("messages that a stream's child got twice", again)
    report.expect("restarts after which something was not as it should be", failed, "0", ok=not failed)


def main() -> int:
    """Read the command line and run."""
    return perform(battery, "restarts", command_line("restarts", __doc__, ROUNDS).parse_args())


if __name__ == "__main__":
    sys.exit(main())
