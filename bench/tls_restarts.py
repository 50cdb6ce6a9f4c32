"""Lines that a clean restart of a TLS client loses: rsyslog with GnuTLS, restarted while it forwards a log file.

TLS 1.3 session tickets make one-way senders lose the tail of their stream: the client closes with our tickets unread,
which resets the connection. Run it as `python -m bench.tls_restarts`; every line's number is looked for in what the
gateway found, so that a line that came twice does not stand in for one that was lost.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.end_to_end.certificates import Authority
from tests.end_to_end.clients import ClientTls, Rsyslog
from tests.end_to_end.gateway_process import GatewayProcess, tls_source

FOUND = re.compile(r"rule numbered: 1 event\(s\) for line number (\d+) of the restarts from")
SILENCE = 15.0
"""Seconds without another line after which no more is expected; the client tries again every second."""

RULE = {
    "rule": "numbered",
    "match": {"message": {"regex": "^line number [0-9]+ of the restarts$"}},
    "when": {"count": 1, "within": "1h", "by": ["message"]},
    "do": None,
}
"""Only tells the log."""


@dataclass(frozen=True)
class Result:
    """What came of so many lines: different ones that were found, and further ones that came again."""

    sent: int
    found: int
    repeated: int

    @property
    def lost(self) -> int:
        """Lines that never came."""
        return self.sent - self.found


def restart_while_sending(folder: Path, *, lines: int, restarts: int) -> Result:
    """Forward so many lines with rsyslog over mutual TLS, and restart it cleanly while it sends.

    The log file grows by a part; as soon as the gateway has found some of it, the client is stopped by TERM and started
    anew, to go on where it was.
    """
    authority = Authority(folder / "authority")
    tls = ClientTls(authority.certificate, authority.issue("client1.example.test"))
    part = lines // (restarts + 1) + 1
    with GatewayProcess(folder / "gateway", {"tls": tls_source(authority)}, [RULE]) as gateway:
        log = gateway.output
        with Rsyslog(folder / "client", gateway.port("tls"), tls=tls, octet_counted=True) as client:
            for first in range(0, lines, part):
                if first:
                    client.stop()
                    client.start()
                enough = log.stat().st_size + 50_000
                client.send(f"line number {n} of the restarts" for n in range(first, min(first + part, lines)))
                gateway.wait_until(partial(_has_grown, log, enough), "the first lines of a part")
            size, since = 0, time.monotonic()
            while time.monotonic() < since + SILENCE and f" {lines - 1} of the restarts from" not in _tail(log):
                if log.stat().st_size > size:
                    size, since = log.stat().st_size, time.monotonic()
                time.sleep(0.05)
            client.stop()
        gateway.stop()
    numbers = FOUND.findall(gateway.text())
    return Result(lines, len(set(numbers)), len(numbers) - len(set(numbers)))


def _has_grown(log: Path, size: int) -> bool:
    return log.stat().st_size > size


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        return file.read().decode("utf-8", "replace")


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
