"""Every battery in short: it runs, and the gateway meets its goals; `make crash` runs them at full length."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType

import pytest

from tests.crash import (
    bit_flips,
    clock_steps,
    cut_uploads,
    disk_full,
    kill_gateway,
    kill_runner,
    power_loss,
    restarts,
    rogue_tasks,
)
from tests.crash.harness import Report, Unable

pytestmark = pytest.mark.end_to_end

BATTERIES: dict[ModuleType, tuple[int, dict[str, float]]] = {
    bit_flips: (15, {"TRANSACTIONS": 120}),
    clock_steps: (1, {"AFTER": 1.5}),
    cut_uploads: (6, {"LIVES": 0.1, "IN_START": 0.0, "PROGRAM_FILES": 5, "CLIENTS": 2}),
    disk_full: (1, {"FULL": 1.5, "BEFORE": 0.3}),
    kill_gateway: (2, {"IN_START": 0.0}),
    kill_runner: (2, {}),
    power_loss: (20, {}),
    restarts: (1, {"AFTER": 4.0, "WAIT": 3.5, "WORK": 1.0}),
    rogue_tasks: (1, {"PAUSE": 1.2, "LOOP": 15, "QUIET": 0.2}),
}
"""How many rounds each does here, and what is shorter than usual."""


# Python's ssl leaves a socket open whose peer resets it at the moment when its handshake begins.
left_open = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@left_open
@pytest.mark.parametrize("battery", BATTERIES, ids=lambda battery: battery.__name__.rpartition(".")[2])
def test_battery(battery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The battery's goals are met; those of speed are for `make crash`, on a machine that has nothing else to do."""
    rounds, shorter = BATTERIES[battery]
    for name, value in shorter.items():
        assert hasattr(battery, name), name
        monkeypatch.setattr(battery, name, value)
    report = Report(battery.__name__)
    try:
        battery.battery(tmp_path, rounds, random.Random(20_240_229), report)
    except Unable as reason:
        pytest.skip(str(reason))
    assert report.right, str(report)


def test_early_acknowledgement_is_noticed(tmp_path: Path) -> None:
    """A gateway that acknowledges before it commits loses messages when it is killed, and the battery says so."""
    report = Report("bite")
    kill_gateway.battery(tmp_path, 4, random.Random(1), report, bite=True)
    assert report.passed, str(report)


def test_missing_syncs_are_noticed(tmp_path: Path) -> None:
    """A store whose write-ahead log were never synced would lose what was acknowledged, and the battery says so."""
    report = Report("bite")
    try:
        power_loss.battery(tmp_path, 60, random.Random(1), report, bite=True)
    except Unable as reason:
        pytest.skip(str(reason))
    assert report.passed, str(report)


@left_open
def test_believing_any_end_is_noticed(tmp_path: Path) -> None:
    """A gateway that takes any end of a data connection for the file's end shows partial files; the battery says so."""
    report = Report("bite")
    cut_uploads.battery(tmp_path, 2, random.Random(1), report, bite=True)
    assert report.passed, str(report)
