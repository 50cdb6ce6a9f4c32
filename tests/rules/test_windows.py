"""Windows do what plain lists would that are looked through each time, in memory that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.event import Event, FieldValue
from parsers.message import Message, Origin, Trust
from parsers.parse import Parser
from rules.condition import AllOf, Equals
from rules.correlate import window_of
from rules.when import Absent, Count, Digest, Distinct, Every, Section, Sequence, Settled, Stage, When
from rules.windows import memory
from rules.windows.apart import ApartWindow
from rules.windows.window import Completed, Key, Sighting, Window
from tests.rules.window_models import (
    AbsentModel,
    Arrival,
    CountModel,
    DigestModel,
    DistinctModel,
    EveryModel,
    Model,
    SequenceModel,
    SettledModel,
)

ORIGIN = Origin("main", Trust.LOCAL)
PARSER = Parser(())
BY = ("k",)
ANY = AllOf(())
STAGES = (Stage(ANY),) * 3
SECTIONS = (Section("a", Equals("text", "a")), Section("b", Equals("text", "b")))
FILES = ("*.csv", "a.*", "done")

MODELS: dict[type[When], Callable[..., Model]] = {
    Count: CountModel,
    Distinct: DistinctModel,
    Every: EveryModel,
    Sequence: SequenceModel,
    Absent: AbsentModel,
    Digest: DigestModel,
    Settled: SettledModel,
}

within = st.integers(1, 12).map(float)
WHENS = st.one_of(
    st.builds(Count, st.integers(1, 5), within, st.just(BY)),
    st.builds(Distinct, st.just("text"), st.integers(2, 4), within, st.just(BY)),
    st.builds(Every, st.sampled_from([STAGES[:2], STAGES]), within, st.just(BY)),
    st.builds(Sequence, st.sampled_from([STAGES[:2], STAGES]), within, st.just(BY)),
    st.builds(Absent, st.sampled_from([None, STAGES[0]]), within, st.just(BY)),
    st.builds(Digest, within, st.just(BY), st.integers(1, 6), st.sampled_from([(), SECTIONS]), st.booleans()),
    st.builds(Settled, within, st.just(BY)),
    st.builds(Settled, within, st.just(BY), st.sampled_from([FILES[:2], FILES]), st.one_of(st.none(), within)),
)
TEXTS: dict[type[When], tuple[str, ...]] = {Settled: ("a.csv", "b.csv", "a.txt", "done", "other")}

STEPS = st.lists(
    st.tuples(
        st.sampled_from("1112"),  # the key
        st.integers(1, 15),  # the stages, as bits
        st.integers(0, 4),  # the text
        st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, 5.0]),  # the seconds since the one before
    ),
    max_size=30,
)
Steps = list[tuple[str, int, int, float]]


def stage_count(when: When) -> int:
    """Return how many stages an event may fulfil."""
    match when:
        case Every(stages):
            return len(stages)
        case Sequence(stages):
            return len(stages) + 1  # the one that breaks off
        case Absent(stage):
            return 2 if stage else 1
    return 1


def arrivals(when: When, steps: Steps) -> Iterator[Arrival]:
    """Yield the events of some steps."""
    now, count = 1_000.0, stage_count(when)
    for number, (key, bits, text, seconds) in enumerate(steps):
        now += seconds
        stages = tuple(stage for stage in range(count) if bits >> stage & 1) or (bits % count,)
        words = TEXTS.get(type(when), ("a", "b", "c", "d", "e"))
        yield Arrival((key,), now, stages, words[text], Message(b"%d" % number, ORIGIN, now, offset=number))


def sighting(one: Arrival) -> Sighting:
    """Return what the window sees of an event."""
    event = PARSER.parse(one.message)
    event.fields.update({"text": one.text, "file.name": one.text, "message": one.text})
    return Sighting(event, event.fields, one.stages)


def _without_stamps(section: FieldValue) -> FieldValue:
    assert isinstance(section, dict)
    lines = section["lines"]
    assert isinstance(lines, list)
    return {**section, "lines": [str(line).split(": ")[-1].split(" (")[0] for line in lines]}


def seen(completed: Completed | None, when: When) -> object:
    """Return what can be told of a window that came true without knowing how it went about it."""
    if completed is None:
        return None
    fields = dict(completed.fields)
    fields.pop("gateway.digest", None)
    if isinstance(values := fields.get("gateway.values"), list):
        fields["gateway.values"] = [*sorted(map(str, values))]
    if isinstance(sections := fields.get("gateway.sections"), list):
        fields["gateway.sections"] = [*map(_without_stamps, sections)]
    earlier = () if isinstance(when, Every) else completed.earlier
    return replace(completed, fields=fields, earlier=earlier)


def end_dues(window: Window, model: Model, when: When, now: float) -> None:
    """End in both what is due by now, and see that it is the same."""
    while dues := sorted(due for due in model.dues() if due[0] <= now):
        first = dues[0][0]
        assert window.next_due() == first
        assert sorted(window.dues(now)) == dues
        for due, key in dues:
            if due == first:
                assert window.end(key, due - 0.5) is None
                ended = window.end(key, due)
                assert seen(ended, when) == seen(model.end(key, due), when)
                assert window.end(key, due) is None
    assert list(window.dues(now)) == []
    assert window.next_due() == min((due for due, _ in model.dues()), default=None)


@given(WHENS, STEPS)
@settings(max_examples=250, deadline=None)
def test_a_window_does_what_a_list_would(when: When, steps: Steps) -> None:
    """The same comes true at the same time for the same events, whether an event completes it or time does."""
    window, model = window_of(when), MODELS[type(when)](when)
    for one in arrivals(when, steps):
        end_dues(window, model, when, one.time)
        taken, expected = window.take(one.key, sighting(one), one.time), model.take(one)
        assert seen(taken if isinstance(taken, Completed) else None, when) == seen(expected, when)
    end_dues(window, model, when, 1e9)
    assert window.evicted == 0


@given(WHENS, STEPS, st.integers(0, 30))
@settings(max_examples=120, deadline=None)
def test_what_changed_nothing_need_not_be_told_again(when: When, steps: Steps, restart: int) -> None:
    """A window that is told only what another had kept goes on as that one does, its bounds included."""
    when = replace(when, max_keys=1)
    living, reborn = window_of(when), window_of(when)
    for number, one in enumerate(arrivals(when, steps)):
        expected = list(living.dues(one.time))
        if number >= restart:
            assert list(reborn.dues(one.time)) == expected
        for due, key in expected:
            ended, again = living.end(key, due), reborn.end(key, due)
            assert number < restart or again == ended
        taken = living.take(one.key, sighting(one), one.time)
        if taken is not False or number >= restart:
            assert reborn.take(one.key, sighting(one), one.time) == taken
        assert len(living) <= 2  # `settled` has one for sets that are whole, one for others


@given(WHENS, STEPS)
@settings(max_examples=60, deadline=None)
def test_a_clock_that_was_set_moves_everything(when: When, steps: Steps) -> None:
    """A window that was moved does at the moved times what another does at the old ones."""
    still, moved = window_of(when), window_of(when)
    moved_by = 0.0
    for number, one in enumerate(arrivals(when, steps)):
        if number % 3 == 0:
            step = -3600.0 if number % 2 else 86400.0
            moved.shift(step)
            moved_by += step
        now = one.time + moved_by
        assert sorted((due - moved_by, key) for due, key in moved.dues(now)) == sorted(still.dues(one.time))
        for due, key in list(still.dues(one.time)):
            assert (moved.end(key, due + moved_by) is None) == (still.end(key, due) is None)
        taken, other = (window.take(one.key, sighting(one), time) for window, time in ((still, one.time), (moved, now)))
        assert isinstance(taken, Completed) == isinstance(other, Completed)
        assert (still.progress(one.key, one.time) is None) == (moved.progress(one.key, now) is None)


KEYS = st.lists(st.tuples(st.sampled_from("12345"), st.integers(1, 7), st.integers(0, 4), st.just(1.0)), max_size=60)


@given(st.one_of(st.builds(Count, st.integers(2, 3), within, st.just(BY), st.integers(1, 3))), KEYS)
@settings(max_examples=50, deadline=None)
def test_the_key_that_was_quiet_longest_goes_first(when: Count, steps: Steps) -> None:
    """An attacker's many addresses push each other out, not the one that is still at it."""
    window, model = window_of(when), CountModel(when)
    for one in arrivals(when, steps):
        taken, expected = window.take(one.key, sighting(one), one.time), model.take(one)
        assert (taken if isinstance(taken, Completed) else None) == expected
        assert len(window) <= when.max_keys


@given(WHENS, KEYS, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_keys_are_bounded(when: When, steps: Steps, most: int) -> None:
    """However many come, no more are held; nothing is lost where nothing was said to be."""
    bounded, endless = window_of(replace(when, max_keys=most)), window_of(when)
    for one in arrivals(when, steps):
        for window in (bounded, endless):
            for due, key in list(window.dues(one.time)):
                window.end(key, due)
        taken = bounded.take(one.key, sighting(one), one.time)
        other = endless.take(one.key, sighting(one), one.time)
        assert len(bounded) <= most * (1 + isinstance(when, Settled))
        assert taken == other or bounded.evicted


def filled(when: When, keys: int, seconds: float = 1.0, size: int = 10) -> Window:
    """Return a window that has seen one event of each of so many keys."""
    window = window_of(when)
    for number in range(keys):
        now = 1_000.0 + number * seconds
        message = Message(b"x" * size, ORIGIN, now)
        one = Arrival((str(number),), now, (0,), "a.csv", message)
        window.take(one.key, sighting(one), now)
    return window


INSTANT = [
    Count(3, 10.0, BY),
    Distinct("text", 3, 10.0, BY),
    Every(STAGES, 10.0, BY),
    Sequence(STAGES, 10.0, BY),
]


@pytest.mark.parametrize("when", INSTANT, ids=lambda when: type(when).__name__)
def test_what_is_over_does_not_stay_in_memory(when: When) -> None:
    """A rule that once had many keys does not hold them for ever, and forgets none that counts."""
    window = filled(when, 500)
    assert (len(window), window.evicted) == (10, 0)


KEEPING = [
    *INSTANT[2:],
    Absent(None, 1e6, BY),
    Settled(1e6, BY),
    Settled(1e6, BY, FILES),
]


@pytest.mark.parametrize("when", KEEPING, ids=str)
def test_long_messages_are_bounded_too(when: When) -> None:
    """A stranger decides how long they are; rather few keys than no memory."""
    window = filled(replace(when, max_keys=100), 100, 0.0, 10 * memory.OCTETS_PER_KEY)
    assert 5 <= len(window) <= 10
    assert window.evicted == 100 - len(window)


def test_times_are_bounded() -> None:
    """A rule that counts to thousands has fewer keys; one at least can become full."""
    window = window_of(Count(50, 1e6, BY, max_keys=1))
    event = sighting(Arrival(("1",), 0.0, (0,), "a", Message(b"", ORIGIN, 0.0)))
    assert [isinstance(window.take(("1",), event, 0.0), Completed) for _ in range(50)] == [False] * 49 + [True]
    window = window_of(Count(100, 1e6, BY, max_keys=5))
    for number in range(5 * 60):
        window.take((str(number % 5),), event, float(number))
    assert window.evicted


def test_many_times_are_counted_as_few_are() -> None:
    """What counts to more keeps its times otherwise."""
    event = sighting(Arrival(("1",), 0.0, (0,), "a", Message(b"", ORIGIN, 0.0)))
    few, many = window_of(Count(3, 10.0, BY)), window_of(Count(200, 10.0, BY))
    for window, count in ((few, 3), (many, 200)):
        now, found = 0.0, []
        for number in range(3 * count):
            now += 20.0 / count if number < count else 5.0 / count
            found.append(isinstance(window.take(("1",), event, now), Completed))
        assert found.count(True) == 2


def text_event(text: str) -> Event:
    """Return an event with a text."""
    return sighting(Arrival(("1",), 0.0, (0,), text, Message(text.encode(), ORIGIN, 0.0))).event


def test_a_digest_that_is_too_long_says_so() -> None:
    """What is left out is counted; so many equal lines are one."""
    window = window_of(Digest(10.0, BY, 1000, (), unique=True))
    long = text_event("y" * 400_000)
    for event in (long, long, text_event("y" * 300_000), text_event("short")):
        window.take(("1",), Sighting(event, event.fields), 0.0)
    completed = window.end(("1",), 10.0)
    assert completed is not None
    assert completed.count == 4
    digest = str(completed.fields["gateway.digest"])
    assert "(2 times)" in digest
    assert "short" in digest
    assert digest.endswith("1 more are left out: this is as much as one digest holds")
    assert len(digest) < 500_000


def test_many_digests_are_bounded() -> None:
    """Lines are left out when all digests of a rule together hold too much; no digest is lost for it."""
    window = window_of(Digest(10.0, BY, 1000))
    for number in range(200):
        event = text_event("y" * 400_000 + str(number))
        window.take((str(number),), Sighting(event, event.fields), 0.0)
    digests = [window.end(key, due) for due, key in list(window.dues(10.0))]
    assert len(digests) == 200
    held = sum(len(str(one.fields["gateway.digest"])) for one in digests if one)
    assert held < 65 * 1024**2
    assert window.evicted == 0


@pytest.mark.parametrize(("when", "longer"), [(Absent(None, 10.0, BY), True), (Digest(10.0, BY, 9), False)])
def test_time_that_nobody_watched(when: When, *, longer: bool) -> None:
    """What must not come may have come then; what is collected is handed over in time."""
    window = filled(when, 1)
    window.postpone(5.0)
    assert window.next_due() == 1_010.0 + 5.0 * longer


def test_strangers_take_no_room_from_others() -> None:
    """A flood of forged keys pushes out forged keys."""
    window = ApartWindow(lambda: window_of(Count(2, 100.0, BY, max_keys=2)), 1)
    event = sighting(Arrival(("1",), 0.0, (0,), "a", Message(b"", ORIGIN, 0.0)))
    window.take(("ours",), event, 0.0)
    for number in range(9):
        assert window.take((str(number), "untrusted"), event, 1.0) is True
    assert (len(window), window.evicted) == (3, 7)
    assert window.progress(("ours", "untrusted"), 1.0) is None
    assert window.take(("ours",), event, 2.0) == Completed(2, 0.0)
    waiting = ApartWindow(lambda: window_of(Absent(None, 10.0, BY)), 1)
    keys: list[Key] = [("1", "untrusted"), ("1",), ("2",)]
    for now, key in enumerate(keys):
        waiting.take(key, event, float(now))
    assert [key for _, key in waiting.dues(12.0)] == keys
    waiting.shift(1.0)
    waiting.postpone(1.0)
    assert waiting.next_due() == 12.0
    assert all(waiting.end(key, due) for due, key in list(waiting.dues(99.0)))
    assert waiting.next_due() is None
