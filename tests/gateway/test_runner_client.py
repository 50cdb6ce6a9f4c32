"""The gateway's side of the runner: jobs in, outcomes out, whatever happens to the runner."""

from __future__ import annotations

import errno
import functools
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, reactor, task  # noqa: TID251 -- real children need the real reactor
from twisted.trial.unittest import TestCase

from gateway.notice import Notice
from gateway.notices import runner as notices
from gateway.runner import link, tree
from gateway.runner.client import Runner
from gateway.runner.protocol import MAX_LINE
from parsers.errors import OperatorError
from parsers.event import FieldValue
from rules.job import Attempt
from rules.outcome import Ending, Outcome

LOADER = "tests.gateway.runner_tasks:load_tasks"
TASKS = {
    "true": {"argv": ["true"], "concurrency": 100},
    "echo": {"argv": ["echo", "${text}"]},
    "wait": {"argv": ["sleep", "600"], "grace": 0.2, "concurrency": 100},
    "short": {"argv": ["sleep", "0.02"], "concurrency": 100},
    "stream": {"argv": ["sh", "-c", "while read -r line; do echo OK; done"], "stream": True},
    "slow stream": {"argv": ["sh", "-c", "while read -r line; do sleep 600; done"], "stream": True, "grace": 0.1},
}


def job(name: str, to_run: str, attempt: int = 1, **fields: FieldValue) -> Attempt:
    """Make an attempt."""
    return Attempt(name, "rule", to_run, ("key",), fields, attempt)


class RunnerCase(TestCase):
    """A test with a runner that is stopped at its end."""

    timeout = 30

    def setUp(self) -> defer.Deferred[None]:  # type: ignore[override]
        self.told: list[Notice] = []
        folder = tempfile.TemporaryDirectory()  # trial's mktemp litters the working directory
        self.addCleanup(folder.cleanup)
        self.config = Path(folder.name, "tasks.json")
        self.config.write_text(json.dumps(TASKS))
        self.lock = self.config.with_name("lock")
        self.runner = self.make_runner()
        self.runner.privilegedStartService()
        self.runner.startService()
        return self.until(self.pids)

    def make_runner(self) -> Runner:
        return Runner(
            reactor,  # type: ignore[arg-type]
            self.config,
            self.told.append,
            limit=4,
            first_wait=0.05,
            lock=self.lock,
            loader=LOADER,
            folders=self.config.with_name("jobs"),
        )

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
        assert missing.ending is Ending.REFUSED
        assert self.notice(notices.RunnerStarted)[0].tasks == len(TASKS)

    @defer.inlineCallbacks
    def test_private_folders_are_found_and_cleaned(self) -> Any:
        """At once, or when a runner is there again; what was to be cleaned then is not told as found."""
        jobs, folders = ["0" * 32, "1" * 32, "2" * 32], self.config.with_name("jobs")
        found: list[tuple[str, ...]] = []
        self.runner.found = found.append
        for name in jobs:
            (folders / name / "1").mkdir(parents=True)
        self.runner.clean(jobs[0])
        yield self.until(lambda: not (folders / jobs[0]).exists())
        os.kill(self.pids()[-1], signal.SIGKILL)
        yield self.until(lambda: self.notice(notices.RunnerDied))
        self.runner.clean(jobs[1])
        yield self.until(lambda: found)
        yield self.until(lambda: not (folders / jobs[1]).exists())
        assert found == [(jobs[2],)]
        assert (folders / jobs[2]).exists()

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
        assert outcome.ending is Ending.REFUSED
        assert outcome.error == f"its event is longer than {MAX_LINE} octets"
        after: Outcome = yield self.runner.run(job("b", "true"))
        assert after.success

    @defer.inlineCallbacks
    def test_what_the_runner_would_take_for_nonsense(self) -> Any:
        """It is refused here, and does not end the runner with all that it has."""
        deep: FieldValue = []
        for _ in range(100_000):
            deep = [deep]
        attempts = [
            job("a", "true", number=float("nan")),
            job("b", "true", text=deep),
            job("c" * 65, "true"),
            job("d", "x" * 2000),
        ]
        outcomes: list[Outcome] = yield defer.gatherResults([self.runner.run(attempt) for attempt in attempts])
        assert {outcome.ending for outcome in outcomes} == {Ending.REFUSED}
        assert all(outcome.error for outcome in outcomes)
        after: Outcome = yield self.runner.run(job("z", "true"))
        assert after.success
        assert len(self.pids()) == 1

    @defer.inlineCallbacks
    def test_streams_and_jobs_do_not_wait_for_each_other(self) -> Any:
        """Neither does a stream that hangs hold up others, nor do jobs that hang hold up a stream."""
        hang = [self.runner.run(job(f"hang-{number}", "slow stream")) for number in range(100)]
        hang += [self.runner.run(job(f"wait-{number}", "wait")) for number in range(20)]
        outcomes: list[Outcome] = yield defer.gatherResults(
            [self.runner.run(job(f"event-{number}", "stream")) for number in range(300)]
        )
        assert {outcome.ending for outcome in outcomes} == {Ending.CONFIRMED}
        self.runner.cancel("wait-0")
        self.runner.cancel("wait-1")
        quick: Outcome = yield self.runner.run(job("quick", "nothing"))
        assert quick.ending is Ending.REFUSED
        yield self.runner.stopService()
        ended: list[Outcome] = yield defer.gatherResults(hang)
        assert {outcome.ending for outcome in ended} <= {Ending.LOST, Ending.NOT_STARTED, Ending.KILLED}

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


class TestNothingVanishes(RunnerCase):
    """Whichever of its processes is killed, and when: each attempt has one outcome."""

    @defer.inlineCallbacks
    def _killed(self, victim: Callable[[int], int]) -> Any:
        chance = random.Random(1)
        outcomes: list[Outcome] = []
        for turn in range(8):
            tasks = [chance.choice(["true", "short", "stream", "echo"]) for _ in range(60)]
            answers = [
                self.runner.run(job(f"{turn}-{number}", name, text="x")).addCallback(outcomes.append)
                for number, name in enumerate(tasks)
            ]
            before = len(self.pids())
            yield task.deferLater(reactor, chance.uniform(0, 0.05))
            os.kill(victim(self.pids()[-1]), signal.SIGKILL)
            yield defer.gatherResults(answers)
            yield self.until(functools.partial(self.has_started, before))
            self.runner._wait = 0.05
        assert len(outcomes) == 8 * 60
        assert len({outcome.job for outcome in outcomes}) == 8 * 60
        assert {outcome.ending for outcome in outcomes} <= {Ending.EXITED, Ending.CONFIRMED, Ending.LOST}
        assert any(outcome.ending is Ending.LOST for outcome in outcomes)

    def test_the_inner_process_is_killed(self) -> Any:
        """Those that may have run are lost, the others run."""
        return self._killed(lambda inner: inner)

    def test_the_outer_process_is_killed(self) -> Any:
        """So it is then too."""
        return self._killed(keeper_of)

    @defer.inlineCallbacks
    def test_both_are_killed(self) -> Any:
        """So it is then too."""
        keepers: list[int] = []

        def both(inner: int) -> int:
            keepers.append(keeper_of(inner))
            os.kill(keepers[-1], signal.SIGKILL)
            return inner

        yield self._killed(both)

    @defer.inlineCallbacks
    def test_no_process_is_left(self) -> Any:
        """A machine that cannot start it now is asked again; what waits, waits."""
        spawn = link.Keeper.spawn
        failures = [1, 2]

        def fail(*arguments: Any) -> None:
            if failures:
                failures.pop()
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            spawn(*arguments)

        self.patch(link.Keeper, "spawn", fail)  # type: ignore[no-untyped-call]
        os.kill(keeper_of(self.pids()[0]), signal.SIGKILL)
        yield self.until(lambda: not failures)
        outcome: Outcome = yield self.runner.run(job("a", "true"))
        assert outcome.success
        reasons = [notice.reason for notice in self.notice(notices.RunnerKeeperDied)]
        assert reasons.count("it cannot be started: Resource temporarily unavailable") == 2


class TestLock(RunnerCase):
    """A former runner that is still there."""

    @defer.inlineCallbacks
    def test_the_wait_is_told(self) -> Any:
        """It names the process that has the lock; jobs wait, and a runner that waits can be stopped."""
        keeper = keeper_of(self.pids()[0])
        first, self.runner = self.runner, self.make_runner()
        self.runner.startService()
        waiting = self.runner.run(job("a", "true"))
        yield self.until(lambda: self.notice(notices.RunnerWaits))
        assert self.notice(notices.RunnerWaits) == [notices.RunnerWaits(keeper)]
        third = self.make_runner()
        third.startService()
        begun = time.monotonic()
        yield third.stopService()
        assert time.monotonic() - begun < 1.5
        assert not waiting.called
        yield first.stopService()
        outcome: Outcome = yield waiting
        assert outcome.success


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
