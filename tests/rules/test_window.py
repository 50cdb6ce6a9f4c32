"""Windows count as a plain list of times would, in memory that ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.window import CountWindow, Key


class PlainList:
    """The model: every time of every key, looked through each time."""

    def __init__(self, count: int, within: float) -> None:
        self.count = count
        self.within = within
        self.times: list[tuple[Key, float]] = []

    def counted(self, key: Key, now: float) -> int:
        return sum(1 for one, time in self.times if one == key and now - self.within < time <= now)

    def add(self, key: Key, now: float) -> bool:
        self.times.append((key, now))
        if self.counted(key, now) < self.count:
            return False
        self.times = [(one, time) for one, time in self.times if one != key]
        return True


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7)), max_size=60)


@given(st.integers(1, 5), st.integers(1, 12), STEPS)
def test_a_window_counts_as_a_list_would(count: int, within: int, steps: list[tuple[str, int]]) -> None:
    """A key is full when so many lie within the time, the ends told apart to the second; then it starts anew."""
    window, model, now = CountWindow(count, within), PlainList(count, within), 100
    for name, seconds in steps:
        now += seconds
        key = (name,)
        assert window.add(key, now) is model.add(key, now)
        for other in "abc":
            assert window.counted((other,), now) == model.counted((other,), now) or count == 1
    assert window.evicted == 0


@given(st.integers(2, 4), st.integers(1, 4), st.integers(1, 12), st.lists(st.integers(0, 9), max_size=200))
def test_keys_and_times_are_bounded(count: int, max_keys: int, max_times: int, names: list[int]) -> None:
    """However many keys come, memory holds no more of them, and each one that went too early is counted."""
    window = CountWindow(count, 1000.0, max_keys, max_times)
    full = 0
    for now, name in enumerate(names):
        full += window.add((str(name),), float(now))
        assert len(window) <= max_keys
        kept = sum(window.counted((str(one),), float(now)) for one in range(10))
        assert kept <= max(max_times, count)
    assert window.evicted <= len(names)
    if not window.evicted:
        model = PlainList(count, 1000.0)
        assert full == sum(model.add((str(name),), float(now)) for now, name in enumerate(names))


def test_the_key_that_was_quiet_longest_goes_first() -> None:
    """An attacker's many addresses push each other out, not the one that is still at it."""
    window = CountWindow(3, 100.0, max_keys=2)
    window.add(("busy",), 1.0)
    window.add(("quiet",), 2.0)
    window.add(("busy",), 3.0)
    window.add(("new",), 4.0)
    assert window.evicted == 1
    assert window.counted(("quiet",), 4.0) == 0
    assert window.add(("busy",), 5.0)


def test_a_key_whose_time_is_over_goes_without_loss() -> None:
    """Only what still counted is counted as evicted."""
    window = CountWindow(2, 10.0, max_keys=1)
    window.add(("a",), 0.0)
    window.add(("b",), 10.0)
    assert (window.evicted, len(window)) == (0, 1)


def test_one_key_may_need_more_times_than_all_are_allowed() -> None:
    """A rule that counts to more than the limit still can."""
    window = CountWindow(50, 100.0, max_times=10)
    assert [window.add(("a",), 0.0) for _ in range(50)] == [False] * 49 + [True]
