"""Lines that clean restarts of a TLS client lose: rsyslog with GnuTLS, restarted while it forwards a log file.

TLS 1.3 session tickets make one-way senders lose the tail of their stream: the client closes with our tickets unread,
which resets the connection. Run it as `python -m bench.tls_restarts`. The gateway counts what it takes in, and a rule
finds lines that come a second time, so that those do not stand in for lost ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.certificates import Authority
from tests.end_to_end.clients import ClientTls, Rsyslog
from tests.end_to_end.gateway_process import GatewayProcess, tls_source

MARK_AFTER = 500
"""Lines of a part until its mark, at which the client is stopped: it is in the middle of sending then."""

SILENCE = 15.0
"""Seconds that the last line may take; the client connects anew every second."""


@dataclass(frozen=True)
class Result:
    """What came of so many lines: messages taken in, those that had come before among them."""

    sent: int
    taken: int
    repeated: int

    @property
    def lost(self) -> int:
        """Lines that never came."""
        return self.sent - (self.taken - self.repeated)


def restart_while_sending(folder: Path, *, lines: int, restarts: int) -> Result:
    """Forward so many lines with rsyslog over mutual TLS, and restart it cleanly while it sends.

    The log file grows by a part; when a line near the part's beginning has come, the client is stopped by TERM and
    started anew, to go on where it was.
    """
    authority = Authority(folder / "authority")
    tls = ClientTls(authority.certificate, authority.issue("client1.example.test"))
    gateway = GatewayProcess(folder / "gateway", {"tls": tls_source(authority)})
    gateway.write_rules(
        [
            {
                "rule": "mark",
                "match": {"message": {"regex": "^line [0-9]+ is a mark$"}},
                "do": gateway.recorder("mark"),
            },
            {
                "rule": "repeated",
                "match": {"message": {"regex": "^line [0-9]+ is "}},
                "when": {"count": 2, "within": "1h", "by": ["message"]},
                "do": gateway.recorder("repeated"),
            },
        ]
    )

    def runs(name: str) -> int:
        return sum(1 for run in gateway.runs() if run.arguments == [name])

    with gateway, Rsyslog(folder / "client", gateway.port("tls"), tls=tls, octet_counted=True) as client:
        for number, part in enumerate(_parts(lines, restarts + 1), 1):
            if number > 1:
                client.stop()
                client.start()
            client.send(part)
            if number <= restarts:
                gateway.wait_for_runs(number)
        deadline = time.monotonic() + SILENCE + lines / 10_000
        while runs("mark") < restarts + 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        client.stop()
        gateway.stop()
        return Result(lines, gateway.totals()["tls"], runs("repeated"))


def _parts(lines: int, parts: int) -> Iterator[list[str]]:
    """Yield the lines in parts; each has a mark near its beginning, the last one at its end."""
    size = lines // parts + 1
    for first in range(0, lines, size):
        last = min(first + size, lines) - 1
        mark = last if last == lines - 1 else first + MARK_AFTER
        yield [f"line {n} is {'a mark' if n == mark else 'one of many'}" for n in range(first, last + 1)]


def main() -> int:
    """Print what was lost; exit with 1 when something was."""
    parser = argparse.ArgumentParser(prog="python -m bench.tls_restarts", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--restarts", type=int, default=6)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="restarts-") as folder:
        result = restart_while_sending(Path(folder), lines=arguments.lines, restarts=arguments.restarts)
    print(f"{result.sent:,} lines, {arguments.restarts} restarts: {result.lost:,} lost, {result.repeated:,} repeated")
    return 1 if result.lost else 0


if __name__ == "__main__":
    sys.exit(main())
