"""What operators ask for: jobs done again or never, states undone now, rules held back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from gateway.jobs import transactions
from gateway.jobs.database import Database
from gateway.jobs.transactions import Changes
from rules.rule import Rule
from rules.windows.window import Key


class Held(Protocol):
    """Takes note that the jobs of a rule wait, or go on."""

    def __call__(self, rule: str, *, paused: bool) -> None:
        """Take note."""
        ...


class Operators:
    """Changes what the store has of jobs, and lets the worker look after it.

    Args:
        transact: does work within a transaction.
        rule: returns the rule of a name, None when there is none.
        look_after: does what follows from a transaction that is on disk.
        held: takes note of rules that are paused or go on.
        now: seconds since 1970.
    """

    def __init__(
        self,
        transact: Callable[[Callable[[Database], Any]], Deferred[Any]],
        rule: Callable[[str], Rule | None],
        look_after: Callable[[Changes], None],
        held: Held,
        now: Callable[[], float],
    ) -> None:
        self._transact = transact
        self._rule = rule
        self._look_after = look_after
        self._held = held
        self._now = now

    def retry(self, identity: str) -> Deferred[bool]:
        """Do a job that failed, was cancelled or is a dead letter again; fires with whether there was such a one."""
        now = self._now()
        return self._change(lambda database: transactions.retry(database, identity, self._rule, now))

    def cancel(self, identity: str) -> Deferred[bool]:
        """End a job, or take it from those that wait; fires with whether there was such a one."""
        now = self._now()
        return self._change(lambda database: transactions.cancel(database, identity, now))

    def close(self, rule: str, key: Key) -> Deferred[bool]:
        """Undo an open state now; fires with whether it was open."""
        now = self._now()
        return self._change(lambda database: transactions.undo_now(database, rule, key, now))

    def hold(self, rule: str, *, paused: bool) -> Deferred[bool]:
        """Let the jobs of a rule wait from now on, or go on; fires with whether that is new."""
        now = self._now()
        written = self._transact(lambda database: transactions.hold(database, rule, paused=paused, now=now))

        def held(done: bool) -> bool:
            if done:
                self._held(rule, paused=paused)
            return done

        return written.addCallback(held)

    def _change(self, work: Callable[[Database], Changes | None]) -> Deferred[bool]:
        def changed(changes: Changes | None) -> bool:
            if changes is not None:
                self._look_after(changes)
            return changes is not None

        return self._transact(work).addCallback(changed)
