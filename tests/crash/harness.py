"""What all batteries share: command line and seed, the table that they print, and a gateway that may be killed."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tests.end_to_end.gateway_process import LOOPBACK, GatewayProcess, Rule, Source
from tests.end_to_end.programs import free_port

LAUNCH = Path(__file__).with_name("launch.py")
LOGS_KEPT = 3
"""Logs of a gateway's lives; two hundred of them would be a gigabyte of no use."""


@dataclass(frozen=True)
class Finding:
    """One line of a battery's table.

    Attributes:
        ok: None where there is no goal.
        timing: how fast something is, for which a machine that is busy with other things is no judge.
    """

    what: str
    value: str
    goal: str = ""
    ok: bool | None = None
    timing: bool = False


class Report:
    """What a battery found."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.findings: list[Finding] = []
        self.remarks: list[str] = []

    @property
    def passed(self) -> bool:
        """Whether every goal was met."""
        return all(finding.ok is not False for finding in self.findings)

    @property
    def right(self) -> bool:
        """Whether every goal was met that is not a matter of time."""
        return all(finding.ok is not False for finding in self.findings if not finding.timing)

    def note(self, what: str, value: object) -> None:
        """Take down a fact without a goal."""
        self.findings.append(Finding(what, _shown(value)))

    def expect(self, what: str, value: object, goal: str, *, ok: bool, timing: bool = False) -> None:
        """Take down a fact with its goal, and whether it was met."""
        self.findings.append(Finding(what, _shown(value), goal, ok, timing))

    def remark(self, text: str) -> None:
        """Say more about something that is wrong; the first few are printed."""
        self.remarks.append(text)

    def __str__(self) -> str:
        """Render as a table."""
        width = max((len(finding.what) for finding in self.findings), default=0)
        lines = [self.title]
        for finding in self.findings:
            verdict = "" if finding.ok is None else f"   goal: {finding.goal}   {'ok' if finding.ok else 'FAILED'}"
            lines.append(f"  {finding.what:{width}}  {finding.value}{verdict}")
        lines += [f"  ! {remark}" for remark in self.remarks[:12]]
        if len(self.remarks) > 12:
            lines.append(f"  ! and {len(self.remarks) - 12} more")
        return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}" if isinstance(value, float) else str(value)


Battery = Callable[[Path, int, random.Random, Report], None]
"""Runs in a folder, so many rounds, with this source of chance, and fills in the report."""


class Unable(Exception):  # noqa: N818 -- nothing is wrong with the gateway
    """This machine lacks what the battery needs; the words say what."""


def command_line(module: str, words: str | None, rounds: int) -> argparse.ArgumentParser:
    """Make the options that every battery has."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.crash.{module}", description=(words or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how many (default: {rounds})")
    parser.add_argument("--seed", type=int, help="what all chance comes from (default: another one each time)")
    parser.add_argument("--folder", type=Path, help="work in this empty folder and leave everything in it")
    return parser


def perform(battery: Battery, title: str, options: argparse.Namespace) -> int:
    """Run a battery, print its table, and return the exit status: 0 when all goals were met, or it cannot run here."""
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    report = Report(f"{title}: {options.rounds} rounds, seed {seed}")
    sys.stderr.write(f"{report.title} ...\n")
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="crash-") as temporary:
            folder = options.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            battery(folder.resolve(), options.rounds, random.Random(seed), report)
    except (Unable, pytest.skip.Exception) as reason:
        sys.stdout.write(f"{report.title}\n  not run: {reason}\n")
        return 0
    finally:
        report.note("seconds", round(time.monotonic() - begun, 1))
        if len(report.findings) > 1:
            sys.stdout.write(f"{report}\n")
    return 0 if report.passed else 1


class Victim(GatewayProcess):
    """A gateway on a port that it keeps, which is killed and started again in the same folder.

    Args:
        folder: an empty folder.
        rules: as `GatewayProcess`.
        sources: more sources beside the one called `relp`.
        patch: what `tests/crash/launch.py` changes in it.
        environment: more variables.
        settings: other keys of the configuration.
    """

    def __init__(
        self,
        folder: Path,
        rules: Sequence[Rule],
        *,
        sources: Mapping[str, Source] | None = None,
        patch: str | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        """Write the configuration."""
        self.relp = free_port()
        relp: Source = {"relp": f"127.0.0.1:{self.relp}", "trusted": LOOPBACK}
        super().__init__(folder, {"relp": relp, **(sources or {})}, rules, **settings)
        if patch:
            self.argv[1:2] = [str(LAUNCH), patch]
        self._environment = {**(self._environment or os.environ), **(environment or {})}
        self._lives = 0

    @property
    def journal(self) -> Path:
        """The folder of its store."""
        return self.folder / str(self._settings["state"]) / "journal"

    def start(self) -> Self:
        """Start it with a log of its own."""
        self._lives += 1
        self.output = self.folder / f"gateway-{self._lives}.out"
        (self.folder / f"gateway-{self._lives - LOGS_KEPT}.out").unlink(missing_ok=True)
        super().start()
        return self

    def kill_now(self) -> None:
        """Kill the gateway's own process as if it had crashed; what it started must notice by itself."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def start_again(self) -> None:
        """Start it after it ended, and wait until it is ready."""
        self.start()
        self.wait_until_ready()


def appends(file: Path, *arguments: str, then: str = "") -> dict[str, object]:
    """Return a step that appends a line to a file: job, attempt, time of its start, and the arguments.

    `then` is more shell, which sees the arguments as `$1` and so on.
    """
    # one write(2) with O_APPEND, so that runs at the same time cannot mix their lines
    script = f'printf "%s %s %s %s\\n" "$GATEWAY_JOB" "$GATEWAY_ATTEMPT" "$(date +%s.%N)" "$*" >> "$0"; {then or ":"}'
    return {"run": ["/bin/sh", "-c", script, str(file), *arguments]}


@dataclass(frozen=True)
class Ran:
    """One line that a task appended."""

    job: str
    attempt: int
    at: float
    words: str


def what_ran(file: Path) -> list[Ran]:
    """Return what tasks appended, in order; a line that is being written is left out."""
    if not file.exists():
        return []
    lines = file.read_bytes().decode("utf-8", "replace").split("\n")[:-1]
    return [
        Ran(job, int(attempt), float(at), words) for job, attempt, at, words in (line.split(" ", 3) for line in lines)
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values lies; of none it is infinite."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")
