"""Watched folders and the store: what was reported is known, what came meanwhile is not missed."""

from __future__ import annotations

from unittest.mock import patch

from gateway.notices.files import (
    FileNotKept,
)
from tests.gateway.files_stand_ins import FilesCase


class Restarting(FilesCase):
    """What was reported is known; what came meanwhile is not missed."""

    async def test_files_of_the_time_between(self) -> None:
        """New and changed files are reported at the start, others are not; what is gone is forgotten."""
        for name in ("same", "changed", "gone"):
            (self.root / name).write_bytes(b"x")
        await self.start()
        await self.arrived("same", "changed", "gone")
        await self.stop()
        (self.root / "changed").write_bytes(b"longer")
        (self.root / "gone").unlink()
        (self.root / "new").write_bytes(b"x")
        await self.start()
        await self.arrived("changed", "new")
        await self.stop()
        assert sorted(self.disk.bookmarks) == [
            "files/inbox/",
            *(f"files/inbox/{self.root}/{name}" for name in ("changed", "new", "same")),
        ]
        await self.start()
        await self.settled()
        assert not self.disk.events

    async def test_killed_before_it_was_kept(self) -> None:
        """What was reported and not kept is reported again by the next run."""
        await self.start()
        self.disk.waits = True
        (self.root / "a").write_bytes(b"x")
        await self.until(lambda: self.disk._waiting)
        assert not self.disk.events
        former, self.running = self.running, None
        kept, self.disk._waiting = self.disk._waiting, []
        self.disk.waits = False
        await self.start()
        await self.arrived("a")
        kept[0]()  # so that the former can stop
        assert former is not None
        await former.stop()

    async def test_could_not_be_kept(self) -> None:
        """An event that the store refuses is said, and tried again."""
        watcher = await self.start()
        self.disk.refuses = True
        with patch("gateway.sources.files.delivery.RETRY", 0.0):
            (self.root / "a").write_bytes(b"x")
            await self.until(lambda: self.told.of(FileNotKept))
            await self.settled()
        self.disk.refuses = False
        watcher.poll()
        await self.arrived("a")

    async def test_written_while_its_event_is_kept(self) -> None:
        """A file that changes while its event is on its way to the disk is another arrival."""
        watcher = await self.start()
        self.disk.waits = True
        (self.root / "a").write_bytes(b"x")
        await self.until(lambda: self.disk._waiting)
        (self.root / "a").write_bytes(b"yy")
        await self.until(lambda: watcher._arrivals._busy[str(self.root / "a")] is not None)
        self.disk.keep_all()
        await self.arrived("a", "a")

    async def test_deleted_while_its_event_is_kept(self) -> None:
        """A file that is gone before its event is on disk leaves no bookmark."""
        watcher = await self.start()
        self.disk.waits = True
        (self.root / "a").write_bytes(b"x")
        await self.until(lambda: self.disk._waiting)
        (self.root / "a").unlink()
        await self.until(lambda: watcher._arrivals._busy[str(self.root / "a")] is not None)
        self.disk.keep_all()
        await self.arrived("a")
        await self.stop()
        assert list(self.disk.bookmarks) == ["files/inbox/"]

    async def test_existing_files_are_not_wanted(self) -> None:
        """With `existing: ignore` what is there at the very first start is known; later starts miss nothing."""
        (self.root / "old").write_bytes(b"x")
        await self.start(existing=False)
        (self.root / "new").write_bytes(b"x")
        await self.arrived("new")
        await self.stop()
        (self.root / "later").write_bytes(b"x")
        await self.start()
        await self.arrived("later")

    async def test_first_scan_that_cannot_be_kept(self) -> None:
        """Where the first scan cannot be noted that is said, and what comes is taken all the same."""
        self.disk.refuses = True
        await self.start()
        assert len(self.told.of(FileNotKept)) == 1
        self.disk.refuses = False
        (self.root / "a").write_bytes(b"x")
        await self.arrived("a")

    async def test_spoilt_bookmarks(self) -> None:
        """A bookmark that cannot be read is none: rather twice than never."""
        (self.root / "a").write_bytes(b"x")
        self.disk.bookmarks = {f"files/inbox/{self.root}/a": "{", f"files/inbox/{self.root}/b": "[1]"}
        await self.start()
        await self.arrived("a")

    async def test_stop_in_the_middle(self) -> None:
        """A stop waits for what is under way, and what it leaves is taken at the next start."""
        for number in range(100):
            (self.root / str(number)).write_bytes(b"x")
        await self.start()
        await self.until(lambda: len(self.disk.events) > 10)
        await self.stop()
        count = len(self.disk.events)
        await self.start()
        await self.until(lambda: len(self.disk.events) >= 100)
        await self.settled()
        assert len(set(self.disk.paths())) == len(self.disk.paths()) == 100
        assert count < 100
