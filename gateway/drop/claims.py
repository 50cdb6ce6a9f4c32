"""Names that are spoken for: by a file that waits, is on its way to its name, or was promised one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gateway.drop.visit import Way


class Claims:
    """Each name belongs to one upload at most, and each upload has one name; to be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: dict[Way, str] = {}
        self._ways: dict[str, Way] = {}

    def take(self, way: Way, identity: str, free: Callable[[Way], bool] | None = None) -> bool:
        """Claim a name, and give back the former one; tell whether it was free.

        Args:
            way: the name.
            identity: the upload's id.
            free: what else must be so; asked while nobody else can claim it.
        """
        with self._lock:
            if self._owners.get(way, identity) != identity or (free is not None and not free(way)):
                return False
            self._give_back(identity)
            self._owners[way] = identity
            self._ways[identity] = way
            return True

    def give_back(self, identity: str) -> None:
        """Have no name any more."""
        with self._lock:
            self._give_back(identity)

    def owner(self, way: Way) -> str | None:
        """Return the id of the upload that has claimed a name."""
        return self._owners.get(way)

    def taken(self, way: Way) -> bool:
        """Tell whether somebody has claimed a name."""
        return way in self._owners

    def _give_back(self, identity: str) -> None:
        former = self._ways.pop(identity, None)
        if former is not None:
            del self._owners[former]
