"""How much may be read again because a sidecar came after its files."""

from __future__ import annotations

import threading
from collections.abc import Callable

OCTETS = 1024**3
SECONDS = 60.0
"""A list of one line makes us read a file of any size. Whoever sends one after the other shall not keep our disk busy:
this is about a second of each minute."""


class Budget:
    """So many octets in each period, for several threads.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, now: Callable[[], float], octets: int = OCTETS, seconds: float = SECONDS) -> None:
        self._now = now
        self._octets = octets
        self._seconds = seconds
        self._left = octets
        self._since = now()
        self._lock = threading.Lock()

    def take(self, octets: int) -> bool:
        """Take so many, if there are as many left."""
        with self._lock:
            now = self._now()
            if not 0.0 <= now - self._since < self._seconds:
                self._left, self._since = self._octets, now
            if octets > self._left:
                return False
            self._left -= octets
            return True
