"""Watched folders that come and go, and the limits of the kernel."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from unittest.mock import patch

from inotify_simple import Event, flags  # type: ignore[import-untyped]  # it has none
from twisted.internet.defer import Deferred, ensureDeferred

from gateway.notices.files import (
    FolderMissing,
    FolderUnreadable,
    FolderWatched,
    NewsLost,
    ScanFailed,
    TooManyFolders,
)
from gateway.sources.files import source
from gateway.sources.files.watch import Watch
from tests.gateway.files_stand_ins import FilesCase


class Folders(FilesCase):
    """Folders that come and go."""

    async def test_folders_with_files_at_once(self) -> None:
        """Nothing is missed and nothing comes twice when folders are made and filled as fast as can be."""
        await self.start()
        names = [f"{a}/{b}/{c}/file" for a in range(4) for b in range(4) for c in range(4)]
        for name in names:
            (self.root / name).parent.mkdir(parents=True)
            (self.root / name).write_bytes(b"x")
        await self.arrived(*names)

    async def test_filled_by_another_thread(self) -> None:
        """The same while the watcher runs beside whoever makes them."""
        await self.start()
        names = [f"{a}/{b}/{c}" for a in range(10) for b in range(5) for c in range(2)]

        def fill() -> None:
            for name in names:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                (self.root / name).write_bytes(b"x")

        thread = threading.Thread(target=fill)
        thread.start()
        await self.until(lambda: not thread.is_alive())
        thread.join()
        await self.arrived(*names)

    async def test_moved_in_and_out(self) -> None:
        """A folder that is moved here brings its files; one that is moved away takes them along, and is not watched."""
        watcher = await self.start()
        tree = self.base / "tree"
        (tree / "deep").mkdir(parents=True)
        (tree / "deep/a").write_bytes(b"x")
        tree.rename(self.root / "tree")
        await self.arrived("tree/deep/a")
        (self.root / "tree").rename(self.root / "other")
        await self.arrived("other/deep/a")
        (self.root / "other/deep/b").write_bytes(b"x")
        await self.arrived("other/deep/b")
        (self.root / "other").rename(tree)
        await self.settled()
        (tree / "deep/c").write_bytes(b"x")
        await self.settled()
        assert not self.disk.events
        assert len(watcher) == 1
        await self.stop()
        assert list(self.disk.bookmarks) == ["files/inbox/"]

    async def test_moved_while_it_is_scanned(self) -> None:
        """Folders that are renamed faster than they are scanned lose nothing."""
        await self.start()
        for number in range(30):
            first, second = self.root / f"first{number}", self.root / f"second{number}"
            (first / "deep").mkdir(parents=True)
            (first / "deep/a").write_bytes(b"x")
            if number % 3 == 0:
                await self.until(lambda: True)
            first.rename(second)
        expected = {str(self.root / f"second{number}/deep/a") for number in range(30)}
        await self.until(lambda: expected <= set(self.disk.paths()))
        await self.settled()
        assert len(self.disk.paths()) == len(set(self.disk.paths()))
        self.disk.events.clear()
        for number in range(30):
            (self.root / f"second{number}/deep/b").write_bytes(b"x")
        await self.arrived(*(f"second{number}/deep/b" for number in range(30)))

    async def test_deleted_and_made_again(self) -> None:
        """A folder that is deleted and made again is watched again."""
        watcher = await self.start()
        for _ in range(5):
            (self.root / "sub").mkdir()
            (self.root / "sub/a").write_bytes(b"x")
            await self.arrived("sub/a")
            (self.root / "sub/a").unlink()
            (self.root / "sub").rmdir()
        await self.until(lambda: len(watcher) == 1)

    async def test_unfinished_folder(self) -> None:
        """A folder with an unfinished name is not entered; renamed, all in it arrives."""
        (self.root / ".tmp").mkdir()
        (self.root / ".tmp/early").write_bytes(b"x")
        await self.start()
        (self.root / "set.part").mkdir()
        (self.root / "set.part/a").write_bytes(b"x")
        await self.settled()
        assert not self.disk.events
        (self.root / "set.part").rename(self.root / "set")
        await self.arrived("set/a")

    async def test_not_recursive(self) -> None:
        """With `recursive: false` only the folder itself is watched."""
        (self.root / "sub").mkdir()
        watcher = await self.start(recursive=False)
        (self.root / "sub/a").write_bytes(b"x")
        (self.root / "new").mkdir()
        (self.root / "new/a").write_bytes(b"x")
        (self.root / "a").write_bytes(b"x")
        await self.arrived("a")
        assert len(watcher) == 1

    async def test_missing(self) -> None:
        """A folder that is not there is looked for; what was in it before it was found is taken."""
        late = self.base / "late"
        watcher = await self.start(folders=(self.root, late))
        assert [notice.folder for notice in self.told.of(FolderMissing)] == [str(late)]
        watcher.poll()
        await self.settled()
        late.mkdir()
        (late / "a").write_bytes(b"x")
        watcher.poll()
        await self.until(lambda: self.disk.events)
        assert self.disk.paths() == [str(late / "a")]
        assert len(self.told.of(FolderMissing)) == len(self.told.of(FolderWatched)) == 1

    async def test_root_replaced(self) -> None:
        """A root that is removed, moved away or replaced is watched again when it is there; what it had stays known."""
        watcher = await self.start()
        (self.root / "a").write_bytes(b"x")
        await self.arrived("a")
        away = self.base / "away"
        self.root.rename(away)
        await self.until(lambda: self.told.of(FolderMissing))
        assert len(watcher) == 0
        away.rename(self.root)
        watcher.poll()
        await self.until(lambda: self.told.of(FolderWatched))
        (self.root / "b").write_bytes(b"x")
        await self.arrived("b")

    async def test_empty_root(self) -> None:
        """An empty root may be a mount point before its file system is mounted: nothing is forgotten for that."""
        (self.root / "a").write_bytes(b"x")
        await self.start()
        await self.arrived("a")
        await self.stop()
        away = self.base / "away"
        self.root.rename(away)
        self.root.mkdir()
        watcher = await self.start()
        self.root.rmdir()
        away.rename(self.root)  # as a mount would
        watcher.poll()
        await self.settled()
        await self.until(lambda: len(watcher) == 1)
        assert not self.disk.events

    async def test_unreadable_folder(self) -> None:
        """A folder that cannot be read is said; what was in it stays known."""
        (self.root / "sub").mkdir()
        (self.root / "sub/a").write_bytes(b"x")
        await self.start()
        await self.arrived("sub/a")
        await self.stop()
        listing = os.scandir

        def refuse(path: str) -> object:
            if path.endswith("/sub"):
                raise PermissionError(13, "Permission denied")
            return listing(path)

        with patch("gateway.sources.files.scan.os.scandir", refuse):
            await self.start()
            await self.settled()
            await self.stop()
        assert len(self.told.of(FolderUnreadable)) == 1
        await self.start()
        await self.settled()
        assert not self.disk.events

    async def test_other_settings(self) -> None:
        """A reload changes folders and patterns; what is wanted now is taken, what was reported is not again."""
        (self.root / "a.csv").write_bytes(b"x")
        (self.root / "b.xml").write_bytes(b"x")
        other = self.base / "other"
        other.mkdir()
        watcher = await self.start(patterns=("*.csv",))
        await self.arrived("a.csv")
        watcher.follow(replace(self.source, patterns=("*",), folders=(self.root, other)))
        await self.arrived("b.xml")
        (other / "c").write_bytes(b"x")
        await self.until(lambda: self.disk.paths() == [str(other / "c")])
        watcher.follow(replace(self.source, folders=(other,)))
        await self.settled()
        self.disk.events.clear()
        (self.root / "d.csv").write_bytes(b"x")
        await self.settled()
        assert not self.disk.events
        assert len(watcher) == 1


class Trouble(FilesCase):
    """The kernel's limits."""

    async def test_overflow(self) -> None:
        """News that the kernel lost are made good by a scan: folders that came, went and were moved unseen."""
        for name in ("moves", "goes"):
            (self.root / name).mkdir()
        watcher = await self.start()
        watch, lost = watcher._watch, list[Event]()
        assert watch is not None
        watch._take = lost.extend
        (self.root / "comes").mkdir()
        (self.root / "comes/a").write_bytes(b"x")
        (self.root / "moves").rename(self.root / "moved")
        (self.root / "goes").rename(self.base / "gone")
        await self.until(lambda: len(lost) == 6)
        watch._take = watcher._tree.take
        watcher._tree.take([Event(-1, int(flags.Q_OVERFLOW), 0, "")])
        await self.arrived("comes/a")
        assert len(self.told.of(NewsLost)) == 1
        assert len(watcher) == 3
        for name in ("comes/b", "moved/b"):
            (self.root / name).write_bytes(b"x")
        (self.base / "gone/b").write_bytes(b"x")
        await self.arrived("comes/b", "moved/b")

    async def test_too_many_watches(self) -> None:
        """Folders beyond the kernel's limit are scanned again and again, and that is said once, with the remedy."""
        adding = Watch.add

        def refuse(self: Watch, folder: str, *, follow: bool) -> int:
            if folder.endswith("/sub"):
                raise OSError(28, "No space left on device")
            return adding(self, folder, follow=follow)

        (self.root / "sub").mkdir()
        with patch.object(Watch, "add", refuse), patch.object(source, "RESCAN", 0.0):
            watcher = await self.start()
            (self.root / "sub/a").write_bytes(b"x")
            for name in ("sub/a", "sub/b"):
                (self.root / name).write_bytes(b"x")
                watcher.poll()
                await self.arrived(name)
        assert [notice.setting for notice in self.told.of(TooManyFolders)] == ["fs.inotify.max_user_watches"]
        watcher._scanned_at = -1e9
        watcher.poll()
        await self.until(lambda: len(watcher) == 2)

    async def test_no_inotify_at_all(self) -> None:
        """Where the kernel gives no descriptor, all is scanned."""

        def refuse(*arguments: object) -> Watch:
            raise OSError(24, "Too many open files")

        with patch.object(source, "Watch", refuse), patch.object(source, "RESCAN", 0.0):
            watcher = await self.start()
            (self.root / "a").write_bytes(b"x")
            watcher.poll()
            await self.arrived("a")
        assert [notice.setting for notice in self.told.of(TooManyFolders)] == ["fs.inotify.max_user_instances"]

    async def test_scan_that_fails(self) -> None:
        """A scan that meets a bug is said, and tried again."""
        watcher = await self.start()
        (self.root / "a").mkdir()
        with patch("gateway.sources.files.scan.os.scandir", side_effect=RuntimeError("bug")):
            watcher.lost_track()
            await self.until(lambda: self.told.of(ScanFailed))
        watcher.lost_track()
        (self.root / "a/b").write_bytes(b"x")
        await self.arrived("a/b")

    async def test_poll_before_the_start(self) -> None:
        """Nothing is looked at before it is known what earlier runs have reported."""
        (self.root / "a").write_bytes(b"x")
        await self.start()
        await self.arrived("a")
        await self.stop()
        waiting: Deferred[dict[str, str]] = Deferred()
        reading = self.disk.read
        with patch.object(self.disk, "read", lambda prefix: waiting if prefix == "files/inbox/" else reading(prefix)):
            starting = ensureDeferred(self.start())
        watcher = self.running
        assert watcher is not None
        watcher.poll()
        watcher.follow(replace(self.source, quiet=0.001))
        assert not watcher._calls
        assert not watcher._looking_at_roots
        waiting.callback(self.disk.bookmarks)
        await starting
        await self.settled()
        assert not self.disk.events
