"""Lines to wait in."""

from __future__ import annotations

from gateway.jobs.lanes import END, LANE_ROOM, Lanes, lane_of
from gateway.jobs.records import JobRecord, State
from rules.job import Job, Part
from rules.step import Emit, Mail, Task

ONE_AT_A_TIME = Task("slow/do/1", ("/bin/slow",), concurrency=1)
FREE = Task("fast/do/1", ("/bin/fast",), concurrency=100)
LOCKED = Task("a/do/1", ("/bin/a",), lock="disk")
LOCKED_TOO = Task("b/do/1", ("/bin/b",), lock="disk")
MAIL = Mail("m/do/1", ("root",), "subject")


def record(identity: str, rule: str = "rule") -> JobRecord:
    """Make a job that waits."""
    return JobRecord(1, Job(identity, rule, Part.DO, (), {}), State.WAITING, 1, 0.0, 0.0)


def ids(records: list[JobRecord]) -> list[str]:
    """Name the jobs."""
    return [each.job.id for each in records]


def take(lanes: Lanes) -> list[str]:
    """Take all that may start."""
    return ids(lanes.take(lambda _: True))


def test_jobs_of_one_lane_start_in_their_order_up_to_its_capacity() -> None:
    """With concurrency 1 the second waits until the first has left."""
    lanes = Lanes(processes=8)
    for name in ("1", "2", "3"):
        lanes.offer(record(name), ONE_AT_A_TIME)
    assert take(lanes) == ["1"]
    assert take(lanes) == []
    lanes.leave("1")
    assert take(lanes) == ["2"]


def test_all_lanes_together_start_no_more_processes_than_the_limit() -> None:
    """Processes are limited over all lanes; what is no process is not."""
    lanes = Lanes(processes=2)
    for number in range(4):
        lanes.offer(record(f"p{number}"), FREE)
        lanes.offer(record(f"m{number}"), MAIL)
    assert sorted(take(lanes)) == ["m0", "m1", "m2", "m3", "p0", "p1"]


def test_lanes_take_turns() -> None:
    """A rule with a thousand jobs does not keep another's single one waiting."""
    lanes = Lanes(processes=2)
    for number in range(50):
        lanes.offer(record(f"f{number}"), FREE)
    lanes.offer(record("s"), ONE_AT_A_TIME)
    assert sorted(take(lanes)) == ["f0", "s"]


def test_steps_of_one_lock_share_a_lane() -> None:
    """Whatever rule they belong to, they run one after the other."""
    lanes = Lanes(processes=8)
    lanes.offer(record("1"), LOCKED)
    lanes.offer(record("2"), LOCKED_TOO)
    assert lane_of(LOCKED) == lane_of(LOCKED_TOO)
    assert take(lanes) == ["1"]
    lanes.leave("1")
    assert take(lanes) == ["2"]


def test_one_that_may_not_start_yet_lets_the_next_pass() -> None:
    """Order is kept among those that may."""
    lanes = Lanes(processes=8)
    for name in ("1", "2", "3"):
        lanes.offer(record(name), FREE)
    assert ids(lanes.take(lambda each: each.job.id != "1")) == ["2", "3"]
    assert take(lanes) == ["1"]


def test_what_finds_no_room_stays_in_the_store_and_is_asked_for_when_the_lane_is_empty() -> None:
    """Memory is bounded, and the order is kept: nothing is let in past those that had to stay outside."""
    lanes = Lanes(processes=1000)
    for number in range(LANE_ROOM + 1):
        lanes.offer(record(str(number)), FREE)
    assert len(lanes) == LANE_ROOM
    assert list(lanes.hungry()) == []
    assert len(take(lanes)) == FREE.concurrency
    assert list(lanes.hungry()) == [(FREE.name, (0.0, 1))]
    lanes.fill(FREE.name)
    assert list(lanes.hungry()) == []
    lanes.offer(record("later"), FREE)
    assert "later" not in lanes
    lanes.filled(FREE.name, lambda: lanes.offer(record("brought"), FREE), END)
    assert "brought" in lanes
    assert list(lanes.hungry()) == [], "something waits"
    lanes.leave("brought")
    assert list(lanes.hungry()) == [(FREE.name, (0.0, 1))], "what came while the store was asked"


def test_a_place_can_be_reserved_only_where_nothing_waits() -> None:
    """A new job may be claimed before it is stored, but not past others."""
    lanes = Lanes(processes=8)
    assert lanes.reserve("1", ONE_AT_A_TIME)
    assert not lanes.reserve("2", ONE_AT_A_TIME)
    lanes.leave("1")
    lanes.offer(record("3"), ONE_AT_A_TIME)
    assert not lanes.reserve("2", ONE_AT_A_TIME)
    assert take(lanes) == ["3"]


def test_a_job_is_known_until_it_leaves() -> None:
    """Offered twice it is there once; withdrawn while it waits, it never starts."""
    lanes = Lanes(processes=8)
    lanes.offer(record("1"), FREE)
    lanes.offer(record("1"), FREE)
    assert len(lanes) == 1
    lanes.leave("1")
    lanes.leave("1")
    assert take(lanes) == []
    assert len(lanes) == 0


def test_a_reload_changes_a_capacity() -> None:
    """The lane takes the step as it is now."""
    lanes = Lanes(processes=8)
    for name in ("1", "2", "3"):
        lanes.offer(record(name), ONE_AT_A_TIME)
    assert take(lanes) == ["1"]
    lanes.lane(Task(ONE_AT_A_TIME.name, ("/bin/slow",), concurrency=3))
    assert take(lanes) == ["2", "3"]


def test_streams_and_emits_are_no_processes() -> None:
    """A stream's child is one process for all its events."""
    lanes = Lanes(processes=0)
    lanes.offer(record("1"), Task("s/do/1", ("/bin/s",), stream=True))
    lanes.offer(record("2"), Emit("e/do/1", {}))
    assert sorted(take(lanes)) == ["1", "2"]
