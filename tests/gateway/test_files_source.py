"""Watched folders, with a real kernel: each file that appears is one event, once it is whole."""

from __future__ import annotations

import hashlib
import os
import threading
from unittest.mock import patch

from gateway.notices.files import (
    FileUnreadable,
    NameUnusable,
)
from gateway.sources.files import arrivals, whole
from tests.gateway.files_stand_ins import FilesCase


class Arriving(FilesCase):
    """Files that appear while the gateway runs."""

    async def test_a_file_that_is_written(self) -> None:
        """It is one event, with all that is known of it."""
        await self.start()
        path = self.root / "a.csv"
        path.write_bytes(b"1,2\n")
        await self.until(lambda: self.disk.events)
        assert self.disk.events[0] == {
            "event.action": "file-complete",
            "event.outcome": "success",
            "event.provider": "inbox",
            "file.path": str(path),
            "file.name": "a.csv",
            "file.directory": str(self.root),
            "file.extension": "csv",
            "file.size": 4,
            "file.hash.sha256": hashlib.sha256(b"1,2\n").hexdigest(),
            "file.mtime": self.disk.events[0]["file.mtime"],
            "file.checksum": "missing",
            "message": f"{path} is complete (4 octets)",
        }
        await self.arrived("a.csv")

    async def test_nothing_before_it_is_closed(self) -> None:
        """A file that somebody has open for writing is not whole, however long nothing happens to it."""
        await self.start()
        with (self.root / "a").open("wb") as file:
            file.write(b"x")
            file.flush()
            await self.settled()
            await self.settled()
            assert not self.disk.events
            file.write(b"y")
        await self.arrived("a")

    async def test_found_open(self) -> None:
        """Nor is one that was open when the gateway started."""
        with (self.root / "a").open("wb") as file:
            file.write(b"x")
            file.flush()
            await self.start()
            await self.settled()
            await self.settled()
            assert not self.disk.events
        await self.arrived("a")

    async def test_open_and_closed_again_and_again(self) -> None:
        """A writer that opens its file for each line makes one event when it is done, not one for each."""
        await self.start(quiet=0.05)
        for _ in range(20):
            with (self.root / "a").open("ab") as file:
                file.write(b"line\n")
            await self.until(lambda: True)
        await self.until(lambda: self.disk.events)
        assert self.disk.events[0]["file.size"] == 100
        await self.arrived("a")

    async def test_written_again(self) -> None:
        """A file that is written again is another arrival."""
        await self.start()
        (self.root / "a").write_bytes(b"1")
        await self.arrived("a")
        (self.root / "a").write_bytes(b"22")
        await self.arrived("a")
        (self.root / "a").open("ab").close()
        await self.settled()
        assert not self.disk.events  # nothing has changed

    async def test_moved_and_linked_in(self) -> None:
        """A file that is moved or linked here is an arrival; nobody ever closes it here."""
        await self.start()
        for name in ("a", "b", "c"):
            (self.base / name).write_bytes(b"x")
        (self.base / "a").rename(self.root / "a")
        (self.root / "b").hardlink_to(self.base / "b")
        (self.root / "c").hardlink_to(self.base / "c")
        (self.base / "c").unlink()
        await self.arrived("a", "b", "c")

    async def test_moved_within(self) -> None:
        """A file under a new name is a new file; its old name is forgotten."""
        await self.start()
        (self.root / "a").write_bytes(b"x")
        await self.arrived("a")
        (self.root / "a").rename(self.root / "b")
        await self.arrived("b")
        await self.stop()
        assert sorted(self.disk.bookmarks) == ["files/inbox/", f"files/inbox/{self.root}/b"]

    async def test_empty(self) -> None:
        """An empty file is a file: many a marker is one."""
        await self.start()
        (self.root / "done").touch()
        await self.arrived("done")

    async def test_what_is_no_file(self) -> None:
        """Links, FIFOs, sockets and folders are no files, and nobody waits for one."""
        (self.base / "target").write_bytes(b"x")
        for name in ("before", "after"):
            (self.root / f"{name}.link").symlink_to(self.base / "target")
            (self.root / f"{name}.loop").symlink_to(self.root)
            os.mkfifo(self.root / f"{name}.fifo")
            (self.root / f"{name}.folder").mkdir()
            if name == "before":
                await self.start()
        (self.base / "moved.link").symlink_to(self.base / "target")
        (self.base / "moved.link").rename(self.root / "moved.link")
        (self.root / "file").write_bytes(b"x")
        await self.arrived("file")

    async def test_patterns(self) -> None:
        """Only names that are wanted are taken, and only when they are finished."""
        await self.start(patterns=("*.csv", "*.xml"), unfinished=("*.part", ".*", "~*"))
        for name in ("a.csv", "b.xml", "c.txt", ".d.csv", "e.csv.part", "~f.csv", "G.CSV"):
            (self.root / name).write_bytes(b"x")
        await self.arrived("a.csv", "b.xml")
        (self.root / "e.csv.part").rename(self.root / "e.csv")
        await self.arrived("e.csv")

    async def test_unusual_names(self) -> None:
        """A name may hold whatever UTF-8 can say; one that is no UTF-8 is passed over, and that is said once."""
        names = ("-rf", "a b", "x\ny", "\x1b[31m", "$(id)", "ü", "*")
        (self.root / "old-\udcff").write_bytes(b"x")
        await self.start()
        for name in (*names, "new-\udcff", "new-\udcff"):
            (self.root / name).write_bytes(b"x")
        await self.arrived(*names)
        assert len(self.told.of(NameUnusable)) == 2

    async def test_gone_before_it_is_seen(self) -> None:
        """What is gone at once is no event."""
        await self.start()
        for number in range(50):
            path = self.root / str(number)
            path.write_bytes(b"x")
            path.unlink()
        await self.settled()
        assert not self.disk.events

    async def test_replaced_while_it_is_read(self) -> None:
        """What changes while it is read is read again."""
        await self.start()
        path, hashing = self.root / "a", whole._hash

        def hash_and_write(descriptor: int, stopping: object) -> str:
            digest = hashing(descriptor, lambda: False)
            if path.read_bytes() == b"old":
                path.write_bytes(b"new!")
            return digest

        with patch.object(whole, "_hash", hash_and_write):
            path.write_bytes(b"old")
            await self.until(lambda: self.disk.events)
            await self.settled()
        assert [event["file.size"] for event in self.disk.events] == [4]

    async def test_not_readable(self) -> None:
        """A file that cannot be read is said, and is an event when it can be."""
        opening = os.open

        def refuse(path: str, *more: int) -> int:
            if str(path).endswith("/a"):
                raise PermissionError(13, "Permission denied")
            return opening(path, *more)

        watcher = await self.start()
        with patch("gateway.sources.files.whole.os.open", refuse):
            (self.root / "a").write_bytes(b"x")
            await self.until(lambda: self.told.of(FileUnreadable))
        watcher.poll()
        await self.settled()
        assert not self.disk.events
        (self.root / "a").chmod(0o644)
        await self.arrived("a")

    async def test_many_at_once(self) -> None:
        """Three hundred files are as many events, and only a few are read at a time."""
        most, now, lock = 0, 0, threading.Lock()
        hashing = whole._hash

        def count(*arguments: object) -> str:
            nonlocal most, now
            with lock:
                now += 1
                most = max(most, now)
            digest = hashing(*arguments)  # type: ignore[arg-type]
            with lock:
                now -= 1
            return digest

        await self.start()
        with patch.object(whole, "_hash", count):
            for number in range(300):
                (self.root / f"{number}").write_bytes(b"x")
            await self.arrived(*map(str, range(300)))
        assert most <= arrivals.AT_ONCE

    async def test_writers_that_the_kernel_does_not_tell(self) -> None:
        """Without leases, what is closed or moved here is whole; what is only there must stay as it is for long."""
        with patch("gateway.sources.files.whole.is_written", lambda descriptor: None):
            (self.root / "found").write_bytes(b"x")
            watcher = await self.start()
            with (self.root / "open").open("wb") as file:
                file.write(b"x")
                file.flush()
                (self.root / "closed").write_bytes(b"x")
                await self.arrived("found", "closed")
            await self.arrived("open")
            with patch.object(arrivals, "PATIENCE", 0.0):
                (self.base / "a").write_bytes(b"x")
                (self.root / "a").hardlink_to(self.base / "a")
                await self.settled()
                assert not self.disk.events
            watcher.poll()
            await self.arrived("a")
