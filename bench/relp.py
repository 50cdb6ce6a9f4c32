"""Acknowledged messages per CPU second of the receiver: 50 RELP senders, a window of 128; beside rsyslog's imrelp.

Run it as `python -m bench.relp`. In one row every message is kept: the gateway's rule wants it, so that it is committed
to the journal before it is acknowledged, and rsyslog writes it to a file, which it does not wait for. In the other no
message matches anything. CPU time is that of the receiver's processes and threads together, from /proc; the senders are
a process of their own. Each figure is the median of runs that take turns, each with a fresh receiver.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench.generate import LONGEST, SHORTEST
from bench.receivers import Receiver, cpu_seconds
from bench.run import processor
from gateway.jobs.database import Database
from tests.end_to_end.gateway_process import LOOPBACK, GatewayProcess
from tests.end_to_end.programs import PROJECT, Program, find, free_port

SENDERS, WINDOW = 50, 128
EXPRESSION = "Failed [-/[:alnum:]]+ for"
"""What finds every interesting message, in words that Hyperscan, POSIX and PCRE take alike."""
NOTHING = "Failed [-/[:alnum:]]+ against"
"""What finds none of any."""
GOALS = {"kept": 40_000, "unmatched": 300_000}
MESSAGES = {"gateway": {"kept": 4_000, "unmatched": 40_000}, "rsyslog imrelp": {"kept": 8_000, "unmatched": 8_000}}
"""Of each sender: two or three CPU seconds."""
ROUNDS = 5
PATIENCE = 300.0


class RelpGateway(Receiver):
    """The gateway with one rule that counts what it finds."""

    def __init__(self, folder: Path, row: str) -> None:
        """Write the configuration."""
        expression = (EXPRESSION if row == "kept" else NOTHING).replace("[:alnum:]", "A-Za-z0-9")
        rule = {
            "rule": "kept",
            "match": {"message": {"regex": expression}},
            "when": {"count": 1_000_000, "within": "1h", "by": []},
            "do": None,
        }
        self.program = self._gateway = GatewayProcess(
            folder, {"relp": {"relp": "127.0.0.1:0", "trusted": LOOPBACK}}, [rule]
        )

    def wait_until_listening(self) -> None:
        """Wait for its log to name the port."""
        self._gateway.wait_until_listening(seconds=60)
        self.port = self._gateway.port("relp")

    def settle(self) -> None:
        """Wait for the runner, which loads its tasks at the same time, and for the look at the whole journal."""
        self._gateway.wait_until_settled()

    def found_all(self) -> bool:
        """All that is acknowledged is in the journal."""
        return True

    def kept(self) -> int:
        """Count what is in the journal, once it has ended."""
        database = Database.open(self._gateway.folder / "state" / "journal", readonly=True)
        try:
            return database.next_number - 1
        finally:
            database.close()


class Imrelp(Receiver):
    """rsyslogd with imrelp, which acknowledges when a message is in its queue in memory."""

    def __init__(self, folder: Path, row: str) -> None:
        """Write the configuration."""
        folder.mkdir(parents=True)
        self.port = free_port()
        self._found = folder / "found.log"
        expression = EXPRESSION if row == "kept" else NOTHING
        (folder / "rsyslog.conf").write_text(
            f'global(workDirectory="{folder}")\n'
            'module(load="imrelp")\n'
            'ruleset(name="bench") {\n'
            f'  if re_match($msg, \'{expression}\') then {{ action(type="omfile" file="{self._found}") }}\n}}\n'
            f'input(type="imrelp" address="127.0.0.1" port="{self.port}" ruleset="bench")\n'
        )
        argv = [str(find("rsyslogd")), "-n", "-f", "rsyslog.conf", "-i", str(folder / "pid")]
        self.program = Program(argv, folder, name="rsyslogd")
        self.wanted = 0

    def wait_until_listening(self) -> None:
        """Wait until it says that it runs; its listener is up soon after."""
        self.program.wait_until((self.program.folder / "pid").exists, "its pid file")
        time.sleep(0.5)

    def found_all(self) -> bool:
        """Whether its file has a line for each message."""
        return self.kept() >= self.wanted

    def kept(self) -> int:
        """Count the lines of its file."""
        if not self._found.exists():
            return 0
        with self._found.open("rb") as file:
            return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


RECEIVERS: dict[str, type[RelpGateway | Imrelp]] = {"gateway": RelpGateway, "rsyslog imrelp": Imrelp}


def measure(folder: Path, name: str, row: str, messages: int) -> tuple[float, float]:
    """Return messages per CPU second and per second of one run.

    Raises:
        AssertionError: not everything was kept.
    """
    total = messages * SENDERS
    wanted = total if row == "kept" else 0
    receiver = RECEIVERS[name](folder, row)
    if isinstance(receiver, Imrelp):
        receiver.wanted = wanted
    share = 1.0 if row == "kept" else 0.01
    with receiver:
        argv = [sys.executable, "-m", "bench.send_relp", str(receiver.port), str(messages)]
        argv += ["--connections", str(SENDERS), "--window", str(WINDOW), "--share", str(share)]
        pid = receiver.program.pid
        before, begun = cpu_seconds(pid), time.monotonic()
        subprocess.run(argv, cwd=PROJECT, timeout=PATIENCE, check=True)
        receiver.program.wait_until(receiver.found_all, "everything to be found", seconds=PATIENCE)
        seconds, cpu = time.monotonic() - begun, cpu_seconds(pid) - before
        receiver.program.stop()
    kept = receiver.kept()
    assert kept == wanted, f"{name}: {kept:,} of {wanted:,} messages were kept"
    shutil.rmtree(folder)
    return total / max(cpu, 0.01), total / seconds


def main() -> int:
    """Measure, print the table, and exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.relp", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"runs of which the median is taken ({ROUNDS})")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of messages")
    arguments = parser.parse_args()
    names = [name for name in RECEIVERS if name == "gateway" or find("rsyslogd")]
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    walls: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench-relp-") as folder:
        for number in range(arguments.rounds):
            for row in GOALS:
                for name in names:
                    messages = max(100, round(MESSAGES[name][row] * arguments.share))
                    rate, wall = measure(Path(folder) / f"{row}-{number}-{name.split()[0]}", name, row, messages)
                    rates[row, name].append(rate)
                    walls[row, name].append(wall)
                    print(
                        f"{number + 1}/{arguments.rounds} {row}, {name}: {rate:,.0f}/CPU s, {wall:,.0f}/s",
                        file=sys.stderr,
                    )
    print(f"\nAcknowledged messages per CPU second of the receiver, median of {arguments.rounds}, and per second;")
    print(f"{SENDERS} RELP senders, window {WINDOW}, {SHORTEST} to {LONGEST} octets")
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(f"{'':12}" + "".join(f"{name:>28}" for name in names) + f"{'goal':>12}")
    passed = True
    for row, goal in GOALS.items():
        cells = []
        for name in names:
            middle = statistics.median(rates[row, name])
            cells.append(f"{middle:,.0f} ({statistics.median(walls[row, name]):,.0f}/s)")
            passed &= name != "gateway" or middle >= goal
        print(f"{row:12}" + "".join(f"{cell:>28}" for cell in cells) + f"{goal:>12,}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
