"""Timers: each due time is told once, whatever becomes of the gateway and of the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from gateway.jobs.blocks import decode_origin, encode_origin
from gateway.notices.timer import TimerAhead, TimerLate, TimerNotKept, TimerOver, TimerSet, TimerSkipped
from gateway.outgoing.message import forwarded
from gateway.schedule import Cron, Every, Schedule
from gateway.sources.timer import AGAIN, Timer, timer_event
from gateway.timer_source_config import Missed, TimerSource
from parsers.errors import Place
from parsers.grammars import json_cee
from parsers.message import Message, Origin, Trust
from parsers.parse import Parser
from rules.own_events import event_of, timer_kind
from tests.gateway.told import Told

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = 3600.0, 86_400.0
NIGHTLY = Cron("0 2 * * *", BERLIN)
OFTEN = Every(300)
NOW = datetime(2026, 11, 23, 0, 0, tzinfo=BERLIN).timestamp()
"""Midnight, at which an interval of five minutes is due as well."""


class Machine:
    """A machine with a wall clock and a disk, on which a gateway with one timer starts, ends and is killed.

    Attributes:
        events: the fields of what was reported and is on disk.
        waits: nothing gets to the disk until this is False.
        refuses: nothing can be kept.
    """

    def __init__(self, schedule: Schedule = NIGHTLY, missed: Missed = Missed.ONCE) -> None:
        self.source = TimerSource("nightly", Place("g.yaml", 1, 1), schedule, BERLIN, missed)
        self.told = Told()
        self.wall = NOW
        self.bookmarks: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.waits = self.refuses = False
        self._waiting: list[Callable[[], None]] = []
        self._clock = Clock()
        self.timer: Timer | None = None

    def start(self) -> None:
        """Start the gateway."""
        self._clock = Clock()
        self.timer = Timer(self.source, self, self._read, self._clock, self.told, lambda: self.wall)
        self.timer.start()
        self._clock.advance(0)

    def kill(self) -> None:
        """Kill the gateway: what is not on disk is lost."""
        self._clock, self.timer = Clock(), None
        self._waiting.clear()

    def sleep(self, seconds: float, step: float = 60.0) -> None:
        """Let time pass."""
        while seconds > 0:
            one = min(step, seconds)
            seconds -= one
            self.wall += one
            self._clock.advance(one)

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock forward or back; the gateway notices within ten seconds."""
        self.wall += seconds
        if self.timer is not None:
            self.timer.poll()

    def times(self) -> list[str]:
        """Return the due times that were told of, and how many were missed where some were."""
        return [
            event["event.start"][5:16] + (f" +{event['gateway.timer.missed']}" if event["gateway.timer.missed"] else "")
            for event in self.events
        ]

    # The pipeline.

    def report(self, message: Message, bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        """Take an event."""
        assert message.received == self.wall
        assert set(json.loads(message.frame)) <= timer_kind("nightly").fields
        return self._keep(lambda: self.events.append(json.loads(message.frame)), bookmarks)

    def note(self, bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        """Keep bookmarks."""
        return self._keep(lambda: None, bookmarks)

    def keep_all(self) -> None:
        """Let what waits get to the disk."""
        self.waits = False
        while self._waiting:
            self._waiting.pop(0)()

    def _keep(self, what: Callable[[], None], bookmarks: Mapping[str, str | None]) -> Deferred[None]:
        if self.refuses:
            return fail(OSError(28, "no space"))
        kept: Deferred[None] = Deferred()

        def keep() -> None:
            what()
            self.bookmarks.update({name: str(text) for name, text in bookmarks.items()})
            kept.callback(None)

        if self.waits:
            self._waiting.append(keep)
        else:
            keep()
        return kept

    def _read(self, prefix: str) -> Deferred[dict[str, str]]:
        return fail(OSError(5, "broken")) if self.refuses else succeed(dict(self.bookmarks))


def test_each_night() -> None:
    """A timer is told of when it is due, with how late that is; when it is set, it says when it is due next."""
    machine = Machine()
    machine.start()
    assert machine.told == [TimerSet("nightly", "2026-11-23T02:00:00+01:00")]
    machine.sleep(1.5 * DAY)
    assert machine.times() == ["11-23T02:00", "11-24T02:00"]
    assert machine.events[0] == {
        "event.action": "timer",
        "event.start": "2026-11-23T02:00:00+01:00",
        "gateway.timer.late": 0.0,
        "gateway.timer.missed": 0,
        "message": "nightly was due 2026-11-23T02:00:00+01:00",
    }


def test_what_was_due_before_the_first_start() -> None:
    """It is nobody's business, also when the gateway is killed at once; what is due from then on is."""
    machine = Machine()
    machine.wall += 5 * HOUR
    machine.start()
    machine.kill()
    machine.start()
    assert machine.times() == []
    machine.kill()
    machine.wall += DAY
    machine.start()
    assert machine.times() == ["11-24T02:00 +1"]


def test_one_for_all_that_were_missed() -> None:
    """After three nights without the gateway one event says how many there were, and it is said."""
    machine = Machine()
    machine.start()
    machine.sleep(3 * HOUR)
    machine.kill()
    machine.wall += 3 * DAY
    machine.start()
    assert machine.times() == ["11-23T02:00", "11-26T02:00 +3"]
    assert machine.events[1]["gateway.timer.late"] == HOUR
    assert machine.told.of(TimerLate) == [TimerLate("nightly", 3, "2026-11-26T02:00:00+01:00")]
    machine.kill()
    machine.start()
    assert len(machine.events) == 2


def test_none_for_those_that_were_missed() -> None:
    """With `missed: skip` nothing comes of them but a word; a time of less than a minute ago is no missed one."""
    machine = Machine(missed=Missed.SKIP)
    machine.start()
    machine.sleep(3 * HOUR)
    machine.kill()
    machine.wall += 3 * DAY
    machine.start()
    assert machine.times() == ["11-23T02:00"]
    assert machine.told.of(TimerSkipped) == [TimerSkipped("nightly", 3, "2026-11-26T02:00:00+01:00")]
    machine.kill()
    machine.wall += 23 * HOUR + 30
    machine.start()
    assert machine.times() == ["11-23T02:00", "11-27T02:00"]
    assert len(machine.told.of(TimerSkipped)) == 1


def test_some_missed_and_one_in_time() -> None:
    """Of an interval, the last may just be due: the event is its own, and says how many there were before."""
    for missed in Missed:
        machine = Machine(OFTEN, missed)
        machine.start()
        machine.kill()
        machine.wall += 900.2
        machine.start()
        assert machine.times() == ["11-23T00:15 +2"]
        assert machine.events[0]["gateway.timer.late"] == pytest.approx(0.2)


def test_killed_before_it_was_kept() -> None:
    """What did not get to the disk is told again; what did is not."""
    machine = Machine()
    machine.start()
    machine.waits = True
    machine.sleep(2 * HOUR + 20)
    machine.kill()
    machine.waits = False
    machine.start()
    assert machine.times() == ["11-23T02:00"]
    machine.kill()
    machine.start()
    assert machine.times() == ["11-23T02:00"]


def test_a_slow_disk() -> None:
    """While one event is not on disk, no other is made; then one stands for those that fell due meanwhile."""
    machine = Machine(OFTEN)
    machine.start()
    machine.waits = True
    machine.sleep(1200)
    assert machine.events == []
    machine.keep_all()
    assert machine.times() == ["11-23T00:05", "11-23T00:20 +2"]


def test_a_disk_that_takes_nothing() -> None:
    """It is said and tried again, when a bookmark cannot be read as when an event cannot be kept."""
    machine = Machine()
    machine.refuses = True
    machine.start()
    assert machine.told == [TimerNotKept("nightly", "OSError: [Errno 5] broken")]
    machine.refuses = False
    machine.sleep(AGAIN)
    machine.sleep(2 * HOUR - AGAIN - 1)
    machine.refuses = True
    machine.sleep(2)
    assert len(machine.told.of(TimerNotKept)) == 2
    machine.refuses = False
    machine.sleep(AGAIN)
    assert machine.times() == ["11-23T02:00"]


def test_a_clock_that_is_set_forward() -> None:
    """What was due in between is told once: no night is left out, and no interval storms."""
    nightly, often = Machine(), Machine(OFTEN)
    for machine in (nightly, often):
        machine.start()
        machine.set_clock(2.5 * HOUR)
        machine.sleep(600)
    assert nightly.times() == ["11-23T02:00 +1"]
    assert often.times() == ["11-23T02:30 +29", "11-23T02:35", "11-23T02:40"]


def test_a_clock_that_is_set_back() -> None:
    """What was told is not told again, also after a restart; the timer waits until the clock has caught up."""
    machine = Machine(OFTEN)
    machine.start()
    machine.sleep(HOUR)
    assert len(machine.events) == 12
    machine.set_clock(-HOUR)
    machine.sleep(HOUR / 2)
    machine.kill()
    machine.start()
    machine.sleep(HOUR / 2 + 600)
    assert machine.times()[11:] == ["11-23T01:00", "11-23T01:05", "11-23T01:10"]
    assert machine.told.of(TimerAhead) == []


def test_a_clock_that_was_far_ahead() -> None:
    """After a clock that was wrong by years is put right, the timer does not wait for years; it says why."""
    machine = Machine()
    machine.wall += 1000 * DAY
    machine.start()
    machine.sleep(DAY)
    machine.set_clock(-1001 * DAY)
    machine.sleep(DAY + 3 * HOUR)
    assert machine.times()[1:] == ["11-23T02:00", "11-24T02:00"]
    assert machine.told.of(TimerAhead) == [TimerAhead("nightly", "2029-08-19T02:00:00+02:00")]


def test_a_machine_without_a_clock() -> None:
    """One that starts in 1970 and learns the time later tells nothing that was told before."""
    machine = Machine()
    machine.start()
    machine.sleep(3 * HOUR)
    machine.kill()
    right, machine.wall = machine.wall, 0.0
    machine.start()
    machine.sleep(600)
    machine.kill()
    machine.start()
    machine.set_clock(right)
    machine.sleep(HOUR)
    assert machine.times() == ["11-23T02:00"]
    machine.sleep(DAY)
    assert machine.times() == ["11-23T02:00", "11-24T02:00"]
    assert len(machine.told.of(TimerAhead)) == 2  # at each start


def test_another_schedule() -> None:
    """It counts from when it is read, by a reload or a start: what it would have been due before was not wanted."""
    machine = Machine()
    machine.start()
    machine.sleep(9 * HOUR)
    at_eight = TimerSource("nightly", Place("g.yaml", 1, 1), Cron("0 8 * * *", BERLIN), BERLIN)
    assert machine.timer is not None
    machine.timer.follow(at_eight)
    machine.sleep(DAY)
    assert machine.times() == ["11-23T02:00", "11-24T08:00"]
    machine.kill()
    machine.start()
    machine.sleep(DAY)
    assert machine.times()[2:] == ["11-25T02:00"]


def test_a_reload_that_changes_nothing() -> None:
    """Read anew the local zone is another object; the timer goes on, and what is just due is told."""
    machine = Machine()
    machine.start()
    machine.wall += 2 * HOUR
    assert machine.timer is not None
    again = Cron("0 2 * * *", ZoneInfo.no_cache("Europe/Berlin"))
    machine.timer.follow(TimerSource("nightly", machine.source.place, again, BERLIN))
    machine.sleep(60)
    assert machine.times() == ["11-23T02:00"]
    assert machine.told.of(TimerSet) == [TimerSet("nightly", "2026-11-23T02:00:00+01:00")]


def test_a_schedule_that_changes_while_the_disk_is_slow() -> None:
    """What is under way is kept, and the new one goes on from the change."""
    machine = Machine(OFTEN)
    machine.start()
    machine.waits = True
    machine.sleep(400)
    assert machine.timer is not None
    machine.timer.follow(TimerSource("nightly", machine.source.place, Every(600), BERLIN))
    machine.sleep(100)
    machine.keep_all()
    machine.sleep(900)
    assert machine.times() == ["11-23T00:05", "11-23T00:10", "11-23T00:20"]


def test_never_again() -> None:
    """A timer whose last time has passed says so, and is quiet."""

    class Once(Every):
        """Due once."""

        def next_after(self, time: float) -> float | None:
            return NOW + 60 if time < NOW + 60 else None

    machine = Machine(Once(1))
    machine.start()
    machine.sleep(HOUR)
    machine.kill()
    machine.start()
    machine.sleep(HOUR)
    assert machine.times() == ["11-23T00:01"]
    assert machine.told.of(TimerOver) == [TimerOver("nightly")]


def test_stopped() -> None:
    """A timer that is closed reports nothing more, also when what it waited for comes."""
    machine = Machine(OFTEN)
    machine.start()
    machine.waits = True
    machine.sleep(310)
    assert machine.timer is not None
    machine.timer.stop()
    machine.keep_all()
    machine.sleep(HOUR)
    assert machine.times() == ["11-23T00:05"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sleep"), st.integers(1, 2000)),
        st.tuples(st.just("clock"), st.integers(-9000, 9000)),
        st.tuples(st.just("kill"), st.integers(0, 4000)),
        st.tuples(st.just("slow"), st.integers(0, 500)),
    ),
    max_size=12,
)


@given(STEPS, st.sampled_from([Every(60), Every(600), Cron("*/7 * * * *", BERLIN), Cron("0,30 * * * *", BERLIN)]))
@settings(max_examples=40, deadline=None)
def test_whatever_happens(steps: list[tuple[str, int]], schedule: Schedule) -> None:
    """Kills, a slow disk and a clock that is set by less than three hours: no due time is told twice or left out."""
    machine = Machine(schedule)
    machine.start()
    begin = latest = machine.wall
    for step, amount in [*steps, ("sleep", 1)]:
        match step:
            case "sleep":
                machine.sleep(amount)
            case "clock":
                machine.set_clock(float(amount) if machine.wall + amount > latest - 9000 else 0.0)
            case "kill":
                machine.kill()
                machine.waits = False
                latest = max(latest, machine.wall)
                machine.wall += amount
                machine.start()
            case "slow":
                machine.waits = True
                machine.sleep(amount)
                machine.keep_all()
        latest = max(latest, machine.wall)
    told = [datetime.fromisoformat(event["event.start"]).timestamp() for event in machine.events]
    assert told == sorted(set(told))
    expected, following = [], schedule.next_after(begin)
    while following is not None and following <= latest:
        expected.append(following)
        following = schedule.next_after(following)
    assert set(told) <= set(expected)
    assert told[-1:] == expected[-1:]
    unpunctual = sum(event["gateway.timer.missed"] for event in machine.events)
    own = sum(event["gateway.timer.late"] <= 60.0 for event in machine.events)
    assert unpunctual + own == len(expected)


def test_nobody_can_forge_one() -> None:
    """The dataset is the timer's name, and comes from the origin: a line that claims it keeps that of its source."""
    parser = Parser([json_cee.GRAMMAR])
    source = Machine().source
    message = timer_event(source, NOW, 2, NOW + 90)
    event = event_of(message, parser.parse)
    assert event.fields["event.dataset"] == "nightly"
    assert event.fields["gateway.trust"] == "local"
    assert event.fields["message"] == "nightly was due 2026-11-23T00:00:00+01:00, 2 missed"
    forged = json.dumps({**event.fields, "event.module": "x"}).encode()
    for line in (forged, b"@cee: " + forged):
        claimed = event_of(Message(line, Origin("net", Trust.NETWORK), NOW), parser.parse)
        assert claimed.fields["event.dataset"] == "net"
        assert claimed.fields["gateway.trust"] == "network"
        assert "gateway.timer.missed" not in claimed.fields


def test_it_survives_the_journal() -> None:
    """The journal keeps who said it: a message that came when a source of this name listened is not taken for it."""
    source = Machine().source
    message = timer_event(source, NOW, 0, NOW)
    kept = decode_origin(encode_origin(message.origin))
    assert kept == message.origin
    assert kept.own
    former = Message(message.frame, decode_origin(encode_origin(Origin("nightly", Trust.NETWORK))), NOW)
    assert event_of(former, Parser(()).parse).fields["gateway.trust"] == "network"
    assert "gateway.timer.missed" not in event_of(former, Parser(()).parse).fields


def test_it_is_forwarded_as_fields() -> None:
    """To another server it goes as JSON with all fields, as other events of our own."""
    message = timer_event(Machine().source, NOW, 0, NOW)
    event = event_of(message, Parser(()).parse).to_dict()
    sent = forwarded({**event, "event.original": message.frame.decode()}, "here")
    assert b"@cee: {" in sent
    assert b'"event.dataset":"nightly"' in sent
