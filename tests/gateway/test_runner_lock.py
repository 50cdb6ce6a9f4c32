"""The lock: no runner serves beside a former one whose tasks are still dying."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.runner import tree
from gateway.runner.lock import Lock, LockError
from gateway.runner.protocol import Waits, read_reply
from tests.gateway.runner_harness import PATIENCE, ROOT, Harness, alive, living, new_tag, until

TASKS = {
    "true": {"argv": ["true"]},
    # It heeds no TERM, and neither does what it has started.
    "stubborn": {"argv": ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done", "sh", "${tag}"], "grace": 1.5},
    "wait": {"argv": ["sleep", "600.${tag}"], "grace": 0.2},
    "descriptors": {"argv": ["ls", "-l", "/proc/self/fd"]},
    "stream": {"argv": ["sh", "-c", "read -r x; ls -l /proc/self/fd >&2; echo OK; cat"], "stream": True},
}


def ignores_term(pid: int) -> bool:
    """Tell whether a process ignores TERM (proc(5): the mask of what it ignores)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration."""
    config = tmp_path / "tasks.json"
    config.write_text(json.dumps(TASKS))
    return config


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Return where the lock is to be."""
    return tmp_path / "runner.lock"


@pytest.fixture
def tag() -> str:
    """Return digits that no other process has in its arguments."""
    return new_tag()


@pytest.fixture
def gateway(config: Path, lock: Path, tag: str) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """Return the process of a gateway that has a task running, and the pids of its runner: outer and inner."""
    script = (
        "import time; from pathlib import Path; from tests.gateway.runner_harness import Harness\n"
        f"harness = Harness(Path({str(config)!r}), lock=Path({str(lock)!r}))\n"
        f"harness.start('stubborn', tag={tag!r})\n"
        "print(harness.keeper.pid, harness.ready.pid, flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    keeper, inner = map(int, process.stdout.readline().split())
    until(lambda: any(map(ignores_term, living(tag))))  # before that, it would heed one
    yield process, keeper, inner
    process.stdout.close()
    process.kill()
    process.wait()
    until(lambda: not living(tag))


def test_a_gateway_that_was_killed_and_started_again(
    gateway: tuple[subprocess.Popen[bytes], int, int], config: Path, lock: Path, tag: str
) -> None:
    """Its new runner begins when the old one's tasks are gone, and says after a second whom it waits for."""
    process, keeper, inner = gateway
    begun = time.monotonic()
    process.kill()
    harness = Harness(config, lock=lock)
    assert not living(tag)
    assert not alive(keeper)
    assert not alive(inner)
    assert time.monotonic() - begun >= 1.4
    assert harness.run("true").success
    assert harness.keeper.stdout is not None
    assert read_reply(harness.keeper.stdout.readline()) == Waits(keeper)
    assert harness.stop() == (0, "")


def test_its_outer_process_was_killed_too(
    gateway: tuple[subprocess.Popen[bytes], int, int], config: Path, lock: Path, tag: str
) -> None:
    """The inner one has the same lock, and ends its tasks first."""
    process, keeper, inner = gateway
    os.kill(keeper, signal.SIGKILL)
    process.kill()
    harness = Harness(config, lock=lock)
    assert not living(tag)
    assert not alive(inner)
    harness.stop()


def test_a_runner_that_waits_can_be_stopped(
    gateway: tuple[subprocess.Popen[bytes], int, int], config: Path, lock: Path
) -> None:
    """Its gateway need not wait with it."""
    process, _, _ = gateway
    script = (
        "import socket, subprocess, sys, time\n"
        "from gateway.runner import keeper\n"
        "ours, theirs = socket.socketpair()\n"
        f"argv = [sys.executable, '-m', 'gateway.runner', '--config', {str(config)!r}, '--lock', {str(lock)!r}]\n"
        "runner = subprocess.Popen([*argv, '--fd', str(theirs.fileno())], pass_fds=[theirs.fileno()])\n"
        "theirs.close(); time.sleep(0.3); begun = time.monotonic(); ours.close()\n"
        "print(runner.wait(10), time.monotonic() - begun < 1)\n"
    )
    waiting = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=PATIENCE)
    assert waiting.stdout.split() == [b"0", b"True"], waiting.stderr
    assert process.poll() is None


def test_the_tasks_do_not_have_it(config: Path, lock: Path, tag: str) -> None:
    """Nothing that got away could hold it; both processes of the runner do."""
    harness = Harness(config, lock=lock)
    for task in ("descriptors", "stream"):
        outcome = harness.run(task)
        assert outcome.success
        assert b"lock" not in outcome.stdout + outcome.stderr
    for pid in (harness.keeper.pid, harness.ready.pid):
        assert lock in [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert int(lock.read_text()) == harness.keeper.pid
    harness.start("wait", tag=tag)
    until(lambda: living(f"600.{tag}"))
    assert len(list(tree.below(harness.ready.pid))) >= 1
    assert harness.stop()[0] == 0
    assert Lock(lock).take()


def test_only_a_file_of_its_own_is_used(tmp_path: Path) -> None:
    """The folder may be somebody's who is less: what he put there is not written to."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "symbolic").symlink_to(victim)
    (tmp_path / "hard").hardlink_to(victim)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("symbolic", "hard", "fifo", "folder", "no/such"):
        with pytest.raises(LockError, match=name):
            Lock(tmp_path / name)
    assert victim.read_text() == "precious"


def test_a_lock_that_cannot_be_used_is_said(config: Path, tmp_path: Path) -> None:
    """The runner does not serve without it."""
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-m", "gateway.runner", "--config", str(config), "--lock", str(tmp_path / "no" / "lock")]
    with ours, theirs:
        argv += ["--fd", str(theirs.fileno())]
        runner = subprocess.run(argv, cwd=ROOT, pass_fds=[theirs.fileno()], capture_output=True, timeout=PATIENCE)
    assert runner.returncode == 1
    assert runner.stderr.endswith(b"no/lock cannot be opened: No such file or directory\n")
