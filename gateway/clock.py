"""The wall clock's one home: everything else takes `now` as an argument."""

from __future__ import annotations

import time


def now() -> float:
    """Return the seconds since 1970 by the wall clock."""
    return time.time()  # noqa: TID251 -- this is the one home
