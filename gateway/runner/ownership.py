"""Which of the running ones a process belongs to that has lost its parent."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping

from gateway.runner import tree
from gateway.runner.running import Running

MOST_LOOKS = 50
"""Times to look again for one that forks and dies faster than it can be looked at; it is taken to be there then."""


class Ownership:
    """Tells the processes of those that run apart.

    What hangs below a job's first process is the job's. A process that has lost its parent hangs directly below the
    runner; its session names the job, or else the GATEWAY_JOB that it was started with. One that has made itself a
    session *and* thrown its environment away could be any job's: it belongs to the last to end of the jobs that ran
    when it was first seen. So it may live as long as the longest of these, and no longer. Streams, which stay, come
    into question only when no job does.
    """

    def __init__(self, running: Mapping[str, Running], first: Mapping[int, Running]) -> None:
        self._running = running
        self._first = first
        self._strangers: dict[tuple[int, int], set[str]] = {}

    def processes(self, job: Running, others: Container[int] = ()) -> list[tree.Process]:
        """List the living processes of a running job, parents before children; `others` are the runner's own.

        Costs one read of one small file when the first process has ended and nothing was left behind. A process that
        died after that read may have left a child that the read has not seen, so then it is read again: none may end
        its job by dying at the right moment.
        """
        found = list(tree.subtree(job.pid)) if job.first_alive else []
        dead: set[int] = set()
        last = None
        for _ in range(MOST_LOOKS):
            dead_before = len(dead)
            for pid in tree.children(os.getpid()):
                if pid in self._first or pid in others or pid in dead:
                    continue
                last = tree.look(pid)
                if last is None or not last.alive:
                    dead.add(pid)
                elif self._owns(job, last):
                    found += tree.subtree(pid)
            if found or len(dead) == dead_before:
                return found
        return [last] if last else []

    def _owns(self, job: Running, orphan: tree.Process) -> bool:
        if orphan.session == job.pid:
            return True
        if any(orphan.session == other.pid for other in self._running.values()):
            return False
        marked = tree.mark(orphan.pid, "GATEWAY_JOB")
        if marked in self._running:
            return marked == job.name
        candidates = self._strangers.setdefault((orphan.pid, orphan.started), self._candidates())
        candidates &= self._running.keys()
        return candidates <= {job.name}

    def _candidates(self) -> set[str]:
        jobs = {name for name, running in self._running.items() if not running.task.stream}
        return jobs or set(self._running)

    def forget(self, job: Running) -> None:
        """Take note that a job is over."""
        for stranger, candidates in list(self._strangers.items()):
            candidates.discard(job.name)
            if not candidates:
                del self._strangers[stranger]
