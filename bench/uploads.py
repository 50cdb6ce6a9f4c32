"""Uploads into the gateway: one big file beside vsftpd and OpenSSH, and 200 clients with 1,000 files each.

Run it as `make uploads`, as root. Files are sent to the gateway and to the other server in turns, and the medians are
compared; a rate is from the first command of the upload to its last reply (SFTP: of the whole program sftp). CPU time
is that of all processes of a server, from /proc. The gateway hashes each file, brings it to disk and commits its event
before it replies; the others do none of that. How fast the disk is alone is measured in between.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.run import processor
from bench.send_file import PIECE, Sent, by_ftp, by_sftp
from bench.upload_servers import GatewayDrop, Sshd, UploadServer, Vsftpd
from tests.end_to_end.drop_box import DropFiles
from tests.end_to_end.programs import PROJECT, find

ROUNDS = 5
MIB = 1024 * 1024
FLAT = 64
"""MiB by which the gateway's memory may grow for a file of any size: most of it is what is on its way to the disk."""

Upload = Callable[[UploadServer, str], Sent]


@dataclass(frozen=True)
class Row:
    """One line of the table: a protocol with settings, the other server, and the part of its speed that is wanted."""

    title: str
    peer: str
    goal: float
    upload: Upload


class Memory:
    """The memory of a process, in octets: resident before, at the most, and after."""

    def __init__(self, pid: int) -> None:
        """Begin."""
        self._folder = Path(f"/proc/{pid}")
        (self._folder / "clear_refs").write_text("5")  # the peak begins anew (proc(5))
        self.before = self._read("VmRSS")

    def grown(self) -> tuple[int, int]:
        """Return by how much it has grown at the most, and by how much it is larger now."""
        return self._read("VmHWM") - self.before, self._read("VmRSS") - self.before

    def _read(self, name: str) -> int:
        lines = (self._folder / "status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def rows(files: DropFiles, pieces: int, file: Path) -> list[Row]:
    """Return the lines of the table."""

    def ftp(version: ssl.TLSVersion) -> Upload:
        return lambda server, name: by_ftp(server, files, name, pieces, version)

    def sftp(*options: str) -> Upload:
        return lambda server, name: by_sftp(server, files, name, file, list(options))

    alike = ("-o", "Ciphers=aes128-ctr", "-o", "MACs=hmac-sha2-256")
    return [
        Row("FTP, TLS 1.3", "vsftpd", 0.7, ftp(ssl.TLSVersion.TLSv1_3)),
        Row("FTP, TLS 1.2", "vsftpd", 0.7, ftp(ssl.TLSVersion.TLSv1_2)),
        Row("SFTP, aes128-ctr", "sshd", 0.3, sftp(*alike)),
        Row("SFTP, defaults", "sshd", 0.3, sftp()),
    ]


def disk_rate(file: Path, pieces: int) -> float:
    """Return how many MiB a second the disk takes, with an fdatasync at the end."""
    begun = time.monotonic()
    with file.open("wb") as out:
        for _ in range(pieces):
            out.write(PIECE)
        out.flush()
        os.fdatasync(out.fileno())
    seconds = time.monotonic() - begun
    file.unlink()
    return pieces / seconds


def measure_speed(folder: Path, pieces: int, rounds: int) -> bool:
    """Upload one big file, again and again; print the table, and return whether all goals are met."""
    folder.mkdir()
    drop, big = GatewayDrop(folder / "gateway"), folder / "big"
    with big.open("wb") as out:
        for _ in range(pieces):
            out.write(PIECE)
    lines = rows(drop.files, pieces, big)
    sent: dict[tuple[str, str], list[Sent]] = defaultdict(list)
    grown: dict[str, list[tuple[int, int]]] = defaultdict(list)
    disk = []
    with (
        drop as gateway,
        Vsftpd(folder / "vsftpd", drop.files) as vsftpd,
        Sshd(folder / "sshd", drop.files) as sshd,
    ):
        servers: dict[str, UploadServer] = {"gateway": gateway, "vsftpd": vsftpd, "sshd": sshd}
        for number in range(rounds):
            disk.append(disk_rate(folder / "probe", pieces))
            for row in lines:
                for who in ("gateway", row.peer):
                    server, name = servers[who], f"{number}-{lines.index(row)}.dat"
                    memory = Memory(server.program.pid)
                    one = row.upload(server, name)
                    if who == "gateway":
                        grown[row.title].append(memory.grown())
                    stored = server.stored(name)
                    assert stored.stat().st_size == pieces * len(PIECE), f"{stored} is not whole"
                    stored.unlink()
                    sent[row.title, who].append(one)
                    print(f"{number + 1}/{rounds} {row.title}, {who}: {one}", file=sys.stderr)
        assert not gateway.faults(), gateway.faults()
        events = gateway.stop()
    assert events == rounds * len(lines), f"{events} events are in the journal"
    big.unlink()
    gib = pieces * len(PIECE) / 2**30
    print(f"\nOne file of {gib:g} GiB over one connection, median of {rounds}; MiB/s, and CPU seconds per GiB")
    print(f"of the server and of the client; the disk alone, with fdatasync: {statistics.median(disk):.0f} MiB/s\n")
    print(f"{'':18}{'gateway':>26}{'vsftpd, sshd':>26}{'ratio':>8}{'goal':>6}{'memory, peak and after':>26}")
    met = [print_row(row, sent[row.title, "gateway"], sent[row.title, row.peer], grown[row.title]) for row in lines]
    return all(met)


def print_row(row: Row, ours: list[Sent], theirs: list[Sent], grown: list[tuple[int, int]]) -> bool:
    """Print one line of the table, and return whether its goals are met."""
    ratio = statistics.median(one.rate for one in ours) / statistics.median(one.rate for one in theirs)
    peak, after = (max(each) / MIB for each in zip(*grown, strict=True))
    figures = "".join(f"{_figures(runs):>26}" for runs in (ours, theirs))
    print(f"{row.title:18}{figures}{ratio:>8.2f}{row.goal:>6}{f'{peak:+.0f}, {after:+.0f} MiB':>26}")
    if ours[0].cipher != theirs[0].cipher:
        print(f"{'':18}{ours[0].cipher:>26}{theirs[0].cipher.partition(',')[0]:>34}")
    return ratio >= row.goal and peak <= FLAT


def _figures(runs: list[Sent]) -> str:
    rate = statistics.median(one.rate for one in runs)
    server = statistics.median(one.cpu / one.octets for one in runs) * 2**30
    client = statistics.median(one.client_cpu / one.octets for one in runs) * 2**30
    return f"{rate:.0f} ({server:.1f} s, {client:.1f} s)"


def measure_crowd(folder: Path, clients: int, files: int, size: int, *, tls: bool) -> bool:
    """Let many clients upload many files; print the figures, and return whether each file was stored once."""
    with GatewayDrop(folder / "gateway") as gateway:
        argv = [sys.executable, "-m", "bench.send_crowd", str(gateway.ports["ftp"])]
        argv += ["--clients", str(clients), "--files", str(files), "--size", str(size)]
        argv += ["--authority", str(gateway.files.authority)] if tls else []
        with subprocess.Popen(argv, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sender:
            assert sender.stdin is not None
            assert sender.stdout is not None
            try:
                assert sender.stdout.readline() == "logged in\n", "the clients ended early"
                memory, before = Memory(gateway.program.pid), gateway.cpu()
                sender.stdin.write("\n")
                sender.stdin.flush()
                counts = json.loads(sender.stdout.readline())
                cpu, (peak, after) = gateway.cpu() - before, memory.grown()
            finally:
                sender.kill()
        faults, events = gateway.faults(), gateway.stop()
    stored = sum(1 for path in gateway.stored("").rglob("*.dat") if path.stat().st_size == size)
    total, seconds = clients * files, counts["seconds"]
    problems = counts["problems"] | ({"faults in the log": faults[:3]} if faults else {})
    print(
        f"\n{clients} clients, {files:,} files of {size:,} octets each, FTP {'over TLS' if tls else 'in the clear'}:\n"
        f"  {total / seconds:,.0f} files/s; CPU per file: {1000 * cpu / total:.2f} ms of the gateway,"
        f" {1000 * counts['cpu'] / total:.2f} ms of the clients; the slowest file took {counts['slowest']:.1f} s\n"
        f"  {counts['stored']:,} replies 226, {stored:,} files, {events:,} events in the journal;"
        f" problems: {problems or 'none'}\n"
        f"  {clients} logins in {counts['login_seconds']:.1f} s; memory: {memory.before / MIB:.0f} MiB before,"
        f" {peak / MIB:+.0f} MiB at its peak, {after / MIB:+.0f} MiB after",
        flush=True,
    )
    return counts["stored"] == stored == events == total and not problems


def main() -> int:
    """Measure, print the tables, and exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.uploads", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=["speed", "crowd"], help="one of the two halves")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"uploads of which the median is taken ({ROUNDS})")
    parser.add_argument("--mib", type=int, default=1024, help="size of the big file (1024)")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--files", type=int, default=1000, help="of each client (1000)")
    parser.add_argument("--size", type=int, default=1024, help="octets of each of them (1024)")
    parser.add_argument("--crowd", choices=["plain", "tls"], help="one kind of crowd, not both")
    arguments = parser.parse_args()
    if arguments.only != "crowd" and (os.geteuid() or not all(map(find, ("vsftpd", "sshd", "sftp")))):
        print("this is for root; apt-get install vsftpd openssh-server openssh-client", file=sys.stderr)
        return 2
    print(
        f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}", flush=True
    )
    passed = True
    with tempfile.TemporaryDirectory(prefix="bench-uploads-") as folder:
        Path(folder).chmod(0o711)  # vsftpd's anonymous user has to reach what is its own
        if arguments.only != "crowd":
            passed &= measure_speed(Path(folder) / "speed", arguments.mib * MIB // len(PIECE), arguments.rounds)
        for kind in ("plain", "tls"):
            if arguments.only != "speed" and arguments.crowd in {None, kind}:
                passed &= measure_crowd(
                    Path(folder) / kind, arguments.clients, arguments.files, arguments.size, tls=kind == "tls"
                )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
