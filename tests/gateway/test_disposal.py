"""Files that a rule deletes or moves: only ours, through no link, never over another, and the same when repeated."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.drop import disposal
from gateway.drop.disposal import Disposal, NotOursError, delete, move
from rules.job import Attempt
from rules.outcome import Ending, Outcome
from rules.step import Delete, Move


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Path]:
    """A drop box with the folder of one account; no descriptor stays open."""
    (tmp_path / "box" / "acme" / "in").mkdir(parents=True)
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield tmp_path / "box"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def write(path: Path, text: str = "x") -> Path:
    """Write a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def moved(path: Path, box: Path, to: str = "processed") -> None:
    """Move a file of the account."""
    move(str(path), to, [box / "acme"], box)


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_deleted_and_a_repeat_is_done(box: Path) -> None:
    """A job may be done again after a crash: what is gone is done, with its folders too."""
    file = write(box / "acme" / "in" / "a.csv")
    delete(str(file), [box / "acme"])
    assert not file.exists()
    delete(str(file), [box / "acme"])
    delete(str(box / "acme" / "no" / "such" / "a.csv"), [box / "acme"])
    delete(str(box / "away" / "a.csv"), [box / "away"])
    moved(file, box)
    assert not (box / "processed").exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/etc/passwd", "not in a folder"),
        ("{box}/other/a.csv", "not in a folder"),
        ("{box}/acme", "not in a folder"),
        ("{box}/acme/../other/a.csv", "not in a folder"),
        ("{box}/acme//a.csv", "not in a folder"),
        ("a.csv", "not in a folder"),
        ("{box}/acme/in", "no regular file"),
        ("{box}/acme/link", "no regular file"),
        ("{box}/acme/out/a.csv", "out is a link"),
        ("{box}/acme/plain/a.csv", "plain is a link, or no folder"),
        ("{box}/acme/.gateway/parts/1", "the gateway's own"),
        ("{box}/acme/a\0.csv", "no path of a file"),
    ],
)
def test_what_is_not_ours_stays(path: str, words: str, box: Path) -> None:
    """Nothing outside of the folders, no folder, no link and nothing behind one is touched."""
    others = [write(box / "other" / "a.csv"), write(box / "acme" / ".gateway" / "parts" / "1")]
    write(box / "acme" / "plain")
    (box / "acme" / "out").symlink_to(box / "other")
    (box / "acme" / "link").symlink_to(others[0])
    wanted = path.format(box=box)
    with pytest.raises(NotOursError, match=words):
        delete(wanted, [box / "acme"])
    with pytest.raises(NotOursError, match=words):
        move(wanted, "processed", [box / "acme"], box)
    assert all(other.exists() for other in others)
    assert (box / "acme" / "link").is_symlink()


def test_the_innermost_root_counts(box: Path) -> None:
    """A link in the way is one below the root that is nearest to the file; the operator's own links are above it."""
    (box / "real").mkdir()
    write(box / "real" / "a.csv")
    (box / "acme" / "alias").symlink_to(box / "real")
    delete(str(box / "acme" / "alias" / "a.csv"), [box / "acme", box / "acme" / "alias"])
    assert names(box / "real") == []


def test_a_file_is_moved_and_never_over_another(box: Path) -> None:
    """The folder is made; a taken name gets a number before its extension."""
    for text in "one", "two", "three":
        moved(write(box / "acme" / "in" / "a.b.csv", text), box, "done/today")
    assert names(box / "done" / "today") == ["a.b-1.csv", "a.b-2.csv", "a.b.csv"]
    assert (box / "done" / "today" / "a.b-2.csv").read_text() == "three"
    (box / "absolute").mkdir()
    for _ in range(2):
        moved(write(box / "acme" / ".hidden"), box, str(box / "absolute"))
    assert names(box / "absolute") == [".hidden", ".hidden-1"]
    assert names(box / "acme" / "in") == []


def test_a_file_that_lies_there_already_stays(box: Path) -> None:
    """To move a file to where it is changes nothing."""
    file = write(box / "acme" / "a.csv")
    moved(file, box, "acme")
    assert names(box / "acme") == ["a.csv", "in"]


def test_the_drop_boxs_folder_is_made(box: Path) -> None:
    """Where only folders are watched, nobody else has made it."""
    file = write(box / "acme" / "a.csv")
    move(str(file), "processed", [box / "acme"], box / "state" / "drop")
    assert names(box / "state" / "drop" / "processed") == ["a.csv"]


def test_a_folder_that_is_not_there_or_no_folder(box: Path) -> None:
    """An absolute folder is the operator's to make; a link is no folder of the drop box."""
    file = write(box / "acme" / "a.csv")
    with pytest.raises(FileNotFoundError):
        moved(file, box, str(box / "missing"))
    with pytest.raises(NotOursError, match="is no folder"):
        moved(file, box, str(file))
    (box / "processed").symlink_to(box / "acme")
    with pytest.raises(NotOursError, match="processed is a link"):
        moved(file, box)
    assert file.exists()


@pytest.mark.parametrize("linked", [True, False])
def test_a_move_that_was_cut_short_is_finished(linked: bool, box: Path) -> None:
    """What an earlier try has brought there, as a second name or as a copy, is not brought there twice."""
    file = write(box / "acme" / "a.csv", "same")
    (box / "processed").mkdir()
    there = box / "processed" / "a.csv"
    if linked:
        os.link(file, there)
    else:
        there.write_text("same")
        os.utime(there, ns=(0, file.stat().st_mtime_ns))
    moved(file, box)
    assert names(box / "processed") == ["a.csv"]
    assert not file.exists()


def refuse(number: int) -> Callable[..., int]:
    """Return a renameat2 that fails."""

    def call(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    return call


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL])
def test_another_file_system_and_one_that_cannot_rename_so(
    number: int, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy with the file's permissions and time takes its place; no part of it stays, and a taken name is kept.

    It does not run as its owner, which may be others than the file's.
    """
    monkeypatch.setattr(disposal, "_renameat2", refuse(number))
    file = write(box / "acme" / "a.csv", "new")
    file.chmod(0o4640 if number == errno.EXDEV else 0o640)
    os.utime(file, ns=(1, 2_000_000_001))
    old = write(box / "processed" / "a.csv", "old")
    moved(file, box)
    assert names(box / "processed") == ["a-1.csv", "a.csv"]
    found = box / "processed" / "a-1.csv"
    assert (found.read_text(), old.read_text()) == ("new", "old")
    assert (found.stat().st_mode & 0o7777, found.stat().st_mtime_ns) == (0o640, 2_000_000_001)
    assert not file.exists()


def test_a_full_disk_leaves_the_file_where_it_is(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that does not fit is taken away again."""
    monkeypatch.setattr(disposal, "_renameat2", refuse(errno.EXDEV))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    file = write(box / "acme" / "a.csv")
    with pytest.raises(OSError, match="No space"):
        moved(file, box)
    assert names(box / "processed") == []
    assert file.exists()


class Pool:
    """A pool whose threads are us."""

    def callInThreadWithCallback(  # noqa: N802 -- Twisted's name
        self, told: Callable[[bool, Any], None], work: Callable[..., Any], *args: Any, **named: Any
    ) -> None:
        """Do it at once."""
        try:
            result = work(*args, **named)
        except Exception:  # noqa: BLE001 -- as a thread pool does
            told(False, Failure())
        else:
            told(True, result)


def outcome_of(step: Delete | Move, fields: dict[str, Any], box: Path) -> Outcome:
    """Perform a step."""

    class Here:
        """A reactor whose thread we are."""

        def callFromThread(self, call: Callable[..., None], *args: Any) -> None:  # noqa: N802 -- Twisted's name
            """Call it at once."""
            call(*args)

    here: Any = Here()
    pool: Any = Pool()
    found: list[Outcome] = []
    disposes = Disposal(here, pool, lambda: [box / "acme"], lambda: box)
    done: Deferred[Outcome] = disposes.perform(step, Attempt("1" * 32 + "-1", "r", step.name, (), fields))
    done.addCallback(found.append)
    return found[0]


def test_outcomes(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done, refused for good, or to be tried again: each with words; the path comes from the event."""
    step = Delete("r/do/1", "${file.path}")
    file = write(box / "acme" / "a.csv")
    fields = {"file.path": str(file)}
    assert outcome_of(Move("r/do/1", "${file.path}", "processed"), fields, box).success
    assert names(box / "processed") == ["a.csv"]
    assert outcome_of(step, fields, box).ending is Ending.CONFIRMED
    no_field = outcome_of(step, {}, box)
    assert (no_field.ending, no_field.error) == (Ending.REFUSED, "the event has no field file.path")
    outside = outcome_of(step, {"file.path": "/etc/passwd"}, box)
    assert outside.ending is Ending.REFUSED
    assert "not in a folder" in str(outside.error)

    def broken(number: int) -> Callable[..., None]:
        def call(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        return call

    write(file)
    for number, temporary in ((errno.EIO, True), (errno.ENOSPC, True), (errno.EACCES, False)):
        monkeypatch.setattr(os, "unlink", broken(number))
        found = outcome_of(step, fields, box)
        assert (found.ending, found.temporary) == (Ending.DECLINED, temporary)
        assert os.strerror(number) in str(found.error)
    monkeypatch.setattr(disposal, "delete", lambda *_: 1 / 0)
    assert outcome_of(step, fields, box).ending is Ending.DECLINED
