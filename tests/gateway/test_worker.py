"""The worker: what becomes of jobs, over retries, restarts and reloads, with the real tables and no real time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.jobs.records import State
from gateway.notices.jobs import JobDead, JobFailed, JobRetried, JobsOrphaned, JobsRecovered, JobSucceeded, UndoOrphaned
from gateway.pipeline import Effects
from parsers.errors import Place
from parsers.message import Message
from rules.condition import AllOf, Equals
from rules.job import Job, Part
from rules.outcome import Ending
from rules.own_events import GATEWAY
from rules.rule import Busy, Rate, Retry, Rule, Undo
from rules.step import DeadLetter, Mail
from tests.gateway.job_stand_ins import ORIGIN, House, Open, task

NOTHING = Equals("event.dataset", "none")


ONE = Rule("one", Place(""), NOTHING, do=(task("one/do/1"),))
TWO = Rule("two", Place(""), NOTHING, do=(task("two/do/1"), task("two/do/2")))
RETRIES = replace(ONE, retry=Retry(times=2, wait=10.0, grow=2.0, jitter=0.0))
BAN = Rule("ban", Place(""), NOTHING, do=(task("ban/do/1"),), undo=Undo((task("ban/undo/1"),), 60.0))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a house with rules."""
    opened: list[House] = []

    def open_house(*rules: Rule, **more: int) -> House:
        opened.append(House(tmp_path / "journal", *rules, **more))
        return opened[-1]

    yield open_house
    for each in opened:
        each.close()


def test_a_job_runs_and_has_succeeded(open_house: Open) -> None:
    """One commit stores and claims it, one keeps its end."""
    here = open_house(ONE)
    job = here.happen("one")
    assert here.state(job) is State.RUNNING
    assert here.store.commits == 3, "two looks at the start, and the job"
    here.performs.end(f"{job}-1")
    assert here.state(job) is State.SUCCEEDED
    assert [record.fields["event.outcome"] for record in here.database.attempts(job)] == ["success"]
    assert len(here.told.of(JobSucceeded)) == 1
    assert here.worker.whenIdle().called


def test_steps_run_in_order_up_to_the_first_that_fails(open_house: Open) -> None:
    """The second starts when the first has succeeded."""
    here = open_house(TWO)
    good, bad = here.happen("two", text=b"a"), here.happen("two", text=b"b")
    here.performs.end(f"{good}-1")
    here.performs.end(f"{bad}-1", 1)
    assert here.performs.names() == ["two/do/1", "two/do/1", "two/do/2"]
    here.performs.end(f"{good}-2")
    assert [here.state(good), here.state(bad)] == [State.SUCCEEDED, State.FAILED]
    assert len(here.told.of(JobFailed)) == 1


def test_the_same_cause_is_one_job(open_house: Open) -> None:
    """An id that is known is not stored again, and its place is given back."""
    here = open_house(replace(ONE, do=(task("one/do/1", concurrency=1),)))
    job = here.happen("one")
    assert here.happen("one") == job
    here.performs.end(f"{job}-1")
    here.happen("one")
    assert len(here.performs.attempts) == 1
    other = here.happen("one", text=b"other")
    assert here.state(other) is State.RUNNING


def test_a_failure_is_tried_again_after_its_wait(open_house: Open) -> None:
    """With the same id and a higher number, after 10 and 20 seconds, and then no more."""
    here = open_house(RETRIES)
    job = here.happen("one")
    for wait, number in ((10.0, 2), (20.0, 3)):
        here.performs.end(f"{job}-1", 1)
        here.clock.advance(wait - 0.1)
        assert len(here.performs.attempts) == number - 1
        here.clock.advance(0.2)
        assert here.performs.attempts[-1].number == number
        assert here.performs.attempts[-1].id == f"{job}-1"
    here.performs.end(f"{job}-1", 1)
    assert here.state(job) is State.FAILED
    assert len(here.told.of(JobRetried)) == 2


def test_a_retry_waits_on_through_a_restart(open_house: Open) -> None:
    """Nothing waits only in memory."""
    here = open_house(RETRIES)
    job = here.happen("one")
    here.performs.end(f"{job}-1", 1)
    here.clock.advance(4)
    here.again()
    here.clock.advance(5.9)
    assert here.performs.attempts == []
    here.clock.advance(0.2)
    assert here.performs.attempts[-1].number == 2


def test_a_job_that_ran_when_the_gateway_died_runs_again(open_house: Open) -> None:
    """At least once: with its attempt raised, and its lost attempt on record."""
    here = open_house(ONE)
    job = here.happen("one")
    here.again()
    assert here.told.of(JobsRecovered) == [JobsRecovered(1)]
    assert [attempt.number for attempt in here.performs.attempts] == [2]
    here.performs.end(f"{job}-1")
    assert here.state(job) is State.SUCCEEDED
    assert [record.fields["gateway.job.ending"] for record in here.database.attempts(job)] == ["lost", "exited"]


def test_nothing_is_begun_before_processes_can_be_started(open_house: Open) -> None:
    """A gateway that dies again in its start has used up no attempt of what it never began."""
    here = open_house(RETRIES)
    job = here.happen("one")
    here.performs.end(f"{job}-1", 1)
    here.ready = False
    for _ in range(10):
        here.again(20.0)
    assert (here.state(job), here.job(job).attempt) == (State.WAITING, 1)
    here.worker.go()
    assert [attempt.number for attempt in here.performs.attempts] == [2]


def test_what_must_not_be_repeated_is_a_dead_letter_after_a_restart(open_house: Open) -> None:
    """`idempotent: false`: it may have been done, and a person decides."""
    here = open_house(replace(RETRIES, idempotent=False))
    job = here.happen("one")
    here.again()
    assert here.performs.attempts == []
    assert (here.job(job).state, here.job(job).box) == (State.DEAD, "one")
    assert len(here.told.of(JobDead)) == 1
    assert here.worker.operators.retry(job).result is True
    assert len(here.performs.attempts) == 1


def test_jobs_beyond_a_limit_wait_and_all_run(open_house: Open) -> None:
    """Also those for which memory has no room: a thousand jobs, four at a time."""
    here = open_house(ONE)
    jobs = [here.happen("one", text=str(number).encode()) for number in range(1000)]
    assert len(here.performs.running) == 4
    done = 0
    while here.performs.running:
        here.performs.end(next(iter(here.performs.running)))
        done += 1
    assert done == len({attempt.id for attempt in here.performs.attempts}) == 1000
    assert all(here.state(job) is State.SUCCEEDED for job in jobs)


def test_all_that_waits_survives_a_restart(open_house: Open) -> None:
    """Those in memory and those in the store alike."""
    here = open_house(ONE)
    for number in range(300):
        here.happen("one", text=str(number).encode())
    here.again()
    done = set()
    while here.performs.running:
        attempt = next(iter(here.performs.running))
        done.add(attempt)
        here.performs.end(attempt)
    assert len(done) == 300


def test_an_undo_is_done_at_its_time_and_closes_the_state(open_house: Open) -> None:
    """Once, and the rules are told when it has succeeded."""
    here = open_house(BAN)
    job = here.happen("ban", ("192.0.2.7",), undo_after=60.0)
    here.performs.end(f"{job}-1")
    here.clock.advance(59.9)
    assert here.performs.names() == ["ban/do/1"]
    here.clock.advance(0.2)
    assert here.performs.names() == ["ban/do/1", "ban/undo/1"]
    assert here.rules.closed == []
    here.performs.end(here.performs.attempts[-1].id)
    assert here.rules.closed == [("ban", ("192.0.2.7",))]
    assert here.database.open_states() == []


def test_an_undo_survives_a_restart_and_is_done_late_rather_than_not(open_house: Open) -> None:
    """What fell due while the gateway was down happens at its start."""
    here = open_house(BAN)
    job = here.happen("ban", undo_after=60.0)
    here.performs.end(f"{job}-1")
    here.clock.advance(30)
    here.again()
    here.clock.advance(29)
    assert here.performs.names() == []
    here.again(3600)
    assert here.performs.names() == ["ban/undo/1"]


def test_an_undo_without_steps_only_closes_its_state(open_house: Open) -> None:
    """`undo: {after: 1h, do: []}` swallows repeats for an hour."""
    here = open_house(replace(BAN, undo=Undo((), 60.0)))
    job = here.happen("ban", ("k",), undo_after=60.0)
    here.performs.end(f"{job}-1")
    here.clock.advance(60.1)
    assert here.rules.closed == [("ban", ("k",))]
    assert [record.state for record in here.of("ban", Part.UNDO)] == [State.SUCCEEDED]


def test_an_event_closes_a_state_before_its_time(open_house: Open) -> None:
    """Its undo is due at once, and not again later."""
    here = open_house(BAN)
    job = here.happen("ban", ("k",), undo_after=60.0)
    here.performs.end(f"{job}-1")
    here.closing("ban", ("k",))
    assert here.performs.names() == ["ban/do/1", "ban/undo/1"]
    here.performs.end(here.performs.attempts[-1].id)
    here.clock.advance(3600)
    assert len(here.performs.attempts) == 2


def test_do_and_undo_of_one_key_run_in_the_order_of_their_causes(open_house: Open) -> None:
    """An undo waits for a `do` that runs; the next `do` waits for the undo. Another key waits for neither."""
    here = open_house(BAN)
    first = here.happen("ban", ("k",), b"1", undo_after=60.0)
    here.closing("ban", ("k",))
    second = here.happen("ban", ("k",), b"2", undo_after=60.0)
    other = here.happen("ban", ("other",), b"3", undo_after=60.0)
    assert sorted(here.performs.running) == sorted([f"{first}-1", f"{other}-1"])
    here.performs.end(f"{first}-1")
    assert here.performs.names() == ["ban/do/1", "ban/do/1", "ban/undo/1"]
    assert here.state(second) is State.WAITING
    here.performs.end(here.performs.attempts[-1].id)
    assert here.state(second) is State.RUNNING


def test_a_do_that_never_succeeded_leaves_nothing_to_undo(open_house: Open) -> None:
    """The state closes, so that the next attack is seen; nothing is undone that was not done."""
    here = open_house(BAN)
    job = here.happen("ban", ("k",), undo_after=60.0)
    here.performs.end(f"{job}-1", 1)
    assert here.rules.closed == [("ban", ("k",))]
    here.clock.advance(3600)
    assert here.performs.names() == ["ban/do/1"]
    assert [record.state for record in here.of("ban", Part.UNDO)] == [State.CANCELLED]


def test_a_do_that_was_half_done_is_undone_at_once(open_house: Open) -> None:
    """What its first step did must not stay."""
    here = open_house(replace(BAN, do=(task("ban/do/1"), task("ban/do/2"))))
    job = here.happen("ban", ("k",), undo_after=60.0)
    here.performs.end(f"{job}-1")
    here.performs.end(f"{job}-2", 1)
    assert here.performs.names() == ["ban/do/1", "ban/do/2", "ban/undo/1"]


def test_a_do_that_is_still_being_tried_when_its_undo_is_due_is_given_up(open_house: Open) -> None:
    """A ban that comes after its own end helps nobody; what its tries have done is undone."""
    here = open_house(replace(BAN, retry=Retry(times=5, wait=1000.0, limit=1000.0, jitter=0.0)))
    job = here.happen("ban", ("k",), undo_after=60.0)
    here.performs.end(f"{job}-1", 1)
    here.clock.advance(61)
    assert here.state(job) is State.CANCELLED
    here.performs.end(here.performs.attempts[-1].id)
    assert here.rules.closed == [("ban", ("k",))]
    here.clock.advance(3600)
    assert here.performs.names() == ["ban/do/1", "ban/undo/1"]


def test_an_undo_that_fails_is_tried_again_and_at_last_told(open_house: Open) -> None:
    """A ban that stays for ever must not be silent."""
    rule = replace(
        BAN,
        retry=Retry(times=1, wait=10.0, jitter=0.0),
        on_failure=(Mail("ban/on_failure/1", ("root",), "x"), DeadLetter("ban/on_failure/2", "bans")),
    )
    here = open_house(rule)
    job = here.happen("ban", undo_after=60.0)
    here.performs.end(f"{job}-1")
    here.clock.advance(60)
    undo = here.performs.attempts[-1].id
    here.performs.end(undo, 1)
    here.clock.advance(10)
    here.performs.end(undo, 1)
    assert here.performs.names()[-1] == "ban/on_failure/1"
    assert here.of("ban", Part.UNDO)[0].box == "bans"


def test_what_belongs_to_a_rule_that_is_not_loaded_waits_for_it(open_house: Open) -> None:
    """A slip in a file, and a restart: its jobs, undos and what ran are said and kept, and go on when it is back."""
    here = open_house(BAN, RETRIES)
    job = here.happen("ban", undo_after=60.0)
    here.performs.end(f"{job}-1")
    runs, waits = here.happen("one", text=b"1"), here.happen("one", text=b"2")
    here.performs.end(f"{waits}-1", 1)
    rules, here.rules = here.rules, type(here.rules)()
    here.again(61)
    assert here.performs.attempts == []
    assert len(here.told.of(UndoOrphaned)) == 1
    assert here.told.of(JobsOrphaned) == [JobsOrphaned("one")]
    assert [here.state(runs), here.state(waits)] == [State.RUNNING, State.WAITING]
    here.rules.book = rules.book
    here.worker.follow()
    assert sorted((attempt.task, attempt.number) for attempt in here.performs.attempts) == [
        ("ban/undo/1", 1), ("one/do/1", 2), ("one/do/1", 2),
    ]  # fmt: skip


def test_on_failure_runs_once_after_the_last_try(open_house: Open) -> None:
    """With what happened among its fields; it is tried again as the rule says, and has no `on_failure` of its own."""
    here = open_house(replace(RETRIES, on_failure=(Mail("one/on_failure/1", ("ops",), "x"),)))
    job = here.happen("one")
    for wait in (10.0, 20.0, 0.0):
        here.performs.end(f"{job}-1", 4)
        here.clock.advance(wait)
    assert here.performs.names() == ["one/do/1"] * 3 + ["one/on_failure/1"]
    assert here.performs.attempts[-1].event["process.exit_code"] == 4
    for wait in (10.0, 20.0, 3600.0):
        here.performs.end(here.performs.attempts[-1].id, 1)
        here.clock.advance(wait)
    assert here.performs.names() == ["one/do/1"] * 3 + ["one/on_failure/1"] * 3


def test_rules_see_how_attempts_ended_and_never_their_own(open_house: Open) -> None:
    """An alarm for every failure does not alarm about itself."""
    asks = AllOf((Equals("event.dataset", GATEWAY), Equals("event.outcome", "failure")))
    alarm = Rule("alarm", Place(""), asks, do=(task("alarm/do/1"),))
    here = open_house(ONE, alarm)
    job = here.happen("one")
    here.performs.end(f"{job}-1", 1)
    assert here.performs.names() == ["one/do/1", "alarm/do/1"]
    assert here.performs.attempts[-1].event["rule.name"] == "one"
    assert here.performs.attempts[-1].event["gateway.job.id"] == job
    here.performs.end(here.performs.attempts[-1].id, 1)
    assert len(here.performs.attempts) == 2
    assert [entry.message.origin.dataset for entry in here.database.entries()][1:] == [GATEWAY]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("busy", "states"),
    [
        (Busy.QUEUE, [State.RUNNING, State.RUNNING, State.RUNNING]),
        (Busy.DROP, [State.RUNNING, State.DROPPED, State.DROPPED]),
        (Busy.COALESCE, [State.RUNNING, State.DROPPED, State.WAITING]),
        (Busy.RESTART, [State.CANCELLED, State.CANCELLED, State.WAITING]),
    ],
)
def test_what_becomes_of_jobs_while_another_runs(open_house: Open, busy: Busy, states: list[State]) -> None:
    """Queue, coalesce, drop, restart; each for a rule and key."""
    here = open_house(replace(ONE, busy=busy))
    jobs = [here.happen("one", ("k",), text) for text in (b"1", b"2", b"3")]
    assert [here.state(job) for job in jobs] == states
    other = here.happen("one", ("other",))
    assert here.state(other) is State.RUNNING
    if busy is Busy.RESTART:
        assert here.performs.cancelled == [f"{jobs[0]}-1"]
        here.performs.lose(f"{jobs[0]}-1", Ending.KILLED)
    else:
        here.performs.end(f"{jobs[0]}-1")
    if busy in (Busy.COALESCE, Busy.RESTART):
        assert here.state(jobs[2]) is State.RUNNING
        here.performs.end(f"{jobs[2]}-1")
        assert here.state(jobs[2]) is State.SUCCEEDED


def test_a_lock_is_held_by_one_at_a_time(open_house: Open) -> None:
    """Over all rules that name it."""
    here = open_house(
        replace(ONE, do=(task("one/do/1", lock="disk"),)),
        replace(TWO, do=(task("two/do/1", lock="disk"),)),
    )
    first, second = here.happen("one"), here.happen("two")
    assert list(here.performs.running) == [f"{first}-1"]
    here.performs.end(f"{first}-1")
    assert list(here.performs.running) == [f"{second}-1"]


def test_no_more_processes_at_a_time_than_the_limit(open_house: Open) -> None:
    """Over all rules."""
    here = open_house(ONE, TWO, processes=3)
    for number in range(5):
        here.happen("one", text=str(number).encode())
        here.happen("two", text=str(number).encode())
    assert len(here.performs.running) == 3


def test_a_rate_makes_the_next_wait(open_house: Open) -> None:
    """Two a minute; also over a restart."""
    here = open_house(replace(ONE, rate=Rate(2, 60.0)))
    jobs = [here.happen("one", text=str(number).encode()) for number in range(3)]
    assert len(here.performs.attempts) == 2
    for job in jobs[:2]:
        here.performs.end(f"{job}-1")
    here.clock.advance(59)
    here.again()
    assert here.performs.attempts == []
    here.clock.advance(1.5)
    assert [attempt.id for attempt in here.performs.attempts] == [f"{jobs[2]}-1"]


def test_a_paused_rule_waits_and_loses_nothing(open_house: Open) -> None:
    """Its jobs are stored; resumed, they run; the pause survives a restart; its undo is done all the same."""
    here = open_house(ONE, BAN)
    breaker = here.happen("one", text=b"breaker")
    here.performs.end(f"{breaker}-1", pause="ban")
    job = here.happen("ban", ("k",), undo_after=600.0)
    assert here.state(job) is State.WAITING
    here.again()
    assert here.performs.attempts == []
    again = here.happen("one", text=b"repaired")
    here.performs.end(f"{again}-1", resume="ban")
    assert here.state(job) is State.RUNNING


def test_an_event_that_a_step_emits_is_seen_by_the_rules_and_journalled_with_its_end(open_house: Open) -> None:
    """In one transaction."""
    listener = Rule("listener", Place(""), Equals("event.action", "disk-full"), do=(task("listener/do/1"),))
    here = open_house(ONE, listener)
    job = here.happen("one")
    here.performs.end(f"{job}-1", emitted={"event.action": "disk-full", "host.name": "web1"})
    assert here.performs.names() == ["one/do/1", "listener/do/1"]
    assert here.performs.attempts[-1].event["host.name"] == "web1"


def test_operators_cancel_and_retry(open_house: Open) -> None:
    """A job that runs is ended; one that waits never starts; what is done is left alone."""
    here = open_house(replace(ONE, do=(task("one/do/1", concurrency=1),)))
    running, waiting = here.happen("one", text=b"1"), here.happen("one", text=b"2")
    assert here.worker.operators.cancel(waiting).result is True
    assert here.worker.operators.cancel(running).result is True
    assert here.performs.cancelled == [f"{running}-1"]
    here.performs.lose(f"{running}-1", Ending.KILLED)
    assert [here.state(running), here.state(waiting)] == [State.CANCELLED, State.CANCELLED]
    assert here.worker.operators.retry(waiting).result is True
    here.performs.end(f"{waiting}-1")
    assert here.worker.operators.retry(waiting).result is False
    assert here.worker.operators.cancel(waiting).result is False
    assert here.worker.operators.cancel("unknown").result is False


def test_the_next_try_can_come_at_once(open_house: Open) -> None:
    """An operator who has mended the cause need not wait for it."""
    here = open_house(RETRIES)
    job = here.happen("one")
    here.performs.end(f"{job}-1", 1)
    assert here.worker.operators.retry(job).result is True
    assert [attempt.number for attempt in here.performs.attempts] == [1, 2]


def test_an_operator_holds_a_rule_back(open_house: Open) -> None:
    """And lets it go on."""
    here = open_house(ONE)
    assert here.worker.operators.hold("one", paused=True).result is True
    assert here.worker.operators.hold("one", paused=True).result is False
    job = here.happen("one")
    assert here.state(job) is State.WAITING
    assert here.worker.operators.hold("one", paused=False).result is True
    assert here.state(job) is State.RUNNING


def test_a_retried_do_opens_its_state_again(open_house: Open) -> None:
    """What it does is to be undone, too."""
    here = open_house(BAN)
    job = here.happen("ban", ("k",), undo_after=60.0)
    here.performs.end(f"{job}-1", 1)
    assert here.worker.operators.retry(job).result is True
    here.performs.end(f"{job}-1")
    assert here.rules.opened == [("ban", ("k",), here.clock.seconds() + 60.0)]
    here.clock.advance(61)
    assert here.performs.names()[-1] == "ban/undo/1"


def test_an_operator_undoes_a_state_now(open_house: Open) -> None:
    """`gateway open close KEY`."""
    here = open_house(BAN)
    job = here.happen("ban", ("k",), undo_after=60.0)
    here.performs.end(f"{job}-1")
    assert here.worker.operators.close("ban", ("k",)).result is True
    assert here.performs.names()[-1] == "ban/undo/1"
    assert here.worker.operators.close("ban", ("unknown",)).result is False


def test_a_clock_that_is_set_moves_what_waits_along(open_house: Open) -> None:
    """An hour forward or back: a retry in 10 s is a retry in 10 s."""
    here = open_house(RETRIES)
    job = here.happen("one")
    here.performs.end(f"{job}-1", 1)
    here.wall = -3600.0
    assert here.worker.shift(-3600.0).result == 1
    here.clock.advance(9.9)
    assert len(here.performs.attempts) == 1
    here.clock.advance(0.2)
    assert len(here.performs.attempts) == 2


def test_nothing_starts_while_the_gateway_stops(open_house: Open) -> None:
    """What ends meanwhile is kept; what the runner did not come to waits for the next start."""
    here = open_house(TWO)
    first, second = here.happen("two", text=b"1"), here.happen("two", text=b"2")
    stopped = here.worker.stop()
    here.performs.end(f"{first}-1")
    here.performs.lose(f"{second}-1", Ending.NOT_STARTED)
    here.clock.advance(0)
    assert stopped.called
    assert len(here.performs.attempts) == 2
    assert (here.job(first).step, here.state(first)) == (1, State.WAITING)
    assert (here.job(second).attempt, here.state(second)) == (0, State.WAITING)


def test_the_promise_is_kept_only_when_it_is_on_disk(open_house: Open) -> None:
    """And nothing starts before."""
    here = open_house(ONE)
    here.store.hold = True
    message = Message(b"x", ORIGIN, here.clock.seconds())
    promise = here.commit(Effects([message], [(Job("j" * 32, "one", Part.DO, (), {}), 0)], []))
    kept: list[None] = []
    promise.addCallback(kept.append)
    assert kept == []
    assert here.performs.attempts == []
    here.store.go_on()
    assert kept == [None]
    assert len(here.performs.attempts) == 1
