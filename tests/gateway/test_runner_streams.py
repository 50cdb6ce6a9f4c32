"""Streams with real programs: what they are fed, what their answers mean, and how they are ended and started anew."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.runner.protocol import Cancel, Ended, NotTaken, Reload, Reloaded, Room, Starting
from gateway.runner.streams import MAX_EVENTS, Backoff
from rules.outcome import Ending, Outcome
from tests.gateway.runner_harness import PATIENCE, Harness, alive, living, new_tag, until

PROGRAM = """
import json, os, signal, subprocess, sys, time

def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()

def tell(text):
    sys.stderr.write(text)
    sys.stderr.flush()

say(os.environ.get("FIRST", "").replace("|", "\\n"))
for line in sys.stdin:
    event = json.loads(line)
    does = event.get("does", "OK")
    if does == "die":
        sys.exit(int(event["code"]))
    elif does == "kill":
        os.kill(os.getpid(), 9)
    elif does == "hang":
        time.sleep(600)
    elif does == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    elif does == "sleep":
        time.sleep(event["seconds"])
        say("OK\\n")
    elif does == "answer":
        say(event["text"])
    elif does == "pid":
        tell(str(os.getpid()))
        say("OK\\n")
    elif does == "line":
        tell(line)
        say("OK\\n")
    elif does == "environment":
        tell(json.dumps(dict(os.environ)))
        say("OK\\n")
    elif does == "stderr":
        tell(event["text"] * event["times"])
        say("OK\\n")
    elif does == "late":
        say("OK\\n")
        time.sleep(0.1)
        say("OK\\n")
    elif does == "close":
        os.close(event["descriptor"])
        time.sleep(600)
    elif does == "close and answer":
        os.close(0)
        say("OK\\n")
        time.sleep(600)
    elif does == "answer and die":
        say("OK\\n")
        os._exit(3)
    elif does == "child":
        subprocess.Popen(["setsid", "sleep", "600." + event["tag"]])
        say("OK\\n")
    elif does == "leave":
        subprocess.Popen(["setsid", "sleep", "600." + event["tag"]])
        sys.exit(4)
    else:
        say(does + "\\n")
if "LAST" in os.environ:
    open(os.environ["LAST"], "a").write("ended\\n")
"""


class Folder:
    """A configuration with streams, and the program that they run."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "program.py"
        self.program.write_text(textwrap.dedent(PROGRAM))
        self.config = folder / "tasks.json"
        self.tasks: dict[str, dict[str, Any]] = {}

    def stream(self, name: str, argv: list[str] | None = None, **values: Any) -> None:
        """Add a stream; without `argv` it runs the program."""
        argv = argv or [sys.executable, "-S", str(self.program)]
        self.tasks[name] = {"argv": argv, "stream": True, "grace": 0.3, "timeout": 10, **values}
        self.config.write_text(json.dumps(self.tasks))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Return streams of which each test that needs a program in a known state has one of its own."""
    folder = Folder(tmp_path_factory.mktemp("streams"))
    for name in ("s", "die", "kill", "timeout", "stderr", "late", "close", "twice", "cancel", "tree", "quiet", "idle"):
        folder.stream(name, timeout=0.5 if name == "timeout" else 10)
    folder.stream("other")
    folder.stream("greets", ready=True, environment={"FIRST": "OK|"})
    folder.stream("is not ready", ready=True, environment={"FIRST": "no database|"})
    folder.stream("never ready", ready=True, timeout=0.3)
    folder.stream("greets unasked", environment={"FIRST": "OK|"})
    folder.stream("talks", environment={"FIRST": "hello|world|"})
    folder.stream("cat", ["cat"])
    folder.stream("yes", ["yes", "OK"])
    folder.stream("flood", ["head", "-c", "50000000", "/dev/zero"])
    folder.stream("true", ["true"])
    folder.stream("false", ["false"])
    folder.stream("deaf", ["sh", "-c", "exec <&-; sleep 600"])
    folder.stream("mute", ["sh", "-c", "exec >&-; sleep 600"])
    folder.stream("missing", ["no-such-program"])
    folder.stream("nobody", ["sh", "-c", "read -r line </dev/stdin; id -u >/dev/stderr; echo OK; cat"], user="nobody")
    folder.stream("last", environment={"LAST": str(folder.config.with_name("last"))})
    folder.stream("field", ["echo", "${x}"])
    folder.tasks["job"] = {"argv": ["true"]}
    folder.tasks["locked"] = {"argv": ["sleep", "0.15"], "lock": "door"}
    folder.tasks["locked too"] = {"argv": ["sleep", "0.15"], "lock": "door"}
    folder.tasks["daemon"] = {"argv": ["sh", "-c", "env -i setsid -f sleep 600.$1; sleep 0.1", "sh", "${tag}"]}
    folder.stream("locked stream", lock="door")
    return folder


@pytest.fixture(scope="module")
def one_for_all(folder: Folder) -> Iterator[Harness]:
    """Return a runner for the module."""
    harness = Harness(folder.config)
    yield harness
    assert harness.stop()[0] == 0


@pytest.fixture
def runner(one_for_all: Harness) -> Harness:
    """Return a runner of which all tests use different streams."""
    one_for_all.replies.clear()
    return one_for_all


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Harness, Folder]]:
    """Return a runner of the test's own with one stream `s`."""
    folder = Folder(tmp_path)
    folder.stream("s", environment={"LAST": str(tmp_path / "last")})
    harness = Harness(folder.config)
    yield harness, folder
    harness.stop()


@pytest.fixture
def tag() -> str:
    """Return digits that no other process has in its arguments."""
    return new_tag()


def pid_of(runner: Harness, stream: str) -> int:
    """Return the pid of a stream's program."""
    outcome = runner.run(stream, does="pid")
    assert outcome.success, outcome
    return int(outcome.stderr)


def error_of(outcome: Outcome) -> str:
    """Return the words of a failure."""
    assert not outcome.success
    return outcome.error or ""


class TestAnswers:
    """What a line of the program means."""

    def test_ok(self, runner: Harness) -> None:
        """It is success; the same program gets the next event."""
        outcome = runner.run("s")
        assert (outcome.ending, outcome.success, outcome.error, outcome.stdout) == (Ending.CONFIRMED, True, None, b"")
        assert pid_of(runner, "s") == pid_of(runner, "s")

    def test_ok_with_a_carriage_return(self, runner: Harness) -> None:
        """A program may end its lines as it likes."""
        assert runner.run("s", does="answer", text="OK\r\n").ending is Ending.CONFIRMED

    @pytest.mark.parametrize("line", ["no such user", "ok", " OK", "OK.", "é \x1b[2J", "x" * 499])
    def test_any_other_line_is_a_failure(self, runner: Harness, line: str) -> None:
        """The line is the error, and the program stays."""
        before = pid_of(runner, "s")
        outcome = runner.run("s", does="answer", text=line + "\n")
        assert (outcome.ending, outcome.error) == (Ending.DECLINED, line)
        assert pid_of(runner, "s") == before

    def test_an_empty_line(self, runner: Harness) -> None:
        """It is an answer too, and not a good one."""
        assert error_of(runner.run("s", does="answer", text="\n")) == "its answer is an empty line"

    def test_a_line_in_pieces(self, runner: Harness) -> None:
        """Only its newline makes it an answer."""
        runner.start("s", does="answer", text="O")
        runner.start("other", "other")
        assert runner.outcome("other").success
        runner.send(Cancel("job"))
        assert runner.outcome().ending is Ending.KILLED

    def test_a_line_that_does_not_end(self, runner: Harness) -> None:
        """What is longer than an answer is none, and the program is ended."""
        outcome = runner.run("s", does="answer", text="x" * 9000)
        assert outcome.ending is Ending.DECLINED
        assert "a line of more than 8192 octets" in error_of(outcome)
        assert runner.run("s").success

    def test_a_program_that_repeats_what_it_is_told(self, runner: Harness) -> None:
        """`cat` answers with the event, which is not OK."""
        assert error_of(runner.run("cat", a=1)).startswith('{"a": 1, "gateway.attempt.id": "job"')

    def test_the_last_word(self, runner: Harness) -> None:
        """A program that answers and ends in the same moment has answered."""
        for _ in range(5):
            assert runner.run("quiet", does="answer and die").success


class TestEvents:
    """What the program is fed."""

    def test_the_event_is_one_line(self, runner: Harness) -> None:
        """It is JSON, and says which attempt this is; newlines in it are escaped."""
        fields: dict[str, Any] = {
            "source.ip": "192.0.2.7",
            "text": "é\n\udcff\u2028",
            "list": [1, None, True],
            "does": "line",
        }
        outcome = runner.run("s", **fields)
        assert outcome.success
        assert outcome.stderr.count(b"\n") == 1
        assert json.loads(outcome.stderr) == fields | {
            "gateway.attempt.id": "job",
            "gateway.attempt.number": 1,
        }

    def test_a_long_event(self, runner: Harness) -> None:
        """What is longer than a pipe is written piece by piece, and holds nobody up."""
        runner.start("s", text="x" * 3_000_000)
        runner.start("other", "other")
        assert runner.outcome("other").success
        assert runner.outcome().success

    def test_a_long_event_that_nobody_reads(self, runner: Harness) -> None:
        """An answer before the end of the event is none."""
        runner.start("s", "first", does="sleep", seconds=0.2)
        runner.start("s", text="x" * 3_000_000)
        assert runner.outcome("first").success
        assert runner.outcome().success

    def test_events_come_in_their_order_and_one_at_a_time(self, runner: Harness) -> None:
        """A slow one holds up those of its stream, and no others."""
        for number in range(10):
            runner.start("s", f"s-{number}", does="sleep", seconds=0.3 if number == 0 else 0)
        runner.start("other", "other")
        runner.start("job", "process")
        order: list[str] = []
        while len(order) < 12:
            runner.receive()
            order += [reply.outcome.job for reply in runner.replies if isinstance(reply, Ended)]
            runner.replies.clear()
        assert set(order[:2]) == {"other", "process"}
        assert order[2:] == [f"s-{number}" for number in range(10)]

    def test_one_is_told_to_be_starting_when_it_is_given(self, runner: Harness) -> None:
        """Those in line are not: should the runner die, they have not been run."""
        for number in range(3):
            runner.start("s", f"s-{number}", does="sleep", seconds=0.1)
        seen: list[Any] = []
        while len(seen) < 6:
            runner.receive()
            seen += [reply for reply in runner.replies if isinstance(reply, Starting | Ended)]
            runner.replies.clear()
        jobs = [reply.job if isinstance(reply, Starting) else reply.outcome.job for reply in seen]
        assert jobs == ["s-0", "s-0", "s-1", "s-1", "s-2", "s-2"]

    def test_the_line_has_a_limit(self, runner: Harness) -> None:
        """More than so many events of one stream are not taken."""
        runner.start("s", "first", does="sleep", seconds=0.3)
        runner.await_reply(Starting)
        for number in range(MAX_EVENTS + 1):
            runner.start("s", f"s-{number}")
        assert "wait already" in runner.await_reply(NotTaken).words
        for number in range(MAX_EVENTS):
            assert runner.outcome(f"s-{number}").success

    def test_what_the_gateway_is_told(self, runner: Harness) -> None:
        """A stream has room for its line, a lock for one."""
        assert runner.ready.tasks["s"] == Room(MAX_EVENTS, stream=True)
        assert runner.ready.tasks["locked"] == Room(1)

    def test_environment(self, runner: Harness) -> None:
        """It is that of the task, and no event's."""
        outcome = runner.run("s", **{"source.ip": "192.0.2.7", "does": "environment"})
        variables = json.loads(outcome.stderr)
        names = {name for name in variables if name.startswith("GATEWAY_")}
        assert names == {"GATEWAY_RULE", "GATEWAY_JOB"}
        assert (variables["GATEWAY_RULE"], variables["GATEWAY_JOB"]) == ("rule", "s")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_another_user(self, runner: Harness) -> None:
        """The pipes are that user's, and can be opened by name."""
        outcome = runner.run("nobody")
        assert outcome.success, outcome
        assert outcome.stderr == b"65534\n"

    def test_argv_cannot_be_filled_in(self, runner: Harness) -> None:
        """There is no event when the program starts."""
        assert runner.run("field", x="a").ending is Ending.REFUSED


class TestStandardError:
    """What the program says on standard error."""

    def test_the_end_of_it_is_given_with_the_outcome(self, runner: Harness) -> None:
        """The last octets are kept, the others counted; each outcome has its own."""
        outcome = runner.run("stderr", does="stderr", text="0123456789", times=10_000)
        assert (len(outcome.stderr), outcome.stderr_dropped) == (64 * 1024, 100_000 - 64 * 1024)
        assert outcome.stderr.endswith(b"789")
        outcome = runner.run("stderr", does="stderr", text="x", times=1)
        assert (outcome.stderr, outcome.stderr_dropped) == (b"x", 0)
        assert runner.run("stderr").stderr == b""

    def test_a_traceback_of_one_that_dies(self, runner: Harness) -> None:
        """It comes with the failure."""
        outcome = runner.run("stderr", does="die", code="no number")
        assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 1)
        assert b"ValueError" in outcome.stderr


class TestDeath:
    """When the program ends."""

    def test_with_an_exit_code(self, runner: Harness) -> None:
        """The event that was out has failed with it, and the next waits for a new program."""
        before = pid_of(runner, "die")
        runner.start("die", does="die", code=75)
        runner.start("die", "next")
        outcome = runner.outcome()
        assert (outcome.ending, outcome.exit_code, outcome.success) == (Ending.EXITED, 75, False)
        assert outcome.error == "its program ended before it answered: exit code 75"
        assert runner.outcome("next").success
        assert pid_of(runner, "die") != before

    def test_with_exit_code_0(self, runner: Harness) -> None:
        """That is no success either: it has not said so."""
        assert runner.run("die").success
        outcome = runner.run("die", does="die", code=0)
        assert (outcome.ending, outcome.exit_code, outcome.success) == (Ending.DECLINED, 0, False)

    def test_by_a_signal(self, runner: Harness) -> None:
        """The signal is named."""
        outcome = runner.run("kill", does="kill")
        assert (outcome.ending, outcome.signal) == (Ending.KILLED, 9)
        assert "SIGKILL" in error_of(outcome)

    def test_while_it_has_nothing_to_do(self, own: tuple[Harness, Folder]) -> None:
        """It is said, and the next event has a new one."""
        runner, _ = own
        before = pid_of(runner, "s")
        os.kill(before, signal.SIGKILL)
        until(lambda: not alive(before))
        time.sleep(0.05)
        assert pid_of(runner, "s") != before
        assert "ended while it had nothing to do: it was killed by SIGKILL" in runner.stop()[1]

    def test_no_answer_in_time(self, runner: Harness) -> None:
        """It gets TERM, and the event has timed out once it is gone."""
        before = pid_of(runner, "timeout")
        outcome = runner.run("timeout", does="hang")
        assert (outcome.ending, outcome.signal) == (Ending.TIMED_OUT, signal.SIGTERM)
        assert outcome.error == "it did not answer within 0.5 seconds"
        assert 0.5 <= outcome.seconds < 3
        assert not alive(before)
        assert runner.run("timeout").success

    def test_no_answer_and_no_heed_of_term(self, runner: Harness) -> None:
        """KILL follows after the grace."""
        outcome = runner.run("timeout", does="stubborn")
        assert (outcome.ending, outcome.signal) == (Ending.TIMED_OUT, signal.SIGKILL)
        assert outcome.seconds >= 0.8
        assert runner.run("timeout").success

    def test_it_may_be_idle_for_longer_than_its_timeout(self, runner: Harness) -> None:
        """The timeout is that of an answer."""
        before = pid_of(runner, "timeout")
        time.sleep(0.7)
        assert pid_of(runner, "timeout") == before

    def test_what_it_has_started_stays_as_long_as_it(self, runner: Harness, tag: str) -> None:
        """A helper of the program is not touched by an answer, and ends with it."""
        assert runner.run("tree", does="child", tag=tag).success
        until(lambda: living(f"600.{tag}"))
        outcome = runner.run("tree", does="die", code=3)
        assert outcome.survivors == 1
        assert not living(f"600.{tag}")

    def test_a_program_that_becomes_a_daemon(self, runner: Harness, tag: str) -> None:
        """What it leaves behind is ended, and cannot answer for it."""
        outcome = runner.run("tree", does="leave", tag=tag)
        assert (outcome.ending, outcome.exit_code, outcome.survivors) == (Ending.EXITED, 4, 1)
        assert not living(tag)

    def test_a_jobs_daemon_does_not_hide_behind_a_stream(self, runner: Harness, tag: str) -> None:
        """One that has thrown its environment away ends with its job, and not with a program that stays."""
        before = pid_of(runner, "s")
        assert runner.run("daemon", tag=tag).survivors == 1
        assert not living(f"600.{tag}")
        assert pid_of(runner, "s") == before

    def test_cancel(self, runner: Harness) -> None:
        """The event that is out is cancelled by the end of its program; one in line is taken out."""
        before = pid_of(runner, "cancel")
        runner.start("cancel", "out", does="hang")
        runner.start("cancel", "in-line")
        runner.start("cancel", "next")
        runner.await_reply(Starting, lambda reply: reply.job == "out")
        runner.send(Cancel("in-line"))
        runner.send(Cancel("out"))
        outcome = runner.outcome("out")
        assert (outcome.ending, outcome.error) == (Ending.KILLED, "it was cancelled")
        assert runner.outcome("next").success
        assert not alive(before)


class TestRestarts:
    """A program that does not stay."""

    def test_the_waits(self) -> None:
        """They double from 1 s to a minute after the first, which is none; a good life begins anew."""
        backoff = Backoff()
        assert [backoff.wait(good=False) for _ in range(9)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
        assert [backoff.wait(good=True), backoff.wait(good=True), backoff.wait(good=False)] == [0, 0, 1]

    @pytest.mark.parametrize(("stream", "ending"), [("true", Ending.DECLINED), ("false", Ending.EXITED)])
    def test_one_that_exits_at_once(self, runner: Harness, stream: str, ending: Ending) -> None:
        """Each event that it is started for fails, and no faster than the waits allow; others go on."""
        begun = time.monotonic()
        for number in range(3):
            runner.start(stream, f"{stream}-{number}")
        outcomes = [runner.outcome(f"{stream}-{number}") for number in range(2)]
        assert time.monotonic() - begun < 0.9
        assert [outcome.ending for outcome in outcomes] == [ending, ending]
        assert runner.run("s").success
        assert runner.outcome(f"{stream}-2").ending is ending
        assert 1.0 <= time.monotonic() - begun < 1.9

    def test_one_that_cannot_be_started(self, runner: Harness) -> None:
        """Events fail with the reason, and no faster than the waits allow."""
        begun = time.monotonic()
        for number in range(3):
            runner.start("missing", f"missing-{number}")
        for number in range(3):
            outcome = runner.outcome(f"missing-{number}")
            assert outcome.ending is Ending.NOT_STARTED
            assert error_of(outcome).startswith("no program named no-such-program in PATH")
        assert 1.0 <= time.monotonic() - begun < 1.9

    def test_one_that_answers_is_started_again_at_once(self, runner: Harness) -> None:
        """However often it ends after it has answered."""
        begun = time.monotonic()
        for _ in range(4):
            assert runner.run("idle").success
            assert runner.run("idle", does="die", code=1).ending is Ending.EXITED
        assert time.monotonic() - begun < 2


class TestOutOfStep:
    """A program of which nobody can tell any more which event it answers."""

    def test_two_answers_at_once(self, runner: Harness) -> None:
        """The first counts, and the program is ended."""
        before = pid_of(runner, "twice")
        assert runner.run("twice", does="answer", text="OK\nOK\n").success
        assert pid_of(runner, "twice") != before
        assert not alive(before)

    def test_a_second_answer_later(self, own: tuple[Harness, Folder]) -> None:
        """It is never taken for the answer to the next event."""
        runner, _ = own
        assert runner.run("s", does="late").success
        time.sleep(0.3)
        outcome = runner.run("s", does="bad")
        assert (outcome.ending, outcome.error) == (Ending.DECLINED, "bad")
        said = runner.stop()[1]
        assert "s: it wrote a line that nobody asked for: OK; should its program say OK when it is ready" in said

    def test_one_that_says_ok_before_it_is_asked(self, runner: Harness) -> None:
        """One event may be taken to be done, never a second: from then on it is listened to before it gets one."""
        outcomes = [runner.run("greets unasked", does=f"bad {number}") for number in range(3)]
        assert sum(outcome.success for outcome in outcomes) < 2
        assert outcomes[2].ending is Ending.NOT_STARTED
        assert "write `ready: true`" in error_of(outcomes[2])

    def test_one_that_talks(self, runner: Harness) -> None:
        """No event is confirmed."""
        for _ in range(2):
            assert not runner.run("talks").success

    def test_one_that_says_nothing_but_ok(self, runner: Harness) -> None:
        """It does not read what it confirms, so it confirms nothing."""
        outcome = runner.run("yes")
        assert "before it had read the event" in error_of(outcome) or "nobody asked for" in error_of(outcome)

    def test_fifty_megabytes_of_output(self, runner: Harness) -> None:
        """They are not kept."""
        outcome = runner.run("flood")
        assert outcome.ending in {Ending.DECLINED, Ending.NOT_STARTED}  # as it does so after or before it is given it
        assert "a line of more than 8192 octets" in error_of(outcome) or "nobody asked for" in error_of(outcome)
        status = Path(f"/proc/{runner.ready.pid}/status").read_text()
        assert int(status.split("VmHWM:")[1].split()[0]) < 60_000


class TestClosedPipes:
    """A program that closes its pipes and goes on living."""

    def test_standard_input_at_once(self, runner: Harness) -> None:
        """The event that it has not read has failed within a second or so; it is ended."""
        outcome = runner.run("deaf")
        assert outcome.ending in {Ending.DECLINED, Ending.NOT_STARTED}  # as it does so after or before it is given it
        assert "it closed its standard input" in error_of(outcome)
        assert outcome.seconds < 3

    def test_standard_output_at_once(self, runner: Harness) -> None:
        """It cannot answer any more."""
        outcome = runner.run("mute")
        assert outcome.ending in {Ending.DECLINED, Ending.NOT_STARTED}  # as it does so after or before it is given it
        assert "it closed its standard output" in error_of(outcome)
        assert outcome.seconds < 3

    def test_standard_output_later(self, runner: Harness) -> None:
        """So it is too with an event that it has read."""
        assert runner.run("close").success
        outcome = runner.run("close", does="close", descriptor=1)
        assert "it closed its standard output" in error_of(outcome)
        assert runner.run("close").success

    def test_standard_input_after_the_event(self, runner: Harness) -> None:
        """Its answer counts, and the next event has a new program."""
        before = pid_of(runner, "close")
        assert runner.run("close", does="close and answer").success
        assert pid_of(runner, "close") != before
        assert not alive(before)


class TestReady:
    """Programs that say OK when they are ready, as rsyslog's omprog asks of its own."""

    def test_one_that_is(self, runner: Harness) -> None:
        """Its first OK is no answer to any event."""
        outcome = runner.run("greets", does="bad")
        assert (outcome.ending, outcome.error) == (Ending.DECLINED, "bad")
        assert runner.run("greets").success

    def test_one_that_says_why_it_is_not(self, runner: Harness) -> None:
        """Its event is given to nobody, and may be tried again."""
        outcome = runner.run("is not ready")
        assert outcome.ending is Ending.NOT_STARTED
        assert outcome.error == "it did not say that it is ready, but: no database"

    def test_one_that_says_nothing(self, runner: Harness) -> None:
        """It has its timeout to become ready."""
        outcome = runner.run("never ready")
        assert outcome.ending is Ending.NOT_STARTED
        assert outcome.error == "its program did not say OK within 0.3 seconds of its start"


class TestLocks:
    """Tasks that share a lock."""

    def test_one_after_the_other(self, runner: Harness) -> None:
        """Whatever they are, a stream's events too."""
        begun = time.monotonic()
        runner.start("locked", "a")
        runner.start("locked too", "b")
        runner.start("locked stream", "c", does="sleep", seconds=0.15)
        for job in "abc":
            assert runner.outcome(job).success
        assert time.monotonic() - begun >= 0.45


class TestReload:
    """When the configuration has changed."""

    def test_a_stream_that_is_another_now(self, own: tuple[Harness, Folder]) -> None:
        """Its program ends after the event that is out, in order; the next event has the new one."""
        runner, folder = own
        last = folder.config.with_name("last")
        before = pid_of(runner, "s")
        runner.start("s", "out", does="sleep", seconds=0.3)
        runner.await_reply(Starting, lambda reply: reply.job == "out")
        folder.stream("s", environment={"LAST": str(last), "NEW": "1"})
        runner.send(Reload())
        runner.start("s", "next", does="environment")
        runner.await_reply(Reloaded)
        assert runner.outcome("out").success
        outcome = runner.outcome("next")
        assert json.loads(outcome.stderr)["NEW"] == "1"
        assert last.read_text() == "ended\n"
        assert not alive(before)

    def test_a_stream_that_is_idle(self, own: tuple[Harness, Folder]) -> None:
        """It ends at once when it is another, and not when it is the same."""
        runner, folder = own
        before = pid_of(runner, "s")
        runner.send(Reload())
        runner.await_reply(Reloaded)
        assert pid_of(runner, "s") == before
        folder.stream("s", timeout=3)
        runner.send(Reload())
        runner.await_reply(Reloaded)
        until(lambda: not alive(before))
        assert runner.run("s").success

    def test_a_stream_that_is_gone(self, own: tuple[Harness, Folder]) -> None:
        """Its program ends, and its events are refused."""
        runner, folder = own
        before = pid_of(runner, "s")
        folder.config.write_text(json.dumps({"other": {"argv": ["true"]}}))
        runner.send(Reload())
        runner.await_reply(Reloaded)
        until(lambda: not alive(before))
        assert runner.run("s").ending is Ending.REFUSED


class TestTheEnd:
    """When the gateway stops or dies."""

    def test_an_idle_program_sees_the_end_of_its_input(self, own: tuple[Harness, Folder]) -> None:
        """It can end in order."""
        runner, folder = own
        assert runner.run("s").success
        assert runner.stop() == (0, "")
        assert folder.config.with_name("last").read_text() == "ended\n"

    def test_an_answer_in_time_counts(self, own: tuple[Harness, Folder]) -> None:
        """The event that is out has the program's grace; those in line are not begun."""
        runner, _ = own
        assert runner.run("s").success
        runner.start("s", "out", does="sleep", seconds=0.1)
        runner.start("s", "in-line")
        runner.await_reply(Starting, lambda reply: reply.job == "out")
        runner.connection.shutdown(socket.SHUT_WR)
        ended = {reply.outcome.job: reply.outcome.ending for reply in runner.rest() if isinstance(reply, Ended)}
        assert ended == {"out": Ending.CONFIRMED}

    def test_no_answer_in_time(self, own: tuple[Harness, Folder]) -> None:
        """The event is lost, and the program is ended, whatever it ignores."""
        runner, _ = own
        before = pid_of(runner, "s")
        runner.start("s", "out", does="stubborn")
        runner.await_reply(Starting, lambda reply: reply.job == "out")
        time.sleep(0.05)
        runner.connection.shutdown(socket.SHUT_WR)
        ended = {reply.outcome.job: reply.outcome.ending for reply in runner.rest() if isinstance(reply, Ended)}
        assert ended == {"out": Ending.LOST}
        assert runner.stop()[0] == 0
        assert not alive(before)

    def test_the_inner_process_is_killed(self, own: tuple[Harness, Folder]) -> None:
        """Its streams go with it, and are started anew."""
        runner, _ = own
        before = pid_of(runner, "s")
        os.kill(runner.ready.pid, signal.SIGKILL)
        runner.rest()
        runner.connection.close()
        runner.connect()
        assert not alive(before)
        assert pid_of(runner, "s") != before

    def test_the_outer_process_is_killed(self, own: tuple[Harness, Folder]) -> None:
        """The inner one ends its streams in order."""
        runner, folder = own
        assert runner.run("s").success
        runner.keeper.kill()
        runner.rest()
        until(lambda: not alive(runner.ready.pid))
        assert folder.config.with_name("last").read_text() == "ended\n"
        runner.keeper.wait(PATIENCE)
        assert isinstance(runner.keeper, subprocess.Popen)
