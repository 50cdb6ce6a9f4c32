"""When a step that failed is tried again."""

from __future__ import annotations

import os
from collections.abc import Callable

from rules.outcome import Ending, Outcome
from rules.rule import Retry, Rule

TEMPORARY = os.EX_TEMPFAIL
"""The exit code that asks for another try (sysexits.h): 75."""

DEFAULT = Retry()
"""For a rule that says nothing, when the task itself asks for another try or the gateway or its runner died."""

RUN_AGAIN = 5
"""Times that a job is run again because the runner or the gateway died with it, whatever the rule says: one that
kills them must not do so for ever."""


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
        chance: returns a number from 0 up to 1 (`random.random`); 0.5 is the middle of the jitter.
    """
    try:
        wait = min(retry.wait * retry.grow ** (failed - 1), retry.limit)
    except OverflowError:
        wait = retry.limit
    return max(0.0, wait * (1 + retry.jitter * (2 * chance() - 1)))


def next_wait(rule: Rule, outcome: Outcome, attempt: int, chance: Callable[[], float]) -> float | None:
    """Return the seconds until a step that failed is tried again; None: that was the last try.

    Args:
        rule: the step's.
        outcome: how the attempt failed.
        attempt: which attempt it was, 1 for the first.
        chance: as for `wait_before`.
    """
    policy = policy_for(rule, outcome)
    if policy is None:
        return None
    if outcome.ending is Ending.LOST:
        if attempt > max(policy.times, RUN_AGAIN):
            return None
        return 0.0 if attempt == 1 else wait_before(policy, attempt - 1, chance)
    return wait_before(policy, attempt, chance) if attempt <= policy.times else None
