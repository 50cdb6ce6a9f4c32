"""The clock that goes on steadily when the wall clock is set."""

from __future__ import annotations

from gateway.clock import SteadyClock


class Clocks:
    """A wall clock and a monotonic one, both in the test's hand."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.monotonic = 5.0
        self.steady = SteadyClock(lambda: self.wall, lambda: self.monotonic)

    def pass_by(self, seconds: float, drift: float = 0.0) -> None:
        """Let time pass."""
        self.wall += seconds + drift
        self.monotonic += seconds


def test_it_shows_wall_clock_time() -> None:
    """As long as nobody sets anything."""
    clocks = Clocks()
    clocks.pass_by(10)
    assert clocks.steady.now() == 1_000_010.0
    assert clocks.steady.follow() == 0.0


def test_a_set_clock_is_followed_when_it_is_looked_at_and_said() -> None:
    """An hour back: until then the time goes on, and afterwards whoever waits can move along."""
    clocks = Clocks()
    clocks.wall -= 3600
    clocks.pass_by(1)
    assert clocks.steady.now() == 1_000_001.0
    assert clocks.steady.follow() == -3600.0
    assert clocks.steady.now() == 1_000_001.0 - 3600
    assert clocks.steady.follow() == 0.0


def test_drift_is_followed_in_silence() -> None:
    """What NTP slews is no step."""
    clocks = Clocks()
    clocks.pass_by(10, drift=0.01)
    assert clocks.steady.follow() == 0.0
    assert abs(clocks.steady.now() - clocks.wall) < 1e-6
