"""A million malformed frames over loopback TCP, in every framing: no traceback in the log, no growth of memory.

`python -m bench.malformed [--frames N] [--seed N]` starts a gateway of its own, sends, and prints what became of it.
Ends with 1 when the log holds a traceback, when a listener stopped answering or when memory grew without bound.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

FRAMINGS = "auto", "octet", "lines", "nul", "lines-or-nul"
FRAMES = 1_000_000
PER_CONNECTION = 2_000
"""Frames on one connection; many connections end sooner, for the gateway refuses their stream."""
GROWTH = 64
"""MiB that the gateway may have grown: buffers of the allocator, not of ours."""
PATIENCE = 60.0

Make = Callable[[random.Random], bytes]


def _line(random_: random.Random, text: bytes) -> bytes:
    return text + random_.choice((b"\n", b"\0", b"\r\n"))


def _counted(text: bytes, off_by: int = 0) -> bytes:
    return b"%d %s" % (max(0, len(text) + off_by), text)


def bad_priority(random_: random.Random) -> bytes:
    """Make a frame whose PRI is none."""
    priority = random_.choice((b"<>", b"<-1>", b"<192>", b"<99999999>", b"<1", b"<a>", b"<13>>", b"<013>"))
    return priority + b"1 2026-13-45T99:99:99Z \xff\xfe - - - ["


def invalid_text(random_: random.Random) -> bytes:
    """Make a frame that is no UTF-8 and is full of control characters."""
    return b"<13>sshd[1]: " + random_.randbytes(40).replace(b"\n", b"\x1b").replace(b"\0", b"\x07")


def broken_data(random_: random.Random) -> bytes:
    """Make an RFC 5424 frame whose structured data never end."""
    return b"<34>1 2026-01-02T03:04:05.6Z h a 1 m [id " + b'k="v\\' * random_.randrange(1, 30)


def control_characters(random_: random.Random) -> bytes:
    """Make a frame that would move the cursor of whoever reads it."""
    return b"<34>Oct 11 22:14:15 \x1b]0;x\x07 sshd[\x1b[2J]: Failed password for \xe2\x80\xae" + bytes(
        [random_.randrange(0x80, 0xA0)]
    )


def nothing(_: random.Random) -> bytes:
    """Make an empty frame."""
    return b""


MAKERS: tuple[Make, ...] = (bad_priority, invalid_text, broken_data, control_characters, nothing)
ENDS_STREAM: tuple[bytes, ...] = (
    b"99999999999 x",
    b"9999999 half a frame",
    b"0 ",
    b"007 bond",
    b"-5 x",
    b"12x",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\n\r\n",
)


def stream(random_: random.Random, framing: str, frames: int) -> tuple[bytes, int]:
    """Make the octets of one connection; returns them and how many frames they are meant to be."""
    counted = framing == "octet" or (framing == "auto" and random_.random() < 0.5)
    parts: list[bytes] = []
    for _ in range(frames):
        text = random_.choice(MAKERS)(random_)
        if random_.random() < 0.0005:
            text *= 4_000  # over any limit
        parts.append(_counted(text) if counted and text else _line(random_, text))
    if counted and random_.random() < 0.5:  # a count that is wrong: the rest is taken apart at the wrong places
        parts.insert(random_.randrange(len(parts)), _counted(b"<13>off", random_.choice((-3, 1, 5))))
    if random_.random() < 0.5:
        parts.append(random_.choice(ENDS_STREAM))
    return b"".join(parts), len(parts)


def send(port: int, data: bytes) -> None:
    """Send in pieces of any size; the gateway may close the connection at any time."""
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 10) as connection:
        view = memoryview(data)
        while view:
            view = view[connection.send(view[:65_536]) :]
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB (proc(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def _wait_for(log: Path, words: str) -> str:
    end = time.monotonic() + PATIENCE
    while words not in (text := log.read_text("utf-8", "replace")):
        if time.monotonic() > end:
            raise SystemExit(f"the gateway never said {words!r}:\n{text}")
        time.sleep(0.05)
    return text


def measure(folder: Path, frames: int, seed: int) -> int:
    """Run it; returns the exit status."""
    config, log = folder / "gateway.yaml", folder / "log"
    sources = {name: {"tcp": "127.0.0.1:0", "framing": name, "max_frame": "8KiB"} for name in FRAMINGS}
    # Matches every message, so that each is parsed and matched; it starts nothing.
    (folder / "rules.yaml").write_text('- {rule: all, match: {message: {regex: "[^a]|a|^$"}}}\n')
    config.write_text(json.dumps({"sources": sources, "rules": ["rules.yaml"], "library": ["ssh"]}))
    twistd = Path(sys.executable).with_name("twistd")
    with log.open("w") as output:
        argv = [sys.executable, str(twistd), "-n", "--pidfile=", "gateway", "--config", str(config)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        gateway = subprocess.Popen(argv, stdout=output, stderr=output, env=environment)
    try:
        text = _wait_for(log, "the runner is process")
        ports = {name: int(re.search(rf" {name}: listening on \S+:(\d+)", text)[1]) for name in FRAMINGS}  # type: ignore[index]
        random_ = random.Random(seed)
        for name in FRAMINGS:  # warm up: what is allocated once is no growth
            send(ports[name], stream(random_, name, PER_CONNECTION)[0])
        before, begun = resident(gateway.pid), time.monotonic()
        sent = connections = octets = 0
        while sent < frames:
            name = FRAMINGS[connections % len(FRAMINGS)]
            data, count = stream(random_, name, min(PER_CONNECTION, frames - sent))
            send(ports[name], data)
            sent, connections, octets = sent + count, connections + 1, octets + len(data)
        seconds, after = time.monotonic() - begun, resident(gateway.pid)
        for name in FRAMINGS:
            send(ports[name], b"6 <13>ok" if name == "octet" else b"<13>ok\n")
        alive = gateway.poll() is None
        gateway.send_signal(signal.SIGTERM)
        gateway.wait(PATIENCE)
    finally:
        if gateway.poll() is None:
            gateway.kill()
            gateway.wait()
    text = log.read_text("utf-8")
    tracebacks = text.count("Traceback") + text.count("critical:")
    raw = sum(not character.isprintable() for character in text if character not in "\n\t")
    print(f"{sent:,} frames on {connections:,} connections, {octets / 1e6:.0f} MB, {seconds:.1f} s")
    print(f"resident memory: {before:.1f} MiB before, {after:.1f} MiB after")
    print(f"log: {text.count(chr(10)):,} lines, {tracebacks} tracebacks or bugs, {raw} unprintable characters")
    for total in re.findall(r"\S+: \d+ messages? in \d+ octets? since the start", text):
        print(f"  {total}")
    return int(bool(tracebacks or raw or not alive or after - before > GROWTH))


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        return measure(Path(folder), options.frames, options.seed)


if __name__ == "__main__":
    sys.exit(main())
