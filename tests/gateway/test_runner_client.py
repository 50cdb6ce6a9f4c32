"""The gateway's side of the runner: jobs in, outcomes out, whatever happens to the runner."""

from __future__ import annotations

import functools
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, reactor, task  # noqa: TID251 -- real children need the real reactor
from twisted.trial.unittest import TestCase

from gateway import notices
from gateway.jobs.outcome import Ending, Outcome
from gateway.notices import Notice
from gateway.runner import tree
from gateway.runner.client import Runner
from gateway.runner.protocol import MAX_LINE
from parsers.errors import OperatorError
from parsers.event import FieldValue
from rules.job import Job

LOADER = "tests.gateway.runner_tasks:load_tasks"
TASKS = {
    "true": {"argv": ["true"], "concurrency": 100},
    "echo": {"argv": ["echo", "${text}"]},
    "wait": {"argv": ["sleep", "600"], "grace": 0.2, "concurrency": 100},
}


def job(name: str, to_run: str, attempt: int = 1, **fields: FieldValue) -> Job:
    """Make a job."""
    return Job(name, "rule", to_run, ("key",), fields, attempt)


class RunnerCase(TestCase):
    """A test with a runner that is stopped at its end."""

    timeout = 30

    def setUp(self) -> defer.Deferred[None]:  # type: ignore[override]
        self.told: list[Notice] = []
        folder = tempfile.TemporaryDirectory()  # trial's mktemp litters the working directory
        self.addCleanup(folder.cleanup)
        self.config = Path(folder.name, "tasks.json")
        self.config.write_text(json.dumps(TASKS))
        self.runner = Runner(reactor, self.config, self.told.append, limit=4, first_wait=0.05, loader=LOADER)  # type: ignore[arg-type]
        self.runner.privilegedStartService()
        self.runner.startService()
        return self.until(self.pids)

    def tearDown(self) -> defer.Deferred[None]:  # type: ignore[override]
        return self.runner.stopService()

    def pids(self) -> list[int]:
        return [notice.pid for notice in self.told if isinstance(notice, notices.RunnerStarted)]

    def has_started(self, more_than: int) -> bool:
        return len(self.pids()) > more_than

    def until(self, condition: Callable[[], Any]) -> defer.Deferred[None]:
        async def wait() -> None:
            end = time.monotonic() + 20
            while not condition():
                assert time.monotonic() < end, "it did not come about"
                await task.deferLater(reactor, 0.01)

        return defer.Deferred.fromCoroutine(wait())

    def notice(self, kind: type[Notice]) -> list[Any]:
        return [notice for notice in self.told if isinstance(notice, kind)]


def keeper_of(inner: int) -> int:
    """Return the outer process of an inner one."""
    process = tree.look(inner)
    assert process is not None
    return process.parent


class TestJobs(RunnerCase):
    """While all is well."""

    @defer.inlineCallbacks
    def test_a_job_has_an_outcome(self) -> Any:
        """The Deferred fires with it; a start that fails is an outcome too."""
        outcome: Outcome = yield self.runner.run(job("a", "echo", text="$(id)"))
        assert outcome.success
        assert outcome.stdout == b"$(id)\n"
        missing: Outcome = yield self.runner.run(job("b", "nothing"))
        assert missing.ending is Ending.NOT_STARTED
        assert self.notice(notices.RunnerStarted)[0].tasks == len(TASKS)

    @defer.inlineCallbacks
    def test_many_jobs_at_once(self) -> Any:
        """Three hundred are sent by and by, and all end."""
        outcomes: list[Outcome] = yield defer.gatherResults(
            [self.runner.run(job(f"job-{number}", "true")) for number in range(300)]
        )
        assert all(outcome.success for outcome in outcomes)
        assert [outcome.job for outcome in outcomes] == [f"job-{number}" for number in range(300)]

    @defer.inlineCallbacks
    def test_a_job_that_runs_is_not_run_again_meanwhile(self) -> Any:
        """The same id twice at a time is an outcome, not a second process."""
        first = self.runner.run(job("a", "wait"))
        second: Outcome = yield self.runner.run(job("a", "wait"))
        assert second.ending is Ending.NOT_STARTED
        self.runner.cancel("a")
        outcome: Outcome = yield first
        assert outcome.error == "it was cancelled before it was started" or outcome.ending is Ending.KILLED

    @defer.inlineCallbacks
    def test_cancel(self) -> Any:
        """Jobs that run and jobs that wait can be cancelled; a cancelled Deferred ends its job."""
        answers = {name: self.runner.run(job(name, "wait")) for name in [*"abcdefghij"]}
        self.runner.cancel("j")
        outcome: Outcome = yield answers.pop("j")
        assert outcome.ending is Ending.NOT_STARTED
        answers["a"].cancel()
        with pytest.raises(defer.CancelledError):
            yield answers.pop("a")
        for name in answers:
            self.runner.cancel(name)
        outcomes: list[Outcome] = yield defer.gatherResults(list(answers.values()))
        assert {outcome.ending for outcome in outcomes} <= {Ending.KILLED, Ending.NOT_STARTED}
        after: Outcome = yield self.runner.run(job("z", "true"))
        assert after.success

    @defer.inlineCallbacks
    def test_an_event_that_is_too_long(self) -> Any:
        """It is an outcome; the connection goes on."""
        outcome: Outcome = yield self.runner.run(job("a", "true", text="x" * MAX_LINE))
        assert outcome.error == f"its event is longer than {MAX_LINE} octets"
        after: Outcome = yield self.runner.run(job("b", "true"))
        assert after.success

    @defer.inlineCallbacks
    def test_reload(self) -> Any:
        """New tasks are told; a broken file fails with the operator's error and keeps the tasks."""
        self.config.write_text(json.dumps({"new": {"argv": ["true"]}}))
        names: frozenset[str] = yield self.runner.reload()
        assert names == {"new"}
        self.config.write_text("broken")
        with pytest.raises(OperatorError, match="did you mean 'run'"):
            yield self.runner.reload()
        outcome: Outcome = yield self.runner.run(job("a", "new"))
        assert outcome.success
        assert self.notice(notices.RunnerReloaded)
        assert "rnu" in str(self.notice(notices.RunnerReloadFailed)[0])

    @defer.inlineCallbacks
    def test_reloads_at_once_see_the_last_file(self) -> Any:
        """Whoever asks while the tasks are loaded gets those of a later load."""
        first = self.runner.reload()
        self.config.write_text(json.dumps({"new": {"argv": ["true"]}}))
        second, third = self.runner.reload(), self.runner.reload()
        yield first
        answers: list[frozenset[str]] = yield defer.gatherResults([second, third])
        assert answers == [frozenset({"new"})] * 2


class TestDeath(RunnerCase):
    """When the runner dies."""

    @defer.inlineCallbacks
    def test_the_inner_process_dies(self) -> Any:
        """What it had is lost and its children are gone; it is started again, and jobs wait for it."""
        lost = self.runner.run(job("a", "wait"))
        yield self.runner.run(job("b", "true"))
        inner = self.pids()[0]
        keeper = keeper_of(inner)
        children = [process.pid for process in tree.below(inner)]
        os.kill(inner, signal.SIGKILL)
        outcome: Outcome = yield lost
        assert outcome.ending is Ending.LOST
        waiting: Outcome = yield self.runner.run(job("c", "true"))
        assert waiting.success
        assert len(self.pids()) == 2
        assert keeper_of(self.pids()[1]) == keeper
        assert children
        assert not any(tree.look(child) for child in children)
        died = self.notice(notices.RunnerDied)
        assert [(notice.lost, notice.wait) for notice in died] == [(1, 0.05)]

    @defer.inlineCallbacks
    def test_the_file_is_broken_when_it_starts_again(self) -> Any:
        """It goes on with the tasks that loaded last, and says that the file is broken."""
        yield self.runner.run(job("a", "true"))
        self.config.write_text("broken")
        os.kill(self.pids()[0], signal.SIGKILL)
        yield self.until(lambda: self.has_started(1))
        outcome: Outcome = yield self.runner.run(job("b", "true"))
        assert outcome.success
        assert "rnu" in str(self.notice(notices.RunnerReloadFailed)[0])

    @defer.inlineCallbacks
    def test_it_is_started_again_more_and_more_slowly(self) -> Any:
        """A runner that dies soon waits twice as long each time."""
        for number in range(1, 4):
            os.kill(self.pids()[-1], signal.SIGKILL)
            yield self.until(functools.partial(self.has_started, number))
        assert [notice.wait for notice in self.notice(notices.RunnerDied)] == [0.05, 0.1, 0.2]

    @defer.inlineCallbacks
    def test_the_outer_process_dies(self) -> Any:
        """Both are started anew."""
        lost = self.runner.run(job("a", "wait"))
        yield self.runner.run(job("b", "true"))
        os.kill(keeper_of(self.pids()[0]), signal.SIGKILL)
        outcome: Outcome = yield lost
        assert outcome.ending is Ending.LOST
        after: Outcome = yield self.runner.run(job("c", "true"))
        assert after.success
        assert self.notice(notices.RunnerKeeperDied)

    @defer.inlineCallbacks
    def test_privileges_that_are_gone(self) -> Any:
        """A gateway that has dropped its privileges since says so, and does not run tasks as somebody else."""
        self.runner._uid = os.geteuid() + 1
        lost = self.runner.run(job("a", "wait"))
        yield self.runner.run(job("b", "true"))
        os.kill(keeper_of(self.pids()[0]), signal.SIGKILL)
        yield lost
        yield self.until(lambda: self.notice(notices.RunnerGone))
        after: Outcome = yield self.runner.run(job("c", "true"))
        assert after.error == "the runner is gone; restart the gateway"
        with pytest.raises(OperatorError):
            yield self.runner.reload()

    @defer.inlineCallbacks
    def test_a_line_that_is_no_reply(self) -> Any:
        """It is our bug: told as critical, and the runner is started again."""
        connection = self.runner._connection
        assert connection is not None
        connection.dataReceived(b"nonsense\n")
        after: Outcome = yield self.runner.run(job("c", "true"))
        assert after.success
        assert self.notice(notices.RunnerGarbled)[0].level == "critical"
        assert len(self.pids()) == 2

    @defer.inlineCallbacks
    def test_what_it_says_is_passed_on(self) -> Any:
        """A traceback on its standard error becomes notices."""
        self.config.write_text("crash")
        with pytest.raises(OperatorError, match="RuntimeError"):
            yield self.runner.reload()
        yield self.until(lambda: any("RuntimeError" in notice.line for notice in self.notice(notices.RunnerSaid)))


class TestStop(RunnerCase):
    """When the gateway stops."""

    @defer.inlineCallbacks
    def test_stop(self) -> Any:
        """Running jobs are lost, waiting ones not started, later ones refused, and both processes are gone."""
        inner = self.pids()[0]
        keeper = keeper_of(inner)
        answers = [self.runner.run(job(f"job-{number}", "wait")) for number in range(12)]
        yield self.until(lambda: len(list(tree.below(inner))) == 4)
        yield self.runner.stopService()
        outcomes: list[Outcome] = yield defer.gatherResults(answers)
        endings = [outcome.ending for outcome in outcomes]
        assert (endings.count(Ending.LOST), endings.count(Ending.NOT_STARTED)) == (4, 8)
        late: Outcome = yield self.runner.run(job("late", "true"))
        assert late.ending is Ending.NOT_STARTED
        assert tree.look(inner) is None
        assert tree.look(keeper) is None
        assert not self.notice(notices.RunnerDied)
        assert not self.notice(notices.RunnerSaid)

    @defer.inlineCallbacks
    def test_stop_while_it_waits_to_start_again(self) -> Any:
        """There is nothing to wait for but the outer process."""
        self.runner._wait = 60.0
        os.kill(self.pids()[0], signal.SIGKILL)
        yield self.until(lambda: self.notice(notices.RunnerDied))
        waiting = self.runner.run(job("a", "true"))
        reloading = self.runner.reload()
        yield self.runner.stopService()
        outcome: Outcome = yield waiting
        assert outcome.ending is Ending.NOT_STARTED
        with pytest.raises(OperatorError):
            yield reloading
