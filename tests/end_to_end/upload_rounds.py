"""Every client, with every version of TLS it has, uploads file after file: how many of how many came to be events?

`python -m tests.end_to_end.upload_rounds` prints the table.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.end_to_end.certificates import Authority
from tests.end_to_end.drop_box import DropBox, sha256
from tests.end_to_end.upload_clients import ways

ROUNDS = 20
SIZES = (0, 1, 1000, 65_536, 300_000, 3_000_000)
"""Octets; 300,000 is where clients lose their tail to a server that sends TLS 1.3 tickets."""


def main() -> int:
    """Run, and return the exit status: 0 when all uploads came."""
    parser = argparse.ArgumentParser(prog="python -m tests.end_to_end.upload_rounds", description=(__doc__ or "")[:78])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"uploads for each (default: {ROUNDS})")
    rounds = parser.parse_args().rounds
    complete = True
    with tempfile.TemporaryDirectory(prefix="uploads-") as temporary:
        folder = Path(temporary)
        with DropBox(folder / "gateway", Authority(folder / "authority"), {"web": {}}) as box:
            server = box.server("web")
            sys.stdout.write(f"{'client':18} {'TLS':4} {'uploaded':>10} {'events':>10} {'s each':>8}\n")
            for number, ((client, tls), way) in enumerate(ways().items()):
                sent = _files(folder / str(number), f"{number}", rounds)
                begun = time.monotonic()
                try:
                    accepted = sum(way(server, file) for file in sent)
                except pytest.skip.Exception as reason:
                    sys.stdout.write(f"{client:18} {tls:4} not run: {reason}\n")
                    continue
                took = (time.monotonic() - begun) / rounds
                events = _whole(box, sent)
                complete &= accepted == events == rounds
                sys.stdout.write(
                    f"{client:18} {tls:4} {f'{accepted} of {rounds}':>10} {f'{events} of {rounds}':>10} {took:8.2f}\n"
                )
    return 0 if complete else 1


def _files(folder: Path, prefix: str, count: int) -> list[Path]:
    folder.mkdir()
    files = [folder / f"{prefix}-{number}.bin" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(random.Random(file.name).randbytes(SIZES[number % len(SIZES)]))
    return files


def _whole(box: DropBox, sent: list[Path]) -> int:
    """Count the files that are there as they were sent, with exactly one event that says so."""
    visible, events = box.files.visible("web"), box.files.uploads_by_name()
    count = 0
    for file in sent:
        content = file.read_bytes()
        there = file.name in visible and visible[file.name].read_bytes() == content
        count += there and [event["file.hash.sha256"] for event in events.get(file.name, ())] == [sha256(content)]
    return count


if __name__ == "__main__":
    sys.exit(main())
