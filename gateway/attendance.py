"""When somebody watched: a file says how long the gateway was away, now and before.

Its time of change is the last sign of life; it holds the times in which the gateway was away. Without it nothing is
lost but that downtime counts as silence.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

MOST = 1000
"""Times away that are remembered: one a minute for the better part of a day."""


class Attendance:
    """The file; times are in seconds since 1970."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def since(self, watched: float, now: float) -> float:
        """Return the time since which so many seconds were watched, until the last sign of life."""
        time = self._last_beat(now)
        for begin, end in reversed(self._away()):
            if time - end >= watched:
                break
            watched -= max(0.0, time - end)
            time = min(begin, time)
        return time - watched

    def resume(self, now: float) -> float:
        """Begin to watch; return for how many seconds nobody did."""
        last = self._last_beat(now)
        away = [*self._away(), (last, now)] if last < now else self._away()
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_text(json.dumps(away[-MOST:]), "ascii")
        os.utime(fresh, (now, now))
        fresh.replace(self._path)
        return now - last

    def beat(self, now: float) -> None:
        """Give a sign of life."""
        os.utime(self._path, (now, now))

    def _last_beat(self, now: float) -> float:
        try:
            return min(self._path.stat().st_mtime, now)
        except FileNotFoundError:
            return now

    def _away(self) -> list[tuple[float, float]]:
        try:
            return [(float(begin), float(end)) for begin, end in json.loads(self._path.read_text("ascii"))]
        except (OSError, ValueError, TypeError):
            return []
