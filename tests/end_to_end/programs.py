"""Real programs for tests: found or skipped, started, waited for with a deadline, and ended by their id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
"""Seconds until a condition that should hold at once is given up: generous, for a busy machine must not fail a test."""

UNPACKED = PROJECT / ".cache" / "syslog-ng"
"""Where install_programs.sh unpacks syslog-ng, which cannot be installed beside rsyslog."""

PACKAGES = {
    "rsyslogd": "rsyslog",
    "logger": "bsdutils",
    "openssl": "openssl",
    "syslog-ng": "syslog-ng-core",
    "loggen": "syslog-ng-core",
    **dict.fromkeys(("md5sum", "sha1sum", "sha256sum", "sha512sum"), "coreutils"),
    **dict.fromkeys(("sftp", "scp", "ssh-keygen"), "openssh-client"),
    "sshd": "openssh-server",
    "gpg": "gnupg",
}


def find(program: str) -> str | None:
    """Return the path of a program, None where it is not there; system daemons are found without `sbin` in PATH."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    found = shutil.which(program, path=path)
    if found is None and UNPACKED.is_dir():
        found = shutil.which(program, path=f"{UNPACKED / 'usr/sbin'}:{UNPACKED / 'usr/bin'}")
    return found


def require(program: str) -> str:
    """Return the path of a program, or skip the test with the words that help."""
    found = find(program)
    if found is None:
        how = f"apt-get install {PACKAGES.get(program, program)}"
        if PACKAGES.get(program) == "syslog-ng-core":
            how = "run tests/end_to_end/install_programs.sh as root"
        pytest.skip(f"{program} is not installed: {how}")
    return found


def require_rsyslog_driver(driver: str) -> None:
    """Skip the test where rsyslog's network stream driver `gtls` or `ossl` is missing."""
    _require_rsyslog(f"lmnsd_{driver}", {"gtls": "rsyslog-gnutls", "ossl": "rsyslog-openssl"}[driver])


def require_rsyslog_relp() -> None:
    """Skip the test where rsyslog's RELP is missing."""
    _require_rsyslog("omrelp", "rsyslog-relp")


def _require_rsyslog(module: str, package: str) -> None:
    folders = [Path("/usr/lib/rsyslog"), Path("/usr/lib64/rsyslog"), *Path("/usr/lib").glob("*-linux-*/rsyslog")]
    if not any((folder / f"{module}.so").exists() for folder in folders):
        pytest.skip(f"rsyslog's module {module} is not installed: apt-get install {package}")


def wait_until(
    condition: Callable[[], bool], what: str, *, seconds: float = PATIENCE, detail: Callable[[], str] | None = None
) -> None:
    """Poll until the condition holds.

    Raises:
        AssertionError: it did not within `seconds`; the message ends with `detail()`.
    """
    deadline = time.monotonic() + seconds
    pause = 0.002
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}" + (f"\n{detail()}" if detail else ""))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of 127.0.0.1 that nobody listens on; only for programs that cannot be given port 0."""
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    """Tell whether nobody listens on a port of 127.0.0.1."""
    with socket.socket(type=kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Program:
    """A daemon in the foreground, with its output in a file; use it in a `with`, whose end kills what is left.

    Attributes:
        output: the file that gets its standard output and standard error.
    """

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        """Prepare to start `argv` in `folder`."""
        self.argv = list(argv)
        self.folder = folder
        self.name = name or Path(argv[0]).name
        self.output = folder / f"{self.name}.out"
        self._environment = {**os.environ, **environment} if environment else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it; what an earlier run wrote stays in `output`."""
        assert not self.running, f"{self.name} runs already"
        with self.output.open("ab") as out:
            self._process = subprocess.Popen(
                self.argv,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, seconds: float = PATIENCE) -> int:
        """End it cleanly with TERM and return its exit status.

        Raises:
            AssertionError: it did not end in time; it is killed then.
        """
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds:g} s of TERM\n{self.report()}") from None

    def kill(self) -> None:
        """Kill whatever is left of its session."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def text(self) -> str:
        """Return what it wrote so far."""
        return self.output.read_text("utf-8", "replace") if self.output.exists() else ""

    def report(self) -> str:
        """Return how it was started and the end of what it wrote, for the message of a failed test."""
        return f"--- {' '.join(self.argv)}\n{self.text()[-6000:]}"

    def wait_for(self, text: str, *, seconds: float = PATIENCE) -> None:
        """Wait until it wrote `text`, or fail at once when it ended without."""
        self.wait_until(lambda: text in self.text(), f"{self.name} to write {text!r}", seconds=seconds)

    def wait_until(self, condition: Callable[[], bool], what: str, *, seconds: float = PATIENCE) -> None:
        """Wait until the condition holds, or fail at once when it ended without."""

        def settled() -> bool:
            return condition() or not self.running

        wait_until(settled, what, seconds=seconds, detail=self.report)
        if not condition():
            raise AssertionError(f"{self.name} ended before {what}\n{self.report()}")

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what is left; a failure gets the program's output added."""
        self.kill()
        if error is not None:
            error.add_note(self.report())
