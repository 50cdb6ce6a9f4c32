"""The runner with real children: what they are given, how they end, and that nothing of them stays."""

from __future__ import annotations

import email
import email.policy
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import now
from gateway.runner import tree
from gateway.runner.keeper import peer
from gateway.runner.protocol import (
    MAX_LINE,
    MAX_OUTPUT,
    Cancel,
    Ended,
    NotTaken,
    Reload,
    Reloaded,
    ReloadFailed,
    Room,
    Starting,
)
from parsers.event import FieldValue
from rules.outcome import Ending
from tests.gateway.runner_harness import PATIENCE, ROOT, Harness, alive, living, new_tag, shell, until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


TASKS: dict[str, dict[str, Any]] = {
    "true": {"argv": ["true"], "concurrency": 100},
    "fail": shell("echo out; echo err >&2; exit 75"),
    "signal": shell("kill -9 $$$$"),
    "cat": {"argv": ["cat"]},
    "cat-nothing": {"argv": ["cat"], "stdin": False},
    "reopen": {"argv": ["cat", "/dev/stdin"]},
    "close-stdin": shell("exec <&-; sleep 0.1; echo done"),
    "env": {"argv": ["env", "-0"], "environment": {"COLOUR": "red", "GATEWAY_JOB": "forged"}},
    "arguments": {"argv": ["printf", "[%s]", "${value}", "--x=${value}"]},
    "options": {"argv": ["printf", "%s", "${value}"], "options": True},
    "flood": shell("head -c 50000000 /dev/zero; head -c 1000 /dev/zero >&2", output=1000),
    "much": {"argv": ["head", "-c", "20000000", "/dev/zero"], "output": 100_000_000},
    "hang": shell("sleep 600", timeout=0.2),
    "stubborn": shell("trap '' TERM; while :; do sleep 0.05; done", timeout=0.2),
    "polite": shell("trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done", timeout=0.2),
    "stopped": shell("kill -STOP $$$$", timeout=0.2),
    "background": shell("sleep 600.$1 & echo left", timeout=10),
    "daemon": shell("setsid sh -c 'setsid sleep 600.$1 & ' sh \"$1\" & wait; echo left", timeout=10),
    "stubborn-daemon": shell('trap "" TERM; setsid setsid sleep 600.$1 & sleep 0.1; echo left', timeout=10),
    "hidden": shell('env -i PATH="$PATH" setsid -f sleep 600.$1; sleep 0.1; echo left', timeout=10),
    "hidden-hang": shell('env -i PATH="$PATH" setsid -f sleep 600.$1; sleep 600.$1', timeout=0.3),
    "seven": shell("for i in 1 2 3; do setsid setsid sleep 600.$1 & sleep 600.$1 & done; sleep 600.$1", timeout=0.3),
    "wait": shell("sleep 600.$1", timeout=30, concurrency=100),
    "one-at-a-time": shell("sleep 0.15", concurrency=1),
    "quick": shell("sleep 0.15", concurrency=100),
    "missing": {"argv": ["no-such-program"]},
    "missing-file": {"argv": ["/no/such/file"]},
    "directory": {"argv": ["/etc"]},
    "not-executable": {"argv": ["/etc/passwd"]},
    "no-user": {"argv": ["true"], "user": "no-such-user"},
    "no-group": {"argv": ["true"], "group": "no-such-group"},
    "no-directory": {"argv": ["true"], "cwd": "/no/such/directory"},
    "nobody": {"argv": ["sh", "-c", "id -u; id -G; echo $HOME $USER; umask; pwd"], "user": "nobody", "cwd": "/tmp"},
    "nobody-stdin": {"argv": ["cat", "/dev/stdin"], "user": "nobody"},
    "group": {"argv": ["id", "-g"], "group": "nogroup"},
    "limits": shell(
        "ulimit -t; ulimit -n; ulimit -f; ulimit -v; nice; umask",
        limits={"cpu": 7, "open_files": 50, "file_size": 4096, "address_space": 1 << 30},
        nice=5,
        umask=0o027,
    ),
    "cpu": shell("while :; do :; done", limits={"cpu": 1}, timeout=20),
    "descriptors": {"argv": ["ls", "/proc/self/fd"]},
    "session": {"argv": ["cat", "/proc/self/stat"]},
    "signals": {"argv": ["grep", "Sig[BI]", "/proc/self/status"]},
}


BOMB = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 10  # should the test fail, the machine is to live
for _ in range(4):
    if os.fork() == 0:
        break
while time.monotonic() < end:
    try:
        if os.fork() == 0:  # each lives on as its own child, in a session of its own
            os.setsid()
        else:
            os._exit(0)
    except OSError:
        pass
"""

FORK = """
$$SIG{TERM} = 'IGNORE';
$$end = time() + 10;  # should the test fail, the machine is to live
while (time() < $$end) {
    unless (defined fork()) {
        syswrite(STDERR, 'x');
        select(undef, undef, undef, 0.05);
    }
}
"""

LIBRARY_SIGNALS = 1 << 31 | 1 << 32
"""Signals 32 and 33 in a mask of /proc: the C library keeps them to itself (nptl(7)), whoever started us may ignore
them, and no program can change that."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration that holds the tasks."""
    folder = tmp_path_factory.mktemp("runner")
    (folder / "no-interpreter").write_text("#!/no/such/interpreter\n")
    (folder / "no-format").write_text("echo hello\n")
    (folder / "bomb.py").write_text(BOMB)
    (folder / "sendmail").write_text('#!/bin/sh\nprintf "%s|" "$@"; echo; exec cat\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    folder.chmod(0o755)
    more = {
        "mail": {"mail": ["root", "-x@example.org"], "sendmail": str(folder / "sendmail"), "sender": "gw@example.org"},
        "mail of nobody": {"mail": ["root"], "sendmail": str(folder / "sendmail")},
        "forks": {
            "argv": ["perl", "-e", FORK, "${tag}"],
            "user": "nobody",
            "limits": {"processes": 30},
            "timeout": 1.0,
            "grace": 0.1,
        },
        "no-interpreter": {"argv": [str(folder / "no-interpreter")]},
        "no-format": {"argv": [str(folder / "no-format")]},
        "unreachable": {"argv": [str(folder / "no-format")], "user": "nobody"},
        "bomb": {"argv": [sys.executable, str(folder / "bomb.py"), "${tag}"], "timeout": 1.0, "grace": 0.1},
    }
    config = folder / "tasks.json"
    config.write_text(json.dumps(TASKS | more))
    return config


@pytest.fixture(scope="module")
def one_for_all(config: Path) -> Iterator[Harness]:
    """Return a runner for the module."""
    harness = Harness(config)
    yield harness
    assert harness.stop() == (0, "")


@pytest.fixture
def shared(one_for_all: Harness) -> Harness:
    """Return a runner that all tests may use which leave it as it was."""
    one_for_all.replies.clear()
    return one_for_all


@pytest.fixture
def own(config: Path) -> Iterator[Harness]:
    """Return a runner of the test's own."""
    harness = Harness(config)
    yield harness
    harness.stop()


@pytest.fixture
def tag() -> str:
    """Return digits that no other process has in its arguments."""
    return new_tag()


class TestEnding:
    """How a job ends."""

    def test_exit_code_and_both_outputs(self, shared: Harness) -> None:
        """What it wrote and its exit code are the outcome."""
        outcome = shared.run("fail", tag="1")
        assert (outcome.ending, outcome.exit_code, outcome.signal) == (Ending.EXITED, 75, None)
        assert (outcome.stdout, outcome.stderr) == (b"out\n", b"err\n")
        assert not outcome.success
        assert shared.run("true").success

    def test_a_job_that_is_started_says_so(self, shared: Harness) -> None:
        """That it is about to run is told before the outcome."""
        shared.run("true")
        assert Starting("job") in shared.replies

    def test_killed_by_a_signal_of_others(self, shared: Harness) -> None:
        """A signal that was not ours is named."""
        outcome = shared.run("signal", tag="1")
        assert (outcome.ending, outcome.signal, outcome.exit_code) == (Ending.KILLED, 9, None)
        assert outcome.error == "it was killed by SIGKILL"

    @pytest.mark.parametrize(
        ("task", "number", "code"),
        [("hang", 15, None), ("stubborn", 9, None), ("polite", None, 3), ("stopped", 15, None)],
    )
    def test_timeout(self, shared: Harness, task: str, number: int | None, code: int | None) -> None:
        """TERM comes first, KILL after the grace; a stopped process is woken for TERM."""
        outcome = shared.run(task, tag="1")
        assert (outcome.ending, outcome.signal, outcome.exit_code) == (Ending.TIMED_OUT, number, code)
        assert 0.2 <= outcome.seconds < 3
        assert outcome.error is not None
        assert "timeout of 0.2 seconds" in outcome.error

    def test_output_beyond_the_limit_is_counted(self, shared: Harness) -> None:
        """50 MB do not stop the writer, and do not stay in memory."""
        outcome = shared.run("flood", tag="1")
        assert outcome.success
        assert (len(outcome.stdout), outcome.stdout_dropped) == (1000, 49_999_000)
        assert (len(outcome.stderr), outcome.stderr_dropped) == (1000, 0)

    def test_no_task_keeps_more_output_than_a_line_takes(self, shared: Harness) -> None:
        """The runner's own limit stands above the task's."""
        outcome = shared.run("much")
        assert len(outcome.stdout) == MAX_OUTPUT
        assert outcome.stdout_dropped == 20_000_000 - MAX_OUTPUT

    def test_cancel(self, shared: Harness, tag: str) -> None:
        """A cancelled job is ended like one whose time is up, and has an outcome."""
        shared.start("wait", tag=tag)
        shared.await_reply(Starting)
        shared.send(Cancel("job"))
        outcome = shared.outcome()
        assert outcome.ending is Ending.KILLED
        assert (outcome.error or "").startswith("it was cancelled")
        assert not living(tag)


class TestSurvivors:
    """Nothing that a job starts outlives it."""

    @pytest.mark.parametrize("task", ["background", "daemon", "hidden"])
    def test_what_is_left_behind_is_ended(self, shared: Harness, tag: str, task: str) -> None:
        """Background processes and daemons are ended and counted, and an open pipe of theirs holds nothing up."""
        outcome = shared.run(task, tag=tag)
        assert (outcome.ending, outcome.exit_code, outcome.stdout) == (Ending.EXITED, 0, b"left\n")
        assert outcome.survivors >= 1
        assert outcome.seconds < 3
        assert not living(tag)

    @pytest.mark.parametrize(("task", "least"), [("seven", 7), ("hidden-hang", 1)])
    def test_timeout_ends_the_whole_tree(self, shared: Harness, tag: str, task: str, least: int) -> None:
        """Sessions of their own and environments thrown away do not help."""
        shared.start(task, tag=tag)
        until(lambda: len(living(f"600.{tag}")) >= least)
        assert shared.outcome().ending is Ending.TIMED_OUT
        assert not living(tag)

    def test_term_may_be_ignored(self, shared: Harness, tag: str) -> None:
        """A daemon that ignores TERM gets KILL after the grace."""
        outcome = shared.run("stubborn-daemon", tag=tag)
        assert (outcome.ending, outcome.survivors) == (Ending.EXITED, 1)
        assert 0.3 <= outcome.seconds < 3
        assert not living(tag)

    def test_a_fork_bomb_ends(self, shared: Harness, tag: str) -> None:
        """Processes that fork, make sessions and leave their parents as fast as they can are all caught."""
        outcome = shared.run("bomb", tag=tag)
        assert outcome.ending is Ending.EXITED
        assert outcome.survivors >= 4
        assert 0.1 <= outcome.seconds < 5
        assert "cannot be killed" not in (outcome.error or "")
        assert not living(tag)

    @needs_root
    @pytest.mark.skipif(shutil.which("perl") is None, reason="the user nobody may not run this Python")
    def test_a_fork_bomb_of_a_user_has_a_limit(self, shared: Harness, tag: str) -> None:
        """Every process doubles itself: `limits.processes` stops it (not for root), and all are killed."""
        shared.start("forks", "bomb", tag=tag)
        until(lambda: len(living(tag)) > 10)
        time.sleep(0.3)
        assert len(living(tag)) <= 30
        assert shared.run("true").success
        outcome = shared.outcome("bomb")
        assert outcome.ending is Ending.TIMED_OUT
        assert b"x" in outcome.stderr
        assert not living(tag)

    def test_one_jobs_end_does_not_touch_another(self, shared: Harness, tag: str) -> None:
        """Of two jobs that run at once, each loses its own processes only."""
        shared.start("wait", "a", tag=tag + "1")
        shared.start("daemon", "b", tag=tag + "2")
        assert shared.outcome("b").survivors == 1
        assert living(tag + "1")
        assert not living(tag + "2")
        shared.send(Cancel("a"))
        shared.outcome("a")
        assert not living(tag)

    def test_nobodys_daemon_lives_no_longer_than_those_who_may_have_started_it(self, shared: Harness, tag: str) -> None:
        """A daemon without session and environment of its job ends with the last of the jobs that ran beside it."""
        shared.start("wait", "a", tag=tag + "1")
        shared.start("hidden", "b", tag=tag + "2")
        shared.outcome("b")
        shared.send(Cancel("a"))
        shared.outcome("a")
        assert not living(tag)


class TestWhatAChildIsGiven:
    """Arguments, standard input, environment, descriptors, user and limits."""

    @pytest.mark.parametrize("task", ["cat", "reopen"])
    def test_the_event_is_on_standard_input(self, shared: Harness, task: str) -> None:
        """It is one JSON document and a newline, and can be opened again by name."""
        fields: dict[str, FieldValue] = {"source.ip": "192.0.2.7", "text": "é\n\udcff", "list": [1, None, True]}
        outcome = shared.run(task, **fields)
        assert outcome.stdout.endswith(b"\n")
        assert json.loads(outcome.stdout) == fields

    def test_a_huge_event(self, shared: Harness) -> None:
        """A megabyte of JSON gets through."""
        outcome = shared.run("cat", text="x" * 1_000_000)
        assert len(outcome.stdout) + outcome.stdout_dropped == len('{"text": ""}\n') + 1_000_000

    def test_nobody_need_read_it(self, shared: Harness) -> None:
        """A child that closes standard input at once, or never reads it, is like any other."""
        assert shared.run("close-stdin", tag="1", text="x" * 1_000_000).stdout == b"done\n"
        assert shared.run("true", text="x" * 1_000_000).success

    def test_standard_input_may_be_empty(self, shared: Harness) -> None:
        """`stdin: false` gives none."""
        assert shared.run("cat-nothing").stdout == b""

    @pytest.mark.parametrize("value", ["; rm -rf /", "$(id)", "`id`", "a\nb", "'", '"', "\\", "%s", "*", "é", ""])
    def test_hostile_values_stay_one_argument(self, shared: Harness, value: str) -> None:
        """What a message says is never split, run or expanded."""
        assert shared.run("arguments", value=value).stdout.decode() == f"[{value}][--x={value}]"

    @pytest.mark.parametrize(("value", "words"), [("-rf", "would be an option"), ("a\0b", "NUL"), ([1], "is a list")])
    def test_values_that_cannot_be_arguments(self, shared: Harness, value: Any, words: str) -> None:
        """The job is not started, and the outcome says why."""
        outcome = shared.run("arguments", value=value)
        assert outcome.ending is Ending.REFUSED
        assert outcome.error is not None
        assert words in outcome.error

    def test_an_argument_longer_than_the_system_takes(self, shared: Harness) -> None:
        """128 KiB is the kernel's limit of one argument."""
        outcome = shared.run("options", value="x" * 200_000)
        assert outcome.ending is Ending.REFUSED
        assert outcome.error == "the arguments and the environment of printf are longer than the system takes"

    def test_the_environment_is_built_from_nothing(self, shared: Harness) -> None:
        """Fields are there under GATEWAY_ names; no message can set what the task and the gateway set."""
        fields: dict[str, FieldValue] = {
            "source.ip": "192.0.2.7",
            "rule": "forged",
            "job": "forged",
            "PATH": "/tmp",
            "nul": "a\0b",
            "lines": "a\nb",
            "big": "x" * 10_000,
            "list": ["a"],
            "yes": True,
            "octets": "\udcff",
        }
        text = shared.run("env", **fields).stdout.decode()
        variables = dict(item.split("=", 1) for item in text.split("\0") if item)
        assert variables.pop("PATH").startswith("/usr/local/sbin:")
        user = {variables.pop("USER"), variables.pop("LOGNAME")}
        assert len(user) == 1
        assert Path(variables.pop("HOME")).is_absolute()
        assert variables == {
            "LANG": "C.UTF-8",
            "COLOUR": "red",
            "GATEWAY_RULE": "rule",
            "GATEWAY_JOB": "job",
            "GATEWAY_ATTEMPT": "1",
            "GATEWAY_KEY": "192.0.2.7",
            "GATEWAY_SOURCE_IP": "192.0.2.7",
            "GATEWAY_PATH": "/tmp",
            "GATEWAY_LINES": "a\nb",
            "GATEWAY_YES": "true",
            "GATEWAY_OCTETS": "\\xff",
        }

    def test_the_environment_has_a_limit(self, shared: Harness) -> None:
        """A message with thousands of fields still starts its job."""
        outcome = shared.run("env", **{f"field{number}": "x" * 100 for number in range(5000)})
        assert outcome.success
        assert 40_000 < len(outcome.stdout) + outcome.stdout_dropped < 70_000

    def test_descriptors_session_and_signals(self, shared: Harness) -> None:
        """It has 0, 1 and 2 alone (and what ls opens), a session of its own, no signal blocked or ignored."""
        assert shared.run("descriptors").stdout.split() == [b"0", b"1", b"2", b"3"]
        pid, _, _, _, group, session = shared.run("session").stdout.split()[:6]
        assert pid == group == session
        for line in shared.run("signals").stdout.splitlines():
            assert int(line.split()[1], 16) & ~LIBRARY_SIGNALS == 0

    def test_limits(self, shared: Harness) -> None:
        """Resource limits, niceness and umask are the task's."""
        lines = shared.run("limits", tag="1").stdout.split()
        assert lines == [b"7", b"50", b"8", str((1 << 30) // 1024).encode(), b"5", b"0027"]

    def test_too_much_cpu(self, shared: Harness) -> None:
        """A process over its limit of CPU is killed by the kernel."""
        outcome = shared.run("cpu", tag="1")
        assert (outcome.ending, outcome.signal) == (Ending.KILLED, signal.SIGXCPU)

    @needs_root
    def test_another_user(self, shared: Harness) -> None:
        """User, groups, home, umask and directory are as asked; the event can be opened by name all the same."""
        uid, groups, home, umask, cwd = shared.run("nobody").stdout.decode().splitlines()
        assert (uid, groups, home, umask, cwd) == ("65534", "65534", "/nonexistent nobody", "0077", "/tmp")
        assert json.loads(shared.run("nobody-stdin", a=1).stdout) == {"a": 1}
        assert shared.run("group").stdout == b"65534\n"


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("missing", "no program named no-such-program in PATH /usr/local/sbin:"),
        ("missing-file", "there is no file /no/such/file"),
        ("directory", "/etc is a directory"),
        ("not-executable", "/etc/passwd is not executable by "),
        ("no-user", "there is no user no-such-user"),
        ("no-group", "there is no group no-such-group"),
        ("no-directory", "the working directory /no/such/directory does not exist"),
        ("no-interpreter", "is there, but the interpreter that it names is not"),
        ("no-format", "is neither a binary for this machine nor a script"),
    ],
)
def test_a_start_that_fails_is_an_outcome(shared: Harness, task: str, words: str) -> None:
    """It says what is wrong and where to look, and the runner goes on."""
    outcome = shared.run(task)
    assert outcome.ending is Ending.NOT_STARTED
    assert outcome.error is not None
    assert words in outcome.error
    assert shared.run("true").success


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("no-such-task", "the runner knows no task no-such-task"),
        ("arguments", "the event has no field value"),
    ],
)
def test_what_no_other_try_could_mend_is_refused(shared: Harness, task: str, words: str) -> None:
    """A task that is no more and a value that is not there are told apart from a machine that is not in order."""
    outcome = shared.run(task)
    assert outcome.ending is Ending.REFUSED
    assert outcome.error is not None
    assert words in outcome.error
    assert shared.run("true").success


@needs_root
def test_a_program_that_the_user_cannot_reach(shared: Harness) -> None:
    """The user's rights count, not the runner's."""
    outcome = shared.run("unreachable")
    assert outcome.ending is Ending.NOT_STARTED
    assert outcome.error is not None
    assert "is not executable by nobody: its mode, the directories above it" in outcome.error


class TestMail:
    """Mails that go through the local sendmail."""

    def test_a_mail(self, shared: Harness) -> None:
        """Its recipients are the configuration's, and what a message says stays text."""
        outcome = shared.run("mail", text="é\nBcc: x", **{"user.name": "-oQ/tmp"})
        assert outcome.success
        arguments, *mail = outcome.stdout.decode().split("\n")
        assert arguments == "-i|-f|gw@example.org|--|root|-x@example.org|"
        message = email.message_from_string("\n".join(mail), policy=email.policy.SMTP)
        assert message["Subject"] == "subject: é Bcc: x"
        assert message["From"] == "gw@example.org"
        assert message["Bcc"] is None
        assert message["Message-ID"].startswith("<job@")
        assert abs(message["Date"].datetime.timestamp() - now()) < 60
        assert message.get_content().splitlines() == ["text: é ↵ Bcc: x", "user.name: -oQ/tmp"]

    def test_without_a_sender(self, shared: Harness) -> None:
        """It is from whoever the program runs as."""
        outcome = shared.run("mail of nobody")
        assert outcome.stdout.startswith(b"-i|--|root|\nFrom: ")
        assert f"@{socket.gethostname()}\r\n".encode() in outcome.stdout


class TestManyJobs:
    """Limits on how many run at once."""

    def test_two_hundred_at_once(self, shared: Harness) -> None:
        """All end, each with an outcome of its own."""
        for number in range(200):
            shared.start("true", f"job-{number}")
        assert all(shared.outcome(f"job-{number}").success for number in range(200))

    def test_a_task_runs_as_often_at_a_time_as_it_allows(self, shared: Harness) -> None:
        """Jobs beyond that wait, and let those of other tasks pass."""
        begun = time.monotonic()
        for number in range(3):
            shared.start("one-at-a-time", f"slow-{number}", tag="1")
        for number in range(4):
            shared.start("quick", f"quick-{number}", tag="1")
        for number in range(4):
            shared.outcome(f"quick-{number}")
        assert time.monotonic() - begun < 0.44
        for number in range(3):
            shared.outcome(f"slow-{number}")
        assert time.monotonic() - begun > 0.45

    def test_the_limit_over_all(self, shared: Harness, tag: str) -> None:
        """No more than eight run; a job that waits can be cancelled, and none can be had twice."""
        for number in range(10):
            shared.start("wait", f"wait-{number}", tag=tag)
        for number in range(8):
            shared.await_reply(Starting, lambda reply, job=f"wait-{number}": reply.job == job)  # type: ignore[misc]
        shared.start("wait", "wait-3", tag=tag)
        assert "already" in shared.await_reply(NotTaken).words
        shared.start("wait", "wait-9", tag=tag)
        assert "already" in shared.await_reply(NotTaken).words
        shared.send(Cancel("wait-9"))
        assert shared.outcome("wait-9").error == "it was cancelled before it was started"
        shared.send(Cancel("wait-0"))
        shared.outcome("wait-0")
        shared.await_reply(Starting, lambda reply: reply.job == "wait-8")
        for number in range(1, 9):
            shared.send(Cancel(f"wait-{number}"))
        for number in range(1, 9):
            assert shared.outcome(f"wait-{number}").ending is Ending.KILLED
        assert not living(tag)


class TestTasks:
    """Loading and reloading."""

    def test_reload(self, tmp_path: Path) -> None:
        """New tasks replace the old ones; a broken file keeps them and says so, whoever is at fault."""
        config = tmp_path / "tasks.json"
        config.write_text(json.dumps({"a": {"argv": ["true"], "concurrency": 3}}))
        harness = Harness(config)
        assert harness.ready.tasks == {"a": Room(3)}
        config.write_text(json.dumps({"b": {"argv": ["true"]}}))
        harness.send(Reload())
        assert harness.await_reply(Reloaded).tasks == {"b": Room(4)}
        assert harness.run("a").ending is Ending.REFUSED
        config.write_text("broken")
        harness.send(Reload())
        assert harness.await_reply(ReloadFailed).words == f"{config}:3:7: there is no key 'rnu'; did you mean 'run'?"
        config.write_text("crash")
        harness.send(Reload())
        assert "RuntimeError: a bug" in harness.await_reply(ReloadFailed).words
        assert harness.run("b").success
        status, said = harness.stop()
        assert status == 0
        assert "RuntimeError: a bug" in said

    def test_a_configuration_that_is_broken_from_the_start(self, tmp_path: Path) -> None:
        """The runner is ready without tasks, says why, and takes them when the file is better."""
        config = tmp_path / "tasks.json"
        config.write_text("broken")
        harness = Harness(config)
        assert harness.ready.tasks == {}
        assert "rnu" in (harness.ready.error or "")
        config.write_text(json.dumps({"b": {"argv": ["true"]}}))
        harness.send(Reload())
        harness.await_reply(Reloaded)
        assert harness.run("b").success
        harness.stop()

    def test_jobs_end_while_the_tasks_are_loaded(self, tmp_path: Path) -> None:
        """Loading happens in a process of its own, and does not hold the others up or outlive them."""
        config = tmp_path / "tasks.json"
        config.write_text(json.dumps({"b": {"argv": ["true"]}}))
        harness = Harness(config)
        config.write_text("slow")
        harness.send(Reload())
        assert harness.run("b").success
        below = list(tree.below(harness.keeper.pid))
        assert len(below) == 2
        assert harness.stop()[0] == 0
        assert not any(alive(process.pid) for process in below)


class TestTheEnd:
    """When one side goes away."""

    def test_the_gateway_stops(self, own: Harness, tag: str) -> None:
        """Running jobs are ended and told as lost, nothing is said of waiting ones, and both processes go."""
        for number in range(9):
            own.start("wait", f"wait-{number}", tag=tag)
        for _ in range(8):
            own.await_reply(Starting)
        own.connection.shutdown(socket.SHUT_WR)
        outcomes = {reply.outcome.job: reply.outcome for reply in own.rest() if isinstance(reply, Ended)}
        assert {job: outcome.ending for job, outcome in outcomes.items()} == {
            f"wait-{number}": Ending.LOST for number in range(8)
        }
        assert own.stop() == (0, "")
        assert not living(tag)

    def test_the_gateway_is_killed(self, config: Path, tag: str, tmp_path: Path) -> None:
        """After kill -9 of the gateway no task, no runner and no keeper is left."""
        script = (
            "import sys, time; from pathlib import Path; from tests.gateway.runner_harness import Harness\n"
            f"harness = Harness(Path({str(config)!r}))\n"
            f"for task in ('wait', 'daemon', 'seven', 'hidden-hang'): harness.start(task, task, tag={tag!r})\n"
            "print(harness.keeper.pid, flush=True); time.sleep(600)\n"
        )
        gateway = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
        assert gateway.stdout is not None
        keeper = int(gateway.stdout.readline())
        until(lambda: len(living(f"600.{tag}")) >= 3)
        gateway.kill()
        gateway.wait()
        gateway.stdout.close()
        until(lambda: not alive(keeper) and not living(tag))

    def test_the_inner_process_is_killed(self, own: Harness, tag: str) -> None:
        """Its children are killed by the outer one before the next runner is there."""
        for task in ("wait", "hidden-hang", "seven"):
            own.start(task, task, tag=tag)
        until(lambda: len(living(f"600.{tag}")) >= 3)
        before = own.ready.pid
        os.kill(before, signal.SIGKILL)
        own.rest()
        own.connection.close()
        own.connect()
        assert own.ready.pid != before
        assert not living(tag)
        assert own.run("true").success

    def test_the_outer_process_is_killed(self, own: Harness, tag: str) -> None:
        """The inner one ends its tasks in order and goes too."""
        own.start("wait", tag=tag)
        own.await_reply(Starting)
        own.keeper.kill()
        assert own.outcome().ending is Ending.LOST
        own.rest()
        until(lambda: not alive(own.ready.pid))
        assert not living(tag)

    def test_terminate(self, own: Harness, tag: str) -> None:
        """TERM, as an init system sends it to all processes of a service, is an end in order."""
        own.start("wait", tag=tag)
        own.await_reply(Starting)
        os.kill(own.ready.pid, signal.SIGTERM)
        own.keeper.terminate()
        assert own.outcome().ending is Ending.LOST
        assert own.keeper.wait(PATIENCE) == 0
        assert not living(tag)

    def test_what_is_no_request_ends_the_runner(self, own: Harness, tag: str) -> None:
        """A gateway that says nonsense is not served any longer; its tasks end."""
        own.start("wait", tag=tag)
        own.await_reply(Starting)
        own.connection.sendall(b'{"frame":"shell","argv":["id"]}\n')
        assert own.outcome().ending is Ending.LOST
        own.rest()
        _, said = own.stop()
        assert "there is no request 'shell'" in said
        assert not living(tag)

    def test_a_line_without_end(self, own: Harness) -> None:
        """A line over the limit is not read to its end."""
        with pytest.raises(OSError, match=r"reset|pipe"):
            own.connection.sendall(b"x" * (2 * MAX_LINE))
        assert f"longer than {MAX_LINE} octets" in own.stop()[1]


def test_only_the_parents_socket_is_served(tmp_path: Path) -> None:
    """A socket that somebody else has made is refused by its peer's credentials."""
    code = (
        "import os, socket, sys\n"
        "a, b = socket.socketpair()\n"
        "if os.fork(): a.close(); b.close(); os.wait(); sys.exit()\n"
        "b.set_inheritable(True)\n"
        "argv = [sys.executable, '-m', 'gateway.runner', '--config', '/x', '--fd', str(b.fileno())]\n"
        "os.execv(argv[0], argv)\n"
    )
    # The parent of the runner made it: this is served until its end closes.
    good = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=PATIENCE)
    assert good.stderr == b""
    bad_code = code.replace(
        "if os.fork(): a.close(); b.close(); os.wait(); sys.exit()\n",
        "if os.fork(): a.close(); b.close(); os.wait(); sys.exit()\n" * 2,
    )
    bad = subprocess.run([sys.executable, "-c", bad_code], cwd=ROOT, capture_output=True, timeout=PATIENCE)
    assert b"not by our parent" in bad.stderr


def test_peer_credentials_are_those_of_the_maker() -> None:
    """SO_PEERCRED tells pid and user of whoever made the pair."""
    one, other = socket.socketpair()
    with one, other:
        assert peer(one) == (os.getpid(), os.getuid())


def test_the_runner_is_small(shared: Harness) -> None:
    """Neither of its processes has loaded Twisted, YAML, pyparsing or Hyperscan."""
    shared.run("true")
    for pid in (shared.ready.pid, shared.keeper.pid):
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert not any(name in maps for name in ("hyperscan", "_yaml", "cryptography", "twisted"))
        status = Path(f"/proc/{pid}/status").read_text()
        assert int(status.split("VmRSS:")[1].split()[0]) < 30_000
