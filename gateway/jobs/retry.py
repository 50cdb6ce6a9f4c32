"""When a step that failed is tried again."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.application.internet import backoffPolicy

from gateway.jobs.outcome import Ending, Outcome
from rules.rule import Retry, Rule

TEMPORARY = os.EX_TEMPFAIL
"""The exit code that asks for another try (sysexits.h): 75."""

DEFAULT = Retry()
"""For a rule that says nothing, when the task itself asks for another try or the gateway or its runner died."""


def policy_for(rule: Rule, outcome: Outcome) -> Retry | None:
    """Return how a failure is retried; None when another try is not wanted, or would end the same."""
    if outcome.ending is Ending.REFUSED:
        return None
    if outcome.ending is Ending.LOST:
        return (rule.retry or DEFAULT) if rule.idempotent else None
    if outcome.temporary or outcome.exit_code == TEMPORARY:
        return rule.retry or DEFAULT
    return rule.retry


def wait_before(retry: Retry, failed: int, chance: Callable[[], float]) -> float:
    """Return the seconds until the next try.

    Args:
        retry: the rule's policy.
        failed: tries that have failed, at least 1.
        chance: returns a number from 0 up to 1 (`random.random`).
    """
    # The wait is Twisted's; its own jitter is absolute and ours is a part of the wait.
    wait = backoffPolicy(retry.wait, retry.limit, retry.grow, jitter=lambda: 0.0)(failed - 1)
    return max(0.0, wait * (1 + retry.jitter * (2 * chance() - 1)))
