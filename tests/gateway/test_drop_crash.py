"""The drop box when the machine dies at any instant: nothing is half there, lost or doubled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.drop.account import After, Checks, Content, Demand, OnConflict, Terms
from gateway.drop.visit import Refusal, Refused
from tests.gateway.drop_stand_ins import ALL_RIGHTS, Died, DropHouse, FailingDisk, LosingDisk, now

DATA = b"octets\n" * 100
SUM = hashlib.sha256(DATA).hexdigest()
SIDECAR = f"{SUM}  a.csv\n".encode()
WRONG = f"{'0' * 64}  a.csv\n".encode()
REQUIRED = Checks(checksum=Demand.REQUIRED)

Act = Callable[[DropHouse], object]


def upload(house: DropHouse) -> None:
    """Upload one file."""
    house.put("a.csv", DATA)


def upload_and_rename(house: DropHouse) -> None:
    """Upload under an unfinished name, and rename."""
    house.put("a.csv.part", DATA)
    house.rename("a.csv.part", "a.csv")


def upload_and_sweep(house: DropHouse) -> None:
    """Upload one file, and let its bookmark be forgotten."""
    upload(house)
    now(house.box.sweep())


def upload_sidecar(house: DropHouse) -> None:
    """Upload a file that waits, then what it waits for."""
    house.put("a.csv", DATA)
    house.put("a.csv.sha256", SIDECAR)


def upload_sidecar_and_rename(house: DropHouse) -> None:
    """Upload a file under an unfinished name, rename it so that it waits, then upload what it waits for."""
    upload_and_rename(house)
    house.put("a.csv.sha256", SIDECAR)


def upload_wrong_sidecar(house: DropHouse) -> None:
    """Upload a file that waits, then a checksum that is wrong."""
    house.put("a.csv", DATA)
    house.put("a.csv.sha256", WRONG)


def upload_after_wrong(house: DropHouse) -> None:
    """Upload a wrong checksum, then the file."""
    house.put("a.csv.sha256", WRONG)
    house.put("a.csv", DATA)


def upload_broken_log(house: DropHouse) -> None:
    """Upload a log that cannot be read to its end."""
    house.feed.problem = "it is cut off"
    try:
        house.put("a.csv", DATA)
    except Refused as refused:
        if refused.refusal is not Refusal.FAILED_CHECK:
            raise


FLOWS: list[tuple[str, Act, dict[str, Any], dict[str, bytes]]] = [
    ("refuse", upload, {}, {}),
    ("rename", upload, {"on_conflict": OnConflict.RENAME}, {"a.csv": b"old"}),
    ("replace", upload, {"on_conflict": OnConflict.REPLACE}, {"a.csv": b"old"}),
    ("swept", upload_and_sweep, {}, {}),
    ("unfinished", upload_and_rename, {}, {}),
    ("unfinished, rename", upload_and_rename, {"on_conflict": OnConflict.RENAME}, {"a.csv": b"old"}),
    ("unfinished, replace", upload_and_rename, {"on_conflict": OnConflict.REPLACE}, {"a.csv": b"old"}),
    ("held", upload_sidecar, {"checks": REQUIRED}, {}),
    ("held, rejected", upload_wrong_sidecar, {"checks": REQUIRED}, {}),
    ("rejected", upload_after_wrong, {"checks": Checks()}, {}),
    ("held, unfinished", upload_sidecar_and_rename, {"checks": REQUIRED}, {}),
    ("log", upload, {"content": Content.SYSLOG, "after": After.DELETE}, {}),
    ("log, failed", upload_broken_log, {"content": Content.SYSLOG}, {}),
    ("log, moved", upload, {"content": Content.SYSLOG, "after": After.MOVE}, {}),
]


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power"])
@pytest.mark.parametrize(("name", "act", "terms", "there"), FLOWS, ids=[flow[0] for flow in FLOWS])
def test_a_crash_at_any_change_loses_and_doubles_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    act: Act,
    terms: dict[str, Any],
    there: dict[str, bytes],
    power: bool,
) -> None:
    """Whatever change is the last: what is acknowledged has one event, and what has one is whole and in its place."""
    after = 0
    while True:
        house = DropHouse(tmp_path / str(after), Terms(rights=ALL_RIGHTS, **terms))
        for old, octets in there.items():
            (house.account.folder / old).write_bytes(octets)
        disk = FailingDisk(monkeypatch, house.journal)
        if power:
            disk = LosingDisk(monkeypatch, house.journal, tmp_path / f"{after} stash")
        acknowledged = False
        with disk.dying_after(after), suppress(Refused, Died):
            act(house)
            acknowledged = True
        died = disk.died
        seen = house.files()
        assert all(octets in {DATA, SIDECAR, WRONG, *there.values()} for octets in seen.values()), after
        if isinstance(disk, LosingDisk):
            disk.lose()
        house.start()
        check(house, name, after, acknowledged=acknowledged, there=there)
        events = list(house.journal.events)
        now(house.box.sweep())
        assert not house.journal.marks, after
        house.start()
        assert house.journal.events == events, after
        after += 1
        if not died:
            break
    assert after > 12


def check(house: DropHouse, name: str, after: int, *, acknowledged: bool, there: dict[str, bytes]) -> None:
    """Check what is there after the next start."""
    files, events = house.files(), house.journal.events
    whole = {DATA, SIDECAR, WRONG, *there.values()}
    assert all(octets in whole for octets in (*files.values(), *house.quarantined().values())), after
    complete = [event for event in events if event["event.action"] in {"upload-complete", "sidecar-complete"}]
    paths = [event["file.path"] for event in events]
    assert len(paths) == len(set(paths)), after
    data = [event for event in complete if event["file.hash.sha256"] == SUM]
    quarantined = [event for event in events if event["event.action"] in {"upload-quarantined", "log-failed"}]
    assert len(data) + len(quarantined) <= 1, after
    if not name.startswith("log"):
        assert all(Path(str(event["file.path"])).is_file() for event in events), after
        finished = {path: octets for path, octets in files.items() if not path.endswith(".part")}
        old = {path for path, octets in there.items() if files.get(path) == octets}
        assert len(finished) == len(old) + len(complete), (after, finished, complete)
    assert len(house.quarantined()) == len(quarantined), after
    waiting = [part for part in house.left_over() if not part.endswith(".json")]
    assert not (waiting and any("a.csv.sha256" in path for path in files)), after
    assert len(waiting) <= ("held" in name), after
    assert not waiting or not data, after
    if acknowledged:
        assert len(data) + len(quarantined) + len(waiting) == 1, after
    if "replace" not in name:
        assert all(files[path] == octets for path, octets in there.items()), after
