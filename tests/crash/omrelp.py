"""Real rsyslog as a RELP client: it follows a file, and repeats what was not acknowledged."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from tests.crash.relp import text
from tests.end_to_end.programs import Program, require


class Omrelp(Program):
    """rsyslogd whose omrelp forwards the lines of a file to a port of 127.0.0.1; it is never killed itself."""

    def __init__(self, folder: Path, port: int) -> None:
        """Write the configuration."""
        program = require("rsyslogd")
        folder.mkdir(parents=True, exist_ok=True)
        self._input = folder / "in.log"
        self._input.touch()
        (folder / "rsyslog.conf").write_text(
            f'global(workDirectory="{folder}" localHostname="client1")\n'
            'module(load="imfile")\n'
            'module(load="omrelp")\n'
            f'input(type="imfile" File="{self._input}" Tag="battery:" Severity="info" Facility="user")\n'
            f'action(type="omrelp" target="127.0.0.1" port="{port}" template="RSYSLOG_SyslogProtocol23Format"\n'
            '  queue.type="linkedList" queue.filename="q" queue.size="20000" queue.saveOnShutdown="on"\n'
            '  timeout="2" action.resumeInterval="1" action.resumeIntervalMax="1" action.resumeRetryCount="-1")\n'
        )
        super().__init__([program, "-n", "-f", "rsyslog.conf", "-i", str(folder / "pid")], folder, name="rsyslogd")

    def write(self, lines: str) -> None:
        """Append to the file."""
        with self._input.open("a") as file:
            file.write(lines)


class Feeder(threading.Thread):
    """Writes numbered messages for rsyslog, so many a second, until it is told to stop."""

    def __init__(self, client: Omrelp, name: str, *, rate: float, act_every: int) -> None:
        super().__init__(name=name, daemon=True)
        self.written = 0
        self._client, self._rate, self._act_every = client, rate, act_every
        self._quit = threading.Event()

    def run(self) -> None:
        """Write every hundredth of a second."""
        begun = time.monotonic()
        while not self._quit.wait(0.01):
            top = int((time.monotonic() - begun) * self._rate)
            if top > self.written:
                numbers = range(self.written + 1, top + 1)
                self._client.write("".join(f"{text(self.name, n, self._act_every)}\n" for n in numbers))
                self.written = top

    def stop(self) -> int:
        """Stop, and return how many were written."""
        self._quit.set()
        self.join()
        return self.written
