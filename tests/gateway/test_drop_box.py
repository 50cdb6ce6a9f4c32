"""The drop box: sessions, uploads and what becomes of them, over a real folder."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from gateway.drop.account import WRITE_ONLY, Checks, Content, Demand, OnConflict, Quota, Right
from gateway.drop.part import Part
from gateway.drop.upload import MAX_WAITING, BoxUpload
from gateway.drop.visit import Entry, LoginRefused, Refusal, Refused
from gateway.notices.drop import (
    EventDelayed,
    FilesExpired,
    FolderTrouble,
    PartsRemoved,
    RecordDamaged,
    SidecarFailed,
    UploadComplete,
    UploadFailed,
    UploadHeld,
    UploadNotKept,
    UploadQuarantined,
    UploadsFinished,
)
from parsers.message import Trust
from tests.gateway.drop_stand_ins import ALL_RIGHTS, CLIENT, DropHouse, now, refusal, way, without_waiting

DATA = b"one,two\n" * 50
SUM = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    without_waiting(monkeypatch)


@pytest.fixture
def house(tmp_path: Path) -> DropHouse:
    """Return a drop box whose one account may do everything."""
    return DropHouse(tmp_path)


def begun(house: DropHouse, name: str) -> BoxUpload:
    """Begin an upload, to look inside."""
    return cast(BoxUpload, now(house.session().upload((name,))))


def parts(house: DropHouse) -> Path:
    """Return the folder of parts."""
    return house.account.folder / ".gateway" / "parts"


# Uploads.


def test_a_whole_file_is_an_event(house: DropHouse) -> None:
    """The event says who sent what, where it is and what is in it; nothing but the file stays."""
    now(house.session().make_folder(("in",)))
    entry = house.put("in/a.csv", DATA)
    assert (entry.name, entry.size, entry.is_folder) == ("a.csv", len(DATA), False)
    path = house.account.folder / "in" / "a.csv"
    (event,) = house.journal.events
    expected = {
        "event.action": "upload-complete",
        "event.outcome": "success",
        "event.dataset": "drop",
        "event.provider": "ftp",
        "network.protocol": "ftp",
        "user.name": "alice",
        "source.ip": "192.0.2.7",
        "source.port": 4000,
        "tls.version": "TLSv1.3",
        "file.path": str(path),
        "file.name": "a.csv",
        "file.directory": str(path.parent),
        "file.extension": "csv",
        "file.size": len(DATA),
        "file.hash.sha256": SUM,
        "file.checksum": "missing",
        "message": "alice uploaded /in/a.csv (400 octets) by ftp from 192.0.2.7:4000",
    }
    assert {name: event.get(name) for name in expected} == expected
    assert house.journal.origins[0].trust is Trust.ACCOUNT
    assert house.journal.origins[0].account == "alice"
    assert house.files() == {"in/a.csv": DATA}
    assert not house.left_over()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o777 == 0o750
    assert parts(house).stat().st_mode & 0o777 == 0o700
    assert len(house.told.of(UploadComplete)) == 1


def test_nothing_is_acknowledged_before_the_event_is_kept(house: DropHouse) -> None:
    """The client waits for the journal; the file has its name by then, and is whole."""
    house.journal.late = True
    upload = now(house.session().upload(("a.csv",)))
    upload.write(DATA)
    assert not house.files()
    finished = upload.finish()
    assert not finished.called
    assert house.files() == {"a.csv": DATA}
    house.journal.go_on()
    assert now(finished).size == len(DATA)


def test_an_empty_file_is_a_file(house: DropHouse) -> None:
    """No octet is as good as many."""
    assert house.put("trigger", b"").size == 0
    assert house.journal.events[0]["file.hash.sha256"] == hashlib.sha256(b"").hexdigest()


def test_the_time_that_the_client_names_is_kept(house: DropHouse) -> None:
    """It is the file's, the entry's and the event's; later changes only by the session that uploaded it."""
    session = house.session()
    upload = now(session.upload(("a",)))
    upload.set_modified(1_000_000_000.0)
    assert now(upload.finish()).modified == 1_000_000_000.0
    assert (house.account.folder / "a").stat().st_mtime == 1_000_000_000.0
    assert house.journal.events[0]["file.mtime"] == "2001-09-09T01:46:40+00:00"
    now(session.set_modified(("a",), 1_100_000_000.0))
    assert now(session.entry(("a",))).modified == 1_100_000_000.0
    assert refusal(house.session().set_modified(("a",), 5.0)).refusal is Refusal.DENIED


def test_a_client_may_look_at_what_it_has_uploaded(house: DropHouse) -> None:
    """By the name that it gave, even where that became another or the file waits, until the client removes it.

    Clients compare the size (Paramiko's put), and would send again what is there. Who may look at files sees the truth.
    """
    house.with_terms(rights=WRITE_ONLY | {Right.DELETE}, on_conflict=OnConflict.RENAME, checks=REQUIRED)
    (house.account.folder / "a").write_bytes(b"of somebody else")
    session = house.session()
    assert session.uploaded(("a",)) is None
    house.put("a", b"four", session)
    assert session.uploaded(("a",)) == session.uploaded(("a-1",))
    assert house.session().uploaded(("a",)) is None
    house.put("b.part", b"five!", session)
    now(session.set_modified(("b.part",), 5.0))
    assert session.uploaded(("b.part",)) == Entry("b.part", is_folder=False, size=5, modified=5.0)
    now(session.rename(("b.part",), ("b",)))
    assert session.uploaded(("b.part",)) is None
    found = session.uploaded(("b",))
    assert found is not None
    assert found.size == 5
    house.put("c.part", b"", session)
    now(session.delete(("c.part",)))
    assert session.uploaded(("c.part",)) is None
    house.with_terms(rights=WRITE_ONLY | {Right.LIST})
    session = house.session()
    house.put("d", b"", session)
    assert session.uploaded(("d",)) is None


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_octets_may_come_in_any_order(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Pieces that overlap, come twice or out of order make the same file; with a hole it is none."""
    house = DropHouse(tmp_path_factory.mktemp("order"))
    octets = data.draw(st.binary(min_size=1, max_size=60))
    bounds = st.integers(0, len(octets))
    cuts = [sorted(cut) for cut in data.draw(st.lists(st.tuples(bounds, bounds), max_size=12))]
    upload = now(house.session().upload(("a",)))
    for start, stop in cuts:
        upload.write(octets[start:stop], start)
    covered = {offset for start, stop in cuts for offset in range(start, stop)}
    size = max(covered, default=-1) + 1
    if covered == set(range(size)):
        now(upload.finish())
        assert house.files() == {"a": octets[:size]}
        assert house.journal.events[0]["file.hash.sha256"] == hashlib.sha256(octets[:size]).hexdigest()
    else:
        assert refusal(upload.finish()).refusal is Refusal.CUT
        assert not house.files()
        assert not house.left_over()


def test_what_is_cut_leaves_nothing(house: DropHouse) -> None:
    """An abort removes the part, is an event that need not be kept, and a name that is free again."""
    session = house.session()
    for end in ("abort", "leave"):
        upload = now(session.upload(("a.csv",)))
        upload.write(b"x" * 100_000)
        assert len(house.left_over()) == 1
        if end == "abort":
            now(upload.abort("the transfer was cut"))
        else:
            session.leave()
        assert refusal(upload.finish()).refusal is Refusal.CUT
        assert not house.left_over()
    assert not house.files()
    assert not house.journal.events
    assert [event["gateway.refusal"] for event in house.journal.of("upload-failed")] == ["cut", "cut"]
    assert len(house.told.of(UploadFailed)) == 2
    assert not house.box._around.live
    assert refusal(session.upload(("b",))).refusal is Refusal.CUT
    house.put("a.csv", DATA)


def test_much_that_waits_stops_the_client(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit a write says when there is room again; memory does not grow with the file."""
    held: list[tuple[Deferred[Any], Any]] = []
    upload = begun(house, "a")
    locker = upload._locker
    real = locker.in_thread

    def in_thread(work: Any, *args: Any) -> Deferred[Any]:
        held.append((Deferred(), lambda: real(work, *args)))
        return held[-1][0]

    monkeypatch.setattr(locker, "in_thread", in_thread)
    rooms = [upload.write(b"x" * 1_000_000) for _ in range(5)]
    assert [room is None for room in rooms] == [True] * 4 + [False]
    assert rooms[4] is not None
    while not rooms[4].called:
        done, work = held.pop(0)
        work().chainDeferred(done)
    assert upload._waiting <= MAX_WAITING // 2
    monkeypatch.undo()
    assert now(upload.finish()).size == 5_000_000


# Names that are taken.


def test_a_name_that_is_taken_is_refused_before_any_octet(house: DropHouse) -> None:
    """By default nothing is ever overwritten: neither a file, nor a folder."""
    house.put("a", b"first")
    now(house.session().make_folder(("b",)))
    assert refusal(house.session().upload(("a",))).refusal is Refusal.TAKEN
    assert refusal(house.session().upload(("b",))).refusal is Refusal.TAKEN
    assert house.files() == {"a": b"first"}


def test_of_two_at_a_time_one_is_the_file(house: DropHouse) -> None:
    """The first that is whole gets the name, the other is refused."""
    one, other = (now(house.session().upload(("a",))) for _ in range(2))
    one.write(b"one")
    other.write(b"other")
    now(other.finish())
    assert refusal(one.finish()).refusal is Refusal.TAKEN
    assert house.files() == {"a": b"other"}
    assert len(house.journal.events) == 1
    assert not house.left_over()


def test_other_names_are_found(house: DropHouse) -> None:
    """`rename` and STOU give a free name, known from the beginning, also of uploads under way."""
    house.put("a.csv", b"0")
    session = house.session()
    uploads = [now(session.upload(("a.csv",), unique=True)) for _ in range(2)]
    assert [upload.way for upload in uploads] == [("a-1.csv",), ("a-2.csv",)]
    (house.account.folder / "a-2.csv").write_bytes(b"put here by somebody else")
    for upload in uploads:
        upload.write(b"new")
    assert [now(upload.finish()).name for upload in uploads] == ["a-1.csv", "a-3.csv"]
    house.with_terms(on_conflict=OnConflict.RENAME)
    assert house.put("a.csv", b"1").name == "a-4.csv"
    assert [str(event["file.name"]) for event in house.journal.events] == ["a.csv", "a-1.csv", "a-3.csv", "a-4.csv"]


def test_replacing_is_all_or_nothing(house: DropHouse) -> None:
    """The old file is there until the new one is, and each is an event; a folder is not replaced."""
    house.with_terms(on_conflict=OnConflict.REPLACE)
    house.put("a", b"old")
    upload = now(house.session().upload(("a",)))
    upload.write(b"new")
    assert house.files() == {"a": b"old"}
    now(upload.finish())
    assert house.files() == {"a": b"new"}
    assert len(house.journal.events) == 2
    now(house.session().make_folder(("b",)))
    assert refusal(house.session().upload(("b",))).refusal is Refusal.TAKEN


def test_a_file_whose_client_was_not_told_may_come_again(house: DropHouse) -> None:
    """The same octets under the same name are a success without second event, once; others are refused."""
    session = house.session()
    house.journal.late = True
    upload = now(session.upload(("a",)))
    upload.write(DATA)
    finished = upload.finish()
    session.leave()
    house.journal.late = False
    house.journal.go_on()
    now(finished)
    other = now(house.session().upload(("a",)))
    other.write(b"other")
    assert refusal(other.finish()).refusal is Refusal.TAKEN
    house.box._lockers[str(house.account.folder)].acknowledge_later(_record(house))
    assert house.put("a", DATA).size == len(DATA)
    assert len(house.journal.events) == 1
    assert refusal(house.session().upload(("a",))).refusal is Refusal.TAKEN


def _record(house: DropHouse) -> Any:
    from gateway.drop.record import Record

    return Record("0" * 24, "alice", ("a",), ("a",), CLIENT, len(DATA), SUM, None, house.wall)


def test_an_event_that_cannot_be_kept_is_kept_later(house: DropHouse) -> None:
    """Nothing is acknowledged; a sweep or the client's own repetition makes the event, once."""
    house.journal.refuses = True
    with pytest.raises(Refused) as caught:
        house.put("a", DATA)
    assert caught.value.refusal is Refusal.BROKEN
    assert house.told.of(EventDelayed)
    assert len(house.left_over()) == 2
    house.journal.refuses = False
    now(house.box.sweep())
    assert [event["file.name"] for event in house.journal.events] == ["a"]
    assert not house.left_over()
    now(house.box.sweep())
    assert not house.journal.marks


# Unfinished names.


def test_an_unfinished_name_is_no_event_until_it_is_renamed(house: DropHouse) -> None:
    """Whoever may only upload may rename it; the rename makes the event, and a second one of it none."""
    house.with_terms(rights=frozenset({Right.UPLOAD}))
    house.put("a.csv.part", b"first try")
    house.put("a.csv.part", DATA)
    assert house.files() == {"a.csv.part": DATA}
    assert not house.journal.events
    house.rename("a.csv.part", "b.csv.part")
    assert not house.journal.events
    house.rename("b.csv.part", "a.csv")
    (event,) = house.journal.events
    assert (event["file.name"], event["file.hash.sha256"]) == ("a.csv", SUM)
    assert house.files() == {"a.csv": DATA}
    assert not house.left_over()
    assert refusal(house.session().rename(("a.csv",), ("b.csv",))).refusal is Refusal.DENIED
    house.with_terms(rights=ALL_RIGHTS)
    house.rename("a.csv", "b.csv")
    assert refusal(house.session().rename(("b.csv",), ("b.csv.part",))).refusal is Refusal.NAME
    assert len(house.journal.events) == 1


def test_a_rename_never_overwrites(house: DropHouse) -> None:
    """Neither a file by a file or folder, nor what waits; what is missing cannot be renamed."""
    session = house.session()
    house.put("a", b"a")
    house.put("b", b"b")
    house.put("c.part", b"c")
    for name in ("d", "e", "e/f"):
        now(session.make_folder(way(name)))
    for old, new in (("a", "b"), ("c.part", "b"), ("d", "e"), ("d", "a"), ("a", "d")):
        assert refusal(session.rename((old,), (new,))).refusal is Refusal.TAKEN
    for old, new in (("x", "y"), ("a", "x/y"), ("d", "d/e")):
        assert refusal(session.rename(way(old), way(new))).refusal is Refusal.MISSING
    now(session.rename(("d",), ("e", "d")))
    assert now(session.entry(("e", "d"))).is_folder
    assert house.files() == {"a": b"a", "b": b"b", "c.part": b"c"}
    assert not house.left_over()


# Checks.

REQUIRED = Checks(checksum=Demand.REQUIRED)


def test_a_file_waits_for_its_checksum(house: DropHouse) -> None:
    """It is acknowledged but not seen, keeps its name, survives a restart, and is an event once its checksum came."""
    house.with_terms(checks=REQUIRED)
    house.put("a.csv", DATA)
    assert not house.files()
    assert not house.journal.events
    assert house.told.of(UploadHeld)
    assert refusal(house.session().upload(("a.csv",))).refusal is Refusal.TAKEN
    assert refusal(house.session().make_folder(("a.csv",))).refusal is Refusal.TAKEN
    assert now(house.session().entries(())) == []
    house.start()
    assert refusal(house.session().upload(("a.csv",))).refusal is Refusal.TAKEN
    house.put("a.csv.sha256", f"{SUM}  a.csv\n".encode())
    assert house.files()["a.csv"] == DATA
    assert [(event["file.name"], event["file.checksum"], event["event.action"]) for event in house.journal.events] == [
        ("a.csv.sha256", "ok", "sidecar-complete"),
        ("a.csv", "ok", "upload-complete"),
    ]
    assert not house.told.of(SidecarFailed)
    assert not house.left_over()


def test_what_waits_is_not_seen_under_its_unfinished_name(house: DropHouse) -> None:
    """A rename of an unfinished file that then waits is a success, and its former name is free."""
    house.with_terms(checks=REQUIRED)
    house.put("a.csv.part", DATA)
    house.rename("a.csv.part", "a.csv")
    assert not house.files()
    house.put("a.csv.sha256", f"{SUM}  a.csv\n".encode())
    assert house.files()["a.csv"] == DATA


@pytest.mark.parametrize("late", [False, True])
def test_what_fails_its_check_goes_to_quarantine(house: DropHouse, late: bool) -> None:
    """Whether the checksum came before or after: the file is an event of its own, and the client hears of it."""
    house.with_terms(checks=REQUIRED)
    wrong = f"{'0' * 64}  a.csv\n".encode()
    if late:
        house.put("a.csv", DATA)
        house.put("a.csv.sha256", wrong)
    else:
        house.put("a.csv.sha256", wrong)
        with pytest.raises(Refused) as caught:
            house.put("a.csv", DATA)
        assert caught.value.refusal is Refusal.FAILED_CHECK
    (event,) = house.journal.of("upload-quarantined")
    assert (event["file.name"], event["event.outcome"], event["file.checksum"]) == ("a.csv", "failure", "failed")
    assert Path(str(event["file.path"])).read_bytes() == DATA
    assert house.quarantined() == {"a.csv": DATA}
    assert house.files() == {"a.csv.sha256": wrong}
    assert house.told.of(UploadQuarantined)
    assert not house.left_over()


def test_a_checksum_that_comes_too_late_to_hold_a_file_up_is_told(house: DropHouse) -> None:
    """One that does not fit is a warning and says why in its event; its file has had its own, and stays."""
    house.put("a.csv", DATA)
    house.put("a.csv.sha256", f"{'0' * 64}  a.csv\n".encode())
    (event,) = house.journal.of("sidecar-complete")
    assert (event["file.name"], event["file.checksum"]) == ("a.csv.sha256", "failed")
    problem = f"a.csv.sha256 line 1 says sha256 {'0' * 64}, 'a.csv' has {SUM}"
    assert event["event.reason"] == problem
    assert str(event["message"]).endswith(f"; it failed: {problem}")
    assert house.told.of(SidecarFailed) == [SidecarFailed("alice", "/a.csv.sha256", "a.csv", problem)]
    assert house.files()["a.csv"] == DATA
    assert not house.quarantined()


def test_without_checks_a_sidecar_is_a_file(house: DropHouse) -> None:
    """Nothing makes use of it: rules are about it as about any other."""
    house.with_terms(checks=Checks(Demand.OFF))
    house.put("a.csv.sha256", b"anything")
    assert [event["file.name"] for event in house.journal.of("upload-complete")] == ["a.csv.sha256"]


def test_what_waits_in_vain_goes_to_quarantine(house: DropHouse) -> None:
    """After the time that `wait:` gives, with words that say what was missing."""
    house.with_terms(checks=REQUIRED)
    house.put("a.csv", DATA)
    house.reactor.advance(3599)
    now(house.box.sweep())
    assert not house.journal.events
    house.reactor.advance(1)
    now(house.box.sweep())
    (event,) = house.journal.of("upload-quarantined")
    assert event["event.reason"] == "no checksum came within 1h"
    assert house.quarantined() == {"a.csv": DATA}
    house.put("a.csv", DATA)


def test_a_list_of_checksums_reaches_nothing_outside(house: DropHouse, tmp_path: Path) -> None:
    """A name with a way in it, in a list of checksums, is not looked at."""
    (tmp_path / "secret").write_bytes(b"secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    house.put("SHA256SUMS", f"{digest}  ../secret\n{digest}  .gateway/x\n".encode())
    assert house.journal.events[0].get("file.checksum") != "ok"


# Logs.


def test_a_log_is_fed_before_it_is_an_event(house: DropHouse) -> None:
    """Its lines come from the listener, with the account and the file; the event says how many they were."""
    house.with_terms(content=Content.SYSLOG)
    house.put("a.log", b"one\ntwo\n")
    ((octets, bookmark, origin, done),) = house.feed.fed
    assert (octets, origin.dataset, origin.account, done) == (b"one\ntwo\n", "ftp", "alice", None)
    assert origin.file == str(house.account.folder / "a.log")
    assert bookmark.startswith("log/alice/")
    assert house.journal.events[0]["gateway.messages"] == 2


def test_a_log_that_cannot_be_read_is_refused(house: DropHouse) -> None:
    """It goes to quarantine, and what was counted stays counted."""
    house.with_terms(content=Content.SYSLOG)
    house.feed.problem = "the gzip stream is cut off"
    with pytest.raises(Refused, match="cut off"):
        house.put("a.log.gz", b"\x1f\x8b\n")
    (event,) = house.journal.events
    assert (event["event.action"], event["gateway.messages"]) == ("log-failed", 1)
    assert house.quarantined() == {"a.log.gz": b"\x1f\x8b\n"}
    assert not house.files()


# Limits.


def test_a_file_has_a_limit(house: DropHouse) -> None:
    """What is larger is refused as soon as it is, wherever its octets are said to be."""
    house.with_terms(max_file=1000)
    house.put("a", b"x" * 1000)
    for offset in (None, 2**40):
        upload = now(house.session().upload(("b",)))
        upload.write(b"x" * 70_000, offset)
        assert refusal(upload.finish()).refusal is Refusal.TOO_LARGE
        room = upload.write(b"more")
        assert room is not None
        assert refusal(room).refusal is Refusal.TOO_LARGE
    assert not house.left_over()


def test_a_quota_counts_what_is_there_and_what_comes(house: DropHouse) -> None:
    """Octets and files; uploads under way and what waits count, and what is deleted does not after some seconds."""
    house.with_terms(quota=Quota(octets=1000, files=3))
    house.put("a", b"x" * 600)
    upload = now(house.session().upload(("b",)))
    upload.write(b"x" * 401)
    refused = refusal(upload.finish())
    assert refused.refusal is Refusal.QUOTA
    assert str(refused).endswith("exhausted: 600 of 1,000 octets are taken, and 401 more would not fit")
    assert house.told.of(UploadNotKept)[0].level == "warn"
    house.put("b", b"x" * 400)
    assert refusal(house.session().upload(("c",))).refusal is Refusal.QUOTA
    (house.account.folder / "a").unlink()
    house.reactor.advance(11)
    uploads = [now(house.session().upload((name,))) for name in ("c", "d")]
    assert refusal(house.session().upload(("e",))).refusal is Refusal.QUOTA
    for each in uploads:
        now(each.finish())
    assert {event["gateway.refusal"] for event in house.journal.of("upload-failed")} == {"quota"}


def test_a_full_disk_is_said_and_leaves_nothing(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client hears that it is full, in the middle and at the end; the operator too."""
    for name in ("pwrite", "link", "fsync", "write"):
        upload = now(house.session().upload(("a",)))
        with monkeypatch.context() as patched:
            real = getattr(os, name)
            calls: list[int] = []

            def full(*args: Any, real: Any = real, calls: list[int] = calls, **kwargs: Any) -> Any:
                calls.append(1)
                if len(calls) == 1:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return real(*args, **kwargs)

            patched.setattr(os, name, full)
            upload.write(DATA)
            assert refusal(upload.finish()).refusal is Refusal.FULL, name
        assert not house.left_over(), name
        assert not house.files(), name
    assert not house.journal.events
    assert house.told.of(FolderTrouble)
    assert len(house.told.of(UploadNotKept)) == 4
    assert UploadNotKept.level == "warn"
    house.put("a", DATA)


def test_sessions_have_a_limit(house: DropHouse) -> None:
    """One more than the account may have is not let in, until one leaves; none when the gateway stops."""
    house.with_terms(sessions=2)
    session, _ = house.session(), house.session()
    with pytest.raises(LoginRefused, match="2 sessions"):
        house.session()
    session.leave()
    session.leave()
    house.session()
    now(house.box.stop())
    with pytest.raises(LoginRefused, match="stopping"):
        house.session()


# Rights and places.


def test_without_rights_nothing_is_done_or_seen(house: DropHouse) -> None:
    """A write-only account sees no file, changes none, and may make folders only where it is said."""
    house.put("a", DATA)
    house.with_terms(rights=frozenset({Right.UPLOAD}))
    session = house.session()
    for refused in (
        session.read(("a",)),
        session.make_folder(("b",)),
        session.remove_folder(("b",)),
        session.delete(("a",)),
        session.rename(("a",), ("b",)),
    ):
        assert refusal(refused).refusal is Refusal.DENIED
    assert refusal(session.entry(("a",))).refusal is Refusal.MISSING
    assert now(session.entries(())) == []
    assert now(session.entry(())).is_folder
    house.with_terms(rights=frozenset({Right.LIST}))
    assert refusal(house.session().upload(("b",))).refusal is Refusal.DENIED
    assert [entry.name for entry in now(house.session().entries(()))] == ["a"]


def test_files_are_read_and_folders_come_and_go(house: DropHouse) -> None:
    """What an account with all rights may do."""
    session = house.session()
    now(session.make_folder(("in",)))
    assert refusal(session.make_folder(("in",))).refusal is Refusal.TAKEN
    house.put("in/a", DATA)
    download = now(session.read(("in", "a")))
    assert (download.size, now(download.read(0, 10)), now(download.read(400, 10))) == (400, DATA[:10], b"")
    download.close()
    download.close()
    assert refusal(download.read(0, 1)).refusal is Refusal.CUT
    assert refusal(session.remove_folder(("in",))).refusal is Refusal.TAKEN
    assert refusal(session.delete(("in",))).refusal is Refusal.MISSING
    now(session.delete(("in", "a")))
    now(session.remove_folder(("in",)))
    assert refusal(session.upload(("in", "a"))).refusal is Refusal.MISSING
    assert refusal(session.upload(())).refusal is Refusal.NAME
    assert refusal(session.upload(("a\n",))).refusal is Refusal.NAME


@pytest.mark.parametrize("name", ["link", ".gateway/parts/x", "../x", "file"])
def test_no_link_is_followed_and_nothing_is_outside(house: DropHouse, tmp_path: Path, name: str) -> None:
    """A link to a folder or file, the gateway's own folder, a way up: nothing of that leads anywhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"secret")
    root = house.account.folder
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "x")
    os.mkfifo(root / "fifo")
    session = house.session()
    place = way(name)
    for each in (place, (*place, "x")):
        for refused in (
            session.read(each),
            session.upload(each),
            session.delete(each),
            session.entry(each),
            session.rename(each, ("y",)),
            session.make_folder(each),
            session.remove_folder(each),
        ):
            refusal(refused)
    assert now(session.entries(())) == []
    refusal(session.read(("fifo",)))
    assert [path.name for path in outside.iterdir()] == ["x"]
    assert (outside / "x").read_bytes() == b"secret"


@pytest.mark.parametrize("own", [".gateway", ".gateway/parts"])
def test_a_link_in_the_place_of_our_own_folder_is_refused(tmp_path: Path, own: str) -> None:
    """Parts are never written where a link leads."""
    outside = tmp_path / "outside"
    outside.mkdir()
    place = tmp_path / "alice" / own
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    house = DropHouse(tmp_path)
    refusal(house.session().upload(("a",)))
    assert not list(outside.iterdir())


# The start, and what is due.


def test_the_start_removes_parts_and_says_so(house: DropHouse) -> None:
    """What has no record never was whole; what is damaged stays for somebody to look at."""
    (parts(house) / "1234").write_bytes(b"half")
    (parts(house) / "5678").write_bytes(b"half")
    (parts(house) / "5678.json").write_bytes(b'{"version":1,')
    (parts(house) / "9abc").write_bytes(b"whole?")
    (parts(house) / "9abc.json").write_bytes(b'{"version":1}\n')
    house.start()
    assert [notice.parts for notice in house.told.of(PartsRemoved)] == [2]
    assert len(house.told.of(RecordDamaged)) == 1
    assert house.left_over() == ["9abc", "9abc.json"]


def test_the_start_finishes_what_was_whole(house: DropHouse) -> None:
    """The event that could not be kept is kept; the client that comes again is told that all is well."""
    house.journal.refuses = True
    with pytest.raises(Refused):
        house.put("a", DATA)
    house.journal.refuses = False
    house.start()
    assert [event["file.name"] for event in house.journal.events] == ["a"]
    assert [notice.uploads for notice in house.told.of(UploadsFinished)] == [1]
    house.put("a", DATA)
    assert len(house.journal.events) == 1


def test_old_files_are_deleted(tmp_path: Path) -> None:
    """Files and empty folders older than `retention:` says, in its folder only; links and our own are left alone."""
    house = DropHouse(tmp_path, retention={"quarantine": 100.0, "missing": 1.0})
    old = house.folder / "quarantine" / "alice"
    (old / "empty").mkdir(parents=True)
    (old / ".gateway").mkdir()
    for path in (old / "a", old / ".gateway" / "b", tmp_path / "c"):
        path.write_bytes(b"")
    (old / "link").symlink_to(tmp_path / "c")
    now(house.box.sweep())
    house.wall += 10**9
    now(house.box.sweep())
    assert sorted(path.name for path in old.iterdir()) == [".gateway", "link"]
    assert (tmp_path / "c").exists()
    assert (old / ".gateway" / "b").exists()
    assert [notice.files for notice in house.told.of(FilesExpired)] == [1]


def test_threads_that_race_for_a_name_leave_one_file(tmp_path: Path) -> None:
    """Twenty uploads of one name that become whole at the same time: one is the file, nothing of the others stays."""
    house = DropHouse(tmp_path)
    uploads = [begun(house, "a") for _ in range(20)]
    for number, upload in enumerate(uploads):
        upload._part.write([(str(number).encode(), None)])
    barrier = threading.Barrier(20)
    came: list[object] = []

    def finish(number: int) -> None:
        barrier.wait()
        try:
            came.append(uploads[number]._complete([]))
        except Refused as refused:
            came.append(refused.refusal)

    threads = [threading.Thread(target=finish, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert came.count(Refusal.TAKEN) == 19
    assert len(house.left_over()) == 2
    assert len(house.files()) == 1


def test_too_many_holes_are_refused(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client cannot have us remember any number of pieces."""
    monkeypatch.setattr("gateway.drop.part.MAX_ISLANDS", 10)
    part: Part = begun(house, "a")._part
    with pytest.raises(Refused, match="out of order"):
        part.write([(b"x", 2 * number) for number in range(12)])
