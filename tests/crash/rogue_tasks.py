"""Let tasks do their worst: does anything of them survive, and does the gateway answer meanwhile?

They daemonise, fork until they may no more, write 50 MB, hang and ignore TERM, close their standard input, exit at once
hundreds of times, or are not there at all. Meanwhile a RELP client sends a message every hundredth of a second and
takes the time until it is acknowledged, which is when it is on disk.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Event, Thread

from gateway.jobs.database import Database
from gateway.jobs.records import LIVE
from tests.crash.harness import Report, Victim, command_line, percentile, perform
from tests.crash.processes import children, resident, with_argument, with_in_environment
from tests.crash.relp import KEEPS, Client, text
from tests.end_to_end.gateway_process import Rule
from tests.end_to_end.programs import wait_until

ROUNDS = 5
PAUSE = 3.0
"""Seconds between two rounds."""
QUIET = 2.0
"""Seconds before, for comparison."""
LOOP = 40
"""Starts of a task that exits at once, each round."""
OUTPUT = 50_000_000
CAP = 64 * 1024
"""Octets that are kept of what a task writes."""
PROBES = 0.01
WITHIN = 0.05
"""Seconds within which 99 of 100 messages are to be acknowledged."""
GROWTH = 24 * 1024**2
"""Octets by which a process of ours may grow; it is less than half of what a task writes."""
PATIENCE = 60.0
BOMB_OF_SESSIONS = "fork-bomb-sessions"
ENTRY = "GATEWAY_RULE=rogue-{}-"
"""What is in the environment of all these tasks and what they start, unless they clear it."""

FORKS = "use POSIX; $SIG{TERM} = 'IGNORE'; while (1) { fork; %s }"
"""In Perl, which every Debian has where any user can reach it: forks as often as it may, and never waits."""

SESSIONS = "POSIX::setsid()"
"""Each of its processes in a session of its own: outside of control groups, Linux gives each session as much of the
processor as it gives the gateway (sched(7), autogroup), so that sixty of them slow everything on the machine down."""


def rogues(token: str) -> dict[str, dict[str, object]]:
    """Return the tasks by name; `token` is an argument of every process that clears its environment."""

    def shell(script: str) -> list[str]:
        return ["/bin/sh", "-c", script]

    twice = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(1000)"
    tasks: dict[str, dict[str, object]] = {
        "daemonise": {"run": [sys.executable, "-I", "-S", "-c", twice], "grace": "500ms"},
        "daemonise-cleared": {
            "run": shell(f"env -i setsid sleep {token} & env -i setsid -f sleep {token}; exit 0"),
            "grace": "500ms",
        },
        "daemonise-deaf": {
            "run": shell("setsid sh -c 'trap \"\" TERM HUP; sleep 1000; sleep 1000' & exit 0"),
            "grace": "500ms",
        },
        "output": {
            "run": shell(f"head -c {OUTPUT} /dev/zero | tr '\\0' x; head -c {OUTPUT} /dev/zero | tr '\\0' y >&2")
        },
        "hang": {"run": shell('trap "" TERM; while :; do sleep 1; done'), "timeout": "1s", "grace": "500ms"},
        "stop": {"run": shell("kill -STOP $$$$"), "timeout": "1s", "grace": "500ms"},
        "close-stdin": {"run": shell("exec 0<&-; sleep 0.1")},
        "exit": {"run": ["/bin/true"]},
        "missing": {"run": ["/nonexistent/program"]},
        "kill-parent": {"run": shell("kill -9 $$$$")},
    }
    if os.geteuid() == 0:
        # not for root, to whom limits on processes do not apply, and not for a user who has other processes
        bomb = {
            "user": "nobody",
            "limits": {"processes": 60, "cpu": "5s"},
            "timeout": "1500ms",
            "grace": "500ms",
            "lock": "bombs",  # one after the other, for they share the limit
        }
        tasks["fork-bomb"] = {"run": shell("bomb() { bomb | bomb & }; bomb; sleep 100"), **bomb}
        tasks[BOMB_OF_SESSIONS] = {"run": ["/usr/bin/perl", "-e", FORKS % SESSIONS], **bomb}
        tasks["fork-bomb-deaf"] = {"run": ["/usr/bin/perl", "-e", FORKS % ""], **bomb}
    return tasks


def rules(token: str) -> list[Rule]:
    """Return a rule for each of them, and one that keeps the probes."""
    found: list[Rule] = [KEEPS]
    for name, step in rogues(token).items():
        concurrency = {} if "lock" in step else {"concurrency": 2}
        step = {**concurrency, "output": f"{CAP // 1024}KiB", **step}  # noqa: PLW2901
        rule = f"rogue-{_tag(token)}-{name}"
        found.append({"rule": rule, "match": {"message": {"regex": f"^rogue {name}( |$)"}}, "do": step})
    return found


def _tag(token: str) -> str:
    """Return what stands in the names of the rules, so that two runs at once do not take each other's for theirs."""
    return token.replace(".", "-")


class Probe(Thread):
    """Takes the time that a message takes to be acknowledged, again and again."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.times: list[float] = []
        self.failure = ""
        self._client = Client(port)
        self._quit = Event()

    def run(self) -> None:
        """Send one message after the other."""
        number = 0
        try:
            while not self._quit.wait(PROBES):
                number += 1
                self.times.append(self._client.send(text("p0", number, 1 << 30)))
        except (OSError, ValueError) as error:
            self.failure = str(error)

    def stop(self) -> None:
        """Stop."""
        self._quit.set()
        self.join(30)
        self._client.close()


def battery(folder: Path, rounds: int, chance: random.Random, report: Report) -> None:
    """Run it."""
    token = f"{chance.randrange(10**6, 10**7)}.{chance.randrange(10**6)}"
    tasks = rogues(token)
    if "fork-bomb" not in tasks:
        report.remark("no fork bomb: only root can start one as another user")
    victim = Victim(folder / "gateway", rules(token), runner={"limit": 12})
    with victim:
        quiet = Probe(victim.relp)
        quiet.start()
        time.sleep(QUIET)
        quiet.stop()
        processes = {"gateway": victim.pid, "keeper": children(victim.pid)[0]}
        processes["runner"] = children(processes["keeper"])[0]
        before = {name: resident(pid) for name, pid in processes.items()}
        probe = Probe(victim.relp)
        probe.start()
        client = Client(victim.relp)
        largest = dict(before)
        for _ in range(rounds):
            names = [*(name for name in tasks if name not in ("exit", BOMB_OF_SESSIONS)), *["exit"] * LOOP]
            chance.shuffle(names)
            end = time.monotonic() + PAUSE
            for name in names:
                client.send(f"rogue {name}" + (" " + "z" * 60_000 if name == "close-stdin" else ""))
            while time.monotonic() < end:
                largest = {name: max(largest[name], resident(pid)) for name, pid in processes.items()}
                time.sleep(0.05)
        probe.stop()
        starved = Probe(victim.relp)
        if BOMB_OF_SESSIONS in tasks:
            starved.start()
            client.send(f"rogue {BOMB_OF_SESSIONS}")
            time.sleep(PAUSE)
            starved.stop()
        waited = time.monotonic()
        wait_until(lambda: not _live(victim), "all tasks to end", seconds=PATIENCE, detail=victim.report)
        report.note("tasks ended after the last round within, s", time.monotonic() - waited)
        survivors = {*with_argument(token), *with_in_environment(ENTRY.format(_tag(token)))}
        alive = {name for name, pid in processes.items() if Path(f"/proc/{pid}").exists()} == processes.keys()
        client.close()
        victim.stop()
    endings, longest, jobs = _attempts(victim)
    bombs = BOMB_OF_SESSIONS in tasks
    expected = rounds * (len(tasks) - 1 - bombs + LOOP) + bombs
    report.note("tasks", expected)
    report.note("how they ended", ", ".join(f"{count} {name}" for name, count in sorted(endings.items())))
    started = endings.total() - endings["not-started"]
    report.expect("tasks started", started, "all but the missing", ok=endings["not-started"] == rounds)
    report.expect("jobs", jobs, f"{expected:,}", ok=jobs == expected)
    report.expect("survivors", len(survivors), "0", ok=not survivors)
    report.expect("octets kept of an output, at most", longest, f"{CAP:,}", ok=longest <= CAP)
    growth = max(largest[name] - before[name] for name in processes)
    report.expect("octets by which a process of ours grew", growth, f"{GROWTH:,}", ok=growth <= GROWTH)
    report.expect("gateway and runner live", alive, "yes", ok=alive)
    report.note("acknowledged within, before, p50, s", percentile(quiet.times, 0.5))
    report.note("acknowledged within, before, p99, s", percentile(quiet.times, 0.99))
    report.note("acknowledged within, meanwhile, p50, s", percentile(probe.times, 0.5))
    slow = percentile(probe.times, 0.99)
    report.expect("acknowledged within, meanwhile, p99, s", slow, f"{WITHIN} s", ok=slow <= WITHIN, timing=True)
    if starved.times:
        report.note("... beside a fork bomb of sessions, p50, s", percentile(starved.times, 0.5))
        report.note("... beside a fork bomb of sessions, p99, s", percentile(starved.times, 0.99))
    failure = probe.failure or starved.failure
    report.expect("the probe", failure or "was answered", "was answered", ok=not failure)


def _live(victim: Victim) -> int:
    database = Database.open(victim.journal, readonly=True)
    try:
        return len(database.jobs(states=LIVE, limit=10_000))
    finally:
        database.close()


def _attempts(victim: Victim) -> tuple[Counter[str], int, int]:
    """Return how the tasks ended, the longest output that is kept of one, and how many jobs there are."""
    endings: Counter[str] = Counter()
    longest = 0
    database = Database.open(victim.journal, readonly=True)
    try:
        jobs = database.jobs(limit=100_000)
        for record in jobs:
            for attempt in database.attempts(record.job.id):
                endings[str(attempt.fields.get("gateway.job.ending"))] += 1
                longest = max(longest, len(str(attempt.fields.get("gateway.job.output", "")).encode()))
    finally:
        database.close()
    return endings, longest, len(jobs)


def main() -> int:
    """Read the command line and run."""
    return perform(battery, "rogue tasks", command_line("rogue_tasks", __doc__, ROUNDS).parse_args())


if __name__ == "__main__":
    sys.exit(main())
