"""The worker when things come at once, fail underneath, or change on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, fail

from gateway.jobs import lanes, transactions
from gateway.jobs.perform import Performance
from gateway.jobs.records import State
from gateway.notices.jobs import GatewayFault
from gateway.pipeline import Effects
from parsers.errors import Place
from parsers.message import Message
from rules.condition import AllOf, Equals
from rules.findings import Closing
from rules.job import Attempt, Job, Part
from rules.outcome import Ending
from rules.own_events import GATEWAY
from rules.plan import NEVER
from rules.rule import Busy, Rate, Retry, Rule, Undo
from rules.rulebook import RuleBook
from rules.step import Step
from tests.gateway.job_stand_ins import ORIGIN, House, Open, task

NOTHING = Equals("event.dataset", "none")


ONE = Rule("one", Place(""), NOTHING, do=(task("one/do/1"),))
BAN = Rule("ban", Place(""), NOTHING, do=(task("ban/do/1"),), undo=Undo((task("ban/undo/1"),), 60.0))
LINK = replace(BAN, name="link", do=(task("link/do/1"),), undo=Undo((task("link/undo/1"),), None, match=NOTHING))
SLOWLY = Retry(wait=600.0, jitter=0.0)


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


def end_all(here: House, limit: int = 1000) -> None:
    """End whatever runs, and what runs then, well."""
    while here.performs.running and limit:
        here.performs.end(next(iter(here.performs.running)))
        limit -= 1


def test_a_rate_is_kept_when_many_wait_at_once(open_house: Open) -> None:
    """Four that come in one commit, and four that a pause has held back, are one a minute."""
    here = open_house(replace(ONE, rate=Rate(1, 60.0)))
    here.worker.operators.hold("one", paused=True)
    jobs = [(Job(f"{number:032x}", "one", Part.DO, (), {}), number) for number in range(4)]
    here.commit(Effects([Message(b"%d" % number, ORIGIN, here.clock.seconds()) for number in range(4)], jobs, []))
    here.worker.operators.hold("one", paused=False)
    assert len(here.performs.attempts) == 1
    here.clock.advance(61)
    assert len(here.performs.attempts) == 2


def test_those_behind_a_do_that_is_given_up_go_on(open_house: Open) -> None:
    """Up and down again in one commit, while the first `do` waits for its retry."""
    here = open_house(replace(LINK, retry=SLOWLY))
    first, now = here.happen("link"), here.clock.seconds()
    here.performs.end(f"{first}-1", 1)
    do, undo = Job("2" * 32, "link", Part.DO, (), {}), Job("3" * 32, "link", Part.UNDO, (), {}, NEVER)
    messages = [Message(b"up", ORIGIN, now), Message(b"down", ORIGIN, now)]
    here.commit(Effects(messages, [(do, 1), (undo, 1)], [(Closing("link", ()), 0)]))
    end_all(here)
    assert here.performs.names() == ["link/do/1", "link/undo/1", "link/do/1"]
    here.closing("link")
    end_all(here)
    assert here.database.open_states() == []


def test_a_resume_during_a_look_is_not_forgotten(open_house: Open) -> None:
    """The look that is under way saw the pause."""
    here = open_house(ONE)
    here.worker.operators.hold("one", paused=True)
    job = here.happen("one")
    here.store.hold = True
    here.worker._agenda.look()
    here.worker.operators.hold("one", paused=False)
    here.store.go_on()
    here.clock.advance(200)
    assert here.state(job) is State.RUNNING


@pytest.mark.parametrize("later", [30.0, 600.0])
def test_many_that_wait_for_others_do_not_keep_the_store_busy(open_house: Open, later: float) -> None:
    """150 bans wait, for their rule is paused, and their undos fall due behind them."""
    here = open_house(BAN)
    here.worker.operators.hold("ban", paused=True)
    for number in range(150):
        here.happen("ban", (str(number),), undo_after=60.0)
    here.again(later)
    assert here.store.commits < 100
    here.worker.operators.hold("ban", paused=False)
    end_all(here)
    assert {record.state for record in here.of("ban")} == {State.SUCCEEDED}


def test_a_full_memory_does_not_keep_the_store_busy(open_house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """And all jobs run in the end."""
    monkeypatch.setattr(lanes, "ROOM", 5)
    rules = [replace(ONE, name=f"r{n}", do=(task(f"r{n}/do/1", concurrency=1),)) for n in range(3)]
    here = open_house(*rules)
    for number in range(24):
        here.happen(f"r{number % 3}", text=b"%d" % number)
    assert here.store.commits < 100
    end_all(here)
    assert {record.state for rule in rules for record in here.of(rule.name)} == {State.SUCCEEDED}


def test_an_undo_that_is_tried_again_comes_before_the_next_do(open_house: Open) -> None:
    """Else the late end of the first state would end the second."""
    here = open_house(replace(LINK, retry=Retry(wait=10.0, jitter=0.0)))
    first = here.happen("link")
    here.performs.end(f"{first}-1")
    here.closing("link")
    here.performs.end(here.performs.attempts[-1].id, 1)
    here.happen("link", text=b"again")
    here.clock.advance(11)
    end_all(here)
    assert here.performs.names() == ["link/do/1", "link/undo/1", "link/undo/1", "link/do/1"]


def test_a_retry_right_after_a_cancel(open_house: Open) -> None:
    """The job runs again when the process that was to be ended has ended."""
    here = open_house(ONE)
    job = here.happen("one")
    here.worker.operators.cancel(job)
    here.worker.operators.retry(job)
    here.performs.lose(f"{job}-1", Ending.KILLED)
    assert len(here.performs.attempts) == 2


def test_what_the_rules_made_of_an_end_is_kept_though_the_job_was_cancelled(open_house: Open) -> None:
    """A state that is open in memory is open in the store."""
    asks = AllOf((Equals("event.dataset", GATEWAY), Equals("event.action", "job-finished")))
    alarm = Rule("alarm", Place(""), asks, do=(task("alarm/do/1"),), undo=Undo((), 3600.0))
    here = open_house(ONE, alarm)
    job = here.happen("one")
    here.store.hold = True
    here.worker.operators.cancel(job)
    here.performs.end(f"{job}-1", 1)
    here.store.go_on()
    assert here.state(job) is State.CANCELLED
    assert len(here.database.open_states("alarm")) == 1


def test_a_reload_that_changes_a_lock_strands_nobody(open_house: Open) -> None:
    """The jobs wait in the new lane, those in the store too."""
    here = open_house(replace(ONE, do=(task("one/do/1", concurrency=1),)))
    for number in range(350):
        here.happen("one", text=b"%d" % number)
    here.rules.book = RuleBook([replace(ONE, do=(task("one/do/1", lock="disk"),))])
    here.worker.follow()
    end_all(here)
    assert {record.state for record in here.of("one")} == {State.SUCCEEDED}


def test_a_rule_that_comes_back_knows_its_states(open_house: Open) -> None:
    """They were open in the store all the time."""
    here = open_house(BAN)
    job = here.happen("ban", ("k",), undo_after=60.0)
    here.performs.end(f"{job}-1")
    here.worker.follow()
    assert here.rules.opened == [("ban", ("k",), here.clock.seconds() + 60.0)]


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_paused_rule_does_not_block_a_lock(open_house: Open, order: str) -> None:
    """Whether its jobs came before the pause or after it."""
    a, b = (replace(ONE, name=name, do=(task(f"{name}/do/1", lock="disk"),)) for name in "ab")
    here = open_house(a, b)
    if order == "after":
        here.worker.operators.hold("a", paused=True)
    for number in range(250):
        here.happen("a", text=b"%d" % number)
    here.worker.operators.hold("a", paused=True)
    end_all(here)
    jobs = [here.happen("b", text=b"%d" % number) for number in range(250)]
    end_all(here)
    assert {here.state(job) for job in jobs} == {State.SUCCEEDED}


def test_the_end_of_an_alarm_does_not_free_its_rule(open_house: Open) -> None:
    """Of two jobs that must not run at once, the second waits for the first, not for an `on_failure`."""
    here = open_house(replace(ONE, busy=Busy.COALESCE, on_failure=(task("one/on_failure/1"),)))
    failed = here.happen("one", text=b"a")
    here.performs.end(f"{failed}-1", 1)
    runs, waits = here.happen("one", text=b"b"), here.happen("one", text=b"c")
    here.performs.end(here.performs.attempts[1].id)
    assert [here.state(runs), here.state(waits)] == [State.RUNNING, State.WAITING]


def test_what_perhaps_was_done_is_undone(open_house: Open) -> None:
    """It timed out, and the event that closes the state comes before its next try."""
    here = open_house(replace(LINK, retry=SLOWLY))
    job = here.happen("link")
    here.performs.lose(f"{job}-1", Ending.TIMED_OUT)
    here.closing("link")
    assert here.performs.names() == ["link/do/1", "link/undo/1"]


def test_a_cancelled_do_has_ended_before_its_undo_begins(open_house: Open) -> None:
    """Its process has a grace."""
    here = open_house(LINK)
    job = here.happen("link")
    here.worker.operators.cancel(job)
    assert here.performs.names() == ["link/do/1"]
    here.performs.lose(f"{job}-1", Ending.KILLED)
    assert here.performs.names() == ["link/do/1", "link/undo/1"]


def test_an_undo_without_steps_ends_once(open_house: Open) -> None:
    """Also when it is found by a look and by its event at the same time."""
    here = open_house(replace(LINK, undo=Undo((), None, match=NOTHING)))
    job = here.happen("link")
    here.performs.end(f"{job}-1")
    here.store.hold = True
    here.closing("link")
    here.worker._agenda.look()
    here.store.go_on()
    undo = here.of("link", Part.UNDO)[0]
    assert (undo.state, len(here.database.attempts(undo.job.id))) == (State.SUCCEEDED, 1)


def test_a_claim_that_fails_is_made_later(open_house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs are still in the store."""
    here = open_house(replace(ONE, do=(task("one/do/1", concurrency=1),)))
    first, second = here.happen("one", text=b"a"), here.happen("one", text=b"b")

    def broken(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    with monkeypatch.context() as patch:
        patch.setattr(transactions, "claim", broken)
        here.performs.end(f"{first}-1")
    assert len(here.told.of(GatewayFault)) == 1
    here.clock.advance(2)
    assert here.state(second) is State.RUNNING


def test_a_step_that_meets_a_bug_is_a_failure(open_house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it raises or fails; the job ends, and its place is free."""
    here = open_house(replace(ONE, do=(task("one/do/1", concurrency=1),)))

    def bug(step: Step, attempt: Attempt) -> Deferred[Performance]:
        if attempt.event["message"] == "raises":
            raise RuntimeError("a bug")
        return fail(RuntimeError("a bug"))

    monkeypatch.setattr(here.performs, "perform", bug)
    jobs = [here.happen("one", text=text) for text in (b"raises", b"fails")]
    assert [here.job(job).problem for job in jobs] == ["a bug of the gateway: RuntimeError('a bug')"] * 2


def test_what_cannot_be_kept_ends_the_gateway(open_house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules have counted it, so only a start from what is on disk makes both agree; nobody is told it is kept."""
    here = open_house(ONE)
    ended: list[bool] = []
    here.worker.fault = lambda: ended.append(True)

    def broken(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(transactions, "admit", broken)
    failed: list[object] = []
    here.commit(Effects([Message(b"x", ORIGIN, here.clock.seconds())], [], [])).addErrback(failed.append)
    assert ended == [True]
    assert len(failed) == 1


def test_a_barrier_waits_for_those_before(open_house: Open) -> None:
    """It fires at once when there are none."""
    here = open_house(ONE)
    passed: list[str] = []
    here.worker.barrier().addCallback(lambda _: passed.append("at once"))
    here.store.hold = True
    here.happen("one")
    here.worker.barrier().addCallback(lambda _: passed.append("later"))
    assert passed == ["at once"]
    here.store.go_on()
    assert passed == ["at once", "later"]
