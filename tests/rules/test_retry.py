"""When a step is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import Place
from rules.condition import AllOf
from rules.outcome import Ending, Outcome
from rules.retry import DEFAULT, policy_for, wait_before
from rules.rule import Retry, Rule

OWN = Retry(times=2, wait=1.0)
PLAIN = Rule("plain", Place(""), AllOf(()))
TRIES = Rule("tries", Place(""), AllOf(()), retry=OWN)
ONCE = Rule("once", Place(""), AllOf(()), idempotent=False)


@pytest.mark.parametrize(
    ("rule", "outcome", "policy"),
    [
        (PLAIN, Outcome("j", Ending.EXITED, 1), None),
        (TRIES, Outcome("j", Ending.EXITED, 1), OWN),
        (PLAIN, Outcome("j", Ending.EXITED, 75), DEFAULT),
        (TRIES, Outcome("j", Ending.EXITED, 75), OWN),
        (PLAIN, Outcome("j", Ending.DECLINED, temporary=True), DEFAULT),
        (TRIES, Outcome("j", Ending.REFUSED), None),
        (TRIES, Outcome("j", Ending.NOT_STARTED), OWN),
        (TRIES, Outcome("j", Ending.TIMED_OUT), OWN),
        (PLAIN, Outcome("j", Ending.LOST), DEFAULT),
        (ONCE, Outcome("j", Ending.LOST), None),
    ],
)
def test_who_gets_another_try(rule: Rule, outcome: Outcome, policy: Retry | None) -> None:
    """Exit code 75 asks for one; what cannot be filled in gets none; a lost one only where repeats do no harm."""
    assert policy_for(rule, outcome) == policy


def test_waits_grow_up_to_their_limit() -> None:
    """10 s, 20 s, 40 s ... 10 min."""
    policy = Retry(times=10, wait=10.0, grow=2.0, limit=600.0, jitter=0.0)
    assert [wait_before(policy, failed, lambda: 0.5) for failed in range(1, 9)] == [
        10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0,
    ]  # fmt: skip


def test_jitter_is_a_part_of_the_wait() -> None:
    """20 % of 10 s is from 8 s to 12 s."""
    policy = Retry(wait=10.0, jitter=0.2)
    assert wait_before(policy, 1, lambda: 0.0) == 8.0
    assert wait_before(policy, 1, lambda: 1.0) == 12.0


@given(st.integers(1, 10**6), st.floats(0.001, 10**6), st.floats(1.0, 100.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_no_wait_is_negative_or_endless(failed: int, wait: float, grow: float, jitter: float, chance: float) -> None:
    """Whatever the numbers are."""
    policy = Retry(wait=wait, grow=grow, limit=10**7, jitter=jitter)
    assert 0.0 <= wait_before(policy, failed, lambda: chance) <= 2 * 10**7
