"""Lines per CPU second of `gateway backtest` with the library's rules: `make backtest`.

Two logs: one of which 1% of the lines interest a rule, and the log of `make bench`, of which every sixth line does, for
the library also has rules about sudo, public keys, units of systemd and connections that are closed before a login.
Each also packed. CPU time is that of the whole process with its start, which loads the rules and compiles the sieve,
and is told apart.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import zstandard

from bench.generate import BLOCK, FAILED_LOGIN, INTERESTING, NOISE, by_lines, message
from bench.run import processor
from gateway.config import telling_library
from tests.end_to_end.programs import PROJECT

WANTED = ("Accepted publickey", "Connection closed", "TTY=", "Started ")
"""What stands in the shapes that rules of the library want to look at."""

QUIET = tuple(shape for shape in NOISE if not any(words in shape[2] for words in WANTED))

LOGS = {"1% interesting": QUIET, "the log of make bench": NOISE}

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda text: text,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
}


def blocks(shapes: tuple[tuple[int, str, str], ...], count: int, seed: int = 20_240_229) -> Iterator[bytes]:
    """Yield the same block again and again, without PRI as it stands in files, each a day later.

    Args:
        shapes: of the lines that are not failed logins.
        count: how many blocks.
        seed: what makes it the same every time.
    """
    random = Random(seed)
    texts = (
        message(random, number, FAILED_LOGIN if random.random() < INTERESTING else random.choice(shapes))
        for number in range(BLOCK)
    )
    text = by_lines(text.partition(b">")[2] for text in texts)
    for day in range(count):
        yield text.replace(b"Nov 10 09:", b"%s %2d 09:" % (b"Nov" if day // 28 % 2 == 0 else b"Dec", day % 28 + 1))


def measure(log: Path) -> tuple[float, int, int]:
    """Run a backtest; return its CPU seconds, the lines, and how many the sieve let through."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [sys.executable, "-m", "gateway", "backtest", str(log), "--json", "--zone", "UTC", "--year", "2025"]
    argv += ["--rules", *(str(PROJECT / "rules" / "library" / f"{name}.yaml") for name in telling_library())]
    found = subprocess.run(argv, cwd=PROJECT, stdout=subprocess.PIPE, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    totals = json.loads(found.stdout.splitlines()[-1])["totals"]
    return cpu, totals["lines"], totals["candidates"]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="make backtest", description="Lines per CPU second of a backtest.")
    parser.add_argument("--blocks", type=int, default=500, help=f"of {BLOCK:,} lines (500)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which the median is taken (3)")
    arguments = parser.parse_args()
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}; median of {arguments.rounds}\n")
    print(f"{'':28}{'lines':>12}{'candidates':>12}{'lines/CPU s':>14}{'without start':>16}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for title, shapes in LOGS.items():
            empty = Path(folder, "empty.log")
            empty.write_bytes(b"Nov  1 09:00:00 host app: nothing\n")
            start = statistics.median(measure(empty)[0] for _ in range(arguments.rounds))
            for suffix, pack in PACKED.items():
                log = Path(folder, f"{len(title)}.log{suffix}")
                with log.open("wb") as file:
                    for block in blocks(shapes, arguments.blocks):
                        file.write(pack(block))
                runs = [measure(log) for _ in range(arguments.rounds)]
                cpu, lines, candidates = statistics.median(run[0] for run in runs), *runs[0][1:]
                rates = f"{lines / cpu:>14,.0f}{lines / (cpu - start):>16,.0f}"
                print(f"{title + suffix:28}{lines:>12,}{candidates:>12,}{rates}", flush=True)
                log.unlink()


if __name__ == "__main__":
    main()
