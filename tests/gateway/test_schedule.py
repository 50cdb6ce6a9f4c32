"""When timers are due: cron expressions with their time zones, intervals, and what fell due in the meantime."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.schedule import MACROS, MOST_COUNTED, Cron, Due, Every, ScheduleError, due_between, parse_cron

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTLY = Cron("30 2 * * *", BERLIN)
EXPRESSIONS = (
    *("30 2 * * *", "0,30 2 * * *", "*/7 * * * *", "30 */2 * * *", "0 3 * * *", "15 3 1 * MON", "59 1-3 * * *"),
    *("*/20 * * * * *", "0 12 L * *", "5 0 * * 5#2", "0 0 29 2 *"),
)
SCHEDULES = st.one_of(
    st.builds(Cron, st.sampled_from(EXPRESSIONS), st.sampled_from([BERLIN, UTC, ZoneInfo("Australia/Lord_Howe")])),
    st.builds(Every, st.integers(1, 100_000)),
)
CHANGES = [datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp(), datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()]
"""When clocks go forward and back in Berlin."""
NEAR_CHANGES = st.builds(float.__add__, st.sampled_from(CHANGES), st.floats(-100_000, 100_000))


def at(text: str) -> float:
    """Return a time in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def dues(expression: str, day: str, count: int) -> list[str]:
    """Return the first due times of a day in Berlin."""
    schedule, time = parse_cron(expression, BERLIN), datetime.fromisoformat(day).replace(tzinfo=BERLIN).timestamp()
    found = []
    for _ in range(count):
        following = schedule.next_after(time)
        assert following is not None
        time = following
        found.append(datetime.fromtimestamp(time, BERLIN).strftime("%d %H:%M%z"))
    return found


def test_a_time_that_is_left_out() -> None:
    """When clocks go forward over it, it is due right after the gap, once; what goes by `*` just goes on."""
    assert dues("30 2 * * *", "2026-03-29", 2) == ["29 03:00+0200", "30 02:30+0200"]
    assert dues("0,30 2 * * *", "2026-03-29", 2) == ["29 03:00+0200", "30 02:00+0200"]
    half_hours = dues("*/30 * * * *", "2026-03-29", 5)
    assert half_hours[2:] == ["29 01:30+0100", "29 03:00+0200", "29 03:30+0200"]


def test_a_time_that_comes_twice() -> None:
    """When clocks go back over it, it is due the first time; what goes by `*` is due both times."""
    assert dues("30 2 * * *", "2026-10-25", 2) == ["25 02:30+0200", "26 02:30+0100"]
    half_past = dues("30 * * * *", "2026-10-25", 5)
    assert half_past[1:] == ["25 01:30+0200", "25 02:30+0200", "25 02:30+0100", "25 03:30+0100"]


def test_between_two_like_hours() -> None:
    """In the second of two like hours, what the first one had is over."""
    schedule = parse_cron("30 2 * * *", BERLIN)
    assert schedule.next_after(at("2026-10-25T02:10:00+01:00")) == at("2026-10-26T02:30:00+01:00")


def test_an_interval() -> None:
    """It is aligned: five minutes are due at five past, whenever the gateway was started."""
    assert Every(300).next_after(at("2026-11-23T08:03:20Z")) == at("2026-11-23T08:05:00Z")
    assert Every(300).next_after(at("2026-11-23T08:05:00Z")) == at("2026-11-23T08:10:00Z")
    assert str(Every(5400)) == "every 1h30m"


@pytest.mark.parametrize("word", MACROS)
def test_words_for_expressions(word: str) -> None:
    """The words of crontab(5) can be written."""
    schedule = parse_cron(word, UTC)
    assert schedule.expression == MACROS[word]
    due = schedule.next_after(at("2026-11-23T08:30:01Z"))
    assert due is not None
    assert due % 3600 == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("61 * * * *", "bad minute (the fields are minute hour day-of-month month day-of-week)"),
        ("0 2 * * * root backup", "five fields are wanted (minute hour day-of-month month day-of-week), or six"),
        ("", "it has 0"),
        ("@reboot", "there are @hourly, @daily"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 31 2,4,6,9,11 *", "bad day-of-month"),
        ("0 0 * 2 MON#6", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 ? * *", "'?' cannot stand in it"),
        ("9" * 5000 + " * * * *", "it is longer than 500 characters"),
        ("0 0 * * " + ",".join("1" * 250), "it is longer than 500 characters"),
    ],
)
def test_what_is_no_schedule(text: str, problem: str) -> None:
    """It is said what is wrong with it."""
    with pytest.raises(ScheduleError) as caught:
        parse_cron(text, UTC)
    assert problem in str(caught.value)


@given(st.text("0123456789*/,-#LWMONJAFEB @ ", max_size=20).map(lambda text: f"{text} * * *"))
@settings(max_examples=150, deadline=None)
def test_any_text(text: str) -> None:
    """Whatever is written, it is a schedule that is due some time, or an error of the operator."""
    with suppress(ScheduleError):
        assert parse_cron(text, BERLIN).next_after(0.0) is not None


@given(SCHEDULES, NEAR_CHANGES)
@settings(max_examples=150, deadline=None)
def test_due_times_go_forward(schedule: Cron | Every, time: float) -> None:
    """The next due time is later than now, also where clocks change, and the same for all times before it."""
    following = schedule.next_after(time)
    assert following is not None
    assert following > time
    assert schedule.next_after((time + following) / 2) == following


@given(SCHEDULES, NEAR_CHANGES, st.floats(0, 40_000))
@settings(max_examples=60, deadline=None)
def test_what_fell_due(schedule: Cron | Every, time: float, seconds: float) -> None:
    """The last due time and their number are those that one finds going from each to the next."""
    found: list[float] = []
    following = schedule.next_after(time)
    while following is not None and following <= time + seconds and len(found) < 200:
        found.append(following)
        following = schedule.next_after(following)
    if len(found) < 200:
        assert due_between(schedule, time, time + seconds) == (Due(found[-1], len(found)) if found else None)


def test_more_than_anyone_counts() -> None:
    """After a long time the last due time is still right, and found soon; how many there were is not counted out."""
    begin, end = at("2025-01-01T00:00:00Z"), at("2026-11-23T08:12:30Z")
    assert due_between(Every(1), begin, end) == Due(end, MOST_COUNTED)
    every_minute = due_between(Cron("* * * * *", BERLIN), begin, end)
    assert every_minute == Due(at("2026-11-23T08:12:00Z"), MOST_COUNTED)
    in_the_night = due_between(Cron("* 3 * * *", UTC), begin, end)
    assert in_the_night == Due(at("2026-11-23T03:59:00Z"), MOST_COUNTED)
    assert due_between(NIGHTLY, end - timedelta(hours=2).total_seconds(), end) is None
