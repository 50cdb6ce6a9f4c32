"""What is in files of watched folders: checksums, and lines of logs."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gateway.drop.account import After, Checks, Content, Demand
from gateway.log_files.log_lines import Progress
from gateway.notices.files import (
    FileRejected,
    FileSidecarFailed,
    FileUnreadable,
    FileVanished,
    FileWaits,
    LogUnreadable,
)
from gateway.sources.files import delivery, whole
from tests.gateway.files_stand_ins import FilesCase


class Checked(FilesCase):
    """Files with checksums."""

    async def test_waits_for_its_checksum(self) -> None:
        """Where a checksum is required a file is no event before it has one, in whichever order they come."""
        await self.start(patterns=("*.csv",), checks=Checks(Demand.REQUIRED))
        digest = hashlib.sha256(b"x").hexdigest()
        (self.root / "b.csv.sha256").write_text(f"{digest}  b.csv\n")
        (self.root / "a.csv").write_bytes(b"x")
        await self.until(lambda: self.told.of(FileWaits))
        (self.root / "b.csv").write_bytes(b"x")
        await self.arrived("b.csv")
        (self.root / "a.csv.sha256").write_text(f"{digest}  a.csv\n")
        await self.until(lambda: self.disk.events)
        assert self.disk.events[0]["file.checksum"] == "ok"
        await self.arrived("a.csv")

    async def test_fails(self) -> None:
        """A file that fails stays where it is, and is judged again when another checksum comes."""
        await self.start(patterns=("*.csv",))
        (self.root / "a.csv.sha256").write_text("0" * 64 + "  a.csv\n")
        (self.root / "a.csv").write_bytes(b"x")
        await self.until(lambda: self.disk.events)
        await self.settled()
        assert self.disk.paths("file-rejected") == [str(self.root / "a.csv")]
        assert self.disk.events[0]["file.checksum"] == "failed"
        assert self.disk.events[0]["event.outcome"] == "failure"
        assert self.disk.events[0]["event.reason"] == self.told.of(FileRejected)[0].problem
        await self.stop()
        self.disk.events.clear()
        await self.start()
        await self.settled()
        assert not self.disk.events
        (self.root / "a.csv.sha256").write_text(f"{hashlib.sha256(b'x').hexdigest()}  a.csv\n")
        await self.arrived("a.csv")

    async def test_sidecar_comes_late_and_is_wrong(self) -> None:
        """It is no file for rules about files, its event says why it failed, and that is a warning."""
        await self.start(checks=Checks(Demand.OPTIONAL))
        (self.root / "a.csv").write_bytes(b"x")
        await self.arrived("a.csv")
        (self.root / "a.csv.sha256").write_text("0" * 64)
        await self.until(lambda: self.told.of(FileSidecarFailed))
        (event,) = [event for event in self.disk.events if event["event.action"] == "sidecar-complete"]
        assert event["file.checksum"] == "failed"
        (notice,) = self.told.of(FileSidecarFailed)
        assert (notice.about, notice.problem) == ("a.csv", event["event.reason"])

    async def test_what_it_is_about_goes(self) -> None:
        """A sidecar is not gone because the file that it is about goes while that is compared."""

        def judge(*_: object, **__: object) -> None:
            raise FileNotFoundError(2, "No such file or directory")

        self.patch(delivery, "judge", judge)  # type: ignore[no-untyped-call]
        await self.start(checks=Checks(Demand.OPTIONAL))
        (self.root / "a.csv.sha256").write_text("0" * 64)
        await self.until(lambda: self.told.of(FileUnreadable))
        assert not self.told.of(FileVanished)

    async def test_never_comes(self) -> None:
        """A checksum that does not come in time is a failure, also when the gateway was stopped meanwhile."""
        await self.start(patterns=("*.csv",), checks=Checks(Demand.REQUIRED, wait=0.05))
        (self.root / "a.csv").write_bytes(b"x")
        await self.until(lambda: self.told.of(FileWaits))
        await self.stop()
        watcher = await self.start()

        def rejected() -> bool:
            watcher.poll()
            return bool(self.disk.events)

        await self.until(rejected)
        assert self.disk.paths("file-rejected") == [str(self.root / "a.csv")]
        assert self.disk.events[0]["file.checksum"] == "missing"


class Logs(FilesCase):
    """Files whose lines are messages."""

    async def test_lines(self) -> None:
        """The lines come first, then the event with their number; the place in the log is forgotten with it."""
        await self.start(content=Content.SYSLOG)
        (self.root / "a.log").write_bytes(b"one\ntwo\n")
        await self.until(lambda: self.disk.events)
        assert self.disk.lines == [b"one", b"two"]
        assert self.disk.events[0]["gateway.messages"] == 2
        await self.arrived("a.log")
        assert not [name for name in self.disk.bookmarks if name.startswith("log/")]
        assert (self.root / "a.log").exists()

    async def test_done_with(self) -> None:
        """A log that is done with is deleted, or moved to the same place elsewhere, never over another."""
        done = self.base / "done"
        (done / "sub").mkdir(parents=True)
        (done / "sub/a.log").write_bytes(b"other")
        (self.root / "sub").mkdir()
        await self.start(content=Content.SYSLOG, after=After.MOVE, processed=done)
        (self.root / "sub/a.log").write_bytes(b"one\n")
        await self.until((done / "sub/a-1.log").exists)
        assert (done / "sub/a.log").read_bytes() == b"other"
        await self.arrived("sub/a.log")
        await self.stop()
        (self.root / "b.log").write_bytes(b"two\n")
        await self.start(after=After.DELETE)
        await self.until(lambda: not (self.root / "b.log").exists())
        await self.arrived("b.log")
        await self.stop()
        assert list(self.disk.bookmarks) == ["files/inbox/"]

    async def test_killed_before_it_was_deleted(self) -> None:
        """A log that is still there although it is done with is deleted, and not read again."""
        path = self.root / "a.log"
        path.write_bytes(b"one\n")
        await self.start(content=Content.SYSLOG)
        await self.arrived("a.log")
        await self.stop()
        await self.start(after=After.DELETE)
        await self.until(lambda: not path.exists())
        assert self.disk.lines == [b"one"]
        assert not self.disk.events

    async def test_damaged(self) -> None:
        """A log that cannot be read to its end is a failure, and stays."""
        await self.start(content=Content.SYSLOG, after=After.DELETE)
        path = Path(self.root / "a.log.gz")
        path.write_bytes(b"\x1f\x8b\x08\x00 this is none")
        await self.until(lambda: self.disk.events)
        await self.settled()
        assert self.disk.paths("log-failed") == [str(path)]
        assert self.disk.events[0]["event.reason"] == self.told.of(LogUnreadable)[0].problem
        assert path.exists()

    async def test_killed_in_the_middle(self) -> None:
        """A log that was begun goes on where it was; a place in one that is gone or was replaced is forgotten."""
        path = self.root / "a.log"
        path.write_bytes(b"one\ntwo\n")
        stamp = whole.stamp_of(path.stat())
        self.disk.bookmarks = {
            delivery.log_bookmark("inbox", str(path), stamp): Progress(offset=4, messages=1).to_json(),
            delivery.log_bookmark("inbox", str(path), whole.Stamp(1, 2, 3)): "replaced",
            delivery.log_bookmark("inbox", str(self.root / "gone"), stamp): "gone",
        }
        await self.start(content=Content.SYSLOG)
        await self.until(lambda: self.disk.events)
        assert self.disk.lines == [b"two"]
        assert self.disk.events[0]["gateway.messages"] == 2
        await self.arrived("a.log")
        assert not [name for name in self.disk.bookmarks if name.startswith("log/")]
