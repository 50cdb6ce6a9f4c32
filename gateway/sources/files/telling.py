"""What is told about folders and names: each trouble once, until it is over."""

from __future__ import annotations

from gateway.notice import Notify
from gateway.notices.files import FolderMissing, FolderUnreadable, FolderWatched, NameUnusable, TooManyFolders
from gateway.sources.files.scan import Scanned

MAX_TOLD = 10_000
"""Names and folders of which it is remembered that their trouble was told."""

MAX_WATCHES = "fs.inotify.max_user_watches"
MAX_INSTANCES = "fs.inotify.max_user_instances"


class Telling:
    """Tells about the folders of one source.

    Args:
        rescan: seconds between two scans of what the kernel does not watch.

    Attributes:
        missing: the roots that are not there.
    """

    def __init__(self, source: str, notify: Notify, rescan: float) -> None:
        self.missing: set[str] = set()
        self._source = source
        self._notify = notify
        self._rescan = rescan
        self._told: set[str] = set()

    def scanned(self, scanned: Scanned, *, watching: bool) -> None:
        """Tell what a scan met; `watching`: the kernel watches folders for us."""
        for path in scanned.unusable:
            self.unusable(path)
        for folder, problem in scanned.unreadable:
            if self._not_told(folder):
                self._notify(FolderUnreadable(self._source, folder, problem))
        for folder, problem in scanned.missing:
            self.lacks(folder, problem)
        for folder in sorted(self.missing & scanned.roots.keys()):
            self._notify(FolderWatched(self._source, folder))
        self.missing -= scanned.roots.keys()
        self._told -= scanned.watches.keys()  # these can be read now
        if scanned.unwatched and watching:
            self.unwatched(scanned.unwatched, "there are too many in all", MAX_WATCHES)

    def unusable(self, path: str) -> None:
        """Tell that a file is passed over."""
        if self._not_told(path):
            self._notify(NameUnusable(self._source, path))

    def unwatched(self, folders: int, problem: str, setting: str) -> None:
        """Tell that the kernel does not watch folders, and what setting would make it do so."""
        if self._not_told(setting):
            self._notify(TooManyFolders(self._source, folders, problem, self._rescan, setting))

    def lacks(self, folder: str, problem: str) -> None:
        """Tell that a root is not there."""
        if folder not in self.missing:
            self.missing.add(folder)
            self._notify(FolderMissing(self._source, folder, problem))

    def _not_told(self, what: str) -> bool:
        if what in self._told:
            return False
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told.add(what)
        return True
