"""How soon a rule may start its next step."""

from __future__ import annotations

from gateway.jobs.rates import Rates
from rules.rule import Rate

TWO_A_MINUTE = Rate(2, 60.0)


def test_so_many_within_a_time_and_the_next_waits() -> None:
    """Two at once, and the third when the first is a minute old."""
    rates = Rates()
    for now in (0.0, 10.0):
        assert rates.wait("r", TWO_A_MINUTE, now) == 0.0
        rates.started("r", TWO_A_MINUTE, now)
    assert rates.wait("r", TWO_A_MINUTE, 20.0) == 40.0
    assert rates.wait("r", TWO_A_MINUTE, 60.0) == 0.0


def test_rules_do_not_share_their_rates() -> None:
    """Each counts for itself."""
    rates = Rates()
    rates.started("a", Rate(1, 60.0), 0.0)
    assert rates.wait("a", Rate(1, 60.0), 1.0) == 59.0
    assert rates.wait("b", Rate(1, 60.0), 1.0) == 0.0


def test_a_reload_may_change_the_rate() -> None:
    """A stricter rate looks at the latest starts; a looser one lets go."""
    rates = Rates()
    for now in (0.0, 1.0):
        rates.started("r", TWO_A_MINUTE, now)
    assert rates.wait("r", Rate(1, 60.0), 2.0) == 59.0
    assert rates.wait("r", Rate(3, 60.0), 2.0) == 0.0
