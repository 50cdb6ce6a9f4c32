"""Seconds from a message's last octet to the start of its task: idle, and beside 100,000 unmatched messages a second.

Run it as `python -m bench.latency`. The task is date(1), whose output the gateway keeps with the attempt: the time at
which it ran, a millisecond or so after it was executed, which counts against us. The other end is the time right before
the write of the whole message. Messages come at random times, by RELP and by plain TCP in turn.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.generate import block, by_lines
from bench.run import processor
from bench.send_relp import OFFERS
from gateway import clock
from gateway.jobs.database import Database
from tests.end_to_end.gateway_process import LOOPBACK, GatewayProcess
from tests.end_to_end.programs import PROJECT

MESSAGES = 500
PAUSES = (0.005, 0.045)
"""Seconds between two messages."""
NOISE = 100_000
"""Unmatched messages a second."""
SLICE = 0.01
"""Seconds between two writes of the noise."""
SETTLE = 1.0
GOALS = {"idle": (0.5, 0.005), "busy": (0.99, 0.05)}


class Answers(threading.Thread):
    """Reads and drops what a connection answers."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(daemon=True)
        self._connection = connection

    def run(self) -> None:
        """Read."""
        try:
            while self._connection.recv(1 << 16):
                pass
        except OSError:
            pass


def make_noise(port: int, rate: int, seconds: float) -> None:
    """Write unmatched messages at a steady rate, and say how many a second it came to."""
    messages = block(share=0.01)
    size = round(rate * SLICE)
    slices = [by_lines(messages[start : start + size]) for start in range(0, len(messages) - size + 1, size)]
    connection = socket.create_connection(("127.0.0.1", port))
    begun = time.monotonic()
    sent = 0
    while (now := time.monotonic() - begun) < seconds:
        while sent * SLICE <= now:
            connection.sendall(slices[sent % len(slices)])
            sent += 1
        time.sleep(SLICE / 4)
    connection.close()
    print(round(sent * size / (time.monotonic() - begun)))


class Measured:
    """A gateway whose rule runs date(1) for some messages."""

    def __init__(self, folder: Path) -> None:
        rule = {
            "rule": "latency",
            "match": {"message": {"regex": r"^latency [a-z]+ \d+$"}},
            "do": {"run": ["/bin/date", "+%s.%N"]},
        }
        sources = {name: {name: "127.0.0.1:0", "trusted": LOOPBACK} for name in ("relp", "tcp")}
        sources["noise"] = {"tcp": "127.0.0.1:0", "trusted": LOOPBACK}
        self.gateway = GatewayProcess(folder, sources, [rule])
        self.sent: dict[str, float] = {}

    def send(self, row: str, messages: int, chance: random.Random) -> None:
        """Send messages at random times."""
        relp = socket.create_connection(("127.0.0.1", self.gateway.port("relp")))
        tcp = socket.create_connection(("127.0.0.1", self.gateway.port("tcp")))
        relp.sendall(b"1 open %d %s\n" % (len(OFFERS), OFFERS))
        for connection in (relp, tcp):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Answers(connection).start()
        time.sleep(SETTLE)
        for number in range(messages):
            text = f"latency {row} {number}"
            octets = f"<14>1 - bench bench - - - {text}".encode()
            if number % 2:
                octets, connection = octets + b"\n", tcp
            else:
                octets, connection = b"%d syslog %d %s\n" % (number // 2 + 2, len(octets), octets), relp
            self.sent[text] = clock.now()
            connection.sendall(octets)
            time.sleep(chance.uniform(*PAUSES))
        time.sleep(SETTLE)
        relp.close()
        tcp.close()

    def times(self) -> dict[str, list[float]]:
        """Return the seconds to the start of each task by row, once the gateway has ended.

        Raises:
            AssertionError: a task was not run, or not once.
        """
        found: dict[str, list[float]] = {"idle": [], "busy": []}
        started: dict[str, float] = {}
        database = Database.open(self.gateway.folder / "state" / "journal", readonly=True)
        try:
            for record in database.jobs(rule="latency", limit=1_000_000):
                attempts = database.attempts(record.job.id)
                text = str(record.job.event["message"])
                assert len(attempts) == 1, f"{text}: {len(attempts)} attempts"
                started[text] = float(str(attempts[0].fields["gateway.job.output"]))
        finally:
            database.close()
        for text, sent in self.sent.items():
            assert text in started, f"{text}: its task was not run"
            found[text.split()[1]].append(started[text] - sent)
        return found


def main() -> int:
    """Measure, print, and exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=MESSAGES, help=f"of each row ({MESSAGES})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--noise", nargs=3, type=float, help=argparse.SUPPRESS, metavar=("PORT", "RATE", "SECONDS"))
    arguments = parser.parse_args()
    if arguments.noise:
        make_noise(int(arguments.noise[0]), int(arguments.noise[1]), arguments.noise[2])
        return 0
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="bench-latency-") as folder:
        measured = Measured(Path(folder) / "gateway")
        with measured.gateway as gateway:
            measured.send("idle", arguments.messages, chance)
            seconds = arguments.messages * sum(PAUSES) / 2 + 2 * SETTLE
            argv = [
                sys.executable,
                "-m",
                "bench.latency",
                "--noise",
                str(gateway.port("noise")),
                str(NOISE),
                str(seconds),
            ]
            with subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as noise:
                measured.send("busy", arguments.messages, chance)
                reached = int(noise.communicate(timeout=60)[0])
            gateway.stop()
        times = measured.times()
    print(f"Seconds from a message's last octet to its task's start, {arguments.messages} messages")
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    passed = True
    for row, (share, goal) in GOALS.items():
        ordered = sorted(times[row])
        shown = "  ".join(f"p{100 * q:g} {1000 * _at(ordered, q):.2f} ms" for q in (0.5, 0.9, 0.99, 1.0))
        met = _at(ordered, share) <= goal
        passed &= met
        beside = f", beside {reached:,} unmatched messages a second" if row == "busy" else ""
        print(f"{row:5} {shown}   goal: p{100 * share:g} {1000 * goal:g} ms, {'ok' if met else 'MISSED'}{beside}")
    return 0 if passed else 1


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    sys.exit(main())
