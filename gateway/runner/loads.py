"""Load the tasks again and again, one load at a time, and see that each ends."""

from __future__ import annotations

import math
import selectors
import time
from collections.abc import Callable
from pathlib import Path

from gateway.runner.tasks import LoadError, Loading
from rules.step import Task

LOAD_TIME = 60.0
"""Seconds for loading the tasks."""


class Loads:
    """Loads the tasks whenever it is asked to; `done` is told each time, with a LoadError when it failed."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        config: Path,
        loader: str,
        done: Callable[[dict[str, Task] | LoadError], None],
    ) -> None:
        self._selector = selector
        self._config = config
        self._loader = loader
        self._done = done
        self._loading: Loading | None = None
        self._again = False
        self.until = math.inf
        """The monotonic time at which `keep_time` has something to do."""

    def pids(self) -> tuple[int, ...]:
        """Return the pid of the process that loads, if there is one."""
        return (self._loading.pid,) if self._loading else ()

    def begin(self) -> None:
        """Load the tasks, after the load that is under way: what that reads may be older than this request."""
        if self._loading:
            self._again = True
            return
        try:
            self._loading = Loading(self._config, self._loader)
        except OSError as error:  # no process or no descriptor is left: the jobs that run are not to suffer
            self._end(LoadError(f"{self._config} cannot be loaded now: {error.strerror}"))
            return
        self.until = time.monotonic() + LOAD_TIME
        self._selector.register(self._loading.descriptor, selectors.EVENT_READ, self._read)

    def keep_time(self) -> None:
        """Give up a load that takes too long."""
        if self._loading and time.monotonic() >= self.until:
            self._selector.unregister(self._loading.descriptor)
            self._loading.give_up()
            self._end(LoadError(f"{self._config} was not loaded within {LOAD_TIME:g} seconds"))

    def _read(self, _mask: int) -> None:
        loading = self._loading
        if loading is None or not loading.read():
            return
        self._selector.unregister(loading.descriptor)
        try:
            self._end(loading.result())
        except LoadError as error:
            self._end(error)

    def _end(self, result: dict[str, Task] | LoadError) -> None:
        self._loading = None
        self.until = math.inf
        self._done(result)
        if self._again:
            self._again = False
            self.begin()
