"""Messages per CPU second of the receiving process, for the gateway and its peers: `make bench`.

CPU time is that of the receiver's processes and threads together, from /proc, taken before the sender starts and when
the receiver has found everything; the sender is a process of its own. Every figure is the median of five runs, each
with a fresh receiver, the receivers and rows taking turns so that a busy minute of the machine hits all of them. How
many messages a run takes is tried out first, so that it lasts about a second and a half of CPU time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench.expressions import expressions
from bench.generate import BLOCK, INTERESTING, LONGEST, SHORTEST
from bench.receivers import PROGRAMS, RECEIVERS, Task, available, cpu_seconds
from tests.end_to_end.certificates import Authority
from tests.end_to_end.programs import PROJECT, wait_until

EXPRESSIONS = (1, 30, 300, 1300)
TRANSPORTS = ("lines", "octets", "tls")
SECONDS = 1.5
"""CPU time that a run is to last: 150 times the clock tick that the kernel counts in."""
MOST_BLOCKS = 1000
"""Ten million messages, 1.5 GB."""
MOST_MATCHED = 50
"""Blocks of which every message matches: half a million; a rule's window holds a million."""
PATIENCE = 180.0
"""Seconds of a run; the slowest takes 10,000 messages at 2,000 a second."""


@dataclass(frozen=True, order=True)
class Row:
    """One line of the table."""

    title: str
    transport: str
    count: int
    share: float = INTERESTING


def rows(*, quick: bool) -> list[Row]:
    """Return the lines of the table in order."""
    titles = {"lines": "TCP, lines", "octets": "TCP, octet counting", "tls": "TLS, octet counting"}
    counts = (1, 300) if quick else EXPRESSIONS
    found = [Row(titles[transport], transport, count) for transport in TRANSPORTS for count in counts]
    return [*found, Row("TCP, lines, every message matches", "lines", 1, 1.0)]


@dataclass(frozen=True)
class Measured:
    """One run: messages, CPU seconds, and the wall-clock seconds until the receiver listened."""

    messages: int
    cpu: float
    start: float

    @property
    def rate(self) -> float:
        """Messages per CPU second."""
        return self.messages / max(self.cpu, 0.001)


class Bench:
    """Runs receivers in folders below one folder."""

    def __init__(self, folder: Path) -> None:
        """Make the certificates."""
        self._folder = folder
        self._numbers = itertools.count()
        self._authority = Authority(folder / "certificates")
        client = self._authority.issue("client.example.test")
        client.certificate.rename(folder / "certificates" / "client.pem")
        client.key.rename(folder / "certificates" / "client.key")

    def measure(self, receiver: str, row: Row, blocks: int) -> Measured:
        """Let a fresh receiver take so many blocks.

        Raises:
            AssertionError: it did not find everything in time.
        """
        matched = row.share == 1.0
        task = Task(row.transport, expressions(row.count), round(blocks * BLOCK * row.share), parse=matched)
        folder = self._folder / f"{receiver}-{next(self._numbers)}"
        with RECEIVERS[receiver](folder, task, self._authority) as running:
            pid = running.program.pid
            before = cpu_seconds(pid)
            argv = [sys.executable, "-m", "bench.send", str(running.port), str(blocks), "--share", str(row.share)]
            argv += ["--octet-counts"] if row.transport != "lines" else []
            argv += ["--tls", str(self._folder / "certificates")] if row.transport == "tls" else []
            with subprocess.Popen(argv, cwd=PROJECT) as sender:
                try:
                    running.program.wait_until(running.found_all, "everything to be found", seconds=PATIENCE)
                    cpu = cpu_seconds(pid) - before
                    wait_until(lambda: sender.poll() is not None, "the sender to end")
                finally:
                    sender.kill()
        return Measured(blocks * BLOCK, cpu, running.seconds_to_listen)

    def blocks_for(self, receiver: str, row: Row, seconds: float) -> tuple[int, Measured]:
        """Find out how many blocks make a run of so many CPU seconds; return the first run too."""
        most = MOST_MATCHED if row.share == 1.0 else MOST_BLOCKS
        blocks, first = 1, None
        while True:
            measured = self.measure(receiver, row, blocks)
            first = first or measured
            if measured.cpu >= min(0.2, seconds / 2) or blocks == most:
                return max(1, min(most, round(blocks * seconds / max(measured.cpu, 0.01)))), first
            blocks = min(most, blocks * 8)


def table(rates: dict[tuple[Row, str], list[float]], lines: list[Row], receivers: list[str]) -> str:
    """Render medians, each with half of the range of its runs."""
    head = f"{'':35}{'expressions':>12}" + "".join(f"{name:>20}" for name in receivers)
    text = [head]
    for row in lines:
        cells = [f"{row.title:35}{row.count:>12,}"]
        for name in receivers:
            values = rates.get((row, name))
            if not values:
                cells.append(f"{'-':>20}")
                continue
            middle = statistics.median(values)
            spread = f"±{(max(values) - min(values)) / 2 / middle:.0%}" if len(values) > 1 else ""
            cells.append(f"{round(middle, -3 if middle > 20_000 else -1):>14,.0f}{spread:>6}")
        text.append("".join(cells))
    return "\n".join(text)


def processor() -> str:
    """Return what the machine calls its processor."""
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> None:
    """Measure, saying on stderr what is under way, and print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description="Messages per CPU second of the receiving process.")
    parser.add_argument("--quick", action="store_true", help="two numbers of expressions, one short run each")
    parser.add_argument("--rounds", type=int, help="runs of which the median is taken (5; quick: 1)")
    parser.add_argument("--only", nargs="+", choices=list(RECEIVERS), metavar="NAME", help="measure only these")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single run there")
    arguments = parser.parse_args()
    receivers = [name for name in available() if name in (arguments.only or RECEIVERS)]
    for name in PROGRAMS.keys() - set(available()):
        print(f"{name} is not installed; tests/end_to_end/install_programs.sh does that", file=sys.stderr)
    lines, seconds = rows(quick=arguments.quick), 0.4 if arguments.quick else SECONDS
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    results: dict[tuple[Row, str], list[Measured]] = defaultdict(list)
    starts: dict[int, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder))
        blocks: dict[tuple[Row, str], int] = {}
        for row, name in itertools.product(lines, receivers):
            print(f"trying out: {name}, {row.title}, {row.count} expressions", file=sys.stderr)
            try:
                blocks[row, name], first = bench.blocks_for(name, row, seconds)
            except AssertionError as error:
                print(f"{name} is left out of this row: {error}", file=sys.stderr)
                continue
            if name == "gateway":
                starts[row.count].append(first.start)
        for number in range(rounds):
            for (row, name), amount in blocks.items():
                measured = bench.measure(name, row, amount)
                results[row, name].append(measured)
                told = f"{amount * BLOCK:,} messages, {measured.cpu:.2f} s, {measured.rate:,.0f}/s"
                print(f"{number + 1}/{rounds} {name}, {row.title}, {row.count}: {told}", file=sys.stderr)
                if name == "gateway":
                    starts[row.count].append(measured.start)
    rates = {key: [run.rate for run in runs] for key, runs in results.items()}
    print(
        f"\nMessages per CPU second, median of {rounds}; {SHORTEST} to {LONGEST} octets, {INTERESTING:.0%} interesting."
    )
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(table(rates, lines, receivers))
    for count, times in starts.items():
        cached = statistics.median(times[1:]) if times[1:] else times[0]
        print(f"gateway, {count:,} expressions: listens after {times[0]:.2f} s, {cached:.2f} s with the sieve cached")
    if arguments.json:
        raw = [
            {"row": vars(row), "receiver": name, "runs": list(map(vars, runs))} for (row, name), runs in results.items()
        ]
        arguments.json.write_text(json.dumps(raw, indent=1))


if __name__ == "__main__":
    main()
