"""What happens at the same time in a drop box: repetitions, renames, walks, accounts that change, many uploads."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from gateway.drop.account import Account, After, Content, Quota, Right
from gateway.drop.arrival import Arrivals
from gateway.drop.box import change_against
from gateway.drop.upload import LUMP, MAX_ALL_WAITING, MAX_WAITING
from gateway.drop.usage import measure
from gateway.drop.visit import Refusal, Refused
from gateway.notices.drop import SessionEnded
from tests.gateway.drop_stand_ins import CLIENT, DropHouse, now, refusal, way, without_waiting

DATA = b"a,b\n1,2\n"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DropHouse:
    """A drop box with one account."""
    without_waiting(monkeypatch)
    return DropHouse(tmp_path)


# One event for each file.


@pytest.mark.parametrize("swept", [False, True])
def test_what_could_not_be_confirmed_may_be_sent_again(house: DropHouse, swept: bool) -> None:
    """The client was told to, and hears then that all is well; there is one event, whoever made it."""
    house.journal.refuses = True
    with pytest.raises(Refused):
        house.put("a", DATA)
    house.journal.refuses = False
    if swept:
        now(house.box.sweep())
    house.put("a", DATA)
    assert len(house.journal.events) == 1
    assert refusal(house.session().upload(way("a"))).refusal is Refusal.TAKEN


def test_a_repetition_and_the_sweep_make_one_event(house: DropHouse) -> None:
    """Both try at the same time to keep what could not be kept."""
    house.journal.refuses = True
    with pytest.raises(Refused):
        house.put("a", DATA)
    house.journal.refuses = False
    upload = now(house.session().upload(way("a")))
    upload.write(DATA)
    house.journal.late = True
    swept, sent = house.box.sweep(), upload.finish()
    house.journal.late = False
    house.journal.go_on()
    now(swept)
    assert now(sent).size == len(DATA)
    assert len(house.journal.events) == 1


def test_a_rename_takes_the_file_that_its_event_describes(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another session may put another file under the unfinished name just then."""
    house.put("a.part", b"one")
    rename = Arrivals.rename

    def after_another(self: Arrivals, *args: Any) -> Any:
        house.put("a.part", b"other")
        return rename(self, *args)

    monkeypatch.setattr(Arrivals, "rename", after_another)
    house.rename("a.part", "a")
    (event,) = house.journal.of("upload-complete")
    assert event["file.hash.sha256"] == hashlib.sha256(house.files()["a"]).hexdigest()
    assert event["file.size"] == len(house.files()["a"])


# Quotas.


def test_a_deleted_file_makes_room_at_once(house: DropHouse) -> None:
    """Who may delete need not wait for the next walk; it makes room for no more than it was."""
    house.with_terms(quota=Quota(octets=2 * len(DATA), files=1))
    house.put("a", DATA)
    assert refusal(house.session().upload(way("b"))).refusal is Refusal.QUOTA
    now(house.session().delete(way("a")))
    house.put("b", DATA)
    assert refusal(house.session().upload(way("c"))).refusal is Refusal.QUOTA


def test_a_walk_misses_no_file_that_gets_its_name_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves from the parts to a folder that the walk has seen already."""
    parts = tmp_path / ".gateway" / "parts"
    parts.mkdir(parents=True)
    (parts / "1").write_bytes(DATA)
    scandir: Callable[[str], Any] = os.scandir

    def moving(path: str) -> Any:
        entries = scandir(path)
        if path == str(tmp_path) and (parts / "1").exists():
            with entries:
                seen = list(entries)
            (parts / "1").rename(tmp_path / "a")
            return nullcontext(seen)
        return entries

    monkeypatch.setattr(os, "scandir", moving)
    assert measure(tmp_path) == (len(DATA), 1)


# Many uploads, and a folder that is gone.


class _HangingThreads:
    """Threads that never come to an end: the disk hangs."""

    def callInThreadWithCallback(self, *_: object) -> None:  # noqa: N802 -- Twisted's name
        """Do nothing."""


def test_many_uploads_share_what_may_wait_for_the_disk(house: DropHouse) -> None:
    """One may be far ahead of it, all together not so far: memory is for others too."""
    sessions = [house.session() for _ in range(64)]
    uploads = [now(session.upload((str(number),))) for number, session in enumerate(sessions)]
    locker = house.box._lockers[str(house.account.folder)]
    pool, locker.around.pool = locker.around.pool, _HangingThreads()  # type: ignore[assignment]
    took, waits = 0, []
    for upload in uploads:
        room: Deferred[None] | None = None
        while room is None:
            took += LUMP
            room = upload.write(bytes(LUMP))
        waits.append(room)
    assert took <= MAX_ALL_WAITING * 1.1
    assert took / len(uploads) < MAX_WAITING
    locker.around.pool = pool


def test_the_count_of_uploads_goes_down_again(house: DropHouse) -> None:
    """Whether they are finished, refused or cut off."""
    house.put("a", DATA)
    session = house.session()
    now(session.upload(way("b")))
    session.leave()
    cut = now(house.session().upload(way("c")))
    now(cut.abort("cut"))
    assert house.box._lockers[str(house.account.folder)].around.uploads == 0


def test_a_folder_that_somebody_removed_is_made_again(house: DropHouse) -> None:
    """As at the start; what was in it is gone."""
    house.put("a", DATA)
    shutil.rmtree(house.account.folder)
    house.put("b", DATA)
    assert house.files() == {"b": DATA}


# Accounts that change while they are in use.


def test_the_sessions_of_an_account_that_is_no_more_end(house: DropHouse) -> None:
    """Uploads that are not whole are gone, the client hears why, and others are left alone."""
    other = replace(house.account, name="bob", folder=house.folder / "bob")
    house.accounts.append(other)
    session, stays = house.session(), house.box.open(other, CLIENT)
    words: list[str] = []
    session.dismissed = words.append
    now(session.upload(way("a"))).write(DATA)
    house.accounts[0] = replace(house.account, disabled=True)
    house.box.judge_again()
    assert words == ["the account was disabled"]
    assert not house.left_over()
    assert [notice.account for notice in house.told.of(SessionEnded)] == ["alice"]
    now(stays.entries(()))
    house.accounts.pop()
    house.box.judge_again()
    assert not house.box._open


def test_a_session_follows_its_account(house: DropHouse) -> None:
    """Rights and quotas that change are those of open sessions too, which go on."""
    session = house.session()
    house.with_terms(rights=frozenset({Right.UPLOAD}))
    house.box.judge_again()
    assert refusal(session.delete(way("a"))).refusal is Refusal.DENIED
    house.put("a", DATA, session)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"expires": 2e9}, None),
        ({"expires": 1e9}, "has expired"),
        ({"folder": Path("/elsewhere")}, "has another folder"),
        ({"password": "$argon2id$other"}, "has another password"),
        ({"keys": {b"one": "", b"two": ""}}, None),
        ({"keys": {b"two": ""}}, "has lost a key"),
        ({"networks": (ip_network("192.0.2.0/24"),)}, None),
        ({"networks": (ip_network("198.51.100.0/24"),)}, "is not for this address"),
    ],
)
def test_what_ends_a_session(change: dict[str, Any], problem: str | None) -> None:
    """What could have let in somebody else than is meant now."""
    account = Account("alice", Path("/srv/alice"), password="$argon2id$", keys={b"one": ""})
    assert change_against(account, replace(account, **change), CLIENT, 1.5e9) == problem


def test_an_account_that_may_be_plain_no_longer_ends_plain_sessions() -> None:
    """What comes in the clear is read and changed by others."""
    account = Account("alice", Path("/srv/alice"))
    plain = replace(CLIENT, encrypted=False)
    assert change_against(account, account, plain, 0.0) == "is for encrypted connections only"
    assert change_against(account, account, replace(plain, may_be_plain=True), 0.0) is None


# Disks.


def test_what_goes_to_another_disk_is_copied(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in quarantine, or a log that was fed, with its time; a link cannot reach there."""
    link = os.link

    def link_here(*args: Any, **kwargs: Any) -> None:
        target = Path(f"/proc/self/fd/{kwargs['dst_dir_fd']}").readlink()
        if not target.is_relative_to(house.account.folder):
            raise OSError(errno.EXDEV, "another disk")
        link(*args, **kwargs)

    monkeypatch.setattr(os, "link", link_here)
    house.put("a.sha256", f"{'0' * 64}  a\n".encode())
    upload = now(house.session().upload(way("a")))
    upload.write(DATA)
    upload.set_modified(1_000_000_000.0)
    assert refusal(upload.finish()).refusal is Refusal.FAILED_CHECK
    assert house.quarantined() == {"a": DATA}
    (kept,) = (house.folder / "quarantine" / "alice").iterdir()
    assert kept.stat().st_mtime == 1_000_000_000.0
    house.with_terms(content=Content.SYSLOG, after=After.MOVE)
    house.put("b.log", DATA)
    (log,) = (house.folder / "processed" / "alice").iterdir()
    assert log.read_bytes() == DATA
    assert list(house.files()) == ["a.sha256"]
    assert not house.left_over()
