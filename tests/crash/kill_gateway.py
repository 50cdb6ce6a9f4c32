"""Kill the gateway at random instants under acknowledged load: is everything that it acknowledged still there?

Half of the kills happen while real rsyslog sends (omrelp), half while scripted RELP clients do. All of them hit one
state folder, so that each life begins with what the one before has left. Every message matches a rule that keeps it;
some match one that starts a task, which writes its message's number to a file. With --bite the gateway acknowledges
before it commits, and the battery must notice: it then fails when nothing is lost.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.crash.harness import Report, Victim, appends, command_line, perform, what_ran
from tests.crash.kept import kept_messages
from tests.crash.omrelp import Feeder, Omrelp
from tests.crash.relp import ACTS, KEEPS, MESSAGE, WINDOW, Sender, Witness
from tests.end_to_end.gateway_process import Rule

ROUNDS = 200
LIVES = 0.4
"""Seconds under load after which a life ends at the latest; most of the instants of a commit lie in any millisecond."""
BITE = 0.3
"""Seconds that a life under --bite lasts longer, so that its clients are at full speed."""
SWITCH = 1e-4
"""Seconds between two turns of our own threads when it matters."""
IN_START = 0.1
"""The share of kills that are followed by another in the middle of the next start."""
START = 1.5
"""Seconds within which that other kill falls: about what a start takes."""
SENDERS = 3
RATE = 1500.0
"""Messages a second of each scripted client."""
RSYSLOG_RATE = 2000.0
ACT_EVERY = 50
DRAIN = 90.0
"""Seconds that everything left gets at the end."""


def rules(file: Path) -> list[Rule]:
    """Return a rule that keeps all messages, and one that starts a task for some."""
    acts = {**appends(file, "${message}"), "concurrency": 8}
    return [KEEPS, {"rule": "acts", "match": {"message": {"regex": ACTS}}, "do": acts}]


def battery(folder: Path, rounds: int, chance: random.Random, report: Report, *, bite: bool = False) -> None:
    """Run it."""
    ran = folder / "ran"
    victim = Victim(folder / "gateway", rules(ran), patch="acknowledge-early" if bite else None)
    scripted = rounds if bite else (rounds + 1) // 2
    acknowledged: set[tuple[bytes, int, bytes]] = set()
    problems: list[str] = []
    extra = 0
    with victim:
        extra += _under_scripted_clients(victim, scripted, chance, acknowledged, problems, report, bite=bite)
        if rounds > scripted:
            extra += _under_rsyslog(victim, folder, rounds - scripted, chance, acknowledged, problems, report)
        wanted = {(client, number) for client, number, kind in acknowledged if kind == b"act"}
        waited = time.monotonic()
        while not bite and wanted - _acted(ran).keys() and time.monotonic() - waited < DRAIN:
            time.sleep(0.2)
        victim.stop()
    report.note("kills more, in the middle of a start", extra)
    kept, damages = kept_messages(victim.journal)
    acted = _acted(ran)
    lost = {(client, number) for client, number, _ in acknowledged} - kept.keys()
    missed = wanted - acted.keys()
    report.note("acknowledged", len(acknowledged))
    report.note("kept more than once", sum(count - 1 for count in kept.values()))
    report.note("acknowledged that start a task", len(wanted))
    report.note("tasks run more than once for one message", sum(count > 1 for count in acted.values()))
    repeats = Counter(line.job for line in what_ran(ran))
    report.note("jobs run more than once", sum(count > 1 for count in repeats.values()))
    if bite:
        report.expect("acknowledged and lost", len(lost), "some, for this build acknowledges early", ok=bool(lost))
        return
    report.expect("acknowledged and lost", len(lost), "0", ok=not lost)
    report.expect("tasks that never ran", len(missed), "0", ok=not missed)
    report.expect("damages in the store", len(damages), "0", ok=not damages)
    report.expect("wrong answers", len(problems), "0", ok=not problems)
    for client, number in sorted(lost)[:5]:
        report.remark(f"lost: {client.decode()} {number}")
    for client, number in sorted(missed)[:5]:
        report.remark(f"never ran: {client.decode()} {number}")
    for problem in [*map(str, damages), *problems]:
        report.remark(problem)


def _acted(file: Path) -> Counter[tuple[bytes, int]]:
    """Count how often the task ran for each message."""
    found = (MESSAGE.search(line.words.encode()) for line in what_ran(file))
    return Counter((match[1], int(match[2])) for match in found if match)


def _kill(victim: Victim, chance: random.Random, acknowledged: Callable[[], int], *, bite: bool = False) -> int:
    """Kill it after a random time, and start it again; sometimes kill it in its start too. Tell whether.

    Half of the kills, and all under --bite, come right after an acknowledgement: that is when one that was given too
    early is on its way to the disk.
    """
    time.sleep(chance.uniform(0, LIVES) + (BITE if bite else 0.0))
    if bite or chance.random() < 0.5:
        sys.setswitchinterval(SWITCH)  # or the client's thread, which sees it first, would go on for 5 ms
        before, end = acknowledged(), time.monotonic() + LIVES
        while acknowledged() == before and time.monotonic() < end:
            time.sleep(0.0001)
    victim.kill_now()
    victim.start()
    if chance.random() >= IN_START:
        return 0
    time.sleep(chance.uniform(0, START))
    victim.kill_now()
    victim.start()
    return 1


def _under_scripted_clients(
    victim: Victim,
    rounds: int,
    chance: random.Random,
    acknowledged: set[tuple[bytes, int, bytes]],
    problems: list[str],
    report: Report,
    *,
    bite: bool,
) -> int:
    senders = [
        Sender(
            victim.relp,
            f"c{n}",
            rate=RATE * (20 if bite else 1),
            window=WINDOW * (4 if bite else 1),
            act_every=ACT_EVERY,
            filler=4000 if bite else 200,  # what takes its time to be written is lost more surely
            seed=n,
        )
        for n in range(SENDERS)
    ]
    for sender in senders:
        sender.start()

    def so_far() -> int:
        return sum(sender.acknowledged for sender in senders)

    extra = 0
    for _ in range(rounds):
        before = so_far()
        victim.wait_until(lambda: so_far() > before, "an acknowledgement", seconds=60)  # noqa: B023 -- used at once
        extra += _kill(victim, chance, so_far, bite=bite)
    finished = [sender.finish() for sender in senders]
    for sender in senders:
        acknowledged.update(
            (sender.name.encode(), number, b"keep" if number % ACT_EVERY else b"act")
            for number in range(1, sender.acknowledged + 1)
        )
        problems += sender.problems
    report.note("kills under scripted clients", rounds)
    report.note("... acknowledged", so_far())
    report.note("... sent again by the clients", sum(sender.repeated for sender in senders))
    report.note("... slowest answer on a connection that stayed, s", max(sender.slowest for sender in senders))
    if not bite:
        done = all(finished)
        report.expect("... all that was sent was acknowledged in the end", done, "yes", ok=done)
    return extra


def _under_rsyslog(
    victim: Victim,
    folder: Path,
    rounds: int,
    chance: random.Random,
    acknowledged: set[tuple[bytes, int, bytes]],
    problems: list[str],
    report: Report,
) -> int:
    witness = Witness(victim.relp)
    witness.start()
    extra = 0
    with Omrelp(folder / "rsyslog", witness.port) as client:
        feeder = Feeder(client, "r0", rate=RSYSLOG_RATE, act_every=ACT_EVERY)
        feeder.start()
        for _ in range(rounds):
            before = witness.answers
            victim.wait_until(lambda: witness.answers > before, "an acknowledgement", seconds=60)  # noqa: B023 -- used at once
            extra += _kill(victim, chance, lambda: witness.answers)
        # omrelp notices only when it has something to send that its connection is gone
        before = witness.answers
        victim.wait_until(lambda: witness.answers > before, "an acknowledgement", seconds=60)
        written = feeder.stop()
        waited = time.monotonic()
        while len(witness.acknowledged) < written and time.monotonic() - waited < DRAIN:
            time.sleep(0.1)
    witness.close()
    acknowledged |= witness.acknowledged
    problems += [f"rsyslog was answered {answer!r}" for answer in witness.refused]
    report.note("kills under rsyslog's omrelp", rounds)
    report.note("... acknowledged", len(witness.acknowledged))
    report.note("... acknowledged again", witness.answers - len(witness.acknowledged))
    unsent = written - len(witness.acknowledged)
    report.expect("... lines of its file that were never acknowledged", unsent, "0", ok=not unsent)
    return extra


def main() -> int:
    """Read the command line and run."""
    parser = command_line("kill_gateway", __doc__, ROUNDS)
    parser.add_argument("--bite", action="store_true", help="against a gateway that acknowledges before it commits")
    options = parser.parse_args()
    title = "kill -9 of a gateway that acknowledges too early" if options.bite else "kill -9 of the gateway"
    return perform(lambda *rest: battery(*rest, bite=options.bite), title, options)


if __name__ == "__main__":
    sys.exit(main())
