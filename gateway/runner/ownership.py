"""Whose job a process belongs to that has lost its parent."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping

from gateway.runner import tree
from gateway.runner.running import Running


class Ownership:
    """Tells the processes of the running jobs apart.

    What hangs below a job's first process is the job's. A process that has lost its parent hangs directly below the
    runner; its session names the job, or else the GATEWAY_JOB that it was started with. One that has made itself a
    session *and* thrown its environment away could be any job's: it belongs to the last to end of the jobs that ran
    when it was first seen. So it may live as long as the longest of these, and no longer.
    """

    def __init__(self, running: Mapping[str, Running], first: Mapping[int, Running]) -> None:
        self._running = running
        self._first = first
        self._strangers: dict[tuple[int, int], set[str]] = {}

    def processes(self, job: Running, others: Container[int] = ()) -> list[tree.Process]:
        """List the living processes of a running job, parents before children; `others` are the runner's own.

        Costs one read of one small file when the first process has ended and nothing was left behind.
        """
        found = list(tree.subtree(job.pid)) if job.first_alive else []
        for pid in tree.children(os.getpid()):
            if pid in self._first or pid in others:
                continue
            orphan = tree.look(pid)
            if orphan and orphan.alive and self._owns(job, orphan):
                found += tree.subtree(pid)
        return found

    def _owns(self, job: Running, orphan: tree.Process) -> bool:
        if orphan.session == job.pid:
            return True
        if any(orphan.session == other.pid for other in self._running.values()):
            return False
        marked = tree.mark(orphan.pid, "GATEWAY_JOB")
        if marked in self._running:
            return marked == job.job
        candidates = self._strangers.setdefault((orphan.pid, orphan.started), set(self._running))
        candidates &= self._running.keys()
        return candidates <= {job.job}

    def forget(self, job: Running) -> None:
        """Take note that a job is over."""
        for stranger, candidates in list(self._strangers.items()):
            candidates.discard(job.job)
            if not candidates:
                del self._strangers[stranger]
