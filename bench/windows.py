"""CPU time of an event in each kind of window, and memory, with a thousand to a million keys in one rule.

Run it as `python -m bench.windows`; it takes some minutes. Each figure is of a process of its own, which first shows
the window one event of each key, and then events of keys by chance; waits end when their time has come. Messages have
150 octets each, and no two are the same. Making the events is not counted.

The figure to hold: a million keys of a rule that counts to five, each with four events, in less than 1 GB.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from bench.run import processor
from parsers.event import Event
from parsers.message import Message, Origin, Trust
from rules.condition import AllOf
from rules.correlate import window_of
from rules.when import Absent, Count, Digest, Distinct, Every, Sequence, Settled, Stage, When
from rules.windows.window import Key, Sighting, Window

SIZES = (1_000, 10_000, 100_000, 1_000_000)
MORE = 200_000
"""Events of keys by chance."""
CHUNK = 2_000
"""Events that are made at a time: few, so that the garbage collector has only the window to look through."""
TICK = 0.001
"""Seconds between two events."""
MAX_RSS = 1024**3
ORIGIN = Origin("main", Trust.LOCAL)
STAMP = datetime.fromtimestamp(0, UTC)
FILLING = b"Failed password for invalid user admin from somewhere port 40000 ssh2".ljust(120, b".")


def whens(keys: int) -> dict[str, When]:
    """Return a condition of each kind; a key is heard of about five times before its time is over."""
    by, within, stages = ("source.ip",), 5 * keys * TICK, (Stage(AllOf(())),) * 3
    return {
        "count": Count(5, within, by, keys),
        "distinct": Distinct("user.name", 5, within, by, keys),
        "all": Every(stages, within, by, keys),
        "sequence": Sequence(stages, within, by, None, keys),
        "absent": Absent(stages[0], within, by, keys),
        "silence": Absent(None, within, by, keys),
        "digest": Digest(within, by, 100, (), unique=True, max_keys=keys),
        "settled": Settled(within, by, (), None, keys),
        "files": Settled(within / 5, by, ("*.0", "*.1"), within, keys),
    }


def sightings(stages: int, numbers: Iterator[int], now: float) -> Iterator[tuple[Key, Sighting, float]]:
    """Yield events of keys by their numbers."""
    for number in numbers:
        now += TICK
        address = f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}"
        frame = b"<38>sshd[%d]: " % random.randrange(10**9) + FILLING
        stage = random.randrange(max(stages, 2))
        fields = {"user.name": f"user{random.randrange(100)}", "file.name": f"x.{stage}", "message": frame.decode()}
        event = Event({"source.ip": address, **fields}, STAMP, Message(frame, ORIGIN, now))
        yield (address,), Sighting(event, event.fields, (stage % stages,)), now


def show(window: Window, events: list[tuple[Key, Sighting, float]]) -> None:
    """Show events, and end what is due."""
    for key, seen, now in events:
        due = window.next_due()
        if due is not None and due <= now:
            for time_, one in list(window.dues(now)):
                window.end(one, time_)
        window.take(key, seen, now)


def measure(kind: str, keys: int, times: int) -> dict[str, float]:
    """Return nanoseconds an event, and octets of memory of the process and of a key."""
    random.seed(1)
    when = whens(keys)[kind]
    stages = {"all": 3, "sequence": 3, "absent": 2}.get(kind, 1)
    window = window_of(when)
    empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    numbers = (number for _ in range(times) for number in range(keys))
    spent = {"first": 0.0, "more": 0.0}
    now, counts = 1_000.0, {"first": times * keys, "more": MORE}
    for phase, count in counts.items():
        if phase == "more":
            numbers = (random.randrange(keys) for _ in range(count))
        for begin in range(0, count, CHUNK):
            size = min(CHUNK, count - begin)
            events = list(sightings(stages, (next(numbers) for _ in range(size)), now))
            now += size * TICK
            started = time.process_time()
            show(window, events)
            spent[phase] += time.process_time() - started
            del events
        if phase == "first":
            held, rss = len(window), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "first": spent["first"] / counts["first"] * 1e9,
        "more": spent["more"] / counts["more"] * 1e9,
        "rss": rss,
        "held": held,
        "each": (rss - empty) / held if held else 0.0,
    }


def apart(kind: str, keys: int, times: int = 1) -> dict[str, float]:
    """Measure in a process of its own."""
    asked = ("--kind", kind, "--keys", str(keys), "--times", str(times))
    command = [sys.executable, "-m", "bench.windows", *asked]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--keys", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.kind:
        print(json.dumps(measure(given.kind, given.keys, given.times)))
        return
    print(f"{processor()}, Python {platform.python_version()}")
    print(
        "ns of CPU an event (first of its key / further)" + "".join(f"{size:>16,}" for size in SIZES) + "  octets a key"
    )
    for kind in whens(1):
        found = [apart(kind, size) for size in SIZES]
        row = "".join(f"{one['first']:>8.0f} /{one['more']:>6.0f}" for one in found)
        print(f"{kind:<47}{row}{found[-1]['each']:>14,.0f}")
    full = apart("count", SIZES[-1], 4)
    verdict = "held" if full["held"] == SIZES[-1] and full["rss"] < MAX_RSS else "MISSED"
    print(
        f"count: 5 with {full['held']:,.0f} keys of 4 events each: {full['rss'] / 1024**2:,.0f} MB of memory"
        f" in the whole process, {full['first']:.0f} ns an event: {verdict}"
    )


if __name__ == "__main__":
    main()
