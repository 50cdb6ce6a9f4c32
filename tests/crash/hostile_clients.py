"""Let clients say anything at all to the drop box: does each line get its answer, and does the gateway live on?

Command lines of FTP, known and unknown, with arguments that are nearly right or nothing at all, before the login and
after it, in the clear and over TLS; what begins a transfer gets a few octets or none. Conversations of SFTP that are
nearly right go through OpenSSH's ssh, as many channels of one connection. An upload of a good client comes last.
"""

from __future__ import annotations

import random
import re
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.sources.ftp.commands import COMMANDS
from tests.crash.harness import Report, command_line, perform
from tests.end_to_end.certificates import Authority
from tests.end_to_end.drop_box import PASSWORD, DropBox
from tests.end_to_end.programs import require
from tests.end_to_end.upload_clients import Server, ftp_context, ftplib_store
from tests.gateway.test_sftp_files import INIT, conversations

ROUNDS = 3000
"""Lines; SFTP gets as many conversations, of two or three packets each."""
ACCOUNT = "hostile"
PATIENCE = 10.0
"""Seconds until a line that has no answer counts as a hang."""
BREAK_OFF = 0.02
"""Seconds that a transfer gets until it is broken off."""
LINES = 60
"""Of one connection, at the most."""
ONLY_TELNET = bytes(range(0xF0, 0x100))
"""Octets that Telnet gives a meaning; a line of nothing else is none (RFC 959 section 5.3)."""
WORDS: tuple[bytes, ...] = (
    *(b"", b"x", b"1", b"0", b"P", b"C", b"I", b"/", b"..", b"-la", b"*?[", b"UTF8 ON", b"|1|127.0.0.1|5000|"),
    *(
        b"20260101000000 x",
        b"99999999999999999999",
        b"%s%d%n",
        b"$(id)",
        b"a\0b",
        b"\x1b[2J",
        b"\xff\xf4x",
        b"A" * 5000,
    ),
)
"""Arguments that mean something to one command or another."""
FAULT = re.compile(r"Traceback|^\S+ (error|critical): ")
"""What a line of the log has that is about a mistake of ours."""
PORT = re.compile(rb"\(\|\|\|([0-9]+)\|\)|\((?:[0-9]+,){4}([0-9]+),([0-9]+)\)")


class Silent(Exception):  # noqa: N818 -- it is a finding
    """A line had no answer in time."""


class Client:
    """A client of FTP that looks at nothing but codes.

    Attributes:
        over: the server has closed the connection.
    """

    def __init__(self, server: Server, context: ssl.SSLContext | None, chance: random.Random) -> None:
        self.over = False
        self._chance = chance
        self._buffer = b""
        self._port: int | None = None
        self._socket = socket.create_connection(("127.0.0.1", server.ftp), PATIENCE)
        self._answer()
        if context is not None:
            self._ask(b"AUTH TLS")
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
            self._ask(b"PBSZ 0")
            self._ask(b"PROT P")

    def log_in(self) -> None:
        """Log in."""
        self._ask(b"USER " + ACCOUNT.encode())
        assert self._ask(b"PASS " + PASSWORD.encode()).startswith(b"230")

    def say(self, line: bytes) -> bytes:
        """Say a line, do what its answer asks for, and return the last answer; empty when the server has closed.

        Raises:
            Silent: there is none.
        """
        answer = self._ask(line)
        if found := PORT.search(answer):
            self._port = int(found[1] or 256 * int(found[2]) + int(found[3]))
        if answer.startswith(b"150"):
            broken_off = not self._transfer()
            answer = self._answer()
            if broken_off:
                answer = self._answer()  # that of ABOR
        return answer

    def _transfer(self) -> bool:
        """Send some octets, or break off; returns whether a data connection was made."""
        port, self._port = self._port, None
        if port is not None and self._chance.random() < 0.8:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                connection.sendall(self._chance.randbytes(self._chance.randint(0, 300)))
                return True
        time.sleep(BREAK_OFF)
        self._send(b"ABOR\r\n")
        return False

    def _ask(self, line: bytes) -> bytes:
        self._send(line + b"\r\n")
        return self._answer() if line.strip(ONLY_TELNET) else b""

    def _send(self, octets: bytes) -> None:
        try:
            self._socket.sendall(octets)
        except TimeoutError:
            raise Silent from None
        except OSError:
            self.over = True

    def _answer(self) -> bytes:
        """Read one answer, of one line or several (RFC 959 section 4.2)."""
        last = b""
        while not self.over:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                last = last or line[:3] + b" "
                if line.startswith(last):
                    return line
                continue
            try:
                more = self._socket.recv(65536)
            except TimeoutError:
                raise Silent from None
            except OSError:
                more = b""
            self.over = not more
            self._buffer += more
        return b""

    def close(self) -> None:
        """Leave without a word."""
        self._socket.close()


def line_of(chance: random.Random, *, inside: bool) -> bytes:
    """Make a line; after the login none that would end the connection, for others are to follow."""
    names = [name.encode() for name in COMMANDS if not (inside and name in {"QUIT", "USER", "PASS", "AUTH"})]
    verb = chance.choice(names) if chance.random() < 0.8 else chance.randbytes(chance.randint(1, 6))
    kind = chance.random()
    word = chance.choice(WORDS) if kind < 0.6 else chance.randbytes(chance.randint(0, 60 if kind < 0.97 else 9000))
    line = verb + b" " + word if chance.random() < 0.8 else verb
    return line.replace(b"\n", b"").replace(b"\r", b"")


def speak_ftp(server: Server, context: ssl.SSLContext, rounds: int, chance: random.Random, report: Report) -> None:
    """Say so many lines."""
    codes: Counter[str] = Counter()
    said = silent = connections = 0
    while said < rounds:
        inside = chance.random() < 0.7
        connections += 1
        client = Client(server, context if chance.random() < 0.3 else None, chance)
        try:
            if inside:
                client.log_in()
            for _ in range(LINES):
                line = line_of(chance, inside=inside)
                said += 1
                answer = client.say(line)
                codes["closed" if client.over else answer[:3].decode("ascii", "replace") or "none wanted"] += 1
                if client.over or said == rounds:
                    break
        except Silent:
            silent += 1
            report.remark(f"no answer to {line[:200]!r}")
        finally:
            client.close()
    report.note("FTP: connections", connections)
    report.note("FTP: answers", ", ".join(f"{code} {count}" for code, count in codes.most_common(8)) + " ...")
    report.expect("FTP: lines without an answer", silent, f"0 of {rounds:,}", ok=not silent)


@contextmanager
def master(folder: Path, server: Server) -> Iterator[list[str]]:
    """Keep a connection of ssh; yields what opens a channel of SFTP in it."""
    argv = [require("ssh"), "-F", "none", "-p", str(server.sftp), "-i", str(server.identity), "-o", "BatchMode=yes"]
    argv += ["-o", f"UserKnownHostsFile={server.known_hosts}", "-S", str(folder / "ssh.sock")]
    there = f"{server.user}@127.0.0.1"
    subprocess.run([*argv, "-M", "-f", "-N", there], check=True, timeout=PATIENCE, stderr=subprocess.DEVNULL)
    try:
        yield [*argv, "-s", there, "sftp"]
    finally:
        subprocess.run([*argv, "-O", "exit", there], check=False, timeout=PATIENCE, stderr=subprocess.DEVNULL)


def speak_sftp(folder: Path, server: Server, rounds: int, report: Report) -> None:
    """Have so many conversations."""
    hanging = 0
    with master(folder, server) as argv:
        for octets in conversations(rounds):
            try:
                subprocess.run(argv, input=INIT + octets, capture_output=True, timeout=PATIENCE, check=False)
            except subprocess.TimeoutExpired:
                hanging += 1
                report.remark(f"no end after {octets[:200]!r}")
    report.expect("SFTP: channels that do not end", hanging, f"0 of {rounds:,}", ok=not hanging)


def battery(folder: Path, rounds: int, chance: random.Random, report: Report) -> None:
    """Say so many lines of FTP, and have as many conversations of SFTP."""
    rights = ["upload", "folders", "list", "read", "rename", "delete"]
    with DropBox(folder / "gateway", Authority(folder / "authority"), {ACCOUNT: {"rights": rights}}) as gateway:
        server = gateway.server(ACCOUNT)
        speak_ftp(server, ftp_context(server, "1.3"), rounds, chance, report)
        speak_sftp(folder, server, rounds, report)
        begun = time.monotonic()
        good = folder / "good.dat"
        good.write_bytes(chance.randbytes(100_000))
        ftplib_store(server, good)
        gateway.wait_for_upload(good.name)
        report.note("seconds of a good upload afterwards", time.monotonic() - begun)
        gateway.stop()
    faults = [line for line in gateway.text().splitlines() if FAULT.search(line)]
    for line in faults:
        report.remark(line[:300])
    report.expect("faults of ours in the log", len(faults), "0", ok=not faults)
    report.expect("parts that are left", len(gateway.files.parts(ACCOUNT)), "0", ok=not gateway.files.parts(ACCOUNT))


def main() -> int:
    """Run the battery."""
    return perform(battery, "hostile clients", command_line("hostile_clients", __doc__, ROUNDS).parse_args())


if __name__ == "__main__":
    sys.exit(main())
