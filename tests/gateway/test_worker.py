"""The worker: chains in order up to the first failure, bounded, and nothing that one chain does stops another."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed

from gateway.jobs.outcome import Ending, Outcome
from gateway.jobs.worker import MAX_OUTPUT_SHOWN, MAX_RUNNING, Worker, last_words, problem_of
from gateway.log import escaped
from gateway.notices import JobFailed, JobSucceeded
from rules.job import Job
from tests.gateway.told import Told


def job(name: str) -> Job:
    """Make a job; its id is its name."""
    return Job(id=name, rule="rule", task="rule.1", key=(), event={})


class Runner:
    """Runs nothing: `end` says how a job ended. With `at_once` every job has ended before `run` returns."""

    def __init__(self, at_once: Ending | None = None) -> None:
        self.started: list[str] = []
        self.running: dict[str, Deferred[Outcome]] = {}
        self.at_once = at_once

    def run(self, job: Job) -> Deferred[Outcome]:
        """Take note of a job."""
        self.started.append(job.id)
        if self.at_once:
            return succeed(Outcome(job.id, self.at_once, 0))
        if job.id == "bug":
            raise RuntimeError("bug\x1b")
        self.running[job.id] = Deferred()
        return self.running[job.id]

    def end(self, name: str, code: int = 0) -> None:
        """End a job."""
        self.running.pop(name).callback(Outcome(name, Ending.EXITED, code, stderr=b"last\nwords"))


def test_a_chain_runs_in_order() -> None:
    """The second job of a chain starts when the first has succeeded."""
    runner, told = Runner(), Told()
    worker = Worker(runner, told)
    worker.commit([], [(job("a"), job("b"))])
    assert runner.started == ["a"]
    runner.end("a")
    assert runner.started == ["a", "b"]
    runner.end("b")
    assert len(told.of(JobSucceeded)) == 2
    assert worker.whenIdle().called


def test_a_chain_stops_at_the_first_failure() -> None:
    """What stands behind a job that failed is not started; the failure is told with its last words."""
    runner, told = Runner(), Told()
    Worker(runner, told).commit([], [(job("a"), job("b"))])
    runner.end("a", 3)
    assert runner.started == ["a"]
    assert [notice.problem for notice in told.of(JobFailed)] == ["exit code 3"]
    assert escaped(str(told[0])).endswith(r"output: last\nwords")


def test_a_bug_in_one_chain_stops_no_other() -> None:
    """An exception on the way is told, and the other chains run."""
    runner, told = Runner(), Told()
    worker = Worker(runner, told)
    worker.commit([], [(job("bug"), job("never")), (job("a"),)])
    assert runner.started == ["bug", "a"]
    assert "a bug of the gateway" in told.lines()[0]
    runner.end("a")
    assert worker.whenIdle().called


def test_no_more_than_the_limit_run_at_a_time() -> None:
    """The runner gets MAX_RUNNING chains, and the next one when one has ended."""
    runner = Runner()
    Worker(runner, Told()).commit([], [(job(str(number)),) for number in range(MAX_RUNNING + 5)])
    assert len(runner.started) == MAX_RUNNING
    runner.end("0")
    assert runner.started[-1] == str(MAX_RUNNING)


def test_promises_fire_in_order_when_there_is_room() -> None:
    """`commit` keeps its promise back while more chains wait than may, and keeps them in their order."""
    runner, kept = Runner(), []
    worker = Worker(runner, Told(), max_waiting=1)
    chains = [(job(str(number)),) for number in range(MAX_RUNNING + 3)]
    first = worker.commit([], chains[:-1]).addCallback(lambda _: kept.append("first"))
    second = worker.commit([], chains[-1:]).addCallback(lambda _: kept.append("second"))
    assert not first.called
    assert not second.called
    runner.end("0")
    assert kept == []
    runner.end("1")
    assert kept == ["first", "second"]


def test_room_at_once() -> None:
    """A commit that finds room is done at once."""
    assert Worker(Runner(), Told()).commit([], [(job("a"),)]).called


def test_idle_waits_for_all() -> None:
    """`whenIdle` fires when the last chain has ended, those that waited included."""
    runner = Runner()
    worker = Worker(runner, Told())
    assert worker.whenIdle().called
    worker.commit([], [(job(str(number)),) for number in range(MAX_RUNNING + 1)])
    idle = worker.whenIdle()
    for number in range(MAX_RUNNING):
        runner.end(str(number))
    assert not idle.called
    runner.end(str(MAX_RUNNING))
    assert idle.called


def test_a_runner_that_refuses_ten_thousand_at_once() -> None:
    """Chains that end while they start do not fill the stack: so it is when the runner is gone."""
    runner, told = Runner(Ending.NOT_STARTED), Told()
    worker = Worker(runner, told)
    assert worker.commit([], [(job(str(number)),) for number in range(10_000)]).called
    assert len(told.of(JobFailed)) == 10_000
    assert worker.whenIdle().called


@pytest.mark.parametrize("ending", Ending)
def test_every_ending_has_words(ending: Ending) -> None:
    """Each way to end is said, with what the runner adds."""
    assert problem_of(Outcome("a", ending, error="more")).endswith("more")


def test_output_is_cut() -> None:
    """Of long output only the end is shown, of standard output only when standard error is empty."""
    assert len(last_words(Outcome("a", Ending.EXITED, 1, stderr=b"x" * 9999))) < MAX_OUTPUT_SHOWN + 50
    assert last_words(Outcome("a", Ending.EXITED, 1, stdout=b"out\xff")).endswith("out\\xff")
    assert last_words(Outcome("a", Ending.EXITED, 1, stdout=b" \n")) == ""
